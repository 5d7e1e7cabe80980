-- Rows that stay because kept rows of another table refer to them have the ground of these, and rows of which a law keeps some
-- columns have that of the law: both come after the table's own grounds. By the place of the ground, the table whose rows the
-- law keeps, null for the table itself; and the columns that it keeps, joined by commas, empty for whole rows.
ALTER TABLE tradewind.request_table ADD COLUMN ground_tables text[] NOT NULL DEFAULT '{}';
ALTER TABLE tradewind.request_table ADD COLUMN ground_columns text[] NOT NULL DEFAULT '{}';
