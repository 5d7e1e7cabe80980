//! A policy's runs in one region.

use jiff::Timestamp;

use super::read_back::{self, Told};
use super::reason::Word;
use super::timing::Next;
use super::{RunEnd, RunObserved, Running};
use crate::api::condition::Truth;
use crate::api::{CategoryTotals, PolicyRegionStatus, RunPhase, RunStatus};
use crate::contract::ended::Wait;
use crate::contract::{
    CatalogueLook, Count, Outcome, Preview, Report, RetainMode, RetainReport, RetainedRule,
};
use crate::plan::Reason;

/// The agent's word for a run that somebody must approve first.
const AWAITING_APPROVAL: &str = "AwaitingApproval";

/// What status keeps of a region's runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    /// The one that is shown: under way, or the last that ended.
    pub(super) last: Option<RunStatus>,
    /// The last that ended, as far as is known.
    pub(super) ended: Option<RunStatus>,
    pub(super) totals: Option<CategoryTotals>,
    pub(super) preview: Option<Preview>,
    /// What looks personal and has no rule, as the last run that told it saw it.
    pub(super) catalogue: Option<CatalogueLook>,
    /// When the run looked whose numbers are shown: by the database's clock where its report says so, else its end.
    pub(super) as_of: Option<String>,
    /// The newest start or end.
    pub(super) newest: Option<Timestamp>,
}

/// Of which policy and region the runs are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    /// Of the present spec.
    pub(super) spec_hash: &'a str,
    /// The present one: of a run that says nothing itself.
    pub(super) mode: RetainMode,
    /// The CronJob's name.
    pub(super) schedule: &'a str,
}

/// The old entry with what the newest runs add. Numbers stay those of the last run that told any.
pub(super) fn runs(
    run: Option<&RunObserved<RetainReport>>,
    old: Option<&PolicyRegionStatus>,
    scope: Scope<'_>,
) -> Runs {
    let before = old.and_then(|entry| entry.last_run.as_ref());
    let mut runs = Runs {
        last: before.cloned(),
        ended: before.filter(|run| run.phase != RunPhase::Running).cloned(),
        totals: old.and_then(|entry| entry.totals.clone()),
        preview: old.and_then(|entry| entry.preview.clone()),
        catalogue: old.and_then(|entry| entry.catalogue.clone()),
        as_of: old.and_then(as_of),
        newest: before.and_then(moment),
    };
    let Some(run) = run else {
        return runs;
    };
    let known = runs.ended.as_ref().and_then(moment);
    if let Some(end) = run
        .last
        .as_ref()
        .filter(|end| known.is_none_or(|at| at <= end.at))
    {
        runs.newest = runs.newest.max(Some(end.at));
        runs.ended = Some(ended(end, before, own_mode(&end.job, run, before, scope)));
        runs.believe(end.report.as_ref(), scope);
    }
    let is_gone = run.running.is_none();
    if let Some(lost) = before.filter(|run| is_gone && run.phase == RunPhase::Running) {
        let seen = runs.ended.as_ref().and_then(moment);
        if seen.is_none_or(|at| moment(lost).is_some_and(|started| at < started)) {
            runs.ended = Some(vanished(lost, lost.mode.unwrap_or(scope.mode)));
        }
    }
    runs.read_back(run, scope);
    if let Some(running) = &run.running {
        runs.newest = runs.newest.max(Some(running.started));
        let shown = runs.ended.as_ref().or(runs.last.as_ref());
        let mode = run.modes.get(&running.job).copied();
        runs.last = Some(under_way(running, mode, shown));
    } else {
        runs.last = runs.ended.clone();
    }
    runs
}

impl Runs {
    /// Takes a report's numbers.
    fn believe(&mut self, report: Option<&Report<RetainReport>>, scope: Scope<'_>) {
        let told = report.and_then(|report| Some((report, report.body.as_ref()?)));
        if let Some((report, body)) = told {
            let by_database = body.preview_as_of.as_ref().or(body.ended_at.as_ref());
            self.as_of = by_database.or(Some(&report.finished_at)).cloned();
            self.totals = Some(totals(&body.rules));
            let preview = body.preview(scope.region, scope.spec_hash);
            self.preview = preview.or(self.preview.take());
            self.catalogue = body.catalogue.clone().or(self.catalogue.take());
        }
    }

    /// What the ledger says of a run that was lost, once the Job that asks it for that run has ended.
    fn read_back(&mut self, run: &RunObserved<RetainReport>, scope: Scope<'_>) {
        let Some(lost) = self.ended.as_ref().filter(|run| run.is_report_lost()) else {
            return;
        };
        match read_back::of(run, lost, scope.schedule) {
            Some(Told::Run(told)) => {
                let end = read_back::asked(run, lost, scope.schedule);
                let report = end.and_then(|end| end.report.as_ref());
                self.ended = Some(told);
                self.believe(report, scope);
            }
            Some(Told::Nothing(told)) => self.ended = Some(told),
            Some(Told::Another) | None => {}
        }
    }
}

/// When the run looked whose numbers an entry has. Of one from before dates were told, its end is what is known.
fn as_of(entry: &PolicyRegionStatus) -> Option<String> {
    let told = entry.dates.iter().find_map(|dates| dates.as_of.clone());
    let run = entry.last_run.as_ref();
    let ended = run.filter(|run| run.phase == RunPhase::Succeeded);
    told.or_else(|| ended?.finished_at.clone())
}

/// What a run was made to do: whether its report is missed is its own affair, whatever the policy says by now.
fn own_mode(
    job: &str,
    run: &RunObserved<RetainReport>,
    before: Option<&RunStatus>,
    scope: Scope<'_>,
) -> RetainMode {
    let told = before.filter(|run| run.job == job);
    let told = told.and_then(|run| {
        let erased = run.is_report_lost().then_some(RetainMode::Enforce);
        run.mode.or(erased)
    });
    let marked = run.modes.get(job).copied();
    marked.or(told).unwrap_or(scope.mode)
}

fn under_way(running: &Running, mode: Option<RetainMode>, shown: Option<&RunStatus>) -> RunStatus {
    RunStatus {
        job: running.job.clone(),
        uid: uid(&running.uid),
        run: None,
        phase: RunPhase::Running,
        mode,
        reason: None,
        message: None,
        started_at: Some(running.started.to_string()),
        finished_at: None,
        gone_by: None,
        rules: shown.map(|run| run.rules.clone()).unwrap_or_default(),
    }
}

/// An empty UID is none.
fn uid(of: &str) -> Option<String> {
    Some(of.to_owned()).filter(|uid| !uid.is_empty())
}

/// A run that was under way, and whose Job is there no more.
fn vanished(run: &RunStatus, mode: RetainMode) -> RunStatus {
    let why = lost(
        format!("Job {} went away before its end was seen", run.job),
        mode,
    );
    RunStatus {
        phase: RunPhase::Failed,
        reason: Some(why.word),
        message: Some(why.message),
        finished_at: run.started_at.clone(),
        ..run.clone()
    }
}

/// Only a run that may erase has a ledger that can be read back.
fn lost(what: String, mode: RetainMode) -> Reason {
    match mode {
        RetainMode::Enforce => Word::ReportLost.because(format!("{what}; its ledger is read back")),
        RetainMode::DryRun => Word::RunFailed.because(what),
    }
}

fn moment(run: &RunStatus) -> Option<Timestamp> {
    let at = run.finished_at.as_ref().or(run.started_at.as_ref())?;
    at.parse().ok()
}

fn ended(end: &RunEnd<RetainReport>, before: Option<&RunStatus>, mode: RetainMode) -> RunStatus {
    let report = end.report.as_ref();
    // Its report was read while its pod was there; pods are cleared away long before their Jobs.
    let told = before.filter(|run| run.job == end.job && run.phase != RunPhase::Running);
    if let Some(told) = told.filter(|run| report.is_none() && !run.is_report_lost()) {
        return told.clone();
    }
    let is_good = end.succeeded && report.is_none_or(|report| report.outcome == Outcome::Done);
    let body = report.and_then(|report| report.body.as_ref());
    let (job, started) = (&end.job, end.started.map(|at| at.to_string()));
    let (reason, message) = match report {
        Some(report) => (Some(report.reason.clone()), Some(report.message.clone())),
        None if is_good && mode == RetainMode::DryRun => (None, None),
        None => {
            let what = if is_good {
                format!("Job {job} ended well, and its pod was gone before its report was read")
            } else {
                format!(
                    "Job {job} failed and left no report: its pod was killed, never started or timed out"
                )
            };
            let why = lost(what, mode);
            (Some(why.word), Some(why.message))
        }
    };
    RunStatus {
        job: end.job.clone(),
        uid: uid(&end.uid),
        run: body.and_then(RetainReport::id),
        phase: if is_good {
            RunPhase::Succeeded
        } else {
            RunPhase::Failed
        },
        mode: report.and_then(mode_of),
        reason,
        message,
        started_at: report.map(|report| report.started_at.clone()).or(started),
        finished_at: Some(end.at.to_string()),
        gone_by: None,
        rules: match (body, before) {
            (Some(body), _) => body.rules.clone(),
            (None, Some(before)) => before.rules.clone(),
            (None, None) => Vec::new(),
        },
    }
}

/// A run that erases has an id; one that only counts has a preview, unless it wanted to erase and may not yet.
pub(super) fn mode_of(report: &Report<RetainReport>) -> Option<RetainMode> {
    let body = report.body.as_ref()?;
    if !body.run.is_empty() || report.reason == AWAITING_APPROVAL {
        return Some(RetainMode::Enforce);
    }
    body.preview_hash.as_ref().map(|_| RetainMode::DryRun)
}

fn totals(rules: &[RetainedRule]) -> CategoryTotals {
    let of = |rule: &RetainedRule| CategoryTotals {
        due: rule.due,
        erased: rule.erased,
        held: rule.held,
        restricted: rule.restricted,
        gone: rule.gone,
        blocked: rule.blocked,
        failed: rule.failed,
        remaining: rule.remaining,
    };
    let nothing = CategoryTotals::default();
    rules
        .iter()
        .map(of)
        .fold(nothing, |sum, more| sum.plus(&more))
}

/// The sum over regions; none when no region has told any.
pub(super) fn sum<'a>(regions: impl Iterator<Item = &'a CategoryTotals>) -> Option<CategoryTotals> {
    regions.fold(None, |sum: Option<CategoryTotals>, more| {
        Some(sum.unwrap_or_default().plus(more))
    })
}

/// What the runs say: how the last one ended, whatever is under way, or that one is missing.
pub(super) fn say(runs: &Runs, next: &Next) -> (Truth, Reason) {
    let ended = runs.ended.as_ref();
    if let Some(run) = ended.filter(|run| run.phase == RunPhase::Failed) {
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
    let Some(run) = ended else {
        let message = match (&runs.last, next.at) {
            (Some(run), _) => format!(
                "the first run has been under way since {}",
                run.started_at.as_deref().unwrap_or_default()
            ),
            (None, Some(at)) => format!("no run has been made yet; the first is due at {at}"),
            (None, None) => "no run has been made yet".to_owned(),
        };
        return (Truth::Unknown, Word::AwaitingFirstRun.because(message));
    };
    let at = run.finished_at.as_deref().unwrap_or_default();
    if let Some(reason) = held_back(run, at) {
        return (Truth::False, reason);
    }
    let message = format!("the last run ended well at {at}");
    (Truth::True, Word::Running.because(message))
}

/// Why nothing went of what was due: the database had enough to carry for the whole of the run's window. One of which some
/// went makes its way, however slowly.
fn held_back(run: &RunStatus, at: &str) -> Option<Reason> {
    let wait = Wait::named(run.reason.as_deref()?)?;
    let sum = |term: fn(&RetainedRule) -> Count| run.rules.iter().map(term).sum::<Count>();
    let went = sum(|rule| rule.erased).plus(sum(|rule| rule.restricted));
    if !went.is_zero() || sum(|rule| rule.remaining).is_zero() {
        return None;
    }
    let why = run.message.as_deref().unwrap_or_default();
    Some(Reason {
        word: wait.word().to_owned(),
        message: format!("the run that ended at {at} let nothing go of what was due: {why}"),
    })
}
