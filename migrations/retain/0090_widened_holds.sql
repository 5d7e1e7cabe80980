-- When a hold was widened last: what a database that was restored to before that says of it is older than what the hub knows.
-- Values say whom a hold is about; a moment says nothing of them. NULL: never since this is noted.
ALTER TABLE tradewind.hold ADD COLUMN widened_at timestamptz;

CREATE FUNCTION tradewind.note_widened() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- One transaction adds many values, and is noted once. What began before another that ended first is later all the same.
  UPDATE tradewind.hold AS h
    SET widened_at = greatest(now(), coalesce(h.widened_at + interval '1 microsecond', now()))
    WHERE h.id IN (SELECT a.hold FROM added AS a) AND h.widened_at IS DISTINCT FROM now();
  RETURN NULL;
END $$;
CREATE TRIGGER note_widened AFTER INSERT ON tradewind.hold_scope REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION tradewind.note_widened();
