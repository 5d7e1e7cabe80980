-- The type of a held column, as it was when the hold was opened. A value that was one of that type need be none of another:
-- the server would log it with the error of the cast. NULL stands for what nobody can say: the type that it has now.
ALTER TABLE tradewind.hold_scope ADD COLUMN kind text;
ALTER TABLE tradewind.hold_scope DISABLE TRIGGER keep;
UPDATE tradewind.hold_scope AS s SET kind = format_type(a.atttypid, NULL)
  FROM pg_attribute AS a WHERE a.attrelid = s.oid AND a.attnum = s.attnum AND a.attname = s.attname AND NOT a.attisdropped;
ALTER TABLE tradewind.hold_scope ENABLE TRIGGER keep;
CREATE OR REPLACE VIEW tradewind.held AS
  SELECT s.* FROM tradewind.hold_scope AS s JOIN tradewind.hold AS h ON h.id = s.hold WHERE h.released_at IS NULL;

-- Whoever writes a scope writes no type: it is looked up.
CREATE FUNCTION tradewind.note_kind() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT format_type(a.atttypid, NULL) INTO NEW.kind FROM pg_attribute AS a
    WHERE a.attrelid = NEW.oid AND a.attnum = NEW.attnum;
  RETURN NEW;
END $$;
CREATE TRIGGER note_kind BEFORE INSERT ON tradewind.hold_scope FOR EACH ROW EXECUTE FUNCTION tradewind.note_kind();
