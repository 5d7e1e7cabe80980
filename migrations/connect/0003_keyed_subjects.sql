-- Who an event is about is written by a keyed hash: a hash without a key gives a telephone number away to whoever tries them
-- all. The key is the one of the opt-outs, made by this database; an erasure by request finds the person's events by it.

-- Which key a hash is under, as one byte before it. Another key has another number: what was written under the one before is
-- nobody's any more.
CREATE SEQUENCE tradewind_connect.key_number AS integer MAXVALUE 255 CYCLE;
ALTER TABLE tradewind_connect.opt_out_key
  ADD COLUMN number integer NOT NULL DEFAULT nextval('tradewind_connect.key_number') CHECK (number BETWEEN 1 AND 255);

-- What a subject of 32 bytes, as a connector makes it, is called in these tables: the key's number and HMAC-SHA256 under the
-- key. Without a key it is called what it is: events go on, and nobody is told from another.
CREATE FUNCTION tradewind_connect.lane_subject(subject bytea) RETURNS bytea LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key tradewind_connect.opt_out_key;
BEGIN
  IF octet_length(subject) <> 32 THEN
    RETURN subject;
  END IF;
  SELECT * INTO key FROM tradewind_connect.opt_out_key;
  IF NOT FOUND THEN
    RETURN subject;
  END IF;
  RETURN set_byte('\x00'::bytea, 0, key.number) || sha256(key.outer_pad || sha256(key.inner_pad || subject));
END $$;

-- Makes the key where there is none. What came while there was none is called by it from then on. Whoever takes events in
-- has done so before, or sees the key in all that it writes.
CREATE OR REPLACE FUNCTION tradewind_connect.make_opt_out_key() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE tradewind_connect.lane, tradewind_connect.event, tradewind_connect.outbox IN SHARE ROW EXCLUSIVE MODE;
  WITH key AS MATERIALIZED (
    SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || decode(repeat('00', 32), 'hex') AS bytes)
  INSERT INTO tradewind_connect.opt_out_key (inner_pad, outer_pad)
  SELECT string_agg(set_byte('\x00'::bytea, 0, get_byte(bytes, i) # 54), ''::bytea ORDER BY i),
         string_agg(set_byte('\x00'::bytea, 0, get_byte(bytes, i) # 92), ''::bytea ORDER BY i)
  FROM key, generate_series(0, 63) AS i
  ON CONFLICT DO NOTHING;
  UPDATE tradewind_connect.lane AS t SET subject = tradewind_connect.lane_subject(t.subject) WHERE octet_length(t.subject) = 32;
  UPDATE tradewind_connect.event AS t SET subject = tradewind_connect.lane_subject(t.subject) WHERE octet_length(t.subject) = 32;
  UPDATE tradewind_connect.outbox AS t SET subject = tradewind_connect.lane_subject(t.subject) WHERE octet_length(t.subject) = 32;
END $$;

-- The same name as before for whoever opted out, now also of a subject that the tables have by its keyed hash.
CREATE OR REPLACE FUNCTION tradewind_connect.opted_out_as(subject bytea) RETURNS bytea LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key tradewind_connect.opt_out_key;
BEGIN
  SELECT * INTO key FROM tradewind_connect.opt_out_key;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the key of the opt-outs is gone: nobody can tell who opted out';
  END IF;
  IF octet_length(subject) = 33 THEN
    RETURN substr(subject, 2);
  END IF;
  RETURN sha256(key.outer_pad || sha256(key.inner_pad || subject));
END $$;

-- Whether an event about that subject of the tables may not be sold. Of one that was written under another key nobody can
-- tell, and so it may not.
CREATE FUNCTION tradewind_connect.is_opted_out(of_channel text, subject bytea) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  named bytea := tradewind_connect.opted_out_as(subject);
BEGIN
  IF octet_length(subject) = 33 AND NOT EXISTS (
    SELECT FROM tradewind_connect.opt_out_key AS k WHERE k.number = get_byte(subject, 0)) THEN
    RETURN true;
  END IF;
  RETURN EXISTS (SELECT FROM tradewind_connect.opt_out AS o WHERE o.channel = of_channel AND o.person = named);
END $$;

-- A connector of the release before, beside one of this, goes on writing plain hashes: they are not kept.
CREATE FUNCTION tradewind_connect.key_subject() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.subject := tradewind_connect.lane_subject(NEW.subject);
  RETURN NEW;
END $$;
-- In the order in which a connector comes to them, so that neither waits for the other.
LOCK TABLE tradewind_connect.lane, tradewind_connect.event, tradewind_connect.outbox IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER key_subject BEFORE INSERT ON tradewind_connect.lane
  FOR EACH ROW WHEN (octet_length(NEW.subject) = 32) EXECUTE FUNCTION tradewind_connect.key_subject();
CREATE TRIGGER key_subject BEFORE INSERT ON tradewind_connect.event
  FOR EACH ROW WHEN (octet_length(NEW.subject) = 32) EXECUTE FUNCTION tradewind_connect.key_subject();
CREATE TRIGGER key_subject BEFORE INSERT ON tradewind_connect.outbox
  FOR EACH ROW WHEN (octet_length(NEW.subject) = 32) EXECUTE FUNCTION tradewind_connect.key_subject();
UPDATE tradewind_connect.lane SET subject = tradewind_connect.lane_subject(subject);
UPDATE tradewind_connect.event SET subject = tradewind_connect.lane_subject(subject);
UPDATE tradewind_connect.outbox SET subject = tradewind_connect.lane_subject(subject);
CREATE INDEX event_by_subject ON tradewind_connect.event (channel, subject);

-- What erasures by request took from a channel: how many events, of nobody that stands here.
CREATE TABLE tradewind_connect.erasure (
  run      text NOT NULL,
  channel  text NOT NULL,
  erased   bigint NOT NULL DEFAULT 0 CHECK (erased >= 0),
  -- As it was seen last: events that a hold keeps, that nobody has come to, and that came after the request had begun.
  held      bigint NOT NULL DEFAULT 0,
  remaining bigint NOT NULL DEFAULT 0,
  late      bigint NOT NULL DEFAULT 0,
  looked    boolean NOT NULL DEFAULT false,
  -- Until when an attempt to deliver one of them, begun before it was taken, may be under way.
  clear_at timestamptz NOT NULL DEFAULT '-infinity',
  -- Counts below the bound are told as few; the salt opens them.
  bound    integer NOT NULL,
  salt     bytea NOT NULL DEFAULT (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  PRIMARY KEY (run, channel)
);
