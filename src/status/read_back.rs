//! What a ledger says of a run that left no report.

use jiff::{SignedDuration, Timestamp};

use super::RunEnd;
use super::reason::Word;
use crate::api::{RunPhase, RunStatus};
use crate::contract::{Report, RetainMode, RetainReport};

/// The agent's words for a run that ended as it should; any other needs a look.
const WELL: [&str; 2] = ["Done", "WindowElapsed"];

/// The database's clock says when a run ended, the cluster's when its Job did: they need not go alike to the second.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

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
    let parse = |at: &Option<String>| at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    let begun = parse(&lost.started_at);
    // Of a Job that went away nobody saw the end: its begin stands for it.
    let over = parse(&lost.finished_at).filter(|at| Some(*at) != begun);
    let status = |phase, reason: &str, message| RunStatus {
        job: end.job.clone(),
        phase,
        mode: Some(RetainMode::Enforce),
        reason: Some(reason.to_owned()),
        message: Some(message),
        finished_at: Some(end.at.to_string()),
        ..lost.clone()
    };
    let (report, body) = match found(end, (begun, over)) {
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
    (begun, over): (Option<Timestamp>, Option<Timestamp>),
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
    let Some(ended) = ended else {
        return Ok((report, body));
    };
    if begun.is_some_and(|begun| ended < begun) {
        return Err(format!(
            "the last that its ledger knows ended at {ended}, before it began: it never came to its work; the next run does"
        ));
    }
    if over.is_some_and(|over| ended.duration_since(over) > SKEW) {
        return Err(format!(
            "the last that its ledger knows ended at {ended}, after it was over: what that did is another run's, which tells it"
        ));
    }
    Ok((report, body))
}
