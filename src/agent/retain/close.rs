//! How a run ends: what nobody came to is counted, what was erased is looked for again, the books are closed.
//!
//! In: a store whose erasing has ended. Out: nothing pinned, and every due row in one term of the ledger. Each
//! slice of pins is looked at, written down and removed in one transaction, so a killed closing goes on.

use sqlx::postgres::Postgres;
use sqlx::{Connection, Row, Transaction};

use super::batch;
use super::books;
use super::count;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::pins::Place;
use super::predicate::{self, Target};
use super::preflight::Step;
use super::site::{Site, Work};
use super::statement::{Statement, Value};
use crate::agent::Stop;
use jiff::tz::TimeZone;

/// Pins of one look: some ten thousand keys, well within a statement's time.
const SLICE: i64 = 20;

/// A look that something was in the way of is taken again.
const TRIES: u32 = 5;

/// Which pins are looked at, and what is written down about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Pins that no batch came to: their rows are `remaining` if they are still due, else `gone`.
    Left,
    /// Pins that were erased: rows that are there again, and due, were not erased for good; they `failed`.
    Returned,
}

/// Closes a run. Answers how many rows came back.
pub(super) async fn close(
    site: &mut Site,
    zone: &TimeZone,
    stop: &Stop,
    reason: &str,
) -> Result<i64, Error> {
    let Some(work) = site.work.take() else {
        return Ok(0);
    };
    let mut returned = 0;
    let steps = site.plan.steps.clone();
    for rule in work.pinned.keys() {
        let place = Place::new(&work.run.id, &site.store.name, rule);
        let step = steps.iter().find(|step| step.rule.name == *rule);
        match step.and_then(|step| Some((step, work.target(step)?))) {
            Some((step, target)) => {
                slices(site, &work, (&place, target, Look::Left), stop).await?;
                returned += slices(site, &work, (&place, target, Look::Returned), stop).await?;
                write_oldest(site, &work, step, zone).await?;
            }
            None => abandon(site, &work, &place).await?,
        }
    }
    let reason = if returned > 0 {
        "VerificationFailed"
    } else {
        reason
    };
    books::end(&mut site.store, &work.run, reason).await?;
    Ok(returned)
}

/// Looks at slice after slice until no pin is left. Answers the rows that came back.
async fn slices(
    site: &mut Site,
    work: &Work,
    (place, target, look): (&Place, Target<'_>, Look),
    stop: &Stop,
) -> Result<i64, Error> {
    let mut total = 0;
    let mut tries = 0;
    loop {
        if stop.is_requested() {
            return Err(Error::Stopped);
        }
        match slice(site, work, (place, target, look)).await {
            Ok(Some(found)) => (total, tries) = (total + found, 0),
            Ok(None) => return Ok(total),
            Err(Error::Statement { fault, store }) => {
                tries += 1;
                let passing = matches!(fault.trouble(), Trouble::Conflict | Trouble::Busy);
                if !passing || tries >= TRIES {
                    return Err(Error::Statement { fault, store });
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// One transaction. `None` when there was nothing to look at.
async fn slice(
    site: &mut Site,
    work: &Work,
    (place, target, look): (&Place, Target<'_>, Look),
) -> Result<Option<i64>, Error> {
    let mut transaction = ours(site, work).await?;
    let failed = |fault| Error::Statement {
        store: place.store.clone(),
        fault,
    };
    let fault = Fault::of("look at the rows again");
    let query = look_sql(place, target, look, work.run.token).query();
    let row = query
        .map_err(&fault)
        .map_err(failed)?
        .fetch_one(&mut *transaction)
        .await;
    let (pins, found): (i64, i64) = row
        .and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .map_err(&fault)
        .map_err(failed)?;
    transaction.commit().await.map_err(fault).map_err(failed)?;
    Ok((pins > 0).then_some(found))
}

/// A transaction in which the run is ours.
async fn ours<'a>(site: &'a mut Site, work: &Work) -> Result<Transaction<'a, Postgres>, Error> {
    let name = site.store.name.clone();
    let failed = |fault| Error::Statement {
        store: name.clone(),
        fault,
    };
    let begin = site
        .store
        .connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let begun = begin.await.map_err(Fault::of("look at the rows again"));
    let mut transaction = begun.map_err(failed)?;
    if !books::is_ours(&mut transaction, &name, &work.run)
        .await
        .map_err(failed)?
    {
        return Err(Error::AnotherRun { store: name });
    }
    Ok(transaction)
}

fn look_sql(place: &Place, target: Target<'_>, look: Look, token: i64) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let token = sql.bind(Value::Number(token));
    let due = predicate::due(&mut sql, "t", target);
    let (which, entry, columns, values, noted) = match look {
        Look::Left => (
            "NOT erased",
            "Left",
            "remaining, gone",
            "due, absent",
            "due + absent > 0",
        ),
        Look::Returned => (
            "erased",
            "Returned",
            "erased, failed",
            "-due, due",
            "due > 0",
        ),
    };
    sql.push(&format!(
        "WITH slice AS MATERIALIZED (
  SELECT id, keys FROM tradewind.pin
  WHERE run = {run} AND store = {store} AND rule = {rule} AND {which} ORDER BY id LIMIT {SLICE}
), taken AS MATERIALIZED (
  SELECT {} FROM slice AS p, {}
), seen AS (
  SELECT count(*) FILTER (WHERE now.here) AS due, count(*) FILTER (WHERE now.here IS NULL) AS absent
  FROM taken AS w LEFT JOIN LATERAL (SELECT true AS here FROM {} AS t WHERE {} AND {due}) AS now ON true
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, {columns})
  SELECT {run}, {store}, {rule}, {token}, '{entry}', {values} FROM seen WHERE {noted}
), freed AS (
  DELETE FROM tradewind.pin WHERE id IN (SELECT id FROM slice) RETURNING id
)
SELECT (SELECT count(*) FROM slice), due FROM seen",
        batch::typed_keys(target, "k"),
        batch::unpacked_keys(target, "p.keys", "k"),
        target.table.name,
        predicate::is_key("t", "w", target.table),
    ));
    sql
}

/// For a rule whose table is not the same any more, or that the task has no more: nobody can look, so what is
/// pinned and was not tried counts as remaining.
async fn abandon(site: &mut Site, work: &Work, place: &Place) -> Result<(), Error> {
    let failed = |fault| Error::Statement {
        store: place.store.clone(),
        fault,
    };
    let fault = Fault::of("write down what is left");
    let mut transaction = ours(site, work).await?;
    let sql = "WITH freed AS (DELETE FROM tradewind.pin
            WHERE run = $1 AND store = $2 AND rule = $3 AND NOT erased RETURNING rows),
          total AS (SELECT coalesce(sum(rows), 0) AS rows FROM freed)
        INSERT INTO tradewind.ledger (run, store, rule, token, entry, remaining)
        SELECT $1, $2, $3, $4, 'Left', rows FROM total WHERE rows > 0";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(work.run.token).execute(&mut *transaction).await;
    done.map_err(&fault).map_err(failed)?;
    transaction.commit().await.map_err(fault).map_err(failed)
}

/// Writes down the oldest clock that is still there.
async fn write_oldest(
    site: &mut Site,
    work: &Work,
    step: &Step,
    zone: &TimeZone,
) -> Result<(), Error> {
    let store = &mut site.store;
    let Some(target) = work.target(step) else {
        return Ok(());
    };
    // Without an index on the clock this reads the whole table.
    store.set("statement_timeout", "0").await?;
    let oldest = count::oldest(&mut store.connection, target, zone).await;
    let oldest = oldest.map_err(|fault| store.failed(fault))?;
    store.set("statement_timeout", "5s").await?;
    let sql =
        "UPDATE tradewind.rule SET oldest_kept = $4 WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql)
        .bind(&work.run.id)
        .bind(&store.name)
        .bind(&step.rule.name);
    let done = query.bind(oldest).execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("write down the oldest row"))
        .map_err(|f| store.failed(f))
}
