-- A hold by values names persons. When it is released nothing needs these any more: they go with the release, and what stays
-- is how many there were, beside who held what, why, and from when until when.
CREATE TABLE tradewind.released_scope (
  hold text NOT NULL REFERENCES tradewind.hold,
  relation text NOT NULL,
  attname name NOT NULL,
  held bigint NOT NULL CHECK (held > 0),   -- values that were held
  PRIMARY KEY (hold, relation, attname)
);

-- As before; but values of a hold that is released go, once they are counted.
CREATE OR REPLACE FUNCTION tradewind.keep_hold() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'hold' THEN
    IF OLD.released_at IS NULL AND NEW.id = OLD.id THEN
      RETURN NEW;
    END IF;
  END IF;
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'hold_scope' THEN
    IF OLD.value IS NOT NULL
      AND EXISTS (SELECT FROM tradewind.hold AS h WHERE h.id = OLD.hold AND h.released_at IS NOT NULL)
      AND EXISTS (SELECT FROM tradewind.released_scope AS r
                  WHERE r.hold = OLD.hold AND r.relation = OLD.relation AND r.attname = OLD.attname) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'a hold ends by tradewind.release_hold and is kept afterwards';
END $$;
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON tradewind.released_scope
  FOR EACH ROW EXECUTE FUNCTION tradewind.keep_hold();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON tradewind.released_scope
  FOR EACH STATEMENT EXECUTE FUNCTION tradewind.keep_hold();

-- Whoever releases a hold, by the function or by hand.
CREATE FUNCTION tradewind.forget_values() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO tradewind.released_scope (hold, relation, attname, held)
    SELECT s.hold, s.relation, s.attname, count(*) FROM tradewind.hold_scope AS s
    WHERE s.hold = NEW.id AND s.value IS NOT NULL GROUP BY s.hold, s.relation, s.attname
    ON CONFLICT DO NOTHING;
  DELETE FROM tradewind.hold_scope AS s WHERE s.hold = NEW.id AND s.value IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_values AFTER UPDATE ON tradewind.hold
  FOR EACH ROW WHEN (OLD.released_at IS NULL AND NEW.released_at IS NOT NULL) EXECUTE FUNCTION tradewind.forget_values();

-- Of those that were released before.
INSERT INTO tradewind.released_scope (hold, relation, attname, held)
  SELECT s.hold, s.relation, s.attname, count(*) FROM tradewind.hold_scope AS s JOIN tradewind.hold AS h ON h.id = s.hold
  WHERE h.released_at IS NOT NULL AND s.value IS NOT NULL GROUP BY s.hold, s.relation, s.attname;
DELETE FROM tradewind.hold_scope AS s USING tradewind.hold AS h
  WHERE h.id = s.hold AND h.released_at IS NOT NULL AND s.value IS NOT NULL;
