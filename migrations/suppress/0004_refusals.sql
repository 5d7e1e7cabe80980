-- How many of the attempts the recipient itself refused: one that refuses is given up sooner than one that is away, and one
-- that refused them all took none.
ALTER TABLE tradewind.told ADD COLUMN refused bigint NOT NULL DEFAULT 0;
