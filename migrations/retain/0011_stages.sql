-- Erased rows lie in their files until a vacuum that began after the last who could still see them was gone.
ALTER TABLE tradewind.rule
  ADD COLUMN relations oid[],          -- the tables in whose files they lie; NULL: not known
  ADD COLUMN verified_at timestamptz,  -- when they were looked for in a fresh snapshot, and not found
  ADD COLUMN horizon xid8,             -- who begins from here on does not see them
  ADD COLUMN passed_at timestamptz,    -- when nobody was left who could, and no vacuum was at work on these tables
  ADD COLUMN space text;               -- see the contract's `Space`; NULL: nothing was erased
