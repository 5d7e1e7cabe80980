//! Reads back what the children themselves report, from the regions' caches: no request is made.
//!
//! In: a region's view after apply. Out: what the pods, Jobs and reports say, and what is there. It must never believe a
//! report that isn't one, and never call gone what a cache merely doesn't show.

mod inventory;
mod jobs;
mod report;
mod runs;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use crate::api::names;
use crate::apply::{Applied, ChildKind, Live};
use crate::contract::{AttestReport, FeedReport, RetainReport};
use crate::resolve::View;
use crate::status::{ChannelObserved, PolicyObserved, SigningObserved};

pub use inventory::inventory;
pub use jobs::{legal_hold, subject_request};

/// What a channel's children report. `feeds` are the names that its spec has; what was just started may not be in the
/// view yet.
#[must_use]
pub fn channel(view: &View, feeds: &[&str], applied: &Applied) -> ChannelObserved {
    let children = Children::read(view);
    let deployment = children
        .deployments
        .iter()
        .find(|d| d.metadata.name == Some(names::connector(&view.scope.identity.name)));
    let pods = children.pods.iter();
    let connectors: Vec<&Pod> = pods
        .filter(|p| {
            has_label(
                p.metadata.labels.as_ref(),
                names::LABEL_COMPONENT,
                "connector",
            )
        })
        .collect();
    let of_feed = |feed: &&str| {
        let jobs = children.jobs.iter();
        let jobs: Vec<&Job> = jobs
            .filter(|j| has_label(j.metadata.labels.as_ref(), names::LABEL_FEED, feed))
            .collect();
        let mut run = runs::observe::<FeedReport>(&jobs, &children.pods, "feed");
        let schedule = format!("{}-", names::feed(&view.scope.identity.name, feed));
        let started = applied
            .started
            .iter()
            .filter(|job| job.starts_with(&schedule));
        run.jobs.extend(started.cloned());
        ((*feed).to_owned(), run)
    };
    ChannelObserved {
        connector: deployment.map(readiness),
        connector_waits: deployment.and_then(|d| waits(d, &connectors)),
        feeds: feeds.iter().map(of_feed).collect(),
    }
}

/// What a policy's children report.
#[must_use]
pub fn policy(view: &View, applied: &Applied) -> PolicyObserved {
    let children = Children::read(view);
    let jobs: Vec<&Job> = children.jobs.iter().collect();
    let mut run = runs::observe::<RetainReport>(&jobs, &children.pods, "retain");
    run.jobs.extend(applied.started.iter().cloned());
    PolicyObserved { run }
}

/// What what signs a region's evidence reports.
#[must_use]
pub fn signing(view: &View, applied: &Applied) -> SigningObserved {
    let children = Children::read(view);
    // All are the Region's own.
    let is = |component: &'static str| {
        move |job: &&Job| {
            let labels = job.metadata.labels.as_ref();
            has_label(labels, names::LABEL_COMPONENT, component)
        }
    };
    let (keepers, jobs): (Vec<&Job>, Vec<&Job>) = children.jobs.iter().partition(is("requests"));
    let (again, jobs): (Vec<&Job>, Vec<&Job>) = jobs.into_iter().partition(is("reapply"));
    let mut run = runs::observe::<AttestReport>(&jobs, &children.pods, "attest");
    run.jobs.extend(applied.started.iter().cloned());
    SigningObserved {
        run,
        keeper: jobs::all(&keepers, &children.pods, applied, "keep-key"),
        reapply: jobs::all(&again, &children.pods, applied, "erase"),
    }
}

/// The children that report.
struct Children {
    deployments: Vec<Deployment>,
    jobs: Vec<Job>,
    pods: Vec<Pod>,
}

impl Children {
    fn read(view: &View) -> Self {
        Self {
            deployments: typed(&view.ours, ChildKind::Deployment),
            jobs: typed(&view.ours, ChildKind::Job),
            pods: typed(&view.ours, ChildKind::Pod),
        }
    }
}

fn typed<K: serde::de::DeserializeOwned>(ours: &[Live], kind: ChildKind) -> Vec<K> {
    let of_kind = ours.iter().filter(|live| live.id.kind == kind);
    of_kind
        .filter_map(|live| serde_json::from_value(live.body.clone()).ok())
        .collect()
}

fn has_label(labels: Option<&BTreeMap<String, String>>, key: &str, value: &str) -> bool {
    labels.and_then(|l| l.get(key)).is_some_and(|v| v == value)
}

/// Pods that should run, and those of the present template that surely serve: what Kubernetes counts as available
/// may be an old pod, so every old one is taken off.
fn readiness(deployment: &Deployment) -> (i32, i32) {
    let desired = deployment
        .spec
        .as_ref()
        .and_then(|s| s.replicas)
        .unwrap_or(1);
    let Some(status) = &deployment.status else {
        return (desired, 0);
    };
    if status.observed_generation < deployment.metadata.generation {
        return (desired, 0);
    }
    let updated = status.updated_replicas.unwrap_or(0);
    let old = status.replicas.unwrap_or(0) - updated;
    let available = status.available_replicas.unwrap_or(0);
    (desired, (available - old).clamp(0, updated.max(0)))
}

/// Why pods are not ready, when Kubernetes says: what keeps a container, a pod, or the making of pods.
fn waits(deployment: &Deployment, pods: &[&Pod]) -> Option<String> {
    let (desired, ready) = readiness(deployment);
    if ready >= desired {
        return None;
    }
    let container = pods.iter().flat_map(|pod| {
        let statuses = pod
            .status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten());
        statuses.filter_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone())
    });
    let unscheduled = pods.iter().flat_map(|pod| {
        let conditions = pod
            .status
            .iter()
            .flat_map(|s| s.conditions.iter().flatten());
        conditions
            .filter(|c| c.type_ == "PodScheduled" && c.status == "False")
            .filter_map(|c| c.reason.clone())
    });
    let failure = deployment
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let failure = failure
        .filter(|c| c.type_ == "ReplicaFailure" && c.status == "True")
        .filter_map(|c| c.reason.clone());
    // The dullest reason last: a container that is merely being made says the least.
    let mut reasons: Vec<String> = failure
        .chain(unscheduled)
        .chain(container)
        .filter(|r| report::is_word(r))
        .collect();
    reasons.sort_by_key(|reason| reason == "ContainerCreating" || reason == "PodInitializing");
    reasons.into_iter().next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(generation: i64, status: &serde_json::Value) -> Deployment {
        let body = json!({
            "metadata": {"name": "c", "generation": generation},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": status,
        });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn an_old_pod_is_not_counted_for_a_new_one() {
        for (status, wanted) in [
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                2,
            ),
            (
                json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                0,
            ),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}),
                0,
            ),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}),
                1,
            ),
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}),
                0,
            ),
            (json!({}), 0),
        ] {
            assert_eq!(readiness(&deployment(2, &status)), (2, wanted), "{status}");
        }
    }

    #[test]
    fn the_reason_that_says_most_is_told() {
        let pod = |reason: &str| -> Pod {
            serde_json::from_value(json!({"status": {"containerStatuses": [
                {"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": reason}}}]}}))
            .unwrap()
        };
        let (creating, pull) = (pod("ContainerCreating"), pod("ImagePullBackOff"));
        let unready = deployment(2, &json!({"observedGeneration": 2}));
        assert_eq!(
            waits(&unready, &[&creating, &pull]).as_deref(),
            Some("ImagePullBackOff")
        );
        assert_eq!(waits(&unready, &[&pod("<script>")]), None);
        let ready = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(waits(&deployment(2, &ready), &[&pull]), None);
    }
}
