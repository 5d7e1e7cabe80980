-- Small counts leave the region blurred, with commitments that stand for them. What their salts are made of stays here, for
-- as long as the books do: whoever has it, and the books, opens them.
ALTER TABLE tradewind.run
  ADD COLUMN salt text NOT NULL DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  ADD COLUMN small_counts int NOT NULL DEFAULT 5; -- counts from 1 to below it are not told
