//! Regional clusters: one owner per region connects, probes, follows what runs there, and forgets.
//!
//! In: which regions there are, how each is reached, which namespaces are ours there. Out: a [`RegionClient`] or
//! [`Unreachable`], at once; and [`Wakes`], who is to be looked at again. It must never let one region wait for
//! another, never read a cache that has not caught up as empty, and never write: that is `apply`'s alone.
//!
//! ```text
//! Region + Secret ──ensure──► region task ──► connect ──► probe every 10 s ──► Ready | Down
//!                                  └─ follow: a watch per kind and namespace ──► caches, wakes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

mod cache;
mod children;
mod client;
mod connect;
mod follow;
pub mod kubeconfig;
mod probe;
mod region;
mod scope;
mod session;
pub mod transport;
mod unreachable;
mod wake;

pub use cache::NotKnown;
pub use client::RegionClient;
pub(crate) use follow::{Sink, follow};
pub use scope::Child;
pub use unreachable::{Cause, Unreachable};
pub use wake::{Identity, OwnerKind, Wake, Wakes};

/// How a region's cluster is reached.
#[derive(Clone)]
pub enum Target {
    /// The cluster that Tradewind itself runs in.
    Local(Client),
    /// Another one.
    Kubeconfig {
        /// The Secret's value, as it is: parsed strictly, here.
        bytes: Arc<[u8]>,
        /// Changes whenever the bytes do: the region reconnects at once.
        hash: String,
    },
    /// It can't be: the Secret or its key is missing or could not be read. The message says which.
    Unusable(String),
}

impl Target {
    /// Whether both lead to the same cluster with the same credentials.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(_), Self::Local(_)) => true,
            (Self::Kubeconfig { hash: a, .. }, Self::Kubeconfig { hash: b, .. })
            | (Self::Unusable(a), Self::Unusable(b)) => a == b,
            _ => false,
        }
    }
}

/// The namespaces of a region that are followed. Everything of ours is in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Where retention runs. Its Secrets are never read, not even their metadata.
    pub run: String,
    /// The tenants', and those in which something of ours is left.
    pub tenants: BTreeSet<String>,
}

/// What a region should be.
#[derive(Clone)]
pub struct Desired {
    /// How its cluster is reached.
    pub target: Target,
    /// Which of its namespaces are ours.
    pub namespaces: Namespaces,
    /// The UID of its `kube-system` namespace when that was recorded: another cluster is refused.
    pub expected_id: Option<String>,
}

/// How patient and how greedy each region's owner is.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Between probes while all is well.
    pub probe_every: Duration,
    /// A probe without an answer by then has failed.
    pub probe_timeout: Duration,
    /// Between probes while in doubt: after a failure, and before a region that was down counts as back.
    pub recheck_every: Duration,
    /// So many failures in a row: down.
    pub failures: u32,
    /// So many successes in a row: back.
    pub successes: u32,
    /// Every call's own deadline, its answer's last byte included, whatever `Retry-After` says.
    pub call_deadline: Duration,
    /// Calls under way at a time.
    pub in_flight: usize,
    /// Bytes of one answer.
    pub answer_bytes: usize,
    /// Bytes of one event of a watch: etcd takes no object of more than 1.5 MiB. What is longer is listed instead.
    pub event_bytes: usize,
    /// How long a watch lives before the server ends it and it is renewed.
    pub watch_timeout: Duration,
    /// How long what runs there may be read before the region counts as Ready without.
    pub settle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probe_every: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(5),
            recheck_every: Duration::from_secs(3),
            failures: 3,
            successes: 2,
            call_deadline: Duration::from_secs(10),
            in_flight: 8,
            answer_bytes: 64 << 20,
            event_bytes: 4 << 20,
            watch_timeout: Duration::from_mins(1),
            settle: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// What every watch asks for. The server ends it after the timeout; without a sign of life it counts as dead
    /// five seconds later.
    pub(crate) fn watch(&self) -> watcher::Config {
        let seconds = u32::try_from(self.watch_timeout.as_secs()).unwrap_or(60);
        watcher::Config::default().timeout(seconds.max(1))
    }

    /// Longer than a healthy watch is ever silent: two lives of it, kube's five seconds, and the longest backoff.
    pub(crate) fn silence(&self) -> Duration {
        self.watch_timeout * 2 + Duration::from_secs(35)
    }
}

/// A region's state, as its owner last said.
pub(crate) type State = Result<RegionClient, Unreachable>;

struct Entry {
    desired: watch::Sender<Desired>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

struct Inner {
    fleet: String,
    limits: Limits,
    metrics: Metrics,
    waker: wake::Waker,
    regions: RwLock<BTreeMap<String, Entry>>,
}

/// All regions; clones share them.
#[derive(Clone)]
pub struct Clusters(Arc<Inner>);

impl Clusters {
    /// No regions yet. `fleet` is the id in the labels of all that is followed.
    #[must_use]
    pub fn new(fleet: &str, limits: Limits, metrics: Metrics) -> (Self, Wakes) {
        let (waker, queue) = wake::Waker::new();
        let inner = Inner {
            fleet: fleet.to_owned(),
            limits,
            metrics,
            waker,
            regions: RwLock::default(),
        };
        (Self(Arc::new(inner)), queue)
    }

    fn regions(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Entry>> {
        self.0
            .regions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a region's owner, or tells it what changed. Returns at once; the same again does nothing.
    pub fn ensure(&self, region: &str, desired: Desired) {
        let mut regions = self.regions();
        if let Some(entry) = regions.get(region) {
            entry.desired.send_if_modified(|current| {
                let is_same = current.target.same(&desired.target)
                    && current.namespaces == desired.namespaces
                    && current.expected_id == desired.expected_id;
                if !is_same {
                    *current = desired;
                }
                !is_same
            });
            return;
        }
        let (desired, desired_seen) = watch::channel(desired);
        let (say, state) = watch::channel(Err(Unreachable {
            since: Timestamp::now(),
            cause: Cause::Connecting,
            message: "the first connection is being made".to_owned(),
        }));
        let owner = region::Owner {
            name: region.into(),
            inner: self.0.clone(),
            desired: desired_seen,
            state: say,
        };
        let task = tokio::spawn(region::own(owner));
        let entry = Entry {
            desired,
            state,
            task,
        };
        regions.insert(region.to_owned(), entry);
    }

    /// Stops a region's owner: its connections close, its caches go. Wakes nobody.
    pub fn remove(&self, region: &str) {
        let removed = self.regions().remove(region);
        if let Some(entry) = removed {
            entry.task.abort();
            self.0.metrics.forget_region(region);
        }
    }

    /// The way to a region now. Never waits.
    pub fn get(&self, region: &str) -> Result<RegionClient, Unreachable> {
        let regions = self.0.regions.read();
        let regions = regions.unwrap_or_else(PoisonError::into_inner);
        match regions.get(region) {
            Some(entry) => entry.state.borrow().clone(),
            None => Err(Unreachable {
                since: Timestamp::now(),
                cause: Cause::NoSuchRegion,
                message: format!("there is no Region {region}"),
            }),
        }
    }

    /// Stops all owners and waits until they are gone.
    pub async fn shutdown(&self) {
        let all = std::mem::take(&mut *self.regions());
        for entry in all.values() {
            entry.task.abort();
        }
        for (_, entry) in all {
            // Aborted: there is nothing to learn from how it ended.
            let _ = entry.task.await;
        }
    }
}

#[cfg(test)]
mod tests;
