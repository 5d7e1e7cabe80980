//! What a DataPolicy should have in each region.

mod contacts;
mod lost;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::baseline::{self, Baseline};
use super::calculus::{self, DateTerms, Ruling};
use super::placement::{self, Decision, Ground, Place};
use super::reason::Word;
use super::retention::{self, Ground as Retention};
use super::suspension::{self, Suspension};
use super::{
    Finding, Plan, PolicyFacts, PolicyWorkloads, Reason, RegionFacts, RegionNote, RegionPlan,
    Verdict, gated,
};
use crate::api::condition::ConditionType;
use crate::api::{ApprovalSpec, DeletionPolicy, PolicyRegionStatus, names};
use crate::contract::{Approval, Preview};
pub use lost::lost;
pub(super) use rules::refused;

/// What the policy itself says, whatever the region.
struct Own {
    deleting: Option<DeletionPolicy>,
    pause: Option<Suspension>,
    /// What somebody must mend.
    problems: Vec<Reason>,
    /// How long a run may last, when that can be read.
    window: Option<SignedDuration>,
}

/// What binds the policy in a region.
struct Bound<'a> {
    rulings: Vec<Ruling<'a>>,
    /// Why rules that go by the law cannot: the policy erases nothing here meanwhile.
    lawless: Vec<Reason>,
    /// What a preview there is of.
    hash: String,
}

impl<'a> Bound<'a> {
    fn of(facts: &'a PolicyFacts, region: Option<&'a RegionFacts>, now: Timestamp) -> Self {
        let rulings = region.map(|region| calculus::rulings(facts, &region.region, now));
        let rulings = rulings.unwrap_or_default();
        let hash = retention::bound_hash(&facts.policy, &rulings);
        let lawless = region.map(|region| {
            let place = (&*region.region, &*facts.packs);
            let reasons = calculus::without_period(&facts.policy, place, now);
            if reasons.is_empty() {
                contacts::problems_by_law(&facts.policy.spec, &rulings)
            } else {
                reasons
            }
        });
        Self {
            rulings,
            lawless: lawless.unwrap_or_default(),
            hash,
        }
    }
}

/// What should be where.
#[must_use]
pub fn policy(facts: &PolicyFacts, now: Timestamp) -> Plan<PolicyWorkloads> {
    let own = own(facts, now);
    let deleting = own.deleting;
    let chosen = chosen(facts);
    let old = facts.policy.status.iter().flat_map(|s| &s.regions);
    let places = placement::places(
        &facts.regions,
        &chosen,
        old.map(|entry| (entry.name.as_str(), entry.inventory.as_slice())),
    );
    let baseline = match deleting {
        Some(_) => Baseline::default(),
        None => baseline::baseline(facts, &chosen, now),
    };
    let paused_until = own.pause.as_ref().and_then(|pause| pause.until);
    let mut plan = Plan {
        verdict: verdict(&own),
        regions: BTreeMap::new(),
        notes: BTreeMap::new(),
        findings: findings(facts, &own, &chosen, now),
        uncovered: rules::uncovered(facts, &chosen),
        wake_at: placement::earlier(paused_until, baseline.wake_at),
        baseline,
        deleting,
    };
    for place in &places {
        if deleting.is_some() && !place.had {
            continue;
        }
        let approved = approved(facts, place.name);
        plan.findings.extend(clocks(facts, place, now));
        let bound = Bound::of(facts, place.facts, now);
        let here = place.facts.filter(|_| place.chosen);
        let waits = here.and_then(|region| calculus::wake_at(facts, &region.region, now));
        plan.wake_at = placement::earlier(plan.wake_at, waits);
        if place.chosen && deleting.is_none() {
            plan.findings.extend(
                bound.lawless.iter().map(|reason| {
                    finding(ConditionType::Accepted, Some(place.name), reason.clone())
                }),
            );
        }
        let wanted = wanted(facts, &own, (place, &bound), approved.as_ref(), now);
        let (decision, waits_since) = lost::first(facts, place, wanted, now);
        let note = RegionNote {
            waits_since,
            untold: lost::asked(facts, place.name, &decision.plan),
            approved: approved.map(|(_, preview)| preview.clone()),
            decisions: if place.chosen {
                bound.rulings.iter().filter_map(Ruling::told).collect()
            } else {
                Vec::new()
            },
            dates: here.and_then(|region| DateTerms::of(&bound.rulings, &region.region)),
            spec_hash: Some(bound.hash),
            ..RegionNote::default()
        };
        plan.enter(place, note, decision);
    }
    plan
}

/// A named Region that isn't there is a place too: its absence is to be told.
fn chosen(facts: &PolicyFacts) -> BTreeSet<&str> {
    let named = facts.policy.spec.selector.regions.iter().flatten();
    let absent = named
        .map(String::as_str)
        .filter(|name| !facts.regions.contains_key(*name));
    facts
        .regions
        .iter()
        .filter(|(_, region)| {
            placement::policy_chooses(&facts.policy, &region.region, &facts.channels)
        })
        .map(|(name, _)| name.as_str())
        .chain(absent)
        .collect()
}

fn own(facts: &PolicyFacts, now: Timestamp) -> Own {
    let spec = &facts.policy.spec;
    let going = facts.policy.metadata.deletion_timestamp.as_ref();
    Own {
        deleting: going.map(|_| spec.deletion_policy.unwrap_or_default()),
        pause: suspension::in_force(spec.suspend.as_ref(), now),
        problems: rules::problems(spec, &facts.packs, now),
        window: rules::window(spec),
    }
}

fn verdict(own: &Own) -> Verdict {
    if let Some(problem) = own.problems.first() {
        return Verdict::Invalid(problem.clone());
    }
    own.pause.as_ref().map_or(Verdict::Accepted, |pause| {
        Verdict::Suspended(pause.reason(Word::Suspended))
    })
}

fn finding(condition: ConditionType, region: Option<&str>, reason: Reason) -> Finding {
    Finding {
        condition,
        region: region.map(str::to_owned),
        holds: Some(false),
        reason,
    }
}

fn findings(
    facts: &PolicyFacts,
    own: &Own,
    chosen: &BTreeSet<&str>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = own
        .problems
        .iter()
        .map(|problem| finding(ConditionType::Accepted, None, problem.clone()))
        .collect();
    findings.extend(own.pause.as_ref().and_then(Suspension::problem));
    if chosen.is_empty() {
        let reason = Word::NoRegion.because(
            "spec.selector: it chooses no Region; widen it, or add the Region that it means",
        );
        findings.push(finding(ConditionType::ReferencesResolved, None, reason));
    }
    findings.extend(facts.policy.spec.approvals.iter().filter_map(|approval| {
        let reason = approval_problem(facts, approval, (chosen, now))?;
        Some(finding(
            ConditionType::ReferencesResolved,
            Some(&approval.region),
            reason,
        ))
    }));
    findings
}

fn approval_problem(
    facts: &PolicyFacts,
    approval: &ApprovalSpec,
    (chosen, now): (&BTreeSet<&str>, Timestamp),
) -> Option<Reason> {
    let region = approval.region.as_str();
    if !chosen.contains(region) {
        return Some(Word::ApprovalUnmatched.because(format!(
            "spec.approvals: the policy is not for Region {region}; remove the approval, or widen the selector"
        )));
    }
    let current = old_entry(facts, region).and_then(|entry| entry.preview.as_ref());
    let present = current.map_or_else(
        || "there is no preview yet".to_owned(),
        |preview| format!("the present one is {}", preview.hash()),
    );
    match approved(facts, region) {
        None => Some(Word::ApprovalUnknown.because(format!(
            "spec.approvals: no preview of Region {region} has the hash {}; {present}",
            approval.preview_hash
        ))),
        Some((_, preview))
            if preview.spec_hash != Bound::of(facts, facts.regions.get(region), now).hash =>
        {
            Some(Word::ApprovalOutdated.because(format!(
                "spec.approvals: the rules, or keeps of other policies or of the pack, were changed since the preview \
                 that {} approved for Region {region}; {present}",
                approval.by
            )))
        }
        Some(_) => None,
    }
}

fn old_entry<'a>(facts: &'a PolicyFacts, region: &str) -> Option<&'a PolicyRegionStatus> {
    let entries = &facts.policy.status.as_ref()?.regions;
    entries.iter().find(|entry| entry.name == region)
}

/// The approval of a region with the preview that it names: the one that was kept, or the present one.
fn approved<'a>(facts: &'a PolicyFacts, region: &str) -> Option<(&'a ApprovalSpec, &'a Preview)> {
    let approvals = &facts.policy.spec.approvals;
    let approval = approvals
        .iter()
        .find(|approval| approval.region == region)?;
    let entry = old_entry(facts, region)?;
    let named = [entry.approved.as_ref(), entry.preview.as_ref()]
        .into_iter()
        .flatten()
        .find(|preview| preview.hash() == approval.preview_hash)?;
    Some((approval, named))
}

/// What the policy and the region want, whatever was lost.
fn wanted(
    facts: &PolicyFacts,
    own: &Own,
    (place, bound): (&Place<'_>, &Bound<'_>),
    approved: Option<&(&ApprovalSpec, &Preview)>,
    now: Timestamp,
) -> Decision<PolicyWorkloads> {
    let region = match placement::ground(place, &facts.regions, own.deleting, now) {
        Ground::Decided(decision) => return decision,
        Ground::Suspended(reason, until) => {
            return Decision {
                wake_at: until,
                ..RegionPlan::Pause(reason).into()
            };
        }
        Ground::Open(region) => region,
    };
    // Whatever the spec says by now, sound or not: a pause that waits for something is none.
    if let Some(pause) = &own.pause {
        return RegionPlan::Pause(pause.reason(Word::Suspended)).into();
    }
    if !place.chosen && own.problems.is_empty() {
        let reason = Word::Deselected.because("spec.selector no longer chooses this region");
        return RegionPlan::Withdraw(reason).into();
    }
    // Also what runs there by the period of before: nobody knows that it is still right.
    if let Some(reason) = bound.lawless.first() {
        return RegionPlan::Pause(reason.clone()).into();
    }
    match build(facts, own, ((place.name, region), bound), approved) {
        Ok(Some(workloads)) => RegionPlan::Run(workloads).into(),
        Ok(None) => RegionPlan::Withdraw(Word::OnlyKeeps.because(
            "the policy erases nothing itself; its keeps bind every policy that erases from their tables here",
        ))
        .into(),
        // What runs there goes by the keeps of before, and what others state from now on would not reach it. Without a
        // namespace nothing runs.
        Err(stop) => {
            let missing = stop.missing.then(|| stop.reason.clone());
            let runs = stop.reason.word != Word::NamespaceMissing.as_str();
            let plan = if runs { RegionPlan::Pause } else { RegionPlan::Keep };
            Decision { missing, ..plan(stop.reason).into() }
        }
    }
}

/// Why nothing new can be made in a region.
struct Stop {
    reason: Reason,
    /// Something that the spec names isn't there.
    missing: bool,
}

/// Nothing for a policy that only keeps.
fn build(
    facts: &PolicyFacts,
    own: &Own,
    ((name, region), bound): ((&str, &RegionFacts), &Bound<'_>),
    approved: Option<&(&ApprovalSpec, &Preview)>,
) -> Result<Option<Box<PolicyWorkloads>>, Stop> {
    let missing = |reason| Stop {
        reason,
        missing: true,
    };
    let (Some(window), None) = (own.window, own.problems.first()) else {
        let reason = own.problems.first().cloned();
        return Err(Stop {
            reason: reason.unwrap_or_else(|| Word::WindowInvalid.because("spec.retention.window")),
            missing: false,
        });
    };
    let spec = &region.region.spec;
    if let Some(reason) = placement::unready(region, name, &spec.run_namespace) {
        return Err(missing(reason));
    }
    // Also a rule that only keeps: what one that names the wrong store keeps is a guess.
    for rule in &facts.policy.spec.rules {
        let wanted = &rule.dataset.store;
        if spec.data_stores.iter().all(|store| store.name != *wanted) {
            return Err(missing(Word::StoreNotFound.because(format!(
                "spec.rules[{}].dataset.store: Region {name} has no data store {wanted}; add it to the Region, or \
                 choose regions that have it",
                rule.name
            ))));
        }
    }
    let wrong = rules::one_database((name, spec), &bound.rulings)
        .or_else(|| rules::too_many_parts(name, &bound.rulings));
    if let Some(reason) = wrong {
        return Err(Stop {
            reason,
            missing: false,
        });
    }
    if bound.rulings.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(retention::workloads(&Retention {
        facts,
        region: name,
        at: &region.region,
        rulings: &bound.rulings,
        hash: &bound.hash,
        window,
        approval: approved.map(|(approval, preview)| Approval {
            hash: approval.preview_hash.clone(),
            by: approval.by.clone(),
            preview: (*preview).clone(),
        }),
        run_at: run_at(facts, name),
        lost: &lost::in_region(facts, name),
    }))))
}

/// Runs that a change of clocks in the region's zone skips or doubles.
fn clocks(facts: &PolicyFacts, place: &Place<'_>, now: Timestamp) -> Vec<Finding> {
    let zone = place
        .facts
        .filter(|_| place.chosen)
        .and_then(|region| TimeZone::get(&region.region.spec.locale.time_zone).ok());
    zone.and_then(|zone| gated::retention_schedule(&facts.policy.spec, &zone, now).ok())
        .unwrap_or_default()
        .into_iter()
        .map(|reason| Finding {
            holds: Some(true),
            ..finding(ConditionType::Accepted, Some(place.name), reason)
        })
        .collect()
}

/// The value of the run-at annotation, unless its Job was made here before, or elsewhere before the region joined.
fn run_at<'a>(facts: &'a PolicyFacts, region: &str) -> Option<&'a str> {
    let requested = facts.policy.annotations().get(names::ANNOTATION_RUN_AT)?;
    let before = facts.policy.status.as_ref();
    let handled = match old_entry(facts, region) {
        Some(entry) => entry.last_handled_run_at.as_ref(),
        None => before.and_then(|status| status.last_handled_run_at.as_ref()),
    };
    let is_handled = handled.is_some_and(|it| *it == names::acknowledged(requested));
    (!is_handled).then_some(requested.as_str())
}
