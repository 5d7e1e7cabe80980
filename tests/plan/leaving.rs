//! What a request leaves in the regions goes before its object does, and what a copy that came to no end has put into a bucket
//! goes at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use tradewind::api::DataSubjectRequest;
use tradewind::plan::{self, RegionPlan, RequestFacts};
use tradewind::status::{self, Seen};

use super::folder;
use super::world::World;

const NOW: &str = "2026-11-25T10:00:00Z";

/// A case's request, with changes of its spec and of its region's entry; deleted, or not.
fn facts(case: &str, spec: &Value, entry: &Value, is_deleted: bool) -> RequestFacts {
    let world = World::read(&folder("tests/plan").join(case).join("given.yaml"));
    let key = "DataSubjectRequest dsr-2026-17";
    let mut value = serde_json::to_value(world.requests()[key].as_ref()).unwrap();
    for (place, changes) in [("/spec", spec), ("/status/regions/0", entry)] {
        let place = value.pointer_mut(place).unwrap();
        for (field, set) in changes.as_object().into_iter().flatten() {
            place[field] = set.clone();
        }
    }
    if is_deleted {
        value["metadata"]["deletionTimestamp"] = json!("2026-11-25T09:59:00Z");
    }
    let request: DataSubjectRequest = serde_json::from_value(value).unwrap();
    world.request_facts(key, &Arc::new(request))
}

/// Of the Job: its kind of request, whether it lifts, and whether a copy is withdrawn; or why there is none.
fn planned(facts: &RequestFacts) -> Result<(String, bool, bool), String> {
    let plan = plan::subject_request(facts, NOW.parse().unwrap());
    let Some(decided) = plan.regions.get("eu-west") else {
        return Err("not there".to_owned());
    };
    let RegionPlan::Run(workloads) = decided else {
        return Err(decided.reason().unwrap().word.clone());
    };
    let data = workloads.config_map.data.as_ref().unwrap();
    let task: Value = serde_json::from_str(&data["task.json"]).unwrap();
    let pod = workloads.job.spec.as_ref().unwrap().template.spec.as_ref();
    let args = pod.unwrap().containers[0].args.as_ref().unwrap();
    let request = &task["spec"]["request"];
    Ok((
        request["kind"].as_str().unwrap().to_owned(),
        args.contains(&"--lift".to_owned()),
        request["delivery"]["withdrawn"] == true,
    ))
}

#[allow(clippy::unnecessary_wraps, reason = "compared with what may be none")]
fn lifts(kind: &str, is_withdrawn: bool) -> Option<(String, bool, bool)> {
    Some((kind.to_owned(), true, is_withdrawn))
}

fn none(why: &str) -> Result<(String, bool, bool), String> {
    Err(why.to_owned())
}

/// Whether the object may go by what is planned, where nothing of it is in the region's cluster.
fn may_go(facts: &RequestFacts) -> bool {
    let now = NOW.parse().unwrap();
    let plan = plan::subject_request(facts, now);
    let clocks = plan::clocks(&facts.request, &facts.packs, now);
    let seen = plan.regions.keys().map(|region| {
        let seen = Seen::Known {
            children: status::RequestObserved::default(),
            inventory: Vec::new(),
            troubles: Vec::new(),
        };
        (region.clone(), seen)
    });
    let seen: BTreeMap<_, _> = seen.collect();
    status::subject_request(&plan, &clocks, &seen, &facts.request, now).finished
}

#[test]
fn an_erasure_that_is_deleted_in_its_midst_is_ended_first() {
    let case = "request-forgetting";
    let nobody = json!({"cancelled": null});
    let of = |entry: &Value| facts(case, &nobody, entry, true);
    let held = of(&json!({}));
    assert_eq!(planned(&held).ok(), lifts("Erasure", false));
    assert!(!may_go(&held));
    let forgotten = of(&json!({"action": "Forget", "progress": "Forgotten"}));
    assert_eq!(planned(&forgotten), none("not there"));
    assert!(may_go(&forgotten));
    // Who is gone is known nowhere any more, and of who was never looked for nothing is there.
    for entry in [
        json!({"progress": "Verified"}),
        json!({"action": null, "progress": null}),
    ] {
        let over = of(&entry);
        assert_eq!(planned(&over), none("not there"), "{entry}");
        assert!(may_go(&over));
    }
    // What a restriction has hidden stays so.
    let hidden = facts(
        case,
        &json!({"cancelled": null, "kind": "Restriction"}),
        &json!({"action": "Restrict", "progress": "Verified"}),
        true,
    );
    assert_eq!(planned(&hidden), none("not there"));
    // A pause of the region is waited for.
    let mut paused = of(&json!({}));
    let there = paused.regions.get_mut("eu-west").unwrap();
    let mut region = serde_json::to_value(there.region.as_ref()).unwrap();
    region["spec"]["suspend"] = json!({"reason": "r", "by": "b"});
    there.region = Arc::new(serde_json::from_value(region).unwrap());
    assert_eq!(planned(&paused), none("RegionSuspended"));
    assert!(!may_go(&paused));
    // A region that is gone for good keeps nothing from going.
    let mut gone = of(&json!({}));
    gone.regions.clear();
    assert_eq!(planned(&gone), none("not there"));
    assert!(may_go(&gone));
}

#[test]
fn a_copy_goes_with_its_request_and_half_a_copy_with_what_ended_it() {
    let case = "request-copy-expired";
    let half = json!({"progress": null, "delivered": null, "reportedAt": null});
    let back = json!({"cancelled": {"by": "dpo", "at": "2026-11-24T10:00:00Z", "ground": "g"}});
    let whole = facts(case, &json!({}), &json!({}), false);
    // Its time has not come.
    assert_eq!(planned(&whole), none("Fulfilled"));
    let deleted = facts(case, &json!({}), &json!({}), true);
    assert_eq!(planned(&deleted).ok(), lifts("Access", true));
    assert!(!may_go(&deleted));
    let mut delivered =
        serde_json::to_value(&whole.request.status.as_ref().unwrap().regions[0]).unwrap();
    delivered["delivered"]["removedAt"] = json!("2026-11-25T09:00:00Z");
    let removed = facts(case, &json!({}), &delivered, true);
    assert_eq!(planned(&removed), none("not there"));
    assert!(may_go(&removed));

    assert_eq!(
        planned(&facts(case, &back, &half, false)).ok(),
        lifts("Access", true)
    );
    assert_eq!(
        planned(&facts(case, &json!({}), &half, true)).ok(),
        lifts("Access", true)
    );
    let gone = json!({"progress": "Removed", "delivered": null, "reportedAt": null});
    assert_eq!(
        planned(&facts(case, &back, &gone, false)),
        none("Cancelled")
    );
    assert!(may_go(&facts(case, &back, &gone, true)));
    // Nothing was begun.
    let never = json!({"action": null, "progress": null, "delivered": null, "reportedAt": null});
    assert_eq!(
        planned(&facts(case, &back, &never, false)),
        none("Cancelled")
    );
    // It was whole when the person took the request back: it is theirs, until it expires.
    assert_eq!(
        planned(&facts(case, &back, &json!({}), false)),
        none("Fulfilled")
    );
    // The gate is closed: the instrument for the bucket's country has ended.
    let ended = json!({"identity": [{"region": "eu-west", "recipient": "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq", "ciphertext": "Q0lQSEVS"}]});
    let mut closed = facts(case, &ended, &half, false);
    assert_eq!(planned(&closed).map(|it| it.1), Ok(false), "it is made");
    let there = closed.regions.get_mut("eu-west").unwrap();
    let mut region = serde_json::to_value(there.region.as_ref()).unwrap();
    region["spec"]["transfers"] = json!([]);
    there.region = Arc::new(serde_json::from_value(region).unwrap());
    assert_eq!(planned(&closed).ok(), lifts("Access", true));
}

/// A copy that was delivered is looked for where it was put, and nowhere else: that the spec names another place is told at
/// once, and nothing is called removed. Who deletes the object may write a bucket that is there.
#[test]
fn a_copy_is_not_taken_away_from_where_it_never_was() {
    let delivered = |expires_at: &str, place: &Value| {
        json!({"delivered": {"manifest": "eu-west/dsr-2026-17-eu-west.manifest.json", "hash": "sha256-00",
            "expiresAt": expires_at, "place": place}})
    };
    let own = json!("s3://copies/eu-west/dsr-2026-17-eu-west");
    let store = |url: &str, prefix: &str| {
        json!({"delivery": {"objectStore": {"country": "IN", "url": url, "prefix": prefix, "credentialsRef": {"name": "other"}},
            "recipient": "age1pppppppppp", "expiresAfter": "P30D"}})
    };
    let of = |expires_at: &str, spec: &Value, is_deleted: bool| {
        let entry = delivered(expires_at, &own);
        let facts = facts("request-copy-expired", spec, &entry, is_deleted);
        let plan = plan::subject_request(&facts, NOW.parse().unwrap());
        let told = plan.findings.iter().map(|it| it.reason.word.clone());
        (planned(&facts), told.collect::<Vec<_>>())
    };
    let (past, coming) = ("2026-11-24T12:00:00Z", "2026-12-22T12:00:00Z");
    let elsewhere = vec!["CopyElsewhere".to_owned()];
    // Another Secret, and the folder written out, lead to the same place.
    for same in [
        store("s3://copies", "{region}"),
        store("s3://copies", "eu-west/"),
    ] {
        assert_eq!(of(past, &same, false).0.ok(), lifts("Access", false));
        assert_eq!(of(coming, &same, false).1, Vec::<String>::new());
    }
    for other in [store("s3://new", "{region}"), store("s3://copies", "new")] {
        assert_eq!(
            of(past, &other, false),
            (none("CopyElsewhere"), elsewhere.clone())
        );
        let (job, told) = of(coming, &other, false);
        assert!(job.is_err() && told == elsewhere, "{job:?}");
        for at in [past, coming] {
            assert_eq!(of(at, &other, true).0.ok(), lifts("Access", true));
        }
        // An earlier release did not say where it put a copy.
        let before = delivered(past, &Value::Null);
        let facts = facts("request-copy-expired", &other, &before, false);
        assert_eq!(planned(&facts).ok(), lifts("Access", false));
    }
}
