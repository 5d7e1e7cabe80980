//! The work that nobody waits for: schema, figures, purge, credentials of the store.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::time::Instant;

use super::admin::{Readiness, Waiting};
use super::metrics::Metrics;
use super::secret::Secret;
use super::store::{Store, Unpurged, Untaken};
use crate::agent::database::Said;
use crate::agent::{Stop, error_chain};

/// How often the store is purged; each time in batches until nothing is left to purge.
const PURGE_EVERY: u32 = 12;

/// Everything that upkeep needs.
pub(super) struct Upkeep {
    /// What is looked after.
    pub(super) store: Store,
    /// The store's URL.
    pub(super) url: Secret<PgConnectOptions>,
    /// How long delivered events stay, ISO 8601.
    pub(super) keep: String,
    /// How long what nobody took stays, ISO 8601.
    pub(super) keep_undelivered: String,
    /// The sinks that are delivered to.
    pub(super) open: Vec<String>,
    /// How often the store is looked at.
    pub(super) every: Duration,
    /// Where it is told whether the store answers.
    pub(super) readiness: Readiness,
    /// Where figures go.
    pub(super) metrics: Metrics,
}

impl Upkeep {
    /// Looks after the store until asked to stop.
    pub(super) async fn run(self, stop: Stop) {
        let mut credentials = self.url.current();
        let mut migrated = false;
        for round in 0u32.. {
            let due = Instant::now() + self.every;
            let now = self.url.current();
            if !std::sync::Arc::ptr_eq(&credentials, &now) {
                self.store.reconfigure(&now);
                credentials = now;
            }
            if !migrated {
                migrated = self.migrate().await;
            }
            if migrated {
                self.look().await;
                if round % PURGE_EVERY == 0 {
                    self.purge(&stop).await;
                    self.expire(&stop).await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = stop.requested() => return,
            }
        }
    }

    async fn migrate(&self) -> bool {
        match self.store.migrate().await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(error = error_chain(&error), "the store is not ready");
                self.readiness.set(Waiting::Migrations(error.to_string()));
                false
            }
        }
    }

    async fn look(&self) {
        let looked = async {
            let backlog = self.store.backlog().await?;
            Ok::<_, sqlx::Error>((backlog, self.store.loud().await?))
        };
        match looked.await {
            Ok((backlog, loud)) => {
                self.metrics.owes(&backlog);
                let waiting = loud.map_or(Waiting::Nothing, |loud| Waiting::Log(loud.to_string()));
                self.readiness.set(waiting);
            }
            Err(error) => {
                tracing::error!(error = %Said::from(error), "the store does not answer");
                self.readiness.set(Waiting::Store);
            }
        }
    }

    async fn purge(&self, stop: &Stop) {
        while !stop.is_requested() {
            match self.store.purge(&self.keep).await {
                Ok(more) => {
                    if self.metrics.holds_stale(false) {
                        tracing::info!("the list of legal holds is young again: it is purged");
                    }
                    if !more {
                        return;
                    }
                }
                Err(error) => {
                    self.unpurged(&error, "cannot purge the store");
                    return;
                }
            }
        }
    }

    /// How many went is told; what they said is nobody's to know.
    async fn expire(&self, stop: &Stop) {
        let mut events = 0;
        // Each by itself: what stops the one does not stop the other.
        for untaken in [Untaken::Dead, Untaken::Waiting(&self.open)] {
            events += self.expire_all(untaken, stop).await;
        }
        if events > 0 {
            tracing::warn!(
                events,
                "purged events that nobody took: their time was over"
            );
        }
    }

    async fn expire_all(&self, untaken: Untaken<'_>, stop: &Stop) -> u64 {
        let mut events = 0;
        while !stop.is_requested() {
            match self.store.expire(untaken, &self.keep_undelivered).await {
                Ok(expired) => {
                    for (sink, count) in &expired.by_sink {
                        self.metrics.expired(sink, *count);
                        events += count;
                    }
                    if !expired.more {
                        break;
                    }
                }
                Err(error) => {
                    self.unpurged(&error, "cannot purge what nobody took");
                    break;
                }
            }
        }
        events
    }

    /// What somebody must mend is an error; a database that does not answer may do so the next time. That the list of holds is
    /// too old is told once, and counted for as long as it is so: a hub that is away may be away for days.
    fn unpurged(&self, error: &Unpurged, what: &'static str) {
        match error {
            Unpurged::Database(_) => tracing::warn!(%error, what),
            Unpurged::Grants { .. } | Unpurged::Books => {
                tracing::error!(%error, what, "nothing is purged");
            }
            Unpurged::Stale { .. } => {
                if self.metrics.holds_stale(true) {
                    tracing::error!(%error, "nothing is purged; webhooks are taken, and events delivered, as before");
                }
            }
        }
    }
}
