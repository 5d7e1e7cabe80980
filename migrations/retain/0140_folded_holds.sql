-- Persons whom requests find whatever the case of their letters are held so: a scope may ask for it, and each of its values is
-- noted beside so. A hold that was open before asks for it with its next Job: it is widened by what it has, and loses nothing.
ALTER TABLE tradewind.hold_scope ADD COLUMN folded boolean NOT NULL DEFAULT false; -- letters A to Z are a to z
DROP INDEX tradewind.hold_scope_once;
CREATE UNIQUE INDEX hold_scope_once ON tradewind.hold_scope
  (hold, coalesce(relation, ''), coalesce(attname, ''), coalesce(value, ''), folded);
CREATE OR REPLACE VIEW tradewind.held AS
  SELECT s.* FROM tradewind.hold_scope AS s JOIN tradewind.hold AS h ON h.id = s.hold WHERE h.released_at IS NULL;

-- As before; and a scope with values may have "folded": true.
CREATE OR REPLACE FUNCTION tradewind.open_hold(hold text, ground text, opened_by text, review_on date, scopes jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  scope jsonb;
  item text;
  found record;
  clean text;
  is_folded boolean;
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
    IF jsonb_typeof(scope) <> 'object' OR scope - '{table,column,values,folded}'::text[] <> '{}'
      OR (scope ? 'column') <> (scope ? 'values') OR (scope ? 'column' AND NOT scope ? 'table')
      OR (scope ? 'folded' AND (NOT scope ? 'column' OR jsonb_typeof(scope -> 'folded') <> 'boolean')) THEN
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
    is_folded := coalesce((scope ->> 'folded')::boolean, false);
    -- What is caught is not logged.
    BEGIN
      FOR item IN SELECT * FROM jsonb_array_elements_text(scope -> 'values') LOOP
        EXECUTE format('SELECT ($1::%s)::text', found.kind) INTO clean USING item;
        INSERT INTO tradewind.hold_scope (hold, relation, oid, attname, attnum, value, folded)
          VALUES (open_hold.hold, found.relation, found.oid, found.attname, found.attnum, clean, is_folded)
          ON CONFLICT DO NOTHING;
      END LOOP;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
      RAISE EXCEPTION 'a value is none of the column''s type' USING ERRCODE = 'TWH04', TABLE = scope ->> 'table';
    END;
    -- Also those that its list has no more: they stay held, and in the same way.
    IF is_folded THEN
      INSERT INTO tradewind.hold_scope (hold, relation, oid, attname, attnum, value, folded)
        SELECT s.hold, s.relation, s.oid, s.attname, s.attnum, s.value, true FROM tradewind.hold_scope AS s
        WHERE s.hold = open_hold.hold AND (s.oid = found.oid OR s.relation = found.relation) AND s.attname = found.attname
          AND NOT s.folded
        ON CONFLICT DO NOTHING;
    END IF;
  END LOOP;
END $$;

-- As before; a value that is noted in both ways is one.
CREATE OR REPLACE FUNCTION tradewind.forget_values() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO tradewind.released_scope (hold, relation, attname, held)
    SELECT s.hold, s.relation, s.attname, count(DISTINCT s.value) FROM tradewind.hold_scope AS s
    WHERE s.hold = NEW.id AND s.value IS NOT NULL GROUP BY s.hold, s.relation, s.attname
    ON CONFLICT DO NOTHING;
  DELETE FROM tradewind.hold_scope AS s WHERE s.hold = NEW.id AND s.value IS NOT NULL;
  RETURN NULL;
END $$;
