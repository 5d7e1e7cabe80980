-- Keys are packed as arrays, and a pin remembers where its rows lay. A pin stays until its rule is closed, whatever
-- became of its rows: what is due then and was never pinned came late.

ALTER TABLE tradewind.pin
  ADD COLUMN ints bigint[],           -- the keys, one key column after the other, where all of them are integers
  ADD COLUMN texts text[],            -- the same as texts where they are not
  ADD COLUMN tids tid[],              -- where each row lay when it was pinned; a hint
  ADD COLUMN settled boolean NOT NULL DEFAULT false; -- judged, and not erased
UPDATE tradewind.pin AS p SET texts = ARRAY(
  SELECT t.key FROM jsonb_array_elements(p.keys) WITH ORDINALITY AS k (keys, place),
    jsonb_array_elements_text(k.keys) WITH ORDINALITY AS t (key, place) ORDER BY k.place, t.place);
ALTER TABLE tradewind.pin DROP COLUMN keys;
-- Arrays of this size compress badly and slowly.
ALTER TABLE tradewind.pin
  ALTER COLUMN ints SET STORAGE EXTERNAL,
  ALTER COLUMN texts SET STORAGE EXTERNAL,
  ALTER COLUMN tids SET STORAGE EXTERNAL;
DROP INDEX tradewind.pin_open;
DROP INDEX tradewind.pin_erased;
CREATE INDEX pin_open ON tradewind.pin (run, store, rule, first, id) WHERE NOT erased AND NOT settled;
CREATE INDEX pin_rule ON tradewind.pin (run, store, rule);

ALTER TABLE tradewind.rule
  ADD COLUMN late bigint;             -- due rows that nobody had pinned, counted when the rule was closed
COMMENT ON COLUMN tradewind.ledger.keys_sha256 IS
  'SHA-256 over the erased keys, pin by pin, as PostgreSQL sends the array that packs them';
