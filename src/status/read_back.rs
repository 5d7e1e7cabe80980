//! What a ledger says of a run that left no report.

use jiff::{SignedDuration, Timestamp};

use super::reason::Word;
use super::{RunEnd, RunObserved};
use crate::api::{RunPhase, RunStatus, names};
use crate::contract::ended::ended_well;
use crate::contract::{Report, RetainMode, RetainReport};

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

/// What the ledger says of a run that was lost, once the Job that asks it for that run has ended.
pub(super) fn of(
    run: &RunObserved<RetainReport>,
    lost: &RunStatus,
    schedule: &str,
) -> Option<Told> {
    let end = asked(run, lost, schedule)?;
    Some(told(end, lost, run))
}

/// The Job that asked the ledger for a run, and has ended.
pub(super) fn asked<'a>(
    run: &'a RunObserved<RetainReport>,
    lost: &RunStatus,
    schedule: &str,
) -> Option<&'a RunEnd<RetainReport>> {
    let asks = names::read_back_job(schedule, &lost.job);
    run.read_back.iter().rfind(|end| end.job == asks)
}

/// The run that was lost, as the ledger that `end` read has it.
fn told(end: &RunEnd<RetainReport>, lost: &RunStatus, run: &RunObserved<RetainReport>) -> Told {
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
    let nothing = |why: String| {
        let message = format!("{} left no report, and {why}", lost.job);
        Told::Nothing(status(RunPhase::Failed, Word::RunFailed.as_str(), message))
    };
    let (report, body) = match found(end, (begun, over)) {
        Ok(found) => found,
        Err(why) => return nothing(why),
    };
    if body.ended_at.is_none() {
        if run.running.is_some() {
            return Told::Another;
        }
        if let Some(other) = went_on(run, end, (&lost.job, &body.run)) {
            return nothing(format!(
                "its run did not end with it: {other} went on with it, and tells what both did"
            ));
        }
    }
    let phase = if ended_well(&report.reason) {
        RunPhase::Succeeded
    } else {
        RunPhase::Failed
    };
    let message = format!("read back from the ledger: {}", report.message);
    Told::Run(RunStatus {
        run: body.id(),
        rules: body.rules.clone(),
        ..status(phase, &report.reason, message)
    })
}

/// Another Job that tells of the same run.
fn went_on<'a>(
    run: &'a RunObserved<RetainReport>,
    end: &RunEnd<RetainReport>,
    (job, id): (&str, &str),
) -> Option<&'a str> {
    let mut all = run.ended.iter().chain(&run.read_back);
    let other = all.find(|other| {
        let body = other
            .report
            .as_ref()
            .and_then(|report| report.body.as_ref());
        let is_same = body.is_some_and(|body| body.run == id && !id.is_empty());
        is_same && other.job != job && other.job != end.job
    });
    other.map(|other| other.job.as_str())
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
