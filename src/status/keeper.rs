//! What is known of a region's key for requests, from what the Job that keeps it reports.

use super::reason::Word;
use super::{Seen, SigningObserved};
use crate::api::{Region, RequestsStatus};
use crate::contract::Outcome;
use crate::plan::{RegionPlan, SigningWorkloads};

/// For the Region's status; nothing where it takes no requests.
pub(super) fn keeper(
    decision: Option<&RegionPlan<SigningWorkloads>>,
    seen: Option<&Seen<SigningObserved>>,
    region: &Region,
) -> Option<RequestsStatus> {
    region.spec.requests.as_ref()?;
    let old = region.status.as_ref().and_then(|s| s.requests.clone());
    let mut told = old.unwrap_or_default();
    let (Some(Seen::Known { children, .. }), Some(workloads)) =
        (seen, decision.and_then(RegionPlan::workloads))
    else {
        return Some(told);
    };
    let name = workloads.keeper.as_ref()?.job.metadata.name.as_ref()?;
    let Some(job) = children.keeper.get(name) else {
        return Some(told);
    };
    let why = match (&job.report, job.succeeded) {
        (Some(report), _) if report.outcome == Outcome::Done => {
            let key = report.body.as_ref().map(|body| body.recipient.clone());
            told.recipient = key.or(told.recipient);
            None
        }
        (Some(report), _) => Some((report.reason.clone(), report.message.clone())),
        (None, Some(false)) => {
            let why = Word::KeeperFailed.because(format!(
                "Job {name} failed and left no report: is ServiceAccount {} there, which the chart makes in the region?",
                crate::api::names::REQUESTS
            ));
            Some((why.word, why.message))
        }
        // Its pod is gone, or has not said anything yet: what was told stands.
        (None, _) => return Some(told),
    };
    (told.reason, told.message) = why.unzip();
    Some(told)
}
