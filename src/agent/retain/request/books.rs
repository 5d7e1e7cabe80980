//! The books of a request, in the schema `tradewind` of each store's own database.
//!
//! In: what a request pins, the fate of each row. Out: rows and totals. Rows stand by keyed hashes. Every total is a
//! count of rows with one fate; none is a difference.

use std::collections::{BTreeMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

use super::super::books::{self, Run};
use super::super::cutoff::Ended;
use super::super::exact::Exact;
use super::super::fault::Fault;
use super::super::preflight::Step;
use super::super::store::Store;
use super::begin::REAPPLY;
use super::error::{Error, failed};
use super::referred::Ground;
use super::rows::Beside;
use super::suppress;
use crate::contract::{Count, ErasedTable, KeptRows, RequestKind, RequestState};

/// The fates of rows that stay.
pub(super) const KEPT: &str = "Kept";
pub(super) const HELD: &str = "Held";
pub(super) const BLOCKED: &str = "Blocked";
pub(super) const FAILED: &str = "Failed";

/// A row by its hash, with its fate and the place of its ground.
pub(super) type Fate = (Vec<u8>, &'static str, Option<i32>);

/// The tables that a request pinned, by name, each with its shape.
pub(super) type Pinned = BTreeMap<String, String>;

/// Makes the books of requests, after those of retention.
pub(super) async fn prepare(store: &mut Store) -> Result<(), Error> {
    books::prepare(store).await?;
    let migrations = sqlx::migrate!("migrations/erase");
    Ok(books::migrate(store, migrations, "tradewind.erase_migration").await?)
}

/// Whether a store's books have a run, in whatever state the books are.
pub(super) async fn has_run(store: &mut Store, run: &str) -> Result<bool, Error> {
    Ok(suppress::has(store, "tradewind.request").await? && books::has_run(store, run).await?)
}

/// Whether a run has erased anything of a store, by the lines that its transactions wrote.
pub(super) async fn has_erased(store: &mut Store, run: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM tradewind.erasure WHERE run = $1 AND store = $2)";
    let query = sqlx::query(sql).bind(run).bind(&store.name);
    let row = query.fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read what the request erased"))
        .map_err(failed(store))
}

/// Writes a request and its reference.
pub(super) async fn write_request(
    connection: &mut PgConnection,
    store: &str,
    run: &Run,
    (reference, kind): (&str, &str),
) -> Result<(), Fault> {
    let sql = "INSERT INTO tradewind.request (run, store, reference, kind) VALUES ($1, $2, $3, $4)";
    let query = sqlx::query(sql).bind(&run.id).bind(store).bind(reference);
    let done = query.bind(kind).execute(connection).await;
    done.map(drop).map_err(Fault::of("write the request"))
}

/// Writes a table with the rows that were found.
pub(super) async fn write_table(
    connection: &mut PgConnection,
    (run, store): (&str, &str),
    step: &Step,
    ends: &[Ended],
    hashes: Vec<Vec<u8>>,
) -> Result<(), Fault> {
    let sql = "WITH pinned AS (
        INSERT INTO tradewind.request_table (run, store, name, position, shape, due_set, grounds)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING run)
      INSERT INTO tradewind.request_row (run, store, name, hash)
      SELECT $1, $2, $3, h.hash FROM pinned, unnest($8::bytea[]) AS h (hash)";
    // The foreign key is asked when the statement has ended.
    let query = sqlx::query(sql).bind(run).bind(store).bind(&step.rule.name);
    let query = query.bind(position(step)).bind(step.table.bound_to());
    let done = query
        .bind(Json(ends))
        .bind(grounds(step))
        .bind(hashes)
        .execute(connection)
        .await;
    done.map(drop).map_err(Fault::of("write the request"))
}

/// What a request pinned.
pub(super) async fn pinned(store: &mut Store, run: &str) -> Result<Pinned, Error> {
    let sql = "SELECT name, shape FROM tradewind.request_table WHERE run = $1 AND store = $2";
    let query = sqlx::query_as(sql).bind(run).bind(&store.name);
    let rows = query.fetch_all(&mut store.connection).await;
    let pinned: Result<Vec<(String, String)>, _> = rows;
    pinned
        .map(Pinned::from_iter)
        .map_err(Fault::of("read what the request pinned"))
        .map_err(failed(store))
}

/// Pins a table's keeps and its place as the task has them now. No row of it has a ground at that time: see [`reopen`].
pub(super) async fn repin(
    connection: &mut PgConnection,
    (run, store): (&str, &str),
    step: &Step,
    ends: &[Ended],
) -> Result<(), Fault> {
    let sql = "UPDATE tradewind.request_table
        SET position = $4, due_set = $5, grounds = $6, ground_tables = '{}', ground_columns = '{}'
        WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql).bind(run).bind(store).bind(&step.rule.name);
    let query = query
        .bind(position(step))
        .bind(Json(ends))
        .bind(grounds(step));
    let done = query.execute(connection).await;
    done.map(drop)
        .map_err(Fault::of("write the keeps of the request"))
}

/// Where a table stands in the task.
fn position(step: &Step) -> i32 {
    i32::try_from(step.rule.position).unwrap_or(i32::MAX)
}

/// The grounds of a table's keeps.
fn grounds(step: &Step) -> Vec<&str> {
    step.rule.keeps.iter().map(|keep| &*keep.ground).collect()
}

/// Rows that stayed may go now: nobody has come to them again.
pub(super) async fn reopen(store: &mut Store, run: &str) -> Result<(), Error> {
    let sql = "UPDATE tradewind.request_row SET fate = NULL, ground = NULL
        WHERE run = $1 AND store = $2 AND fate <> 'Erased'";
    let query = sqlx::query(sql).bind(run).bind(&store.name);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("go on with the request"))
        .map_err(failed(store))
}

/// The rows of a table that nobody has come to.
pub(super) async fn open_rows(
    store: &mut Store,
    run: &str,
    table: &str,
) -> Result<HashSet<Vec<u8>>, Error> {
    let sql = "SELECT hash FROM tradewind.request_row WHERE run = $1 AND store = $2 AND name = $3 AND fate IS NULL";
    let query = sqlx::query(sql).bind(run).bind(&store.name).bind(table);
    let rows = query.fetch_all(&mut store.connection).await;
    rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
        .map_err(Fault::of("read the request's rows"))
        .map_err(failed(store))
}

/// Notes erased rows, in the transaction that erased them; answers how many of them the request had pinned.
pub(super) async fn note_erased(
    connection: &mut PgConnection,
    (run, store): (&Run, &str),
    table: &str,
    hashes: &[Vec<u8>],
) -> Result<i64, Fault> {
    let sql = "WITH noted AS (
        UPDATE tradewind.request_row SET fate = 'Erased', ground = NULL
        WHERE run = $1 AND store = $2 AND name = $3 AND hash = ANY ($4::bytea[]) AND fate IS NULL RETURNING hash
      ), head AS (
        INSERT INTO tradewind.erasure_head AS h (store, number) VALUES ($2, 1)
        ON CONFLICT (store) DO UPDATE SET number = h.number + 1 RETURNING number
      ), line AS (
        INSERT INTO tradewind.erasure (store, number, run, name, token, erased)
        SELECT $2, head.number, $1, $3, $5, (SELECT count(*) FROM noted) FROM head
      )
      SELECT count(*) FROM noted";
    let query = sqlx::query(sql).bind(&run.id).bind(store).bind(table);
    let row = query
        .bind(hashes)
        .bind(run.token)
        .fetch_one(connection)
        .await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("write down what was erased"))
}

/// Notes restricted rows, in the transaction that restricted them; answers how many of them the request had pinned. It
/// takes no number: a restore is found by what was erased.
pub(super) async fn note_restricted(
    connection: &mut PgConnection,
    (run, store): (&Run, &str),
    table: &str,
    hashes: &[Vec<u8>],
) -> Result<i64, Fault> {
    let sql = "UPDATE tradewind.request_row SET fate = 'Erased', ground = NULL
        WHERE run = $1 AND store = $2 AND name = $3 AND hash = ANY ($4::bytea[]) AND fate IS NULL";
    let query = sqlx::query(sql).bind(&run.id).bind(store).bind(table);
    let done = query.bind(hashes).execute(connection).await;
    done.map(|done| i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
        .map_err(Fault::of("write down what was restricted"))
}

/// Writes down what a look at a table found, in one transaction with the look.
pub(super) async fn note_look(
    connection: &mut PgConnection,
    (run, store): (&str, &str),
    table: &str,
    (fates, all): (Vec<Fate>, Vec<Ground>),
    beside: Beside,
) -> Result<(), Fault> {
    let fault = Fault::of("write down what stays");
    let (mut hashes, mut words, mut grounds) = (Vec::new(), Vec::new(), Vec::new());
    for (hash, word, ground) in fates {
        hashes.push(hash);
        words.push(word);
        grounds.push(ground);
    }
    let gone = "UPDATE tradewind.request_row SET fate = 'Gone', ground = NULL
        WHERE run = $1 AND store = $2 AND name = $3 AND fate IS DISTINCT FROM 'Erased' AND NOT hash = ANY ($4::bytea[])";
    let query = sqlx::query(gone).bind(run).bind(store).bind(table);
    let done = query.bind(&hashes).execute(&mut *connection).await;
    done.map_err(&fault)?;
    // What was erased and is there again was not erased.
    let there = "UPDATE tradewind.request_row AS r
        SET fate = CASE WHEN r.fate = 'Erased' THEN 'Failed' ELSE p.fate END, ground = p.ground
        FROM unnest($4::bytea[], $5::text[], $6::int[]) AS p (hash, fate, ground)
        WHERE r.run = $1 AND r.store = $2 AND r.name = $3 AND r.hash = p.hash";
    let query = sqlx::query(there).bind(run).bind(store).bind(table);
    let query = query.bind(&hashes).bind(words).bind(grounds);
    query.execute(&mut *connection).await.map_err(&fault)?;
    let close = "UPDATE tradewind.request_table SET verified_at = clock_timestamp(), undated = $5, grounds = $6, ground_tables = $7, ground_columns = $8, spared = $9,
          late = (SELECT count(*) FROM unnest($4::bytea[]) AS p (hash) WHERE NOT EXISTS (
            SELECT FROM tradewind.request_row AS r WHERE r.run = $1 AND r.store = $2 AND r.name = $3 AND r.hash = p.hash))
        WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(close).bind(run).bind(store).bind(table);
    // No column of a keep has a comma in its name.
    let columns: Vec<String> = all.iter().map(|it| it.columns.join(",")).collect();
    let (laws, tables): (Vec<_>, Vec<_>) = all.into_iter().map(|it| (it.law, it.through)).unzip();
    let query = query
        .bind(&hashes)
        .bind(beside.undated)
        .bind(laws)
        .bind(tables)
        .bind(columns)
        .bind(beside.spared);
    let done = query.execute(connection).await;
    done.map(drop).map_err(fault)
}

const TOTALS: &str = "
SELECT t.name, count(r.hash), count(*) FILTER (WHERE r.fate = 'Erased'), count(*) FILTER (WHERE r.fate = 'Kept'),
  count(*) FILTER (WHERE r.fate = 'Held'), count(*) FILTER (WHERE r.fate = 'Blocked'),
  count(*) FILTER (WHERE r.fate = 'Failed'), count(*) FILTER (WHERE r.fate = 'Gone'),
  count(*) FILTER (WHERE r.hash IS NOT NULL AND r.fate IS NULL), t.late, t.undated, t.verified_at IS NOT NULL, q.kind,
  coalesce((to_jsonb(t) ->> 'spared')::bigint, 0) -- books that are only read may have no such column yet
FROM tradewind.request_table AS t JOIN tradewind.request AS q USING (run, store)
LEFT JOIN tradewind.request_row AS r USING (run, store, name)
WHERE t.run = $1 AND t.store = $2 GROUP BY t.run, t.store, t.name, q.kind ORDER BY t.position";

const GROUNDS: &str = "
SELECT t.name, t.grounds[r.ground + 1], count(*), t.ground_tables[r.ground + 1],
  coalesce(string_to_array(nullif(t.ground_columns[r.ground + 1], ''), ','), '{}')
FROM tradewind.request_row AS r JOIN tradewind.request_table AS t USING (run, store, name)
WHERE r.run = $1 AND r.store = $2 AND r.fate = 'Kept' GROUP BY 1, 2, 4, 5, t.position, r.ground ORDER BY t.position, r.ground";

/// A request's numbers in a store, in the task's order.
pub(super) async fn totals(store: &mut Store, run: &str) -> Result<Vec<Exact<ErasedTable>>, Error> {
    let fault = Fault::of("add up the request");
    let failed = failed(store);
    let query = sqlx::query(TOTALS).bind(run).bind(&store.name);
    let rows = query.fetch_all(&mut store.connection).await;
    let tables = rows.and_then(|rows| rows.iter().map(total).collect::<Result<Vec<_>, _>>());
    let mut tables = tables.map_err(&fault).map_err(&failed)?;
    let query = sqlx::query(GROUNDS).bind(run).bind(&store.name);
    let rows = query.fetch_all(&mut store.connection).await;
    for row in rows.map_err(&fault).map_err(&failed)? {
        let name: String = row.try_get(0).map_err(&fault).map_err(&failed)?;
        let kept = KeptRows {
            ground: row.try_get(1).map_err(&fault).map_err(&failed)?,
            rows: row
                .try_get::<i64, _>(2)
                .map_err(&fault)
                .map_err(&failed)?
                .into(),
            through: row.try_get(3).map_err(&fault).map_err(&failed)?,
            columns: row.try_get(4).map_err(&fault).map_err(&failed)?,
        };
        if let Some(table) = tables.iter_mut().find(|table| table.name == name) {
            table.grounds.push(kept);
        }
    }
    let tables = tables.into_iter();
    Ok(tables.map(|table| Exact::new(&store.name, table)).collect())
}

fn total(row: &PgRow) -> Result<ErasedTable, sqlx::Error> {
    // What the books have as done is by the request's kind what was done.
    let number = |place: usize| row.try_get::<i64, _>(place).map(Count::exact);
    let (done, kind): (Count, String) = (number(2)?, row.try_get(12)?);
    let (erased, restricted) = if kind == RequestKind::Restriction.name() {
        (Count::ZERO, done)
    } else {
        (done, Count::ZERO)
    };
    let mut table = ErasedTable {
        name: row.try_get(0)?,
        found: number(1)?,
        erased,
        restricted,
        kept: number(3)?,
        held: number(4)?,
        blocked: number(5)?,
        failed: number(6)?,
        gone: number(7)?,
        remaining: number(8)?,
        late: number(9)?,
        undated: number(10)?,
        spared: number(13)?,
        ..ErasedTable::default()
    };
    table.state = state(&table, row.try_get(11)?, kind == REAPPLY);
    Ok(table)
}

/// How far a table has come. `again`: a row that came late is no later one of the person's. Whose rows are erased again they
/// were erased before, and those that came since are not looked for: it was imported meanwhile, or got its date.
fn state(table: &ErasedTable, is_verified: bool, again: bool) -> RequestState {
    if !is_verified {
        return if table.remaining.is_zero() && !table.erased.plus(table.restricted).is_zero() {
            RequestState::LogicallyGone
        } else {
            RequestState::Pending
        };
    }
    let stays = [table.failed, table.blocked, table.undated];
    if !stays.iter().all(Count::is_zero) {
        RequestState::Failed
    } else if !table.remaining.is_zero() || again && !table.late.is_zero() {
        RequestState::Pending
    } else if !table.held.is_zero() {
        RequestState::Held
    } else if !table.kept.is_zero() {
        RequestState::Kept
    } else {
        RequestState::Verified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_by_the_worst_of_its_rows() {
        let base = ErasedTable {
            erased: 3.into(),
            ..ErasedTable::default()
        };
        assert_eq!(state(&base, false, false), RequestState::LogicallyGone);
        assert_eq!(state(&base, true, false), RequestState::Verified);
        let kept = ErasedTable {
            kept: 1.into(),
            ..base.clone()
        };
        assert_eq!(state(&kept, true, false), RequestState::Kept);
        let held = ErasedTable {
            held: 1.into(),
            ..kept
        };
        assert_eq!(state(&held, true, false), RequestState::Held);
        let late = ErasedTable {
            late: 1.into(),
            ..held.clone()
        };
        assert_eq!(state(&late, true, false), RequestState::Held);
        assert_eq!(state(&late, true, true), RequestState::Pending);
        let left = ErasedTable {
            remaining: 1.into(),
            ..held
        };
        assert_eq!(state(&left, true, false), RequestState::Pending);
        assert_eq!(state(&left, false, false), RequestState::Pending);
        for term in [0, 1, 2] {
            let mut bad = left.clone();
            *[&mut bad.failed, &mut bad.blocked, &mut bad.undated][term] = 1.into();
            assert_eq!(state(&bad, true, false), RequestState::Failed);
        }
        assert_eq!(
            state(&ErasedTable::default(), false, false),
            RequestState::Pending
        );
    }
}
