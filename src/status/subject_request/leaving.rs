//! What keeps the deletion of a request's object from ending though no object is left in a region.

use crate::api::DataSubjectRequest;
use crate::plan::reason::Word as PlanWord;
use crate::plan::{Plan, RegionPlan, RequestWorkloads, leaves};

/// Whether something is to be taken away first in a region in which nothing may run now, paused or behind a border: its Jobs are taken
/// away meanwhile. A Region that is itself being deleted is not waited for.
pub(super) fn waits(plan: &Plan<RequestWorkloads>, request: &DataSubjectRequest) -> bool {
    plan.regions.iter().any(|(name, decision)| {
        let RegionPlan::Withdraw(why) = decision else {
            return false;
        };
        why.word != PlanWord::RegionDeleting.as_str() && leaves(request, name)
    })
}
