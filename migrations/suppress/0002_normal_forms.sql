-- How a value was read when its hash was made: whether A to Z were the same as a to z. A Region that reads the kind otherwise
-- by now would find nobody. NULL of what an earlier release wrote: as the kind is read now.
ALTER TABLE tradewind.suppressed ADD COLUMN folded boolean;
