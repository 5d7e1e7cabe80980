//! What `/metrics` says: typed labels, few of them, and none that grows with the error texts or people of a fleet.
//!
//! In: facts from the other rooms. Out: the OpenMetrics text. It must never carry an identity, a message or a secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::{FindingTotals, PolicyRegionStatus};

mod findings;
mod fresh;
mod moments;
mod packs;
mod watches;

pub use watches::WatchPulse;

/// Which controller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelValue)]
pub enum Kind {
    /// `Region`.
    Region,
    /// `SocialChannel`.
    SocialChannel,
    /// `DataPolicy`.
    DataPolicy,
    /// `LegalHold`.
    LegalHold,
    /// `DataSubjectRequest`.
    DataSubjectRequest,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Nothing is left to do now.
    Done,
    /// It failed and is tried again.
    Failed,
    /// It panicked; the controller went on.
    Panicked,
}

/// The part of a reconcile in which it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Stage {
    /// Reading what the object refers to.
    Resolve,
    /// Deciding.
    Plan,
    /// Writing children.
    Apply,
    /// Reading back.
    Observe,
    /// Writing evidence.
    Evidence,
    /// Writing the status.
    Status,
    /// Setting or taking away the finalizer.
    Finalize,
}

/// A write to an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Verb {
    /// Server-side apply.
    Apply,
    /// JSON patch.
    Patch,
    /// Create.
    Create,
    /// Delete.
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    kind: Kind,
    namespace: String,
    name: String,
    r#type: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegionLabels {
    region: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: Kind,
    result: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    kind: Kind,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    verb: Verb,
}

/// The series of each resource, so that they can be taken back.
type Said = Arc<Mutex<BTreeMap<(Kind, String, String), Vec<ConditionLabels>>>>;

/// The operator's metrics; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    conditions: Family<ConditionLabels, Gauge>,
    said: Said,
    region_connected: Family<RegionLabels, Gauge>,
    probe_failures: Family<RegionLabels, Counter>,
    reconciles: Family<ReconcileLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    leader: Gauge,
    findings: findings::Findings,
    fresh: fresh::Fresh,
    moments: moments::Moments,
    packs: packs::PacksInForce,
    watches: watches::Watches,
}

fn reconcile_histogram() -> Histogram {
    // A converged reconcile takes milliseconds; one that waits out a region's deadline takes seconds.
    Histogram::new([
        0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at their start.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            conditions: Family::default(),
            said: Arc::default(),
            region_connected: Family::default(),
            probe_failures: Family::default(),
            reconciles: Family::new_with_constructor(reconcile_histogram),
            errors: Family::default(),
            writes: Family::default(),
            leader: Gauge::default(),
            findings: findings::Findings::default(),
            fresh: fresh::Fresh::default(),
            moments: moments::Moments::default(),
            packs: packs::PacksInForce::default(),
            watches: watches::Watches::default(),
        };
        let mut registry = Registry::with_prefix("tradewind");
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "condition",
            "1 for the status that a condition of a resource has now",
            self.conditions.clone(),
        );
        registry.register(
            "region_connected",
            "Whether a regional cluster answers",
            self.region_connected.clone(),
        );
        registry.register(
            "region_probe_failures",
            "Probes of a regional cluster that failed",
            self.probe_failures.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long reconciles took",
            self.reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by the stage that failed",
            self.errors.clone(),
        );
        registry.register(
            "writes",
            "Writes to API servers, by the kind written",
            self.writes.clone(),
        );
        registry.register(
            "leader",
            "Whether this process may write",
            self.leader.clone(),
        );
        self.findings.register(registry);
        self.fresh.register(registry);
        self.moments.register(registry);
        self.packs.register(registry);
        registry.register_collector(Box::new(self.watches.clone()));
    }

    /// Says a resource's conditions. What it said of the resource before is replaced.
    pub fn conditions(&self, kind: Kind, namespace: Option<&str>, name: &str, now: &[Condition]) {
        let namespace = namespace.unwrap_or_default();
        let labels: Vec<_> = now
            .iter()
            .map(|condition| ConditionLabels {
                kind,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                r#type: condition.type_.clone(),
                status: condition.status.clone(),
            })
            .collect();
        let key = (kind, namespace.to_owned(), name.to_owned());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if labels.is_empty() {
            said.remove(&key)
        } else {
            said.insert(key, labels.clone())
        };
        for old in before.into_iter().flatten() {
            if !labels.contains(&old) {
                self.conditions.remove(&old);
            }
        }
        for new in &labels {
            self.conditions.get_or_create(new).set(1);
        }
    }

    /// Says how many findings a policy has.
    pub fn findings(&self, policy: &str, totals: &FindingTotals) {
        self.findings.say(policy, totals);
    }

    /// Says whether a policy's evidence is fresh, region by region.
    pub fn fresh(&self, policy: &str, regions: &[PolicyRegionStatus]) {
        self.fresh.say(policy, regions);
    }

    /// Says when a policy's next run is due.
    pub fn next_run(&self, policy: &str, at: Option<Timestamp>) {
        self.moments.next_run(policy, at);
    }

    /// Says when a Region's transfers end: all that do.
    pub fn transfers(&self, region: &str, ends: &[(String, Timestamp)]) {
        self.moments.transfers(region, ends);
    }

    /// Says whether it is known which packs are in force, and whether those that lie there are not.
    pub fn packs(&self, known: bool, refused: bool) {
        self.packs.say(known, refused);
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, kind: Kind, namespace: Option<&str>, name: &str) {
        match kind {
            Kind::DataPolicy => {
                self.findings.forget(name);
                self.fresh.say(name, &[]);
                self.moments.next_run(name, None);
            }
            Kind::Region => self.moments.transfers(name, &[]),
            Kind::SocialChannel | Kind::LegalHold | Kind::DataSubjectRequest => {}
        }
        self.conditions(kind, namespace, name, &[]);
    }

    /// Whether a region answers.
    pub fn region_connected(&self, region: &str, connected: bool) {
        let labels = RegionLabels {
            region: region.to_owned(),
        };
        self.region_connected
            .get_or_create(&labels)
            .set(i64::from(connected));
    }

    /// A probe failed.
    pub fn probe_failed(&self, region: &str) {
        let labels = RegionLabels {
            region: region.to_owned(),
        };
        self.probe_failures.get_or_create(&labels).inc();
    }

    /// Forgets a region that is gone.
    pub fn forget_region(&self, region: &str) {
        let labels = RegionLabels {
            region: region.to_owned(),
        };
        self.region_connected.remove(&labels);
        self.probe_failures.remove(&labels);
    }

    /// The age of a watch's last sign of life, until the returned handle is dropped.
    #[must_use]
    pub fn watch(&self, region: &str, kind: &'static str, namespace: Option<&str>) -> WatchPulse {
        self.watches.add(region, kind, namespace)
    }

    /// A reconcile ended.
    pub fn reconciled(&self, kind: Kind, result: Outcome, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { kind, result })
            .observe(took.as_secs_f64());
    }

    /// A reconcile failed in this stage.
    pub fn failed(&self, kind: Kind, stage: Stage) {
        self.errors
            .get_or_create(&ErrorLabels { kind, stage })
            .inc();
    }

    /// A write was answered. `kind` is a child's kind, `Deployment`.
    pub fn wrote(&self, kind: &'static str, verb: Verb) {
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    /// Whether this process may write.
    pub fn leading(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }

    /// The OpenMetrics text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::condition::{ConditionType, Truth, Wanted, merge};

    fn ready(status: Truth) -> Vec<Condition> {
        let wanted = vec![Wanted {
            kind: ConditionType::Ready,
            status,
            reason: "Running".into(),
            message: "the buyer is jane@example.org".into(),
        }];
        merge(&[], wanted, 1, jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_condition_has_one_series_and_it_goes_with_the_object() {
        let metrics = Metrics::new();
        let say = |status| {
            metrics.conditions(Kind::SocialChannel, Some("aurora"), "shop", &ready(status));
        };
        say(Truth::True);
        let text = metrics.encode().unwrap();
        let series = r#"tradewind_condition{kind="SocialChannel",namespace="aurora",name="shop",type="Ready",status="True"} 1"#;
        assert!(text.contains(series), "{text}");

        say(Truth::False);
        let text = metrics.encode().unwrap();
        assert_eq!(text.matches(r#"type="Ready""#).count(), 1, "{text}");
        assert!(text.contains(r#"status="False"} 1"#), "{text}");
        assert!(!text.contains("jane"), "{text}");

        metrics.forget(Kind::SocialChannel, Some("aurora"), "shop");
        assert!(!metrics.encode().unwrap().contains("shop"));
    }

    #[test]
    fn a_region_goes_with_all_its_series() {
        let metrics = Metrics::new();
        metrics.region_connected("eu-west", true);
        metrics.probe_failed("eu-west");
        let pulse = metrics.watch("eu-west", "Pod", Some("aurora"));
        let text = metrics.encode().unwrap();
        for series in [
            r#"tradewind_region_connected{region="eu-west"} 1"#,
            r#"tradewind_region_probe_failures_total{region="eu-west"} 1"#,
            r#"tradewind_watch_last_event_age_seconds{region="eu-west",kind="Pod",namespace="aurora"}"#,
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
        drop(pulse);
        metrics.forget_region("eu-west");
        assert!(!metrics.encode().unwrap().contains("eu-west"));
    }

    #[test]
    fn reconciles_writes_and_leadership_are_counted() {
        let metrics = Metrics::new();
        metrics.reconciled(Kind::Region, Outcome::Done, Duration::from_millis(3));
        metrics.failed(Kind::DataPolicy, Stage::Apply);
        metrics.wrote("CronJob", Verb::Apply);
        metrics.leading(true);
        let text = metrics.encode().unwrap();
        for series in [
            r#"tradewind_reconcile_duration_seconds_count{kind="Region",result="Done"} 1"#,
            r#"tradewind_reconcile_errors_total{kind="DataPolicy",stage="Apply"} 1"#,
            r#"tradewind_writes_total{kind="CronJob",verb="Apply"} 1"#,
            "tradewind_leader 1",
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
    }
}
