-- Rows of erased persons whose clock is after the erasure, when all erasures are done over again: they stay.
ALTER TABLE tradewind.request_table ADD COLUMN spared bigint NOT NULL DEFAULT 0;
