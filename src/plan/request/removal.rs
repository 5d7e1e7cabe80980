//! A copy that was delivered has an end: a Job takes it out of its bucket then, again and again until it is gone. What was put
//! there of a copy that comes to no end goes at once, and so does a copy whose request is deleted.

use jiff::Timestamp;

use super::action::action;
use super::job;
use crate::api::{RequestAction, RequestRegionStatus};
use crate::contract::RequestState;
use crate::plan::placement::{self, Decision, Place, earlier};
use crate::plan::reason::Word;
use crate::plan::{Reason, RegionFacts, RegionPlan, RequestFacts, RequestWorkloads};

/// The decision for a region: as it is, with the moment at which the copy there expires; from then on the Job.
pub(super) fn when_expired(
    facts: &RequestFacts,
    (place, region): (&Place<'_>, &RegionFacts),
    now: Timestamp,
    decision: Decision<RequestWorkloads>,
) -> Decision<RequestWorkloads> {
    let entry = super::entry(&facts.request, place.name);
    let is_copy = action(&facts.request.spec) == RequestAction::Copy;
    let Some(entry) = entry.filter(|entry| is_copy && is_left(entry)) else {
        return decision;
    };
    let is_deleted = facts.request.metadata.deletion_timestamp.is_some();
    let is_half = entry.delivered.is_none();
    if is_deleted || is_half && matches!(decision.plan, RegionPlan::Withdraw(_)) {
        return removed(facts, (place, region), true);
    }
    let elsewhere = elsewhere(facts, (place.name, &region.region), entry);
    match (expires_at(entry), elsewhere) {
        (None, _) => decision,
        // It is told at once, while whoever changed it knows why.
        (Some(at), elsewhere) if at > now => Decision {
            wake_at: earlier(decision.wake_at, Some(at)),
            missing: decision.missing.or(elsewhere),
            ..decision
        },
        (Some(_), Some(reason)) => Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        },
        (Some(_), None) => removed(facts, (place, region), false),
    }
}

/// Why the copy would be looked for where it is not: nothing would be found there, and it be called removed.
fn elsewhere(
    facts: &RequestFacts,
    at: (&str, &crate::api::Region),
    entry: &RequestRegionStatus,
) -> Option<Reason> {
    let delivered = entry.delivered.as_ref()?;
    let place = delivered.place.as_deref()?;
    let task = job::task(facts, at, RequestAction::Copy, None);
    let now = task.request?.delivery?.destination.place();
    (now != place).then(|| {
        Word::CopyElsewhere.because(format!(
            "spec.delivery.objectStore: the copy of Region {} was put to {place} and is taken away from there on {}; url and prefix name \
             {now} by now: write those of before",
            at.0, delivered.expires_at
        ))
    })
}

/// Whether something of a copy may be in its bucket.
pub(super) fn is_left(entry: &RequestRegionStatus) -> bool {
    match &entry.delivered {
        Some(delivered) => delivered.removed_at.is_none(),
        None => entry.has_begun() && entry.progress != Some(RequestState::Removed),
    }
}

/// When a copy that is still in its bucket expires.
fn expires_at(entry: &RequestRegionStatus) -> Option<Timestamp> {
    let delivered = entry.delivered.as_ref()?;
    delivered
        .expires_at
        .parse()
        .ok()
        .filter(|_| entry.is_done())
}

fn removed(
    facts: &RequestFacts,
    (place, region): (&Place<'_>, &RegionFacts),
    is_withdrawn: bool,
) -> Decision<RequestWorkloads> {
    let spec = &region.region.spec;
    if let Some(reason) = placement::unready(region, place.name, &spec.run_namespace) {
        return Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        };
    }
    // No law stands in the way of taking back what may have crossed a border.
    let workloads = workloads(facts, (place.name, &region.region), is_withdrawn);
    RegionPlan::Run(Box::new(workloads)).into()
}

/// The task of the copy, the other way round: without tables, without the person, and without a key.
fn workloads(
    facts: &RequestFacts,
    at: (&str, &crate::api::Region),
    is_withdrawn: bool,
) -> RequestWorkloads {
    let mut task = job::task(facts, at, RequestAction::Copy, None);
    let request = task.request.as_mut();
    if let Some(delivery) = request.and_then(|request| request.delivery.as_mut()) {
        delivery.withdrawn = is_withdrawn;
    }
    job::made(
        facts,
        at,
        (RequestAction::Lift, None),
        (Vec::new(), task, &[]),
    )
}
