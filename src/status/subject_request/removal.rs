//! What status says of a copy that has expired: since when it is gone, or why it is not.

use super::super::OneJob;
use super::super::reason::Word;
use crate::api::RequestRegionStatus;
use crate::api::condition::Truth;
use crate::contract::{EraseReport, Outcome, Report, RequestState};
use crate::plan::Reason;

/// Notes when the copy was seen to be gone: by the first report that says so.
pub(super) fn settle<'a>(
    entry: &mut RequestRegionStatus,
    name: &str,
    reports: impl Iterator<Item = &'a Report<EraseReport>>,
) {
    let bodies = reports.filter_map(|report| report.body.as_ref());
    let own = bodies.filter(|body| body.request == name && body.state == RequestState::Removed);
    let removed = own.filter_map(|body| body.removed_at.clone()).min();
    if let (Some(delivered), Some(at)) = (entry.delivered.as_mut(), removed) {
        delivered.removed_at.get_or_insert(at);
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
