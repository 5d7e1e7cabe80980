//! Plans at the edges that no case shows: an example's facts with one thing changed at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use tradewind::api::{DataPolicy, Region};
use tradewind::contract::{Attest, Retain, Task};
use tradewind::plan::{
    self, ChannelFacts, Plan, PolicyFacts, PolicyWorkloads, Reach, RegionPlan, Settings,
    SigningFacts, SigningWorkloads,
};

use super::folder;
use super::world::World;

fn world(case: &str) -> World {
    World::read(&folder("tests/plan").join(case).join("given.yaml"))
}

/// The same resource with that at a place of it, `/spec/mode`.
fn with<T: Serialize + DeserializeOwned>(resource: &T, at: &str, value: &Value) -> Arc<T> {
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
    let words = |tables: bool, columns: bool| {
        look(&|facts| {
            let packs = Arc::make_mut(&mut facts.packs);
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
    // A regime of which the pack says no such thing.
    let asks = look(&|facts| {
        for regime in Arc::make_mut(&mut facts.packs).regimes.regimes.values_mut() {
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
