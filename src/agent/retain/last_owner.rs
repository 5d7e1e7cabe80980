//! That whoever had a lost run writes no more: its token is taken before its books are read.
//!
//! In: a store to write to, and the Job whose report was lost and whose pod may work on, on a node that nobody reaches. Out:
//! books in which that pod changes nothing any more; or an error that passes. It erases nothing.

use super::books::{self, Run};
use super::erase::PAUSE;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::store::Store;

/// How often it is tried while a batch of the run is under way: some fifteen seconds.
const TRIES: u32 = 50;

/// The run is as it was when its token was seen: else it has ended, or another Job goes on with it.
const TAKE: &str = "UPDATE tradewind.run SET token = token + 1
    WHERE id = $1 AND store = $2 AND token = $3 AND ended_at IS NULL";

/// Takes the run of a Job from its pod, if it has one open here. One that has ended stays as it is, and so does one that
/// another Job has: that took it by a token of its own. Where the Job has begun none, its pod may still be counting: it holds
/// the run's lock then, and nothing can be told of it yet.
pub(super) async fn bar(store: &mut Store, policy: &str, job: &str) -> Result<(), Error> {
    let mut locked = false;
    let mut barred = Err(Error::AnotherRun {
        store: store.name.clone(),
    });
    for _ in 0..TRIES {
        let runs = books::recent(store, policy, books::RECENT).await?;
        let own = runs.iter().find(|run| run.job.as_deref() == Some(job));
        let is_barred = match own {
            Some(run) => run.ended.is_some() || take(store, run).await?,
            // Looked at again under the lock: nothing of it is there, and nothing of it is under way.
            None => locked,
        };
        if is_barred {
            barred = Ok(());
            break;
        }
        if own.is_none() {
            locked = store.try_lock(policy).await?;
            if !locked {
                break;
            }
        }
    }
    if locked {
        store.unlock(policy).await?;
    }
    barred
}

/// Takes the token, unless somebody else has done so since. A batch that is under way is waited for: it counts.
async fn take(store: &mut Store, run: &Run) -> Result<bool, Error> {
    let query = sqlx::query(TAKE)
        .bind(&run.id)
        .bind(&store.name)
        .bind(run.token);
    let done = query.execute(&mut store.connection).await;
    match done.map_err(Fault::of("take the run over")) {
        Ok(done) => Ok(done.rows_affected() > 0),
        Err(fault) if fault.trouble() == Trouble::Busy => {
            tokio::time::sleep(PAUSE).await;
            Ok(false)
        }
        Err(fault) => Err(store.failed(fault)),
    }
}

/// Notes in a store whose run it is by now, wherever it has ended: only that Job's report tells it.
pub(super) async fn note(store: &mut Store, run: &str, job: &str) -> Result<(), Error> {
    let sql = "UPDATE tradewind.run SET job = $3 WHERE id = $1 AND store = $2";
    let query = sqlx::query(sql).bind(run).bind(&store.name).bind(job);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("note whose run it is"))
        .map_err(|fault| store.failed(fault))
}
