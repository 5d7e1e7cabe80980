//! What no facts can make a plan or a status do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use tradewind::api::{DataPolicy, DeletionPolicy, EnforcementMode, InventoryEntry, SocialChannel};
use tradewind::contract::{Connect, Feed, Retain, Task};
use tradewind::plan::{
    self, ChannelFacts, ChannelWorkloads, Plan, PolicyFacts, PolicyWorkloads, Reach, RegionFacts,
    RegionPlan, Verdict, gates,
};
use tradewind::status::{self, ChannelObserved, PolicyObserved, Seen};

use super::chance::{self, now};

/// Whether something is made or kept up to date there.
fn makes<W>(decided: &RegionPlan<W>) -> bool {
    decided.workloads().is_some()
}

fn is_silent(region: &RegionFacts) -> bool {
    region.reach != Reach::Ready
}

/// A pause that is in force; one whose end cannot be read has none.
fn is_paused(suspend: Option<&tradewind::api::Suspend>) -> bool {
    suspend.is_some_and(|suspend| {
        let until = suspend.until.as_deref();
        until.is_none_or(|until| until.parse().map_or(true, |at: jiff::Timestamp| at > now()))
    })
}

/// A task goes through the agent's types unchanged, byte for byte: no field is unknown to either side, none is lost.
fn round_trip<S: Serialize + DeserializeOwned>(map: &ConfigMap) -> Result<(), TestCaseError> {
    let text = &map.data.as_ref().unwrap()["task.json"];
    let task: Task<S> = serde_json::from_str(text).unwrap();
    prop_assert_eq!(&serde_json::to_string_pretty(&task).unwrap(), text);
    Ok(())
}

fn had(inventories: impl Iterator<Item = (String, bool)>) -> BTreeSet<String> {
    inventories
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}

/// A policy that counts for a channel carries its regime in full; how coverage is found out is tested beside its gate.
fn is_covered(facts: &ChannelFacts, region: &RegionFacts) -> bool {
    let refused: Vec<_> = facts
        .policies
        .values()
        .map(|policy| {
            let plan = plan::policy(
                &PolicyFacts {
                    policy: policy.clone(),
                    regions: BTreeMap::new(),
                    channels: Vec::new(),
                    policies: BTreeMap::new(),
                    packs: facts.packs.clone(),
                    settings: facts.settings.clone(),
                },
                now(),
            );
            match plan.verdict {
                Verdict::Invalid(why) => (policy, Some(why)),
                _ => (policy, None),
            }
        })
        .collect();
    let candidates: Vec<_> = refused
        .iter()
        .map(|(policy, refused)| gates::Candidate {
            policy,
            refused: refused.as_ref(),
        })
        .collect();
    gates::coverage(
        &facts.channel,
        &region.region,
        &candidates,
        &facts.packs,
        now(),
    )
    .is_covered()
}

/// What the agents are told, by region.
fn tasks(facts: &PolicyFacts) -> BTreeMap<String, Task<Retain>> {
    let plan = plan::policy(facts, now());
    let task = |(name, decided): (&String, &RegionPlan<PolicyWorkloads>)| {
        let data = decided.workloads()?.config_map.data.as_ref().unwrap();
        Some((
            name.clone(),
            serde_json::from_str(&data["task.json"]).unwrap(),
        ))
    };
    plan.regions.iter().filter_map(task).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn the_same_facts_give_the_same_bytes(facts in chance::channel_facts()) {
        let (one, two) = (plan::channel(&facts, now()), plan::channel(&facts.clone(), now()));
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }

    #[test]
    fn a_policys_plan_does_not_depend_on_the_order_of_channels(facts in chance::policy_facts()) {
        let mut turned = facts.clone();
        turned.channels.reverse();
        let (one, two) = (plan::policy(&facts, now()), plan::policy(&turned, now()));
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }

    #[test]
    fn a_channel_runs_only_where_it_is_chosen_allowed_lawful_and_known(facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        let channel = &facts.channel;
        let namespace = channel.namespace().unwrap();
        for (name, _decided) in plan.regions.iter().filter(|(_, decided)| makes(decided)) {
            let region = &facts.regions[name];
            prop_assert!(plan::channel_chooses(channel, &region.region), "{name} isn't chosen");
            prop_assert!(!is_silent(region), "{name} is silent");
            let spec = &region.region.spec;
            prop_assert!(spec.tenants.iter().any(|t| t.namespace == namespace), "no tenant of {name}");
            prop_assert!(region.region.metadata.deletion_timestamp.is_none(), "{name} is going");
            prop_assert!(!is_paused(spec.suspend.as_ref()), "{name} is paused");
            prop_assert!(!is_paused(channel.spec.suspend.as_ref()), "the channel is paused");
            prop_assert!(channel.metadata.deletion_timestamp.is_none(), "the channel is going");
            let there = region.namespaces.as_ref();
            prop_assert!(there.is_none_or(|there| there.contains(&namespace)), "no namespace in {name}");
            let platform = facts.packs.platform(&channel.spec.platform.name).expect("a known platform");
            let mode = channel.spec.checkout.as_ref().map(|checkout| checkout.mode);
            let market = gates::market(&channel.spec.platform.name, platform, mode, &region.region);
            prop_assert!(market.holds, "{name}: {}", market.reason.message);
            let enforcement = spec.enforcement.as_ref().and_then(|e| e.mode).unwrap_or_default();
            prop_assert!(
                enforcement == EnforcementMode::Warn || is_covered(&facts, region),
                "{name} is uncovered"
            );
        }
    }

    #[test]
    fn ignorance_removes_nothing_and_nothing_is_forgotten(facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        let entries = facts.channel.status.iter().flat_map(|s| &s.regions);
        for name in had(entries.map(|e| (e.name.clone(), !e.inventory.is_empty()))) {
            prop_assert!(plan.regions.contains_key(&name), "{name} is forgotten");
        }
        let orphaned = plan.deleting == Some(DeletionPolicy::Orphan);
        for (name, decided) in &plan.regions {
            let unknown = facts.regions.get(name).is_none_or(is_silent);
            let is_withdrawn = matches!(decided, RegionPlan::Withdraw(_));
            prop_assert!(!(is_withdrawn && (unknown || orphaned)), "{name}: {decided:?}");
            if plan.deleting.is_some() {
                let waits = matches!(decided, RegionPlan::Withdraw(_) | RegionPlan::Hold(_) | RegionPlan::Leave(_));
                prop_assert!(waits, "{name}: {decided:?}");
            }
        }
    }

    #[test]
    fn an_agent_reads_every_task_as_it_was_written(facts in chance::channel_facts(), policy in chance::policy_facts()) {
        for decided in plan::channel(&facts, now()).regions.values() {
            let Some(workloads) = decided.workloads() else { continue };
            if let Some(connector) = &workloads.connector {
                round_trip::<Connect>(&connector.config_map)?;
            }
            for feed in workloads.feeds.values() {
                round_trip::<Feed>(&feed.config_map)?;
            }
        }
        for decided in plan::policy(&policy, now()).regions.values() {
            let Some(workloads) = decided.workloads() else { continue };
            round_trip::<Retain>(&workloads.config_map)?;
        }
    }

    #[test]
    fn nothing_is_written_where_the_cluster_may_be_anothers(channel in chance::channel_facts(), policy in chance::policy_facts()) {
        let open = |regions: &BTreeMap<String, RegionFacts>, name: &str| {
            let Some(own) = regions.get(name) else { return true };
            let id = |facts: &RegionFacts| facts.region.status.as_ref().and_then(|status| status.cluster_id.clone());
            let born = |facts: &RegionFacts| facts.region.metadata.creation_timestamp.as_ref().map(|time| time.0);
            id(own).is_some_and(|mine| {
                regions.iter().all(|(other, facts)| {
                    other == name || id(facts).as_ref() != Some(&mine) || (born(own), name) < (born(facts), other)
                })
            })
        };
        for (name, decided) in &plan::channel(&channel, now()).regions {
            let writes = makes(decided) || matches!(decided, RegionPlan::Withdraw(_));
            prop_assert!(!writes || open(&channel.regions, name), "{name}: {decided:?}");
        }
        for (name, decided) in &plan::policy(&policy, now()).regions {
            let writes = makes(decided) || matches!(decided, RegionPlan::Withdraw(_));
            prop_assert!(!writes || open(&policy.regions, name), "{name}: {decided:?}");
        }
    }

    #[test]
    fn nothing_outlives_its_rule(facts in chance::policy_facts()) {
        let spec = &facts.policy.spec;
        let rules: Vec<_> = spec.rules.iter().filter_map(|rule| Some((rule.name.clone(), rule.erase.clone()?.after))).collect();
        for (name, task) in tasks(&facts) {
            let told: Vec<_> = task.spec.rules.iter().map(|rule| (rule.name.clone(), rule.after.clone())).collect();
            prop_assert_eq!(&told, &rules);
            prop_assert!(!told.is_empty(), "a run that erases nothing");
            prop_assert_eq!(&task.region, &name);
            prop_assert_eq!(task.spec.mode, spec.mode());
            prop_assert!(task.spec.rules.iter().all(|rule| rule.after != "P0D"), "a period of nothing");
        }
    }

    /// A keep is told to whoever erases where its policy is, whatever else is true of that policy; and nothing else is.
    #[test]
    fn every_keep_reaches_every_rule_that_it_binds(facts in chance::policy_facts()) {
        for (name, task) in tasks(&facts) {
            let region = &facts.regions[&name].region;
            let in_force = facts.policies.values().filter(|policy| {
                policy.name_any() == "first"
                    || policy.metadata.deletion_timestamp.is_none() && plan::policy_chooses(policy, region, &facts.channels)
            });
            let in_force: Vec<_> = in_force.collect();
            for rule in &task.spec.rules {
                let of = |policy: &Arc<DataPolicy>| {
                    let rules = policy.spec.rules.iter();
                    let same = rules.filter(|other| other.dataset.store == rule.store && other.dataset.table == rule.table);
                    let keeps = same.filter_map(|other| Some((policy.name_any(), other.keep.clone()?.period)));
                    keeps.collect::<Vec<_>>()
                };
                let wanted: Vec<_> = in_force.iter().flat_map(|policy| of(policy)).collect();
                let told: Vec<_> = rule.keeps.iter().map(|keep| (keep.policy.clone(), keep.period.clone())).collect();
                prop_assert_eq!(told, wanted);
                prop_assert!(rule.keeps.iter().all(|keep| !keep.reference.is_empty()), "kept without a ground");
            }
            let foreign = task.spec.rules.iter().flat_map(|rule| &rule.keeps).any(|keep| keep.policy != "first");
            prop_assert_eq!(task.spec.spec_hash == plan::spec_hash(&facts.policy.spec), !foreign);
        }
    }

    /// What somebody approved is void once another policy's keep is another.
    #[test]
    fn a_changed_keep_changes_what_is_approved(facts in chance::policy_facts()) {
        let mut changed = facts.clone();
        for (_, policy) in changed.policies.iter_mut().filter(|(name, _)| *name == "second") {
            for rule in &mut Arc::make_mut(policy).spec.rules {
                if let Some(keep) = &mut rule.keep {
                    keep.period.push_str("1D");
                    keep.period = keep.period.replace("D1D", "1D");
                }
            }
        }
        let (before, after) = (tasks(&facts), tasks(&changed));
        for (name, task) in before {
            let foreign = task.spec.rules.iter().flat_map(|rule| &rule.keeps).any(|keep| keep.policy != "first");
            prop_assert_eq!(after[&name].spec.spec_hash != task.spec.spec_hash, foreign);
        }
    }

    #[test]
    fn a_pause_erases_nothing_and_runs_nothing_now(facts in chance::policy_facts()) {
        let plan = plan::policy(&facts, now());
        for (name, decided) in &plan.regions {
            let Some(workloads) = decided.workloads() else { continue };
            let region = &facts.regions[name];
            let paused = is_paused(facts.policy.spec.suspend.as_ref())
                || is_paused(region.region.spec.suspend.as_ref());
            let suspended = workloads.cron_job.spec.as_ref().unwrap().suspend == Some(true);
            prop_assert_eq!(paused, suspended, "{}", name);
            prop_assert!(!(paused && workloads.run_now.is_some()), "{name} runs now");
            prop_assert!(!is_silent(region) && region.region.metadata.deletion_timestamp.is_none());
        }
    }

    #[test]
    fn a_broken_line_costs_no_number(facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        let seen: BTreeMap<String, Seen<ChannelObserved>> = plan
            .regions
            .keys()
            .map(|name| (name.clone(), unknown()))
            .collect();
        let written = status::channel(&plan, &seen, &facts.channel, now()).status;
        let old = facts.channel.status.iter().flat_map(|status| &status.regions);
        for before in old.filter(|entry| matches!(plan.regions.get(&entry.name), Some(RegionPlan::Hold(_)))) {
            let after = written.regions.iter().find(|entry| entry.name == before.name);
            let after = after.expect("held regions stay in status");
            prop_assert_eq!(&after.inventory, &before.inventory);
            prop_assert_eq!(&after.connector, &before.connector);
            prop_assert_eq!(after.feeds[0].items, before.feeds[0].items);
            prop_assert!(after.unreachable_since.is_some());
        }
    }

    #[test]
    fn a_broken_line_costs_no_evidence(facts in chance::policy_facts()) {
        let plan = plan::policy(&facts, now());
        let seen: BTreeMap<String, Seen<PolicyObserved>> = plan
            .regions
            .keys()
            .map(|name| (name.clone(), unknown()))
            .collect();
        let written = status::policy(&plan, &seen, &facts.policy, &BTreeMap::new(), now()).status;
        let old = facts.policy.status.iter().flat_map(|status| &status.regions);
        for before in old.filter(|entry| matches!(plan.regions.get(&entry.name), Some(RegionPlan::Hold(_)))) {
            let after = written.regions.iter().find(|entry| entry.name == before.name);
            let after = after.expect("held regions stay in status");
            prop_assert_eq!(&after.totals, &before.totals);
            prop_assert_eq!(&after.last_run, &before.last_run);
            prop_assert_eq!(&after.preview, &before.preview);
        }
    }

    #[test]
    fn a_channels_status_settles(mut facts in chance::channel_facts()) {
        let mut last = None;
        for _ in 0..4 {
            let plan = plan::channel(&facts, now());
            let written = status::channel(&plan, &healthy(&plan, channel_seen), &facts.channel, now());
            check(&written.status.conditions, &CHANNEL)?;
            for region in facts.regions.values_mut() {
                region.remains = false;
            }
            let mut channel = SocialChannel::clone(&facts.channel);
            channel.status = Some(written.status.clone());
            facts.channel = Arc::new(channel);
            last = Some((last.map(|(_, now)| now), written));
        }
        let (before, after) = last.unwrap();
        prop_assert_eq!(before.unwrap(), after);
    }

    #[test]
    fn a_policys_status_settles(mut facts in chance::policy_facts()) {
        let mut last = None;
        for _ in 0..4 {
            let plan = plan::policy(&facts, now());
            let written = status::policy(&plan, &healthy(&plan, policy_seen), &facts.policy, &BTreeMap::new(), now());
            check(&written.status.conditions, &POLICY)?;
            for region in facts.regions.values_mut() {
                region.remains = false;
            }
            let mut policy = DataPolicy::clone(&facts.policy);
            policy.status = Some(written.status.clone());
            facts.policy = Arc::new(policy);
            last = Some((last.map(|(_, now)| now), written));
        }
        let (before, after) = last.unwrap();
        prop_assert_eq!(before.unwrap(), after);
    }
}

const CHANNEL: [&str; 8] = [
    "Accepted",
    "ConnectorAvailable",
    "FeedsCurrent",
    "MarketSupported",
    "PolicyCovered",
    "Ready",
    "ReferencesResolved",
    "Suspended",
];
const POLICY: [&str; 7] = [
    "Accepted",
    "CoverageComplete",
    "Enforced",
    "EvidenceFresh",
    "Ready",
    "ReferencesResolved",
    "Suspended",
];

/// Every condition of the kind, each once; those of kstatus only while they are so.
fn check(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    always: &[&str],
) -> Result<(), TestCaseError> {
    let types: Vec<&str> = conditions.iter().map(|c| c.type_.as_str()).collect();
    for one in always {
        prop_assert_eq!(types.iter().filter(|t| t == &one).count(), 1, "{}", one);
    }
    for condition in conditions {
        prop_assert_eq!(condition.observed_generation, Some(2));
        prop_assert!(
            !condition.reason.is_empty() && !condition.message.is_empty(),
            "{condition:?}"
        );
        if !always.contains(&condition.type_.as_str()) {
            prop_assert!(
                ["Deleting", "Reconciling", "Stalled"].contains(&condition.type_.as_str())
            );
            prop_assert_eq!(condition.status.as_str(), "True");
        }
    }
    Ok(())
}

fn unknown<O>() -> Seen<O> {
    Seen::Unknown {
        since: now(),
        reason: "Timeout".into(),
        message: "no answer".into(),
    }
}

/// What is seen when everything planned is made and works, and everything withdrawn is gone.
fn healthy<W, O: Default>(plan: &Plan<W>, children: fn(&W) -> O) -> BTreeMap<String, Seen<O>> {
    plan.regions
        .iter()
        .filter(|(_, decided)| !matches!(decided, RegionPlan::Hold(_) | RegionPlan::Leave(_)))
        .map(|(name, decided)| {
            let entry = InventoryEntry {
                kind: "ConfigMap".into(),
                namespace: "aurora".into(),
                name: "x".into(),
                uid: "u".into(),
            };
            let seen = Seen::Known {
                children: decided.workloads().map(children).unwrap_or_default(),
                inventory: decided.workloads().map(|_| entry).into_iter().collect(),
                troubles: Vec::new(),
            };
            (name.clone(), seen)
        })
        .collect()
}

fn channel_seen(workloads: &ChannelWorkloads) -> ChannelObserved {
    ChannelObserved {
        connector: workloads.connector.as_ref().map(|_| (2, 2)),
        ..ChannelObserved::default()
    }
}

fn policy_seen(_: &PolicyWorkloads) -> PolicyObserved {
    PolicyObserved::default()
}
