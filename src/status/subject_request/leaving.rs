//! What keeps the deletion of a request's object from ending though no object is left in a region.

use crate::api::DataSubjectRequest;
use crate::plan::reason::Word as PlanWord;
use crate::plan::{Plan, RegionPlan, RequestWorkloads, leaves};

/// Whether a region in which something is to be taken away first is paused: its Jobs are taken away meanwhile.
pub(super) fn waits(plan: &Plan<RequestWorkloads>, request: &DataSubjectRequest) -> bool {
    plan.regions.iter().any(|(name, decision)| {
        let RegionPlan::Withdraw(why) = decision else {
            return false;
        };
        why.word == PlanWord::RegionSuspended.as_str() && leaves(request, name)
    })
}
