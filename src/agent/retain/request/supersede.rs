//! One run takes the place of another: an erasure that of the restriction that hid rows until an objection was upheld, or
//! a reapplication that of one whose tables are others by now.

use super::super::books::Run;
use super::super::fault::Fault;
use super::super::store::Store;
use super::error::{Error, failed};
use super::site::Site;
use super::suppress::Suppression;
use super::{begin, runs};
use crate::contract::SubjectRequest;

/// How a run has ended in whose place there is another.
const SUPERSEDED: &str = "Superseded";

/// Ends the restriction that a request takes the place of, if there is one, however far it was: nothing that the region kept
/// of the person for it is left. What it has hidden stays hidden.
pub(super) async fn restriction(
    suppression: &mut Suppression,
    sites: &mut [Site],
    request: &SubjectRequest,
) -> Result<(), Error> {
    let Some(reference) = &request.supersedes else {
        return Ok(());
    };
    suppression.supersede(reference).await?;
    for site in sites {
        let policy = begin::policy_of(reference);
        if let Some(open) = runs::open_run(&mut site.store, &policy).await? {
            run(suppression, &mut site.store, open).await?;
        }
    }
    Ok(())
}

/// Ends a run that another takes the place of, from whoever has it.
pub(super) async fn run(
    suppression: &mut Suppression,
    store: &mut Store,
    mut open: Run,
) -> Result<(), Error> {
    runs::take_over(store, &mut open, None).await?;
    suppression.keep_up(store).await?;
    Ok(runs::end(store, &open, SUPERSEDED).await?)
}

impl Suppression {
    /// Of one that never began it is noted that it never will; of one that had hidden all, that it is in force no more.
    async fn supersede(&mut self, reference: &str) -> Result<(), Error> {
        let sql = "INSERT INTO tradewind.request AS r (region, reference, run, given, person, suppressed, began_at, state)
            VALUES ($1, $2, '', '', NULL, 0, clock_timestamp(), $3)
            ON CONFLICT (region, reference) DO UPDATE SET person = NULL,
              state = CASE WHEN r.state = 'Lifted' THEN r.state ELSE excluded.state END";
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(reference).bind(SUPERSEDED);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("end the restriction before the erasure"))
            .map_err(failed(&self.store))
    }
}
