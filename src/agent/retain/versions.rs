//! The quickest statement: deletes pinned rows where they lay when they were pinned, by nothing but their place. It answers
//! no keys: PostgreSQL would fetch every row a second time for them.
//!
//! A place alone could belong to another row by now. Not to one that was there before: while the table has the file that it
//! was pinned in, a version of a row stays where it is, and whatever comes into a place that became free was written by a
//! transaction that was not over yet when the rows were pinned. So a version in a pinned place that is older than all of
//! these is the pinned one. If as many went as were pinned, these were the pinned rows, all of them; otherwise nothing may
//! stay, and the keys are compared (`sweep`).
//!
//! In: a target, some pins. Out: SQL. Pure.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::batch::{Batch, Judged};
use super::change;
use super::predicate::{self, Target};
use super::statement::{Statement, Value};
use super::sweep;

/// Transactions after which a number's age says nothing any more are two billion; a run is over long before.
const YOUNG: i64 = 1_000_000_000;

/// Whether rows can be told by their versions: where they are deleted, and the role may see who wrote them.
pub(super) fn fits(target: Target<'_>) -> bool {
    let table = target.table;
    table.seen.writers && table.changes.is_empty() && sweep::fits(target)
}

/// What the rules of a run remember for it, at the moment of pinning: two values for `tradewind.rule`, the table's number
/// being `oid`. The table is locked by then, so that its file is the one that was read.
pub(super) fn remembered(oid: &str) -> String {
    format!(
        "pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_relation_filenode({oid}::bigint::oid)::bigint"
    )
}

/// The deletion; for a REPEATABLE READ transaction that has locked the table. How many went is what the server says.
pub(super) fn erase(target: Target<'_>, batch: &Batch<'_>) -> Statement {
    let mut sql = Statement::default();
    let table = target.table;
    let pins = sql.bind(Value::Numbers(batch.pins.clone()));
    let oid = sql.bind(Value::Number(table.oid));
    let place = batch.place.bind(&mut sql);
    let oldest = oldest(&place, &oid);
    let due = predicate::due(&mut sql, "t", target);
    let held = predicate::held(&mut sql, "t", target);
    let erase = change::erase(&mut sql, table, None);
    sql.push(&format!(
        "{erase} WHERE t.ctid = ANY ((SELECT {} FROM tradewind.pin AS p
    WHERE p.id = ANY ({pins}) AND NOT p.erased AND NOT p.settled)::tid[])
  AND pg_catalog.age(t.xmin) OPERATOR(pg_catalog.>) ({oldest}) AND {due} AND NOT {held} AND NOT {}",
        sweep::joined("p.tids"),
        predicate::referenced("t", table),
    ));
    sql
}

/// The age of the oldest transaction that was at work when the rows were pinned; NULL where the table has another file by
/// now, or nobody wrote down what it had.
fn oldest([run, store, rule]: &[String; 3], oid: &str) -> String {
    let next = "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint";
    format!(
        "SELECT pg_catalog.age((r.pinned_before OPERATOR(pg_catalog.%) 4294967296)::text::pg_catalog.xid) FROM tradewind.rule AS r
    WHERE r.run = {run} AND r.store = {store} AND r.name = {rule}
      AND r.pinned_file = pg_catalog.pg_relation_filenode({oid}::bigint::oid)::bigint AND {next} - r.pinned_before < {YOUNG}"
    )
}

/// The books of a deletion that took `erased` rows; the answer is for [`exact`].
pub(super) fn books(batch: &Batch<'_>, erased: i64) -> Statement {
    let mut sql = Statement::default();
    let pins = sql.bind(Value::Numbers(batch.pins.clone()));
    let [run, store, rule] = batch.place.bind(&mut sql);
    let pass = sql.bind(Value::Number(i64::from(batch.pass)));
    let token = sql.bind(Value::Number(batch.token));
    let erased = sql.bind(Value::Number(erased));
    sql.push(&format!(
        "WITH whole AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass} WHERE p.id = ANY ({pins}) AND NOT p.erased AND NOT p.settled
  RETURNING p.rows
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased)
  SELECT {run}, {store}, {rule}, {token}, 'Batch', {erased}::bigint
)
SELECT coalesce(sum(rows), 0) = {erased}::bigint FROM whole"
    ));
    sql
}

/// All that was pinned went, by the books' answer; `None` when it was not so.
pub(super) fn exact(row: &PgRow, erased: i64) -> Result<Option<Judged>, sqlx::Error> {
    let exact: bool = row.try_get(0)?;
    Ok(exact.then(|| Judged {
        erased,
        ..Judged::default()
    }))
}
