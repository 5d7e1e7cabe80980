//! How many findings each policy has, by severity: three series a policy, gone with it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::FindingTotals;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    policy: String,
    severity: &'static str,
}

/// The gauges.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Family<Labels, Gauge>);

const SEVERITIES: [&str; 3] = ["High", "Medium", "Low"];

impl Findings {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "policy_findings",
            "What the regimes of a policy ask for and is missing, by severity",
            self.0.clone(),
        );
    }

    /// Also zeros: a series that is gone says nothing, one that is 0 says that somebody looked.
    pub(super) fn say(&self, policy: &str, totals: &FindingTotals) {
        let counts = [totals.high, totals.medium, totals.low];
        for (severity, count) in SEVERITIES.into_iter().zip(counts) {
            self.0
                .get_or_create(&labels(policy, severity))
                .set(i64::from(count));
        }
    }

    pub(super) fn forget(&self, policy: &str) {
        for severity in SEVERITIES {
            self.0.remove(&labels(policy, severity));
        }
    }
}

fn labels(policy: &str, severity: &'static str) -> Labels {
    Labels {
        policy: policy.to_owned(),
        severity,
    }
}

#[cfg(test)]
mod tests {
    use crate::api::FindingTotals;
    use crate::metrics::{Kind, Metrics};

    #[test]
    fn a_policys_findings_are_counted_and_go_with_it() {
        let metrics = Metrics::new();
        let totals = FindingTotals {
            all: 4,
            high: 1,
            medium: 3,
            low: 0,
        };
        metrics.findings("customers", &totals);
        let text = metrics.encode().unwrap();
        for (severity, count) in [("High", 1), ("Medium", 3), ("Low", 0)] {
            let series = format!(
                r#"tradewind_policy_findings{{policy="customers",severity="{severity}"}} {count}"#
            );
            assert!(text.contains(&series), "{series} is not in\n{text}");
        }
        metrics.forget(Kind::DataPolicy, None, "customers");
        assert!(!metrics.encode().unwrap().contains("customers"));
    }
}
