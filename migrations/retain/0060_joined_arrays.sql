-- Arrays one after the other, as a batch takes several pins together: quicker than to take every element out and pack it
-- again.
CREATE AGGREGATE tradewind.joined (bigint[]) (SFUNC = pg_catalog.array_cat, STYPE = bigint[]);
CREATE AGGREGATE tradewind.joined (text[]) (SFUNC = pg_catalog.array_cat, STYPE = text[]);
CREATE AGGREGATE tradewind.joined (tid[]) (SFUNC = pg_catalog.array_cat, STYPE = tid[]);
