//! Runs whose reports were lost, until what they did is recorded.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::run::Runs;
use super::{RunEnd, RunObserved};
use crate::api::{PolicyRegionStatus, RunPhase, RunStatus, UnreadRun};
use crate::contract::{RetainMode, RetainReport};

/// At a time; the newest wait until there is room, by their Jobs, which stay.
const MOST: usize = 16;

/// What was known, what is seen by now, less what is recorded: `recorded` has the UIDs of the runs that are; none when the
/// region's chain is not known.
pub(super) fn unread(
    run: Option<&RunObserved<RetainReport>>,
    old: Option<&PolicyRegionStatus>,
    runs: &Runs,
    recorded: Option<&BTreeSet<String>>,
    now: Timestamp,
) -> Vec<UnreadRun> {
    let known = old.map(|entry| entry.unread.clone()).unwrap_or_default();
    let Some(run) = run else {
        return known;
    };
    let moment = Timestamp::from_second(now.as_second()).unwrap_or(now);
    // What was shown may have been displaced by a run that came after it.
    let before = old.and_then(|entry| entry.last_run.as_ref());
    let shown = [before, runs.ended.as_ref()].into_iter().flatten();
    let shown = shown.filter(|run| run.is_report_lost());
    let shown = shown.filter_map(|run| of_status(run, moment));
    let told = runs.ended.as_ref().filter(|run| !run.is_report_lost());
    let is_told = |uid: &String| told.is_some_and(|run| run.uid.as_ref() == Some(uid));
    let seen = run.ended.iter().filter(|end| {
        recorded.is_some() && erased(run, end) && end.report.is_none() && !is_told(&end.uid)
    });
    let seen = seen.map(|end| of_end(end, moment));
    let is_over = |uid: &String| recorded.map_or_else(|| is_told(uid), |all| all.contains(uid));
    let mut all: Vec<UnreadRun> = Vec::new();
    for one in known.into_iter().chain(shown).chain(seen) {
        let is_there = all.iter().any(|other| other.uid == one.uid);
        if !is_there && !one.uid.is_empty() && !is_over(&one.uid) {
            all.push(one);
        }
    }
    all.sort_by(|a, b| (&a.finished_at, &a.job).cmp(&(&b.finished_at, &b.job)));
    all.truncate(MOST);
    all
}

/// Whether its own Job says that it may erase: only such a run has a ledger that tells of it.
pub(super) fn erased(run: &RunObserved<RetainReport>, end: &RunEnd<RetainReport>) -> bool {
    run.modes.get(&end.job) == Some(&RetainMode::Enforce)
}

/// A Job that ended and left no report.
pub(super) fn of_end(end: &RunEnd<RetainReport>, since: Timestamp) -> UnreadRun {
    UnreadRun {
        job: end.job.clone(),
        uid: end.uid.clone(),
        started_at: end.started.map(|at| at.to_string()),
        finished_at: Some(end.at.to_string()),
        since: since.to_string(),
    }
}

/// What status showed as lost. Of one without a UID no evidence could be told apart.
fn of_status(run: &RunStatus, since: Timestamp) -> Option<UnreadRun> {
    Some(UnreadRun {
        job: run.job.clone(),
        uid: run.uid.clone()?,
        started_at: run.started_at.clone(),
        finished_at: run.finished_at.clone(),
        since: since.to_string(),
    })
}

/// As a run's status has it.
pub(super) fn as_run(unread: &UnreadRun) -> RunStatus {
    RunStatus {
        job: unread.job.clone(),
        uid: Some(unread.uid.clone()),
        run: None,
        phase: RunPhase::Failed,
        mode: Some(RetainMode::Enforce),
        reason: Some(RunStatus::REPORT_LOST.to_owned()),
        message: None,
        started_at: unread.started_at.clone(),
        finished_at: unread.finished_at.clone(),
        gone_by: None,
        rules: Vec::new(),
    }
}
