-- Holds from a mounted list: what is wrong with a scope is told by a code and the names in it, and no value of it is in
-- the server's log, where the message of a failed cast would quote it. The review date of an open hold may be moved.
CREATE OR REPLACE FUNCTION tradewind.open_hold(hold text, ground text, opened_by text, review_on date, scopes jsonb)
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
    RAISE EXCEPTION 'this hold was released: open another' USING ERRCODE = 'TWH01';
  END IF;
  UPDATE tradewind.hold AS h SET review_on = open_hold.review_on
    WHERE h.id = open_hold.hold AND h.review_on IS DISTINCT FROM open_hold.review_on;
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
    IF found.oid IS NULL THEN
      RAISE EXCEPTION 'no table of that name: write schema.table' USING ERRCODE = 'TWH02', TABLE = scope ->> 'table';
    END IF;
    IF scope ? 'column' AND found.attnum IS NULL THEN
      RAISE EXCEPTION 'no column of that name' USING ERRCODE = 'TWH03', TABLE = scope ->> 'table';
    END IF;
    IF NOT scope ? 'column' THEN
      INSERT INTO tradewind.hold_scope (hold, relation, oid) VALUES (open_hold.hold, found.relation, found.oid)
        ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    IF jsonb_typeof(scope -> 'values') <> 'array' OR jsonb_array_length(scope -> 'values') = 0
      OR jsonb_path_exists(scope, '$.values[*] ? (@ == null)') THEN
      RAISE EXCEPTION 'values are a list, not empty, without null' USING ERRCODE = 'TWH04', TABLE = scope ->> 'table';
    END IF;
    -- What is caught is not logged.
    BEGIN
      FOR item IN SELECT * FROM jsonb_array_elements_text(scope -> 'values') LOOP
        EXECUTE format('SELECT ($1::%s)::text', found.kind) INTO clean USING item;
        INSERT INTO tradewind.hold_scope (hold, relation, oid, attname, attnum, value)
          VALUES (open_hold.hold, found.relation, found.oid, found.attname, found.attnum, clean) ON CONFLICT DO NOTHING;
      END LOOP;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
      RAISE EXCEPTION 'a value is none of the column''s type' USING ERRCODE = 'TWH04', TABLE = scope ->> 'table';
    END;
  END LOOP;
END $$;
