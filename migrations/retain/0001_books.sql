-- The books of retention, in the store's own database: what a run set out to do, and what it did.
-- No identity leaves them: keys of due rows stay here, and only until their run has been verified.

-- A run of a policy over this store. One id stands for the run in every store it covers.
CREATE TABLE tradewind.run (
  id text NOT NULL,
  store text NOT NULL,
  policy text NOT NULL,
  region text NOT NULL,
  spec_hash text NOT NULL,
  approval text,                      -- hash of the preview whose approval the run needed
  now timestamptz NOT NULL,           -- the clock that every cut-off counts from; never read again on a retry
  window_ends timestamptz NOT NULL,
  token bigint NOT NULL DEFAULT 1,    -- who may write: a process that continues the run takes the next number
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  reason text,
  PRIMARY KEY (id, store)
);
CREATE UNIQUE INDEX run_open ON tradewind.run (policy, store) WHERE ended_at IS NULL;
CREATE INDEX run_latest ON tradewind.run (policy, store, began_at);

-- A rule of a run, with all that was pinned when it began.
CREATE TABLE tradewind.rule (
  run text NOT NULL,
  store text NOT NULL,
  name text NOT NULL,
  position int NOT NULL,              -- where it stands in the policy
  due_set jsonb NOT NULL,             -- the clocks that are due: the latest, and the gaps before it
  shape text NOT NULL,                -- the table's identity: oid, columns, keys, references
  rows bigint NOT NULL,
  due bigint NOT NULL,
  null_clock bigint NOT NULL,
  oldest_kept text,
  PRIMARY KEY (run, store, name),
  FOREIGN KEY (run, store) REFERENCES tradewind.run
);

-- The due rows of a rule by their keys, a few hundred a row: an array of texts for each key column.
-- Deleted when the run ends.
CREATE TABLE tradewind.pin (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run text NOT NULL,
  store text NOT NULL,
  rule text NOT NULL,
  first bigint NOT NULL,              -- the first row's place among the due rows
  rows int NOT NULL,
  pass int NOT NULL DEFAULT 0,        -- the last pass that tried it
  erased boolean NOT NULL DEFAULT false,
  keys jsonb NOT NULL,
  FOREIGN KEY (run, store, rule) REFERENCES tradewind.rule
);
CREATE INDEX pin_open ON tradewind.pin (run, store, rule, first, id) WHERE NOT erased;
CREATE INDEX pin_erased ON tradewind.pin (run, store, rule, id) WHERE erased;

-- What was done, a row for each transaction that did something, written by that very transaction.
CREATE TABLE tradewind.ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run text NOT NULL,
  store text NOT NULL,
  rule text NOT NULL,
  token bigint NOT NULL,
  entry text NOT NULL,                -- Batch, Row, Left, Returned
  erased bigint NOT NULL DEFAULT 0,
  gone bigint NOT NULL DEFAULT 0,
  blocked bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  remaining bigint NOT NULL DEFAULT 0,
  keys_sha256 bytea,                  -- over the erased keys in order
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (run, store, rule) REFERENCES tradewind.rule
);
CREATE INDEX ledger_rule ON tradewind.ledger (run, store, rule);
