#![allow(
    clippy::needless_pass_by_value,
    reason = "fixtures read best with literals"
)]

use super::*;
use crate::api::CredentialsLocation;
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn region(name: &str, labels: Value) -> Arc<Region> {
    read(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "jurisdictions": ["DE"], "cluster": {"kubeconfigSecretRef": {"name": format!("{name}-kubeconfig")}},
            "runNamespace": "runs",
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
        },
    }))
}

fn channel(namespace: &str, name: &str, regions: Value, told: &[&str]) -> Arc<SocialChannel> {
    let told: Vec<Value> = told
        .iter()
        .map(|name| json!({"name": name, "state": "Run", "reason": "Running"}))
        .collect();
    read(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "platform": {"name": "Generic"}, "credentialsRef": {"name": "keys"}, "regions": regions,
        },
        "status": {"regions": told},
    }))
}

fn policy(name: &str, selector: Value, told: &[&str]) -> Arc<DataPolicy> {
    let told: Vec<Value> = told
        .iter()
        .map(|name| json!({"name": name, "state": "Run", "reason": "Running"}))
        .collect();
    read(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": name},
        "spec": {
            "regimes": ["eu-gdpr"], "selector": selector, "rules": [],
            "retention": {"schedule": "0 2 * * *"},
        },
        "status": {"regions": told},
    }))
}

fn key(namespace: &str, name: &str) -> Key {
    Key::Channel {
        namespace: namespace.into(),
        name: name.into(),
    }
}

#[test]
fn a_region_wakes_whoever_chooses_or_remembers_it() {
    let channels = [
        channel("a", "by-name", json!({"names": ["eu"]}), &[]),
        channel(
            "a",
            "by-label",
            json!({"selector": {"matchLabels": {"tier": "one"}}}),
            &[],
        ),
        channel(
            "a",
            "by-memory",
            json!({"selector": {"matchLabels": {"tier": "two"}}}),
            &["eu"],
        ),
        channel("a", "elsewhere", json!({"names": ["us"]}), &["us"]),
    ];
    let policies = [policy("p", json!({"regions": ["us"]}), &[])];
    let eu = region("eu", json!({"tier": "one"}));
    let woken = region_changed("eu", Some(&eu), &channels, &policies, &["us".into()]);
    let wanted = BTreeSet::from([
        Key::Region("eu".into()),
        Key::Region("us".into()),
        Key::Policy("p".into()),
        key("a", "by-name"),
        key("a", "by-label"),
        key("a", "by-memory"),
    ]);
    assert_eq!(woken, wanted);
    let gone = region_changed("eu", None, &channels, &policies, &[]);
    assert!(gone.contains(&key("a", "by-name")) && gone.contains(&key("a", "by-memory")));
    assert!(!gone.contains(&key("a", "by-label")));
    assert!(reach_changed(&eu, &channels, &policies).contains(&key("a", "by-label")));
}

#[test]
fn a_policy_wakes_every_channel_that_it_may_cover_and_every_policy_that_it_may_bind() {
    let channels = [channel("a", "one", json!({"names": ["eu"]}), &[])];
    let policies = [policy("other", json!({"regions": ["eu"]}), &[])];
    let woken = policy_changed("p", &channels, &policies);
    let wanted = [
        key("a", "one"),
        Key::Policy("other".into()),
        Key::Policy("p".into()),
    ];
    assert_eq!(woken, BTreeSet::from(wanted));
}

#[test]
fn a_channel_wakes_itself_and_every_policy() {
    let policies = [
        policy("labels", json!({"channelLabels": {"brand": "a"}}), &[]),
        policy("regions", json!({"regions": ["eu"]}), &[]),
    ];
    let one = channel("a", "one", json!({"names": ["eu"]}), &["eu"]);
    let wanted = [
        key("a", "one"),
        Key::Policy("labels".into()),
        Key::Policy("regions".into()),
    ];
    assert_eq!(channel_changed(&one, &policies), BTreeSet::from(wanted));
}

#[test]
fn a_region_wakes_the_channels_that_send_what_rests_on_its_law() {
    let mut eu = (*region("eu", json!({}))).clone();
    let transfer = json!({"name": "us", "to": "us", "instrument": "Scc", "reference": "r"});
    eu.spec.transfers = vec![serde_json::from_value(transfer).unwrap()];
    let regions = [Arc::new(eu), region("us", json!({}))];
    let channels = [
        channel("a", "in-eu", json!({"names": ["eu"]}), &[]),
        channel("a", "was-in-eu", json!({"names": ["br"]}), &["eu"]),
        channel("a", "in-us", json!({"names": ["us"]}), &[]),
    ];
    let woken = transfer_goal_changed("us", &channels, &regions);
    assert_eq!(
        woken,
        BTreeSet::from([key("a", "in-eu"), key("a", "was-in-eu")])
    );
    assert!(transfer_goal_changed("eu", &channels, &regions).is_empty());
}

#[test]
fn a_secret_wakes_the_channels_of_its_namespace_that_name_it() {
    let channels = [
        channel("a", "one", json!({"names": ["eu"]}), &[]),
        channel("b", "other-namespace", json!({"names": ["eu"]}), &[]),
    ];
    assert_eq!(
        secret_changed("a", "keys", &channels),
        BTreeSet::from([key("a", "one")])
    );
    assert_eq!(secret_changed("a", "other", &channels), BTreeSet::new());
    let mut regional = (*channels[0]).clone();
    let credentials = regional.spec.credentials_ref.as_mut().unwrap();
    credentials.location = Some(CredentialsLocation::Region);
    assert_eq!(
        secret_changed("a", "keys", &[Arc::new(regional)]),
        BTreeSet::new()
    );
}

#[test]
fn a_hold_wakes_every_policy_and_itself() {
    let policies = [
        policy("one", json!({"regions": ["eu"]}), &[]),
        policy("two", json!({"jurisdictions": ["US"]}), &[]),
    ];
    let woken = [
        Key::Policy("one".into()),
        Key::Policy("two".into()),
        Key::Hold("case".into()),
    ];
    assert_eq!(hold_changed("case", &policies), BTreeSet::from(woken));
}

#[test]
fn a_kubeconfig_wakes_its_region() {
    let regions = [region("eu", json!({})), region("us", json!({}))];
    assert_eq!(
        kubeconfig_changed("us-kubeconfig", &regions),
        BTreeSet::from([Key::Region("us".into())])
    );
}

#[test]
fn a_child_is_whose_its_labels_say_and_of_this_fleet() {
    let labels = |fleet: &str, kind: &str, namespace: &str, name: &str| {
        crate::plan::Identity {
            fleet,
            kind,
            namespace,
            name,
        }
        .labels()
    };
    for (given, wanted) in [
        (
            labels("f", "SocialChannel", "a", "one"),
            Some(key("a", "one")),
        ),
        (
            labels("f", "DataPolicy", "", "p"),
            Some(Key::Policy("p".into())),
        ),
        (
            labels("f", "LegalHold", "", "h"),
            Some(Key::Hold("h".into())),
        ),
        (labels("f", "LegalHold", "a", "h"), None),
        (
            labels("f", "Region", "", "eu"),
            Some(Key::Region("eu".into())),
        ),
        (labels("f", "Region", "a", "eu"), None),
        (labels("f", "DataSubjectRequest", "a", "r"), None),
        (
            labels("f", "DataSubjectRequest", "", "r"),
            Some(Key::Request("r".into())),
        ),
        (labels("g", "SocialChannel", "a", "one"), None),
        (labels("f", "SocialChannel", "", "one"), None),
        (labels("f", "DataPolicy", "a", "p"), None),
        (labels("f", "Deployment", "a", "one"), None),
        (labels("f", "SocialChannel", "a", ""), None),
        (BTreeMap::new(), None),
    ] {
        assert_eq!(child_changed("f", &given), wanted, "{given:?}");
    }
    assert_eq!(
        child_changed("", &labels("", "SocialChannel", "a", "one")),
        None
    );
}

#[test]
fn a_request_is_settled_when_nobody_waits_for_it_any_more() {
    let done = json!({"by": "privacy@aurora.example", "at": "2026-11-20T08:00:00Z"});
    let receipt = json!({"at": "2026-11-20T08:00:00Z", "outcome": "Done", "found": 1, "erased": 1, "kept": 0, "held": 0,
        "blocked": 0, "failed": 0, "gone": 0, "remaining": 0, "hash": "sha256-1"});
    let ended = json!({
        "metadata": {"name": "dsr-1"},
        "spec": {"kind": "Erasure", "received": "2026-11-01T08:00:00Z", "jurisdictions": ["DE"],
            "timeZone": "Europe/Berlin", "regions": ["eu"], "answered": done},
        "status": {"state": "Done", "receipt": receipt, "regions": [{"name": "eu", "state": "Run", "reason": "Verified"}]},
    });
    assert!(is_settled(&read(ended.clone())));
    for state in ["Done", "Refused", "Cancelled", "Lifted"] {
        let mut other = ended.clone();
        other["status"]["state"] = state.into();
        assert!(is_settled(&read(other)), "{state}");
    }
    let left = json!([{"kind": "Job.batch", "namespace": "runs", "name": "x", "uid": "u"}]);
    let copy = json!({"manifest": "copies/dsr-1.manifest.json", "hash": "sha256-1", "expiresAt": "2026-12-01T08:00:00Z"});
    let known = json!([{"region": "eu", "recipient": "age1q", "ciphertext": "Q0lQSEVS"}]);
    for (at, value) in [
        ("/spec/answered", Value::Null),
        ("/status/receipt", Value::Null),
        // A restriction or an opt-out that is to be lifted in a region that does not answer has the receipt of before.
        ("/status/state", json!("Working")),
        ("/status/regions/0/inventory", left),
        ("/status/regions/0/delivered", copy),
        ("/spec/identity", known),
        ("/metadata/deletionTimestamp", json!("2026-11-21T08:00:00Z")),
    ] {
        let mut open = ended.clone();
        let (parent, key) = at.rsplit_once('/').unwrap();
        let parent = open.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.unwrap().insert(key.to_owned(), value);
        assert!(!is_settled(&read(open)), "{at}");
    }
}
