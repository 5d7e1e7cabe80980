//! What a ledger says of a run that left no report.

use jiff::Timestamp;

use super::RunEnd;
use super::reason::Word;
use crate::api::{RunPhase, RunStatus};
use crate::contract::{Report, RetainMode, RetainReport};

/// The agent's words for a run that ended as it should; any other needs a look.
const WELL: [&str; 2] = ["Done", "WindowElapsed"];

/// What a ledger told.
pub(super) enum Told {
    /// What the lost run did: the ledger's numbers are its.
    Run(RunStatus),
    /// That nothing can be known of the lost run.
    Nothing(RunStatus),
    /// How far another run is, which goes on meanwhile.
    Another,
}

/// The run that was lost, as the ledger that `end` read has it; `goes_on`: whether a run is under way.
pub(super) fn told(end: &RunEnd<RetainReport>, lost: &RunStatus, goes_on: bool) -> Told {
    let begun = lost.started_at.as_ref().and_then(|at| at.parse().ok());
    let status = |phase, reason: &str, message| RunStatus {
        job: end.job.clone(),
        phase,
        mode: Some(RetainMode::Enforce),
        reason: Some(reason.to_owned()),
        message: Some(message),
        finished_at: Some(end.at.to_string()),
        ..lost.clone()
    };
    let (report, body) = match found(end, begun) {
        Ok(found) => found,
        Err(why) => {
            let message = format!("{} left no report, and {why}", lost.job);
            let reason = Word::RunFailed.as_str();
            return Told::Nothing(status(RunPhase::Failed, reason, message));
        }
    };
    if body.ended_at.is_none() && goes_on {
        return Told::Another;
    }
    let phase = if WELL.contains(&report.reason.as_str()) {
        RunPhase::Succeeded
    } else {
        RunPhase::Failed
    };
    let message = format!("read back from the ledger: {}", report.message);
    Told::Run(RunStatus {
        rules: body.rules.clone(),
        ..status(phase, &report.reason, message)
    })
}

/// The ledger's answer, when it is about a run that may be the lost one.
fn found(
    end: &RunEnd<RetainReport>,
    begun: Option<Timestamp>,
) -> Result<(&Report<RetainReport>, &RetainReport), String> {
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
        _ => Ok((report, body)),
    }
}
