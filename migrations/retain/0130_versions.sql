-- How a batch knows that a row in a pinned place is the pinned one: the oldest transaction that was at work when the rows were
-- pinned, and the table's file at that moment. NULL: pinned by an agent that did not ask.
ALTER TABLE tradewind.rule ADD COLUMN pinned_before bigint, ADD COLUMN pinned_file bigint;
