//! A second session that erases beside the first while nobody else writes: a server with a processor to spare is
//! done in little more than half the time.
//!
//! In: pins that the first session does not take. Out: what became of them, or nothing when it did not commit: then they
//! are the first session's. Its transactions have all the fences of the first one's; it is opened when it is needed,
//! closed when others come, and not opened again after anything went wrong with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::batch::{Batch, Judged};
use super::behind;
use super::loud;
use super::preflight::Step;
use super::store::{Purpose, Store};
use super::transact::{Hand, Inexact, Obstacle};

/// The longest that it may take to open: the first session waits meanwhile, and a pooler that has but one connection to give
/// lets it wait.
const OPENS: Duration = Duration::from_secs(2);

/// A second session, for all rules of a store.
#[derive(Debug)]
pub(super) struct Second {
    store: String,
    url: PathBuf,
    state: State,
    /// The rule of whose rows its session's errors are known to log nothing.
    quiet: Option<String>,
    inexact: Inexact,
    /// The rule whose deleted rows it need not follow, or no longer.
    left: Option<String>,
}

#[derive(Debug)]
enum State {
    Unopened,
    Open(Box<Store>),
    GivenUp,
}

impl Second {
    /// Not opened yet.
    pub(super) fn of(store: &Store) -> Self {
        Self {
            store: store.name.clone(),
            url: store.url.clone(),
            state: State::Unopened,
            quiet: None,
            inexact: Inexact::default(),
            left: None,
        }
    }

    /// Whether it can be asked.
    pub(super) fn is_able(&self) -> bool {
        !matches!(self.state, State::GivenUp)
    }

    /// Tries a batch, if it has pins; what it judged and how long it took, if it committed.
    pub(super) async fn commit(
        &mut self,
        hand: Hand<'_>,
        batch: &Batch<'_>,
    ) -> Option<(Judged, Duration)> {
        if batch.pins.is_empty() {
            return None;
        }
        self.open().await;
        self.hush(hand.step).await;
        let State::Open(store) = &mut self.state else {
            return None;
        };
        let started = Instant::now();
        match hand.commit(store, batch, &mut self.inexact).await {
            Ok(judged) => return Some((judged, started.elapsed())),
            // The first session meets the same, or not, and says so.
            Err(Obstacle::Fatal(error) | Obstacle::Locked(error)) => self.give_up(error.reason()),
            Err(Obstacle::Batch(fault)) => self.give_up(&fault.to_string()),
        }
        None
    }

    /// Goes over what was deleted so far, while the first session deletes on. Without it the look at the end would find
    /// all of it as it was left.
    pub(super) async fn follow(&mut self, hand: Hand<'_>) {
        let rule = &hand.step.rule.name;
        let State::Open(store) = &mut self.state else {
            return;
        };
        if self.left.as_ref() == Some(rule) {
            return;
        }
        let started = Instant::now();
        let followed = behind::follow(store, hand.target).await;
        if !matches!(followed, Ok(true)) || started.elapsed() > behind::QUICK {
            let took = started.elapsed().as_micros();
            tracing::debug!(
                rule,
                took,
                ?followed,
                "deleted rows are not followed any more"
            );
            self.left = Some(rule.clone());
        }
    }

    /// Opens it, if it is not.
    async fn open(&mut self) {
        if let State::Unopened = self.state {
            let opened = Store::open(&self.store, &self.url, Purpose::Write);
            match tokio::time::timeout(OPENS, opened).await {
                Ok(Ok(store)) => self.state = State::Open(Box::new(store)),
                Ok(Err(error)) => self.give_up(error.reason()),
                Err(_) => self.give_up("it does not open in time"),
            }
        }
    }

    /// What the first session's log keeps to itself this one's does too: a session is told so for itself, before it touches
    /// the first row of a rule.
    async fn hush(&mut self, step: &Step) {
        let rule = &step.rule.name;
        let State::Open(store) = &mut self.state else {
            return;
        };
        if self.quiet.as_ref() == Some(rule) {
            return;
        }
        match loud::refuse(store, rule, &step.table).await {
            Ok(None) => self.quiet = Some(rule.clone()),
            Ok(Some(_)) => self.give_up("the server would log rows that it refuses"),
            Err(error) => self.give_up(error.reason()),
        }
    }

    /// Leaves its place at the server to others, until they are gone.
    pub(super) fn close(&mut self) {
        if let State::Open(_) = self.state {
            self.state = State::Unopened;
            self.quiet = None;
        }
    }

    /// Not again.
    pub(super) fn give_up(&mut self, why: &str) {
        tracing::debug!(store = self.store, why, "the second session is given up");
        self.state = State::GivenUp;
    }
}
