-- An administrator's stop switch: while a row names a policy, or none, no batch of it begins. Runs stay open and go
-- on when the row is gone.
--   INSERT INTO tradewind.stop (policy, by, reason) VALUES (NULL, 'ann', 'month end');
CREATE TABLE tradewind.stop (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  policy text,                        -- NULL: every policy
  by text NOT NULL DEFAULT session_user,
  reason text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
