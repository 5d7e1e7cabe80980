//! What no facts can make a plan or a status do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use tradewind::api::{
    DataPolicy, DeletionPolicy, EnforcementMode, InventoryEntry, LegalHold, Region, SocialChannel,
    Transfer,
};
use tradewind::contract::{
    Connect, Feed, Hold, HoldReport, Report, ReportedStore, Retain, RetentionKeep, Task,
};
use tradewind::plan::{
    self, ChannelFacts, ChannelWorkloads, HoldWorkloads, Plan, PolicyFacts, PolicyWorkloads, Reach,
    RegionFacts, RegionPlan, Verdict, gates,
};
use tradewind::status::{self, ChannelObserved, HoldJob, HoldObserved, PolicyObserved, Seen};

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
                    holds: BTreeMap::new(),
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

/// Whether personal data may go there on 22 November 2026, worked out anew for the countries and instruments of `chance`.
fn lawful(region: &Region, regions: &BTreeMap<String, RegionFacts>, to: &str) -> bool {
    let law = region.spec.jurisdictions[0].as_str();
    let (free, instruments): (&[&str], &[&str]) = match law {
        "DE" => (&["DE", "FR", "JP", "BR"], &["scc", "bcr", "adequacy"]),
        "BR" => (&["BR", "DE", "FR"], &["anpdclauses", "adequacy"]),
        _ => return true,
    };
    // A decision without a limit, or with one that a transfer says is met.
    let decided = |word: &str| word != "adequacy" || law == "DE" && ["US", "JP"].contains(&to);
    let leads = |goal: &str| {
        let law = regions
            .get(goal)
            .map(|goal| goal.region.spec.jurisdictions[0].clone());
        goal == to || law.is_some_and(|law| law.split('-').next() == Some(to))
    };
    let days = |transfer: &Transfer| {
        transfer
            .valid_from
            .as_deref()
            .is_none_or(|day| day <= "2026-11-22")
            && transfer
                .valid_until
                .as_deref()
                .is_none_or(|day| day >= "2026-11-22" && day != "2027-02-30")
    };
    let transfers = region.spec.transfers.iter();
    free.contains(&to)
        || transfers.into_iter().any(|it| {
            let word = it.instrument.to_lowercase();
            leads(&it.to) && instruments.contains(&word.as_str()) && decided(&word) && days(it)
        })
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
        for (name, decided) in plan.regions.iter().filter(|(_, decided)| makes(decided)) {
            let region = &facts.regions[name];
            prop_assert!(plan::channel_chooses(channel, &region.region), "{name} isn't chosen");
            prop_assert!(!is_silent(region), "{name} is silent");
            let spec = &region.region.spec;
            prop_assert!(spec.tenants.iter().any(|t| t.namespace == namespace), "no tenant of {name}");
            prop_assert!(region.region.metadata.deletion_timestamp.is_none(), "{name} is going");
            prop_assert!(!is_paused(spec.suspend.as_ref()), "{name} is paused");
            // What may not leave is stopped in spite of a pause.
            let stops = matches!(decided, RegionPlan::Pause(..)) && !plan.notes[name].held.is_empty();
            prop_assert!(stops || !is_paused(channel.spec.suspend.as_ref()), "the channel is paused");
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

    /// What crosses a border is not made without an instrument: no address, no key. What is made knows its end.
    #[test]
    fn nothing_crosses_a_border_without_an_instrument(facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        let spec = &facts.channel.spec;
        for (name, decided) in &plan.regions {
            let Some(workloads) = decided.workloads() else { continue };
            let region = &facts.regions[name].region;
            let held: BTreeSet<&str> = plan.notes[name].held.iter().map(|held| held.flow.as_str()).collect();
            if let Some(connector) = &workloads.connector {
                let objects = format!("{connector:?}");
                let task: Task<Connect> = serde_json::from_str(&connector.config_map.data.as_ref().unwrap()["task.json"]).unwrap();
                for sink in &spec.sinks {
                    let country = sink.country.as_deref();
                    let is_open = country.is_none_or(|to| lawful(region, &facts.regions, to));
                    let told = task.spec.sinks.iter().find(|told| told.name == sink.name);
                    prop_assert_eq!(told.is_some(), is_open, "{}: {} to {:?}", name, sink.name, country);
                    prop_assert_eq!(task.spec.held_sinks.contains(&sink.name), !is_open);
                    prop_assert_eq!(held.contains(format!("sink {}", sink.name).as_str()), !is_open);
                    let is_named = objects.contains(&sink.http.url) || objects.contains(&format!("sink-{}", sink.name));
                    prop_assert_eq!(is_named, is_open, "{}", objects);
                    let end = told.and_then(|told| told.until.as_deref()).map(|end| end.parse::<jiff::Timestamp>().unwrap());
                    prop_assert!(end.is_none_or(|end| end > now()), "{end:?}");
                }
            }
            for feed in &spec.feeds {
                let speaks = spec.catalog.as_ref().unwrap().personal_data != Some(false);
                let country = feed.destination.country.as_deref().filter(|_| speaks);
                let is_open = country.is_none_or(|to| lawful(region, &facts.regions, to));
                prop_assert!(is_open || !workloads.feeds.contains_key(&feed.name), "{name}: {}", feed.name);
            }
        }
    }

    /// Where something may go on sending what no instrument covers, it is changed or taken away, unless nothing is known.
    #[test]
    fn what_must_stop_is_not_left_as_it_runs(facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        let old = facts.channel.status.iter().flat_map(|status| &status.regions);
        for entry in old.filter(|entry| !entry.inventory.is_empty()) {
            let Some(decided) = plan.regions.get(&entry.name) else { continue };
            let is_left = matches!(decided, RegionPlan::Keep(_))
                || matches!(decided, RegionPlan::Hold(why) if why.word == "Suspended");
            prop_assert!(!is_left || plan.notes[&entry.name].held.is_empty(), "{decided:?}");
        }
    }

    /// Findings are about what is written, not about how it is ordered.
    #[test]
    fn the_order_of_what_is_written_changes_no_finding(facts in chance::policy_facts()) {
        let mut turned = facts.clone();
        turned.channels.reverse();
        for channel in &mut turned.channels {
            Arc::make_mut(channel).spec.sinks.reverse();
        }
        for region in turned.regions.values_mut() {
            let spec = &mut Arc::make_mut(&mut region.region).spec;
            spec.transfers.reverse();
            for store in &mut spec.data_stores {
                store.datasets.reverse();
            }
        }
        for policy in turned.policies.values_mut().chain([&mut turned.policy]) {
            let spec = &mut Arc::make_mut(policy).spec;
            spec.rules.reverse();
            spec.regimes.reverse();
            for rule in &mut spec.rules {
                rule.dataset.records.reverse();
            }
        }
        let (one, two) = (plan::policy(&facts, now()), plan::policy(&turned, now()));
        prop_assert_eq!(&one.baseline, &two.baseline);
        let ids: BTreeSet<&str> = one.baseline.findings.iter().map(|finding| finding.id.as_str()).collect();
        prop_assert_eq!(ids.len(), one.baseline.findings.len(), "an id is there twice");
        for finding in &one.baseline.findings {
            let told = [&finding.law, &finding.place, &finding.message, &finding.remedy];
            prop_assert!(told.iter().all(|text| !text.is_empty()), "{finding:?}");
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
        let rules: Vec<_> = spec.rules.iter().filter_map(|rule| Some((rule.name.clone(), rule.erase.clone()?.after?))).collect();
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
            // Of a policy that selects by labels only, and has no channel any more or one that is nowhere, nobody knows where it was.
            let is_adrift = |policy: &DataPolicy| {
                let Some(labels) = &policy.spec.selector.channel_labels else { return false };
                let has = |channel: &&Arc<SocialChannel>| labels.iter().all(|(key, value)| channel.labels().get(key) == Some(value));
                let is_nowhere = |channel: &Arc<SocialChannel>| !facts.regions.values().any(|at| plan::channel_chooses(channel, &at.region));
                let labelled: Vec<_> = facts.channels.iter().filter(has).collect();
                labelled.is_empty() || labelled.into_iter().any(is_nowhere)
            };
            let in_force = facts.policies.values().filter(|policy| {
                let keeps_here = || plan::policy_chooses(policy, region, &facts.channels) || is_adrift(policy);
                policy.name_any() == "first" || policy.metadata.deletion_timestamp.is_none() && keeps_here()
            });
            let in_force: Vec<_> = in_force.collect();
            for rule in &task.spec.rules {
                let of = |policy: &Arc<DataPolicy>| {
                    let rules = policy.spec.rules.iter();
                    // One that the Region does not have may be each.
                    let lacks = |name: &str| region.spec.data_stores.iter().all(|store| store.name != name);
                    let may_be = |name: &str| name == rule.store || lacks(name);
                    let same = rules.filter(|other| may_be(&other.dataset.store) && other.dataset.table == rule.table);
                    let taxed = policy.spec.regimes.iter().any(|law| law == "de-tax");
                    let keeps = same.flat_map(|other| {
                        let own = other.keep.iter().map(|keep| keep.period.clone());
                        // By the pack's letter: letters for six years, invoices for eight.
                        let has = |kind: &str| taxed && other.dataset.records.iter().any(|own| own == kind);
                        let letters = has("businessLetter").then(|| "P6Y".to_owned());
                        let invoices = has("invoice").then(|| "P8Y".to_owned());
                        own.chain(letters).chain(invoices).map(|period| (policy.name_any(), period))
                    });
                    keeps.collect::<Vec<_>>()
                };
                let wanted: Vec<_> = in_force.iter().flat_map(|policy| of(policy)).collect();
                let told: Vec<_> = rule.keeps.iter().map(|keep| (keep.policy.clone(), keep.period.clone())).collect();
                prop_assert_eq!(told, wanted);
                prop_assert!(rule.keeps.iter().all(|keep| !keep.reference.is_empty()), "kept without a ground");
            }
            // What a law of the pack says may change without the policy, as another policy's keep may.
            let is_foreign = |keep: &RetentionKeep| keep.policy != "first" || keep.reference != "AO 147(3)";
            let foreign = task.spec.rules.iter().flat_map(|rule| &rule.keeps).any(is_foreign);
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
            let is_changed = |keep: &RetentionKeep| keep.policy != "first" && keep.reference == "AO 147(3)";
            let foreign = task.spec.rules.iter().flat_map(|rule| &rule.keeps).any(is_changed);
            prop_assert_eq!(after[&name].spec.spec_hash != task.spec.spec_hash, foreign);
        }
    }

    /// An update of the pack that keeps for longer is a change as well, where a rule says that its table has such records.
    #[test]
    fn a_changed_law_changes_what_is_approved_and_what_is_kept(facts in chance::policy_facts()) {
        let mut changed = facts.clone();
        let laws = &mut Arc::make_mut(&mut changed.packs).regimes.statutes;
        for duty in &mut laws.get_mut("de-tax").unwrap().keep {
            duty.value.period.years += 1;
        }
        let (before, after) = (tasks(&facts), tasks(&changed));
        for (name, task) in before {
            let by_law = |keep: &&RetentionKeep| keep.reference != "AO 147(3)";
            let kept = |task: &Task<Retain>| -> Vec<String> {
                let keeps = task.spec.rules.iter().flat_map(|rule| &rule.keeps).filter(by_law);
                keeps.map(|keep| keep.period.clone()).collect()
            };
            prop_assert_eq!(after[&name].spec.spec_hash != task.spec.spec_hash, !kept(&task).is_empty());
            let longer: Vec<String> = kept(&task).iter().map(|period| period.replace('6', "7").replace('8', "9")).collect();
            prop_assert_eq!(kept(&after[&name]), longer);
        }
    }

    /// Whatever else is true of a hold: while it has no release, no task erases from what it is for without asking for it.
    #[test]
    fn every_hold_reaches_every_run_that_it_binds(facts in chance::policy_facts()) {
        for (name, task) in tasks(&facts) {
            let region = &facts.regions[&name].region;
            let mut wanted = BTreeSet::new();
            for (hold_name, hold) in &facts.holds {
                let told = hold.status.iter().flat_map(|status| &status.regions).filter(|entry| entry.name == name);
                let in_force = told.flat_map(|entry| &entry.stores).any(|store| store.in_force_since.is_some() && store.released_at.is_none());
                if hold.spec.release.is_some() || !(plan::hold_chooses(hold, region) || in_force) {
                    continue;
                }
                for scope in hold.spec.scopes.iter().filter(|scope| scope.store.as_deref() == Some("orders")) {
                    wanted.insert((format!("fleet/{hold_name}"), scope.table.clone(), scope.column.clone()));
                }
            }
            let told: BTreeSet<_> = task.spec.holds.iter().flat_map(|hold| {
                hold.scopes.iter().map(|scope| (hold.id.clone(), scope.table.clone(), scope.column.clone()))
            }).collect();
            prop_assert_eq!(told, wanted);
            prop_assert!(task.spec.holds.iter().all(|hold| task.spec.rules.iter().any(|rule| rule.store == hold.store)));
            // What was approved stays approved: a hold only keeps more.
            let mut free = facts.clone();
            free.holds.clear();
            prop_assert_eq!(&tasks(&free)[&name].spec.spec_hash, &task.spec.spec_hash);
        }
    }

    /// A hold is released because somebody wrote a release, and for no other reason: not by deletion, by a region that
    /// left, or by a spec that is wrong. Each store that is there gets every scope.
    #[test]
    fn a_hold_is_released_by_its_release_alone(facts in chance::hold_facts()) {
        let plan = plan::legal_hold(&facts, now());
        for (name, decided) in &plan.regions {
            let Some(workloads) = decided.workloads() else { continue };
            round_trip::<Hold>(&workloads.config_map)?;
            let task: Task<Hold> = serde_json::from_str(&workloads.config_map.data.as_ref().unwrap()["task.json"]).unwrap();
            prop_assert_eq!(task.spec.release.is_some(), facts.hold.spec.release.is_some());
            prop_assert_eq!(task.spec.id.as_str(), "fleet/hold");
            let stores: BTreeSet<_> = facts.regions[name].region.spec.data_stores.iter().map(|store| store.name.clone()).collect();
            let wanted: BTreeSet<_> = facts.hold.spec.scopes.iter().filter_map(|scope| Some((scope.store.clone().filter(|store| stores.contains(store))?, scope.name.clone()))).collect();
            let told: BTreeSet<_> = task.spec.stores.iter().flat_map(|store| store.scopes.iter().map(|scope| (store.store.clone(), scope.name.clone()))).collect();
            prop_assert_eq!(told, wanted);
            prop_assert!(plan.deleting.is_none(), "a Job of a hold that goes");
            prop_assert!(!is_silent(&facts.regions[name]));
            // What the values are is the region's alone to know.
            prop_assert!(!workloads.config_map.data.as_ref().unwrap()["task.json"].contains("\"who\""));
        }
    }

    #[test]
    fn ignorance_forgets_no_hold(facts in chance::hold_facts()) {
        let plan = plan::legal_hold(&facts, now());
        let seen: BTreeMap<String, Seen<HoldObserved>> = plan.regions.keys().map(|name| (name.clone(), unknown())).collect();
        let written = status::legal_hold(&plan, &seen, &facts.hold, now()).status;
        for before in facts.hold.status.iter().flat_map(|status| &status.regions) {
            let held = before.stores.iter().any(|store| store.in_force_since.is_some() && store.released_at.is_none());
            let after = written.regions.iter().find(|entry| entry.name == before.name);
            let left = matches!(plan.regions.get(&before.name), Some(RegionPlan::Leave(_)));
            prop_assert!(!held || left || after.is_some(), "{} is forgotten", before.name);
            if let Some(after) = after {
                prop_assert_eq!(&after.stores, &before.stores);
            }
            let unknown = facts.regions.get(&before.name).is_none_or(is_silent);
            prop_assert!(!unknown || !matches!(plan.regions.get(&before.name), Some(RegionPlan::Withdraw(_))));
        }
    }

    #[test]
    fn a_holds_status_settles(mut facts in chance::hold_facts()) {
        let mut last = None;
        for _ in 0..5 {
            let plan = plan::legal_hold(&facts, now());
            let written = status::legal_hold(&plan, &healthy(&plan, hold_seen), &facts.hold, now());
            check(&written.status.conditions, &HOLD)?;
            for region in facts.regions.values_mut() {
                region.remains = false;
            }
            let mut hold = LegalHold::clone(&facts.hold);
            hold.status = Some(written.status.clone());
            facts.hold = Arc::new(hold);
            last = Some((last.map(|(_, now)| now), written));
        }
        let (before, after) = last.unwrap();
        prop_assert_eq!(before.unwrap(), after);
    }

    #[test]
    fn a_pause_erases_nothing_and_runs_nothing_now(facts in chance::policy_facts()) {
        let plan = plan::policy(&facts, now());
        for (name, decided) in &plan.regions {
            let Some(region) = facts.regions.get(name) else { continue };
            let paused = is_paused(facts.policy.spec.suspend.as_ref())
                || is_paused(region.region.spec.suspend.as_ref());
            let asked = |word: &str| matches!(word, "Suspended" | "RegionSuspended");
            let stops = matches!(decided, RegionPlan::Pause(reason) if asked(&reason.word));
            prop_assert!(paused || !stops, "{name} is paused by nobody");
            let left = matches!(decided, RegionPlan::Keep(reason) if reason.word.as_str() != "NamespaceMissing");
            prop_assert!(!left, "{name}: what others keep from now on would not reach what runs there");
            let held = matches!(decided, RegionPlan::Hold(reason) if reason.word.as_str() == "RegionSuspended");
            prop_assert!(!held, "{name}: what runs there would go on erasing");
            if let Some(workloads) = decided.workloads() {
                prop_assert!(!paused, "{name} runs");
                prop_assert!(workloads.cron_job.spec.as_ref().unwrap().suspend == Some(false));
                prop_assert!(!is_silent(region) && region.region.metadata.deletion_timestamp.is_none());
            }
            let takes = matches!(decided, RegionPlan::Withdraw(_));
            let going = facts.policy.metadata.deletion_timestamp.is_some()
                || region.region.metadata.deletion_timestamp.is_some();
            prop_assert!(!takes || !paused || going, "{name}: a pause takes nothing away");
        }
    }

    /// A connector is told how old its list of holds is beside itself, where its pods can mount it, and on while the channel
    /// pauses; nothing of what runs changes with it.
    #[test]
    fn a_connector_is_told_how_old_its_list_of_holds_is(mut facts in chance::channel_facts()) {
        let plan = plan::channel(&facts, now());
        facts.holds_seen = Some(now());
        let later = plan::channel(&facts, now());
        let mut paused = SocialChannel::clone(&facts.channel);
        paused.spec.suspend = Some(tradewind::api::Suspend { reason: "a look".into(), by: "ops".into(), until: None });
        let seen = healthy(&plan, channel_seen);
        paused.status = Some(status::channel(&plan, &seen, &facts.channel, now()).status);
        let still = plan::channel(&ChannelFacts { channel: Arc::new(paused), ..facts.clone() }, now());
        for (name, decided) in &plan.regions {
            let Some(connector) = decided.workloads().and_then(|all| all.connector.as_ref()) else {
                continue;
            };
            let list = connector.hold_list.as_ref().unwrap();
            prop_assert_eq!(&list.metadata.namespace, &connector.deployment.metadata.namespace);
            let pod = connector.deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            let mut mounted = pod.volumes.iter().flatten().filter_map(|volume| volume.config_map.as_ref());
            prop_assert!(mounted.any(|map| Some(&map.name) == list.metadata.name.as_ref()));
            let task = &connector.config_map.data.as_ref().unwrap()["task.json"];
            let task: Task<Connect> = serde_json::from_str(task).unwrap();
            prop_assert!(task.spec.hold_list.is_some());
            prop_assert!(plan.wake_at.is_some());
            let then = later.regions[name].workloads().unwrap().connector.as_ref().unwrap();
            prop_assert_eq!(&then.deployment, &connector.deployment);
            prop_assert_eq!(&then.config_map, &connector.config_map);
            prop_assert_ne!(&then.hold_list, &connector.hold_list);
            // The law may still change it.
            if matches!(still.regions[name], RegionPlan::Hold(_)) {
                prop_assert_eq!(&still.notes[name].hold_list, &then.hold_list);
                prop_assert!(still.wake_at.is_some());
            }
        }
        for (name, _) in plan.notes.iter().filter(|(_, note)| note.hold_list.is_some()) {
            prop_assert!(matches!(plan.regions[name], RegionPlan::Keep(_) | RegionPlan::Hold(_)));
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

const CHANNEL: [&str; 9] = [
    "Accepted",
    "ConnectorAvailable",
    "FeedsCurrent",
    "MarketSupported",
    "PolicyCovered",
    "Ready",
    "ReferencesResolved",
    "Suspended",
    "TransfersLawful",
];
const POLICY: [&str; 8] = [
    "Accepted",
    "BaselineMet",
    "CoverageComplete",
    "Enforced",
    "EvidenceFresh",
    "Ready",
    "ReferencesResolved",
    "Suspended",
];

const HOLD: [&str; 5] = [
    "Accepted",
    "InForce",
    "Ready",
    "ReferencesResolved",
    "ReviewCurrent",
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

/// The planned Job did what its task says.
fn hold_seen(workloads: &HoldWorkloads) -> HoldObserved {
    let task = &workloads.config_map.data.as_ref().unwrap()["task.json"];
    let task: Task<Hold> = serde_json::from_str(task).unwrap();
    let store = |store: &tradewind::contract::HeldStore| ReportedStore {
        store: store.store.clone(),
        in_force_since: Some("2026-11-22T09:00:00Z".into()),
        released_at: task
            .spec
            .release
            .as_ref()
            .map(|_| "2026-11-22T09:30:00Z".into()),
        ..ReportedStore::default()
    };
    let report = Report {
        version: 1,
        command: "hold".into(),
        outcome: tradewind::contract::Outcome::Done,
        reason: "InForce".into(),
        message: "done".into(),
        started_at: "2026-11-22T09:00:00Z".into(),
        finished_at: "2026-11-22T09:00:01Z".into(),
        body: Some(HoldReport {
            stores: task.spec.stores.iter().map(store).collect(),
        }),
    };
    let job = HoldJob {
        succeeded: Some(true),
        report: Some(report),
        waits: None,
    };
    let name = workloads.job.metadata.name.clone().unwrap();
    HoldObserved {
        jobs: BTreeMap::from([(name, job)]),
    }
}
