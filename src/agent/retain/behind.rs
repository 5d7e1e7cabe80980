//! What a deletion leaves behind: rows that nobody sees, in their pages and in the index on the clock, until somebody who
//! comes by finds that nobody can see them any more and clears them away.
//!
//! Whoever looks for the oldest due row comes by all that were deleted before it, as the oldest are deleted first. Done
//! while the pages are in memory still, by a session that would wait for the disk otherwise, this leaves little to the
//! look at the end of a run, which reads the same index.
//!
//! In: a session, a rule's rows. Out: nothing but order.

use std::time::Duration;

use sqlx::Connection;

use super::count;
use super::fault::Fault;
use super::predicate::{self, Target};
use super::statement::Statement;
use super::store::Store;

/// Longer than this it may not take: while an old transaction is open nothing can be cleared away, and each time would
/// take longer than the one before.
pub(super) const QUICK: Duration = Duration::from_millis(50);

/// What it begins with.
const BEGIN: &str =
    "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off;
SET LOCAL statement_timeout = '100ms'";

/// Goes over what was deleted; false where no index leads there.
pub(super) async fn follow(store: &mut Store, target: Target<'_>) -> Result<bool, Fault> {
    let fault = Fault::of("go over what was deleted");
    let begun = store.connection.begin_with(BEGIN).await;
    let mut transaction = begun.map_err(&fault)?;
    let leads =
        count::goes_by_clock(target) && count::is_ordered(&mut transaction, target.table).await?;
    if leads {
        let oldest = oldest(target).query().map_err(&fault)?;
        oldest
            .fetch_optional(&mut *transaction)
            .await
            .map_err(&fault)?;
    }
    transaction.commit().await.map_err(fault)?;
    Ok(leads)
}

/// The oldest due row, of which nothing is asked.
fn oldest(target: Target<'_>) -> Statement {
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    let (name, clock) = (&target.table.name, &target.table.clock);
    sql.push(&format!(
        "SELECT FROM {name} AS t WHERE {due} ORDER BY t.{clock} LIMIT 1"
    ));
    sql
}
