-- Which request suppressed a value: what a request suppressed that was ended before it erased anything goes with it, and what
-- others suppressed stays. Empty of what an earlier release wrote, which stays.
ALTER TABLE tradewind.suppressed
  ADD COLUMN region text NOT NULL DEFAULT '',
  ADD COLUMN reference text NOT NULL DEFAULT '',
  DROP CONSTRAINT suppressed_pkey,
  ADD PRIMARY KEY (kind, hash, key_id, region, reference);
