//! The erasing itself: batch after batch, children before parents, until all pins are judged, the window ends,
//! or somebody says stop.
//!
//! In: a store with a pinned run. Out: how it ended; what was done stands in the ledger, whatever happens here.

use std::time::{Duration, Instant};

use sqlx::{Postgres, Transaction};

use super::batch::{self, Batch, Judged};
use super::catalog;
use super::detach;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::fence::{self, Fence};
use super::hold_list::Freshness;
use super::holds::Holds;
use super::pace::Pace;
use super::pins::{self, Pin, Place};
use super::predicate::Target;
use super::preflight::Step;
use super::shred;
use super::site::{Site, Work};
use super::store::Store;
use super::sweep::{self, Swept};
use super::throttle::{Gauge, Wait};
use crate::agent::Stop;
use crate::contract::Throttle;

/// How often a single row that is locked or fought over is tried before it is called failed.
pub(super) const ROW_TRIES: u32 = 3;

/// How often the whole table is found locked before the run gives up for now.
pub(super) const TABLE_TRIES: u32 = 20;

/// A wait between two tries: another transaction's usual length, and a locked table's patience.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
pub(super) const TABLE_PAUSE: Duration = Duration::from_secs(1);

/// How long until a database that has enough to carry is asked again.
const THROTTLED: Duration = Duration::from_secs(1);

/// So many rows refused by a trigger or constraint are a fault of the table, not of the rows: the rule stops.
const MOST_REFUSED: u32 = 100;

/// After so many batches one after the other that the quick statement was not exact for, it is not tried again:
/// most rows of the table are moved, or referred to.
const MOST_INEXACT: u32 = 3;

/// What bounds the work.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// When to leave the rest to the next run.
    pub(super) until: Instant,
    /// Most rows in one transaction.
    pub(super) batch_rows: u32,
    /// What to wait for between two batches.
    pub(super) throttle: Throttle,
    /// How old the list of holds may become meanwhile.
    pub(super) hold_list: Option<Freshness>,
    /// Whether to leave the rest to the next pod.
    pub(super) stop: Stop,
}

impl Limits {
    /// Whether the list of holds is still one to erase by.
    pub(super) async fn holds_known(&self, store: &mut Store) -> Result<(), Error> {
        match &self.hold_list {
            Some(list) => list.check_again(store).await,
            None => Ok(()),
        }
    }
}

/// How the erasing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All pins are judged.
    Finished,
    /// The window is over; pins are left.
    WindowElapsed,
    /// The window is over, and the database could not carry more at that time; pins are left.
    Throttled(Wait),
}

/// Erases a store's pinned rows.
pub(super) async fn erase(site: &mut Site, limits: &Limits) -> Result<Ended, Error> {
    let Some(work) = site.work.clone() else {
        return Ok(Ended::Finished);
    };
    let steps = site.plan.steps.clone();
    let mut gauge = Gauge::new(limits.throttle);
    for step in &steps {
        let target = work.target(step).ok_or_else(|| Error::Drift {
            rule: step.rule.name.clone(),
        })?;
        detach::erase(site, &work, (step, target), (limits, &mut gauge)).await?;
        let mut rule = Rule {
            place: Place::new(&work.run.id, &site.store.name, &step.rule.name),
            pace: Pace::new(limits.batch_rows),
            troubles: Troubles::default(),
            inexact: 0,
            open: Vec::new(),
            gauge: &mut gauge,
            site,
            work: &work,
            step,
            target,
            limits,
        };
        match rule.erase().await? {
            Ended::Finished => {}
            early => return Ok(early),
        }
    }
    Ok(Ended::Finished)
}

/// A rule at work.
struct Rule<'a> {
    place: Place,
    site: &'a mut Site,
    work: &'a Work,
    step: &'a Step,
    target: Target<'a>,
    limits: &'a Limits,
    pace: Pace,
    gauge: &'a mut Gauge,
    troubles: Troubles,
    /// Batches, one after the other, that the quick statement was not exact for.
    inexact: u32,
    /// Pins that are next, as far as they were read.
    open: Vec<Pin>,
}

/// What went wrong lately.
#[derive(Debug, Default)]
struct Troubles {
    row_tries: u32,
    table_tries: u32,
    refused: u32,
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

impl Rule<'_> {
    /// One pass is enough unless rows of the table refer to each other: then each pass erases what nothing
    /// refers to any more, until a pass erases nothing; a last one calls the rest blocked.
    async fn erase(&mut self) -> Result<Ended, Error> {
        let place = self.place.clone();
        let token = self.work.run.token;
        let mut pass = pins::last_pass(&mut self.site.store, &place).await? + 1;
        let mut last = !self.step.table.refers_to_itself();
        loop {
            let mut erased = 0;
            loop {
                if let Some(ended) = self.may_go_on().await? {
                    return Ok(ended);
                }
                if self.open.is_empty() {
                    self.open = pins::open(&mut self.site.store, &place, pass).await?;
                }
                let pins = pins::fitting(&self.open, self.pace.rows());
                let Some(first) = pins.first() else { break };
                if first.rows > i64::from(self.pace.rows()) {
                    pins::split(&mut self.site.store, first.id, &self.step.table).await?;
                    self.open.clear();
                    continue;
                }
                let single = pins.len() == 1 && first.rows == 1;
                let taken = pins.len();
                let pins = pins.iter().map(|pin| pin.id).collect();
                let batch = Batch {
                    place: &place,
                    token,
                    pins,
                    pass,
                    last,
                };
                match self.attempt(&batch, single).await? {
                    Some(judged) => {
                        erased += judged.erased;
                        self.open.drain(..taken);
                    }
                    None if self.troubles.refused >= MOST_REFUSED => return Ok(Ended::Finished),
                    None => self.open.clear(),
                }
            }
            if last {
                return Ok(Ended::Finished);
            }
            last = erased == 0;
            pass += 1;
        }
    }

    /// Waits for what the database has to carry, and says if the window ended before the next batch.
    async fn may_go_on(&mut self) -> Result<Option<Ended>, Error> {
        let mut told = None;
        loop {
            if self.limits.stop.is_requested() {
                return Err(Error::Stopped);
            }
            self.limits.holds_known(&mut self.site.store).await?;
            let wait = self.gauge.look(&mut self.site.store).await?;
            if Instant::now() >= self.limits.until {
                return Ok(Some(wait.map_or(Ended::WindowElapsed, Ended::Throttled)));
            }
            let Some(wait) = wait else { return Ok(None) };
            if told != Some(wait) {
                let (store, why) = (&self.site.store.name, wait.sentence());
                tracing::info!(store, throttle = wait.word(), "waiting: {why}");
                told = Some(wait);
            }
            self.pause(THROTTLED).await;
        }
    }

    /// Tries a batch; `None` when it did not commit and something is to be done differently.
    async fn attempt(&mut self, batch: &Batch<'_>, single: bool) -> Result<Option<Judged>, Error> {
        let started = Instant::now();
        match self.commit(batch).await {
            Ok(judged) => {
                let took = started.elapsed();
                let company = self.gauge.has_company();
                self.pace.went(took, company);
                self.gauge.went();
                self.troubles.row_tries = 0;
                self.troubles.table_tries = 0;
                let micros = took.as_micros();
                tracing::debug!(
                    rule = self.place.rule,
                    took = micros,
                    company,
                    ?judged,
                    "batch"
                );
                if company {
                    self.pause(took).await;
                }
                Ok(Some(judged))
            }
            Err(Obstacle::Fatal(error)) => Err(error),
            Err(Obstacle::Locked(error)) => {
                self.troubles.table_tries += 1;
                if self.troubles.table_tries >= TABLE_TRIES {
                    return Err(error);
                }
                self.pause(TABLE_PAUSE).await;
                Ok(None)
            }
            Err(Obstacle::Batch(fault)) => {
                tracing::debug!(rule = self.place.rule, %fault, "a batch gave way");
                self.gave_way(batch, fault, single).await?;
                Ok(None)
            }
        }
    }

    /// Takes fewer rows next time; a single row that still will not go is judged by itself.
    async fn gave_way(
        &mut self,
        batch: &Batch<'_>,
        fault: Fault,
        single: bool,
    ) -> Result<(), Error> {
        let trouble = fault.trouble();
        let again = match trouble {
            Trouble::Conflict | Trouble::Busy | Trouble::Referenced => true,
            Trouble::Other => false,
            Trouble::Drifted => {
                let store = &mut self.site.store;
                let drifted = catalog::has_drifted(store, &self.step.table).await;
                if drifted.map_err(|fault| store.failed(fault))? {
                    return Err(Error::Drift {
                        rule: self.place.rule.clone(),
                    });
                }
                false
            }
            Trouble::Lost | Trouble::Login | Trouble::Denied | Trouble::RunOpen => {
                return Err(self.site.store.failed(fault));
            }
        };
        if again {
            self.troubles.row_tries += 1;
            self.pause(PAUSE * self.troubles.row_tries.min(10)).await;
        }
        if !single {
            self.pace.failed();
        } else if !again || self.troubles.row_tries >= ROW_TRIES {
            tracing::warn!(rule = self.place.rule, %fault, "the database refuses to erase a row");
            // A row that is changed is in no other row's way: if a foreign key refuses it, it is the value.
            let blocked = trouble == Trouble::Referenced && self.step.table.changes.is_empty();
            pins::refuse(&mut self.site.store, &self.work.run, batch, blocked).await?;
            self.troubles.row_tries = 0;
            self.troubles.refused += u32::from(!blocked);
        }
        Ok(())
    }

    /// The quick way, and the careful one where that is not exact.
    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Judged, Obstacle> {
        if self.inexact < MOST_INEXACT && sweep::fits(self.target) {
            if let Some(judged) = self.transact(batch, true).await? {
                self.inexact = 0;
                return Ok(judged);
            }
            self.inexact += 1;
        }
        let judged = self.transact(batch, false).await?;
        Ok(judged.unwrap_or_default())
    }

    /// One transaction: the run is ours, the table is the same, the rows go, the books say so. `None` when the
    /// quick statement was not exact: then nothing was done.
    async fn transact(
        &mut self,
        batch: &Batch<'_>,
        quick: bool,
    ) -> Result<Option<Judged>, Obstacle> {
        let fault = Fault::of("erase a batch");
        let table = &self.step.table;
        let (transaction, holds) = passed(&mut self.site.store, self.work, self.step).await?;
        let mut transaction = transaction;
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
            let rule = &self.place.rule;
            tracing::warn!(rule, "what a row holds is no key of 16 bytes or more");
        }
        Ok(judged)
    }

    async fn pause(&self, length: Duration) {
        tokio::select! {
            () = self.limits.stop.requested() => {}
            () = tokio::time::sleep(length) => {}
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
