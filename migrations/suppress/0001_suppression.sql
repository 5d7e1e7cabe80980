-- The suppression store: who was erased, by keyed hashes; how far each store's erasures have come; requests under way.
-- In a database of its own, so that no restore of a store takes it back.

CREATE TABLE tradewind.suppressed (
  kind text NOT NULL,                 -- of the value: email, customerId
  hash bytea NOT NULL,                -- HMAC-SHA256 over kind and value
  key_id text NOT NULL,               -- which key: the beginning of its own hash
  erased_at timestamptz NOT NULL,     -- rows that came later are spared
  PRIMARY KEY (kind, hash, key_id)
);

CREATE TABLE tradewind.acknowledged (
  region text NOT NULL,
  store text NOT NULL,
  number bigint NOT NULL,             -- of tradewind.erasure in the store
  PRIMARY KEY (region, store)
);

CREATE TABLE tradewind.request (
  region text NOT NULL,
  reference text NOT NULL,
  run text NOT NULL,                  -- in every store
  given bytea NOT NULL,               -- keyed hash of what the task gave: a reference is for one person
  person bytea,                       -- age ciphertext to the region's key of all values; NULL once it has ended
  suppressed bigint NOT NULL,         -- how many values of the person
  began_at timestamptz NOT NULL,
  state text,                         -- when it has ended
  PRIMARY KEY (region, reference)
);
