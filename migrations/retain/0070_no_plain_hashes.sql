-- A hash over the keys of erased rows, made without a key of its own, gives them away to whoever guesses: that of one small
-- integer in no time. Nothing read it. The column stays for an older agent that is still at work; what it writes there is
-- not kept.
CREATE FUNCTION tradewind.keep_no_hash() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.keys_sha256 := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_no_hash BEFORE INSERT OR UPDATE ON tradewind.ledger
  FOR EACH ROW WHEN (NEW.keys_sha256 IS NOT NULL) EXECUTE FUNCTION tradewind.keep_no_hash();
UPDATE tradewind.ledger SET keys_sha256 = NULL WHERE keys_sha256 IS NOT NULL;
COMMENT ON COLUMN tradewind.ledger.keys_sha256 IS 'empty: written by no agent of today, and kept of none';
