//! The quick statement: erases pinned rows where they lay when they were pinned, and is right only if those
//! were exactly the pinned rows, all of them. Otherwise nothing of it may stay, and the careful statement of
//! `batch` judges row by row.
//!
//! In: a target, some pins. Out: SQL. Pure.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::batch::{Batch, Judged};
use super::change;
use super::packed;
use super::predicate::{self, Target};
use super::shred;
use super::statement::{Statement, Value};

/// What the statement answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Swept {
    /// Whether it erased the pinned rows and no other.
    pub(super) exact: bool,
    /// So many.
    pub(super) erased: i64,
}

impl Swept {
    /// From the statement's row.
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            exact: row.try_get(0)?,
            erased: row.try_get(1)?,
        })
    }

    /// All were erased; `None` when it was not exact.
    pub(super) fn judged(self) -> Option<Judged> {
        self.exact.then(|| Judged {
            erased: self.erased,
            ..Judged::default()
        })
    }
}

/// Whether a table's rows can be found by their place. Rows that refer to each other need several passes; a destroyed
/// key needs a receipt, which only the careful statement writes.
pub(super) fn fits(target: Target<'_>) -> bool {
    let table = target.table;
    table.seen.places && !table.refers_to_itself() && !shred::is_wanted(table)
}

/// The statement; like the careful one, for a REPEATABLE READ transaction.
pub(super) fn sweep(target: Target<'_>, batch: &Batch<'_>) -> Statement {
    let mut sql = Statement::default();
    let table = target.table;
    let pins = sql.bind(Value::Numbers(batch.pins.clone()));
    let due = predicate::due(&mut sql, "t", target);
    let held = predicate::held(&mut sql, "t", target);
    let [run, store, rule] = batch.place.bind(&mut sql);
    let pass = sql.bind(Value::Number(i64::from(batch.pass)));
    let token = sql.bind(Value::Number(batch.token));
    let (keys, exact) = (erased_keys(target), exact(target));
    let erase = change::erase(&mut sql, table, None);
    sql.push(&format!(
        "WITH pins AS MATERIALIZED (
  SELECT p.* FROM tradewind.pin AS p WHERE p.id = ANY ({pins}) AND NOT p.erased AND NOT p.settled
), erased AS (
  {erase} WHERE t.ctid = ANY ((SELECT {} FROM pins AS p)::tid[]) AND {due} AND NOT {held} AND NOT {}
  RETURNING {keys}
), {exact}, whole AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass} FROM exact WHERE exact.yes AND p.id = ANY ({pins})
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased)
  SELECT {run}, {store}, {rule}, {token}, 'Batch', rows FROM exact WHERE yes
)
SELECT yes, rows FROM exact",
        joined("p.tids"),
        predicate::referenced("t", table),
    ));
    sql
}

/// An array of each pin, one after the other.
pub(super) fn joined(array: &str) -> String {
    format!("tradewind.joined({array} ORDER BY p.first, p.id)")
}

/// How many rows were erased, and whether their keys are those of the pins. Rows that lie as they were pinned come in the
/// same order, and an array is compared quicker than sorted.
fn exact(target: Target<'_>) -> String {
    let table = target.table;
    let pinned = format!("({}) AS pinned", pinned_keys(target));
    let sorted = format!(
        "coalesce({} OPERATOR(pg_catalog.=) {}, false)",
        sorted(target, "erased"),
        sorted(target, &pinned)
    );
    let (keys, yes) = if table.key.len() == 1 {
        let pinned = joined(&packed::array("p", table));
        let same = format!(
            "got.keys OPERATOR(pg_catalog.=) (SELECT {pinned}{} FROM pins AS p)",
            collation(target)
        );
        (
            ", pg_catalog.array_agg(c1) AS keys",
            format!("CASE WHEN {same} THEN true ELSE {sorted} END"),
        )
    } else {
        ("", sorted)
    };
    format!(
        "got AS MATERIALIZED (\n  SELECT count(*) AS rows{keys} FROM erased\n), exact AS MATERIALIZED (\n  SELECT {yes} AS yes, rows FROM got\n)"
    )
}

/// The order in which packed keys are compared: any will do that is the same for both sides, bytes are quickest.
fn collation(target: Target<'_>) -> &'static str {
    if target.table.packs_integers() {
        ""
    } else {
        " COLLATE \"C\""
    }
}

/// The keys of erased rows, as a pin packs them.
fn erased_keys(target: Target<'_>) -> String {
    let (kind, collate) = (packed::kind(target.table), collation(target));
    let keys = target.table.key.iter().zip(1..);
    let keys =
        keys.map(|(column, place)| format!("t.{}::{kind}{collate} AS c{place}", column.name));
    keys.collect::<Vec<_>>().join(", ")
}

/// The keys of the pins. One key column's array is unpacked by the plainest means: it is the most frequent case,
/// and twice as quick.
fn pinned_keys(target: Target<'_>) -> String {
    let (table, collate) = (target.table, collation(target));
    if table.key.len() == 1 {
        let array = packed::array("p", table);
        return format!("SELECT pg_catalog.unnest({array}){collate} AS c1 FROM pins AS p");
    }
    let columns = packed::each(table, |place| format!("k.c{place}{collate} AS c{place}"));
    let rows = packed::rows("p", "k", table);
    format!("SELECT {columns} FROM pins AS p, {rows}")
}

/// All keys of some rows in one array, in order.
fn sorted(target: Target<'_>, rows: &str) -> String {
    let columns = packed::each(target.table, |place| format!("c{place}"));
    let value = if target.table.key.len() == 1 {
        columns.clone()
    } else {
        format!("ROW({columns})")
    };
    format!("(SELECT pg_catalog.array_agg({value} ORDER BY {columns}) FROM {rows})")
}
