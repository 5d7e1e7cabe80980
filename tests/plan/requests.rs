//! What no facts can make of a request: nothing runs before the person is known, and nothing after it has ended.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use tradewind::api::{DataSubjectRequest, DataSubjectRequestStatus, RequestReceipt};
use tradewind::plan::{self, RegionPlan, RequestFacts};
use tradewind::status;

use super::folder;
use super::world::World;

/// Methods with their columns, one of each policy; the method and the columns that come of them.
type Said<'a> = (&'a [(&'a str, Value)], &'a str, &'a str);

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
    /// Whether status says of the progress that it is an erasure's, as it has since there is more than erasures.
    told: bool,
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
        told: true,
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
        told: flags.1,
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
        if chance.told {
            value["status"]["regions"][0]["action"] = "Erase".into();
        }
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
        let is_gone = matches!(chance.progress, Some("Kept" | "Verified"));
        // Ended in its midst: who the person is is kept no longer, whatever is recorded, and that needs no identity.
        let forgets = (chance.cancelled || chance.refused) && chance.told && chance.progress.is_some() && !is_gone;
        let decided = &plan.regions["eu-west"];
        prop_assert_eq!(matches!(decided, RegionPlan::Run(_)), may || forgets, "{:?}", decided.reason());
        // Whatever runs is taken away where nothing may run any more, and never merely kept.
        if !forgets && (has_ended || !chance.verified) {
            prop_assert!(matches!(decided, RegionPlan::Withdraw(_)), "{:?}", decided.reason());
        }
        // The same facts, the same bytes; and a task that the agent reads.
        if let Some(workloads) = decided.workloads() {
            let again = plan::subject_request(&facts, now);
            prop_assert_eq!(again.regions["eu-west"].workloads(), Some(workloads));
            let data = workloads.config_map.data.as_ref().unwrap();
            let task: Result<tradewind::contract::Task<tradewind::contract::Erase>, _> = serde_json::from_str(&data["task.json"]);
            prop_assert!(task.is_ok(), "{:?}", task.err());
            let carried = data.get("identity.age");
            let own = facts.request.spec.identity.first().map(|one| &one.ciphertext);
            prop_assert_eq!(carried, own.filter(|_| !forgets));
        }
        // A receipt is told where it has ended, once, and its numbers are the regions'.
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let seen = std::collections::BTreeMap::new();
        let told = status::subject_request(&plan, &clocks, &seen, &facts.request, now).status;
        prop_assert_eq!(told.receipt.is_some(), has_ended && !forgets, "{:?}", told.state);
        let found = if chance.progress.is_some() { 3 } else { 0 };
        prop_assert_eq!(told.receipt.as_ref().map_or(found.into(), |receipt| receipt.found), found);
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

/// A request that may run: the person is known, and nothing stands in its way.
pub(super) fn ready() -> RequestFacts {
    let chance = Chance {
        verified: true,
        cancelled: false,
        refused: false,
        answered: false,
        notice: 0,
        key: 1,
        progress: None,
        told: true,
        identity: true,
    };
    facts(&chance).1
}

/// The same request under another name, made at that moment, with that in its spec.
pub(super) fn another(
    own: &DataSubjectRequest,
    name: &str,
    made: &str,
    more: &Value,
) -> DataSubjectRequest {
    let mut value = serde_json::to_value(own).unwrap();
    value["metadata"]["name"] = json!(name);
    value["metadata"]["creationTimestamp"] = json!(made);
    for (field, set) in more.as_object().into_iter().flatten() {
        value["spec"][field] = set.clone();
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn what_was_asked_twice_is_done_once_by_the_older_request() {
    let facts = ready();
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let made = "2027-06-02T09:00:00Z";
    let own = another(&facts.request, "m", made, &Value::Null);
    let word = |other: DataSubjectRequest| {
        let mut facts = facts.clone();
        facts.request = Arc::new(own.clone());
        facts.requests = vec![facts.request.clone(), Arc::new(other)];
        let plan = plan::subject_request(&facts, at);
        let reason = plan.regions["eu-west"].reason();
        (reason.map(|it| it.word.clone()), plan::is_spent(&facts, at))
    };
    let told = json!({"by": "dpo", "at": "2027-06-09T12:00:00Z", "ground": "g"});
    let mut stranger = serde_json::to_value(&own.spec.identity).unwrap();
    stranger[0]["ciphertext"] = json!("-----BEGIN AGE ENCRYPTED FILE-----\nanother");
    let older = "2027-06-01T09:00:00Z";
    for (about, name, made, more, is_same) in [
        ("an older one", "z", older, Value::Null, true),
        (
            "as old, and its name comes first",
            "a",
            made,
            Value::Null,
            true,
        ),
        (
            "as old, and its name comes last",
            "z",
            made,
            Value::Null,
            false,
        ),
        (
            "a younger one",
            "a",
            "2027-06-03T09:00:00Z",
            Value::Null,
            false,
        ),
        (
            "one that asks for something else",
            "a",
            older,
            json!({"kind": "Access"}),
            false,
        ),
        (
            "one of which nobody knows yet who the person is",
            "a",
            older,
            json!({"verified": null}),
            false,
        ),
        (
            "one that runs in more regions",
            "a",
            older,
            json!({"regions": ["eu-west", "us-east"]}),
            true,
        ),
        (
            "one that does not run in this one's regions",
            "a",
            older,
            json!({"regions": ["us-east"]}),
            false,
        ),
        (
            "one that was taken back",
            "a",
            older,
            json!({"cancelled": told}),
            false,
        ),
        (
            "one that was refused",
            "a",
            older,
            json!({"refusal": told}),
            false,
        ),
        (
            "somebody else's",
            "a",
            older,
            json!({"identity": stranger}),
            false,
        ),
    ] {
        let (word, is_spent) = word(another(&own, name, made, &more));
        assert_eq!(word.as_deref(), is_same.then_some("Duplicate"), "{about}");
        assert!(!is_spent, "{about}: the older one has not ended");
    }
    // Once the older one has its receipt, nobody needs to know any more who the person is.
    let mut ended = another(&own, "a", older, &Value::Null);
    ended.status = Some(DataSubjectRequestStatus {
        receipt: Some(RequestReceipt::default()),
        ..DataSubjectRequestStatus::default()
    });
    assert!(word(ended).1);
}

/// The hash of the ciphertexts does not depend on their order, and is remembered when they are gone.
#[test]
fn ciphertexts_are_known_again_in_any_order_and_when_they_are_gone() {
    let own = ready().request;
    let one = &own.spec.identity[0];
    let mut two = own.as_ref().clone();
    let mut second = one.clone();
    second.region = "us-east".into();
    two.spec.identity.push(second);
    let mut turned = two.clone();
    turned.spec.identity.reverse();
    let hash = plan::identity_hash(&two).unwrap();
    assert_eq!(plan::identity_hash(&turned), Some(hash.clone()));
    assert_ne!(plan::identity_hash(&own), Some(hash.clone()));
    // Neither does what stands in one member pass for the other's.
    let mut moved = two.clone();
    moved.spec.identity[0].ciphertext.push('u');
    assert_ne!(plan::identity_hash(&moved), Some(hash.clone()));
    let mut gone = two;
    gone.spec.identity.clear();
    assert_eq!(plan::identity_hash(&gone), None);
    gone.status = Some(DataSubjectRequestStatus {
        identity_hash: Some(hash.clone()),
        ..DataSubjectRequestStatus::default()
    });
    assert_eq!(plan::identity_hash(&gone), Some(hash));
}

/// A request that is deleted begins nowhere, and goes from where it was; its numbers are told to the end.
#[test]
fn a_request_that_is_deleted_goes_from_where_it_was() {
    let facts = ready();
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let mut request = serde_json::to_value(facts.request.as_ref()).unwrap();
    request["metadata"]["deletionTimestamp"] = json!("2027-06-10T09:00:00Z");
    let planned = |inventory: &Value| {
        let mut request = request.clone();
        request["status"] = json!({"regions": [
            {"name": "eu-west", "state": "Run", "reason": "Progressing", "progress": "Verified", "inventory": inventory},
            {"name": "left", "state": "Run", "reason": "Progressing", "progress": "Kept", "inventory": []}]});
        let mut facts = facts.clone();
        facts.request = Arc::new(serde_json::from_value(request).unwrap());
        let plan = plan::subject_request(&facts, at);
        let clocks = plan::clocks(&facts.request, &facts.packs, at);
        let seen = std::collections::BTreeMap::new();
        let status = status::subject_request(&plan, &clocks, &seen, &facts.request, at).status;
        let names: Vec<String> = status.regions.into_iter().map(|entry| entry.name).collect();
        (plan.regions, names)
    };
    let entry = json!({"kind": "ConfigMap", "namespace": "runs", "name": "x", "uid": "u"});
    let (regions, names) = planned(&json!([entry]));
    assert!(matches!(regions["eu-west"], RegionPlan::Withdraw(_)));
    assert_eq!(
        (regions.len(), names),
        (1, vec!["eu-west".to_owned(), "left".to_owned()])
    );
    let (regions, names) = planned(&json!([]));
    assert_eq!((regions.len(), names.len()), (0, 2));
}

/// Whose law nobody has an instrument of keeps who they are where they are; to show rows again nobody needs to be known.
#[test]
fn who_the_person_is_crosses_no_border_without_an_instrument() {
    let base = ready();
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let own = serde_json::to_value(base.regions["eu-west"].region.as_ref()).unwrap();
    let laws = own["spec"]["jurisdictions"].as_array().unwrap().clone();
    // Regions under another law, each with the countries to which it has an instrument, and until when.
    let of = |law: &str, origins: &[&[(&Value, Value)]], spec: &Value, status: &Value| {
        let mut facts = base.clone();
        for (number, to) in origins.iter().enumerate() {
            let name = format!("origin-{number}");
            let mut region = own.clone();
            region["metadata"]["name"] = json!(name);
            region["status"]["clusterId"] = json!(name);
            region["spec"]["jurisdictions"] = json!(["BR"]);
            let transfer = |(number, (to, until)): (usize, &(&Value, Value))| {
                let mut made = json!({"name": format!("t-{number}"), "to": to, "instrument": "AnpdClauses", "reference": "r"});
                if !until.is_null() {
                    made["validUntil"] = until.clone();
                }
                made
            };
            region["spec"]["transfers"] = to.iter().enumerate().map(transfer).collect();
            let mut made = facts.regions["eu-west"].clone();
            made.region = Arc::new(serde_json::from_value(region).unwrap());
            facts.regions.insert(name, made);
        }
        let mut request = serde_json::to_value(facts.request.as_ref()).unwrap();
        request["spec"]["jurisdictions"] = json!([law]);
        for (field, set) in spec.as_object().into_iter().flatten() {
            request["spec"][field] = set.clone();
        }
        request["status"] = status.clone();
        facts.request = Arc::new(serde_json::from_value(request).unwrap());
        let eu = facts.regions.get_mut("eu-west").unwrap();
        let mut goal = serde_json::to_value(eu.region.as_ref()).unwrap();
        goal["spec"]["jurisdictions"] = json!(["IN", "US-CA"]);
        eu.region = Arc::new(serde_json::from_value(goal).unwrap());
        for policy in facts.policies.values_mut() {
            let mut there = serde_json::to_value(policy.as_ref()).unwrap();
            there["spec"]["selector"] = json!({"regions": ["eu-west"]});
            *policy = Arc::new(serde_json::from_value(there).unwrap());
        }
        let plan = plan::subject_request(&facts, at);
        let runs = matches!(plan.regions["eu-west"], RegionPlan::Run(_));
        (runs, plan.wake_at.map(|at| at.to_string()[..10].to_owned()))
    };
    assert!(!laws.is_empty());
    let plan = |origins: &[&[(&Value, Value)]], spec: &Value, status: &Value| {
        of("BR", origins, spec, status)
    };
    let (india, states, none) = (json!("IN"), json!("US"), Value::Null);
    let both = [(&india, none.clone()), (&states, none.clone())];
    let ends = [(&india, json!("2027-08-01")), (&states, none.clone())];
    let asks = |origins: &[&[(&Value, Value)]]| plan(origins, &none, &none);
    assert!(
        !asks(&[]).0,
        "no Region is there that could name an instrument"
    );
    // A law that asks for none, and none at all.
    assert!(of("US-OR", &[], &none, &none).0 && of("SG", &[], &none, &none).0);
    // The Region's own law is no border, whichever of its countries the person is of.
    let done = json!({"by": "dpo", "at": "2027-05-21T10:00:00Z"});
    let notice = json!({"notice": {"sentAt": "2027-05-20T10:00:00Z", "acknowledged": done}});
    assert!(of("IN", &[], &notice, &none).0);
    assert_eq!(asks(&[&both]), (true, None));
    assert!(!asks(&[&[]]).0);
    assert!(!asks(&[&both[..1]]).0, "one of two countries");
    assert!(!asks(&[&both[1..]]).0, "the other one");
    // Of several Regions under the law one that may send there suffices.
    assert!(asks(&[&[], &both]).0 && asks(&[&both, &[]]).0);
    let (runs, wake_at) = asks(&[&ends]);
    assert!(
        runs && wake_at.is_some_and(|at| at.starts_with("2027-08-0")),
        "it ends then"
    );
    let told = json!({"by": "dpo", "at": "2027-06-09T12:00:00Z", "ground": "g"});
    let hidden = json!({"regions": [{"name": "eu-west", "state": "Run", "reason": "Progressing", "action": "Restrict",
        "progress": "Verified", "stores": [{"name": "aurora-orders",
            "tables": [{"name": "customers", "state": "Verified", "found": 3, "restricted": 3}]}]}]});
    let restriction = json!({"kind": "Restriction"});
    assert!(
        !plan(&[&[]], &restriction, &none).0,
        "to hide rows the person must be known"
    );
    assert!(
        plan(
            &[&[]],
            &json!({"kind": "Restriction", "lifted": told}),
            &hidden
        )
        .0
    );
}

/// The clocks of the example's request with a change of its spec.
fn clocks(spec: &Value) -> plan::Clocks {
    let facts = ready();
    let request = another(&facts.request, "r", "2026-11-02T09:00:00Z", spec);
    plan::clocks(
        &request,
        &facts.packs,
        "2026-11-20T10:00:00Z".parse().unwrap(),
    )
}

/// Each step is met by what was recorded of it, and an extension counts where the law has one and it was told in time.
#[test]
fn each_step_of_a_law_is_met_by_what_was_recorded_of_it() {
    let met = |spec: &Value| -> Vec<(String, Option<String>)> {
        let all = clocks(spec).deadlines.into_iter();
        all.map(|one| (one.step, one.met_at)).collect()
    };
    let at = "2026-11-10T09:00:00Z";
    let done = json!({"by": "dpo", "at": at});
    let told = json!({"by": "dpo", "at": at, "ground": "g"});
    let has = |all: &[(String, Option<String>)], step: &str, is_met: bool| {
        let wanted = is_met.then(|| at.to_owned());
        assert!(
            all.iter().any(|(own, met)| own == step && *met == wanted),
            "{step}: {all:?}"
        );
    };
    let california = |field: &str, set: &Value| {
        let mut spec = json!({"kind": "Access", "jurisdictions": ["US-CA"]});
        spec[field] = set.clone();
        met(&spec)
    };
    has(
        &california("acknowledged", &Value::Null),
        "acknowledgement",
        false,
    );
    has(&california("acknowledged", &done), "acknowledgement", true);
    has(&met(&json!({"refusal": told})), "refusal notice", true);
    has(&met(&json!({"extension": told})), "extension notice", true);
    let steps = |extension: &str| -> (Vec<String>, usize) {
        let told = json!({"by": "dpo", "at": extension, "ground": "g"});
        let clocks = clocks(&json!({"extension": told}));
        let steps = clocks.deadlines.into_iter().map(|one| one.step);
        (
            steps
                .filter(|step| step == "response" || step == "extended response")
                .collect(),
            clocks.notes.len(),
        )
    };
    let (in_time, none) = steps("2026-11-20T09:00:00Z");
    assert_eq!(in_time, ["extended response"]);
    let (late, more) = steps("2027-01-20T09:00:00Z");
    assert_eq!(
        (late.as_slice(), more),
        (&["response".to_owned()][..], none + 1),
        "and why is noted"
    );
    assert!(clocks(&Value::Null).problems.is_empty());
    assert_eq!(
        clocks(&json!({"holidays": ["2026-02-30"]})).problems.len(),
        1
    );
    assert_eq!(
        clocks(&json!({"pauses": [{"from": "2026-02-30"}]}))
            .problems
            .len(),
        1
    );
}

/// What is put into a copy follows from what was asked; where a Region is paused the plan is looked at when that ends.
#[test]
fn a_copy_is_of_what_was_asked_for_and_a_pause_ends_by_itself() {
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let delivery = json!({"objectStore": {"country": "DE", "url": "s3://b", "prefix": "p", "credentialsRef": {"name": "c"}},
        "recipient": "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq", "expiresAfter": "P30D"});
    for kind in ["Access", "Portability"] {
        let mut facts = ready();
        let more = json!({"kind": kind, "delivery": delivery});
        facts.request = Arc::new(another(&facts.request, "r", "2026-11-02T09:00:00Z", &more));
        let plan = plan::subject_request(&facts, at);
        let workloads = plan.regions["eu-west"].workloads().unwrap();
        let task: Value =
            serde_json::from_str(&workloads.config_map.data.as_ref().unwrap()["task.json"])
                .unwrap();
        assert_eq!(task["spec"]["request"]["kind"], kind);
        let there = facts.regions.get_mut("eu-west").unwrap();
        let mut region = serde_json::to_value(there.region.as_ref()).unwrap();
        region["spec"]["suspend"] =
            json!({"reason": "r", "by": "b", "until": "2027-06-11T10:00:00Z"});
        there.region = Arc::new(serde_json::from_value(region).unwrap());
        let plan = plan::subject_request(&facts, at);
        assert!(matches!(plan.regions["eu-west"], RegionPlan::Withdraw(_)));
        assert_eq!(
            plan.wake_at.map(|at| at.to_string()).as_deref(),
            Some("2027-06-11T10:00:00Z")
        );
    }
}

/// A policy that is being deleted maps nobody; and rows that a request has hidden keep their table's mapping needed.
#[test]
fn hidden_rows_that_no_rule_names_any_more_are_told() {
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let hiding = Hiding {
        objects: false,
        verified: true,
        cancelled: false,
        refused: false,
        decided: Some(true),
        done: Some(("Restrict", "Verified")),
    };
    let word = |table: &str, restricted: i64| {
        let mut facts = hidden(&hiding);
        let mut request = serde_json::to_value(facts.request.as_ref()).unwrap();
        let entry = &mut request["status"]["regions"][0]["stores"][0]["tables"][0];
        (entry["name"], entry["restricted"]) = (json!(table), json!(restricted));
        facts.request = Arc::new(serde_json::from_value(request).unwrap());
        let plan = plan::subject_request(&facts, at);
        plan.regions["eu-west"].reason().map(|why| why.word.clone())
    };
    assert_eq!(word("customers", 3), None);
    assert_eq!(word("gone", 3).as_deref(), Some("HiddenRowsUnmapped"));
    assert_eq!(word("gone", 0), None);
    assert_eq!(word(tradewind::contract::SEVERAL, 3), None);
    let mut facts = ready();
    for policy in facts.policies.values_mut() {
        Arc::make_mut(policy).metadata.deletion_timestamp =
            serde_json::from_value(json!("2027-06-10T09:00:00Z")).unwrap();
    }
    let plan = plan::subject_request(&facts, at);
    assert_eq!(
        plan.regions["eu-west"].reason().unwrap().word,
        "NobodyMapped"
    );
}

/// What policies say of one table counts together, in any order; where they differ the row goes, under every keep.
#[test]
fn of_several_policies_every_column_changes_and_where_they_differ_rows_go() {
    let at = "2027-06-10T10:00:00Z".parse().unwrap();
    let base = ready();
    let shop = serde_json::to_value(base.policies.values().next().unwrap().as_ref()).unwrap();
    // The table's method, the names of its columns and how many keeps it has, of policies with these rules.
    let of = |erases: &[(&str, Value)]| {
        let mut facts = base.clone();
        facts.policies.clear();
        for (number, (method, columns)) in erases.iter().enumerate() {
            let mut policy = shop.clone();
            let name = format!("p-{number}");
            policy["metadata"]["name"] = json!(name);
            let rules = policy["spec"]["rules"].as_array_mut().unwrap();
            rules.retain(|rule| rule["name"] == "customers");
            rules[0]["erase"] = match *method {
                "" => Value::Null,
                method => json!({"after": "P10Y", "method": method, "columns": columns}),
            };
            if method.is_empty() {
                rules[0]["keep"] = json!({"for": "P8Y", "reference": "AO 147(3)", "columns": ["id", "email"],
                    "others": [{"name": "phone"}]});
            }
            let policy = serde_json::from_value(policy).unwrap();
            facts.policies.insert(name, Arc::new(policy));
        }
        let plan = plan::subject_request(&facts, at);
        let workloads = plan.regions["eu-west"].workloads().unwrap();
        let data = workloads.config_map.data.as_ref().unwrap();
        let task: Value = serde_json::from_str(&data["task.json"]).unwrap();
        let table = &task["spec"]["stores"][0]["tables"][0];
        let names = table["columns"].as_array().into_iter().flatten();
        let names = names.map(|column| column["name"].as_str().unwrap().to_owned());
        let method = table["method"].as_str().unwrap_or("Delete").to_owned();
        let keeps = table["keeps"].as_array().map_or(0, Vec::len);
        (method, names.collect::<Vec<_>>().join(" "), keeps)
    };
    let null = |name: &str| json!([{"name": name}]);
    let word = json!([{"name": "email", "set": "Constant", "value": ""}]);
    let rows: [Said<'_>; 12] = [
        (&[("Anonymise", null("phone"))], "Anonymise", "phone"),
        (
            &[("Anonymise", null("phone")), ("Anonymise", null("email"))],
            "Anonymise",
            "phone email",
        ),
        (
            &[("Nullify", null("phone")), ("Nullify", null("email"))],
            "Nullify",
            "phone email",
        ),
        (
            &[
                ("Anonymise", null("email")),
                ("Anonymise", json!([{"name": "email", "set": "Null"}])),
            ],
            "Anonymise",
            "email",
        ),
        (
            &[("Anonymise", null("email")), ("Anonymise", word.clone())],
            "Delete",
            "",
        ),
        (
            &[("Anonymise", word.clone()), ("Nullify", null("phone"))],
            "Delete",
            "",
        ),
        // What was decided stays so, whoever comes after.
        (
            &[
                ("Nullify", null("phone")),
                ("Anonymise", word.clone()),
                ("Anonymise", word.clone()),
            ],
            "Delete",
            "",
        ),
        (
            &[("Delete", json!([])), ("Anonymise", word.clone())],
            "Delete",
            "",
        ),
        (&[("Shred", null("a")), ("Shred", null("a"))], "Shred", "a"),
        (&[("Shred", null("a")), ("Shred", null("b"))], "Delete", ""),
        // Who only hides, or only keeps, says nothing of it.
        (
            &[
                ("Restrict", json!([])),
                ("", json!([])),
                ("Anonymise", null("phone")),
            ],
            "Anonymise",
            "phone",
        ),
        (&[("Restrict", json!([]))], "Delete", ""),
    ];
    for (erases, method, columns) in rows {
        let (found, names, keeps) = of(erases);
        assert_eq!((&*found, &*names), (method, columns), "{erases:?}");
        let stated = erases.iter().filter(|(method, _)| method.is_empty());
        assert_eq!(keeps, stated.count(), "{erases:?}");
    }
    let kept = of(&[
        ("", json!([])),
        ("Anonymise", word),
        ("Nullify", null("phone")),
    ]);
    assert_eq!(kept, ("Delete".to_owned(), String::new(), 1));
}
