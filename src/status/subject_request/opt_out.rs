//! What status says of an opt-out of a sale or a sharing.

use jiff::Timestamp;

use crate::api::{RequestAction, RequestRegionStatus};
use crate::contract::{OptedOut, RequestState};
use crate::plan::Reason;
use crate::plan::reason::Word as PlanWord;

/// Where nothing is sold or shared there is nothing to stop, and that is done as soon as it is seen.
pub(super) fn settle(
    entry: &mut RequestRegionStatus,
    planned: Option<&Reason>,
    action: RequestAction,
    now: Timestamp,
) {
    let is_nothing = planned.is_some_and(|why| why.word == PlanWord::NothingToStop.as_str());
    if !is_nothing || entry.is_done() {
        return;
    }
    entry.action = Some(action);
    entry.progress = Some(match action {
        RequestAction::Lift => RequestState::Lifted,
        _ => RequestState::Verified,
    });
    entry.reported_at = Some(now.to_string());
}

/// What it means that it is done.
pub(super) fn fulfilled(entry: &RequestRegionStatus) -> Reason {
    let told = &entry.opted_out;
    if told.is_empty() {
        let why = "no channel here has a sink with saleOrSharing: there was nothing to stop";
        return PlanWord::NothingToStop.because(why);
    }
    let stopped = told.iter().map(OptedOut::stopped);
    let sinks = stopped.fold(0, i64::saturating_add);
    let since = entry.in_force_since().unwrap_or_default();
    let mut said =
        format!("in force since {since}: sinks that are sent nothing of the person: {sinks}");
    let unknown: Vec<&str> = told
        .iter()
        .filter(|one| one.subjects.is_zero())
        .map(|one| one.channel.as_str())
        .collect();
    if !unknown.is_empty() {
        said = format!(
            "{said}; the identity has no value by which {} would know the person: see that none is missing",
            unknown.join(", ")
        );
    }
    PlanWord::Fulfilled.because(said)
}
