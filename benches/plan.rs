//! How long it takes to plan policies with ten thousand rules in all, against ten times a thousand: `make bench`.
//!
//! One region, policies of sixteen rules, each of which erases from one table and keeps another; every policy is planned
//! beside all others, whose keeps may bind it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement prints its figures and ends at the first thing that is wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tradewind::api::{DataPolicy, Region};
use tradewind::packs::Packs;
use tradewind::plan::{self, PolicyFacts, Reach, RegionFacts, Settings};

const RULES: usize = 10_000;
const A_POLICY: usize = 16;

fn region() -> Region {
    let region = json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": "eu-west", "uid": "u"},
        "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "tradewind-runs",
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
            "dataStores": [{"name": "shop", "datasets": ["table_0"],
                "postgres": {"secretRef": {"name": "shop", "key": "url"}}}]}});
    serde_json::from_value(region).unwrap()
}

fn policy(number: usize) -> DataPolicy {
    let rule = |at: usize| -> Value {
        let table = format!("table_{}", number * A_POLICY + at);
        let mut rule = json!({"name": format!("rule-{at}"), "dataset": {"store": "shop", "table": table, "clock": "at"},
            "erase": {"after": "P90D", "method": "Delete"}});
        if at.is_multiple_of(2) {
            rule["keep"] =
                json!({"for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)"});
        }
        rule
    };
    let rules: Vec<Value> = (0..A_POLICY).map(rule).collect();
    let policy = json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy",
        "metadata": {"name": format!("policy-{number}"), "uid": format!("u-{number}")},
        "spec": {"regimes": ["eu-gdpr"], "selector": {"regions": ["eu-west"]}, "mode": "Enforce", "rules": rules,
            "retention": {"schedule": "0 4 * * *"}}});
    serde_json::from_value(policy).unwrap()
}

/// How long all policies together take.
fn planning(rules: usize) -> Duration {
    let policies: BTreeMap<String, Arc<DataPolicy>> = (0..rules / A_POLICY)
        .map(|number| (format!("policy-{number}"), Arc::new(policy(number))))
        .collect();
    let facts = RegionFacts {
        region: Arc::new(region()),
        reach: Reach::Ready,
        namespaces: Some(BTreeSet::from(["tradewind-runs".to_owned()])),
        remains: false,
    };
    let packs = Arc::new(Packs::builtin().unwrap());
    let settings = Arc::new(Settings {
        fleet: "bench".into(),
        image: "agent".into(),
        image_pull_policy: None,
    });
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let begun = Instant::now();
    for policy in policies.values() {
        let facts = PolicyFacts {
            policy: Arc::clone(policy),
            regions: [("eu-west".to_owned(), facts.clone())].into(),
            channels: Vec::new(),
            policies: policies.clone(),
            holds: BTreeMap::new(),
            packs: Arc::clone(&packs),
            settings: Arc::clone(&settings),
        };
        let plan = plan::policy(&facts, now);
        assert!(plan.regions.contains_key("eu-west"));
    }
    begun.elapsed()
}

fn main() {
    let tenth = planning(RULES / 10);
    let whole = planning(RULES);
    println!(
        "plan {RULES} rules in {} policies: {:.2} s, {:.1} ms a policy; ten times a tenth: {:.2} s; {:.1} times",
        RULES / A_POLICY,
        whole.as_secs_f64(),
        whole.as_secs_f64() * 1e3 / (RULES / A_POLICY) as f64,
        10.0 * tenth.as_secs_f64(),
        whole.as_secs_f64() / (10.0 * tenth.as_secs_f64())
    );
}
