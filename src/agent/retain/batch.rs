//! The one statement that erases: takes pinned keys, deletes the rows that may go, judges those that may not,
//! and writes the books, all or nothing.
//!
//! In: a target, some pins. Out: SQL. Pure.

use super::pins::Place;
use super::predicate::{self, Target};
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
    /// Rows that others refer to, for good.
    pub(super) blocked: i64,
    /// Rows that stayed though nothing spoke against it (a trigger).
    pub(super) failed: i64,
    /// Rows that others refer to, to be tried again.
    pub(super) waiting: i64,
}

/// The batch as one statement. Run it in a REPEATABLE READ transaction: then every part sees one state of the
/// world, a row that changed meanwhile is an error to try again, and a foreign key's action (ON DELETE CASCADE)
/// can never reach a row that this statement has not seen.
pub(super) fn erase(target: Target<'_>, batch: &Batch<'_>) -> Statement {
    let mut sql = Statement::default();
    taken(&mut sql, target, batch);
    deleted(&mut sql, target);
    judged(&mut sql, target, batch.last);
    books(&mut sql, target, batch);
    sql.push(
        "SELECT count(*) FILTER (WHERE fate = 'erased'), count(*) FILTER (WHERE fate = 'gone'),
  count(*) FILTER (WHERE fate = 'blocked'), count(*) FILTER (WHERE fate = 'failed'),
  count(*) FILTER (WHERE fate = 'waiting') FROM judged",
    );
    sql
}

/// The pinned keys, each with its pin and its place there: as typed values, and as the texts they came as.
fn taken(sql: &mut Statement, target: Target<'_>, batch: &Batch<'_>) {
    let pins = sql.bind(Value::Numbers(batch.pins.clone()));
    sql.push(&format!(
        "WITH taken AS MATERIALIZED (\n  SELECT p.id, p.first, k.place, {}, {}\n  FROM tradewind.pin AS p, {}\n  WHERE p.id = ANY ({pins}) AND NOT p.erased\n), ",
        typed_keys(target, "k"),
        each_key(target, |_, place| format!("k.c{place}")),
        unpacked_keys(target, "p.keys", "k"),
    ));
}

fn deleted(sql: &mut Statement, target: Target<'_>) {
    let due = predicate::due(sql, "t", target);
    sql.push(&format!(
        "deleted AS (\n  DELETE FROM {} AS t USING taken AS w\n  WHERE {} AND {due} AND NOT {}\n  RETURNING w.id, w.place\n), ",
        target.table.name,
        predicate::is_key("t", "w", target.table),
        predicate::referenced("t", target.table),
    ));
}

/// The fate of every taken row, seen as it was before the delete.
fn judged(sql: &mut Statement, target: Target<'_>, last: bool) {
    let due = predicate::due(sql, "t", target);
    let blocked = if last { "blocked" } else { "waiting" };
    sql.push(&format!(
        "judged AS MATERIALIZED (
  SELECT w.*, CASE WHEN d.id IS NOT NULL THEN 'erased' WHEN now.referenced IS NULL THEN 'gone'
    WHEN now.referenced THEN '{blocked}' ELSE 'failed' END AS fate
  FROM taken AS w LEFT JOIN deleted AS d USING (id, place)
  LEFT JOIN LATERAL (SELECT {} AS referenced FROM {} AS t WHERE d.id IS NULL AND {} AND {due}) AS now ON true
), ",
        predicate::referenced("t", target.table),
        target.table.name,
        predicate::is_key("t", "w", target.table),
    ));
}

/// A pin keeps the keys that were erased, for the verification at the end; keys that wait get a new pin; the
/// ledger gets one line.
fn books(sql: &mut Statement, target: Target<'_>, batch: &Batch<'_>) {
    let [run, store, rule] = batch.place.bind(sql);
    let pass = sql.bind(Value::Number(i64::from(batch.pass)));
    let token = sql.bind(Value::Number(batch.token));
    let keys = |fate: &str| {
        each_key(target, |_, place| {
            format!(
                "coalesce(jsonb_agg(c{place} ORDER BY place) FILTER (WHERE fate = '{fate}'), '[]')"
            )
        })
    };
    let joined = each_key(target, |_, place| format!("c{place}"));
    sql.push(&format!(
        "totals AS (
  SELECT id, count(*) FILTER (WHERE fate = 'erased') AS erased, count(*) AS taken FROM judged GROUP BY id
), whole AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass} FROM totals
  WHERE p.id = totals.id AND totals.erased = totals.taken
), parts AS MATERIALIZED (
  SELECT id, min(first) AS first, count(*) FILTER (WHERE fate = 'erased') AS erased, jsonb_build_array({}) AS erased_keys,
    count(*) FILTER (WHERE fate = 'waiting') AS waiting, jsonb_build_array({}) AS waiting_keys
  FROM judged WHERE id IN (SELECT id FROM totals WHERE totals.erased < totals.taken) GROUP BY id
), cut AS (
  UPDATE tradewind.pin AS p SET erased = true, pass = {pass}, rows = parts.erased, keys = parts.erased_keys FROM parts
  WHERE p.id = parts.id
), kept AS (
  INSERT INTO tradewind.pin (run, store, rule, first, rows, pass, keys)
  SELECT {run}::text, {store}::text, {rule}::text, first, waiting, {pass}, waiting_keys FROM parts WHERE waiting > 0
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased, gone, blocked, failed, keys_sha256)
  SELECT {run}, {store}, {rule}, {token}, 'Batch', count(*) FILTER (WHERE fate = 'erased'),
    count(*) FILTER (WHERE fate = 'gone'), count(*) FILTER (WHERE fate = 'blocked'),
    count(*) FILTER (WHERE fate = 'failed'),
    sha256(convert_to(string_agg(concat_ws(chr(31), {joined}), chr(30) ORDER BY first, id, place)
      FILTER (WHERE fate = 'erased'), 'UTF8'))
  FROM judged HAVING count(*) FILTER (WHERE fate <> 'waiting') > 0
)\n",
        keys("erased"),
        keys("waiting"),
    ));
}

/// `c1::bigint AS k1, ...`: text columns as the key's own types.
pub(super) fn typed_keys(target: Target<'_>, alias: &str) -> String {
    each_key(target, |kind, place| {
        format!("{alias}.c{place}::{kind} AS k{place}")
    })
}

/// A pin's packed keys as rows of texts `c1`, `c2`, ... with their `place`.
pub(super) fn unpacked_keys(target: Target<'_>, keys: &str, alias: &str) -> String {
    let arrays = each_key(target, |_, place| {
        format!("jsonb_array_elements_text({keys} -> {})", place - 1)
    });
    let columns = each_key(target, |_, place| format!("c{place}"));
    format!("ROWS FROM ({arrays}) WITH ORDINALITY AS {alias} ({columns}, place)")
}

/// Something for each key column (its type, its place from 1), joined by commas.
pub(super) fn each_key(target: Target<'_>, each: impl Fn(&str, usize) -> String) -> String {
    let columns = target.table.key.iter().zip(1..);
    columns
        .map(|(column, place)| each(&column.kind, place))
        .collect::<Vec<_>>()
        .join(", ")
}
