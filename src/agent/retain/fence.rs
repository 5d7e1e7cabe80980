//! What must hold in every batch's own transaction before it may touch a row.
//!
//! In: a transaction that has locked the table's shape. Out: whether the run is still this process's, the table
//! still the one that was pinned, nobody has said stop, and what is held. Session locks are not asked: behind a pooler two processes can hold one.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::books::Run;
use super::catalog::{self, Table};
use super::contact::{self, Standing};
use super::error::Error;
use super::fault::Fault;
use super::holds::{self, Holds};
use super::references;
use super::store::Store;

/// What the fence says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// Go, but spare what is held.
    Open(Holds),
    /// It is not clear what is held.
    Unclear,
    /// Another process has the run.
    NotOurs,
    /// An administrator has said stop.
    Stopped,
    /// Another run has detached a partition: its rows are not seen, and not gone.
    Outside,
    /// The table, its key, its clock or its security is another, or what refers to it goes by other names.
    Drifted,
    /// The table was changed between the transaction's first look and its lock: look again.
    Stale,
}

/// Whether an administrator has said stop to a policy. A switch that cannot be read is an error, never a no.
pub(super) async fn is_stopped(store: &mut Store, policy: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM tradewind.stop WHERE policy IS NULL OR policy = $1)";
    let row = sqlx::query(sql)
        .bind(policy)
        .fetch_one(&mut store.connection)
        .await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the stop switch"))
        .map_err(|fault| store.failed(fault))
}

/// Keeps every writer of holds out until the transaction ends, and waits for those that are under way. This comes
/// first: a lock on a table is the one statement that leaves the transaction's one look at the world to the next.
/// An advisory lock would be taken by a query, which looks before it waits.
pub(super) async fn lock_holds(connection: &mut PgConnection) -> Result<(), Fault> {
    let lock = sqlx::raw_sql("LOCK TABLE tradewind.hold, tradewind.hold_scope IN SHARE MODE");
    let locked = lock.execute(connection).await;
    locked
        .map(drop)
        .map_err(Fault::of("lock the list of holds"))
}

/// Whether table `$3`, locked by now, is named and stored as the transaction's snapshot has it, column by column. What
/// `pg_identify_object` and `pg_relation_filenode` tell is true at this moment, whatever the snapshot.
pub(super) const STEADY: &str = "
SELECT NOT EXISTS (SELECT FROM pg_class AS c
    WHERE c.oid IN (SELECT $3::bigint::oid UNION SELECT relid FROM pg_partition_tree($3::bigint::oid::regclass))
      AND pg_relation_filenode(c.oid) IS DISTINCT FROM nullif(c.relfilenode, 0))
  AND NOT EXISTS (SELECT FROM pg_attribute AS a
    WHERE a.attrelid = $3::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
      AND (pg_identify_object('pg_class'::regclass, a.attrelid, a.attnum)).identity
        IS DISTINCT FROM concat($1::text, '.', quote_ident(a.attname)))";

/// Asks, in one statement. From here on names are looked up as the tables' own triggers need it.
pub(super) async fn pass(
    connection: &mut PgConnection,
    (store, run): (&str, &Run),
    table: &Table,
    path: &str,
) -> Result<Fence, Fault> {
    // What was locked by `LOCK TABLE` was locked before the first look.
    let steady = if table.changes.is_empty() {
        "SELECT true"
    } else {
        STEADY
    };
    let called = if table.references.is_empty() {
        "SELECT '{}'::text[]"
    } else {
        references::CALLED
    };
    let sql = format!(
        "SELECT ({}), set_config('search_path', $7, true),
          EXISTS (SELECT FROM tradewind.stop AS s WHERE s.policy IS NULL OR s.policy = r.policy), ({}), ({steady}),
          EXISTS (SELECT FROM tradewind.partition AS o
            WHERE o.parent = $3::bigint::oid AND o.state = 'Detaching' AND o.run <> r.id), ({called})
        FROM tradewind.run AS r WHERE id = $4 AND store = $5 AND token = $6 AND ended_at IS NULL FOR SHARE",
        catalog::SHAPE,
        holds::HOLDS,
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(&table.name)
        .bind(table.watched())
        .bind(table.oid);
    let query = query.bind(&run.id).bind(store).bind(run.token).bind(path);
    let fault = Fault::of("check whose run it is");
    let row = query
        .fetch_optional(&mut *connection)
        .await
        .map_err(&fault)?;
    let Some(row) = row else {
        return Ok(Fence::NotOurs);
    };
    let shape: Option<String> = row.try_get(0).map_err(&fault)?;
    if row.try_get(2).map_err(&fault)? {
        return Ok(Fence::Stopped);
    }
    if !row.try_get::<bool, _>(4).map_err(&fault)? {
        return Ok(Fence::Stale);
    }
    let called: Vec<Option<String>> = row.try_get(6).map_err(&fault)?;
    if shape.as_ref() != Some(&table.shape) || !references::are_called(&table.references, &called) {
        return Ok(Fence::Drifted);
    }
    if row.try_get(5).map_err(&fault)? {
        return Ok(Fence::Outside);
    }
    match contact::standing(connection, table).await? {
        Standing::Same => {}
        Standing::Stale => return Ok(Fence::Stale),
        Standing::Changed => return Ok(Fence::Drifted),
    }
    let holds = holds::read(row.try_get(3).map_err(fault)?);
    Ok(holds.map_or(Fence::Unclear, Fence::Open))
}
