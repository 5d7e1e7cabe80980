//! The erasing itself: batch after batch, children before parents, until all pins are judged, the window ends,
//! or somebody says stop.
//!
//! In: a store with a pinned run. Out: how it ended; what was done stands in the ledger, whatever happens here.

use std::time::{Duration, Instant};

use super::batch::Batch;
use super::catalog;
use super::detach;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::hold_list::Freshness;
use super::pace::Pace;
use super::pins::{self, Pin, Place};
use super::round::{self, Went};
use super::second::Second;
use super::site::Site;
use super::store::Store;
use super::sweep;
use super::throttle::{Gauge, Wait};
use super::transact::{Hand, Inexact, Obstacle};
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
    let tables = site.plan.steps.iter().map(|step| step.table.oid).collect();
    let left = limits.until.saturating_duration_since(Instant::now());
    let mut gauge = Gauge::new(limits.throttle, tables, left);
    let mut second = Second::of(&site.store);
    for step in &steps {
        let target = work.target(step).ok_or_else(|| Error::Drift {
            rule: step.rule.name.clone(),
        })?;
        detach::erase(site, &work, (step, target), (limits, &mut gauge)).await?;
        let mut rule = Rule {
            place: Place::new(&work.run.id, &site.store.name, &step.rule.name),
            pace: Pace::new(limits.batch_rows),
            troubles: Troubles::default(),
            inexact: Inexact::default(),
            open: Vec::new(),
            gauge: &mut gauge,
            second: &mut second,
            hand: Hand {
                work: &work,
                step,
                target,
            },
            site,
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
    hand: Hand<'a>,
    limits: &'a Limits,
    pace: Pace,
    gauge: &'a mut Gauge,
    second: &'a mut Second,
    troubles: Troubles,
    /// What the quick statements were not exact for.
    inexact: Inexact,
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

impl Rule<'_> {
    /// One pass is enough unless rows of the table refer to each other: then each pass erases what nothing
    /// refers to any more, until a pass erases nothing; a last one calls the rest blocked.
    async fn erase(&mut self) -> Result<Ended, Error> {
        let place = self.place.clone();
        let mut pass = pins::last_pass(&mut self.site.store, &place).await? + 1;
        let mut last = !self.hand.step.table.refers_to_itself();
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
                    let run = &self.hand.work.run;
                    let table = &self.hand.step.table;
                    pins::split(&mut self.site.store, run, first.id, table).await?;
                    // They are read anew, whether that one was there to be cut or not.
                    self.open.clear();
                    continue;
                }
                let batches = if self.pairs() { round::BATCHES } else { 1 };
                let batches = self.next(&place, (pass, last), batches);
                match self.attempt(&batches).await? {
                    Some(rows) => erased += rows,
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
            let store = &mut self.site.store;
            self.limits.holds_known(store).await?;
            let wait = self.gauge.look(store).await?;
            let looked = store.company.look(&mut store.connection).await;
            looked.map_err(|fault| store.failed(fault))?;
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

    /// Whether two batches go at once: each is quick, and nobody else is there to be in the way of.
    fn pairs(&self) -> bool {
        self.pace.is_full()
            && !self.inexact.lately()
            && sweep::fits(self.hand.target)
            && self.second.is_able()
    }

    /// The next batches of those pins that were read, so many at most.
    fn next<'b>(&self, place: &'b Place, (pass, last): (i32, bool), most: usize) -> Vec<Batch<'b>> {
        let mut left = self.open.as_slice();
        let mut batches = Vec::new();
        while batches.len() < most && !left.is_empty() {
            let (pins, rest) = left.split_at(pins::fitting(left, self.pace.rows()).len());
            batches.push(Batch {
                place,
                token: self.hand.work.run.token,
                pins: pins.iter().map(|pin| pin.id).collect(),
                pass,
                last,
            });
            left = rest;
        }
        batches
    }

    /// Tries batches; how many rows went, or `None` when one did not commit and something is to be done
    /// differently. Pins of the second session that did not commit stay open.
    async fn attempt(&mut self, batches: &[Batch<'_>]) -> Result<Option<i64>, Error> {
        let own = (&mut self.site.store, &mut self.inexact);
        let round = round::tried(self.hand, own, self.second, batches).await;
        let mut erased = 0;
        for went in &round.went {
            erased += went.judged.erased;
            if let Some(batch) = batches.get(went.at) {
                self.open.retain(|pin| !batch.pins.contains(&pin.id));
            }
        }
        let rest = self.went(&round.went);
        let Some((at, obstacle)) = round.obstacle else {
            if !rest.is_zero() {
                self.pause(rest).await;
            }
            return Ok(Some(erased));
        };
        match obstacle {
            Obstacle::Fatal(error) => Err(error),
            Obstacle::Locked(error) => {
                self.troubles.table_tries += 1;
                if self.troubles.table_tries >= TABLE_TRIES {
                    return Err(error);
                }
                self.pause(TABLE_PAUSE).await;
                Ok(None)
            }
            Obstacle::Batch(fault) => {
                tracing::debug!(rule = self.place.rule, %fault, "a batch gave way");
                if matches!(fault.trouble(), Trouble::Conflict | Trouble::Busy) && batches.len() > 1
                {
                    self.second.give_up("the two may be in each other's way");
                }
                if let Some(batch) = batches.get(at) {
                    self.gave_way(batch, fault).await?;
                }
                Ok(None)
            }
        }
    }

    /// Takes note of batches that committed; how long to rest.
    fn went(&mut self, round: &[Went]) -> Duration {
        let mut rest = Duration::ZERO;
        for went in round {
            let company = self.site.store.company.writes();
            if went.second {
                self.site.store.company.went();
            } else {
                rest = self.pace.went(went.took, company);
                self.troubles.row_tries = 0;
                self.troubles.table_tries = 0;
                if company {
                    self.second.close();
                }
            }
            tracing::debug!(
                rule = self.place.rule,
                took = went.took.as_micros(),
                second = went.second,
                company,
                judged = ?went.judged,
                "batch"
            );
        }
        rest
    }

    /// Takes fewer rows next time; a single row that still will not go is judged by itself.
    async fn gave_way(&mut self, batch: &Batch<'_>, fault: Fault) -> Result<(), Error> {
        let mut rows = self.open.iter().filter(|pin| batch.pins.contains(&pin.id));
        let single = batch.pins.len() == 1 && rows.all(|pin| pin.rows == 1);
        let trouble = fault.trouble();
        let again = match trouble {
            Trouble::Conflict | Trouble::Busy | Trouble::Referenced => true,
            Trouble::Other => false,
            Trouble::Drifted => {
                let store = &mut self.site.store;
                let drifted = catalog::has_drifted(store, &self.hand.step.table).await;
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
            let blocked = trouble == Trouble::Referenced && self.hand.step.table.changes.is_empty();
            pins::refuse(&mut self.site.store, &self.hand.work.run, batch, blocked).await?;
            self.troubles.row_tries = 0;
            self.troubles.refused += u32::from(!blocked);
        }
        Ok(())
    }

    async fn pause(&self, length: Duration) {
        tokio::select! {
            () = self.limits.stop.requested() => {}
            () = tokio::time::sleep(length) => {}
        }
    }
}
