//! The one statement that erases: takes pinned keys, deletes or changes the rows that may go, judges those that may not,
//! and writes the books, all or nothing.
//!
//! In: a target, some pins. Out: SQL. Pure.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::change;
use super::packed;
use super::pins::Place;
use super::predicate::{self, Target};
use super::shred;
use super::statement::{Statement, Value};

/// Which pins a batch takes, and how it ends with rows that cannot go now.
#[derive(Clone, Debug)]
pub(super) struct Batch<'a> {
    /// Whose pins these are.
    pub(super) place: &'a Place,
    /// The process that writes.
    pub(super) token: i64,
    /// The pins.
    pub(super) pins: Vec<i64>,
    /// The pass that this is. In a pass that is not `last`, a row that another refers to is kept for the next:
    /// the other may go in this one.
    pub(super) pass: i32,
    /// Whether blocked rows are blocked for good.
    pub(super) last: bool,
}

/// What the statement answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Rows that are gone by it.
    pub(super) erased: i64,
    /// Rows that were gone, or not due any more.
    pub(super) gone: i64,
    /// Rows that a hold keeps.
    pub(super) held: i64,
    /// Rows that others refer to, for good.
    pub(super) blocked: i64,
    /// Rows that stayed though nothing spoke against it (a trigger).
    pub(super) failed: i64,
    /// Rows that others refer to, to be tried again.
    pub(super) waiting: i64,
}

impl Judged {
    /// From the statement's row.
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            erased: row.try_get(0)?,
            gone: row.try_get(1)?,
            blocked: row.try_get(2)?,
            failed: row.try_get(3)?,
            waiting: row.try_get(4)?,
            held: row.try_get(5)?,
        })
    }
}

/// The batch as one statement. Run it in a REPEATABLE READ transaction: then every part sees one state of the
/// world, a row that changed meanwhile is an error to try again, and a foreign key's action (ON DELETE CASCADE)
/// can never reach a row that this statement has not seen.
pub(super) fn erase(target: Target<'_>, batch: &Batch<'_>) -> Statement {
    let mut sql = Statement::default();
    taken(&mut sql, target, batch);
    erased(&mut sql, target);
    let place = batch.place.bind(&mut sql);
    shred::receipts(&mut sql, target.table, "id, place", &place);
    judged(&mut sql, target, batch.last);
    books(&mut sql, target, batch, place);
    sql.push(
        "SELECT count(*) FILTER (WHERE fate = 'erased'), count(*) FILTER (WHERE fate = 'gone'),
  count(*) FILTER (WHERE fate = 'blocked'), count(*) FILTER (WHERE fate = 'failed'),
  count(*) FILTER (WHERE fate = 'waiting'), count(*) FILTER (WHERE fate = 'held') FROM judged",
    );
    sql
}

/// The pinned keys, each with its pin and its place there: as typed values, and as they were packed.
fn taken(sql: &mut Statement, target: Target<'_>, batch: &Batch<'_>) {
    let pins = sql.bind(Value::Numbers(batch.pins.clone()));
    let table = target.table;
    sql.push(&format!(
        "WITH taken AS MATERIALIZED (\n  SELECT p.id, p.first, k.place, {}, {}\n  FROM tradewind.pin AS p, {}\n  WHERE p.id = ANY ({pins}) AND NOT p.erased AND NOT p.settled\n), ",
        packed::typed("k", table),
        packed::each(table, |place| format!("k.c{place}")),
        packed::rows("p", "k", table),
    ));
}

fn erased(sql: &mut Statement, target: Target<'_>) {
    let due = predicate::due(sql, "t", target);
    let held = predicate::held(sql, "t", target);
    let erase = change::erase(sql, target.table, Some("taken AS w"));
    sql.push(&format!(
        "erased AS (\n  {erase}\n  WHERE {} AND {due} AND NOT {held} AND NOT {} AND {}\n  RETURNING w.id, w.place\n), ",
        predicate::is_key("t", "w", target.table),
        predicate::referenced("t", target.table),
        shred::is_key("t", target.table),
    ));
}

/// The fate of every taken row, seen as it was before that. Rows that were not erased are looked up one
/// by one: there are few.
fn judged(sql: &mut Statement, target: Target<'_>, last: bool) {
    let due = predicate::due(sql, "t", target);
    let held = predicate::held(sql, "t", target);
    let blocked = if last { "blocked" } else { "waiting" };
    sql.push(&format!(
        "judged AS MATERIALIZED (
  SELECT w.*, CASE WHEN d.id IS NOT NULL THEN 'erased' ELSE coalesce(
    (SELECT CASE WHEN {held} THEN 'held' WHEN {} THEN '{blocked}' ELSE 'failed' END FROM {} AS t WHERE {} AND {due}), 'gone') END AS fate
  FROM taken AS w LEFT JOIN erased AS d USING (id, place)
), ",
        predicate::referenced("t", target.table),
        target.table.name,
        predicate::is_key("t", "w", target.table),
    ));
}

/// A pin keeps the keys that were erased, for the look at the end; keys that wait or that are judged get new
/// pins; the ledger gets one line.
fn books(sql: &mut Statement, target: Target<'_>, batch: &Batch<'_>, place: [String; 3]) {
    let [run, store, rule] = place;
    let pass = sql.bind(Value::Number(i64::from(batch.pass)));
    let token = sql.bind(Value::Number(batch.token));
    let column = packed::column(target.table);
    let keys = |fates: &str| {
        packed::pack(
            target.table,
            &format!(" ORDER BY place) FILTER (WHERE fate IN ({fates}))"),
        )
    };
    let count = |fates: &str| format!("count(*) FILTER (WHERE fate IN ({fates}))");
    let settled = "'gone', 'held', 'blocked', 'failed'";
    sql.push(&format!(
        "parts AS MATERIALIZED (
  SELECT id, min(first) AS first, {} AS erased, {} AS erased_keys, {} AS waiting, {} AS waiting_keys,
    {} AS settled, {} AS settled_keys
  FROM judged GROUP BY id
), cut AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass}, rows = parts.erased, {column} = parts.erased_keys,
    tids = NULL FROM parts WHERE p.id = parts.id AND parts.erased < p.rows
), whole AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass} FROM parts WHERE p.id = parts.id AND parts.erased = p.rows
), kept AS (
  INSERT INTO tradewind.pin (run, store, rule, first, rows, pass, {column}, settled)
  SELECT {run}::text, {store}::text, {rule}::text, first, waiting, {pass}, waiting_keys, false FROM parts WHERE waiting > 0
  UNION ALL SELECT {run}::text, {store}::text, {rule}::text, first, settled, {pass}, settled_keys, true FROM parts WHERE settled > 0
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased, gone, held, blocked, failed)
  SELECT {run}, {store}, {rule}, {token}, 'Batch', {}, {}, {}, {}, {}
  FROM judged HAVING count(*) FILTER (WHERE fate <> 'waiting') > 0
)\n",
        count("'erased'"),
        keys("'erased'"),
        count("'waiting'"),
        keys("'waiting'"),
        count(settled),
        keys(settled),
        count("'erased'"),
        count("'gone'"),
        count("'held'"),
        count("'blocked'"),
        count("'failed'"),
    ));
}
