//! What the connector counts. Labels are enums and the sinks of the task: never anything from a webhook.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::store::Backlog;
use crate::contract::EventKind;

/// Label of sinks that the task no longer names but the store still owes something.
const REMOVED: &str = "(removed)";

/// Why a webhook was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// No signature, or not in its form.
    MissingSignature,
    /// A signature of somebody else.
    WrongSignature,
    /// Signed more than five minutes ago or ahead.
    StaleTimestamp,
    /// A handshake with another token or mode.
    WrongToken,
    /// More bytes than any platform sends.
    TooLarge,
    /// Signed, but not JSON.
    Malformed,
    /// The connection ended before the body did.
    Incomplete,
    /// The store did not take it.
    StoreUnavailable,
    /// It took too long; what was stored meanwhile is a duplicate when it comes again.
    Overloaded,
}

impl Rejection {
    const ALL: [Self; 9] = [
        Self::MissingSignature,
        Self::WrongSignature,
        Self::StaleTimestamp,
        Self::WrongToken,
        Self::TooLarge,
        Self::Malformed,
        Self::Incomplete,
        Self::StoreUnavailable,
        Self::Overloaded,
    ];

    /// The label's value.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::WrongSignature => "wrong_signature",
            Self::StaleTimestamp => "stale_timestamp",
            Self::WrongToken => "wrong_token",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
            Self::StoreUnavailable => "store_unavailable",
            Self::Overloaded => "overloaded",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BySink {
    sink: String,
}

/// The families themselves; clones of a family count together.
#[derive(Clone)]
struct Families {
    received: Counter,
    rejected: Family<ByReason, Counter>,
    accepted: Family<ByKind, Counter>,
    duplicates: Family<ByKind, Counter>,
    dropped: Family<ByKind, Counter>,
    acknowledged: Histogram,
    delivered: Family<BySink, Counter>,
    retried: Family<BySink, Counter>,
    dead: Family<BySink, Counter>,
    opted_out: Family<BySink, Counter>,
    expired: Family<BySink, Counter>,
    attempts: Family<BySink, Histogram>,
    pending: Family<BySink, Gauge>,
    oldest: Family<BySink, Gauge<f64, std::sync::atomic::AtomicU64>>,
    letters: Family<BySink, Gauge>,
    holds_stale: Gauge,
}

/// What the connector counts; clones count together.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    families: Families,
    sinks: Arc<[String]>,
}

/// From a webhook that is answered at once to a sink that takes all of its ten seconds.
fn seconds() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

impl Families {
    fn new() -> Self {
        Self {
            received: Counter::default(),
            rejected: Family::default(),
            accepted: Family::default(),
            duplicates: Family::default(),
            dropped: Family::default(),
            acknowledged: seconds(),
            delivered: Family::default(),
            retried: Family::default(),
            dead: Family::default(),
            opted_out: Family::default(),
            expired: Family::default(),
            attempts: Family::new_with_constructor(seconds),
            pending: Family::default(),
            oldest: Family::default(),
            letters: Family::default(),
            holds_stale: Gauge::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        let f = self.clone();
        let mut add = Adder(registry);
        add.metric(
            "received",
            "Webhooks that arrived, whatever became of them",
            f.received,
        );
        add.metric(
            "rejected",
            "Webhooks and handshakes not taken, by reason",
            f.rejected,
        );
        add.metric("accepted", "Events stored, by kind", f.accepted);
        add.metric(
            "duplicates",
            "Events that had been stored before, by kind",
            f.duplicates,
        );
        let dropped = "Events acknowledged but not wanted, by kind; unmatched: no rule knows them";
        add.metric("dropped", dropped, f.dropped);
        add.metric(
            "acknowledge_seconds",
            "Time to an acknowledgement",
            f.acknowledged,
        );
        add.metric("delivered", "Events that a sink took", f.delivered);
        add.metric(
            "retried",
            "Attempts that failed and will be repeated",
            f.retried,
        );
        add.metric("dead", "Events that were given up", f.dead);
        let opted_out = "Events that a sink was not sent, because their persons opted out";
        add.metric("opted_out", opted_out, f.opted_out);
        let expired = "Events purged undelivered, because their time was over";
        add.metric("expired", expired, f.expired);
        add.metric(
            "attempt_seconds",
            "Time of an attempt to deliver",
            f.attempts,
        );
        let pending = "Events in the store that wait for a sink, over all replicas";
        add.metric("outbox_pending", pending, f.pending);
        add.metric(
            "outbox_oldest_seconds",
            "Age of the first event that waits for a sink",
            f.oldest,
        );
        let letters = "Events in the store that were given up and can be replayed";
        add.metric("dead_letters", letters, f.letters);
        let stale = "1 while nothing is purged because the list of legal holds is too old";
        add.metric("holds_stale", stale, f.holds_stale);
    }
}

/// One line a metric.
struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }
}

impl Metrics {
    /// All at zero: a series that is missing is not the same as nothing having happened.
    pub(super) fn new(sinks: &[String]) -> Self {
        let families = Families::new();
        let mut registry = Registry::with_prefix("tradewind_connect");
        families.register(&mut registry);
        for rejection in Rejection::ALL {
            drop(families.rejected.get_or_create(&ByReason {
                reason: rejection.as_str(),
            }));
        }
        let metrics = Self {
            registry: Arc::new(registry),
            families,
            sinks: sinks.into(),
        };
        for sink in sinks {
            let label = BySink { sink: sink.clone() };
            for family in [
                &metrics.families.delivered,
                &metrics.families.retried,
                &metrics.families.dead,
                &metrics.families.opted_out,
                &metrics.families.expired,
            ] {
                drop(family.get_or_create(&label));
            }
        }
        metrics.owes(&[]);
        metrics
    }

    /// The exposition, as Prometheus reads it.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A webhook arrived.
    pub(super) fn received(&self) {
        self.families.received.inc();
    }

    /// A webhook was not taken. The first of its kind is told: strangers must not fill the log.
    pub(super) fn rejected(&self, rejection: Rejection) {
        let label = ByReason {
            reason: rejection.as_str(),
        };
        if self.families.rejected.get_or_create(&label).inc() == 0 {
            tracing::warn!(
                reason = rejection.as_str(),
                "webhook rejected; more of this reason are only counted"
            );
        }
    }

    /// A webhook was acknowledged.
    pub(super) fn acknowledged(&self, after: Duration) {
        self.families.acknowledged.observe(after.as_secs_f64());
    }

    /// An event was stored.
    pub(super) fn accepted(&self, kind: &'static str) {
        self.families.accepted.get_or_create(&ByKind { kind }).inc();
    }

    /// An event had been stored before.
    pub(super) fn duplicate(&self, kind: &'static str) {
        self.families
            .duplicates
            .get_or_create(&ByKind { kind })
            .inc();
    }

    /// Events that nobody wants; none: no rule knows them.
    pub(super) fn dropped(&self, kind: Option<EventKind>, count: u64) {
        if count > 0 {
            let kind = kind.map_or("unmatched", EventKind::as_str);
            self.families
                .dropped
                .get_or_create(&ByKind { kind })
                .inc_by(count);
        }
    }

    /// An attempt ended.
    pub(super) fn attempted(&self, sink: &str, after: Duration) {
        self.families
            .attempts
            .get_or_create(&by(sink))
            .observe(after.as_secs_f64());
    }

    /// A sink took an event.
    pub(super) fn delivered(&self, sink: &str) {
        self.families.delivered.get_or_create(&by(sink)).inc();
    }

    /// An attempt failed.
    pub(super) fn retried(&self, sink: &str) {
        self.families.retried.get_or_create(&by(sink)).inc();
    }

    /// An event was given up.
    pub(super) fn dead(&self, sink: &str) {
        self.families.dead.get_or_create(&by(sink)).inc();
    }

    /// An event was not sent, because its person opted out.
    pub(super) fn opted_out(&self, sink: &str) {
        self.families.opted_out.get_or_create(&by(sink)).inc();
    }

    /// Events were purged that a sink never took.
    pub(super) fn expired(&self, sink: &str, events: u64) {
        let known = self.sinks.iter().any(|known| known == sink);
        let label = by(if known { sink } else { REMOVED });
        self.families.expired.get_or_create(&label).inc_by(events);
    }

    /// Whether the list of legal holds is too old to purge by. `true`: that is new.
    pub(super) fn holds_stale(&self, is_stale: bool) -> bool {
        let now = i64::from(is_stale);
        self.families.holds_stale.set(now) != now
    }

    /// What the store owes now.
    pub(super) fn owes(&self, backlog: &[Backlog]) {
        let mut removed = (0, 0.0f64, 0);
        for owed in backlog
            .iter()
            .filter(|owed| !self.sinks.contains(&owed.sink))
        {
            removed.0 += owed.pending;
            removed.1 = removed.1.max(owed.oldest_seconds);
            removed.2 += owed.dead;
        }
        if removed.0 + removed.2 > 0 || self.families.pending.get(&by(REMOVED)).is_some() {
            self.set(REMOVED, removed);
        }
        for sink in self.sinks.iter() {
            let owed = backlog.iter().find(|owed| owed.sink == *sink);
            self.set(
                sink,
                owed.map_or((0, 0.0, 0), |owed| {
                    (owed.pending, owed.oldest_seconds, owed.dead)
                }),
            );
        }
    }

    fn set(&self, sink: &str, (pending, oldest, dead): (i64, f64, i64)) {
        let label = by(sink);
        self.families.pending.get_or_create(&label).set(pending);
        self.families.oldest.get_or_create(&label).set(oldest);
        self.families.letters.get_or_create(&label).set(dead);
    }
}

fn by(sink: &str) -> BySink {
    BySink {
        sink: sink.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_before_anything_happened() {
        let text = Metrics::new(&["erp".into()]).text().unwrap();
        for line in [
            "tradewind_connect_received_total 0",
            "tradewind_connect_rejected_total{reason=\"wrong_signature\"} 0",
            "tradewind_connect_delivered_total{sink=\"erp\"} 0",
            "tradewind_connect_dead_total{sink=\"erp\"} 0",
            "tradewind_connect_opted_out_total{sink=\"erp\"} 0",
            "tradewind_connect_expired_total{sink=\"erp\"} 0",
            "tradewind_connect_outbox_pending{sink=\"erp\"} 0",
            "tradewind_connect_dead_letters{sink=\"erp\"} 0",
            "tradewind_connect_holds_stale 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("(removed)"));
    }

    #[test]
    fn sinks_of_the_past_share_one_series() {
        let metrics = Metrics::new(&["erp".into()]);
        let owed = |sink: &str, pending| Backlog {
            sink: sink.into(),
            pending,
            oldest_seconds: 5.0,
            dead: 1,
        };
        metrics.owes(&[owed("erp", 2), owed("old", 3), owed("older", 4)]);
        let text = metrics.text().unwrap();
        assert!(text.contains("outbox_pending{sink=\"erp\"} 2\n"), "{text}");
        assert!(
            text.contains("outbox_pending{sink=\"(removed)\"} 7\n"),
            "{text}"
        );
        metrics.owes(&[]);
        assert!(
            metrics
                .text()
                .unwrap()
                .contains("outbox_pending{sink=\"(removed)\"} 0\n")
        );
    }
}
