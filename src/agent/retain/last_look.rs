//! The last look at a detached partition, and its drop.
//!
//! In: a partition that is a table of its own, what was pinned of it. Out: it is dropped with its rows in the ledger, all
//! or nothing; or why it is to go back. See docs/design/0011-partitions.md.

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, Transaction};

use super::error::Error;
use super::fault::Fault;
use super::fence::{self, Fence};
use super::holds::{self, Holds};
use super::packed;
use super::partition::{self, Part, Standing};
use super::pins::Place;
use super::predicate::{self, Target};
use super::preflight::Step;
use super::site::Work;
use super::statement::{Statement, Value};
use super::store::Store;

/// What came of a look.
pub(super) enum Look {
    /// The partition is dropped.
    Dropped,
    /// It is not what or where it was: look where it stands.
    Again,
    /// It must be put back; and then this ends the run's work.
    Back(Option<Error>),
}

/// One transaction: nobody reaches the partition any more; its rows are the pinned ones and due; the holds stand
/// still, and none is on it; the ledger has its rows; it is dropped.
pub(super) async fn last_look(
    store: &mut Store,
    (work, place): (&Work, &Place),
    (step, target): (&Step, Target<'_>),
    part: &Part,
) -> Result<Look, Fault> {
    let fault = Fault::of("drop a partition");
    let (oid, parent) = (part.oid, step.table.oid);
    let path = store.path.behind_the_server();
    let mut transaction = store.begin_look().await?;
    lock(&mut transaction, &part.name).await?;
    let standing = partition::standing(&mut transaction, oid, parent).await?;
    if !matches!(&standing, Standing::Alone(same, _) if same == part) {
        return Ok(Look::Again);
    }
    let Some(rows) = exact(&mut transaction, place, target, part).await? else {
        tracing::info!(
            rule = place.rule,
            "a partition changed since it was counted"
        );
        return Ok(Look::Back(None));
    };
    fence::lock_holds(&mut transaction).await?;
    let run = (place.store.as_str(), &work.run);
    let rule = place.rule.clone();
    let store = place.store.clone();
    let holds = match fence::pass(&mut transaction, run, &step.table, &path).await? {
        Fence::Open(holds) => holds,
        Fence::Stale => return Ok(Look::Again),
        Fence::Unclear => return Ok(Look::Back(Some(Error::HoldUnclear { rule }))),
        Fence::Stopped => return Ok(Look::Back(Some(Error::Switched { store }))),
        Fence::Outside => return Ok(Look::Back(Some(Error::Outside { store }))),
        Fence::Drifted => return Ok(Look::Back(Some(Error::Drift { rule }))),
        // The partition is the other process's to put back or to drop: `back` will find so.
        Fence::NotOurs => return Ok(Look::Back(Some(Error::AnotherRun { store }))),
    };
    let Some(own) = own_holds(&mut transaction, step, part).await? else {
        return Ok(Look::Back(Some(Error::HoldUnclear { rule })));
    };
    if partition::is_held(&mut transaction, part, (&step.table, &holds), &own).await? {
        return Ok(Look::Back(None));
    }
    let query = write_sql(place, (oid, rows), work.run.token).query();
    let row = query.map_err(&fault)?.fetch_one(&mut *transaction).await;
    if !row
        .and_then(|row| row.try_get::<bool, _>(0))
        .map_err(&fault)?
    {
        return Ok(Look::Back(None));
    }
    let sql = format!("DROP TABLE {}", part.name);
    let dropped = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction);
    dropped.await.map_err(&fault)?;
    transaction.commit().await.map_err(&fault)?;
    tracing::info!(rule, partition = part.name, "dropped a partition");
    Ok(Look::Dropped)
}

/// Nobody reads or writes the table of that name until the transaction ends. Takes no look at the world.
pub(super) async fn lock(connection: &mut PgConnection, name: &str) -> Result<(), Fault> {
    let sql = format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE");
    let locked = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    locked.map(drop).map_err(Fault::of("lock a partition"))
}

/// Holds that name the partition itself: while it is detached it is no part of the whole.
pub(super) async fn own_holds(
    transaction: &mut Transaction<'_, Postgres>,
    step: &Step,
    part: &Part,
) -> Result<Option<Holds>, Fault> {
    let holds = holds::on(transaction, &part.table(&step.table)).await?;
    Ok(holds.ok())
}

/// How many rows the partition has, if they are the pinned ones, all and no other, and all due.
async fn exact(
    transaction: &mut Transaction<'_, Postgres>,
    place: &Place,
    target: Target<'_>,
    part: &Part,
) -> Result<Option<i64>, Fault> {
    let fault = Fault::of("look at a partition for the last time");
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let oid = sql.bind(Value::Number(part.oid));
    let due = predicate::due(&mut sql, "t", target);
    let table = target.table;
    let keys = table.key.iter().zip(1..);
    let on = keys.clone();
    let on = on.map(|(column, place)| format!("t.k{place} {} w.k{place}", column.equals));
    let keys = keys.map(|(column, place)| format!("t.{} AS k{place}", column.name));
    sql.push(&format!(
        "WITH there AS MATERIALIZED (
  SELECT true AS here, {due} AS due, {} FROM {} AS t
), pinned AS (
  SELECT true AS pin, {} FROM tradewind.pin AS p, {}
  WHERE p.run = {run} AND p.store = {store} AND p.rule = {rule} AND p.partition = {oid}::bigint::oid
    AND NOT p.erased AND NOT p.settled
)
SELECT count(*), count(*) FILTER (WHERE t.here IS NULL OR w.pin IS NULL OR NOT t.due)
FROM pinned AS w FULL JOIN there AS t ON {}",
        keys.collect::<Vec<_>>().join(", "),
        part.name,
        packed::typed("k", table),
        packed::rows("p", "k", table),
        on.collect::<Vec<_>>().join(" AND "),
    ));
    let row = sql.query().map_err(&fault)?.fetch_one(&mut **transaction);
    let row = row.await.map_err(&fault)?;
    let (rows, others): (i64, i64) = (
        row.try_get(0).map_err(&fault)?,
        row.try_get(1).map_err(&fault)?,
    );
    Ok((others == 0).then_some(rows))
}

/// The books of a dropped partition: its pins keep the keys for the look at the end, the ledger gets one line. Answers
/// whether the pins have as many rows as were seen.
fn write_sql(place: &Place, (oid, rows): (i64, i64), token: i64) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let oid = sql.bind(Value::Number(oid));
    let rows = sql.bind(Value::Number(rows));
    let token = sql.bind(Value::Number(token));
    sql.push(&format!(
        "WITH gone AS (
  UPDATE tradewind.pin AS p SET erased = true
  WHERE p.run = {run} AND p.store = {store} AND p.rule = {rule} AND p.partition = {oid}::bigint::oid
    AND NOT p.erased AND NOT p.settled RETURNING p.rows
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased)
  SELECT {run}, {store}, {rule}, {token}, 'Partition', sum(rows) FROM gone
), done AS (
  UPDATE tradewind.partition SET state = 'Dropped'
  WHERE run = {run} AND store = {store} AND rule = {rule} AND oid = {oid}::bigint::oid
)
SELECT coalesce(sum(rows), 0) OPERATOR(pg_catalog.=) {rows}::bigint FROM gone"
    ));
    sql
}
