//! Whether a policy's evidence is fresh, by region: a series for each, gone with the policy or the region's entry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::PolicyRegionStatus;
use crate::status::reason::Word;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    policy: String,
    region: String,
}

/// The gauges.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh {
    gauges: Family<Labels, Gauge>,
    said: Arc<Mutex<BTreeMap<String, Vec<Labels>>>>,
}

impl Fresh {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "evidence_fresh",
            "Whether what a policy does in a region is proven by now: 1 it is, 0 it is not, -1 nobody knows",
            self.gauges.clone(),
        );
    }

    /// What it said of the policy before is replaced.
    pub(super) fn say(&self, policy: &str, regions: &[PolicyRegionStatus]) {
        let mut now = Vec::new();
        for entry in regions {
            // A first run that is still to come is nobody's silence: one that was due twice is.
            let told = entry.evidence.as_ref();
            let Some(evidence) = told.filter(|it| it.reason != Word::AwaitingFirstRun.as_str())
            else {
                continue;
            };
            let labels = Labels {
                policy: policy.to_owned(),
                region: entry.name.clone(),
            };
            let value = evidence.fresh.map_or(-1, i64::from);
            self.gauges.get_or_create(&labels).set(value);
            now.push(labels);
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.remove(policy).unwrap_or_default();
        for gone in before.iter().filter(|old| !now.contains(old)) {
            self.gauges.remove(gone);
        }
        if !now.is_empty() {
            said.insert(policy.to_owned(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::api::PolicyRegionStatus;
    use crate::metrics::{Kind, Metrics};

    fn entry(region: &str, fresh: Option<bool>) -> PolicyRegionStatus {
        let mut evidence = serde_json::json!({"reason": "Any", "since": "2026-11-22T10:00:00Z"});
        if let Some(fresh) = fresh {
            evidence["fresh"] = fresh.into();
        }
        let entry = serde_json::json!({"name": region, "state": "Run", "reason": "Running", "evidence": evidence});
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn a_policys_evidence_is_told_by_region_and_goes_with_it() {
        let metrics = Metrics::new();
        let regions = [
            entry("eu", Some(true)),
            entry("us", Some(false)),
            entry("br", None),
        ];
        metrics.fresh("customers", &regions);
        let series = |region: &str, value: i64| {
            format!(r#"tradewind_evidence_fresh{{policy="customers",region="{region}"}} {value}"#)
        };
        let text = metrics.encode().unwrap();
        for (region, value) in [("eu", 1), ("us", 0), ("br", -1)] {
            assert!(text.contains(&series(region, value)), "{region} in\n{text}");
        }
        metrics.fresh("customers", &regions[..1]);
        let text = metrics.encode().unwrap();
        assert!(
            text.contains(&series("eu", 1)) && !text.contains("region=\"us\""),
            "{text}"
        );
        metrics.forget(Kind::DataPolicy, None, "customers");
        assert!(!metrics.encode().unwrap().contains("customers"));
    }
}
