-- Receipts of destroyed keys. A key is random: its hash tells whoever has a copy which one it was, and nobody else anything.
CREATE TABLE tradewind.shredded (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run text NOT NULL,
  store text NOT NULL,
  rule text NOT NULL,                 -- the rule; of a request, the table's name in its task
  fingerprint bytea NOT NULL,         -- SHA-256 of the key
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX shredded_fingerprint ON tradewind.shredded (fingerprint);

-- Restrictions that were lifted, a row for each transaction that did something, written by that very transaction.
CREATE TABLE tradewind.lifted (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  store text NOT NULL,
  by text NOT NULL,                   -- policy/<policy>/<rule> or request/<reference>, as restricted rows have it
  relation text NOT NULL,
  rows bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
