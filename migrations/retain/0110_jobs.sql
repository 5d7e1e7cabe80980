-- By which Job a run was last begun or gone on with: of a Job whose report was lost the hub asks what it did, and of no other.
ALTER TABLE tradewind.run ADD COLUMN job text;
