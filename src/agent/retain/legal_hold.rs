//! `hold`: opens a legal hold in each store, or releases it there, and says what each database says of it.
//!
//! In: a task, and files with the values of columns. Out: a report of dates and words. It may be done again and again; one
//! store's trouble keeps no other from being held. No value leaves for a log, an error or a report.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::books;
use super::enforce::stoppable;
use super::error::Error;
use super::fault::Fault;
use super::grants::Grants;
use super::hold_values;
use super::holds;
use super::quiet;
use super::refusal::Refusal;
use super::store::{MOMENT, Purpose, Store};
use crate::agent::{Begun, Stop, error_chain};
use crate::contract::{
    HeldStore, Hold, HoldReport, HoldScope, Outcome, Report, ReportedStore, Task,
};

/// Opening waits for the batches under way, each of which ends within seconds.
const LOCK_WITHIN: &str = "2min";
/// A long list of values takes a while.
const DONE_WITHIN: &str = "10min";

/// Why it could not be done in a store.
#[derive(Debug, thiserror::Error)]
enum Problem {
    /// The database, or the way to it.
    #[error(transparent)]
    Store(#[from] Error),
    /// A scope has no values.
    #[error(transparent)]
    Values(#[from] hold_values::Error),
    /// A value is none of the column.
    #[error(
        "table `{table}`: a value is none of the column's type: correct the Secret that valuesSecretRef names"
    )]
    ValueUnfit { table: String },
    /// No such table.
    #[error(
        "table `{table}` is not in the database, and a scope stays: open another hold with the right one, as schema.table, and release this one then"
    )]
    TableMissing { table: String },
    /// No such column.
    #[error(
        "table `{table}` has no such column, and a scope stays: open another hold with the right one, and release this one then"
    )]
    ColumnMissing { table: String },
    /// It was released here before.
    #[error(
        "the hold was released here before, and a release is for good: record it in spec.release, and open another hold under another name"
    )]
    Released,
}

impl Problem {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Store(error) => error.outcome(),
            _ => Outcome::Refused,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Values(error) => error.reason(),
            Self::ValueUnfit { .. } => "ValueUnfit",
            Self::TableMissing { .. } => "TableMissing",
            Self::ColumnMissing { .. } => "ColumnMissing",
            Self::Released => "HoldReleased",
        }
    }
}

/// What a database says of a hold.
#[derive(Clone, Debug, Default)]
struct State {
    opened_at: Option<String>,
    widened_at: Option<String>,
    released_at: Option<String>,
}

/// Opens or releases the hold in every store, each for itself.
pub async fn run(task: Task<Hold>, stop: Stop) -> Report<HoldReport> {
    let begun = Begun::now("hold");
    let hold = &task.spec;
    let (mut body, mut problems) = (HoldReport::default(), Vec::new());
    for held in &hold.stores {
        let (told, problem) = one(hold, held, &stop).await;
        if let Some(problem) = &problem {
            let (store, reason) = (&held.store, problem.reason());
            tracing::error!(store, reason, "{}", error_chain(problem));
        } else {
            let (store, since) = (&told.store, &told.in_force_since);
            tracing::info!(
                store,
                since,
                released = told.released_at,
                "asked the database"
            );
        }
        problems.extend(problem.map(|problem| (&held.store, problem)));
        body.stores.push(told);
    }
    let is_passing = problems
        .iter()
        .any(|(_, problem)| problem.outcome() == Outcome::Retry);
    let Some((store, problem)) = problems.first() else {
        let (reason, what) = match hold.release {
            None => ("InForce", "it is in force"),
            Some(_) => ("Released", "it is released"),
        };
        let message = format!("{what} in {} stores", body.stores.len());
        return begun.ended(Outcome::Done, reason, &message, Some(body));
    };
    let outcome = if is_passing {
        Outcome::Retry
    } else {
        Outcome::Refused
    };
    let message = format!("store `{store}`: {}", error_chain(problem));
    begun.ended(outcome, problem.reason(), &message, Some(body))
}

/// One store: what it says in the end, and what went wrong.
async fn one(hold: &Hold, held: &HeldStore, stop: &Stop) -> (ReportedStore, Option<Problem>) {
    let told = |state: State, problem: Option<&Problem>, unread| ReportedStore {
        store: held.store.clone(),
        in_force_since: state.opened_at,
        widened_at: state.widened_at,
        released_at: state.released_at,
        reason: problem.map(|problem| problem.reason().to_owned()),
        unread,
    };
    let opened = stoppable(stop, async {
        let mut store = open(held).await?;
        let state = state(&mut store, &hold.id).await?;
        Ok((store, state))
    });
    let (mut store, before) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let problem = Problem::Store(error);
            return (told(State::default(), Some(&problem), true), Some(problem));
        }
    };
    let done = write(&mut store, (hold, held), &before).await;
    let after = state(&mut store, &hold.id).await;
    match (done, after) {
        (Ok(()), Ok(after)) => (told(after, None, false), None),
        (Ok(()), Err(error)) => {
            let problem = Problem::Store(error);
            (told(before, Some(&problem), true), Some(problem))
        }
        (Err(problem), after) => {
            let unread = after.is_err();
            let state = after.unwrap_or(before);
            (told(state, Some(&problem), unread), Some(problem))
        }
    }
}

/// A session, with books that know holds.
async fn open(held: &HeldStore) -> Result<Store, Error> {
    let mut store = Store::open(&held.store, &held.url, Purpose::Write).await?;
    let mut grants = Grants::default();
    let role = grants.check_books(&mut store.connection).await;
    let role = role.map_err(|fault| store.failed(fault))?;
    if !grants.erasing.is_empty() {
        return Err(Error::Refused(vec![Refusal::GrantsMissing {
            store: held.store.clone(),
            role,
            statements: grants.erasing,
        }]));
    }
    books::prepare(&mut store).await?;
    store.set("lock_timeout", LOCK_WITHIN).await?;
    store.set("statement_timeout", DONE_WITHIN).await?;
    Ok(store)
}

async fn state(store: &mut Store, id: &str) -> Result<State, Error> {
    let sql = format!(
        "SELECT to_char(opened_at AT TIME ZONE 'UTC', {MOMENT}), to_char(released_at AT TIME ZONE 'UTC', {MOMENT}),
          to_char(widened_at AT TIME ZONE 'UTC', {MOMENT})
        FROM tradewind.hold WHERE id = $1"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
    let fault = Fault::of("read the hold");
    let row = query.fetch_optional(&mut store.connection).await;
    let state = row.and_then(|row| {
        let read = |row: sqlx::postgres::PgRow| {
            Ok(State {
                opened_at: row.try_get(0)?,
                released_at: row.try_get(1)?,
                widened_at: row.try_get(2)?,
            })
        };
        row.map(read).transpose()
    });
    let state = state.map_err(fault).map_err(|fault| store.failed(fault))?;
    Ok(state.unwrap_or_default())
}

async fn write(
    store: &mut Store,
    (hold, held): (&Hold, &HeldStore),
    before: &State,
) -> Result<(), Problem> {
    let is_open = before.opened_at.is_some() && before.released_at.is_none();
    let query = match &hold.release {
        // It was never here, or is released already: by an attempt before, or by hand.
        Some(_) if !is_open => return Ok(()),
        Some(release) => sqlx::query("SELECT tradewind.release_hold($1, $2, $3)")
            .bind(&hold.id)
            .bind(&release.by)
            .bind(&release.ground),
        None if before.released_at.is_some() => return Err(Problem::Released),
        None => {
            let mut scopes = Vec::new();
            for one in &held.scopes {
                scopes.push(scope(store, one, hold.key.as_deref()).await?);
            }
            if held.scopes.iter().any(|scope| scope.values.is_some()) {
                quiet::is_quiet(store).await?;
            }
            sqlx::query("SELECT tradewind.open_hold($1, $2, $3, $4::text::date, $5)")
                .bind(&hold.id)
                .bind(&hold.ground)
                .bind(&hold.opened_by)
                .bind(&hold.review_on)
                .bind(sqlx::types::Json(Value::Array(scopes)))
        }
    };
    let done = query.execute(&mut store.connection).await;
    done.map(drop).map_err(|error| refused(store, error))
}

/// What `tradewind.open_hold` says by its codes; all else is the database's trouble.
fn refused(store: &Store, error: sqlx::Error) -> Problem {
    let said = error.as_database_error();
    let code = said.and_then(sqlx::error::DatabaseError::code);
    let table = said.and_then(sqlx::error::DatabaseError::table);
    let table = table.unwrap_or_default().to_owned();
    match code.as_deref() {
        Some("TWH01") => Problem::Released,
        Some("TWH02") => Problem::TableMissing { table },
        Some("TWH03") => Problem::ColumnMissing { table },
        Some("TWH04") => Problem::ValueUnfit { table },
        _ => Problem::Store(store.failed(Fault::of("write the hold")(error))),
    }
}

/// A scope as `tradewind.open_hold` takes it.
async fn scope(store: &mut Store, scope: &HoldScope, key: Option<&Path>) -> Result<Value, Problem> {
    let mut told = serde_json::Map::new();
    if let Some(table) = &scope.table {
        let table = holds::whole_name(store, table).await;
        let table = table.map_err(|fault| store.failed(fault))?;
        told.insert("table".to_owned(), json!(table));
    }
    if let (Some(column), Some(file)) = (&scope.column, &scope.values) {
        told.insert("column".to_owned(), json!(column));
        let values = hold_values::read(scope, file, key)?;
        told.insert("values".to_owned(), Value::Array(values));
        if scope.ignore_case {
            told.insert("folded".to_owned(), json!(true));
        }
    }
    Ok(Value::Object(told))
}
