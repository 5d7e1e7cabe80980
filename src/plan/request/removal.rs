//! A copy that was delivered has an end: a Job takes it out of its bucket then, again and again until it is gone.

use jiff::Timestamp;

use super::job;
use crate::api::{RequestAction, RequestRegionStatus};
use crate::plan::placement::{self, Decision, Place, earlier};
use crate::plan::{RegionFacts, RegionPlan, RequestFacts, RequestWorkloads};

/// The decision for a region: as it is, with the moment at which the copy there expires; from then on the Job.
pub(super) fn when_expired(
    facts: &RequestFacts,
    (place, region): (&Place<'_>, &RegionFacts),
    now: Timestamp,
    decision: Decision<RequestWorkloads>,
) -> Decision<RequestWorkloads> {
    let entries = facts.request.status.iter().flat_map(|it| &it.regions);
    let entry = entries.into_iter().find(|entry| entry.name == place.name);
    let Some(expires_at) = entry.and_then(expires_at) else {
        return decision;
    };
    if expires_at > now {
        return Decision {
            wake_at: earlier(decision.wake_at, Some(expires_at)),
            ..decision
        };
    }
    let spec = &region.region.spec;
    if let Some(reason) = placement::unready(region, place.name, &spec.run_namespace) {
        return Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        };
    }
    // No law stands in the way of taking back what may have crossed a border.
    let workloads = workloads(facts, (place.name, &region.region));
    RegionPlan::Run(Box::new(workloads)).into()
}

/// When a copy that is still in its bucket expires.
fn expires_at(entry: &RequestRegionStatus) -> Option<Timestamp> {
    let delivered = entry.delivered.as_ref()?;
    let is_there = entry.is_done() && delivered.removed_at.is_none();
    delivered.expires_at.parse().ok().filter(|_| is_there)
}

/// The task of the copy, the other way round: without tables, without the person, and without a key.
fn workloads(facts: &RequestFacts, at: (&str, &crate::api::Region)) -> RequestWorkloads {
    let task = job::task(facts, at, RequestAction::Copy, None);
    job::made(
        facts,
        at,
        (RequestAction::Lift, None),
        (Vec::new(), task, &[]),
    )
}
