//! For whom a hold is, what it asks of whoever erases, and when it is over.

mod meant;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::{DataPolicy, DataSubjectRequest, DeletionPolicy};
use crate::packs::Packs;
use crate::plan::{Reach, RequestFacts, Settings};

const NOW: &str = "2026-11-22T10:00:00Z";

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        fleet: "fleet".into(),
        image: "ghcr.example/tradewind:1".into(),
        image_pull_policy: None,
    })
}

/// Two stores of one database, and one of another.
fn region(name: &str) -> RegionFacts {
    let store = |name: &str, secret: &str| json!({"name": name, "datasets": [], "postgres": {"secretRef": {"name": secret, "key": "url"}}});
    let region = json!({
        "metadata": {"name": name},
        "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
            "dataStores": [store("orders", "db"), store("archive", "db"), store("chats", "other")]},
        "status": {"clusterId": format!("uid-of-{name}")},
    });
    RegionFacts {
        region: Arc::new(serde_json::from_value(region).unwrap()),
        reach: Reach::Ready,
        namespaces: None,
        remains: false,
    }
}

fn hold(name: &str, stores: &[&str], more: Value) -> LegalHold {
    let scope = |store: &&str| json!({"name": store, "store": store});
    let mut hold = json!({
        "metadata": {"name": name},
        "spec": {"ground": "case 7", "openedBy": "counsel", "reviewOn": "2027-06-01", "selector": {"regions": ["eu"]},
            "scopes": stores.iter().map(scope).collect::<Vec<_>>()},
    });
    if let Value::Object(more) = more {
        for (field, value) in more {
            let at = if field == "status" {
                &mut hold
            } else {
                &mut hold["spec"]
            };
            at[field] = value;
        }
    }
    serde_json::from_value(hold).unwrap()
}

fn released() -> Value {
    json!({"by": "counsel", "ground": "settled"})
}

/// The status of a region's entry in which these stores told that.
fn told(region: &str, task: Option<&str>, stores: &Value) -> Value {
    json!({"regions": [{"name": region, "state": "Run", "reason": "InForce", "task": task, "stores": stores}]})
}

fn in_force(store: &str) -> Value {
    json!({"name": store, "inForceSince": "2026-11-20T00:00:00Z"})
}

fn over(store: &str) -> Value {
    json!({"name": store, "inForceSince": "2026-11-20T00:00:00Z", "releasedAt": "2026-11-21T00:00:00Z"})
}

fn facts(hold: LegalHold) -> HoldFacts {
    HoldFacts {
        hold: Arc::new(hold),
        regions: ["eu", "us"]
            .map(|name| (name.to_owned(), region(name)))
            .into(),
        channels: Vec::new(),
        policies: BTreeMap::new(),
        settings: settings(),
    }
}

/// What a database holds it is asked to release, though no rule says any more that it has the category.
#[test]
fn a_release_reaches_each_store_that_holds() {
    let scopes = json!([{"name": "c", "category": "user.contact"}]);
    let status = told(
        "eu",
        None,
        &json!([in_force("chats"), over("orders"), in_force("gone")]),
    );
    let stores = |release: Value| -> Vec<String> {
        let more = json!({"scopes": scopes, "release": release, "status": status});
        let plan = planned(hold("h", &[], more));
        plan.notes["eu"].held_stores.iter().cloned().collect()
    };
    // One that has released stays in the list, which is the same until the end.
    assert_eq!(stores(released()), ["chats", "orders"]);
    assert!(stores(Value::Null).is_empty());
}

fn planned(hold: LegalHold) -> Plan<HoldWorkloads> {
    legal_hold(&facts(hold), NOW.parse().unwrap())
}

fn word(plan: &Plan<HoldWorkloads>, region: &str) -> Option<String> {
    Some(plan.regions.get(region)?.reason()?.word.clone())
}

#[test]
fn a_hold_is_for_the_regions_that_it_chooses_and_for_those_that_hold() {
    let chosen = hold("chosen", &["orders"], Value::Null);
    let elsewhere = json!({"status": told("us", None, &json!([in_force("orders")]))});
    let moved = hold("moved", &["orders"], elsewhere);
    let let_go = json!({"status": told("us", None, &json!([over("orders")]))});
    let gone = hold("gone", &["orders"], let_go);
    for (hold, eu, us) in [
        (&chosen, true, false),
        (&moved, true, true),
        (&gone, true, false),
    ] {
        let name = hold.name_any();
        assert_eq!(is_for(hold, &region("eu").region), eu, "{name}");
        assert_eq!(is_for(hold, &region("us").region), us, "{name}");
        assert_eq!(
            planned(hold.clone()).regions.contains_key("us"),
            us,
            "{name}"
        );
    }
}

#[test]
fn whoever_erases_is_told_of_each_hold_that_binds_its_database_until_a_release() {
    let holds = [
        ("same", hold("same", &["orders"], Value::Null)),
        // Another store with the Secret of the one that is erased from: the same rows.
        ("shared", hold("shared", &["archive", "chats"], Value::Null)),
        ("other", hold("other", &["chats"], Value::Null)),
        (
            "done",
            hold("done", &["orders"], json!({"release": released()})),
        ),
        ("missing", hold("missing", &["nowhere"], Value::Null)),
        // Its table is in the same database by another name.
        (
            "told",
            hold(
                "told",
                &[],
                json!({"scopes": [{"name": "c", "category": "user"}]}),
            ),
        ),
    ];
    let holds = holds
        .map(|(name, hold)| (name.to_owned(), Arc::new(hold)))
        .into();
    let policies = meant::policy(
        "eu",
        &[
            ("archive", "old", "user.contact"),
            ("chats", "chats", "user.contact"),
        ],
    );
    let said = Said {
        policies: &policies,
        channels: &[],
    };
    let required = |region_name: &str| -> Vec<(String, String, usize)> {
        let region = region(region_name);
        let all = required(
            ("fleet", &holds),
            said,
            &region.region,
            &BTreeSet::from(["orders"]),
        );
        let told = all.into_iter().map(|it| (it.id, it.store, it.scopes.len()));
        told.collect()
    };
    let of = |hold: &str| (names::hold_id("fleet", hold), "orders".to_owned(), 1);
    assert_eq!(required("eu"), [of("same"), of("shared"), of("told")]);
    assert_eq!(required("us"), []);
}

/// A hold of two stores, with or without a release, and what is known of it.
fn of_two(release: bool, status: &Value) -> LegalHold {
    let release = if release { released() } else { Value::Null };
    hold(
        "h",
        &["orders", "chats"],
        json!({"release": release, "status": status}),
    )
}

/// A release is over when every store has answered the very task that releases, without a fault.
#[test]
fn a_release_is_over_when_every_store_has_recorded_it() {
    let task = |release: bool| {
        let plan = planned(of_two(release, &json!({})));
        let workloads = plan.regions["eu"].workloads().unwrap();
        workloads.config_map.name_any()
    };
    let (opens, releases) = (task(false), task(true));
    assert_ne!(opens, releases);
    let mut failed = over("chats");
    failed["reason"] = json!("StoreUnavailable");
    let done = json!([over("orders"), over("chats")]);
    let never = json!([{"name": "orders"}, {"name": "chats"}]);
    let one_holds = json!([over("orders"), in_force("chats")]);
    let one_failed = json!([over("orders"), failed]);
    let one_silent = json!([over("orders")]);
    for (about, release, task, stores, is_over) in [
        ("all have recorded it", true, &releases, &done, true),
        ("none was ever in force", true, &releases, &never, true),
        (
            "an answer to the task that opened it",
            true,
            &opens,
            &done,
            false,
        ),
        ("nobody has released it", false, &opens, &done, false),
        ("one still holds", true, &releases, &one_holds, false),
        (
            "one could not be asked",
            true,
            &releases,
            &one_failed,
            false,
        ),
        ("one has not answered", true, &releases, &one_silent, false),
    ] {
        let plan = planned(of_two(release, &told("eu", Some(task), stores)));
        let is_taken = word(&plan, "eu").as_deref() == Some("Released");
        assert_eq!(is_taken, is_over, "{about}: {:?}", plan.regions["eu"]);
        assert_eq!(
            plan.regions["eu"].workloads().is_some(),
            !is_over,
            "{about}"
        );
    }
}

/// Nothing to open and nothing to release is told as what it is: a scope without its store.
#[test]
fn a_hold_of_stores_that_are_not_there_says_so_and_runs_nothing() {
    for release in [Value::Null, released()] {
        let plan = planned(hold("h", &["nowhere"], json!({"release": release})));
        assert_eq!(
            word(&plan, "eu").as_deref(),
            Some("StoreNotFound"),
            "{release}"
        );
        assert!(plan.regions["eu"].workloads().is_none());
    }
}

#[test]
fn what_is_released_needs_no_values() {
    let scope = json!([{"name": "s", "store": "orders", "table": "public.orders", "column": "id",
        "valuesSecretRef": {"name": "who", "key": "ids"}}]);
    let secrets = |release: Value| -> Vec<String> {
        let plan = planned(hold("h", &[], json!({"scopes": scope, "release": release})));
        let job = &plan.regions["eu"].workloads().unwrap().job;
        let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        let volumes = pod.volumes.iter().flatten();
        let names = volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
        names.collect()
    };
    assert_eq!(secrets(Value::Null), ["db", "who"]);
    assert_eq!(secrets(released()), ["db"]);
}

/// A hold that goes keeps its Jobs' places only: it opens nothing on its way out.
#[test]
fn a_hold_that_is_deleted_begins_nothing() {
    let mut going = hold("h", &["orders"], Value::Null);
    going.metadata.deletion_timestamp = serde_json::from_value(json!(NOW)).unwrap();
    let plan = planned(going);
    assert_eq!(plan.deleting, Some(DeletionPolicy::Delete));
    assert!(plan.regions.is_empty(), "{:?}", plan.regions);
}

#[test]
fn a_request_waits_for_each_hold_of_its_databases_that_is_not_in_force() {
    let request = json!({"metadata": {"name": "r"}, "spec": {
        "kind": "Erasure", "received": "2026-11-01T09:00:00Z", "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": ["eu"]}});
    let request: DataSubjectRequest = serde_json::from_value(request).unwrap();
    let waits = |stores: &[&str], more: Value| {
        let one = hold("h", stores, more);
        let facts = RequestFacts {
            request: Arc::new(request.clone()),
            regions: BTreeMap::new(),
            channels: Vec::new(),
            policies: BTreeMap::new(),
            holds: [("h".to_owned(), Arc::new(one))].into(),
            requests: Vec::new(),
            packs: Arc::new(Packs::builtin().unwrap()),
            settings: settings(),
        };
        not_in_force(&facts, &region("eu").region, &BTreeSet::from(["orders"]))
    };
    let named = Some("h".to_owned());
    let status = |region: &str, stores: Value| json!({"status": told(region, None, &stores)});
    assert_eq!(
        waits(&["orders"], Value::Null),
        named,
        "nothing was told yet"
    );
    assert_eq!(
        waits(&["archive"], Value::Null),
        named,
        "of the same database"
    );
    assert_eq!(waits(&["chats"], Value::Null), None, "of another database");
    assert_eq!(
        waits(&["orders"], status("eu", json!([in_force("orders")]))),
        None
    );
    let elsewhere = status("us", json!([in_force("orders")]));
    assert_eq!(waits(&["orders"], elsewhere), named, "in force elsewhere");
    let other = status("eu", json!([in_force("chats")]));
    assert_eq!(waits(&["orders"], other), named, "another store holds");
    let ended = status("eu", json!([over("orders")]));
    assert_eq!(waits(&["orders"], ended), named, "no longer in force");
    assert_eq!(
        waits(&["orders"], json!({"release": released()})),
        None,
        "released"
    );
    assert_eq!(
        waits(&["orders"], json!({"selector": {"regions": ["us"]}})),
        None,
        "not for here"
    );
}
