//! Runs of which nobody has read what they did: their ledgers are asked, and nothing is taken away before they have answered.

use jiff::{SignedDuration, Timestamp};

use super::{Decision, Place, PolicyFacts, PolicyWorkloads, Reason, RegionPlan, Word, old_entry};
use crate::api::{PolicyRegionStatus, RunPhase};
use crate::contract::RetainMode;
use crate::plan::Untold;
use crate::plan::placement::earlier;

/// How long a withdrawal waits for the ledgers, from when they could first be asked or the last report was lost. Reading one
/// takes seconds; where no pod starts, nobody is held up for longer.
const WAITS: SignedDuration = SignedDuration::from_mins(10);
/// Without it in a region there is nothing to make a Job by.
const SCHEDULE: &str = "CronJob.batch";

/// The Jobs of a region's runs that erased, or may have, and whose reports nobody has read, the oldest first. What the
/// policy's mode is by now does not matter: of a run that only counted no report is missed.
#[must_use]
pub fn lost(entry: &PolicyRegionStatus) -> Vec<String> {
    let last = entry.last_run.as_ref();
    let last = last.filter(|run| run.is_report_lost());
    let mut jobs: Vec<String> = Vec::new();
    for job in entry
        .unread
        .iter()
        .map(|run| &run.job)
        .chain(last.map(|run| &run.job))
    {
        if !jobs.contains(job) {
            jobs.push(job.clone());
        }
    }
    jobs
}

/// The same of a region, by the old status.
pub(super) fn in_region(facts: &PolicyFacts, region: &str) -> Vec<String> {
    old_entry(facts, region).map(lost).unwrap_or_default()
}

/// A withdrawal waits until every run has been told, or for as long as [`WAITS`]: what is there is stopped meanwhile, and
/// the ledgers are asked by the schedule that is still there. Beside the decision: since when it has waited for them.
pub(super) fn first(
    facts: &PolicyFacts,
    place: &Place<'_>,
    decision: Decision<PolicyWorkloads>,
    now: Timestamp,
) -> (Decision<PolicyWorkloads>, Option<Timestamp>) {
    let RegionPlan::Withdraw(reason) = &decision.plan else {
        return (decision, None);
    };
    let Some(entry) = old_entry(facts, place.name) else {
        return (decision, None);
    };
    let (lost, under_way) = (lost(entry).len(), is_under_way(facts, entry));
    let can_ask = entry.inventory.iter().any(|it| it.kind == SCHEDULE);
    if !can_ask || (lost == 0 && !under_way) {
        return (decision, None);
    }
    let since = waits_since(entry, now);
    let until = until(entry, since);
    if until.is_some_and(|until| until <= now) {
        return (decision, Some(since));
    }
    let what = match lost {
        0 => "the run under way is ended and its ledger read back".to_owned(),
        1 => "the ledger of a run whose report was lost is read back".to_owned(),
        _ => format!("the ledgers of {lost} runs whose reports were lost are read back"),
    };
    let most = until.map(|until| format!(", until {until} at the latest"));
    let message = format!(
        "{}; before anything is taken away {what}{}",
        reason.message,
        most.unwrap_or_default()
    );
    let decision = Decision {
        wake_at: earlier(decision.wake_at, until),
        plan: RegionPlan::Pause(Reason {
            word: reason.word.clone(),
            message,
        }),
        ..decision
    };
    (decision, Some(since))
}

/// Since when the ledgers could be asked. Of a Region that was suspended or silent until now, status has forgotten it: what
/// was asked for meanwhile nobody could have read.
fn waits_since(entry: &PolicyRegionStatus, now: Timestamp) -> Timestamp {
    let told = entry.waits_since.as_ref();
    let told = told.and_then(|at| at.parse::<Timestamp>().ok());
    told.unwrap_or_else(|| Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// What is read back where this was decided.
pub(super) fn asked(
    facts: &PolicyFacts,
    region: &str,
    plan: &RegionPlan<PolicyWorkloads>,
) -> Option<Untold> {
    let entry = old_entry(facts, region);
    match plan {
        // In a paused Region nothing is made: what was lost is asked for afterwards.
        RegionPlan::Pause(reason) if reason.word == Word::RegionSuspended.as_str() => None,
        RegionPlan::Run(_) | RegionPlan::Pause(_) => Some(Untold {
            lost: entry.map(lost).unwrap_or_default(),
            under_way: matches!(plan, RegionPlan::Pause(_))
                && entry.is_some_and(|entry| is_under_way(facts, entry)),
        }),
        RegionPlan::Keep(_)
        | RegionPlan::Hold(_)
        | RegionPlan::Withdraw(_)
        | RegionPlan::Leave(_) => None,
    }
}

/// Whether a run is under way that erases, as far as is known.
fn is_under_way(facts: &PolicyFacts, entry: &PolicyRegionStatus) -> bool {
    let run = entry.last_run.as_ref();
    run.is_some_and(|run| {
        let mode = run.mode.unwrap_or_else(|| facts.policy.spec.mode());
        run.phase == RunPhase::Running && mode == RetainMode::Enforce
    })
}

/// When a withdrawal waits no longer.
fn until(entry: &PolicyRegionStatus, since: Timestamp) -> Option<Timestamp> {
    let lost = entry.unread.iter();
    let lost = lost.filter_map(|run| run.since.parse::<Timestamp>().ok());
    let from = lost.fold(since, Timestamp::max);
    from.checked_add(WAITS).ok()
}
