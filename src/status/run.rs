//! A policy's runs in one region.

use jiff::Timestamp;

use super::reason::Word;
use super::timing::Next;
use super::{RunEnd, RunObserved};
use crate::api::condition::Truth;
use crate::api::{CategoryTotals, PolicyRegionStatus, RunPhase, RunStatus};
use crate::contract::{Outcome, Preview, Report, RetainMode, RetainReport, RetainedRule};
use crate::plan::Reason;

/// The agent's word for a run that somebody must approve first.
const AWAITING_APPROVAL: &str = "AwaitingApproval";

/// What status keeps of a region's runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    pub(super) last: Option<RunStatus>,
    pub(super) totals: Option<CategoryTotals>,
    pub(super) preview: Option<Preview>,
    /// The newest start or end.
    pub(super) newest: Option<Timestamp>,
}

/// The old entry with what the newest runs add; `spec_hash` is that of the present spec. Numbers stay those of the last run that told any.
pub(super) fn runs(
    run: Option<&RunObserved<RetainReport>>,
    old: Option<&PolicyRegionStatus>,
    (region, spec_hash): (&str, &str),
) -> Runs {
    let before = old.and_then(|entry| entry.last_run.as_ref());
    let mut runs = Runs {
        last: before.cloned(),
        totals: old.and_then(|entry| entry.totals.clone()),
        preview: old.and_then(|entry| entry.preview.clone()),
        newest: before.and_then(moment),
    };
    let Some(run) = run else {
        return runs;
    };
    if let Some(end) = &run.last
        && runs.newest.is_none_or(|known| known <= end.at)
    {
        runs.newest = Some(end.at);
        runs.last = Some(ended(end, before));
        if let Some(body) = end.report.as_ref().and_then(|report| report.body.as_ref()) {
            runs.totals = Some(totals(&body.rules));
            runs.preview = body.preview(region, spec_hash).or(runs.preview);
        }
    }
    if let Some((job, started)) = &run.running {
        let rules = runs.last.take().map(|last| last.rules).unwrap_or_default();
        runs.newest = runs.newest.max(Some(*started));
        runs.last = Some(RunStatus {
            job: job.clone(),
            phase: RunPhase::Running,
            mode: None,
            reason: None,
            message: None,
            started_at: Some(started.to_string()),
            finished_at: None,
            rules,
        });
    }
    runs
}

fn moment(run: &RunStatus) -> Option<Timestamp> {
    let at = run.finished_at.as_ref().or(run.started_at.as_ref())?;
    at.parse().ok()
}

fn ended(end: &RunEnd<RetainReport>, before: Option<&RunStatus>) -> RunStatus {
    let report = end.report.as_ref();
    let is_good = end.succeeded && report.is_none_or(|report| report.outcome == Outcome::Done);
    let body = report.and_then(|report| report.body.as_ref());
    let lost = || {
        Word::RunFailed.because(format!(
            "Job {} failed and left no report: its pod was killed, never started or timed out",
            end.job
        ))
    };
    let (reason, message) = match report {
        Some(report) => (Some(report.reason.clone()), Some(report.message.clone())),
        None if is_good => (None, None),
        None => (Some(lost().word), Some(lost().message)),
    };
    RunStatus {
        job: end.job.clone(),
        phase: if is_good {
            RunPhase::Succeeded
        } else {
            RunPhase::Failed
        },
        mode: report.and_then(mode),
        reason,
        message,
        started_at: report.map(|report| report.started_at.clone()),
        finished_at: Some(end.at.to_string()),
        rules: match (body, before) {
            (Some(body), _) => body.rules.clone(),
            (None, Some(before)) => before.rules.clone(),
            (None, None) => Vec::new(),
        },
    }
}

/// A run that erases has an id; one that only counts has a preview, unless it wanted to erase and may not yet.
fn mode(report: &Report<RetainReport>) -> Option<RetainMode> {
    let body = report.body.as_ref()?;
    if !body.run.is_empty() || report.reason == AWAITING_APPROVAL {
        return Some(RetainMode::Enforce);
    }
    body.preview_hash.as_ref().map(|_| RetainMode::DryRun)
}

fn totals(rules: &[RetainedRule]) -> CategoryTotals {
    let mut sum = CategoryTotals::default();
    for rule in rules {
        sum.due = sum.due.saturating_add(rule.due);
        sum.erased = sum.erased.saturating_add(rule.erased);
        sum.blocked = sum.blocked.saturating_add(rule.blocked);
        sum.failed = sum.failed.saturating_add(rule.failed);
        sum.remaining = sum.remaining.saturating_add(rule.remaining);
    }
    sum
}

/// The sum over regions; none when no region has told any.
pub(super) fn sum<'a>(regions: impl Iterator<Item = &'a CategoryTotals>) -> Option<CategoryTotals> {
    regions.fold(None, |sum: Option<CategoryTotals>, more| {
        let sum = sum.unwrap_or_default();
        Some(CategoryTotals {
            due: sum.due.saturating_add(more.due),
            erased: sum.erased.saturating_add(more.erased),
            blocked: sum.blocked.saturating_add(more.blocked),
            failed: sum.failed.saturating_add(more.failed),
            remaining: sum.remaining.saturating_add(more.remaining),
        })
    })
}

/// What the runs say: the last one's end, or that one is missing.
pub(super) fn say(last: Option<&RunStatus>, next: &Next) -> (Truth, Reason) {
    if let Some(run) = last.filter(|run| run.phase == RunPhase::Failed) {
        let at = run.finished_at.as_deref().unwrap_or_default();
        let why = run.message.as_deref().unwrap_or_default();
        let reason = Reason {
            word: run
                .reason
                .clone()
                .unwrap_or_else(|| Word::RunFailed.as_str().to_owned()),
            message: format!("the run that ended at {at} failed: {why}"),
        };
        return (Truth::False, reason);
    }
    if next.is_overdue {
        let due = next.at.map(|at| at.to_string()).unwrap_or_default();
        return (
            Truth::False,
            Word::RunOverdue.because(format!(
                "a run was due at {due} and once more since, and none was made; look at the CronJob's events"
            )),
        );
    }
    match last {
        None => {
            let first = next
                .at
                .map_or_else(String::new, |at| format!("; the first is due at {at}"));
            let message = format!("no run has been made yet{first}");
            (Truth::Unknown, Word::AwaitingFirstRun.because(message))
        }
        Some(run) if run.phase == RunPhase::Running => {
            let since = run.started_at.as_deref().unwrap_or_default();
            let message = format!("a run has been under way since {since}");
            (Truth::True, Word::Running.because(message))
        }
        Some(run) => {
            let at = run.finished_at.as_deref().unwrap_or_default();
            (
                Truth::True,
                Word::Running.because(format!("the last run ended well at {at}")),
            )
        }
    }
}
