//! Nothing that is wrong elsewhere keeps an erasure that was taken back from being ended.

use std::sync::Arc;

use serde_json::{Value, json};

use tradewind::api::{DataPolicy, DataSubjectRequest, Region};
use tradewind::plan::{self, RequestFacts};

use super::folder;
use super::world::World;

/// An erasure that was taken back in its midst.
fn midst() -> RequestFacts {
    let world = World::read(&folder("tests/plan/request-forgetting").join("given.yaml"));
    let key = "DataSubjectRequest dsr-2026-17";
    let request = world.requests()[key].clone();
    world.request_facts(key, &request)
}

fn change(facts: &mut RequestFacts, change: impl Fn([&mut Value; 3])) {
    let policy = facts.policies.values_mut().next().unwrap();
    let there = facts.regions.get_mut("eu-west").unwrap();
    let mut values = [
        serde_json::to_value(policy.as_ref()).unwrap(),
        serde_json::to_value(there.region.as_ref()).unwrap(),
        serde_json::to_value(facts.request.as_ref()).unwrap(),
    ];
    change(values.each_mut());
    let [shop, region, request] = values;
    *policy = Arc::new(serde_json::from_value::<DataPolicy>(shop).unwrap());
    there.region = Arc::new(serde_json::from_value::<Region>(region).unwrap());
    facts.request = Arc::new(serde_json::from_value::<DataSubjectRequest>(request).unwrap());
}

/// A recipient that knows persons by a kind that the region has not is told by those that it has, and without any by nobody.
#[test]
fn recipients_are_told_by_the_kinds_that_the_region_knows() {
    let mut facts = midst();
    change(&mut facts, |[policy, ..]| {
        let recipient = |name: &str, kinds: &[&str]| {
            json!({"name": name, "country": "DE", "identities": kinds,
                "http": {"url": "https://erp.aurora.example", "secretRef": {"name": "erp", "key": "secret"}}})
        };
        policy["spec"]["recipients"] = json!([
            recipient("erp", &["telephone", "email"]),
            recipient("crm", &["telephone"])
        ]);
    });
    let task = task(&facts).unwrap();
    let told = &task["spec"]["recipients"];
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!(
        (&told[0]["name"], &told[0]["identities"]),
        (&json!("shop/erp"), &json!(["email"]))
    );
    assert_eq!(task["spec"]["heldRecipients"], json!(["shop/crm"]));
}

/// An instrument that begins tomorrow is waited for, and one that begins next year is not.
#[test]
fn a_recipient_whose_instrument_begins_soon_is_told_then() {
    let told = |from: &str| {
        let mut facts = midst();
        change(&mut facts, |[policy, region, _]| {
            policy["spec"]["recipients"] = json!([{"name": "erp", "country": "IN", "identities": ["email"],
                "http": {"url": "https://erp.aurora.example", "secretRef": {"name": "erp", "key": "secret"}}}]);
            region["spec"]["transfers"] = json!([{"name": "india", "to": "IN", "instrument": "Scc", "reference": "contract 7",
                "validFrom": from, "validUntil": "2030-01-01"}]);
        });
        let spec = task(&facts).unwrap()["spec"].clone();
        let plan = plan::subject_request(&facts, "2026-11-22T10:00:00Z".parse().unwrap());
        let names = |field: &str| spec[field].as_array().map_or(0, Vec::len);
        let all = ["recipients", "comingRecipients", "heldRecipients"].map(names);
        (all, plan.wake_at.map(|at| at.to_string()))
    };
    assert_eq!(told("2026-11-22").0, [1, 0, 0]);
    let begins = Some("2026-11-22T23:00:00Z".to_owned());
    assert_eq!(told("2026-11-23"), ([0, 1, 0], begins));
    assert_eq!(told("2027-11-23").0, [0, 0, 1]);
}

/// The stores of the Job's task; nothing where there is no Job.
fn stores(facts: &RequestFacts) -> Option<Vec<Value>> {
    let task = task(facts)?;
    let stores = task["spec"]["stores"].as_array()?;
    Some(stores.iter().map(|store| store["name"].clone()).collect())
}

fn task(facts: &RequestFacts) -> Option<Value> {
    let plan = plan::subject_request(facts, "2026-11-22T10:00:00Z".parse().unwrap());
    let workloads = plan.regions["eu-west"].workloads()?;
    let pod = workloads.job.spec.as_ref()?.template.spec.as_ref()?;
    assert!(
        pod.containers[0]
            .args
            .as_ref()?
            .contains(&"--lift".to_owned())
    );
    serde_json::from_str(&workloads.config_map.data.as_ref()?["task.json"]).ok()
}

#[test]
fn an_erasure_is_ended_whatever_is_wrong_with_policies_and_with_the_request() {
    let facts = midst();
    let own = Some(vec![json!("aurora-orders")]);
    assert_eq!(stores(&facts), own);
    let ended = |make: &dyn Fn([&mut Value; 3])| {
        let mut facts = facts.clone();
        change(&mut facts, make);
        assert_eq!(stores(&facts), own);
    };
    // A rule of a store that the Region has not, of a kind that it does not know, of nobody.
    ended(&|[policy, ..]| policy["spec"]["rules"][0]["dataset"]["store"] = "elsewhere".into());
    let subjects = "/spec/rules/0/dataset/subjects";
    ended(&|[policy, ..]| {
        policy.pointer_mut(subjects).unwrap()[0]["identity"] = "telephone".into();
    });
    ended(&|[policy, ..]| {
        for rule in policy["spec"]["rules"].as_array_mut().unwrap() {
            rule["dataset"]["subjects"] = json!([]);
        }
    });
    // The request itself.
    ended(&|[.., request]| request["spec"]["holidays"] = json!(["2026-02-30"]));
    ended(&|[.., request]| request["spec"]["jurisdictions"] = json!(["Utopia"]));
    ended(&|[.., request]| request["spec"]["verified"] = Value::Null);
}

/// Each store of the Region is named, since the region's own books say where it was begun, and none whose Secret is gone
/// keeps the pod from starting.
#[test]
fn every_store_of_the_region_is_named_and_none_has_to_be_there() {
    let mut facts = midst();
    change(&mut facts, |[_, region, _]| {
        let stores = region["spec"]["dataStores"].as_array_mut().unwrap();
        stores.push(
            json!({"name": "old", "datasets": ["archive"], "postgres": {"secretRef": {"name": "old-db", "key": "url"}}}),
        );
    });
    assert_eq!(
        stores(&facts),
        Some(vec![json!("aurora-orders"), json!("old")])
    );
    let plan = plan::subject_request(&facts, "2026-11-22T10:00:00Z".parse().unwrap());
    let job = &plan.regions["eu-west"].workloads().unwrap().job;
    let text = serde_json::to_value(job).unwrap();
    let volumes = text["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .unwrap();
    // A plain volume has to be there.
    let is_optional = |secret: &str| {
        let mut all = volumes.iter();
        let named = all.find(|volume| volume.to_string().contains(secret));
        named.map(|volume| volume["secret"].is_null())
    };
    let told = ["aurora-orders-db", "old-db", "suppression-db"].map(is_optional);
    assert_eq!(told, [Some(true), Some(true), Some(false)], "{volumes:?}");
}
