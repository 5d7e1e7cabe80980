//! What a DataPolicy's status should say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::dates;
use super::findings::{self, shown, totals};
use super::fresh::{self, Recorded};
use super::gone_by;
use super::reason::Word;
use super::resource::{self, Standing};
use super::run::{self, Runs};
use super::said::{self, Said, wanted};
use super::timing::{Firing, Next, earliest, upcoming};
use super::unread::unread;
use super::{PolicyObserved, Seen, Written};
use crate::api::condition::{self, ConditionType, Truth, Wanted};
use crate::api::{DataPolicy, DataPolicyStatus, PolicyRegionStatus, RunPhase, Uncovered, names};
use crate::contract::{Preview, RetainMode};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{self, Plan, PolicyWorkloads, Reason, RegionPlan, Untold, Verdict};

/// How soon to plan again with what a status says: by then it has come back to us.
const SETTLE: SignedDuration = SignedDuration::from_secs(1);

/// Data sets that a message names before it only counts them.
const NAMED: usize = 3;

/// One region: its entry, and what it says for the conditions.
struct Region<'a> {
    standing: Standing<'a, PolicyObserved>,
    entry: PolicyRegionStatus,
    ready: Said,
    enforced: Said,
    wake_at: Vec<Option<Timestamp>>,
}

/// The new status.
#[must_use]
pub fn policy(
    plan: &Plan<PolicyWorkloads>,
    seen: &BTreeMap<String, Seen<PolicyObserved>>,
    policy: &DataPolicy,
    recorded: &BTreeMap<String, Recorded>,
    now: Timestamp,
) -> Written<DataPolicyStatus> {
    let none = DataPolicyStatus::default();
    let old = policy.status.as_ref().unwrap_or(&none);
    let names = plan.regions.keys();
    let told = names.filter_map(|name| region(plan, name, (seen, recorded), policy, now));
    let mut regions: Vec<Region<'_>> = told.collect();
    for one in regions.iter_mut().filter(|one| one.standing.note.chosen) {
        let name = one.entry.name.as_str();
        one.entry.evidence = Some(fresh::here(name, policy, recorded.get(name), now));
    }
    let (fresh, fresh_until) = fresh(plan, policy, recorded, now);
    let mut wanted = vec![
        enforced(plan, policy, &regions),
        coverage(plan),
        findings::baseline(plan),
        fresh,
    ];
    let ready = chosen(&regions).map(|region| region.ready.clone());
    let ready: Vec<Said> = ready.collect();
    let wakes = regions.iter().flat_map(|r| r.wake_at.iter().copied());
    let wake_at = earliest(wakes.chain([fresh_until]), now);
    let (standings, entries): (Vec<_>, Vec<_>) = regions
        .into_iter()
        .map(|region| (region.standing, region.entry))
        .unzip();
    wanted.extend(resource::conditions(
        plan,
        policy.spec.suspend.as_ref(),
        &standings,
        &ready,
        now,
    ));
    let mut entries: Vec<PolicyRegionStatus> = entries
        .into_iter()
        .zip(standings.iter().map(Standing::is_shown))
        .filter_map(|(entry, shown)| shown.then_some(entry))
        .collect();
    dates::bound(&mut entries);
    let generation = policy.metadata.generation.unwrap_or_default();
    let handled = entries
        .iter()
        .map(|entry| entry.last_handled_run_at.as_deref());
    let asked = resource::handled_run(&policy.metadata, handled, old.last_handled_run_at.as_ref());
    Written {
        status: DataPolicyStatus {
            observed_generation: generation,
            conditions: condition::merge(&old.conditions, wanted, generation, now),
            totals: run::sum(entries.iter().filter_map(|entry| entry.totals.as_ref())),
            last_run: last_run(&entries, old),
            next_run: next_run(&entries),
            regions: entries,
            uncovered: plan.uncovered.clone(),
            findings: shown(&plan.baseline),
            finding_totals: Some(totals(&plan.baseline)),
            last_handled_reconcile_at: resource::handled_reconcile(&policy.metadata),
            last_handled_run_at: asked,
        },
        wake_at,
        finished: resource::is_finished(plan, &standings),
    }
}

/// When a run last ended in any region; also in one that has gone, or whose next run is under way.
fn last_run(entries: &[PolicyRegionStatus], old: &DataPolicyStatus) -> Option<String> {
    let ends = entries.iter().filter_map(|entry| {
        let run = entry.last_run.as_ref()?;
        run.finished_at.as_ref()?.parse::<Timestamp>().ok()
    });
    let ends = ends.chain(old.last_run.as_deref().and_then(|at| at.parse().ok()));
    ends.max()
        .map(|at| at.to_string())
        .max(old.last_run.clone())
}

/// When the next run starts in any region.
fn next_run(entries: &[PolicyRegionStatus]) -> Option<String> {
    let nexts = entries
        .iter()
        .filter_map(|entry| entry.next_run.as_ref()?.parse::<Timestamp>().ok());
    nexts.min().map(|at| at.to_string())
}

fn chosen<'r, 'a>(regions: &'r [Region<'a>]) -> impl Iterator<Item = &'r Region<'a>> {
    regions.iter().filter(|region| region.standing.note.chosen)
}

fn region<'a>(
    plan: &'a Plan<PolicyWorkloads>,
    name: &'a str,
    (seen, recorded): (
        &'a BTreeMap<String, Seen<PolicyObserved>>,
        &BTreeMap<String, Recorded>,
    ),
    policy: &DataPolicy,
    now: Timestamp,
) -> Option<Region<'a>> {
    let (name, decision) = plan.regions.get_key_value(name)?;
    let (seen, recorded) = (seen.get(name), recorded.get(name));
    let entries = policy.status.iter().flat_map(|status| &status.regions);
    let old = entries.into_iter().find(|entry| entry.name == *name);
    let memory = (
        old.and_then(|entry| entry.unreachable_since.as_deref()),
        old.map_or(&[][..], |entry| entry.inventory.as_slice()),
    );
    let standing = Standing::of((name, decision), plan.notes.get(name), seen, memory, now);
    let workloads = decision.workloads();
    let known = standing.sight.known.map(|known| known.children);
    let hash = standing.note.spec_hash.clone().unwrap_or_default();
    let scope = run::Scope {
        region: name,
        spec_hash: &hash,
        mode: policy.spec.mode(),
        schedule: &names::retention(&policy.name_any()),
    };
    let runs = run::runs(known.map(|children| &children.run), old, scope);
    let observed = known.map(|children| &children.run);
    let unread = unread(observed, old, &runs, recorded.map(|it| &it.runs), now);
    let told = old.and_then(|entry| entry.next_run.as_deref());
    let next = workloads
        .and_then(|workloads| Firing::of(&workloads.cron_job))
        .map_or_else(Next::default, |firing| firing.next(told, runs.newest, now));
    let was = old.and_then(|entry| entry.ready);
    let (truth, why) = standing.ready(was, |_| works(&runs, &next));
    let enforced = enforced_here(&standing, policy.spec.mode(), &runs, &next);
    let entry = PolicyRegionStatus {
        name: name.clone(),
        state: standing.state,
        reason: why.word.clone(),
        message: why.message.clone(),
        ready: resource::ready_field(truth),
        unreachable_since: standing.sight.lost_since.map(|since| since.to_string()),
        dates: dates::of(&standing, &runs, old),
        more_dates: None,
        evidence: None,
        last_run: gone_by::told(runs.last, policy, &standing.note.horizons),
        unread,
        waits_since: standing.note.waits_since.map(|since| since.to_string()),
        next_run: next_start(decision, next.at, told, now),
        totals: runs.totals,
        decisions: standing.note.decisions.clone(),
        preview_hash: runs.preview.as_ref().map(Preview::hash),
        preview: runs.preview,
        catalogue: runs.catalogue,
        approved: standing.note.approved.clone(),
        last_handled_run_at: acted_on(workloads, known, policy, old),
        inventory: standing.inventory.clone(),
    };
    let ask = ask_the_ledger(&entry, standing.note.untold.as_ref(), now);
    Some(Region {
        wake_at: vec![next.wake_at, standing.sight.wake_at(), ask],
        ready: Said::of(name, truth, why),
        enforced: Said::of(name, enforced.0, enforced.1),
        standing,
        entry,
    })
}

/// When a run starts next; `told` is what status said before.
fn next_start(
    decision: &RegionPlan<PolicyWorkloads>,
    at: Option<Timestamp>,
    told: Option<&str>,
    now: Timestamp,
) -> Option<String> {
    match decision {
        RegionPlan::Run(_) => at.map(|at| at.to_string()),
        // What is there goes on as it was told, but for a pause and a withdrawal.
        RegionPlan::Keep(_) | RegionPlan::Hold(_) | RegionPlan::Leave(_) => upcoming(told, now),
        RegionPlan::Pause(_) | RegionPlan::Withdraw(_) => None,
    }
}

/// When to plan again with what this status says: a run was lost, and what reads its ledger is not planned yet; or what a
/// withdrawal waits for is told by now.
fn ask_the_ledger(
    entry: &PolicyRegionStatus,
    planned: Option<&Untold>,
    now: Timestamp,
) -> Option<Timestamp> {
    let planned = planned?;
    let run = entry.last_run.as_ref();
    let goes_on = run.is_some_and(|run| run.phase == RunPhase::Running);
    let is_news = plan::lost(entry) != planned.lost || (planned.under_way && !goes_on);
    is_news.then(|| now.checked_add(SETTLE).ok()).flatten()
}

/// Whether what should run there works. A run that is still to come holds nothing back; one that failed, or that
/// somebody must approve, does.
fn works(runs: &Runs, next: &Next) -> (Truth, Reason) {
    match run::say(runs, next) {
        (Truth::Unknown, reason) => (Truth::True, reason),
        other => other,
    }
}

/// The run-at annotation's value that was last acted on here.
fn acted_on(
    workloads: Option<&PolicyWorkloads>,
    known: Option<&PolicyObserved>,
    policy: &DataPolicy,
    old: Option<&PolicyRegionStatus>,
) -> Option<String> {
    handled_run(workloads, known, policy).or_else(|| match old {
        Some(entry) => entry.last_handled_run_at.clone(),
        // What was asked before it joined is not asked of it.
        None => policy.status.as_ref()?.last_handled_run_at.clone(),
    })
}

/// The run-at annotation's value, once the Job that it asked for is there.
fn handled_run(
    workloads: Option<&PolicyWorkloads>,
    known: Option<&PolicyObserved>,
    policy: &DataPolicy,
) -> Option<String> {
    let (workloads, known) = (workloads?, known?);
    let job = workloads.run_now.as_ref();
    let is_made = job
        .and_then(|job| job.metadata.name.as_ref())
        .is_none_or(|name| known.run.jobs.contains(name));
    is_made
        .then(|| resource::annotation(&policy.metadata, names::ANNOTATION_RUN_AT))
        .flatten()
}

/// Whether the policy erases in one region.
fn enforced_here(
    standing: &Standing<'_, PolicyObserved>,
    mode: RetainMode,
    runs: &Runs,
    next: &Next,
) -> (Truth, Reason) {
    let (truth, reason) = run::say(runs, next);
    match (standing.sight.silence(), standing.planned) {
        (Some(silence), _) if standing.sight.is_stale => return (Truth::Unknown, silence),
        (None, Some(planned)) => return (Truth::False, planned.clone()),
        // Silent for a moment: the last values still count.
        (Some(_), _) | (None, None) => {}
    }
    let only_counted = runs.ended.as_ref().is_some_and(|run| {
        run.phase == RunPhase::Succeeded && run.mode == Some(RetainMode::DryRun)
    });
    if mode == RetainMode::Enforce && truth == Truth::True && only_counted {
        let message = "the last run only counted; the first that erases is still to come";
        return (Truth::Unknown, Word::AwaitingFirstRun.because(message));
    }
    (truth, reason)
}

fn enforced(plan: &Plan<PolicyWorkloads>, policy: &DataPolicy, regions: &[Region<'_>]) -> Wanted {
    let kind = ConditionType::Enforced;
    let only_keeps = policy.spec.rules.iter().all(|rule| rule.erase.is_none());
    let binds = plan.deleting.is_none() && chosen(regions).next().is_some();
    if only_keeps && binds && !matches!(plan.verdict, Verdict::Invalid(_)) {
        let message = "the policy erases nothing itself; its keeps bind every policy that erases from their tables";
        return wanted(kind, Truth::True, PlanWord::OnlyKeeps.because(message));
    }
    if policy.spec.mode() == RetainMode::DryRun {
        let message = "the policy only counts; set mode: Enforce once its previews are approved";
        return wanted(kind, Truth::False, Word::DryRun.because(message));
    }
    if let Verdict::Suspended(pause) = &plan.verdict {
        return wanted(kind, Truth::False, pause.clone());
    }
    let said: Vec<Said> = chosen(regions)
        .map(|region| region.enforced.clone())
        .collect();
    let none = (
        Truth::Unknown,
        Word::NotAsked.because("no region is chosen"),
    );
    let mut told = said::condition(kind, &said, none);
    if told.status == Truth::True {
        Word::Enforced.as_str().clone_into(&mut told.reason);
        let mut methods = policy.spec.rules.iter().flat_map(|rule| &rule.erase);
        let does = if methods.any(|erase| erase.method.erases()) {
            "it erases"
        } else {
            "it hides rows, and erases none"
        };
        told.message = format!("{does}; {}", told.message);
    }
    told
}

/// Where the evidence of a chosen region is seen not to be fresh, and why.
#[must_use]
pub fn stale(
    plan: &Plan<PolicyWorkloads>,
    policy: &DataPolicy,
    recorded: &BTreeMap<String, Recorded>,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let chosen = plan.notes.iter().filter(|(_, note)| note.chosen);
    let said = chosen.map(|(region, _)| {
        (
            region,
            fresh::say(region, policy, recorded.get(region), now).0,
        )
    });
    let stale = said.filter(|(_, said)| said.truth == Truth::False);
    stale
        .map(|(region, said)| (region.clone(), said.reason.message))
        .collect()
}

/// Whether the evidence of every chosen region is fresh, and until when that holds.
fn fresh(
    plan: &Plan<PolicyWorkloads>,
    policy: &DataPolicy,
    recorded: &BTreeMap<String, Recorded>,
    now: Timestamp,
) -> (Wanted, Option<Timestamp>) {
    let chosen = plan.notes.iter().filter(|(_, note)| note.chosen);
    let (said, wakes): (Vec<Said>, Vec<Option<Timestamp>>) = chosen
        .map(|(region, _)| fresh::say(region, policy, recorded.get(region), now))
        .unzip();
    let none = (Truth::Unknown, resource::not_asked(plan));
    let told = said::condition(ConditionType::EvidenceFresh, &said, none);
    (told, earliest(wakes, now))
}

fn coverage(plan: &Plan<PolicyWorkloads>) -> Wanted {
    let kind = ConditionType::CoverageComplete;
    if plan.uncovered.is_empty() {
        let (truth, reason) = if plan.notes.values().any(|note| note.chosen) {
            let message = "every data set of the chosen regions' stores has a rule";
            (Truth::True, Word::Complete.because(message))
        } else {
            (Truth::Unknown, resource::not_asked(plan))
        };
        return wanted(kind, truth, reason);
    }
    let told = |one: &Uncovered| format!("{} {}/{}", one.region, one.store, one.table);
    let mut named: Vec<String> = plan.uncovered.iter().take(NAMED).map(told).collect();
    if plan.uncovered.len() > NAMED {
        named.push(format!("and {} more", plan.uncovered.len() - NAMED));
    }
    let message = format!(
        "no rule of this policy erases from {}; see status.uncovered",
        named.join(", ")
    );
    wanted(kind, Truth::False, Word::NoRule.because(message))
}
