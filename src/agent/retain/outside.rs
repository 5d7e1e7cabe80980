//! Partitions that are out of their table for the moment: detached, or about to be, neither dropped nor put back.
//!
//! In: tables, within one snapshot. Out: whether all of their rows are seen there. Whoever says of rows that there are
//! none asks first: see docs/design/0011-partitions.md.

use sqlx::{PgConnection, Row};

use super::error::Error;
use super::fault::Fault;

/// By the catalogue: a partition that the snapshot knows and that is on its way out, or has left since. What
/// `pg_partition_tree` tells is true at this moment, whatever the snapshot; a table that was read in this transaction
/// lets no partition go before its end.
const LEFT: &str = "
WITH RECURSIVE family (root, oid, leaves) AS (
  SELECT c.oid, c.oid, false FROM pg_class AS c WHERE c.relkind = 'p' AND c.oid = ANY ($1::bigint[]::oid[])
  UNION ALL
  SELECT f.root, i.inhrelid, coalesce((to_jsonb(i) ->> 'inhdetachpending')::bool, false)
  FROM family AS f JOIN pg_inherits AS i ON i.inhparent = f.oid
)
SELECT EXISTS (SELECT FROM family AS f
    WHERE f.leaves OR f.oid NOT IN (SELECT relid FROM pg_partition_tree(f.root::regclass))),
  to_regclass('tradewind.partition') IS NOT NULL";

/// By the books: what a run has announced.
const ANNOUNCED: &str = "SELECT EXISTS (SELECT FROM tradewind.partition
  WHERE state = 'Detaching' AND parent = ANY ($1::bigint[]::oid[]))";

/// Whether all rows of these tables are seen in the transaction's snapshot. Asked after they were read.
pub(super) async fn are_whole(connection: &mut PgConnection, oids: &[i64]) -> Result<bool, Fault> {
    let fault = Fault::of("look for partitions that are detached");
    let row = sqlx::query(LEFT).bind(oids).fetch_one(&mut *connection);
    let row = row.await.map_err(&fault)?;
    if row.try_get(0).map_err(&fault)? {
        return Ok(false);
    }
    if !row.try_get::<bool, _>(1).map_err(&fault)? {
        return Ok(true);
    }
    let row = sqlx::query(ANNOUNCED).bind(oids).fetch_one(connection);
    let announced: bool = row.await.and_then(|row| row.try_get(0)).map_err(fault)?;
    Ok(!announced)
}

/// The error for a store in which they are not.
pub(super) async fn check(
    connection: &mut PgConnection,
    store: &str,
    oids: &[i64],
) -> Result<(), Error> {
    let store = store.to_owned();
    match are_whole(connection, oids).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Outside { store }),
        Err(fault) => Err(Error::Statement { store, fault }),
    }
}
