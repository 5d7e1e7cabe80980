//! Plans at the edges that no case shows: an example's facts with one thing changed at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use tradewind::api::{DataPolicy, Region};
use tradewind::contract::{Attest, Catalogue, Retain, Task};
use tradewind::packs::Market::{self, Allowed, Blocked};
use tradewind::packs::{Check, Country, Demand, Fact};
use tradewind::plan::gates::Schedule;
use tradewind::plan::{
    self, ChannelFacts, Plan, PolicyFacts, PolicyWorkloads, Reach, RegionPlan, Settings,
    SigningFacts, SigningWorkloads,
};

use super::folder;
use super::world::World;

pub(super) fn world(case: &str) -> World {
    World::read(&folder("tests/plan").join(case).join("given.yaml"))
}

/// The same resource with that at a place of it, `/spec/mode`.
pub(super) fn with<T: Serialize + DeserializeOwned>(
    resource: &T,
    at: &str,
    value: &Value,
) -> Arc<T> {
    let mut whole = serde_json::to_value(resource).unwrap();
    let (parent, field) = at.rsplit_once('/').unwrap();
    whole.pointer_mut(parent).unwrap()[field] = value.clone();
    Arc::new(serde_json::from_value(whole).unwrap_or_else(|error| panic!("{at}: {error}")))
}

fn policy() -> (World, PolicyFacts) {
    let world = world("example-gdpr");
    let (key, policy) = world.policies().into_iter().next().unwrap();
    let facts = world.policy_facts(&key, &policy);
    (world, facts)
}

fn task(plan: &Plan<PolicyWorkloads>, region: &str) -> Retain {
    let workloads = plan.regions[region].workloads().unwrap();
    let text = &workloads.config_map.data.as_ref().unwrap()["task.json"];
    serde_json::from_str::<Task<Retain>>(text).unwrap().spec
}

/// Every region's clock is its own: the warning is told of the regions that the policy chooses, and of no other.
#[test]
fn a_run_in_the_hour_of_changing_clocks_is_told_of_each_region_of_the_policy() {
    let (world, mut facts) = policy();
    let mut utc = facts.regions["eu-west"].clone();
    utc.region = with(utc.region.as_ref(), "/metadata/name", &json!("utc"));
    utc.region = with(utc.region.as_ref(), "/spec/locale/timeZone", &json!("UTC"));
    utc.region = with(utc.region.as_ref(), "/status/clusterId", &json!("another"));
    let mut left = facts.regions["eu-west"].clone();
    left.region = with(left.region.as_ref(), "/metadata/name", &json!("left"));
    left.region = with(left.region.as_ref(), "/spec/jurisdictions", &json!(["JP"]));
    left.region = with(left.region.as_ref(), "/status/clusterId", &json!("a third"));
    left.remains = true;
    facts.regions.insert("utc".into(), utc);
    facts.regions.insert("left".into(), left);
    let warned = |schedule: &str| -> BTreeSet<(Option<String>, Option<bool>)> {
        let mut facts = facts.clone();
        facts.policy = with(
            facts.policy.as_ref(),
            "/spec/retention/schedule",
            &json!(schedule),
        );
        let plan = plan::policy(&facts, world.now);
        assert_eq!(plan.regions.len(), 3);
        let told = plan
            .findings
            .iter()
            .filter(|it| it.reason.word == "ClockChange");
        told.map(|it| (it.region.clone(), it.holds)).collect()
    };
    assert_eq!(
        warned("30 2 * * *"),
        BTreeSet::from([(Some("eu-west".to_owned()), Some(true))])
    );
    assert_eq!(warned("30 4 * * *"), BTreeSet::new());
}

/// A policy with channel labels is for the regions of such channels, and not for all regions of the law.
#[test]
fn a_policy_for_labelled_channels_is_for_the_regions_that_they_choose() {
    let world = world("example-quickstart");
    let (_, channel) = world.channels().into_iter().next().unwrap();
    let (_, region) = world
        .regions()
        .into_iter()
        .find(|(key, _)| key == "Region eu-west")
        .unwrap();
    let (_, policy) = world.policies().into_iter().next().unwrap();
    let channel = with(channel.as_ref(), "/metadata/labels", &json!({"brand": "a"}));
    let policy = with(
        policy.as_ref(),
        "/spec/selector",
        &json!({"channelLabels": {"brand": "a"}}),
    );
    let chooses = |regions: &Value, labels: &Value| {
        let channel = with(channel.as_ref(), "/spec/regions", regions);
        let channel = with(channel.as_ref(), "/metadata/labels", labels);
        plan::policy_chooses(&policy, &region, &[channel])
    };
    let (here, elsewhere) = (json!({"names": ["eu-west"]}), json!({"names": ["us-east"]}));
    let (own, other) = (json!({"brand": "a"}), json!({"brand": "b"}));
    assert!(chooses(&here, &own));
    assert!(!chooses(&elsewhere, &own));
    assert!(!chooses(&here, &other));
    assert!(!chooses(&elsewhere, &other));
}

/// A run looks for tables without a rule only where a regime of the policy asks for that and the pack has words for it,
/// and takes no table for one that some policy of the region or the Region itself names.
#[test]
fn a_run_looks_for_what_no_policy_of_the_region_names() {
    let (world, facts) = policy();
    let look = |change: &dyn Fn(&mut PolicyFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        task(&plan::policy(&facts, world.now), "eu-west").catalogue
    };
    let other = |at: &str, value: &Value| -> Arc<DataPolicy> {
        let rule = json!([{"name": "r", "dataset": {"store": "aurora-orders", "table": "notes", "clock": "at"},
            "erase": {"after": "P90D", "method": "Delete"}}]);
        let other = with(facts.policy.as_ref(), "/metadata/name", &json!("other"));
        with(
            with(other.as_ref(), "/spec/rules", &rule).as_ref(),
            at,
            value,
        )
    };
    let named = |change: &dyn Fn(&mut PolicyFacts)| -> BTreeSet<String> {
        look(change).unwrap().named["aurora-orders"].clone()
    };
    let own: BTreeSet<String> = ["customers", "invoices", "messages", "orders"]
        .map(str::to_owned)
        .into();
    let mut more = own.clone();
    more.insert("notes".into());
    assert_eq!(named(&|_| {}), own);
    let beside = |other: Arc<DataPolicy>| {
        named(&|facts| {
            facts.policies.insert("other".into(), other.clone());
        })
    };
    assert_eq!(beside(other("/spec/mode", &json!("DryRun"))), more);
    assert_eq!(
        beside(other(
            "/metadata/deletionTimestamp",
            &json!("2026-11-22T09:00:00Z")
        )),
        own
    );
    assert_eq!(
        beside(other("/spec/selector", &json!({"jurisdictions": ["JP"]}))),
        own
    );
    // Words of either kind are enough; without any there is nothing to look for.
    let of_rules = |fact: &Fact<Demand>| {
        let asked = [
            Check::IndexMissing,
            Check::TriggerOnErasure,
            Check::StoresMayBeOne,
        ];
        asked.contains(&fact.value.check)
    };
    let words = |tables: bool, columns: bool| {
        look(&|facts| {
            let packs = Arc::make_mut(&mut facts.packs);
            packs.regimes.baseline.retain(|fact| !of_rules(fact));
            for regime in packs.regimes.regimes.values_mut() {
                regime.baseline.retain(|fact| !of_rules(fact));
            }
            if !tables {
                packs.regimes.personal_names = None;
            }
            if !columns {
                packs.regimes.personal_columns = None;
            }
        })
        .is_some()
    };
    assert!(words(true, true) && words(true, false) && words(false, true));
    assert!(!words(false, false));
    // What slows or copies where its own rules erase takes no words.
    let own = look(&|facts| {
        let regimes = &mut Arc::make_mut(&mut facts.packs).regimes;
        regimes.baseline.clear();
        for regime in regimes.regimes.values_mut() {
            regime.baseline.retain(of_rules);
        }
    });
    assert_eq!(own, Some(Catalogue::default()));
    // A regime of which the pack says no such thing, nor of any.
    let asks = look(&|facts| {
        let regimes = &mut Arc::make_mut(&mut facts.packs).regimes;
        regimes.baseline.clear();
        for regime in regimes.regimes.values_mut() {
            regime.baseline.clear();
        }
    });
    assert!(asks.is_none());
}

fn channel() -> (World, ChannelFacts) {
    let world = world("example-quickstart");
    let (key, channel) = world.channels().into_iter().next().unwrap();
    let facts = world.channel_facts(&key, &channel);
    (world, facts)
}

/// A country that is none is told with the field that has it, wherever a channel names one.
#[test]
fn a_channels_countries_are_looked_up() {
    let (world, facts) = channel();
    let problems = |at: &str, code: &str| -> Vec<String> {
        let mut facts = facts.clone();
        facts.channel = with(facts.channel.as_ref(), at, &json!(code));
        let plan = plan::channel(&facts, world.now);
        let told = plan
            .findings
            .into_iter()
            .filter(|it| it.reason.word == "UnknownJurisdiction");
        told.map(|it| it.reason.message).collect()
    };
    let spec = &facts.channel.spec;
    let feed = &spec.feeds[0].name;
    for (at, field) in [
        (
            "/spec/catalog/source/country",
            "spec.catalog.source.country".to_owned(),
        ),
        (
            "/spec/feeds/0/destination/country",
            format!("spec.feeds[{feed}].destination"),
        ),
    ] {
        assert_eq!(problems(at, "FR"), Vec::<String>::new(), "{at}");
        let told = problems(at, "XX");
        assert!(
            told.len() == 1 && told[0].starts_with(&field),
            "{at}: {told:?}"
        );
    }
}

/// How images are pulled is the operator's word, in every pod that it makes.
#[test]
fn the_pull_policy_of_the_operator_is_that_of_its_pods() {
    let (world, mut facts) = policy();
    for pull in [None, Some("Never")] {
        facts.settings = Arc::new(Settings {
            image_pull_policy: pull.map(str::to_owned),
            ..facts.settings.as_ref().clone()
        });
        let plan = plan::policy(&facts, world.now);
        let workloads = plan.regions["eu-west"].workloads().unwrap();
        let job = workloads
            .cron_job
            .spec
            .as_ref()
            .unwrap()
            .job_template
            .spec
            .as_ref()
            .unwrap();
        let container = &job.template.spec.as_ref().unwrap().containers[0];
        assert_eq!(container.image_pull_policy.as_deref(), pull);
    }
}

fn signing() -> (World, SigningFacts) {
    let world = world("example-gdpr");
    let (key, region) = world.regions().into_iter().next().unwrap();
    let facts = world.signing_facts(&key, &region);
    (world, facts)
}

/// The Region with that at a place of it, in both of its roles.
fn region_with(facts: &SigningFacts, at: &str, value: &Value) -> SigningFacts {
    let mut facts = facts.clone();
    facts.region = with(facts.region.as_ref(), at, value);
    let name = facts.region.name_any();
    facts.regions.get_mut(&name).unwrap().region = facts.region.clone();
    facts
}

fn signed(facts: &SigningFacts, now: Timestamp) -> RegionPlan<SigningWorkloads> {
    plan::signing(facts, now).regions.remove("eu-west").unwrap()
}

/// Signing is the last to go: while anything else is left in a region that is being deleted, what it does is recorded.
#[test]
fn signing_goes_when_nothing_else_is_left() {
    let (world, facts) = signing();
    let going = region_with(
        &facts,
        "/metadata/deletionTimestamp",
        &json!("2026-11-22T09:00:00Z"),
    );
    for in_use in [true, false] {
        let (mut stays, mut goes) = (facts.clone(), going.clone());
        (stays.in_use, goes.in_use) = (in_use, in_use);
        assert!(
            matches!(signed(&stays, world.now), RegionPlan::Run(_)),
            "in use: {in_use}"
        );
        let decided = signed(&goes, world.now);
        assert_eq!(
            matches!(decided, RegionPlan::Keep(_)),
            in_use,
            "{decided:?}"
        );
        assert_eq!(
            matches!(decided, RegionPlan::Withdraw(_)),
            !in_use,
            "{decided:?}"
        );
        // What cannot be reached is neither signed nor taken away.
        goes.regions.get_mut("eu-west").unwrap().reach = Reach::Unreachable {
            since: world.now,
            reason: "Timeout".into(),
            message: "no answer".into(),
        };
        assert!(matches!(signed(&goes, world.now), RegionPlan::Hold(_)));
    }
}

/// A change of key is asked for by an annotation, each value of it once.
#[test]
fn another_key_is_asked_for_until_it_signs() {
    let (world, facts) = signing();
    let annotation = |value: &str| json!({"tradewind.dev/rotate-key-at": value});
    let told = |region: &Region| {
        let mut facts = facts.clone();
        facts.region = Arc::new(region.clone());
        let decided = signed(&facts, world.now);
        let data = decided
            .workloads()
            .unwrap()
            .config_map
            .data
            .clone()
            .unwrap();
        serde_json::from_str::<Task<Attest>>(&data["task.json"])
            .unwrap()
            .spec
            .rotate
    };
    let region = facts.region.as_ref();
    assert_eq!(told(region), None);
    let asked = with(region, "/metadata/annotations", &annotation("first"));
    let wanted = told(&asked);
    assert_eq!(wanted, plan::rotation(&asked));
    let wanted = wanted.expect("another key is asked for");
    let done = with(
        asked.as_ref(),
        "/status/evidence",
        &json!({"lastHandledRotateAt": wanted}),
    );
    assert_eq!(told(&done), None);
    let again = with(
        done.as_ref(),
        "/metadata/annotations",
        &annotation("second"),
    );
    assert!(told(&again).is_some_and(|again| again != wanted));
}

/// A setting that the platform needs and that is given is not asked for.
#[test]
fn a_setting_that_is_needed_is_asked_for_until_it_is_given() {
    let (world, mut facts) = channel();
    let name = facts.channel.spec.platform.name.clone();
    let packs = Arc::make_mut(&mut facts.packs);
    let platform = packs.platforms.platforms.get_mut(&name).unwrap();
    for setting in &mut platform.settings {
        setting.value.required = setting.value.name == "catalogId";
    }
    let missing = |settings: &Value| {
        let mut facts = facts.clone();
        facts.channel = with(facts.channel.as_ref(), "/spec/platform/settings", settings);
        let plan = plan::channel(&facts, world.now);
        plan.findings
            .iter()
            .any(|it| it.reason.word == "SettingMissing")
    };
    assert!(!missing(
        &json!([{"name": "catalogId", "value": "1784000000000001"}])
    ));
    assert!(missing(&json!([])));
    assert!(missing(&json!([{"name": "another", "value": "1"}])));
}

/// How long evidence is kept, where two laws of a Region want the same: both are named.
#[test]
fn laws_that_want_evidence_for_as_long_are_named_together() {
    let (world, facts) = policy();
    let mut packs = facts.packs.as_ref().clone();
    let records = packs.regimes.regimes["us-ca-ccpa"].clocks.clone();
    packs.regimes.regimes.get_mut("eu-gdpr").unwrap().clocks = records;
    let region = facts.regions["eu-west"].region.as_ref();
    let region = with(region, "/spec/jurisdictions", &json!(["DE", "US-CA"]));
    let region = with(region.as_ref(), "/spec/evidence", &json!({"keep": "P1Y"}));
    let told = |keep: &str| {
        let region = with(region.as_ref(), "/spec/evidence", &json!({"keep": keep}));
        let keep = plan::evidence_keep(&region, std::iter::empty(), &packs, world.now).unwrap();
        (keep.period.clone(), keep.regimes.clone(), keep.to_string())
    };
    let (period, regimes, shown) = told("P1Y");
    assert_eq!(
        (period.as_str(), regimes.join(" ").as_str()),
        ("P24M", "eu-gdpr us-ca-ccpa")
    );
    assert!(
        shown.contains("P24M") && shown.contains("eu-gdpr"),
        "{shown}"
    );
    // As long as the Region itself says: nobody else needs to be named.
    assert_eq!(told("P24M").1, Vec::<String>::new());
}

/// A policy that is not accepted covers nothing, and a recipient's country that is none is a reason for that.
#[test]
fn a_policy_that_is_refused_covers_no_channel() {
    let (world, facts) = channel();
    let covered = |recipient: &str| {
        let mut facts = facts.clone();
        let recipients = json!([{"name": "parcel", "country": recipient}]);
        for policy in facts.policies.values_mut() {
            *policy = with(policy.as_ref(), "/spec/rules/0/recipients", &recipients);
            *policy = with(policy.as_ref(), "/spec/mode", &json!("Enforce"));
        }
        let plan = plan::channel(&facts, world.now);
        let told = plan
            .findings
            .iter()
            .filter(|it| format!("{:?}", it.condition) == "PolicyCovered");
        told.map(|it| it.holds).collect::<BTreeSet<_>>()
    };
    assert_eq!(covered("DE"), BTreeSet::from([Some(true)]));
    assert_eq!(covered("XX"), BTreeSet::from([Some(false)]));
    let (world, facts) = policy();
    let mut wrong = facts.clone();
    let recipients = json!([{"name": "parcel", "country": "XX"}]);
    wrong.policy = with(
        facts.policy.as_ref(),
        "/spec/rules/0/recipients",
        &recipients,
    );
    let plan = plan::policy(&wrong, world.now);
    let plan::Verdict::Invalid(why) = plan.verdict else {
        panic!("accepted")
    };
    assert!(
        why.message
            .starts_with("spec.rules[messages].recipients[parcel].country"),
        "{}",
        why.message
    );
}

/// The policy of the example with a change, and of what its findings are that have a check.
fn findings(check: &str, change: &dyn Fn(&mut PolicyFacts)) -> Vec<String> {
    let (world, mut facts) = policy();
    change(&mut facts);
    let plan = plan::policy(&facts, world.now);
    let told = plan
        .baseline
        .findings
        .into_iter()
        .filter(|it| it.check == check);
    told.map(|it| format!("{}: {}", it.place, it.message))
        .collect()
}

/// A table that is only kept has no period, also where no Region lists it: by any spelling, and until any policy erases from it.
#[test]
fn a_table_that_is_only_kept_and_that_nobody_lists_has_no_period() {
    let kept = |name: &str| {
        let data = json!({"store": "aurora-orders", "table": name, "clock": "at"});
        json!([{"name": "books", "dataset": data, "keep": {"for": "P8Y", "reference": "AO 147(3)"}}])
    };
    let told = |table: &str, others: &[&str]| {
        let told = findings("NoPeriod", &|facts| {
            facts.policy = with(facts.policy.as_ref(), "/spec/rules", &kept(table));
            let name = facts.policy.metadata.name.clone().unwrap();
            facts.policies.insert(name, facts.policy.clone());
            for other in others {
                let erase = json!([{"name": "e", "dataset": {"store": "aurora-orders", "table": other, "clock": "at"},
                    "erase": {"after": "P9Y", "method": "Delete"}}]);
                let policy = with(facts.policy.as_ref(), "/metadata/name", &json!("other"));
                let policy = with(policy.as_ref(), "/spec/rules", &erase);
                facts.policies.insert("other".into(), policy);
            }
        });
        let own = told.into_iter();
        own.filter(|told| told.starts_with("spec.rules[books]"))
            .count()
    };
    assert_eq!(told("ledgers", &[]), 1);
    assert_eq!(told("ledgers", &["ledger"]), 1);
    assert_eq!(told("ledgers", &["ledgers"]), 0);
    assert_eq!(told("ledgers", &["shop.ledgers"]), 0);
    // What the Region lists is told there.
    assert_eq!(told("orders", &[]), 0);
    assert_eq!(told("shop.orders", &[]), 0);
}

/// What a run saw in a catalogue is told until the Region lists it or a rule of the region names it, in that very store.
#[test]
fn a_table_that_a_run_saw_is_told_until_somebody_names_it() {
    let seen = |change: &dyn Fn(&mut PolicyFacts)| {
        let look = json!({"tables": [{"store": "aurora-orders", "table": "public.notes", "columns": ["email"]}], "more": 0});
        findings("PersonalTableWithoutRule", &|facts| {
            let entry = json!([{"name": "eu-west", "state": "Run", "reason": "Running", "catalogue": look}]);
            facts.policy = with(facts.policy.as_ref(), "/status", &json!({"regions": entry}));
            change(facts);
        })
        .into_iter()
        .filter(|told| told.contains("table public.notes: "))
        .count()
    };
    let region = |facts: &mut PolicyFacts, at: &str, value: &Value| {
        let there = facts.regions.get_mut("eu-west").unwrap();
        there.region = with(there.region.as_ref(), at, value);
    };
    assert_eq!(seen(&|_| {}), 1);
    let tables = json!(["customers", "orders", "invoices", "messages", "notes"]);
    assert_eq!(
        seen(&|facts| region(facts, "/spec/dataStores/0/datasets", &tables)),
        0
    );
    let another = json!({"name": "chats", "datasets": tables, "postgres": {"secretRef": {"name": "c", "key": "url"}}});
    let elsewhere = |facts: &mut PolicyFacts| {
        let own =
            serde_json::to_value(&facts.regions["eu-west"].region.spec.data_stores[0]).unwrap();
        region(facts, "/spec/dataStores", &json!([own, another]));
    };
    assert_eq!(seen(&elsewhere), 1, "another store lists it");
    let rule = |store: &str| {
        json!([{"name": "n", "dataset": {"store": store, "table": "notes", "clock": "at"},
        "erase": {"after": "P90D", "method": "Delete"}}])
    };
    let ruled = |facts: &mut PolicyFacts, store: &str| {
        let other = with(facts.policy.as_ref(), "/metadata/name", &json!("other"));
        let other = with(other.as_ref(), "/spec/rules", &rule(store));
        facts.policies.insert("other".into(), other);
    };
    assert_eq!(seen(&|facts| ruled(facts, "aurora-orders")), 0);
    let both = |facts: &mut PolicyFacts| {
        elsewhere(facts);
        ruled(facts, "chats");
    };
    assert_eq!(seen(&both), 1, "a rule over another store");
}

/// A list of holds that may be weeks old is told where something is erased, and more so where something is held.
#[test]
fn a_list_of_holds_that_may_be_weeks_old_is_told_where_a_policy_erases() {
    let told = |changes: &[(&str, Value)], bound: &Value, is_held: bool| -> Vec<String> {
        let (world, mut facts) = policy();
        for (at, value) in changes {
            facts.policy = with(facts.policy.as_ref(), at, value);
        }
        let there = facts.regions.get_mut("eu-west").unwrap();
        there.region = with(there.region.as_ref(), "/spec/holds", bound);
        let hold = json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold", "metadata": {"name": "case"},
            "spec": {"ground": "g", "openedBy": "c", "reviewOn": "2030-11-20", "selector": {"regions": ["eu-west"]},
                "scopes": [{"name": "all", "store": "aurora-orders"}]}});
        let hold = Arc::new(serde_json::from_value(hold).unwrap());
        facts.holds.clear();
        if is_held {
            facts.holds.insert("case".to_owned(), hold);
        }
        let all = plan::policy(&facts, world.now).baseline.findings;
        let own = all.iter().filter(|it| it.check == "HoldListUnbounded");
        own.filter(|it| it.region.as_deref() == Some("eu-west"))
            .map(|it| format!("{:?}", it.severity))
            .collect()
    };
    let enforce = ("/spec/mode", json!("Enforce"));
    let long = json!({"maxAge": "P15D"});
    let erases = std::slice::from_ref(&enforce);
    assert_eq!(told(erases, &long, false), ["Low"]);
    assert_eq!(told(erases, &long, true), ["Medium"]);
    for short in [
        Value::Null,
        json!({"maxAge": "PT24H"}),
        json!({"maxAge": "P14D"}),
    ] {
        assert!(told(erases, &short, true).is_empty(), "{short}");
    }
    assert!(told(&[("/spec/mode", json!("DryRun"))], &long, true).is_empty());
    let keeps = json!([{"name": "k", "dataset": {"store": "aurora-orders", "table": "invoices", "clock": "at"},
        "keep": {"for": "P8Y", "reference": "AO 147(3)"}}]);
    assert!(told(&[enforce, ("/spec/rules", keeps)], &long, true).is_empty());
}

/// A hold whose review has passed is told to the policies that erase from what it holds, until it is released.
#[test]
fn a_hold_past_its_review_is_told_where_it_binds() {
    let told = |spec: &Value| {
        findings("HoldPastReview", &|facts| {
            let mut hold = json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold", "metadata": {"name": "case"},
                "spec": {"ground": "g", "openedBy": "c", "reviewOn": "2026-11-20", "selector": {"regions": ["eu-west"]},
                    "scopes": [{"name": "all", "store": "aurora-orders"}]}});
            for (field, value) in spec.as_object().into_iter().flatten() {
                hold["spec"][field] = value.clone();
            }
            let hold = Arc::new(serde_json::from_value(hold).unwrap());
            facts.holds = [("case".to_owned(), hold)].into();
        })
        .len()
    };
    assert_eq!(told(&json!({})), 1);
    assert_eq!(told(&json!({"reviewOn": "2026-11-22"})), 0, "it is today");
    assert_eq!(
        told(&json!({"release": {"by": "c", "ground": "settled"}})),
        0
    );
    assert_eq!(told(&json!({"selector": {"regions": ["us-east"]}})), 0);
    assert_eq!(
        told(&json!({"scopes": [{"name": "all", "store": "chats"}]})),
        0
    );
}

/// Of a policy that is being deleted nothing is asked any more.
#[test]
fn stale_evidence_is_no_finding_of_a_policy_that_goes() {
    let (world, facts) = policy();
    let stale = [("eu-west".to_owned(), "nothing is signed".to_owned())].into();
    let told = |at: Option<&str>| {
        let mut facts = facts.clone();
        if let Some(at) = at {
            facts.policy = with(
                facts.policy.as_ref(),
                "/metadata/deletionTimestamp",
                &json!(at),
            );
        }
        let mut plan = plan::policy(&facts, world.now);
        plan::stale_evidence(&facts, &mut plan, &stale, world.now);
        plan.baseline
            .findings
            .iter()
            .filter(|it| it.check == "EvidenceStale")
            .count()
    };
    assert_eq!((told(None), told(Some("2026-11-22T09:00:00Z"))), (1, 0));
}

/// What a pause leaves running is changed only where it can be: where something is missing, what sends is taken away.
#[test]
fn a_paused_channel_that_cannot_be_changed_is_taken_away() {
    let world = world("transfer-ended-paused");
    let channel = world.channels()["SocialChannel aurora/partner"].clone();
    let facts = world.channel_facts("SocialChannel aurora/partner", &channel);
    let decided = |change: &dyn Fn(&mut ChannelFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        plan::channel(&facts, world.now)
            .regions
            .remove("eu-north")
            .unwrap()
    };
    assert!(matches!(decided(&|_| {}), RegionPlan::Run(_)));
    let absent = decided(&|facts| facts.credentials = plan::SecretFact::Absent);
    assert!(matches!(absent, RegionPlan::Withdraw(_)), "{absent:?}");
    let homeless = decided(&|facts| {
        facts.regions.get_mut("eu-north").unwrap().namespaces = Some(BTreeSet::new());
    });
    assert!(matches!(homeless, RegionPlan::Withdraw(_)), "{homeless:?}");
}

/// A fact that nobody confirmed and that allows what is done anyway is nothing to be warned of.
#[test]
fn only_an_unconfirmed_fact_that_would_forbid_is_warned_of() {
    let (world, facts) = channel();
    let warned = |default: Market, exception: Option<Market>| {
        let mut facts = facts.clone();
        let name = facts.channel.spec.platform.name.clone();
        let packs = Arc::make_mut(&mut facts.packs);
        let markets = &mut packs.platforms.platforms.get_mut(&name).unwrap().markets;
        (markets.default.value, markets.default.confirmed) = (default, false);
        markets.except.truncate(usize::from(exception.is_some()));
        for (fact, market) in markets.except.iter_mut().zip(exception) {
            fact.confirmed = false;
            fact.value.market = market;
            fact.value.countries = ["DE", "FR", "US"]
                .iter()
                .filter_map(|code| Country::parse(code))
                .collect();
        }
        let plan = plan::channel(&facts, world.now);
        let mut told = plan
            .findings
            .iter()
            .filter(|it| format!("{:?}", it.condition) == "MarketSupported");
        told.any(|it| it.reason.word == "Unconfirmed")
    };
    assert!(!warned(Allowed, None));
    assert!(warned(Blocked, None));
    assert!(!warned(Allowed, Some(Allowed)));
    assert!(warned(Allowed, Some(Blocked)));
    assert!(
        !warned(Blocked, Some(Allowed)),
        "the exception is what counts"
    );
}

#[test]
fn a_schedule_that_lacks_a_value_says_so_and_a_day_that_never_comes_has_no_gap() {
    let told = Schedule::parse("1,,2 * * * *").unwrap_err();
    assert!(told.contains("lacks a value"), "{told}");
    assert_eq!(
        Schedule::parse("0 0,1 31 2 *").unwrap().shortest_gap(),
        None
    );
}

/// How a request of a person under that law stands, received in the morning of 1 June 2026.
fn deadlines(law: &str, spec: &[(&str, Value)]) -> plan::Clocks {
    let world = world("example-data-subject-request");
    let (_, request) = world.requests().into_iter().next().unwrap();
    let fixed = [
        ("/spec/received", json!("2026-06-01T09:00:00Z")),
        ("/spec/jurisdictions", json!([law])),
    ];
    let all = fixed.iter().chain(spec);
    let request = all.fold(request, |request, (at, value)| {
        with(request.as_ref(), at, value)
    });
    plan::clocks(
        &request,
        &world.packs(),
        "2026-08-02T09:00:00Z".parse().unwrap(),
    )
}

fn steps(clocks: &plan::Clocks) -> Vec<&str> {
    let steps = clocks.deadlines.iter();
    steps.map(|deadline| deadline.step.as_str()).collect()
}

/// California wants a word within ten working days, and an answer within 45: the second is the limit of an extension.
#[test]
fn an_extension_is_told_in_time_until_the_answer_is_due_and_only_where_the_law_has_one() {
    let told = |at: &str| json!({"by": "dpo", "at": at, "ground": "many requests"});
    let extended = |law: &str, at: &str| deadlines(law, &[("/spec/extension", told(at))]);
    let within = extended("US-CA", "2026-06-30T09:00:00Z");
    assert!(steps(&within).contains(&"extended response"), "{within:?}");
    assert!(!steps(&within).contains(&"response") && within.notes.is_empty());
    let late = extended("US-CA", "2026-08-01T09:00:00Z");
    assert!(steps(&late).contains(&"response") && !steps(&late).contains(&"extended response"));
    let [note] = late.notes.as_slice() else {
        panic!("{:?}", late.notes);
    };
    assert!(note.ends_with("gives no time"), "{note}");
    let none = extended("KR", "2026-06-02T09:00:00Z");
    let [note] = none.notes.as_slice() else {
        panic!("{:?}", none.notes);
    };
    assert!(note.ends_with("the law has no extension"), "{note}");
    assert!(!steps(&none).contains(&"extended response"));
}

/// A refusal is told when it is told, also of a person who had an answer of another kind before.
#[test]
fn the_notice_of_a_refusal_is_met_by_the_refusal() {
    let told =
        json!({"by": "dpo", "at": "2026-06-20T09:00:00Z", "ground": "GDPR Article 17(3)(b)"});
    let before = json!({"by": "dpo", "at": "2026-06-10T09:00:00Z"});
    let clocks = deadlines("DE", &[("/spec/refusal", told), ("/spec/answered", before)]);
    let notice = clocks
        .deadlines
        .iter()
        .find(|it| it.step == "refusal notice");
    assert_eq!(
        notice.unwrap().met_at.as_deref(),
        Some("2026-06-20T09:00:00Z")
    );
}

/// A connector writes each event into its own database first: where that is abroad and no instrument leads there, it does not run.
#[test]
fn a_connector_whose_database_is_abroad_does_not_run() {
    let (world, mut facts) = channel();
    let opt_out = json!({"dataStore": "aurora-orders", "identity": "customerId"});
    facts.channel = with(facts.channel.as_ref(), "/spec/connector/optOut", &opt_out);
    let planned = |country: &str| {
        let mut facts = facts.clone();
        let eu = facts.regions.get_mut("eu-west").unwrap();
        let at = "/spec/dataStores/0/country";
        eu.region = with(eu.region.as_ref(), at, &json!(country));
        let plan = plan::channel(&facts, world.now);
        let workloads = plan.regions["eu-west"].workloads();
        let runs = workloads.map(|workloads| workloads.connector.is_some());
        let told = plan.findings.iter().filter(|it| {
            format!("{:?}", it.condition) == "TransfersLawful" && it.holds == Some(false)
        });
        let told: Vec<String> = told.map(|it| it.reason.message.clone()).collect();
        (runs, told)
    };
    assert_eq!(planned("FR"), (Some(true), Vec::new()));
    let (runs, told) = planned("US");
    assert_eq!(runs, Some(false));
    assert!(
        told[0].starts_with("database aurora-orders of the connector: eu-gdpr")
            && told[0].contains("no connector runs here"),
        "{told:?}"
    );
}

/// The channel says itself where that database is; what it does not say is a finding.
#[test]
fn a_channel_says_where_its_connectors_database_is() {
    let (world, facts) = channel();
    let planned = |country: Option<&str>| {
        let mut facts = facts.clone();
        let at = "/spec/connector/store/country";
        facts.channel = with(facts.channel.as_ref(), at, &json!(country));
        plan::channel(&facts, world.now)
    };
    let runs = |plan: &Plan<plan::ChannelWorkloads>| {
        let workloads = plan.regions["eu-west"].workloads();
        workloads.map(|workloads| workloads.connector.is_some())
    };
    for country in [None, Some("Region"), Some("FR"), Some("JP")] {
        assert_eq!(runs(&planned(country)), Some(true), "{country:?}");
    }
    let plan = planned(Some("US"));
    assert_eq!(runs(&plan), Some(false));
    let held = &plan.notes["eu-west"].held[0];
    assert_eq!(held.flow, "database of the connector");
    assert!(held.message.contains("no connector runs here"), "{held:?}");
    // A code that is none is refused, not taken for unknown.
    let told = format!("{:?}", planned(Some("UK")).verdict);
    assert!(told.contains("spec.connector.store.country: UK"), "{told}");

    let unknown = |country: Option<&str>| {
        let told = findings("CountryUnknown", &|policy| {
            let mut own = facts.channel.clone();
            let at = "/spec/connector/store/country";
            own = with(own.as_ref(), at, &json!(country));
            let here = json!({"names": ["eu-west"]});
            own = with(own.as_ref(), "/spec/regions", &here);
            policy.channels = vec![own];
        });
        let of = |it: &&String| {
            it.contains("spec.connector.store.country: where the connector's own database is")
        };
        told.iter().filter(of).count()
    };
    assert_eq!(
        [unknown(None), unknown(Some("Region")), unknown(Some("DE"))],
        [1, 0, 0]
    );
}

/// Silence opens no border: a feed of which nobody said whether its items speak of persons waits where a law asks for an instrument.
#[test]
fn a_feed_that_may_speak_of_persons_waits_at_a_border() {
    let (world, facts) = channel();
    let planned = |said: Option<bool>, country: Option<&str>| {
        let mut facts = facts.clone();
        let at = "/spec/catalog/personalData";
        facts.channel = with(facts.channel.as_ref(), at, &json!(said));
        let at = "/spec/feeds/0/destination/country";
        facts.channel = with(facts.channel.as_ref(), at, &json!(country));
        let plan = plan::channel(&facts, world.now);
        let feeds = &plan.regions["eu-west"].workloads().unwrap().feeds;
        let held = plan.notes["eu-west"].held.iter();
        let held = held.map(|it| it.message.clone()).collect::<Vec<_>>();
        (feeds.contains_key("full"), held)
    };
    for (said, country) in [
        (Some(false), Some("US")),
        (None, None),
        (None, Some("FR")),
        (None, Some("JP")),
    ] {
        let open = (true, Vec::new());
        assert_eq!(planned(said, country), open, "{said:?} to {country:?}");
    }
    let (runs, held) = planned(None, Some("US"));
    assert!(!runs);
    let told = "write false into spec.catalog.personalData; until then the feed is not written";
    assert!(held[0].ends_with(told), "{held:?}");
    let (runs, held) = planned(Some(true), Some("US"));
    assert!(!runs && !held[0].contains("personalData"), "{held:?}");
}

#[test]
fn a_recipient_of_whom_nobody_said_where_they_are_is_told() {
    let told = findings("CountryUnknown", &|facts| {
        let recipients = json!([{"name": "parcel"}, {"name": "bank", "country": "DE"}]);
        let at = "/spec/rules/0/recipients";
        facts.policy = with(facts.policy.as_ref(), at, &recipients);
    });
    let wanted = "recipients[parcel].country: where recipient parcel is, is unknown";
    let of = |name: &str| told.iter().filter(|it| it.contains(name)).count();
    assert!(told.iter().any(|it| it.ends_with(wanted)), "{told:?}");
    assert_eq!(of("[bank]"), 0, "{told:?}");
}
