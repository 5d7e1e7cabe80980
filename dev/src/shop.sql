-- A sample shop: ten years of customers, orders, invoices and messages, the same rows for the same variables.
-- psql variables: seed, orders (how many), until (the last day), owner, retain (role names).
-- One set-based statement a table, and indexes last: 200,000 orders load in seconds.
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL synchronous_commit = off;

-- A number from 0 to 1 that depends on nothing but the seed, a word and a counter. md5 is the same everywhere.
CREATE FUNCTION pg_temp.draw(seed text, word text, i bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ('x' || substr(md5(seed || word || i), 1, 8))::bit(32)::bigint / 4294967296.0 $$;

CREATE TABLE customers (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  country text NOT NULL,
  created_at timestamptz NOT NULL,
  last_seen_at timestamptz  -- null for customers who never came back
);

CREATE TABLE orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  placed_at timestamptz NOT NULL,
  status text NOT NULL,
  total numeric(12, 2) NOT NULL,
  currency text NOT NULL
);

CREATE TABLE invoices (
  year int,
  number int,
  order_id bigint NOT NULL,
  issued_on date,  -- null for drafts
  total numeric(12, 2) NOT NULL,
  PRIMARY KEY (year, number)
);

CREATE TABLE messages (
  id uuid PRIMARY KEY,
  customer_id bigint NOT NULL,
  order_id bigint,
  sent_at timestamp,  -- the shop's wall clock; null where an old import lost it
  body text NOT NULL
);

INSERT INTO customers
SELECT i,
  'Customer ' || i,
  'customer' || i || '@shop.example',
  (ARRAY['DE', 'FR', 'NO', 'US'])[1 + floor(4 * pg_temp.draw(:'seed', 'country', i))::int],
  :'until'::timestamptz - interval '3652 days' * pg_temp.draw(:'seed', 'created', i),
  CASE WHEN pg_temp.draw(:'seed', 'seen', i) > 0.03
    THEN :'until'::timestamptz - interval '3652 days'
      * pg_temp.draw(:'seed', 'created', i) * pg_temp.draw(:'seed', 'seen', i) END
FROM generate_series(1, greatest(:orders / 8, 1)) AS i;

INSERT INTO orders
SELECT i,
  1 + floor(greatest(:orders / 8, 1) * pg_temp.draw(:'seed', 'customer', i))::bigint,
  date_trunc('second', :'until'::timestamptz - interval '3652 days' * pg_temp.draw(:'seed', 'placed', i)),
  CASE WHEN pg_temp.draw(:'seed', 'status', i) < 0.4 THEN 'cancelled' ELSE 'paid' END,
  round((5 + 195 * pg_temp.draw(:'seed', 'total', i))::numeric, 2),
  'EUR'
FROM generate_series(1, :orders) AS i;

-- A paid order has an invoice, written up to three days later. A few are drafts without a date.
INSERT INTO invoices
SELECT extract(year FROM placed_at)::int,
  row_number() OVER (PARTITION BY extract(year FROM placed_at) ORDER BY id),
  id,
  CASE WHEN pg_temp.draw(:'seed', 'draft', id) > 0.002
    THEN placed_at::date + floor(4 * pg_temp.draw(:'seed', 'issued', id))::int END,
  total
FROM orders
WHERE status = 'paid';

INSERT INTO messages
SELECT md5(:'seed' || 'message' || i)::uuid,
  1 + floor(greatest(:orders / 8, 1) * pg_temp.draw(:'seed', 'writer', i))::bigint,
  CASE WHEN pg_temp.draw(:'seed', 'about', i) < 0.1
    THEN 1 + floor(:orders * pg_temp.draw(:'seed', 'order', i))::bigint END,
  CASE WHEN pg_temp.draw(:'seed', 'lost', i) > 0.01
    THEN date_trunc('second', :'until'::timestamp - interval '3652 days' * pg_temp.draw(:'seed', 'sent', i)) END,
  'Where is my parcel? No. ' || i
FROM generate_series(1, :orders / 2) AS i;

ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE invoices ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE messages ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE messages ADD FOREIGN KEY (order_id) REFERENCES orders;
CREATE INDEX ON customers (last_seen_at);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (placed_at);
CREATE INDEX ON invoices (order_id);
CREATE INDEX ON invoices (issued_on);
CREATE INDEX ON messages (customer_id);
CREATE INDEX ON messages (order_id);
CREATE INDEX ON messages (sent_at);

ALTER TABLE customers OWNER TO :"owner";
ALTER TABLE orders OWNER TO :"owner";
ALTER TABLE invoices OWNER TO :"owner";
ALTER TABLE messages OWNER TO :"owner";

-- What retention and requests need, and nothing else: see keys and clocks, delete rows, see whose a row is and copy it for them,
-- change who it was and how an order went, see what the server has to carry, and a schema for their own books.
GRANT pg_read_all_stats TO :"retain";
GRANT USAGE ON SCHEMA public TO :"retain";
GRANT SELECT, UPDATE (name, email), DELETE ON customers TO :"retain";
GRANT SELECT, UPDATE (status), DELETE ON orders TO :"retain";
GRANT SELECT (year, number, order_id, issued_on), DELETE ON invoices TO :"retain";
GRANT SELECT, DELETE ON messages TO :"retain";
CREATE SCHEMA tradewind AUTHORIZATION :"retain";
COMMIT;

ANALYZE;
