-- An objection that was upheld is erased under a reference of its own, <name>_erasure, which no name of a request can be; an
-- earlier release left who the person is with the restriction of before. It goes where the erasure has ended.
UPDATE tradewind.request AS r SET person = NULL, state = coalesce(r.state, 'Superseded')
WHERE r.person IS NOT NULL AND EXISTS (
  SELECT FROM tradewind.request AS e
  WHERE e.region = r.region AND e.reference = r.reference || '_erasure' AND e.state IS NOT NULL);
