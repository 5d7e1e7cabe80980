-- A hash over the keys of erased rows, made without a key of its own, gives them away to whoever guesses: that of one small
-- integer in no time. Nothing read it. The column stays for an older agent that is still at work; what it writes there is
-- not kept.
-- Made anew it is empty at once, however long the ledger is.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tradewind.ledger DROP COLUMN keys_sha256;
ALTER TABLE tradewind.ledger ADD COLUMN keys_sha256 bytea;
CREATE FUNCTION tradewind.keep_no_hash() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.keys_sha256 := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_no_hash BEFORE INSERT OR UPDATE ON tradewind.ledger
  FOR EACH ROW WHEN (NEW.keys_sha256 IS NOT NULL) EXECUTE FUNCTION tradewind.keep_no_hash();
COMMENT ON COLUMN tradewind.ledger.keys_sha256 IS 'empty: written by no agent of today, and kept of none';
