-- Who was told of what was done for a request, and what they answered. No value of a person.

CREATE TABLE tradewind.told (
  region text NOT NULL,
  reference text NOT NULL,            -- of the request
  news text NOT NULL,                 -- person.erased, person.restricted, person.lifted
  recipient text NOT NULL,            -- <policy>/<recipient>
  state text NOT NULL,                -- Pending, Failed, Refused, NotConcerned, Told, NoData, Done
  ground text,                        -- of a refusal, a word of a closed list
  attempts bigint NOT NULL,
  answer text,                        -- an HTTP status, or a word of ours
  at timestamptz,                     -- of the last attempt
  PRIMARY KEY (region, reference, news, recipient)
);
