//! What status says of a copy that has expired: since when it is gone, or why it is not.

use super::super::OneJob;
use super::super::reason::Word;
use crate::api::condition::Truth;
use crate::api::{RegionState, RequestAction, RequestRegionStatus};
use crate::contract::{EraseReport, Outcome, Report, RequestState};
use crate::plan::Reason;

/// Notes when the copy was seen to be gone: by the first report that says so after the last that a copy was made. Of one that
/// came to no end nothing else is remembered; while it is made again nothing of that is true any more.
pub(super) fn settle<'a>(
    entry: &mut RequestRegionStatus,
    (name, state): (&str, RegionState),
    reports: impl Iterator<Item = &'a Report<EraseReport>>,
) {
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let made = entry.reported_at.as_deref().and_then(moment);
    let removed = reports.filter_map(|report| {
        let own = report.body.as_ref().filter(|body| body.request == name);
        let at = own.filter(|body| body.state == RequestState::Removed)?;
        let at = at.removed_at.clone()?;
        made.is_none_or(|made| moment(&report.finished_at) >= Some(made))
            .then_some(at)
    });
    let removed = removed.min();
    match (entry.delivered.as_mut(), removed) {
        (Some(delivered), Some(at)) => {
            delivered.removed_at.get_or_insert(at);
        }
        (None, Some(_)) if entry.action == Some(RequestAction::Copy) => {
            entry.progress = Some(RequestState::Removed);
        }
        (None, None)
            if entry.progress == Some(RequestState::Removed) && state == RegionState::Run =>
        {
            entry.progress = None;
        }
        _ => {}
    }
}

/// Why the copy is still there though it has expired and a Job tried to take it away.
pub(super) fn fails(
    entry: &RequestRegionStatus,
    job: Option<&OneJob<EraseReport>>,
) -> Option<(Truth, Reason)> {
    let delivered = entry.delivered.as_ref()?;
    let job = job.filter(|_| entry.is_done() && delivered.removed_at.is_none())?;
    let why = match &job.report {
        Some(report) if report.outcome == Outcome::Done => return None,
        Some(report) => format!("{}: {}", report.reason, report.message),
        None if job.succeeded == Some(false) => "its Job failed and left no report".to_owned(),
        None => return None,
    };
    let why = format!(
        "done here; the copy expired at {} and is not removed yet, and it is tried again: {why}",
        delivered.expires_at
    );
    Some((Truth::False, Word::CopyNotRemoved.because(why)))
}
