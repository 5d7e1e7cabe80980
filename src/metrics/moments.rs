//! Moments that somebody is to know beforehand: when a policy's next run is due, when a transfer ends. As seconds since
//! 1970, so that an alert compares them with its own clock. While this process is away they are gone as well, minutes later:
//! the alert `TradewindSilent` asks for the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    region: String,
    transfer: String,
}

/// The gauges.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    next_run: Family<PolicyLabels, Gauge>,
    transfer_ends: Family<TransferLabels, Gauge>,
    /// The transfers that were told of each region, so that they can be taken back.
    told: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl Moments {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "policy_next_run_timestamp_seconds",
            "When the next retention run of a policy is due in any region; in the past while one that was due has not been seen",
            self.next_run.clone(),
        );
        registry.register(
            "transfer_ends_timestamp_seconds",
            "When the last day of a Region's transfer is over; none for one without an end",
            self.transfer_ends.clone(),
        );
    }

    pub(super) fn next_run(&self, policy: &str, at: Option<Timestamp>) {
        let labels = PolicyLabels {
            policy: policy.to_owned(),
        };
        match at {
            Some(at) => {
                self.next_run.get_or_create(&labels).set(at.as_second());
            }
            None => {
                self.next_run.remove(&labels);
            }
        }
    }

    /// All of a region: what was told before and is not among them goes.
    pub(super) fn transfers(&self, region: &str, ends: &[(String, Timestamp)]) {
        let labels = |transfer: &str| TransferLabels {
            region: region.to_owned(),
            transfer: transfer.to_owned(),
        };
        let now: Vec<String> = ends.iter().map(|(name, _)| name.clone()).collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if now.is_empty() {
            told.remove(region)
        } else {
            told.insert(region.to_owned(), now.clone())
        };
        for old in before.into_iter().flatten() {
            if !now.contains(&old) {
                self.transfer_ends.remove(&labels(&old));
            }
        }
        for (name, end) in ends {
            let gauge = self.transfer_ends.get_or_create(&labels(name));
            gauge.set(end.as_second());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use crate::api::FindingTotals;
    use crate::api::condition::{ConditionType, Truth, Wanted, merge};
    use crate::metrics::{Kind, Metrics};

    fn full() -> Metrics {
        let metrics = Metrics::new();
        let wanted = vec![Wanted {
            kind: ConditionType::Ready,
            status: Truth::True,
            reason: "Running".into(),
            message: String::new(),
        }];
        let conditions = merge(&[], wanted, 1, jiff::Timestamp::UNIX_EPOCH);
        metrics.conditions(Kind::Region, None, "eu-west", &conditions);
        metrics.region_connected("eu-west", true);
        metrics.findings("customers", &FindingTotals::default());
        let entry = serde_json::json!({"name": "eu-west", "state": "Run", "reason": "Running",
            "evidence": {"reason": "Fresh", "since": "2026-11-22T10:00:00Z", "fresh": true}});
        metrics.fresh("customers", &[serde_json::from_value(entry).unwrap()]);
        let at = "2027-01-01T00:00:00Z".parse().unwrap();
        metrics.next_run("customers", Some(at));
        metrics.transfers("eu-west", &[("crm".into(), at)]);
        metrics
    }

    #[test]
    fn moments_are_told_and_go() {
        let metrics = full();
        let text = metrics.encode().unwrap();
        for series in [
            r#"tradewind_policy_next_run_timestamp_seconds{policy="customers"} 1798761600"#,
            r#"tradewind_transfer_ends_timestamp_seconds{region="eu-west",transfer="crm"} 1798761600"#,
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
        metrics.transfers("eu-west", &[]);
        metrics.forget(Kind::DataPolicy, None, "customers");
        let text = metrics.encode().unwrap();
        assert!(
            !text.contains("crm") && !text.contains("customers"),
            "{text}"
        );
    }

    #[test]
    fn an_alert_names_only_what_there_is() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/tradewind/files/alerts.yaml");
        let rules = std::fs::read_to_string(file).unwrap();
        let text = full().encode().unwrap();
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let named: BTreeSet<&str> = rules
            .split(word)
            .filter(|word| word.starts_with("tradewind_"))
            .collect();
        assert!(named.len() >= 5, "{named:?}");
        for metric in named {
            let series = [format!("\n{metric}{{"), format!("\n{metric} ")];
            let is_told = series.iter().any(|series| text.contains(series));
            assert!(is_told, "no metric {metric} in\n{text}");
        }
        let after = |label: &str| -> BTreeSet<String> {
            let label = format!("{label}=\"");
            let parts = rules.split(&label).skip(1);
            parts
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        let types = [
            ConditionType::EvidenceFresh,
            ConditionType::ReviewCurrent,
            ConditionType::InForce,
            ConditionType::CoverageComplete,
            ConditionType::PolicyCovered,
            ConditionType::OnTime,
            ConditionType::Accepted,
            ConditionType::Ready,
            ConditionType::Verified,
        ]
        .map(ConditionType::as_str);
        for one in after("type") {
            assert!(types.contains(&one.as_str()), "no condition {one}");
        }
        let kinds = [
            "Region",
            "SocialChannel",
            "DataPolicy",
            "LegalHold",
            "DataSubjectRequest",
        ];
        assert!(
            after("kind")
                .iter()
                .all(|kind| kinds.contains(&kind.as_str()))
        );
    }
}
