-- What `erased` means for a rule: its rows were deleted, or some of their columns changed.
ALTER TABLE tradewind.rule ADD COLUMN method text NOT NULL DEFAULT 'Delete';
