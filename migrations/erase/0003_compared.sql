-- Numbers of erasures up to this one are an earlier release's, which did not acknowledge all of a run before it ended: that the
-- suppression store lacks them says nothing of its age.
ALTER TABLE tradewind.erasure_head ADD COLUMN compared_from bigint NOT NULL DEFAULT 0;
UPDATE tradewind.erasure_head SET compared_from = number;
