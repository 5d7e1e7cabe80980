-- Partitions that go whole: all their rows are due and pinned, so they are detached and dropped. A row of this table is
-- written with the pins; what has been detached and not dropped is put back before its run ends.
CREATE TABLE tradewind.partition (
  run text NOT NULL,
  store text NOT NULL,
  rule text NOT NULL,
  oid oid NOT NULL,
  parent oid NOT NULL,
  bound text NOT NULL DEFAULT '',     -- FOR VALUES FROM ... TO ..., in UTC, as it was before it was detached
  checks oid[] NOT NULL DEFAULT '{}', -- the check constraints that it had: to be detached concurrently adds one
  state text NOT NULL DEFAULT 'Planned' CHECK (state IN ('Planned', 'Detaching', 'Dropped', 'Kept')),
  PRIMARY KEY (run, store, rule, oid),
  FOREIGN KEY (run, store, rule) REFERENCES tradewind.rule
);
-- Pins of a partition are not a batch's while it is to go whole.
ALTER TABLE tradewind.pin ADD COLUMN partition oid;
ALTER TABLE tradewind.rule ADD COLUMN strategy text NOT NULL DEFAULT 'Rows';
