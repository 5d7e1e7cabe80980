-- A connector purges events from a database of its own, where holds may be too, and it may have a role that may only read
-- them. Whoever may call this keeps every writer of holds out until its transaction ends, and waits for those under way.
CREATE FUNCTION tradewind.lock_holds() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE tradewind.hold, tradewind.hold_scope IN SHARE MODE;
END $$;
REVOKE ALL ON FUNCTION tradewind.lock_holds() FROM PUBLIC;
