-- The books of data subject requests, beside those of retention. A request is a run of its own (`tradewind.run`, with the
-- policy `request/<reference>`), so that a run's fences are a request's too. No identity and no key of a row is here: rows
-- stand by keyed hashes, whose key no database has.

CREATE TABLE tradewind.request (
  run text NOT NULL,
  store text NOT NULL,
  reference text NOT NULL,
  kind text NOT NULL,                 -- Erasure, Reapply
  PRIMARY KEY (run, store),
  FOREIGN KEY (run, store) REFERENCES tradewind.run
);

-- A table of a request, with what was pinned when it began.
CREATE TABLE tradewind.request_table (
  run text NOT NULL,
  store text NOT NULL,
  name text NOT NULL,
  position int NOT NULL,              -- where it stands in the task
  shape text NOT NULL,                -- the table's identity: oid, columns, keys, references
  due_set jsonb NOT NULL,             -- the cut-offs of its keeps
  grounds text[] NOT NULL,            -- of its keeps, in their order
  late bigint NOT NULL DEFAULT 0,
  undated bigint NOT NULL DEFAULT 0,
  verified_at timestamptz,            -- when it was looked at again
  PRIMARY KEY (run, store, name),
  FOREIGN KEY (run, store) REFERENCES tradewind.request
);

-- A row that a request found.
CREATE TABLE tradewind.request_row (
  run text NOT NULL,
  store text NOT NULL,
  name text NOT NULL,
  hash bytea NOT NULL,                -- keyed, over the table and the row's key
  fate text,                          -- Erased, Kept, Held, Blocked, Failed, Gone; NULL: nobody has come to it
  ground int,                         -- of Kept: the place of its ground
  PRIMARY KEY (run, store, name, hash),
  FOREIGN KEY (run, store, name) REFERENCES tradewind.request_table
);

-- What was erased, a row for each transaction that did, written by that very transaction.
CREATE TABLE tradewind.erasure (
  store text NOT NULL,
  number bigint NOT NULL,             -- the newest is acknowledged in the suppression store; a gap is a restore
  run text NOT NULL,
  name text NOT NULL,
  token bigint NOT NULL,
  erased bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (store, number)
);

-- The newest number. Behind what was acknowledged, the database is an older one than it was.
CREATE TABLE tradewind.erasure_head (
  store text PRIMARY KEY,
  number bigint NOT NULL,
  behind boolean NOT NULL DEFAULT false -- a restore was found, and not all erasures have been done over again
);
