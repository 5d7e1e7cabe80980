-- Holds: what must not be erased, whoever says it is due. A hold is in force from the commit that wrote it: every batch
-- locks these tables against writers before it looks at anything, and whoever writes here waits for the batches under
-- way. A hold ends by a recorded release and by nothing else.
CREATE TABLE tradewind.hold (
  id text PRIMARY KEY CHECK (id <> ''),
  ground text NOT NULL CHECK (ground <> ''),
  opened_by text NOT NULL CHECK (opened_by <> ''),
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  review_on date,
  released_at timestamptz,
  released_by text,
  release_ground text,
  CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (release_ground IS NULL))
);

-- What a hold covers: any row of these.
CREATE TABLE tradewind.hold_scope (
  hold text NOT NULL REFERENCES tradewind.hold,
  relation text,                      -- schema and table as the catalogue writes them; NULL: every table
  oid oid,                            -- the table when the hold was opened: it may be renamed
  attname name,                       -- a column of it; NULL: every row
  attnum int2,                        -- the column when the hold was opened: names can be swapped
  value text,                         -- the column's value, as its type writes it
  CHECK ((relation IS NULL) = (oid IS NULL) AND (attname IS NULL) = (attnum IS NULL)
    AND (attname IS NULL) = (value IS NULL) AND (attname IS NULL OR relation IS NOT NULL))
);
CREATE UNIQUE INDEX hold_scope_once ON tradewind.hold_scope
  (hold, coalesce(relation, ''), coalesce(attname, ''), coalesce(value, ''));
CREATE INDEX hold_scope_values ON tradewind.hold_scope (oid, attname);

CREATE VIEW tradewind.held AS
  SELECT s.* FROM tradewind.hold_scope AS s JOIN tradewind.hold AS h ON h.id = s.hold WHERE h.released_at IS NULL;

CREATE FUNCTION tradewind.keep_hold() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'hold' THEN
    IF OLD.released_at IS NULL AND NEW.id = OLD.id THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'a hold ends by tradewind.release_hold and is kept afterwards';
END $$;
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON tradewind.hold FOR EACH ROW EXECUTE FUNCTION tradewind.keep_hold();
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON tradewind.hold_scope FOR EACH ROW EXECUTE FUNCTION tradewind.keep_hold();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON tradewind.hold FOR EACH STATEMENT EXECUTE FUNCTION tradewind.keep_hold();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON tradewind.hold_scope FOR EACH STATEMENT EXECUTE FUNCTION tradewind.keep_hold();

-- Opens a hold; again with the same id it is widened, never narrowed. Waits for the batches under way; when it has been
-- committed, nothing that it covers is erased any more.
--   scopes: [{"table": "public.customers", "column": "id", "values": ["7"]}, {"table": "public.messages"}, {}]
-- A table is written `schema.table`, a column as it is; {} is the whole database.
CREATE FUNCTION tradewind.open_hold(hold text, ground text, opened_by text, review_on date, scopes jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  scope jsonb;
  item text;
  found record;
  clean text;
BEGIN
  IF jsonb_typeof(scopes) IS DISTINCT FROM 'array' OR jsonb_array_length(scopes) = 0 THEN
    RAISE EXCEPTION 'a hold without a scope holds nothing';
  END IF;
  LOCK TABLE tradewind.hold, tradewind.hold_scope IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO tradewind.hold (id, ground, opened_by, review_on)
    VALUES (open_hold.hold, open_hold.ground, open_hold.opened_by, open_hold.review_on) ON CONFLICT DO NOTHING;
  IF EXISTS (SELECT FROM tradewind.hold AS h WHERE h.id = open_hold.hold AND h.released_at IS NOT NULL) THEN
    RAISE EXCEPTION 'this hold was released: open another';
  END IF;
  FOR scope IN SELECT * FROM jsonb_array_elements(scopes) LOOP
    IF jsonb_typeof(scope) <> 'object' OR scope - '{table,column,values}'::text[] <> '{}'
      OR (scope ? 'column') <> (scope ? 'values') OR (scope ? 'column' AND NOT scope ? 'table') THEN
      RAISE EXCEPTION 'a scope has a table, or a table, a column and values, or nothing';
    END IF;
    IF NOT scope ? 'table' THEN
      INSERT INTO tradewind.hold_scope (hold) VALUES (open_hold.hold) ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS relation, a.attname, a.attnum,
        format_type(a.atttypid, a.atttypmod) AS kind INTO found
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = scope ->> 'column' AND a.attnum > 0
        AND NOT a.attisdropped
      WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = scope ->> 'table';
    IF found.oid IS NULL OR (scope ? 'column' AND found.attnum IS NULL) THEN
      RAISE EXCEPTION 'no table, or no column, of that name: write schema.table';
    END IF;
    IF NOT scope ? 'column' THEN
      INSERT INTO tradewind.hold_scope (hold, relation, oid) VALUES (open_hold.hold, found.relation, found.oid)
        ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    IF jsonb_typeof(scope -> 'values') <> 'array' OR jsonb_array_length(scope -> 'values') = 0
      OR jsonb_path_exists(scope, '$.values[*] ? (@ == null)') THEN
      RAISE EXCEPTION 'values are a list, not empty, without null';
    END IF;
    FOR item IN SELECT * FROM jsonb_array_elements_text(scope -> 'values') LOOP
      EXECUTE format('SELECT ($1::%s)::text', found.kind) INTO clean USING item;
      INSERT INTO tradewind.hold_scope (hold, relation, oid, attname, attnum, value)
        VALUES (open_hold.hold, found.relation, found.oid, found.attname, found.attnum, clean) ON CONFLICT DO NOTHING;
    END LOOP;
  END LOOP;
END $$;

-- Releases a hold, once, with who and why.
CREATE FUNCTION tradewind.release_hold(hold text, released_by text, ground text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE tradewind.hold AS h
    SET released_at = clock_timestamp(), released_by = release_hold.released_by, release_ground = release_hold.ground
    WHERE h.id = release_hold.hold AND h.released_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such hold is open';
  END IF;
END $$;

ALTER TABLE tradewind.ledger ADD COLUMN held bigint NOT NULL DEFAULT 0;
