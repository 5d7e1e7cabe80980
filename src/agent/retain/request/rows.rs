//! The rows of a person in a table, by their keys, in memory.
//!
//! In: a snapshot. Out: keys with their keyed hashes; keys are a person's too, and are not shown. Reads only.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use zeroize::Zeroize as _;

use super::super::catalog::Table;
use super::super::cutoff::Ended;
use super::super::fault::Fault;
use super::super::holds::Holds;
use super::super::lesser::Lesser;
use super::super::predicate;
use super::super::statement::{Hidden, Statement, Value};
use super::books::{self, Fate};
use super::hash::HashKey;
use super::reduce;
use super::select::{self, Whose};

/// A row's key, its parts as texts, with its hash.
pub(super) struct Key {
    parts: Vec<String>,
    /// The row in the books.
    pub(super) hash: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key")
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.parts.zeroize();
    }
}

/// Makes keys of rows of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a> {
    /// The key of hashes.
    pub(super) with: &'a HashKey,
    /// The store.
    pub(super) store: &'a str,
    /// The table's name in the task.
    pub(super) table: &'a str,
}

impl Keys<'_> {
    /// The hash of the row whose key stands in some of `row`'s columns, `count` from the one at `first`.
    pub(super) fn hash(
        &self,
        row: &PgRow,
        (first, count): (usize, usize),
    ) -> Result<Vec<u8>, sqlx::Error> {
        let parts = (first..first + count).map(|at| row.try_get(at));
        let mut parts = parts.collect::<Result<Vec<String>, _>>()?;
        let hash = self.with.row(self.store, self.table, &parts);
        parts.zeroize();
        Ok(hash)
    }

    fn read(&self, row: &PgRow, columns: usize) -> Result<Key, sqlx::Error> {
        let parts = (0..columns).map(|at| row.try_get(at));
        let parts = parts.collect::<Result<Vec<String>, _>>()?;
        let hash = self.with.row(self.store, self.table, &parts);
        Ok(Key { parts, hash })
    }
}

/// The keys of the rows that hold something to erase; at most `most`.
pub(super) async fn to_erase(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    keys: Keys<'_>,
    most: i64,
) -> Result<Vec<Key>, Fault> {
    find(connection, (whose, keys), most, |_| "true".to_owned()).await
}

/// The keys of those of them that hold what a keep of some columns lets go.
pub(super) async fn to_reduce(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    keys: Keys<'_>,
    (lesser, ends): (&Lesser, &[Ended]),
) -> Result<Vec<Key>, Fault> {
    let open = |sql: &mut Statement| reduce::is_open(sql, "t", whose.table, (lesser, ends));
    find(connection, (whose, keys), i64::MAX, open).await
}

async fn find(
    connection: &mut PgConnection,
    (whose, keys): (Whose<'_>, Keys<'_>),
    most: i64,
    more: impl FnOnce(&mut Statement) -> String,
) -> Result<Vec<Key>, Fault> {
    let mut sql = Statement::default();
    let condition = whose.to_erase(&mut sql, "t");
    let more = more(&mut sql);
    let most = sql.bind(Value::Number(most));
    let columns = texts("t", whose.table);
    let name = &whose.table.name;
    sql.push(&format!(
        "SELECT {columns} FROM {name} AS t WHERE {condition} AND {more} LIMIT {most}"
    ));
    let fault = Fault::of("find the person's rows");
    let rows = sql.query().map_err(&fault)?.fetch_all(connection).await;
    let count = whose.table.key.len();
    let read = |row: &PgRow| keys.read(row, count);
    rows.and_then(|rows| rows.iter().map(read).collect())
        .map_err(fault)
}

/// How many rows hold something to erase; no more than `most` are counted.
pub(super) async fn count(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    most: i64,
) -> Result<i64, Fault> {
    let mut sql = Statement::default();
    let condition = whose.to_erase(&mut sql, "t");
    let most = sql.bind(Value::Number(most));
    let name = &whose.table.name;
    sql.push(&format!(
        "SELECT count(*) FROM (SELECT FROM {name} AS t WHERE {condition} LIMIT {most}) AS found"
    ));
    let fault = Fault::of("count the person's rows");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// The fate of every row that is there.
pub(super) async fn fates(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    keys: Keys<'_>,
    (ends, holds): (&[Ended], &Holds),
) -> Result<Vec<Fate>, Fault> {
    let mut sql = Statement::default();
    let table = whose.table;
    let condition = whose.to_erase(&mut sql, "t");
    let kept = select::kept(&mut sql, "t", table, ends);
    let held = select::held(&mut sql, "t", table, holds);
    let [some, open] = reduce::told(&mut sql, "t", table, ends);
    sql.push(&format!(
        "SELECT {}, {kept}, {held}, {}, {some}, {open} FROM {} AS t WHERE {condition}",
        texts("t", table),
        predicate::referenced("t", table),
        table.name,
    ));
    let fault = Fault::of("look at the rows again");
    let rows = sql.query().map_err(&fault)?.fetch_all(connection).await;
    let count = table.key.len();
    let read = |row: &PgRow| {
        let mut key = keys.read(row, count)?;
        let hash = std::mem::take(&mut key.hash);
        let whole: Option<i32> = row.try_get(count)?;
        let some: Option<i32> = row.try_get(count + 3)?;
        let (is_held, is_open): (bool, bool) = (row.try_get(count + 1)?, row.try_get(count + 4)?);
        let ground = some.or(whole).filter(|_| !is_open);
        let word = if ground.is_some() {
            books::KEPT
        } else if is_held {
            books::HELD
        } else if is_open {
            // What the law does not keep should have gone.
            books::FAILED
        } else if row.try_get(count + 2)? {
            books::BLOCKED
        } else {
            books::FAILED
        };
        Ok((hash, word, ground))
    };
    rows.and_then(|rows| rows.iter().map(read).collect())
        .map_err(fault)
}

/// Rows of erased persons that are not looked at one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// They have no clock.
    pub(super) undated: i64,
    /// They came later.
    pub(super) spared: i64,
}

/// How many rows of erased persons have no clock, and how many a later one.
pub(super) async fn beside(
    connection: &mut PgConnection,
    whose: Whose<'_>,
) -> Result<Beside, Fault> {
    let mut sql = Statement::default();
    let undated = whose.undated(&mut sql, "t");
    let spared = whose.spared(&mut sql, "t");
    let name = &whose.table.name;
    // Where nobody is back the table is not read.
    sql.push(&format!(
        "SELECT count(*) FILTER (WHERE {undated}), count(*) FILTER (WHERE {spared}) FROM {name} AS t WHERE {undated} OR {spared}"
    ));
    let fault = Fault::of("count the rows that are left");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    let read = |row: PgRow| {
        Ok(Beside {
            undated: row.try_get(0)?,
            spared: row.try_get(1)?,
        })
    };
    row.and_then(read).map_err(fault)
}

/// The hashes of a batch's keys at some places of it, the first of which is 1.
pub(super) fn hashes_at(batch: &[Key], places: &[i64]) -> Vec<Vec<u8>> {
    let at = |place: &i64| batch.get(usize::try_from(place - 1).ok()?);
    let keys = places.iter().filter_map(at);
    keys.map(|key| key.hash.clone()).collect()
}

/// Rows `w` with the keys of some rows, typed, and their `place` from 1: the start of a statement.
pub(super) fn taken(sql: &mut Statement, table: &Table, keys: &[Key]) {
    let arrays: Vec<String> = (0..table.key.len())
        .map(|at| {
            let column = keys.iter().filter_map(|key| key.parts.get(at).cloned());
            let place = sql.bind(Value::Hidden(Hidden(column.collect())));
            format!("{place}::text[]")
        })
        .collect();
    let names = |prefix: &str| {
        let names = (1..=table.key.len()).map(|at| format!("{prefix}{at}"));
        names.collect::<Vec<_>>().join(", ")
    };
    let typed = table.key.iter().zip(1..);
    let typed = typed.map(|(column, at)| format!("k.c{at}::{} AS k{at}", column.kind));
    let typed = typed.collect::<Vec<_>>().join(", ");
    // Of several arrays it is always the server's own, and only without its schema.
    let unnest = if arrays.len() == 1 {
        "pg_catalog.unnest"
    } else {
        "unnest"
    };
    sql.push(&format!(
        "WITH taken AS MATERIALIZED (SELECT k.place, {typed} FROM {unnest}({}) WITH ORDINALITY AS k ({}, place)), ",
        arrays.join(", "),
        names("c"),
    ));
}

/// The key's columns of `alias` as texts.
pub(super) fn texts(alias: &str, table: &Table) -> String {
    let key = table.key.iter();
    let texts = key.map(|column| format!("{alias}.{}::text", column.name));
    texts.collect::<Vec<_>>().join(", ")
}
