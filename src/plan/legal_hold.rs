//! What a LegalHold should have in each region, and which holds whatever erases must find in force.
//!
//! A hold is only ever opened or released by its Job: no plan takes one back, whatever becomes of the object.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kube::ResourceExt;

use super::cron::{self, Once};
use super::meta::{self, Role};
use super::placement::{self, Decision, Ground, Place};
use super::pod::{Agent, Size};
use super::reason::Word;
use super::{
    Baseline, Finding, HoldFacts, HoldWorkloads, Plan, Reason, RegionFacts, RegionNote, RegionPlan,
    Verdict, gates,
};
use crate::api::condition::ConditionType;
use crate::api::{
    DataStore, DeletionPolicy, HeldScope, HeldStoreStatus, HeldTable, LegalHold, Region,
    RegionSpec, names,
};
use crate::contract::{HeldStore, Hold, HoldScope, ReleaseOf};

pub(super) use required::{not_in_force, required};
pub(super) use scopes::{Part, Said, parts};

mod mounts;
mod over;
mod required;
mod scopes;

/// The command, and the component label.
const COMMAND: &str = "hold";
/// A list of values at most: the rows stay in the database.
const SIZE: Size = Size {
    cpu: "20m",
    memory: "32Mi",
    memory_limit: "128Mi",
    scratch: "16Mi",
};
/// Seconds to finish the store under way.
const GRACE: i64 = 30;
/// Attempts after the first, ten minutes in all; then the Job rests until it is made anew.
const RETRIES: i32 = 6;
/// What a Job may take over all attempts, in seconds: also to wait for a Secret that is not there yet.
const DEADLINE: i64 = 3_600;
/// How long a Job stays once it ended, in seconds. It is made anew then: what a database lost is opened again.
const TTL: i32 = 1_800;

/// What should be where.
#[must_use]
pub fn legal_hold(facts: &HoldFacts, now: Timestamp) -> Plan<HoldWorkloads> {
    let going = facts.hold.metadata.deletion_timestamp.as_ref();
    let deleting = going.map(|_| facts.hold.spec.deletion_policy.unwrap_or_default());
    let problems = problems(&facts.hold);
    let chosen = chosen(facts);
    let old = facts.hold.status.iter().flat_map(|s| &s.regions);
    let places = placement::places(
        &facts.regions,
        &chosen,
        old.map(|entry| (entry.name.as_str(), entry.inventory.as_slice())),
    );
    let first = problems.first().cloned();
    let mut plan = Plan {
        verdict: first.map_or(Verdict::Accepted, Verdict::Invalid),
        regions: BTreeMap::new(),
        notes: BTreeMap::new(),
        findings: findings(&problems, &chosen),
        uncovered: Vec::new(),
        baseline: Baseline::default(),
        wake_at: None,
        deleting,
    };
    for place in &places {
        if deleting.is_some() && !place.had {
            continue;
        }
        let held = place
            .facts
            .map(|region| Held::of(facts, place.name, region));
        if let Some(held) = held.as_ref().filter(|_| place.chosen) {
            plan.findings.extend(held.missing());
        }
        let note = RegionNote {
            spec_hash: held.as_ref().map(Held::config_map),
            held_stores: held.iter().flat_map(Held::stores).collect(),
            held_tables: held.iter().flat_map(Held::tables).collect(),
            ..RegionNote::default()
        };
        let decision = decide(facts, (place, held.as_ref()), (deleting, &problems), now);
        plan.enter(place, note, decision);
    }
    plan
}

/// Whether a hold is for a Region: either member of its selector names it, or a database there has said that it holds.
/// What is in force somewhere can only be released there, whatever the Region's jurisdictions are by now.
pub(super) fn is_for(hold: &LegalHold, region: &Region) -> bool {
    placement::hold_chooses(hold, region) || is_in_force(hold, &region.name_any())
}

/// Whether a hold keeps rows in a Region, or will once its Job has run: without a release, or where a database has not recorded
/// it yet.
pub(super) fn is_open(hold: &LegalHold, region: &Region) -> bool {
    is_for(hold, region) && (hold.spec.release.is_none() || is_in_force(hold, &region.name_any()))
}

fn is_in_force(hold: &LegalHold, region: &str) -> bool {
    told(hold, region).any(HeldStoreStatus::is_in_force)
}

/// What databases of a region said last.
fn told<'a>(hold: &'a LegalHold, region: &str) -> impl Iterator<Item = &'a HeldStoreStatus> {
    let entries = hold.status.iter().flat_map(|status| &status.regions);
    let entries = entries.filter(move |entry| entry.name == region);
    entries.flat_map(|entry| &entry.stores)
}

/// A named Region that isn't there is a place too, and so is one that went with a hold in force.
fn chosen(facts: &HoldFacts) -> BTreeSet<&str> {
    let named = facts.hold.spec.selector.regions.iter().flatten();
    let told = facts.hold.status.iter().flat_map(|status| &status.regions);
    let told = told.map(|entry| &entry.name);
    let told = told.filter(|name| is_in_force(&facts.hold, name));
    facts
        .regions
        .iter()
        .filter(|(_, region)| is_for(&facts.hold, &region.region))
        .map(|(name, _)| name)
        .chain(named)
        .chain(told)
        .map(String::as_str)
        .collect()
}

/// What somebody must mend in the spec.
fn problems(hold: &LegalHold) -> Vec<Reason> {
    let spec = &hold.spec;
    let codes = spec.selector.jurisdictions.as_deref().unwrap_or_default();
    let mut problems: Vec<Reason> = gates::codes("spec.selector.jurisdictions", codes)
        .err()
        .into_iter()
        .collect();
    if review_on(hold).is_none() {
        problems.push(Word::ReviewDateInvalid.because(format!(
            "spec.reviewOn: {} is no date of the calendar; write one such as 2027-06-01",
            spec.review_on
        )));
    }
    problems
}

/// The day of the review.
#[must_use]
pub fn review_on(hold: &LegalHold) -> Option<Date> {
    hold.spec.review_on.parse().ok()
}

fn findings(problems: &[Reason], chosen: &BTreeSet<&str>) -> Vec<Finding> {
    let found = |condition, reason| Finding {
        condition,
        region: None,
        holds: Some(false),
        reason,
    };
    let mut findings: Vec<Finding> = problems
        .iter()
        .map(|problem| found(ConditionType::Accepted, problem.clone()))
        .collect();
    if chosen.is_empty() {
        let reason = Word::NoRegion.because(
            "spec.selector: it chooses no Region, so nothing is held; add the Region that it means",
        );
        findings.push(found(ConditionType::ReferencesResolved, reason));
    }
    findings
}

fn decide(
    facts: &HoldFacts,
    (place, held): (&Place<'_>, Option<&Held<'_>>),
    (deleting, problems): (Option<DeletionPolicy>, &[Reason]),
    now: Timestamp,
) -> Decision<HoldWorkloads> {
    let region = match placement::ground(place, &facts.regions, deleting, now) {
        Ground::Decided(decision) => return decision,
        Ground::Suspended(reason, until) => {
            return Decision {
                plan: RegionPlan::Hold(reason),
                missing: None,
                wake_at: until,
            };
        }
        Ground::Open(region) => region,
    };
    if let Some(problem) = problems.first() {
        return RegionPlan::Keep(problem.clone()).into();
    }
    if !place.chosen {
        let why = "spec.selector does not choose this region, and nothing was held in it";
        return RegionPlan::Withdraw(Word::Deselected.because(why)).into();
    }
    if held.is_some_and(Held::is_over) {
        let why = "every database of this region has recorded the release; nothing is left to do";
        return RegionPlan::Withdraw(Word::Released.because(why)).into();
    }
    if held.is_some_and(Held::has_nothing) {
        let why = "this region has nothing that the hold is for, and no database of it holds; nothing is left to do";
        return RegionPlan::Withdraw(Word::Released.because(why)).into();
    }
    let unready = placement::unready(region, place.name, &region.region.spec.run_namespace);
    match (unready, held) {
        (Some(reason), _) => Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        },
        (None, Some(held)) if !held.task.stores.is_empty() => {
            RegionPlan::Run(Box::new(held.workloads(facts))).into()
        }
        // Each of its stores was found missing, and is told so.
        (None, _) => {
            let reason = held.and_then(|held| held.missing().into_iter().next());
            let none = || Word::StoreNotFound.because("no scope is for a store of this region");
            RegionPlan::Keep(reason.map_or_else(none, |finding| finding.reason)).into()
        }
    }
}

/// What is to be held in a region.
struct Held<'a> {
    region: &'a str,
    spec: &'a RegionSpec,
    hold: &'a LegalHold,
    parts: Vec<Part<'a>>,
    task: Hold,
}

impl<'a> Held<'a> {
    fn of(facts: &'a HoldFacts, region: &'a str, at: &'a RegionFacts) -> Self {
        let (hold, spec) = (facts.hold.as_ref(), &at.region.spec);
        let said = Said {
            policies: &facts.policies,
            channels: &facts.channels,
        };
        let parts = parts(hold, &at.region, said);
        let empty = |store: &DataStore| HeldStore {
            store: store.name.clone(),
            url: mounts::url(store),
            scopes: Vec::new(),
        };
        let mut stores: BTreeMap<&str, HeldStore> = BTreeMap::new();
        // What rules no longer say is released where it was told as held: also once it is, so that what is released is one list
        // from the release's beginning to its end.
        for store in &spec.data_stores {
            let mut told = told(hold, region);
            if hold.spec.release.is_some() && told.any(|told| told.name == store.name) {
                stores.insert(&store.name, empty(store));
            }
        }
        for part in &parts {
            let (scope, store) = (part.scope, part.store);
            let held = stores.entry(&store.name).or_insert_with(|| empty(store));
            held.scopes.push(HoldScope {
                name: scope.name.clone(),
                table: part.table.map(str::to_owned),
                column: part.column.map(str::to_owned),
                values: part.values.map(|values| mounts::values(scope, values)),
                ignore_case: part.ignore_case,
            });
        }
        let release = hold.spec.release.as_ref();
        let task = Hold {
            id: names::hold_id(&facts.settings.fleet, &hold.name_any()),
            ground: hold.spec.ground.clone(),
            opened_by: hold.spec.opened_by.clone(),
            review_on: hold.spec.review_on.clone(),
            stores: stores.into_values().collect(),
            key: mounts::key(hold, spec, &parts),
            release: release.map(|release| ReleaseOf {
                by: release.by.clone(),
                ground: release.ground.clone(),
            }),
        };
        Self {
            region,
            spec,
            hold,
            parts,
            task,
        }
    }

    /// Its stores by name.
    fn stores(&self) -> impl Iterator<Item = String> {
        self.task.stores.iter().map(|store| store.store.clone())
    }

    /// What scopes with a category or a subject mean.
    fn tables(&self) -> impl Iterator<Item = HeldTable> {
        let by_rules = |part: &&Part<'_>| is_by_rules(part.scope);
        let parts = self.parts.iter().filter(by_rules);
        parts.filter_map(|part| {
            Some(HeldTable {
                scope: part.scope.name.clone(),
                store: part.store.name.clone(),
                table: part.table?.to_owned(),
                column: part
                    .column
                    .filter(|_| part.scope.subject.is_some())
                    .map(str::to_owned),
            })
        })
    }

    /// Scopes that hold nothing in the Region: it has not the store, or no rule says of a table that it has the category.
    fn missing(&self) -> Vec<Finding> {
        let told = |scope: &HeldScope| Finding {
            condition: ConditionType::ReferencesResolved,
            region: Some(self.region.to_owned()),
            holds: Some(false),
            reason: self.absent(scope),
        };
        let means = |scope: &HeldScope| {
            let mut parts = self.parts.iter();
            parts.any(|part| part.scope.name == scope.name)
        };
        let scopes = self.hold.spec.scopes.iter();
        scopes.filter(|scope| !means(scope)).map(told).collect()
    }

    /// Why a scope holds nothing.
    fn absent(&self, scope: &HeldScope) -> Reason {
        let (name, region) = (&scope.name, self.region);
        let mut stores = self.spec.data_stores.iter();
        let lacks = |named: &&String| !stores.any(|store| store.name == **named);
        let missing = scope.store.as_ref().filter(lacks);
        match (missing, &scope.category, &scope.subject) {
            (None, Some(category), _) => Word::NothingOfCategory.because(format!(
                "spec.scopes[{name}].category: no rule of a policy for Region {region} says that its table has {category}, so \
                 the scope holds nothing there; give such rules their category, or add a scope with store and table"
            )),
            (None, None, Some(subject)) => {
                let identity = &subject.identity;
                Word::NothingOfSubject.because(format!(
                    "spec.scopes[{name}].subject: no rule of a policy for Region {region} says in dataset.subjects which \
                     column has {identity}, so the scope holds nothing there; say it in such rules, or add a scope with \
                     store, table and column"
                ))
            }
            (missing, ..) => {
                let missing = missing.map_or("", String::as_str);
                Word::StoreNotFound.because(format!(
                    "spec.scopes[{name}].store: Region {region} has no data store {missing}, so the scope holds nothing \
                     there; add it to the Region"
                ))
            }
        }
    }

    fn text(&self) -> String {
        meta::task(COMMAND, self.region, &self.task)
    }

    /// Its name follows from the task.
    fn config_map(&self) -> String {
        names::hold_task(&self.hold.name_any(), &self.text())
    }

    fn workloads(&self, facts: &HoldFacts) -> HoldWorkloads {
        let name = self.hold.name_any();
        let role = Role::of_cluster(&facts.settings.fleet, ("LegalHold", &name), COMMAND);
        let namespace = self.spec.run_namespace.as_str();
        let (text, config_map) = (self.text(), self.config_map());
        let account = names::hold(&name);
        let agent = Agent {
            command: COMMAND,
            role: role.clone(),
            config_map: &config_map,
            hash: meta::config_hash(&text, &BTreeMap::new()),
            service_account: account.clone(),
            mounts: self.mounts(),
            size: SIZE,
            grace: GRACE,
        };
        let requested = self.hold.annotations().get(names::ANNOTATION_RUN_AT);
        let job = match requested {
            None => config_map.clone(),
            Some(requested) => names::run_job(&config_map, requested),
        };
        let once = Once {
            retries: RETRIES,
            deadline: DEADLINE,
            ttl: TTL,
        };
        let template = agent.template(&facts.settings, self.spec);
        HoldWorkloads {
            service_account: meta::service_account(&role, namespace, &account),
            config_map: meta::config_map(&role, namespace, &config_map, text),
            job: cron::once(&role, (namespace, &job), &template, once),
        }
    }
}

/// Whether policies' rules say what a scope means.
fn is_by_rules(scope: &HeldScope) -> bool {
    scope.category.is_some() || scope.subject.is_some()
}

#[cfg(test)]
mod tests;
