//! A batch as one transaction: the fences, the one statement, the commit.
//!
//! In: a session, a run's rule, some pins. Out: what became of the rows, or why nothing did.

use sqlx::{Postgres, Transaction};

use super::batch::{self, Batch, Judged};
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::fence::{self, Fence};
use super::holds::Holds;
use super::pins;
use super::predicate::Target;
use super::preflight::Step;
use super::shred;
use super::site::Work;
use super::store::Store;
use super::sweep::{self, Swept};

/// After so many batches one after the other that the quick statement was not exact for, it is not tried again:
/// most rows of the table are moved, or referred to.
const MOST_INEXACT: u32 = 3;

/// Why a batch did not commit.
pub(super) enum Obstacle {
    /// A whole table is locked; the error says which, for when it stays so.
    Locked(Error),
    /// The batch's statement failed.
    Batch(Fault),
    /// The run cannot go on.
    Fatal(Error),
}

/// A run's rule at work, whatever the session.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    /// The run.
    pub(super) work: &'a Work,
    /// The rule.
    pub(super) step: &'a Step,
    /// Its rows.
    pub(super) target: Target<'a>,
}

impl Hand<'_> {
    /// The quick way, and the careful one where that is not exact. `inexact` counts the batches, one after the other, that
    /// it was not exact for.
    pub(super) async fn commit(
        self,
        store: &mut Store,
        batch: &Batch<'_>,
        inexact: &mut u32,
    ) -> Result<Judged, Obstacle> {
        if *inexact < MOST_INEXACT && sweep::fits(self.target) {
            if let Some(judged) = self.transact(store, batch, true).await? {
                *inexact = 0;
                return Ok(judged);
            }
            *inexact += 1;
        }
        let judged = self.transact(store, batch, false).await?;
        Ok(judged.unwrap_or_default())
    }

    /// One transaction: the run is ours, the table is the same, the rows go, the books say so. `None` when the
    /// quick statement was not exact: then nothing was done.
    async fn transact(
        self,
        store: &mut Store,
        batch: &Batch<'_>,
        quick: bool,
    ) -> Result<Option<Judged>, Obstacle> {
        let fault = Fault::of("erase a batch");
        let table = &self.step.table;
        store.company.went();
        let (mut transaction, holds) = passed(store, self.work, self.step).await?;
        let target = Target {
            table,
            holds: &holds,
            ..self.target
        };
        let statement = if quick {
            sweep::sweep(target, batch)
        } else {
            batch::erase(target, batch)
        };
        let query = statement.query().map_err(&fault).map_err(Obstacle::Batch)?;
        let row = query.fetch_one(&mut *transaction).await;
        let judged = row.and_then(|row| {
            if quick {
                Swept::read(&row).map(Swept::judged)
            } else {
                Judged::read(&row).map(Some)
            }
        });
        let judged = judged.map_err(&fault).map_err(Obstacle::Batch)?;
        let ended = match judged {
            Some(_) => transaction.commit().await,
            None => transaction.rollback().await,
        };
        ended.map_err(fault).map_err(Obstacle::Batch)?;
        if shred::is_wanted(table) && judged.is_some_and(|judged| judged.failed > 0) {
            let rule = &self.step.rule.name;
            tracing::warn!(rule, "what a row holds is no key of 16 bytes or more");
        }
        Ok(judged)
    }
}

/// Begins a batch's transaction: holds can no longer be written, the table keeps its shape, and all fences are
/// passed. Answers what is held.
pub(super) async fn passed<'a>(
    store: &'a mut Store,
    work: &Work,
    step: &Step,
) -> Result<(Transaction<'a, Postgres>, Holds), Obstacle> {
    let name = store.name.clone();
    let rule = step.rule.name.clone();
    let failed = |fault: Fault| match fault.trouble() {
        Trouble::Conflict | Trouble::Busy => Obstacle::Batch(fault),
        _ => Obstacle::Fatal(Error::Statement {
            store: name.clone(),
            fault,
        }),
    };
    let path = store.path.behind_the_server();
    let mut transaction = store.begin_batch().await.map_err(failed)?;
    let locked = fence::lock_holds(&mut transaction).await;
    locked.map_err(|fault| match fault.trouble() {
        Trouble::Busy => Obstacle::Locked(Error::HoldsBusy {
            store: name.clone(),
        }),
        _ => failed(fault),
    })?;
    let locked = pins::lock_table(&mut transaction, &step.table).await;
    locked.map_err(|fault| match fault.trouble() {
        Trouble::Busy => Obstacle::Locked(Error::TableBusy { rule: rule.clone() }),
        Trouble::Drifted => Obstacle::Fatal(Error::Drift { rule: rule.clone() }),
        _ => failed(fault),
    })?;
    let run = (name.as_str(), &work.run);
    let fence = fence::pass(&mut transaction, run, &step.table, &path).await;
    let error = match fence.map_err(failed)? {
        Fence::Open(holds) => return Ok((transaction, holds)),
        Fence::Unclear => Error::HoldUnclear { rule },
        Fence::Stale => return Err(Obstacle::Locked(Error::TableBusy { rule })),
        Fence::NotOurs => Error::AnotherRun { store: name },
        Fence::Stopped => Error::Switched { store: name },
        Fence::Outside => Error::Outside { store: name },
        Fence::Drifted => Error::Drift { rule },
    };
    Err(Obstacle::Fatal(error))
}
