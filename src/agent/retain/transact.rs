//! A batch as one transaction: the fences, the one statement, the commit.
//!
//! In: a session, a run's rule, some pins. Out: what became of the rows, or why nothing did.

use sqlx::{PgConnection, Postgres, Transaction};

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
use super::versions;

/// After so many batches one after the other that a quick statement was not exact for, it is not tried again:
/// most rows of the table are moved, or referred to.
const MOST_INEXACT: u32 = 3;

/// How many batches, one after the other, each quick statement was not exact for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inexact {
    versions: u32,
    keys: u32,
}

impl Inexact {
    /// Whether the last batch went row by row.
    pub(super) fn lately(self) -> bool {
        self.keys > 0
    }
}

/// How a batch is told to be the pinned rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the age of what lies in their places.
    Versions,
    /// By the keys of what lies in their places.
    Keys,
    /// Each row by its key.
    Rows,
}

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
    /// The quick ways that fit, and the careful one where these are not exact.
    pub(super) async fn commit(
        self,
        store: &mut Store,
        batch: &Batch<'_>,
        inexact: &mut Inexact,
    ) -> Result<Judged, Obstacle> {
        if inexact.versions < MOST_INEXACT && versions::fits(self.target) {
            if let Some(judged) = self.transact(store, batch, Way::Versions).await? {
                *inexact = Inexact::default();
                return Ok(judged);
            }
            inexact.versions += 1;
        }
        if inexact.keys < MOST_INEXACT && sweep::fits(self.target) {
            if let Some(judged) = self.transact(store, batch, Way::Keys).await? {
                inexact.keys = 0;
                return Ok(judged);
            }
            inexact.keys += 1;
        }
        let judged = self.transact(store, batch, Way::Rows).await?;
        Ok(judged.unwrap_or_default())
    }

    /// One transaction: the run is ours, the table is the same, the rows go, the books say so. `None` when a
    /// quick statement was not exact: then nothing was done.
    async fn transact(
        self,
        store: &mut Store,
        batch: &Batch<'_>,
        way: Way,
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
        let judged = judged(&mut transaction, target, batch, way).await;
        let judged = judged.map_err(&fault).map_err(Obstacle::Batch)?;
        let (rule, exact) = (&self.step.rule.name, judged.is_some());
        tracing::debug!(rule, ?way, exact, "tried a batch");
        let ended = match judged {
            Some(_) => transaction.commit().await,
            None => transaction.rollback().await,
        };
        ended.map_err(fault).map_err(Obstacle::Batch)?;
        if shred::is_wanted(table) && judged.is_some_and(|judged| judged.failed > 0) {
            tracing::warn!(rule, "what a row holds is no key of 16 bytes or more");
        }
        Ok(judged)
    }
}

/// Erases a batch and writes it down, one way.
async fn judged(
    connection: &mut PgConnection,
    target: Target<'_>,
    batch: &Batch<'_>,
    way: Way,
) -> Result<Option<Judged>, sqlx::Error> {
    match way {
        Way::Versions => {
            let erase = versions::erase(target, batch).query()?;
            let erased = erase.execute(&mut *connection).await?.rows_affected();
            let erased = i64::try_from(erased).unwrap_or(i64::MAX);
            let books = versions::books(batch, erased).query()?;
            versions::exact(&books.fetch_one(connection).await?, erased)
        }
        Way::Keys => {
            let sweep = sweep::sweep(target, batch).query()?;
            let row = sweep.fetch_one(connection).await?;
            Swept::read(&row).map(Swept::judged)
        }
        Way::Rows => {
            let erase = batch::erase(target, batch).query()?;
            Judged::read(&erase.fetch_one(connection).await?).map(Some)
        }
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
