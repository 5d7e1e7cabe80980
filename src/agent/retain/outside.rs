//! Partitions that are out of their table for the moment: detached, or about to be, neither dropped nor put back.
//!
//! In: tables, within one snapshot. Out: whether all of their rows are seen there. Whoever says of rows that there are
//! none asks first. And what a run left behind that was killed goes back, whoever comes by next: see
//! docs/design/0011-partitions.md.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{PgConnection, Row};

use super::books;
use super::detach;
use super::error::Error;
use super::fault::Fault;
use super::site::Work;
use super::store::{Purpose, Store};

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

/// Whose runs have announced a partition and not ended.
const WHOSE: &str = "SELECT DISTINCT r.policy FROM tradewind.run AS r
  JOIN tradewind.partition AS p ON p.run = r.id AND p.store = r.store
  WHERE r.store = $1 AND r.ended_at IS NULL AND p.state = 'Detaching' ORDER BY 1";

/// Puts back what runs left outside that no process works on any more: before anything is refused or counted, as whatever
/// is said then may stay the last word for long. Its own policy's run is waited for, and must be whole; another's is
/// let alone while somebody has it.
pub(super) async fn put_back(
    store: &mut Store,
    url: &Path,
    own: Option<&str>,
) -> Result<(), Error> {
    let policies = whose(store).await;
    let policies = policies.map_err(|fault| store.failed(fault))?;
    if policies.is_empty() {
        return Ok(());
    }
    let mut writer = Store::open(&store.name, url, Purpose::Write).await?;
    for policy in &policies {
        let is_own = own == Some(policy);
        if is_own {
            writer.lock(policy).await?;
        } else if !writer.try_lock(policy).await? {
            continue;
        }
        match one(&mut writer, policy).await {
            Err(error) if is_own => return Err(error),
            Err(error) => {
                let (store, reason) = (&writer.name, error.reason());
                tracing::warn!(store, policy, reason, %error, "a partition stays detached");
            }
            Ok(()) => {}
        }
        writer.unlock(policy).await?;
    }
    Ok(())
}

async fn whose(store: &mut Store) -> Result<Vec<String>, Fault> {
    let fault = Fault::of("look for partitions that are detached");
    let exists = sqlx::query("SELECT to_regclass('tradewind.partition') IS NOT NULL");
    let exists = exists.fetch_one(&mut store.connection).await;
    if !exists
        .and_then(|row| row.try_get::<bool, _>(0))
        .map_err(&fault)?
    {
        return Ok(Vec::new());
    }
    let query = sqlx::query(WHOSE).bind(&store.name);
    let rows = query.fetch_all(&mut store.connection).await;
    rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
        .map_err(fault)
}

/// Takes the run over, so that nobody else's step commits, and leaves it open: it may be gone on with.
async fn one(writer: &mut Store, policy: &str) -> Result<(), Error> {
    let Some(mut run) = books::open_run(writer, policy).await? else {
        return Ok(());
    };
    books::take_over(writer, &mut run, None).await?;
    let (store, id) = (&writer.name, &run.id);
    tracing::info!(
        store,
        run = id,
        "a run that was killed left a partition detached"
    );
    let pinned = BTreeMap::new();
    detach::restore(writer, &Work { run, pinned }).await
}
