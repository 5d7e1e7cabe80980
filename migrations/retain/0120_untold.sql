-- Rows whose period was over when the run began, and that waited for a notice; NULL: nobody counted them.
ALTER TABLE tradewind.rule ADD COLUMN untold bigint;
