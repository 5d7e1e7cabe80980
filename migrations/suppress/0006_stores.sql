-- The stores that a request was begun in, with what was told of each last. Rules and Regions change while a request is under
-- way: one that is ended in its midst is ended and told by this. Numbers as they were told, no value of a person.

CREATE TABLE tradewind.request_store (
  region text NOT NULL,
  reference text NOT NULL,
  store text NOT NULL,
  told jsonb,                         -- NULL: nothing yet
  PRIMARY KEY (region, reference, store),
  FOREIGN KEY (region, reference) REFERENCES tradewind.request
);
