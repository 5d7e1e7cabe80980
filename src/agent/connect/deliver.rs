//! Delivers to one sink: claims the subjects that are free, one event in flight for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::attempt::{self, Failed, Limits};
use super::metrics::Metrics;
use super::secret::Secret;
use super::signature::Keys;
use super::store::{Lane, Settlement, State, Store};
use crate::agent::Stop;
use crate::agent::database::Said;

/// Subjects that one replica works on at a time, for each sink.
const LANES: usize = 16;

/// A lane with more events is kept so long before others get their turn.
const TURN: Duration = Duration::from_secs(5);

/// The pace of a sink's deliveries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long and how often an event is tried.
    pub(super) limits: Limits,
    /// How long a claim holds: longer than an attempt may take, and as long as the subjects of a replica
    /// that was killed must wait.
    pub(super) lease: Duration,
    /// How often we look for what another replica took in, or what became due.
    pub(super) poll: Duration,
}

/// One sink's deliveries.
#[derive(Clone)]
pub(super) struct Courier {
    /// The sink's name.
    pub(super) sink: String,
    /// Where to POST.
    pub(super) url: reqwest::Url,
    /// Whether what goes there is a sale or a sharing, out of which persons opt.
    pub(super) sells: bool,
    /// From when on nothing is sent there; what comes in waits.
    pub(super) until: Option<Timestamp>,
    /// The signing keys.
    pub(super) keys: Arc<Secret<Keys>>,
    /// Where events wait.
    pub(super) store: Store,
    /// The client of all sinks.
    pub(super) client: reqwest::Client,
    /// How fast.
    pub(super) pace: Pace,
    /// What is counted.
    pub(super) metrics: Metrics,
}

impl Courier {
    /// Delivers until asked to stop, then ends what is in flight and gives its claims back. `news` changes
    /// whenever this replica took something in.
    pub(super) async fn run(self, mut news: watch::Receiver<u64>, stop: Stop) {
        let mut busy = JoinSet::new();
        let mut store_is_away = false;
        while !stop.is_requested() && !self.is_over() {
            // Before the claim: what comes in during it is looked at right after.
            news.mark_unchanged();
            let asked = Instant::now();
            match self
                .store
                .claim(&self.sink, LANES - busy.len(), self.pace.lease)
                .await
            {
                Ok(lanes) => {
                    store_is_away = false;
                    for lane in lanes {
                        busy.spawn(self.clone().work(lane, asked, stop.clone()));
                    }
                }
                Err(error) => {
                    if !store_is_away {
                        tracing::warn!(sink = self.sink, error = %Said::from(error), "cannot claim deliveries");
                    }
                    store_is_away = true;
                }
            }
            let room = busy.len() < LANES;
            tokio::select! {
                Some(_) = busy.join_next() => while busy.try_join_next().is_some() {},
                // An error is a closed intake: we are about to stop as well.
                _ = news.changed(), if room && !store_is_away => {}
                () = tokio::time::sleep(self.pace.poll), if room => {}
                () = stop.requested() => {}
            }
        }
        while busy.join_next().await.is_some() {}
        if !stop.is_requested() {
            tracing::warn!(
                sink = self.sink,
                "its time is over: events for it wait until a new task says otherwise"
            );
        }
    }

    /// Whether the sink may no longer be sent anything.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Timestamp::now() >= until)
    }

    /// Works on one lane for a turn; its lease runs since `leased`.
    async fn work(self, mut lane: Lane, mut leased: Instant, stop: Stop) {
        let begun = Instant::now();
        loop {
            if stop.is_requested() || self.is_over() {
                self.written(self.store.release(&self.sink, &lane).await);
                return;
            }
            let hold = lane.pending > 1 && begun.elapsed() < TURN && !stop.is_requested();
            match self.deliver(&lane, hold, &mut leased).await {
                Ok(true) if hold => lane.pending -= 1,
                Ok(_) => return,
                Err(error) => {
                    // The lease ends by itself; then somebody tries again, and the sink may see it twice.
                    tracing::warn!(sink = self.sink, error = %Said::from(error), "cannot look at a delivery, or record it");
                    return;
                }
            }
        }
    }

    /// Sends the head of `lane` and writes what became of it. `true`: it is out of the way and, if we were
    /// to hold it, the lane is ours again from `leased` on.
    async fn deliver(&self, lane: &Lane, hold: bool, leased: &mut Instant) -> sqlx::Result<bool> {
        let Some(head) = self
            .store
            .head((&self.sink, self.sells), &lane.subject)
            .await?
        else {
            tracing::error!(sink = self.sink, "a lane counts events that are not there");
            return Ok(false);
        };
        // An attempt that could outlast the lease would run beside another replica's.
        if self.is_over() || leased.elapsed() + attempt::TIMEOUT > self.pace.lease {
            self.store.release(&self.sink, lane).await?;
            return Ok(false);
        }
        if head.opted_out {
            return self.withhold(lane, head.position, hold).await;
        }
        let position = head.position;
        let failed = Failed::any(u32::try_from(head.attempts).unwrap_or(0));
        let begun = Instant::now();
        let answer = attempt::send(&self.client, &self.url, &self.keys.current(), head).await;
        self.metrics.attempted(&self.sink, begun.elapsed());
        let verdict = attempt::verdict(answer, failed, &self.pace.limits);
        let moved = verdict.state != State::Pending;
        let settlement = Settlement {
            state: verdict.state,
            answer: answer.word(),
            free_in: if moved && hold {
                self.pace.lease
            } else {
                verdict.wait
            },
            jitter: !moved,
            hold: moved && hold,
        };
        let mine = self
            .store
            .settle(&self.sink, lane, position, &settlement)
            .await?;
        if !mine {
            tracing::warn!(
                sink = self.sink,
                "a delivery took longer than its lease: it may be repeated"
            );
            return Ok(false);
        }
        match verdict.state {
            State::Delivered => self.metrics.delivered(&self.sink),
            State::Pending => self.metrics.retried(&self.sink),
            State::OptedOut => self.metrics.opted_out(&self.sink),
            State::Dead => {
                tracing::error!(sink = self.sink, answer = answer.word(), "gave an event up");
                self.metrics.dead(&self.sink);
            }
        }
        Ok(moved)
    }

    /// Takes the head of a lane out of the way unsent: its person opted out. Successors go on, to the same end.
    async fn withhold(&self, lane: &Lane, position: i64, hold: bool) -> sqlx::Result<bool> {
        let settlement = Settlement {
            state: State::OptedOut,
            answer: "opted out".to_owned(),
            free_in: if hold {
                self.pace.lease
            } else {
                Duration::ZERO
            },
            jitter: false,
            hold,
        };
        let settled = self.store.settle(&self.sink, lane, position, &settlement);
        let mine = settled.await?;
        if mine {
            self.metrics.opted_out(&self.sink);
        }
        Ok(mine)
    }

    fn written(&self, result: sqlx::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(sink = self.sink, error = %Said::from(error), "cannot release a claim: it ends by itself");
        }
    }
}
