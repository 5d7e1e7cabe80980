//! What no facts can make of a request: nothing runs before the person is known, and nothing after it has ended.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use tradewind::api::DataSubjectRequest;
use tradewind::plan::{self, RegionPlan, RequestFacts};
use tradewind::status;

use super::folder;
use super::world::World;

/// One choice each: whether it is recorded.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of the spec that is there or not"
)]
struct Chance {
    verified: bool,
    cancelled: bool,
    refused: bool,
    answered: bool,
    /// No law that asks for a notice; one, without a notice; sent; acknowledged a day ago; acknowledged three days ago.
    notice: u8,
    /// The region's key: none, the one that the ciphertext is to, another.
    key: u8,
    progress: Option<&'static str>,
    identity: bool,
}

/// A request that hides rows: which, what was recorded since, and what the region's books said last.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of the spec that is there or not"
)]
struct Hiding {
    objects: bool,
    verified: bool,
    cancelled: bool,
    refused: bool,
    /// Of a restriction that it was lifted; of an objection that it holds, with the one or the other measure.
    decided: Option<bool>,
    /// What was done there last, and how far it was.
    done: Option<(&'static str, &'static str)>,
}

fn hiding() -> impl Strategy<Value = Hiding> {
    let done = prop::sample::select(vec![
        ("Restrict", "Pending"),
        ("Restrict", "Failed"),
        ("Restrict", "Verified"),
        ("Lift", "Lifted"),
    ]);
    let flags = (any::<bool>(), any::<bool>(), any::<u8>(), any::<u8>());
    let more = (prop::option::of(any::<bool>()), prop::option::of(done));
    (flags, more).prop_map(|(flags, (decided, done))| {
        let refused = flags.3 % 4 == 0;
        Hiding {
            objects: flags.0,
            verified: flags.1 || done.is_some(),
            cancelled: flags.2 % 4 == 0,
            refused,
            // An objection is not upheld and refused.
            decided: decided.filter(|_| !(refused && flags.0)),
            done,
        }
    })
}

fn hidden(hiding: &Hiding) -> RequestFacts {
    let chance = Chance {
        verified: hiding.verified,
        cancelled: hiding.cancelled,
        refused: hiding.refused,
        answered: false,
        notice: 0,
        key: 1,
        progress: None,
        identity: true,
    };
    let (_, mut facts) = facts(&chance);
    let mut value = serde_json::to_value(facts.request.as_ref()).unwrap();
    let told = json!({"by": "dpo", "at": "2027-06-09T12:00:00Z", "ground": "g"});
    value["spec"]["kind"] = if hiding.objects {
        "Objection"
    } else {
        "Restriction"
    }
    .into();
    match hiding.decided {
        Some(erase) if hiding.objects => {
            value["spec"]["upheld"] = told;
            value["spec"]["upheld"]["measure"] = if erase { "Erase" } else { "Restrict" }.into();
        }
        Some(true) => value["spec"]["lifted"] = told,
        _ => {}
    }
    if let Some((action, progress)) = hiding.done {
        value["status"] = json!({"regions": [{
            "name": "eu-west", "state": "Run", "reason": "Progressing", "action": action, "progress": progress,
            "stores": [{"name": "aurora-orders", "tables": [{"name": "customers", "state": "Verified", "found": 3, "restricted": 3}]}]}]});
    }
    facts.request = Arc::new(serde_json::from_value(value).unwrap());
    facts
}

fn chance() -> impl Strategy<Value = Chance> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let progress = prop::option::of(prop::sample::select(vec![
        "Failed",
        "Pending",
        "LogicallyGone",
        "Held",
        "Kept",
        "Verified",
    ]));
    (flags, 0_u8..5, 0_u8..3, progress).prop_map(|(flags, notice, key, progress)| Chance {
        verified: flags.0,
        cancelled: flags.1 && flags.2,
        refused: flags.2 && flags.3,
        answered: flags.3,
        identity: flags.4 || flags.0,
        notice,
        key,
        progress,
    })
}

fn facts(chance: &Chance) -> (World, RequestFacts) {
    let file = folder("tests/plan/example-data-subject-request").join("given.yaml");
    let world = World::read(&file);
    let (name, request) = world.requests().into_iter().next().unwrap();
    let mut value = serde_json::to_value(request.as_ref()).unwrap();
    let spec = &mut value["spec"];
    let done = |at: &str| json!({"by": "dpo", "at": at});
    let own = spec["identity"][0]["recipient"].clone();
    if chance.notice > 0 {
        spec["jurisdictions"] = json!(["DE", "IN"]);
        spec["received"] = json!("2027-06-01T09:00:00Z");
    }
    if chance.notice > 1 {
        let sent = if chance.notice == 4 {
            "2027-06-07T10:00:00Z"
        } else {
            "2027-06-09T10:00:00Z"
        };
        spec["notice"] = json!({"sentAt": sent});
    }
    if chance.notice > 2 {
        spec["notice"]["acknowledged"] = done("2027-06-09T11:00:00Z");
    }
    for (field, set) in [("verified", chance.verified), ("answered", chance.answered)] {
        if set {
            spec[field] = done("2027-06-09T12:00:00Z");
        }
    }
    for (field, set) in [("cancelled", chance.cancelled), ("refusal", chance.refused)] {
        if set {
            spec[field] = json!({"by": "dpo", "at": "2027-06-09T12:00:00Z", "ground": "g"});
        }
    }
    if !chance.identity {
        spec["identity"] = json!([]);
    }
    if let Some(progress) = chance.progress {
        value["status"] = json!({"regions": [{
            "name": "eu-west", "state": "Run", "reason": "Progressing", "progress": progress, "stores": [{"name": "aurora-orders",
                "tables": [{"name": "customers", "state": progress, "found": 3, "erased": 3}]}]}]});
    }
    let request: DataSubjectRequest = serde_json::from_value(value).unwrap();
    let mut facts = world.request_facts(&name, &Arc::new(request));
    let at = facts.regions.get_mut("eu-west").unwrap();
    let mut region = serde_json::to_value(at.region.as_ref()).unwrap();
    region["status"]["requests"] = match chance.key {
        0 => Value::Null,
        1 => json!({"recipient": own}),
        _ => json!({"recipient": "age1pppppppppp"}),
    };
    at.region = Arc::new(serde_json::from_value(region).unwrap());
    (world, facts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_request_runs_only_for_a_person_who_is_known_and_until_it_has_ended(chance in chance()) {
        let now = "2027-06-10T10:00:00Z".parse().unwrap();
        let (_, facts) = facts(&chance);
        let plan = plan::subject_request(&facts, now);
        let has_ended = chance.cancelled || chance.refused || matches!(chance.progress, Some("Kept" | "Verified"));
        let may = chance.verified && !has_ended && chance.identity && chance.key == 1 && matches!(chance.notice, 0 | 4);
        let decided = &plan.regions["eu-west"];
        prop_assert_eq!(matches!(decided, RegionPlan::Run(_)), may, "{:?}", decided.reason());
        // Whatever runs is taken away where nothing may run any more, and never merely kept.
        if has_ended || !chance.verified {
            prop_assert!(matches!(decided, RegionPlan::Withdraw(_)), "{:?}", decided.reason());
        }
        // The same facts, the same bytes; and a task that the agent reads.
        if let Some(workloads) = decided.workloads() {
            let again = plan::subject_request(&facts, now);
            prop_assert_eq!(again.regions["eu-west"].workloads(), Some(workloads));
            let data = workloads.config_map.data.as_ref().unwrap();
            let task: Result<tradewind::contract::Task<tradewind::contract::Erase>, _> = serde_json::from_str(&data["task.json"]);
            prop_assert!(task.is_ok(), "{:?}", task.err());
            prop_assert_eq!(&data["identity.age"], &facts.request.spec.identity[0].ciphertext);
        }
        // A receipt is told where it has ended, once, and its numbers are the regions'.
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let seen = std::collections::BTreeMap::new();
        let told = status::subject_request(&plan, &clocks, &seen, &facts.request, now).status;
        prop_assert_eq!(told.receipt.is_some(), has_ended, "{:?}", told.state);
        let found = if chance.progress.is_some() { 3 } else { 0 };
        prop_assert_eq!(told.receipt.as_ref().map_or(found, |receipt| receipt.found), found);
        let mut later = facts.request.as_ref().clone();
        later.status = Some(told.clone());
        let again = status::subject_request(&plan, &clocks, &seen, &later, "2027-06-11T10:00:00Z".parse().unwrap());
        prop_assert_eq!(again.status.receipt, told.receipt);
    }

    #[test]
    fn what_a_request_has_hidden_is_shown_again_when_it_ends_and_not_before(hiding in hiding()) {
        let now = "2027-06-10T10:00:00Z".parse().unwrap();
        let facts = hidden(&hiding);
        let plan = plan::subject_request(&facts, now);
        let ends = hiding.cancelled || hiding.refused || (!hiding.objects && hiding.decided == Some(true));
        let erases = !ends && hiding.objects && hiding.decided == Some(true);
        let wanted = match (ends, hiding.done) {
            // Nothing was begun, or all is shown already.
            (true, None | Some(("Lift", _))) => None,
            (true, Some(_)) => Some(("Restriction", "dsr-2026-17", true)),
            _ if !hiding.verified => None,
            (false, _) if erases => Some(("Erasure", "dsr-2026-17_erasure", false)),
            (false, Some(("Restrict", "Verified"))) => None,
            (false, _) => Some(("Restriction", "dsr-2026-17", false)),
        };
        let decided = &plan.regions["eu-west"];
        let told = decided.workloads().map(|workloads| {
            let data = workloads.config_map.data.as_ref().unwrap();
            let task: Value = serde_json::from_str(&data["task.json"]).unwrap();
            let pod = workloads.job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            let lifts = pod.containers[0].args.as_ref().unwrap().iter().any(|arg| arg == "--lift");
            // Who it is goes only where somebody is to be found by it.
            assert_eq!(data.contains_key("identity.age"), !lifts);
            let request = task["spec"]["request"].clone();
            (request["kind"].clone(), request["reference"].clone(), lifts)
        });
        let wanted = wanted.map(|(kind, reference, lifts)| (json!(kind), json!(reference), lifts));
        prop_assert_eq!(told, wanted, "{:?}", decided.reason());
        // There is a receipt when it has ended, and not while an objection is to be decided.
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let seen = std::collections::BTreeMap::new();
        let status = status::subject_request(&plan, &clocks, &seen, &facts.request, now).status;
        let is_over = match hiding.done {
            None => ends,
            Some((action, _)) if ends => action == "Lift",
            Some(done) => !erases && done == ("Restrict", "Verified") && !(hiding.objects && hiding.decided.is_none()),
        };
        prop_assert_eq!(status.receipt.is_some(), is_over, "{:?}", status.state);
    }
}
