//! What a ledger says of a run that left no report.

use jiff::Timestamp;

use super::RunEnd;
use super::reason::Word;
use crate::api::{RunPhase, RunStatus};
use crate::contract::{Report, RetainMode, RetainReport};

/// The agent's words for a run that ended as it should; any other needs a look.
const WELL: [&str; 2] = ["Done", "WindowElapsed"];

/// The run that was lost (`before`), as its ledger has it.
pub(super) fn told(end: &RunEnd<RetainReport>, before: Option<&RunStatus>) -> RunStatus {
    if let Some(told) = before.filter(|run| run.job == end.job) {
        return told.clone();
    }
    let lost = before.filter(|run| run.is_report_lost());
    let begun = lost.and_then(|run| run.started_at.as_ref());
    let name = lost.map_or("the last run", |run| &run.job);
    let (phase, reason, message) = match found(end, begun.and_then(|at| at.parse().ok())) {
        Ok(report) if WELL.contains(&report.reason.as_str()) => (
            RunPhase::Succeeded,
            report.reason.clone(),
            format!("read back from the ledger: {}", report.message),
        ),
        Ok(report) => (
            RunPhase::Failed,
            report.reason.clone(),
            format!("read back from the ledger: {}", report.message),
        ),
        Err(why) => (
            RunPhase::Failed,
            Word::RunFailed.as_str().to_owned(),
            format!("{name} left no report, and {why}"),
        ),
    };
    let body = end.report.as_ref().and_then(|report| report.body.as_ref());
    let believed = body.filter(|_| reason != Word::RunFailed.as_str());
    RunStatus {
        job: end.job.clone(),
        phase,
        mode: Some(RetainMode::Enforce),
        reason: Some(reason),
        message: Some(message),
        started_at: begun.cloned().or(end.started.map(|at| at.to_string())),
        finished_at: Some(end.at.to_string()),
        rules: believed.map_or_else(
            || before.map(|run| run.rules.clone()).unwrap_or_default(),
            |body| body.rules.clone(),
        ),
    }
}

/// The ledger's answer, when it is about a run that may be the lost one.
fn found(
    end: &RunEnd<RetainReport>,
    begun: Option<Timestamp>,
) -> Result<&Report<RetainReport>, String> {
    let report = end.report.as_ref().ok_or_else(|| {
        format!(
            "Job {}, which was to read its ledger, left none either",
            end.job
        )
    })?;
    let Some(body) = &report.body else {
        return Err(format!("its ledger did not tell ({})", report.message));
    };
    let ended = body.ended_at.as_ref();
    let ended: Option<Timestamp> = ended.and_then(|at| at.parse().ok());
    match (ended, begun) {
        (Some(ended), Some(begun)) if ended < begun => Err(format!(
            "the last that its ledger knows ended at {ended}, before it began: it never came to its work; the next run does"
        )),
        _ => Ok(report),
    }
}
