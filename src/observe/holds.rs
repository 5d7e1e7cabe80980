//! The Jobs of a hold: how each stands, and what its pods said.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::Children;
use super::report;
use super::runs;
use crate::apply::Applied;
use crate::resolve::View;
use crate::status::{HoldJob, HoldObserved};

/// What a hold's children report. A Job that was just made may not be in the view yet.
#[must_use]
pub fn legal_hold(view: &View, applied: &Applied) -> HoldObserved {
    let children = Children::read(view);
    let mut seen = HoldObserved::default();
    for name in &applied.started {
        seen.jobs.insert(name.clone(), HoldJob::default());
    }
    for job in &children.jobs {
        if let Some(name) = job.metadata.name.clone() {
            seen.jobs.insert(name, observe(job, &children.pods));
        }
    }
    seen
}

fn observe(job: &Job, pods: &[Pod]) -> HoldJob {
    HoldJob {
        succeeded: runs::end(job).map(|(_, succeeded)| succeeded),
        report: runs::said(job, pods, "hold"),
        waits: waits(job, pods),
    }
}

/// What keeps a pod of the Job from starting: a Secret that is not there is no word of Kubernetes', only a container that
/// is not made.
fn waits(job: &Job, pods: &[Pod]) -> Option<String> {
    let uid = job.metadata.uid.as_deref()?;
    let of_job = pods.iter().filter(|pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.uid == uid)
    });
    let mut waiting = of_job.flat_map(|pod| {
        let statuses = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        statuses.filter_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone())
    });
    waiting.find(|reason| report::is_word(reason))
}
