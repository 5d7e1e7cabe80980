//! What the last runs of several policies say of a table that a rule only keeps: only a run counts that looked into its database.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use tradewind::api::DataPolicy;
use tradewind::plan;

use super::edges::{with, world};

/// A policy that erases from a store, with what its last run found missing there.
fn looked(like: &DataPolicy, store: &str, at: &str, absent: &[&str]) -> Arc<DataPolicy> {
    let rule = json!([{"name": "notes", "dataset": {"store": store, "table": "notes", "clock": "at"},
        "erase": {"after": "P90D", "method": "Delete"}}]);
    let of = |table: &&str| json!({"store": store, "table": table});
    let absent: Vec<Value> = absent.iter().map(of).collect();
    let entry = json!({"name": "eu-central", "state": "Run", "reason": "Running",
        "lastRun": {"job": "run", "phase": "Succeeded", "finishedAt": at},
        "catalogue": {"more": 0, "absent": absent}});
    let policy = with(like, "/metadata/name", &json!(store));
    let policy = with(policy.as_ref(), "/spec/rules", &rule);
    with(policy.as_ref(), "/status/regions", &json!([entry]))
}

/// Of two runs that looked into one database the later counts; one that looked into another says nothing of it, however late.
#[test]
fn a_table_is_missing_by_the_last_run_that_looked_into_its_database() {
    const EARLIER: &str = "2026-11-20T03:30:00Z";
    const LATER: &str = "2026-11-21T03:30:00Z";
    let world = world("keep-meets-nothing");
    let policies = world.policies();
    let of = |name: &str| {
        let mut all = policies.iter();
        all.find(|(_, it)| it.metadata.name.as_deref() == Some(name))
            .unwrap()
    };
    let (key, kept) = of("tax-records");
    let eraser = of("shop-customers").1.clone();
    let mut facts = world.policy_facts(key, kept);
    let store = |name: &str, secret: &str| {
        json!({"name": name, "datasets": ["shop.parcels", "returns"],
            "postgres": {"secretRef": {"name": secret, "key": "url"}}})
    };
    // Two names of one database, and another database.
    let stores = json!([
        store("aurora-orders", "aurora-orders-db"),
        store("aurora-again", "aurora-orders-db"),
        store("crm", "crm-db")
    ]);
    let own = facts.regions.get_mut("eu-central").unwrap();
    own.region = with(own.region.as_ref(), "/spec/dataStores", &stores);
    let is_missing = |runs: &[(&str, &str, &[&str])]| {
        let mut facts = facts.clone();
        facts.policies.retain(|name, _| name == "tax-records");
        for (store, at, absent) in runs {
            let policy = looked(&eraser, store, at, absent);
            facts.policies.insert((*store).to_owned(), policy);
        }
        let findings = plan::policy(&facts, world.now).baseline.findings;
        let told = findings.iter().filter(|it| {
            it.check == "KeepMeetsNothing" && it.message.contains("had no table of that name")
        });
        let places: BTreeSet<&str> = told.map(|it| it.place.as_str()).collect();
        assert!(places.len() <= 1, "{places:?}");
        places.contains("spec.rules[returns].dataset.table")
    };
    let (missing, there): (&[&str], &[&str]) = (&["returns"], &[]);
    assert!(is_missing(&[("aurora-orders", EARLIER, missing)]));
    assert!(!is_missing(&[("aurora-orders", EARLIER, there)]));
    // A later run elsewhere saw nothing missing, and one that misses a table of that name there says nothing of this one.
    for (here, elsewhere) in [(missing, there), (there, missing)] {
        for (one, another) in [(EARLIER, LATER), (LATER, EARLIER)] {
            let runs = [("aurora-orders", one, here), ("crm", another, elsewhere)];
            assert_eq!(is_missing(&runs), here == missing, "{runs:?}");
        }
    }
    // By whichever name: of the one database the later run counts.
    for (first, second) in [(missing, there), (there, missing)] {
        let runs = [
            ("aurora-orders", EARLIER, first),
            ("aurora-again", LATER, second),
        ];
        assert_eq!(is_missing(&runs), second == missing, "{runs:?}");
    }
}
