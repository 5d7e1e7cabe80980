//! Pinning: the keys of a rule's due rows, and where the rows lie, as they are in the snapshot that a run begins with.
//!
//! In: a snapshot, a target, its counted rows. Out: pins in the books, a few hundred keys each.

use sqlx::{PgConnection, Row};

use super::fault::Fault;
use super::pace;
use super::packed;
use super::partition::{self, Part};
use super::pins::Place;
use super::predicate::{self, Target};
use super::statement::{Statement, Value};

/// So many keys that are integers are gathered in one array before they are cut into pins: a hundred megabytes at the
/// server. To number each row takes three times as long.
const AT_ONCE: i64 = 1_000_000;

/// Pins a rule's due rows, oldest first; answers how many. Where rows refer to each other the newest come
/// first: a reply is younger than what it replies to. `due` rows were counted; pins have `chunk` keys at most.
pub(super) async fn pin(
    connection: &mut PgConnection,
    place: &Place,
    (target, parts): (Target<'_>, &[Part]),
    (due, chunk): (i64, u32),
) -> Result<i64, Fault> {
    if !parts.is_empty() {
        partition::plan(connection, place, target.table, parts).await?;
    }
    let chunk = chunk.min(pace::STEP);
    let sql = if parts.is_empty() && fits_memory(target, due) {
        cut(place, target, chunk)
    } else {
        numbered(place, (target, parts), chunk)
    };
    let fault = Fault::of("pin the due rows");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// Whether the keys of so many rows are gathered before they are cut. Texts may be of any length, and are found in an array
/// only one after the other.
fn fits_memory(target: Target<'_>, due: i64) -> bool {
    target.table.packs_integers() && due <= AT_ONCE
}

/// Which of two rows comes first.
fn order(target: Target<'_>) -> String {
    let way = if target.table.refers_to_itself() {
        "DESC"
    } else {
        "ASC"
    };
    format!("ORDER BY t.{} {way}", target.table.clock)
}

/// The key's columns as they are packed.
fn keys(target: Target<'_>) -> String {
    let kind = packed::kind(target.table);
    let keys = target.table.key.iter().zip(1..);
    let keys = keys.map(|(column, place)| format!("t.{}::{kind} AS c{place}", column.name));
    keys.collect::<Vec<_>>().join(", ")
}

/// All keys in one array for each column, cut into pins. Elements of one length are found in it at once.
fn cut(place: &Place, target: Target<'_>, chunk: u32) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let chunk = sql.bind(Value::Number(i64::from(chunk)));
    let due = predicate::due(&mut sql, "t", target);
    let table = target.table;
    let slice = format!("[n::int + 1 : (n + {chunk}::bigint)::int]");
    let arrays = packed::each(table, |at| format!("pg_catalog.array_agg(c{at}) AS c{at}"));
    let slices = (1..=table.key.len()).map(|at| format!("found.c{at}{slice}"));
    let slices = slices.collect::<Vec<_>>().join(" OPERATOR(pg_catalog.||) ");
    let [at, places, tids] = if table.seen.places {
        let tids = format!("found.tids{slice}");
        [
            ", t.ctid AS tid",
            ", pg_catalog.array_agg(tid) AS tids",
            &tids,
        ]
        .map(str::to_owned)
    } else {
        ["", "", "NULL::tid[]"].map(str::to_owned)
    };
    sql.push(&format!(
        "WITH found AS MATERIALIZED (
  SELECT count(*) AS rows, {arrays}{places} FROM (SELECT {}{at} FROM {} AS t WHERE {due} {}) AS d
), pinned AS (
  INSERT INTO tradewind.pin (run, store, rule, first, rows, {}, tids)
  SELECT {run}::text, {store}::text, {rule}::text, n, least({chunk}::bigint, found.rows - n), {slices}, {tids}
  FROM found, generate_series(0, found.rows - 1, {chunk}::bigint) AS n RETURNING rows
) SELECT coalesce(sum(rows), 0)::bigint FROM pinned",
        keys(target),
        table.name,
        order(target),
        packed::column(table),
    ));
    sql
}

/// Each row with its number, so many numbers a pin: whatever the keys, and however many. A pin has rows of one partition,
/// if that is to go whole.
fn numbered(place: &Place, (target, parts): (Target<'_>, &[Part]), chunk: u32) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let chunk = sql.bind(Value::Number(i64::from(chunk)));
    let due = predicate::due(&mut sql, "t", target);
    let table = target.table;
    let (tid, tids) = if table.seen.places {
        (", t.ctid AS tid", "array_agg(tid)")
    } else {
        ("", "NULL::tid[]")
    };
    let part = if parts.is_empty() {
        "NULL::oid".to_owned()
    } else {
        let parts = sql.bind(Value::Numbers(parts.iter().map(|part| part.oid).collect()));
        format!("CASE WHEN t.tableoid = ANY ({parts}::bigint[]::oid[]) THEN t.tableoid END")
    };
    sql.push(&format!(
        "WITH pinned AS (
  INSERT INTO tradewind.pin (run, store, rule, first, rows, {}, tids, partition)
  SELECT {run}::text, {store}::text, {rule}::text, min(n), count(*), {}, {tids}, part
  FROM (SELECT row_number() OVER ({}) - 1 AS n, {}{tid}, {part} AS part FROM {} AS t WHERE {due}) AS d
  GROUP BY part, n / {chunk}::bigint RETURNING rows
) SELECT coalesce(sum(rows), 0)::bigint FROM pinned",
        packed::column(table),
        packed::pack(table, ")"),
        order(target),
        keys(target),
        table.name,
    ));
    sql
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Table;
    use super::super::cutoff::Due;
    use super::super::holds::NONE;
    use super::super::predicate::tests::{cutoffs, table};
    use super::*;

    #[test]
    fn integers_are_gathered_up_to_a_number_and_texts_never() {
        let due = Due {
            latest: "2026-01-31T12:00:00Z".into(),
            gaps: vec![],
        };
        let (texts, due, holds) = (table(), &cutoffs(due, vec![]), &NONE);
        let mut integers: Table = texts.clone();
        for column in &mut integers.key {
            column.is_integer = true;
        }
        let target = |table| Target { table, due, holds };
        assert!(fits_memory(target(&integers), AT_ONCE));
        assert!(!fits_memory(target(&integers), AT_ONCE + 1));
        assert!(!fits_memory(target(&texts), 1));
    }
}
