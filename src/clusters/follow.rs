//! One watch: fills one cache, says whose child changed, and gets over everything that a server does to watches.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, DefaultBackoff, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::cache::{Filler, Known};
use super::scope::Child;
use super::transport::{Ended, Line};
use super::wake::{Identity, Waker};
use super::{Inner, Limits};
use crate::api::names::{LABEL_FLEET, LABEL_MANAGED_BY, MANAGED_BY};
use crate::metrics::{Metrics, WatchPulse};

/// What all watches of a connection share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) region: Arc<str>,
    pub(super) selector: Arc<str>,
    pub(super) line: Line,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) waker: Waker,
    /// Rings when a cache becomes readable, or stops being so.
    pub(super) settled: Arc<Notify>,
}

impl Context {
    pub(super) fn new(region: Arc<str>, inner: &Inner, line: Line) -> Self {
        let selector = format!(
            "{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_FLEET}={}",
            inner.fleet
        );
        Self {
            region,
            selector: selector.into(),
            line,
            limits: inner.limits.clone(),
            metrics: inner.metrics.clone(),
            waker: inner.waker.clone(),
            settled: Arc::default(),
        }
    }

    /// A watch's own client, and its sign of life.
    pub(super) fn client(
        &self,
        kind: &'static str,
        namespace: Option<&str>,
    ) -> (kube::Client, Arc<WatchPulse>) {
        let pulse = Arc::new(self.metrics.watch(&self.region, kind, namespace));
        let beat = {
            let pulse = pulse.clone();
            move || pulse.beat()
        };
        (self.line.for_watches(&self.limits, beat), pulse)
    }

    /// What every watch asks for.
    pub(super) fn config(&self) -> watcher::Config {
        self.limits.watch()
    }

    /// Longer than a healthy watch is ever silent.
    pub(super) fn silence(&self) -> Duration {
        self.limits.silence()
    }
}

/// Where a watch's events go.
pub(crate) trait Sink<K>: Send {
    /// Takes an event.
    fn take(&mut self, event: Event<K>);
    /// The server forbids the watch.
    fn forbidden(&mut self, message: String);
}

/// Why a watch must be made anew instead of being polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rebuild {
    /// The server forgot where we were and said so at the start, or what comes next is longer than anything honest: kube
    /// would ask for the same place for ever.
    Expired,
    /// The server forbids it: when it no longer does, only a new list tells that all is read.
    Forbidden,
    /// No sign of life for longer than a watch lives.
    Silent,
    /// A bug in what was called; the cache must not stand still for it.
    Panicked,
}

/// Follows one kind until it is dropped.
pub(crate) async fn follow<K, S>(
    api: Api<K>,
    config: watcher::Config,
    silence: Duration,
    pulse: Arc<WatchPulse>,
    mut sink: S,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    let mut backoff = DefaultBackoff::default();
    loop {
        let run = run(&api, &config, silence, &pulse, (&mut sink, &mut backoff));
        let why = AssertUnwindSafe(run)
            .catch_unwind()
            .await
            .unwrap_or(Rebuild::Panicked);
        tracing::debug!(?why, "watch is made anew");
        pause(&mut backoff).await;
    }
}

async fn run<K, S>(
    api: &Api<K>,
    config: &watcher::Config,
    silence: Duration,
    pulse: &WatchPulse,
    (sink, backoff): (&mut S, &mut DefaultBackoff),
) -> Rebuild
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    let mut events = pin!(watcher(api.clone(), config.clone()));
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = sleep(silence) => {
                if pulse.age() >= silence {
                    return Rebuild::Silent;
                }
                continue;
            }
        };
        match event {
            Some(Ok(event)) => {
                pulse.beat();
                sink.take(event);
            }
            Some(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "watch failed");
                if let Some(message) = forbidden(&error) {
                    sink.forbidden(message);
                    return Rebuild::Forbidden;
                }
                if is_expired(&error) || is_endless(&error) {
                    return Rebuild::Expired;
                }
                pause(backoff).await;
            }
            None => return Rebuild::Silent,
        }
    }
}

async fn pause(backoff: &mut DefaultBackoff) {
    // Never none, or a server could keep us busy by ending each watch at its start.
    let pause = backoff.next().unwrap_or(Duration::from_secs(30));
    sleep(pause).await;
}

/// Follows one kind of child in one namespace until it is dropped.
pub(super) async fn children<K: Child>(context: Context, namespace: String, filler: Filler<K>) {
    let (client, pulse) = context.client(K::KIND, Some(&namespace));
    let api: Api<K> = Api::namespaced(client, &namespace);
    let config = context.config().labels(&context.selector);
    let silence = context.silence();
    let sink = Cache { context, filler };
    follow(api, config, silence, pulse, sink).await;
}

/// Fills one cache and wakes the owners of what changes.
struct Cache<K: Child> {
    context: Context,
    filler: Filler<K>,
}

impl<K: Child> Cache<K> {
    fn owner(object: &K) -> Option<Identity> {
        let labels = object.meta().labels.as_ref()?;
        Identity::from_labels(labels)
    }

    /// Whom an event is about: whom the object was made for, and whom it was made for before its labels changed.
    fn owners(&self, event: &Event<K>) -> BTreeSet<Identity> {
        let (Event::Apply(object) | Event::Delete(object)) = event else {
            return BTreeSet::new();
        };
        let store = self.filler.writer.as_reader();
        let before = store.get(&ObjectRef::from_obj(object));
        let before = before.as_deref().and_then(Self::owner);
        Self::owner(object).into_iter().chain(before).collect()
    }

    fn tell(&self, known: &Known) {
        let before = self.filler.tell.send_replace(known.clone());
        // A list that is read again may differ from the one before in anything.
        if before != *known || *known == Known::Read {
            self.context.settled.notify_one();
        }
    }
}

impl<K: Child> Sink<K> for Cache<K> {
    fn take(&mut self, event: Event<K>) {
        let event = event.modify(Child::prune);
        let owners = self.owners(&event);
        self.filler.writer.apply_watcher_event(&event);
        // Only now: who is woken reads the cache.
        for owner in owners {
            self.context.waker.object(&self.context.region, owner);
        }
        if matches!(event, Event::InitDone) {
            self.tell(&Known::Read);
        }
    }

    fn forbidden(&mut self, message: String) {
        self.tell(&Known::Forbidden(message));
    }
}

/// Whether the server said at the start of a watch that it no longer knows our place (HTTP 410).
fn is_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// Whether an event was larger than we take: only a list leads past it.
fn is_endless(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchFailed(source) if matches!(Ended::of(source), Some(Ended::TooLarge(_))))
}

/// What the server said when it forbade the watch.
fn forbidden(error: &watcher::Error) -> Option<String> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    (status.code == 403).then(|| status.message.chars().take(300).collect())
}
