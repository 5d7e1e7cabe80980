-- Whose events were erased from connectors' stores: the subject as such a store has it, a hash under that store's own key,
-- which is not here. A restore of it brings the events back, and by these they are found again. Each
-- request has its own: what one wrote that was ended before it erased anything goes with it, and what others wrote stays.
CREATE TABLE tradewind.suppressed_subject (
  region text NOT NULL,
  reference text NOT NULL,
  store text NOT NULL,
  channel text NOT NULL,
  subject bytea NOT NULL,
  erased_at timestamptz NOT NULL,     -- events that came later are spared
  PRIMARY KEY (region, reference, store, channel, subject)
);
