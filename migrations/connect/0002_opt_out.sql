-- Who opted out of the sale or sharing of what a channel's events say. A person stands here by a keyed hash of the
-- subject that the lanes have; the key is made by this database and never leaves it.

-- A fourth end of an event at a sink: its person opted out, and it was not sent.
ALTER TABLE tradewind_connect.outbox DROP CONSTRAINT outbox_state_check;
ALTER TABLE tradewind_connect.outbox ADD CONSTRAINT outbox_state_check
  CHECK (state IN ('Pending', 'Delivered', 'Dead', 'OptedOut')) NOT VALID;
CREATE INDEX outbox_opted_out ON tradewind_connect.outbox (channel, at) WHERE state = 'OptedOut';

-- The two halves of an HMAC-SHA256 key, each already in its pad (RFC 2104). One row at most: without it no person can be
-- told from another here, and no sink that is a sale or a sharing is sent anything.
CREATE TABLE tradewind_connect.opt_out_key (
  single    boolean PRIMARY KEY DEFAULT true CHECK (single),
  inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
  outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64),
  made_at   timestamptz NOT NULL DEFAULT now()
);

-- Makes the key, of 244 random bits, where there is none.
CREATE FUNCTION tradewind_connect.make_opt_out_key() RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  WITH key AS MATERIALIZED (
    SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || decode(repeat('00', 32), 'hex') AS bytes)
  INSERT INTO tradewind_connect.opt_out_key (inner_pad, outer_pad)
  SELECT string_agg(set_byte('\x00'::bytea, 0, get_byte(bytes, i) # 54), ''::bytea ORDER BY i),
         string_agg(set_byte('\x00'::bytea, 0, get_byte(bytes, i) # 92), ''::bytea ORDER BY i)
  FROM key, generate_series(0, 63) AS i
  ON CONFLICT DO NOTHING
$$;
SELECT tradewind_connect.make_opt_out_key();

-- What a subject of the lanes is called in `opt_out`: HMAC-SHA256 under the key.
CREATE FUNCTION tradewind_connect.opted_out_as(subject bytea) RETURNS bytea LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key tradewind_connect.opt_out_key;
BEGIN
  SELECT * INTO key FROM tradewind_connect.opt_out_key;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the key of the opt-outs is gone: nobody can tell who opted out';
  END IF;
  RETURN sha256(key.outer_pad || sha256(key.inner_pad || subject));
END $$;

-- A person's opt-out, by the request that asked for it. It is in force from the commit that wrote it.
CREATE TABLE tradewind_connect.opt_out (
  channel text NOT NULL,
  person  bytea NOT NULL,
  request text NOT NULL,
  at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, person, request)
);
CREATE INDEX opt_out_by_request ON tradewind_connect.opt_out (request, channel);

-- The sinks that a request named: each is a sale or a sharing to every connector from then on, also to one whose task does
-- not say so yet.
CREATE TABLE tradewind_connect.opt_out_sink (
  channel        text NOT NULL,
  sink           text NOT NULL,
  request        text NOT NULL,
  -- When no attempt that had begun before was under way any more; NULL: nobody has seen that yet.
  in_force_since timestamptz,
  PRIMARY KEY (channel, sink, request)
);
