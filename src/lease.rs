//! Leader election by a Lease, as client-go does it: of several operators one writes.
//!
//! In: a client of the hub, a name in it. Out: [`Leadership`], which says at any moment, by this process's own
//! monotonic clock, whether it may write. It must never believe another machine's clock, and never say yes after the
//! renew deadline, whatever the API server does. A lease does not fence by itself: destructive writes are checked
//! just before, have names that make a second one a conflict, and are guarded where they act.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

mod leadership;

use leadership::Held;
pub use leadership::Leadership;

/// Why no election can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Each time must leave room for the next shorter one.
    #[error(
        "lease times must be retry < renew deadline < lease duration, and the lease a second at least"
    )]
    Times,
}

/// Who takes part in which election.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Who we are: different for each process, see [`unique`].
    pub identity: String,
    /// How long the others wait after the last renewal that they saw.
    pub lease: Duration,
    /// How long we write after our own last renewal. Shorter than the lease: the difference is the margin.
    pub renew_deadline: Duration,
    /// Between tries.
    pub retry: Duration,
}

impl Settings {
    /// With client-go's times: 15, 10 and 2 seconds.
    #[must_use]
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// An identity that no other process has, not even the next one of the same pod.
#[must_use]
pub fn unique(host: &str) -> String {
    format!("{host}_{:016x}", random())
}

fn random() -> u64 {
    // The standard library seeds each of these from the system's randomness.
    RandomState::new().build_hasher().finish()
}

/// How an election ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// We were asked to stop, and gave the lease back if we had it.
    Released,
    /// We led and no longer may: stop every writer and exit with an error.
    Lost(Loss),
}

/// Why a leadership was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It could not be renewed in time.
    RenewDeadline,
    /// Somebody else holds the lease.
    Taken,
}

/// What a turn came to.
enum Turn {
    Held(i32),
    Other,
}

/// The lease as we last saw it, and when that was by our own clock.
#[derive(Clone, Debug)]
struct Seen {
    lease: Lease,
    at: Instant,
}

/// Takes part in an election until it ends.
pub struct Election {
    api: Api<Lease>,
    settings: Settings,
    say: watch::Sender<Option<Held>>,
    turned: Arc<Mutex<Option<Instant>>>,
    seen: Option<Seen>,
}

impl Election {
    /// Prepares to take part. Nothing happens until [`Election::run`] is polled.
    pub fn new(client: Client, settings: Settings) -> Result<(Self, Leadership), Error> {
        let times = [
            Duration::ZERO,
            settings.retry,
            settings.renew_deadline,
            settings.lease,
        ];
        let is_sound = times.is_sorted_by(|a, b| a < b) && settings.lease >= Duration::from_secs(1);
        if !is_sound {
            return Err(Error::Times);
        }
        let (say, held) = watch::channel(None);
        let turned = Arc::default();
        let leadership = Leadership::new(held, Arc::clone(&turned));
        let election = Self {
            api: Api::namespaced(client, &settings.namespace),
            settings,
            say,
            turned,
            seen: None,
        };
        Ok((election, leadership))
    }

    /// Takes part until `stop` (then the lease is given back: stop the writers first) or until it is lost.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Ended {
        let mut stop = pin!(stop);
        self.turned();
        // A third of the deadline: two tries may fail before the leadership does.
        let patience = self.settings.renew_deadline / 3;
        loop {
            let begun = Instant::now();
            let turn = tokio::select! {
                () = &mut stop => return self.release(patience).await,
                turn = timeout(patience, self.turn()) => turn,
            };
            self.turned();
            if let Some(loss) = self.judge(begun, turn) {
                self.say.send_replace(None);
                return Ended::Lost(loss);
            }
            tokio::select! {
                () = &mut stop => return self.release(patience).await,
                () = sleep_until(self.next_turn()) => {}
            }
        }
    }

    fn turned(&self) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Says what a turn means for our leadership; a loss ends the election.
    fn judge(
        &self,
        begun: Instant,
        turn: Result<Result<Turn, kube::Error>, tokio::time::error::Elapsed>,
    ) -> Option<Loss> {
        let held = *self.say.borrow();
        match turn {
            Ok(Ok(Turn::Held(epoch))) => {
                // Counted from before the request: the others count from when they saw its effect.
                let until = begun + self.settings.renew_deadline;
                if held.is_none() {
                    tracing::info!(epoch, "this process leads");
                }
                self.say.send_replace(Some(Held { until, epoch }));
                None
            }
            Ok(Ok(Turn::Other)) => held.map(|_| Loss::Taken),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the lease could not be read or renewed");
                overdue(held)
            }
            Err(_) => {
                tracing::warn!("the lease could not be read or renewed in time");
                overdue(held)
            }
        }
    }

    /// When to try again: with jitter, and not later than our leadership ends.
    fn next_turn(&self) -> Instant {
        // Up to a fifth more, so that replicas that started together part.
        let share = u32::from(random().to_le_bytes()[0]);
        let jitter = self.settings.retry * share / 1_280;
        let next = Instant::now() + self.settings.retry + jitter;
        let held = *self.say.borrow();
        held.map_or(next, |held| next.min(held.until))
    }

    /// Reads and writes the lease once.
    async fn turn(&mut self) -> Result<Turn, kube::Error> {
        // While we lead, what we wrote last is what is there, unless the server says otherwise.
        let is_ours = self.say.borrow().is_some();
        if let (true, Some(seen)) = (is_ours, self.seen.clone()) {
            match self.write(&seen.lease).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                other => return other,
            }
        }
        let Some(lease) = self.api.get_opt(&self.settings.name).await? else {
            return self.create().await;
        };
        self.observe(&lease);
        let holder = holder(&lease);
        let is_free = holder.is_none_or(|h| *h == self.settings.identity) || self.is_expired();
        if !is_free {
            return Ok(Turn::Other);
        }
        // A conflict says that somebody was faster, not who leads: the next turn looks again.
        self.write(&lease).await
    }

    /// Remembers a lease, and since when it has been as it is: by our clock, from when we first saw it so.
    fn observe(&mut self, lease: &Lease) {
        let is_same = self
            .seen
            .as_ref()
            .is_some_and(|seen| seen.lease.spec == lease.spec);
        if !is_same {
            let at = Instant::now();
            let lease = lease.clone();
            self.seen = Some(Seen { lease, at });
        }
    }

    /// Whether the holder has let the time that it promised pass, since we first saw its last renewal.
    fn is_expired(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| {
            let promised = seen
                .lease
                .spec
                .as_ref()
                .and_then(|s| s.lease_duration_seconds);
            let promised = promised.and_then(|s| u64::try_from(s).ok());
            let promised = promised.map_or(self.settings.lease, Duration::from_secs);
            seen.at.elapsed() >= promised
        })
    }

    async fn create(&mut self) -> Result<Turn, kube::Error> {
        // A lease that vanished under us keeps its number.
        let epoch = (*self.say.borrow()).map_or(0, |held| held.epoch);
        let now = MicroTime(jiff::Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                namespace: Some(self.settings.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(Some(now.clone()), now, epoch)),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(created) => {
                self.observe(&created);
                Ok(Turn::Held(epoch))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Turn::Other),
            Err(error) => Err(error),
        }
    }

    /// Takes or renews the lease as it was read: its resourceVersion makes the write a compare-and-swap.
    async fn write(&mut self, read: &Lease) -> Result<Turn, kube::Error> {
        let now = MicroTime(jiff::Timestamp::now());
        let spec = read.spec.clone().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or(0);
        let is_ours = holder(read) == Some(&self.settings.identity);
        let (acquired, epoch) = if is_ours {
            (spec.acquire_time, transitions)
        } else {
            (Some(now.clone()), transitions.saturating_add(1))
        };
        let lease = Lease {
            metadata: read.metadata.clone(),
            spec: Some(self.spec(acquired, now, epoch)),
        };
        let params = PostParams::default();
        let written = self
            .api
            .replace(&self.settings.name, &params, &lease)
            .await?;
        self.observe(&written);
        // The spec may be the same to the microsecond; the resourceVersion never is.
        if let Some(seen) = &mut self.seen {
            seen.lease = written;
        }
        Ok(Turn::Held(epoch))
    }

    fn spec(&self, acquired: Option<MicroTime>, renewed: MicroTime, epoch: i32) -> LeaseSpec {
        LeaseSpec {
            acquire_time: acquired,
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.lease.as_secs()).ok(),
            lease_transitions: Some(epoch),
            renew_time: Some(renewed),
            ..LeaseSpec::default()
        }
    }

    /// Gives the lease back, so that the next operator need not wait for its end.
    async fn release(mut self, patience: Duration) -> Ended {
        let was_held = self.say.send_replace(None).is_some();
        if was_held && timeout(patience, self.give_back()).await != Ok(true) {
            tracing::warn!("the lease could not be given back: the next leader waits for its end");
        }
        Ended::Released
    }

    async fn give_back(&mut self) -> bool {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.settings.name).await else {
            return false;
        };
        if holder(&lease) != Some(&self.settings.identity) {
            return true;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
        }
        let params = PostParams::default();
        self.api
            .replace(&self.settings.name, &params, &lease)
            .await
            .is_ok()
    }
}

/// A leadership that was not renewed in time is lost; one that may still be is not.
fn overdue(held: Option<Held>) -> Option<Loss> {
    held.filter(|held| Instant::now() >= held.until)
        .map(|_| Loss::RenewDeadline)
}

fn holder(lease: &Lease) -> Option<&String> {
    lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.as_ref())
        .filter(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests;
