//! Runs that nobody goes on with: of a policy that went in their midst, say. Their pins are keys of rows that were due, and
//! would stand in the books for as long as the store does.
//!
//! In: a store whose own run has been done. Out: such runs ended, what was still pinned counted as remaining, and no pin of
//! them. It erases nothing, and a run that may still be gone on with is left alone.

use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row, Transaction};

use super::answer;
use super::fault::Fault;
use super::store::Store;

/// Of other policies: this one's own is gone on with, or was ended when this run began. A week after its window no pod of it
/// is at work, and a policy that is only paused begins anew in any case. A partition that it left detached is put back first,
/// by the next run that needs the table.
const FORSAKEN: &str = "SELECT r.id, r.token FROM tradewind.run AS r
    WHERE r.store = $1 AND r.policy <> $2 AND r.ended_at IS NULL AND r.window_ends < clock_timestamp() - interval '7 days'
      AND NOT EXISTS (SELECT FROM tradewind.partition AS p WHERE p.run = r.id AND p.store = r.store AND p.state = 'Detaching')
    ORDER BY r.id FOR UPDATE OF r SKIP LOCKED";

/// What was pinned and never judged is left; nobody looked again, as of a rule that a task has no more.
const END: &str = "WITH noted AS (
      INSERT INTO tradewind.ledger (run, store, rule, token, entry, remaining)
      SELECT run, store, rule, $3 + 1, 'Left', sum(rows) FROM tradewind.pin
      WHERE run = $1 AND store = $2 AND NOT erased AND NOT settled GROUP BY run, store, rule
    ), freed AS (DELETE FROM tradewind.pin WHERE run = $1 AND store = $2)
    UPDATE tradewind.run SET token = $3 + 1, ended_at = clock_timestamp(), reason = $4 WHERE id = $1 AND store = $2";

/// Ends them. What cannot be done is done by a later run: nothing waits for it.
pub(super) async fn end(store: &mut Store, policy: &str) {
    let name = store.name.clone();
    match all(store, policy).await {
        Ok(0) => {}
        Ok(ended) => tracing::info!(store = name, ended, "ended runs that nobody went on with"),
        Err(fault) => {
            tracing::warn!(store = name, %fault, "runs that nobody goes on with stay open");
        }
    }
}

async fn all(store: &mut Store, policy: &str) -> Result<usize, Fault> {
    let fault = Fault::of("end runs that nobody goes on with");
    let name = store.name.clone();
    let mut transaction = store.begin_look().await?;
    let query = sqlx::query(FORSAKEN).bind(&name).bind(policy);
    let rows = query.fetch_all(&mut *transaction).await.map_err(&fault)?;
    let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    let runs: Result<Vec<(String, i64)>, sqlx::Error> = rows.iter().map(read).collect();
    let runs = runs.map_err(&fault)?;
    for (run, token) in &runs {
        one(&mut transaction, (&name, run), *token).await?;
    }
    transaction.commit().await.map_err(fault)?;
    Ok(runs.len())
}

async fn one(
    transaction: &mut Transaction<'_, Postgres>,
    (store, run): (&str, &str),
    token: i64,
) -> Result<(), Fault> {
    let query = sqlx::query(END).bind(run).bind(store).bind(token);
    let done = query
        .bind(answer::WINDOW_ELAPSED)
        .execute(&mut **transaction)
        .await;
    done.map(drop)
        .map_err(Fault::of("end runs that nobody goes on with"))
}
