//! The pinned keys of a run: which are open, cutting them smaller, and single rows that will not go.
//!
//! In: a place in the books. Out: pins, by number: keys never leave the database.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Row};

use super::batch::Batch;
use super::books::{self, Run};
use super::catalog::Table;
use super::error::Error;
use super::fault::Fault;
use super::packed;
use super::statement::{Statement, Value};
use super::store::Store;

/// So many pins are read at once, however small they were cut: those of some rounds.
const MOST_PINS: i64 = 800;

/// A rule of a run in a store's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The run.
    pub(super) run: String,
    /// The store.
    pub(super) store: String,
    /// The rule.
    pub(super) rule: String,
}

impl Place {
    /// The place of a rule.
    pub(super) fn new(run: &str, store: &str, rule: &str) -> Self {
        Self {
            run: run.to_owned(),
            store: store.to_owned(),
            rule: rule.to_owned(),
        }
    }

    /// Binds the three names.
    pub(super) fn bind(&self, sql: &mut Statement) -> [String; 3] {
        [&self.run, &self.store, &self.rule].map(|name| sql.bind(Value::Text(name.clone())))
    }
}

/// A few hundred keys at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    /// Its number.
    pub(super) id: i64,
    /// How many keys.
    pub(super) rows: i64,
}

/// The next open pins that `pass` has not tried.
pub(super) async fn open(store: &mut Store, place: &Place, pass: i32) -> Result<Vec<Pin>, Error> {
    let sql = "SELECT id, rows::bigint FROM tradewind.pin
        WHERE run = $1 AND store = $2 AND rule = $3 AND NOT erased AND NOT settled AND partition IS NULL AND pass < $4
        ORDER BY first, id LIMIT $5";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let query = query.bind(pass).bind(MOST_PINS);
    let found = query.fetch_all(&mut store.connection).await;
    let read = |row: &PgRow| {
        Ok(Pin {
            id: row.try_get(0)?,
            rows: row.try_get(1)?,
        })
    };
    let found = found.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
    found
        .map_err(Fault::of("read the pins"))
        .map_err(|fault| store.failed(fault))
}

/// The first pins of `rows` keys together, one pin at least.
pub(super) fn fitting(pins: &[Pin], rows: u32) -> &[Pin] {
    let mut sum = 0;
    let fits = pins.iter().take_while(|pin| {
        sum += pin.rows;
        sum <= i64::from(rows)
    });
    let count = fits.count().max(1).min(pins.len());
    pins.get(..count).unwrap_or_default()
}

/// The pass that was begun last.
pub(super) async fn last_pass(store: &mut Store, place: &Place) -> Result<i32, Error> {
    let sql = "SELECT coalesce(max(pass), 0) FROM tradewind.pin
        WHERE run = $1 AND store = $2 AND rule = $3 AND NOT erased AND NOT settled AND partition IS NULL";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let pass = query
        .fetch_one(&mut store.connection)
        .await
        .and_then(|row| row.try_get(0));
    pass.map_err(Fault::of("read the pins"))
        .map_err(|fault| store.failed(fault))
}

/// Cuts a pin in two, if it is still open. It was read a while ago: behind a pooler another process may have taken the run since, and
/// erased what the pin has. Halves of that would be judged a second time.
pub(super) async fn split(
    store: &mut Store,
    run: &Run,
    pin: i64,
    table: &Table,
) -> Result<(), Error> {
    let packed = packed::array("whole", table);
    let half = |from: &str, to: &str| {
        let columns = (0..table.key.len())
            .map(|at| format!("({packed})[{at} * rows + {from} : {at} * rows + {to}]"));
        columns.collect::<Vec<_>>().join(" || ")
    };
    let sql = format!(
        "WITH whole AS (DELETE FROM tradewind.pin WHERE id = $1 AND rows > 1 AND NOT erased AND NOT settled RETURNING *)
        INSERT INTO tradewind.pin (run, store, rule, first, rows, pass, {}, tids)
        SELECT run, store, rule, first, rows / 2, pass, {}, tids[:rows / 2] FROM whole
        UNION ALL SELECT run, store, rule, first + rows / 2, rows - rows / 2, pass, {}, tids[rows / 2 + 1:] FROM whole",
        packed::column(table),
        half("1", "rows / 2"),
        half("rows / 2 + 1", "rows"),
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(pin);
    as_ours(store, run, query, "cut a pin in two").await
}

/// Writes down that a single row does not go: `blocked` by another row, or failed.
pub(super) async fn refuse(
    store: &mut Store,
    run: &Run,
    batch: &Batch<'_>,
    blocked: bool,
) -> Result<(), Error> {
    let column = if blocked { "blocked" } else { "failed" };
    let sql = format!(
        "WITH pin AS (UPDATE tradewind.pin SET settled = true
          WHERE id = ANY ($1) AND NOT erased AND NOT settled RETURNING *)
        INSERT INTO tradewind.ledger (run, store, rule, token, entry, {column})
        SELECT run, store, rule, $2, 'Row', rows FROM pin"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(&batch.pins)
        .bind(run.token);
    as_ours(store, run, query, "write down a row that does not go").await
}

/// Writes to the pins, if the run is still this process's, which it stays until that is committed.
async fn as_ours(
    store: &mut Store,
    run: &Run,
    query: Query<'_, Postgres, PgArguments>,
    doing: &'static str,
) -> Result<(), Error> {
    let name = store.name.clone();
    let failed = |fault| Error::Statement {
        store: name.clone(),
        fault,
    };
    let fault = Fault::of(doing);
    let transaction = store.connection.begin().await;
    let mut transaction = transaction.map_err(&fault).map_err(failed)?;
    if !books::is_ours(&mut transaction, &name, run)
        .await
        .map_err(failed)?
    {
        return Err(Error::AnotherRun { store: name });
    }
    let done = query.execute(&mut *transaction).await;
    done.map_err(&fault).map_err(failed)?;
    transaction.commit().await.map_err(fault).map_err(failed)
}

/// Keeps the table's shape as it is until the transaction ends, and what the tables of contacts and of rows that refer, and
/// their columns, are called. Other programs read and write on. `LOCK TABLE` asks for a right to the whole table; who
/// changes single columns, or reads single columns of another table, has none, and locks by reading no row. That looks at
/// the world before it waits for the lock: the fence asks whether the table has changed since. All is sent at once.
pub(super) async fn lock_table(connection: &mut PgConnection, table: &Table) -> Result<(), Fault> {
    let name = &table.name;
    let lock = if table.changes.is_empty() {
        format!("LOCK TABLE {name} IN ROW EXCLUSIVE MODE")
    } else {
        format!("SELECT FROM {name} WHERE false")
    };
    let contacts = table.contacts.iter();
    let contacts = contacts.map(|contact| format!("SELECT FROM {} WHERE false", contact.name));
    let referring = table.references.iter();
    let mut referring: Vec<&str> = referring
        .filter(|reference| reference.oid != table.oid)
        .map(|reference| &*reference.name)
        .collect();
    referring.dedup();
    // A partition is called by nobody.
    let referring = referring.into_iter();
    let referring = referring.map(|name| format!("SELECT FROM ONLY {name} WHERE false"));
    let locks: Vec<String> = [lock]
        .into_iter()
        .chain(contacts)
        .chain(referring)
        .collect();
    let locked = sqlx::raw_sql(AssertSqlSafe(locks.join("; "))).execute(connection);
    let fault = Fault::of("lock the table against changes of its shape");
    locked.await.map(drop).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_what_fits_and_never_nothing() {
        let pins = |rows: &[i64]| {
            let pin = |(id, rows): (usize, &i64)| Pin {
                id: i64::try_from(id).unwrap(),
                rows: *rows,
            };
            rows.iter().enumerate().map(pin).collect::<Vec<_>>()
        };
        assert_eq!(fitting(&pins(&[500, 500, 500]), 1000).len(), 2);
        assert_eq!(fitting(&pins(&[500, 500]), 999).len(), 1);
        assert_eq!(fitting(&pins(&[500]), 1).len(), 1);
        assert_eq!(fitting(&pins(&[]), 10).len(), 0);
    }
}
