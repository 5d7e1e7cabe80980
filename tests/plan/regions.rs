//! What no facts can make of a Region's own plan, and of what signs its evidence, keeps its key and erases again there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::ResourceExt;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use tradewind::api::{DataPolicy, DeletionPolicy, InventoryEntry, Region};
use tradewind::contract::{Attest, Erase, KeepKey, Task, Witnessed};
use tradewind::evidence::{Hash, Tip};
use tradewind::plan::{
    self, FleetFacts, FleetPlan, Holdings, Plan, Reach, RegionFacts, RegionPlan, SigningFacts,
    SigningWorkloads, Verdict,
};

use super::chance::{self, now};

const NAME: &str = "eu";

/// The Regions of the hub, with this one unless it has only just been made.
fn fleet() -> impl Strategy<Value = (Arc<Region>, BTreeMap<String, RegionFacts>)> {
    let born = select(vec![
        Value::Null,
        json!("2026-01-01T00:00:00Z"),
        json!("2026-02-01T00:00:00Z"),
    ]);
    let own = (chance::region(NAME), born, more());
    let own = own.prop_map(|(facts, born, (annotations, spec, status))| {
        let mut region = serde_json::to_value(facts.region.as_ref()).unwrap();
        region["metadata"]["uid"] = json!("u");
        region["metadata"]["creationTimestamp"] = born;
        region["metadata"]["annotations"] = annotations;
        for (parent, fields) in [("spec", spec), ("status", status)] {
            // A Region without a status has only just been made.
            if let (Some(parent), Value::Object(fields)) = (region[parent].as_object_mut(), fields)
            {
                parent.extend(fields);
            }
        }
        let region = chance::read(chance::without_nulls(region));
        RegionFacts { region, ..facts }
    });
    (own, chance::regions(), 0..5_u8).prop_map(|(own, mut regions, known)| {
        let region = Arc::clone(&own.region);
        regions.remove(NAME);
        if known > 0 {
            regions.insert(NAME.to_owned(), own);
        }
        (region, regions)
    })
}

/// Annotations, and fields of spec and status: what signs, lists holds, keeps keys and erases again looks at them.
fn more() -> impl Strategy<Value = (Value, Value, Value)> {
    let requests = json!({
        "identities": [{"name": "email", "ignoreCase": true}, {"name": "customerId"}],
        "suppression": {"secretRef": {"name": "suppression", "key": "url"}},
    });
    let word = || option::of(select(vec!["first", "second"]));
    let asked = (word(), word(), word());
    let asked = asked.prop_map(|(run, rotate, reapply)| {
        json!({"tradewind.dev/run-at": run, "tradewind.dev/rotate-key-at": rotate, "tradewind.dev/reapply": reapply})
    });
    let spec = (
        option::of(Just(requests)),
        option::of(select(vec!["PT30M", "PT6H", "P2D"])),
        select(vec!["7 * * * *", "*/20 * * * *", "whenever"]),
    );
    let spec = spec.prop_map(|(requests, max_age, schedule)| {
        let holds = max_age.map(|max_age| json!({"maxAge": max_age}));
        json!({"requests": requests, "holds": holds, "evidence": {"schedule": schedule}})
    });
    let done = (word(), word(), word());
    let status = done.prop_map(|(run, rotate, reapply)| {
        json!({"evidence": {"lastHandledRunAt": run, "lastHandledRotateAt": rotate}, "requests": {"lastHandledReapply": reapply}})
    });
    (asked, spec, status)
}

fn fleet_facts() -> impl Strategy<Value = FleetFacts> {
    let owners = select(vec![
        "SocialChannel aurora/shop",
        "SocialChannel aurora/sho",
        "DataPolicy first",
        "LegalHold hold",
        "DataSubjectRequest r",
    ]);
    let holdings = (btree_map(owners, 0..3_usize, 0..=3), any::<bool>());
    let holdings = holdings.prop_map(|(objects, reading)| Holdings {
        objects: objects
            .into_iter()
            .map(|(owner, count)| (owner.to_owned(), count))
            .collect(),
        reading,
    });
    let policies = (chance::policy("first"), chance::policy("second"));
    let resources = (
        vec(chance::channel(), 0..=1),
        policies,
        vec(chance::hold(), 0..=1),
    );
    (fleet(), resources, holdings).prop_map(
        |((region, regions), (channels, (first, second), holds), holdings)| FleetFacts {
            region,
            regions,
            channels: channels.into_iter().map(chance::read).collect(),
            policies: vec![chance::read(first), chance::read(second)],
            holds: holds.into_iter().map(chance::read).collect(),
            requests: Vec::new(),
            holdings,
        },
    )
}

/// Policies say of half their tables whose the rows are.
fn mapped(mut policy: Value) -> Arc<DataPolicy> {
    let rules = policy["spec"]["rules"].as_array_mut().unwrap();
    for rule in rules
        .iter_mut()
        .filter(|rule| rule["dataset"]["table"] == "orders")
    {
        rule["dataset"]["subjects"] = json!([{"column": "mail", "identity": "email"}]);
    }
    chance::read(policy)
}

fn signing_facts() -> impl Strategy<Value = SigningFacts> {
    let digests = vec(any::<u8>(), 0..4);
    let seen = option::of(select(vec![
        "2026-11-22T09:59:59Z",
        "2026-11-22T08:00:00Z",
        "2026-11-01T00:00:00Z",
    ]));
    let chain = (
        digests,
        seen,
        option::of(Just("{}")),
        any::<bool>(),
        any::<bool>(),
    );
    let policies = (chance::policy("first"), chance::policy("second"));
    let others = (
        policies,
        vec(chance::channel(), 0..=2),
        vec(chance::hold(), 0..=1),
    );
    (fleet(), chain, others).prop_map(
        |((region, regions), (digests, seen, successor, witnesses, in_use), others)| {
            let ((first, second), channels, holds) = others;
            let digests: Vec<Hash> = digests.into_iter().map(|byte| Hash([byte; 32])).collect();
            let policies = [("first", mapped(first)), ("second", mapped(second))];
            let channels = channels.into_iter().zip(["shop", "store"]);
            SigningFacts {
                from: Tip::genesis("fleet", NAME),
                witness: witnesses
                    .then(|| Witnessed {
                        region: "us".into(),
                        from: Tip::genesis("fleet", "us"),
                        digests: digests.clone(),
                    })
                    .into_iter()
                    .collect(),
                digests,
                holds_seen: seen.map(|seen| seen.parse().unwrap()),
                successor: successor.map(str::to_owned),
                in_use,
                policies: policies
                    .map(|(name, policy)| (name.to_owned(), policy))
                    .into(),
                channels: channels
                    .map(|(mut channel, name)| {
                        channel["metadata"]["name"] = json!(name);
                        chance::read(channel)
                    })
                    .collect(),
                holds: holds
                    .into_iter()
                    .map(|hold| ("hold".to_owned(), chance::read(hold)))
                    .collect(),
                packs: chance::packs(),
                settings: chance::settings(),
                region,
                regions,
            }
        },
    )
}

fn is_going(region: &Region) -> bool {
    region.metadata.deletion_timestamp.is_some()
}

/// When a pause ends by itself.
fn pause_ends(region: &Region) -> Option<Timestamp> {
    region.spec.suspend.as_ref()?.until.as_deref()?.parse().ok()
}

/// Whether a pause is in force; one without an end that can be read has none.
fn is_paused(region: &Region) -> bool {
    region.spec.suspend.is_some() && pause_ends(region).is_none_or(|until| until > now())
}

/// Whether the cluster may be an older Region's.
fn is_shared(regions: &BTreeMap<String, RegionFacts>) -> bool {
    let id = |facts: &RegionFacts| {
        facts
            .region
            .status
            .as_ref()
            .and_then(|status| status.cluster_id.clone())
    };
    let born = |facts: &RegionFacts| {
        facts
            .region
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    };
    let Some(own) = regions.get(NAME) else {
        return false;
    };
    let Some(mine) = id(own) else { return false };
    let mut others = regions.iter().filter(|(name, _)| *name != NAME);
    others.any(|(name, facts)| {
        id(facts).as_ref() == Some(&mine) && (born(facts), name.as_str()) < (born(own), NAME)
    })
}

/// Who tells of something in the region, and of how many objects.
fn told(facts: &FleetFacts) -> Vec<(String, usize)> {
    let here = |name: &str, inventory: &[InventoryEntry]| {
        (name == NAME && !inventory.is_empty()).then_some(inventory.len())
    };
    let mut told = Vec::new();
    for channel in &facts.channels {
        let entries = channel.status.iter().flat_map(|status| &status.regions);
        let name = format!(
            "SocialChannel {}/{}",
            channel.namespace().unwrap(),
            channel.name_any()
        );
        told.extend(
            entries.filter_map(|entry| Some((name.clone(), here(&entry.name, &entry.inventory)?))),
        );
    }
    for policy in &facts.policies {
        let entries = policy.status.iter().flat_map(|status| &status.regions);
        let name = format!("DataPolicy {}", policy.name_any());
        told.extend(
            entries.filter_map(|entry| Some((name.clone(), here(&entry.name, &entry.inventory)?))),
        );
    }
    for hold in &facts.holds {
        let entries = hold.status.iter().flat_map(|status| &status.regions);
        let name = format!("LegalHold {}", hold.name_any());
        told.extend(
            entries.filter_map(|entry| Some((name.clone(), here(&entry.name, &entry.inventory)?))),
        );
    }
    told
}

/// What a Region says that no code, zone, duration, schedule or moment is.
fn is_unsound(region: &Region) -> bool {
    let spec = &region.spec;
    let suspend = spec
        .suspend
        .as_ref()
        .and_then(|suspend| suspend.until.as_deref());
    spec.jurisdictions == ["UK"]
        || spec.locale.time_zone == "Nowhere/Land"
        || spec
            .enforcement
            .as_ref()
            .is_some_and(|it| it.grace.as_deref() == Some("PT"))
        || spec
            .evidence
            .as_ref()
            .is_some_and(|it| it.schedule.as_deref() == Some("whenever"))
        || suspend.is_some_and(|until| until.parse::<Timestamp>().is_err())
}

fn the_task<S: DeserializeOwned>(map: &ConfigMap) -> S {
    let text = &map.data.as_ref().unwrap()["task.json"];
    serde_json::from_str::<Task<S>>(text).unwrap().spec
}

fn signed(facts: &SigningFacts) -> (Plan<SigningWorkloads>, RegionPlan<SigningWorkloads>) {
    let plan = plan::signing(facts, now());
    let decided = plan.regions[NAME].clone();
    (plan, decided)
}

/// Every pod that signs, keeps or erases again, by what it is for.
fn pods(workloads: &SigningWorkloads) -> Vec<(&'static str, PodSpec)> {
    let template =
        |job: &k8s_openapi::api::batch::v1::Job| job.spec.clone().unwrap().template.spec.unwrap();
    let cron = workloads
        .cron_job
        .spec
        .clone()
        .unwrap()
        .job_template
        .spec
        .unwrap();
    let mut pods = vec![("attest", cron.template.spec.unwrap())];
    pods.extend(
        workloads
            .run_now
            .iter()
            .map(|job| ("attest", template(job))),
    );
    pods.extend(
        workloads
            .keeper
            .iter()
            .map(|it| ("keep-key", template(&it.job))),
    );
    pods.extend(
        workloads
            .reapply
            .iter()
            .map(|it| ("reapply", template(&it.job))),
    );
    pods
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn a_regions_plan_is_the_same_for_the_same_facts_in_any_order(facts in fleet_facts()) {
        let mut turned = facts.clone();
        turned.channels.reverse();
        turned.policies.reverse();
        turned.holds.reverse();
        turned.requests.reverse();
        prop_assert_eq!(plan::region(&facts, now()), plan::region(&turned, now()));
    }

    /// A Region is accepted when, and only when, what it says is so; a pause is one until it ends and no longer.
    #[test]
    fn a_region_is_accepted_when_it_is_sound_and_paused_while_somebody_says_so(facts in fleet_facts()) {
        let plan = plan::region(&facts, now());
        let is_wrong = is_unsound(&facts.region) || is_shared(&facts.regions);
        prop_assert_eq!(matches!(plan.verdict, Verdict::Invalid(_)), is_wrong, "{:?}", plan.verdict);
        let is_paused = is_paused(&facts.region);
        prop_assert_eq!(matches!(plan.verdict, Verdict::Suspended(_)), is_paused && !is_wrong);
        prop_assert!(plan.wake_at.is_none_or(|at| at > now()), "it would be looked at for ever");
        prop_assert_eq!(plan.wake_at, pause_ends(&facts.region).filter(|_| is_paused));
        if let Some(ends) = plan.wake_at {
            let before = ends.checked_sub(SignedDuration::from_secs(1)).unwrap();
            // Of what is not connected yet nothing is known, as of each look.
            let then = FleetPlan { reach: plan.reach.clone(), ..plan::region(&facts, before) };
            prop_assert_eq!(&then, &plan, "a plan that changes unannounced");
            prop_assert!(!matches!(plan::region(&facts, ends).verdict, Verdict::Suspended(_)));
        }
        let known = facts.regions.get(NAME).map(|own| own.reach.clone());
        prop_assert!(known.is_none_or(|known| known == plan.reach));
        let silent = matches!(plan.reach, Reach::Unreachable { .. });
        prop_assert!(silent || facts.regions.contains_key(NAME), "a Region that nobody has connected answers");
    }

    /// Who has something there is waited for, by status or by sight, and nobody else.
    #[test]
    fn a_region_goes_when_nothing_is_left_there_and_waits_for_nothing_else(facts in fleet_facts()) {
        let plan = plan::region(&facts, now());
        let told = told(&facts);
        let by = |kind: &str| told.iter().filter(|(owner, _)| owner.starts_with(kind)).count();
        prop_assert_eq!(usize::try_from(plan.channels).unwrap(), by("SocialChannel"));
        prop_assert_eq!(usize::try_from(plan.policies).unwrap(), by("DataPolicy"));
        let mut wanted: Vec<String> = told.iter().map(|(owner, count)| format!("{owner} ({count} object")).collect();
        let looks = plan.deleting == Some(DeletionPolicy::Delete) && !is_shared(&facts.regions);
        if looks {
            let unsaid = facts.holdings.objects.iter().filter(|(owner, count)| {
                **count > 0 && told.iter().all(|(named, _)| named != *owner)
            });
            wanted.extend(unsaid.map(|(owner, count)| format!("{owner} ({count} object")));
            wanted.extend(facts.holdings.reading.then(|| "what has not been read yet".to_owned()));
        }
        prop_assert_eq!(plan.left.len(), wanted.len(), "{:?}", plan.left);
        for one in &wanted {
            prop_assert!(plan.left.iter().any(|left| left.starts_with(one.as_str())), "{one} is forgotten: {:?}", plan.left);
        }
        prop_assert_eq!(plan.deleting.is_some(), is_going(&facts.region));
    }

    #[test]
    fn what_signs_is_the_same_for_the_same_facts_in_any_order(facts in signing_facts()) {
        let mut turned = facts.clone();
        turned.channels.reverse();
        for policy in turned.policies.values_mut() {
            let spec = &mut Arc::make_mut(policy).spec;
            spec.regimes.reverse();
            for rule in &mut spec.rules {
                rule.dataset.records.reverse();
            }
        }
        let (one, two) = (plan::signing(&facts, now()), plan::signing(&turned, now()));
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
        prop_assert_eq!(one.regions.keys().collect::<Vec<_>>(), [NAME]);
    }

    /// Evidence goes on while anything may happen that it has to tell of; it is taken away last, and only where it is
    /// known what is there.
    #[test]
    fn signing_outlives_all_else_and_goes_with_its_region(facts in signing_facts()) {
        let (plan, decided) = signed(&facts);
        let own = facts.regions.get(NAME);
        let is_known = own.is_some_and(|own| own.reach == Reach::Ready)
            && facts.region.status.as_ref().is_some_and(|status| status.cluster_id.is_some())
            && !is_shared(&facts.regions);
        let (going, orphaned) = (is_going(&facts.region), plan.deleting == Some(DeletionPolicy::Orphan));
        match &decided {
            RegionPlan::Withdraw(_) => prop_assert!(going && !orphaned && !facts.in_use && is_known),
            RegionPlan::Leave(_) => prop_assert!(orphaned || is_shared(&facts.regions)),
            RegionPlan::Run(_) => prop_assert!(is_known && !going && !is_paused(&facts.region)),
            RegionPlan::Keep(_) | RegionPlan::Hold(_) => prop_assert!(!orphaned),
            RegionPlan::Pause(_) => prop_assert!(false, "a pause of signing: what happens meanwhile would be unsigned"),
        }
        let there = own.and_then(|own| own.namespaces.as_ref());
        let has_home = there.is_none_or(|there| there.contains("runs"));
        if is_known && !going && has_home && !is_paused(&facts.region) {
            let accepted = !is_unsound(&facts.region);
            prop_assert!(!accepted || matches!(decided, RegionPlan::Run(_)), "{decided:?}");
        }
        prop_assert!(plan.wake_at.is_none_or(|at| at > now()), "it would be looked at for ever");
    }

    /// The signer is told the chain as it is, and to make another key only as often as somebody asks for one.
    #[test]
    fn a_signer_is_told_the_chain_and_each_wish_once(facts in signing_facts()) {
        let (_, decided) = signed(&facts);
        let Some(workloads) = decided.workloads() else { return Ok(()) };
        let task: Attest = the_task(&workloads.config_map);
        let text = &workloads.config_map.data.as_ref().unwrap()["task.json"];
        let again: Task<Attest> = serde_json::from_str(text).unwrap();
        prop_assert_eq!(&serde_json::to_string_pretty(&again).unwrap(), text);
        prop_assert_eq!(&task.digests, &facts.digests);
        prop_assert_eq!(task.from, facts.from);
        prop_assert_eq!(&task.witness, &facts.witness);
        prop_assert_eq!(&task.successor, &facts.successor);
        let asked = |word: &str| facts.region.annotations().get(&format!("tradewind.dev/{word}")).cloned();
        let status = facts.region.status.as_ref().unwrap();
        let told = status.evidence.as_ref();
        let open = |asked: Option<String>, done: Option<&String>| asked.filter(|asked| Some(asked) != done);
        let rotate = open(asked("rotate-key-at"), told.and_then(|told| told.last_handled_rotate_at.as_ref()));
        prop_assert_eq!(task.rotate, rotate);
        let run = open(asked("run-at"), told.and_then(|told| told.last_handled_run_at.as_ref()));
        prop_assert_eq!(workloads.run_now.is_some(), run.is_some());
        let handled = status.requests.as_ref().and_then(|told| told.last_handled_reapply.as_ref());
        let reapply = open(asked("reapply"), handled);
        let answered = workloads.reapply.is_some() != workloads.reapply_problem.is_some();
        prop_assert_eq!(answered, reapply.is_some(), "asked and unanswered, or the other way round");
        prop_assert!(workloads.reapply.is_none() || facts.region.spec.requests.is_some());
    }

    /// The key for requests is kept where requests are taken. Its Job, and what signs, are the same at every moment, so that no
    /// look makes them anew; the list of holds is told in steps, and never as younger than it is.
    #[test]
    fn what_stands_in_a_region_does_not_change_by_the_clock(facts in signing_facts(), later in 1..100_000_i64) {
        let (plan, decided) = signed(&facts);
        let Some(workloads) = decided.workloads() else { return Ok(()) };
        prop_assert_eq!(workloads.keeper.is_some(), facts.region.spec.requests.is_some());
        if let Some(keeper) = &workloads.keeper {
            let _: KeepKey = the_task(&keeper.config_map);
        }
        let at = now().checked_add(SignedDuration::from_secs(later)).unwrap();
        let then = plan::signing(&facts, at);
        prop_assert_eq!(then.regions[NAME].workloads(), Some(workloads));
        let listed = facts.holds_seen;
        prop_assert_eq!(workloads.hold_list.is_some(), listed.is_some());
        prop_assert_eq!(plan.wake_at.is_some(), listed.is_some());
        if let (Some(list), Some(seen)) = (&workloads.hold_list, listed) {
            let told: Vec<Timestamp> = list.data.as_ref().unwrap().values().map(|at| at.parse().unwrap()).collect();
            prop_assert!(matches!(told.as_slice(), [at] if *at <= seen && seen.duration_since(*at) <= SignedDuration::from_hours(1)));
        }
    }

    /// A key is in a Secret that one ServiceAccount alone may read: only the pods that need it may ask, and they ask by
    /// themselves. Nothing that is written down has one.
    #[test]
    fn no_pod_has_a_key_that_is_not_its_own(facts in signing_facts()) {
        let (_, decided) = signed(&facts);
        let Some(workloads) = decided.workloads() else { return Ok(()) };
        for (role, pod) in pods(workloads) {
            let secrets: BTreeSet<String> = pod.volumes.iter().flatten()
                .filter_map(|volume| volume.secret.as_ref()?.secret_name.clone())
                .collect();
            let wanted = match role {
                "reapply" => ["db", "suppression", "tradewind-requests"].map(str::to_owned).into(),
                _ => BTreeSet::new(),
            };
            prop_assert!(secrets.is_subset(&wanted), "{role}: {secrets:?}");
            prop_assert_eq!(pod.automount_service_account_token == Some(true), role != "reapply", "{}", role);
        }
    }

    /// Whoever is erased again after a restore is spared what a law keeps: every keep in force, as in the run that erased.
    #[test]
    fn what_is_erased_again_is_kept_by_the_same_laws(facts in signing_facts()) {
        let (_, decided) = signed(&facts);
        let Some(again) = decided.workloads().and_then(|workloads| workloads.reapply.as_ref()) else { return Ok(()) };
        let task: Erase = the_task(&again.config_map);
        let in_force: Vec<_> = facts.policies.values().filter(|policy| {
            policy.metadata.deletion_timestamp.is_none() && plan::policy_chooses(policy, &facts.region, &facts.channels)
        }).collect();
        for table in task.stores.iter().flat_map(|store| &store.tables) {
            let wanted: BTreeSet<(String, String)> = in_force.iter().flat_map(|policy| {
                let taxed = policy.spec.regimes.iter().any(|law| law == "de-tax");
                policy.spec.rules.iter().filter(|rule| rule.dataset.table == table.table).flat_map(move |rule| {
                    let has = |kind: &str| taxed && rule.dataset.records.iter().any(|own| own == kind);
                    let laws = [has("invoice").then_some("P8Y"), has("businessLetter").then_some("P6Y")];
                    let laws = laws.into_iter().flatten().map(str::to_owned);
                    let own = rule.keep.iter().map(|keep| keep.period.clone());
                    own.chain(laws).map(|period| (policy.name_any(), period)).collect::<Vec<_>>()
                })
            }).collect();
            let told: BTreeSet<_> = table.keeps.iter().map(|keep| (keep.policy.clone(), keep.period.clone())).collect();
            prop_assert_eq!(told, wanted);
            prop_assert!(table.keeps.iter().all(|keep| !keep.reference.is_empty()), "kept without a ground");
        }
    }
}
