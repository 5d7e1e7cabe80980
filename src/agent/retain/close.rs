//! How a run ends: what nobody came to is counted, what was erased is looked for again, the books are closed.
//!
//! In: a store whose erasing has ended. Out: nothing pinned, and every due row in one term of the ledger. Each
//! rule is looked at, written down and closed in one transaction, so a killed closing goes on.

use sqlx::postgres::Postgres;
use sqlx::{Connection, Row as _, Transaction};

use super::answer;
use super::books::{self, Run};
use super::count;
use super::detach;
use super::enforce::stoppable;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::holds;
use super::outside;
use super::packed;
use super::pins::Place;
use super::predicate::{self, Target};
use super::site::{Site, Work};
use super::statement::{Statement, Value};
use super::store::{Purpose, Store};
use crate::agent::Stop;
use jiff::tz::TimeZone;

/// A look that something was in the way of is taken again.
const TRIES: u32 = 5;

/// Closes a run that ended with `ending`. Answers the word that its row ends with.
pub(super) async fn close(
    site: &mut Site,
    zone: &TimeZone,
    stop: &Stop,
    ending: &'static str,
) -> Result<&'static str, Error> {
    let Some(work) = site.work.take() else {
        return Ok(ending);
    };
    detach::put_back(&mut site.store, &work).await?;
    let steps = site.plan.steps.clone();
    for rule in work.pinned.keys() {
        let place = Place::new(&work.run.id, &site.store.name, rule);
        let planned = steps.iter().find(|planned| planned.rule.name == *rule);
        match planned.and_then(|planned| Some((planned, work.target(planned)?))) {
            Some((_, target)) => look(site, &work, (&place, target), zone, stop).await?,
            None => abandon(site, &work, &place).await?,
        }
    }
    let ending = if has_returned(&mut site.store, &work.run).await? {
        answer::VERIFICATION_FAILED
    } else {
        ending
    };
    books::end(&mut site.store, &work.run, ending).await?;
    Ok(ending)
}

/// Looks until nobody is in the way.
async fn look(
    site: &mut Site,
    work: &Work,
    (place, target): (&Place, Target<'_>),
    zone: &TimeZone,
    stop: &Stop,
) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        match stoppable(stop, look_once(site, work, (place, target), zone)).await {
            Err(Error::Statement { fault, store }) => {
                tries += 1;
                let passing = matches!(fault.trouble(), Trouble::Conflict | Trouble::Busy);
                if !passing || tries >= TRIES {
                    return Err(Error::Statement { fault, store });
                }
            }
            other => return other,
        }
    }
}

/// One transaction with one snapshot: the due rows that are there now, against all that were pinned. Pins that
/// no batch came to are `remaining` if they are due, else `gone`; erased ones that are due were not erased for
/// good and `failed`; a due row that nobody pinned came `late`.
async fn look_once(
    site: &mut Site,
    work: &Work,
    (place, target): (&Place, Target<'_>),
    zone: &TimeZone,
) -> Result<(), Error> {
    let failed = |fault| Error::Statement {
        store: place.store.clone(),
        fault,
    };
    let fault = Fault::of("look at the rows again");
    let opened = site.store.begin_snapshot(Purpose::Write).await;
    let mut transaction = opened.map_err(failed)?;
    if books::is_closed(&mut transaction, place)
        .await
        .map_err(failed)?
    {
        return transaction.commit().await.map_err(fault).map_err(failed);
    }
    let there = count::due(&mut transaction, target).await.map_err(failed)?;
    let holds = holds::on(&mut transaction, target.table).await;
    let holds = holds.map_err(failed)?.map_err(|_| Error::HoldUnclear {
        rule: place.rule.clone(),
    })?;
    let target = Target {
        holds: &holds,
        ..target
    };
    let query = if there == 0 {
        none_there_sql(place, work.run.token).query()
    } else {
        look_sql(place, target, work.run.token).query()
    };
    let done = query
        .map_err(&fault)
        .map_err(failed)?
        .execute(&mut *transaction)
        .await;
    done.map_err(&fault).map_err(failed)?;
    let oldest = count::oldest(&mut transaction, target, zone).await;
    let oldest = oldest.map_err(failed)?;
    // What another run has detached is not seen, and not gone.
    outside::check(&mut transaction, &place.store, &[target.table.oid]).await?;
    books::close_rule(&mut transaction, place, oldest)
        .await
        .map_err(failed)?;
    // Asked last: the row is locked for a moment, not for as long as a table takes to read.
    if !books::is_ours(&mut transaction, &place.store, &work.run)
        .await
        .map_err(failed)?
    {
        let store = place.store.clone();
        return Err(Error::AnotherRun { store });
    }
    transaction.commit().await.map_err(fault).map_err(failed)
}

/// No due row is there: whatever is still open is gone.
fn none_there_sql(place: &Place, token: i64) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let token = sql.bind(Value::Number(token));
    sql.push(&format!(
        "WITH noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, gone)
  SELECT {run}, {store}, {rule}, {token}, 'Left', sum(rows) FROM tradewind.pin
  WHERE run = {run} AND store = {store} AND rule = {rule} AND NOT erased AND NOT settled HAVING sum(rows) > 0
)
UPDATE tradewind.rule SET late = 0 WHERE run = {run} AND store = {store} AND name = {rule}"
    ));
    sql
}

fn look_sql(place: &Place, target: Target<'_>, token: i64) -> Statement {
    let mut sql = Statement::default();
    let [run, store, rule] = place.bind(&mut sql);
    let token = sql.bind(Value::Number(token));
    let due = predicate::due(&mut sql, "t", target);
    let held = predicate::held(&mut sql, "t", target);
    let table = target.table;
    let on = table.key.iter().zip(1..);
    let on = on.map(|(column, place)| format!("t.k{place} {} w.k{place}", column.equals));
    let on = on.collect::<Vec<_>>().join(" AND ");
    let keys = table.key.iter().zip(1..);
    let keys = keys.map(|(column, place)| format!("t.{} AS k{place}", column.name));
    sql.push(&format!(
        "WITH there AS MATERIALIZED (
  SELECT true AS here, {held} AS held, {} FROM {} AS t WHERE {due}
), pinned AS (
  SELECT p.erased, NOT p.erased AND NOT p.settled AS open, {} FROM tradewind.pin AS p, {}
  WHERE p.run = {run} AND p.store = {store} AND p.rule = {rule}
), seen AS MATERIALIZED (
  SELECT count(*) FILTER (WHERE open AND NOT held) AS remaining, count(*) FILTER (WHERE open AND held) AS held,
    count(*) FILTER (WHERE open AND here IS NULL) AS gone,
    count(*) FILTER (WHERE erased AND here) AS returned, count(*) FILTER (WHERE erased IS NULL) AS late
  FROM pinned AS w FULL JOIN there AS t ON {on}
), noted AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, remaining, held, gone)
  SELECT {run}, {store}, {rule}, {token}, 'Left', remaining, held, gone FROM seen WHERE remaining + held + gone > 0
), back AS (
  INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased, failed)
  SELECT {run}, {store}, {rule}, {token}, 'Returned', -returned, returned FROM seen WHERE returned > 0
)
UPDATE tradewind.rule SET late = seen.late FROM seen WHERE run = {run} AND store = {store} AND name = {rule}",
        keys.collect::<Vec<_>>().join(", "),
        table.name,
        packed::typed("k", table),
        packed::rows("p", "k", table),
    ));
    sql
}

/// A transaction in which the run is ours. It may write every pin of a rule, however many there are: no bound of a batch is for it,
/// else each later run would meet the same statement first, and the run would never end.
async fn ours<'a>(site: &'a mut Site, work: &Work) -> Result<Transaction<'a, Postgres>, Error> {
    let name = site.store.name.clone();
    let failed = |fault| Error::Statement {
        store: name.clone(),
        fault,
    };
    let opened = site
        .store
        .connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0");
    let opened = opened.await.map_err(Fault::of("look at the rows again"));
    let mut transaction = opened.map_err(failed)?;
    if !books::is_ours(&mut transaction, &name, &work.run)
        .await
        .map_err(failed)?
    {
        return Err(Error::AnotherRun { store: name });
    }
    Ok(transaction)
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
    let sql = "WITH freed AS (UPDATE tradewind.pin SET settled = true
            WHERE run = $1 AND store = $2 AND rule = $3 AND NOT erased AND NOT settled RETURNING rows),
          total AS (SELECT coalesce(sum(rows), 0) AS rows FROM freed)
        INSERT INTO tradewind.ledger (run, store, rule, token, entry, remaining)
        SELECT $1, $2, $3, $4, 'Left', rows FROM total WHERE rows > 0";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(work.run.token).execute(&mut *transaction).await;
    done.map_err(&fault).map_err(failed)?;
    // What was erased before is gone all the same, and its space is waited for. That nobody looked again, `verified_at` says.
    let sql = "UPDATE tradewind.rule SET horizon = pg_snapshot_xmax(pg_current_snapshot())
        WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.execute(&mut *transaction).await;
    done.map_err(&fault).map_err(failed)?;
    transaction.commit().await.map_err(fault).map_err(failed)
}

/// Whether rows that the run erased were there again.
async fn has_returned(store: &mut Store, run: &Run) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM tradewind.ledger WHERE run = $1 AND store = $2 AND entry = 'Returned')";
    let row = sqlx::query(sql).bind(&run.id).bind(&store.name);
    let row = row.fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the ledger"))
        .map_err(|fault| store.failed(fault))
}
