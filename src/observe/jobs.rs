//! Jobs that no schedule makes: how each stands, and what its pods said.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::Children;
use super::report::{self, Body};
use super::runs;
use crate::apply::Applied;
use crate::resolve::View;
use crate::status::{HoldObserved, OneJob, RequestObserved};

/// What a hold's children report.
#[must_use]
pub fn legal_hold(view: &View, applied: &Applied) -> HoldObserved {
    let children = Children::read(view);
    let jobs: Vec<&Job> = children.jobs.iter().collect();
    HoldObserved {
        jobs: all(&jobs, &children.pods, applied, "hold"),
    }
}

/// What a request's children report.
#[must_use]
pub fn subject_request(view: &View, applied: &Applied) -> RequestObserved {
    let children = Children::read(view);
    let jobs: Vec<&Job> = children.jobs.iter().collect();
    RequestObserved {
        jobs: all(&jobs, &children.pods, applied, "erase"),
    }
}

/// The Jobs by name. One that was just made may not be in the view yet.
pub(super) fn all<B: Body>(
    jobs: &[&Job],
    pods: &[Pod],
    applied: &Applied,
    command: &str,
) -> BTreeMap<String, OneJob<B>> {
    let started = applied.started.iter();
    let mut seen: BTreeMap<String, OneJob<B>> = started
        .map(|name| (name.clone(), OneJob::default()))
        .collect();
    for job in jobs {
        if let Some(name) = job.metadata.name.clone() {
            seen.insert(name, observe(job, pods, command));
        }
    }
    seen
}

fn observe<B: Body>(job: &Job, pods: &[Pod], command: &str) -> OneJob<B> {
    OneJob {
        succeeded: runs::end(job).map(|(_, succeeded)| succeeded),
        report: runs::said(job, pods, command),
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
