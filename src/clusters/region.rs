//! A region's owner: connects, watches over the connection, says what became of it, and begins again.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::DefaultBackoff;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::connect::{Connected, check_identity, connect, identify};
use super::follow::Context;
use super::probe::{Doubt, Failure};
use super::session::Session;
use super::{Cause, Desired, Inner, RegionClient, State, Unreachable};

/// The longest pause between two attempts to connect.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// A connection that was refused (401) younger than this is not made again at once: the new one would fare no better.
const YOUNG: Duration = Duration::from_secs(30);

/// How a connection ended.
enum End {
    /// The region is no longer wanted.
    Removed,
    /// It is to be reached in another way.
    Redirected,
    /// The cluster no longer answers, or not as it should.
    Failed(Failure),
}

/// What owns a region.
pub(super) struct Owner {
    pub(super) name: Arc<str>,
    pub(super) inner: Arc<Inner>,
    pub(super) desired: watch::Receiver<Desired>,
    pub(super) state: watch::Sender<State>,
}

/// Owns the region until its `desired` sender is dropped.
pub(super) async fn own(owner: Owner) {
    let mut life = Life {
        owner,
        pinned: None,
        backoff: DefaultBackoff::default(),
        since: Timestamp::now(),
        lost: false,
        asked: false,
    };
    loop {
        if AssertUnwindSafe(life.run()).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!(region = %life.owner.name, "the region's owner panicked and begins again");
        life.down(&Failure::new(
            Cause::ConnectionFailed,
            "the connection ended by a bug in Tradewind; it is made anew",
        ));
        if !life.rest().await {
            return;
        }
    }
}

struct Life {
    owner: Owner,
    /// The cluster's identity since this process first saw it.
    pinned: Option<String>,
    backoff: DefaultBackoff,
    /// When the cluster last answered; before it ever did, when we began.
    since: Timestamp,
    /// It was Ready and went down: one answer is not enough to believe that it is back.
    lost: bool,
    /// Something else is wanted of it since it was last said what it is like.
    asked: bool,
}

impl Life {
    async fn run(&mut self) {
        loop {
            let desired = self.owner.desired.borrow_and_update().clone();
            let limits = &self.owner.inner.limits;
            let expected = desired.expected_id.clone().or_else(|| self.pinned.clone());
            let proofs = if self.lost { limits.successes } else { 1 };
            let attempt = tokio::select! {
                biased;
                changed = self.owner.desired.changed() => match changed {
                    Ok(()) => {
                        self.asked = true;
                        continue;
                    }
                    Err(_) => return,
                },
                attempt = connect(&desired.target, expected.as_deref(), proofs, limits) => attempt,
            };
            let begun = Instant::now();
            let end = match attempt {
                Ok(connected) => self.serve(connected, desired).await,
                Err(failure) => End::Failed(failure),
            };
            match end {
                End::Removed => return,
                End::Redirected => {
                    self.say(Cause::Connecting, "connecting with the new kubeconfig");
                    self.backoff.reset();
                }
                End::Failed(failure) => {
                    let again_at_once =
                        failure.cause == Cause::Unauthorized && begun.elapsed() >= YOUNG;
                    self.down(&failure);
                    if !again_at_once && !self.rest().await {
                        return;
                    }
                }
            }
        }
    }

    /// Watches over a connection until it ends.
    async fn serve(&mut self, connected: Connected, desired: Desired) -> End {
        let Connected {
            line,
            alive: _alive,
            probes,
            cluster_id,
            version,
        } = connected;
        self.pinned = Some(cluster_id.clone());
        let inner = self.owner.inner.clone();
        let region = self.owner.name.clone();
        let signals = line.signals.clone();
        let answered = AtomicI64::new(Timestamp::now().as_millisecond());
        let client = line.calls(&inner.limits);
        let mut session = Session::open(
            Context::new(region.clone(), &inner, line),
            cluster_id.clone(),
        );
        let client = RegionClient {
            region: region.clone(),
            cluster_id: cluster_id.as_str().into(),
            version: version.into(),
            client,
            children: session.children(),
        };
        let watched = Watched {
            region: &region,
            inner: &inner,
            probes: &probes,
            cluster_id: &cluster_id,
            answered: &answered,
        };
        let end = tokio::select! {
            failure = watched.until_lost(&signals.doubt) => End::Failed(failure),
            () = signals.unauthorized.notified() => End::Failed(unauthorized()),
            end = self.attend(&mut session, &client, desired) => end,
        };
        if self.owner.state.borrow().is_ok() {
            let last = answered.load(Ordering::Relaxed);
            self.since = Timestamp::from_millisecond(last).unwrap_or(self.since);
            self.lost = matches!(&end, End::Failed(failure) if failure.cause.is_outage());
        }
        end
    }

    /// Follows what is wanted and what is there, and says Ready once all that is wanted is read.
    async fn attend(
        &mut self,
        session: &mut Session,
        client: &RegionClient,
        mut desired: Desired,
    ) -> End {
        let mut settle = pin!(sleep(self.owner.inner.limits.settle));
        let mut is_ready = false;
        loop {
            let is_due = tokio::select! {
                changed = self.owner.desired.changed() => {
                    if changed.is_err() {
                        return End::Removed;
                    }
                    let new = self.owner.desired.borrow_and_update().clone();
                    if !new.target.same(&desired.target) {
                        return End::Redirected;
                    }
                    let expected = new.expected_id.as_deref();
                    if let Err(failure) = check_identity(client.cluster_id(), expected) {
                        return End::Failed(failure);
                    }
                    desired = new;
                    session.rescope(&desired.namespaces)
                }
                () = session.namespaces_changed() => {
                    if let Some(failure) = session.objection() {
                        return End::Failed(failure);
                    }
                    session.rescope(&desired.namespaces)
                }
                () = session.settled() => true,
                () = &mut settle, if !is_ready => {
                    tracing::warn!(region = %self.owner.name, "not all that runs there could be read");
                    is_ready = true;
                    self.ready(client);
                    false
                }
            };
            if !is_ready && session.is_settled() {
                is_ready = true;
                self.ready(client);
            } else if is_ready && is_due {
                self.owner.inner.waker.region(&self.owner.name);
            }
        }
    }

    fn ready(&mut self, client: &RegionClient) {
        tracing::info!(region = %self.owner.name, version = client.version(), "region is ready");
        self.lost = false;
        let _before = self.owner.state.send_replace(Ok(client.clone()));
        self.owner
            .inner
            .metrics
            .region_connected(&self.owner.name, true);
        self.owner.inner.waker.region(&self.owner.name);
    }

    /// Says that the region can't be talked to, and wakes whom it concerns when that is news.
    fn down(&mut self, failure: &Failure) {
        if self.say(failure.cause, &failure.message) {
            let cause = failure.cause.as_str();
            tracing::warn!(region = %self.owner.name, cause, message = failure.message, "region is down");
            self.owner.inner.waker.region(&self.owner.name);
        }
    }

    /// Sets the state; says whether it is news. The wording of one outage may alternate from attempt to attempt: the
    /// first stands. What a person must mend is news whenever it reads otherwise, and so is what a new kubeconfig brings.
    fn say(&mut self, cause: Cause, message: &str) -> bool {
        let asked = std::mem::take(&mut self.asked);
        let unreachable = Unreachable {
            since: self.since,
            cause,
            message: message.to_owned(),
        };
        self.owner
            .inner
            .metrics
            .region_connected(&self.owner.name, false);
        self.owner.state.send_if_modified(|state| {
            let is_news = match state {
                Ok(_) => true,
                Err(before) if cause.is_outage() && !asked => {
                    (before.cause, before.since) != (cause, unreachable.since)
                }
                Err(before) => *before != unreachable,
            };
            if is_news {
                *state = Err(unreachable);
            }
            is_news
        })
    }

    /// Waits before the next attempt; a change ends the wait. Says whether the region is still wanted.
    async fn rest(&mut self) -> bool {
        // The jitter may double the backoff's own bound; a region that is back should not wait longer than this.
        let pause = self
            .backoff
            .next()
            .map_or(LONGEST_REST, |pause| pause.min(LONGEST_REST));
        tokio::select! {
            changed = self.owner.desired.changed() => {
                self.backoff.reset();
                self.lost = false;
                self.asked = true;
                // Seen by the next attempt, which reads it anew.
                self.owner.desired.mark_changed();
                changed.is_ok()
            }
            () = sleep(pause) => true,
        }
    }
}

fn unauthorized() -> Failure {
    Failure::new(
        Cause::Unauthorized,
        "the API server no longer knows the credentials (401): renew the kubeconfig's token or certificate",
    )
}

/// A connection as the prober sees it.
struct Watched<'a> {
    region: &'a str,
    inner: &'a Inner,
    probes: &'a Client,
    cluster_id: &'a str,
    answered: &'a AtomicI64,
}

impl Watched<'_> {
    /// Probes until the connection is lost.
    async fn until_lost(&self, doubted: &tokio::sync::Notify) -> Failure {
        let limits = &self.inner.limits;
        let mut doubt = Doubt::new(limits);
        loop {
            if doubt.is_any() {
                sleep(limits.recheck_every).await;
            } else {
                tokio::select! {
                    () = sleep(limits.probe_every) => {}
                    () = doubted.notified() => {}
                }
            }
            match identify(self.probes).await {
                Ok(found) => {
                    if let Err(failure) = check_identity(&found, Some(self.cluster_id)) {
                        return failure;
                    }
                    let now = Timestamp::now().as_millisecond();
                    self.answered.store(now, Ordering::Relaxed);
                    doubt.succeeded();
                }
                Err(failure) => {
                    self.inner.metrics.probe_failed(self.region);
                    if failure.cause == Cause::Unauthorized || doubt.failed() {
                        return failure;
                    }
                }
            }
        }
    }
}
