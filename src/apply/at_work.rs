//! Pods that still work for a Job that is over.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::child::{Child, ChildKind};
use super::live::Live;
use crate::api::names;

/// What a pod is called that works, or of which nobody knows whether it does.
const AT_WORK: [&str; 2] = ["Running", "Unknown"];

/// A pod that was told to end and had its grace is killed by its node in seconds. So long after that no node answers for it:
/// its object may stand for ever, and whether it works nobody can see. A withdrawal waits ten minutes for a ledger, and a look
/// that waits comes within five: this leaves time for both.
const NOBODY_ENDS_IT: SignedDuration = SignedDuration::from_mins(3);

/// How a ledger may be asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Not yet: a pod of the run still works.
    Early,
    /// All its pods are done.
    Now,
    /// A pod of it is on a node that is lost and may work on, out of sight: the run is taken from it first.
    TakeOver,
}

/// How this Job may read a ledger back by what is there of the run that it asks for. A run that is ended has half a minute to
/// come to an end, and what it does in it would be missing.
pub(super) fn asking(ours: &[Live], schedule: &Live, asks: &Child, now: Timestamp) -> Asking {
    let working = ours.iter().filter(|live| {
        let phase = live.body.pointer("/status/phase").and_then(Value::as_str);
        live.id.kind == ChildKind::Pod && phase.is_some_and(|phase| AT_WORK.contains(&phase))
    });
    let own = working.filter(|pod| {
        let job = pod.label(names::LABEL_JOB);
        job.is_some_and(|job| names::read_back_job(&schedule.id.name, job) == asks.id.name)
    });
    own.fold(Asking::Now, |asking, pod| match asking {
        Asking::Now | Asking::TakeOver if is_given_up(pod, now) => Asking::TakeOver,
        Asking::Early | Asking::Now | Asking::TakeOver => Asking::Early,
    })
}

/// Whether a pod's time to end is long over. Kubernetes writes the end of its grace as the time of its deletion.
fn is_given_up(pod: &Live, now: Timestamp) -> bool {
    let until = pod.body.pointer("/metadata/deletionTimestamp");
    let until = until.and_then(Value::as_str).and_then(|at| at.parse().ok());
    let given_up = until.and_then(|until: Timestamp| until.checked_add(NOBODY_ENDS_IT).ok());
    given_up.is_some_and(|at| at <= now)
}

/// The same Job, which takes the run from whoever may still be at it before it reads. An agent that does not know how refuses.
pub(super) fn taking_over(asks: &Child) -> Child {
    let mut asks = asks.clone();
    let containers = asks.body.pointer_mut("/spec/template/spec/containers");
    let containers = containers.and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(args) = container.get_mut("args").and_then(Value::as_array_mut) {
            args.push(json!("--take-over"));
        }
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-28T03:10:00Z";

    fn asks() -> (Live, Child) {
        let schedule = json!({"metadata": {"namespace": "a", "name": "p-retention", "uid": "s"}});
        let schedule = Live::new(ChildKind::CronJob, schedule).unwrap();
        let name = names::read_back_job("p-retention", "p-retention-1");
        let args = json!(["retain", "--report", "--run-of", "p-retention-1"]);
        let body = json!({"metadata": {"namespace": "a", "name": name},
            "spec": {"template": {"spec": {"containers": [{"name": "agent", "args": args}]}}}});
        (schedule, Child::new(ChildKind::Job, &body).unwrap())
    }

    fn pod(job: &str, phase: &str, going: Option<&str>) -> Live {
        let labels = json!({names::LABEL_JOB: job});
        let mut metadata = json!({"namespace": "a", "name": "x", "uid": "u", "labels": labels});
        if let Some(at) = going {
            metadata["deletionTimestamp"] = json!(at);
        }
        let body = json!({"metadata": metadata, "status": {"phase": phase}});
        Live::new(ChildKind::Pod, body).unwrap()
    }

    fn asked(pods: &[Live]) -> Asking {
        let (schedule, asks) = asks();
        asking(pods, &schedule, &asks, NOW.parse().unwrap())
    }

    #[test]
    fn a_ledger_is_asked_once_the_pods_of_its_run_are_done() {
        for (job, phase, wanted) in [
            ("p-retention-1", "Running", Asking::Early),
            ("p-retention-1", "Unknown", Asking::Early),
            ("p-retention-1", "Succeeded", Asking::Now),
            ("p-retention-1", "Failed", Asking::Now),
            // Nothing of it has begun.
            ("p-retention-1", "Pending", Asking::Now),
            ("p-retention-2", "Running", Asking::Now),
        ] {
            assert_eq!(asked(&[pod(job, phase, None)]), wanted, "{job} {phase}");
        }
        assert_eq!(asked(&[]), Asking::Now);
    }

    /// Its object may stand for ever, and it may work on: what it could still write is taken from it first.
    #[test]
    fn of_a_pod_that_nobody_ends_the_run_is_taken_over_and_of_no_other() {
        let (own, over, in_time) = (
            "p-retention-1",
            Some("2026-11-28T03:07:00Z"),
            Some("2026-11-28T03:07:01Z"),
        );
        for phase in AT_WORK {
            assert_eq!(asked(&[pod(own, phase, over)]), Asking::TakeOver);
            assert_eq!(asked(&[pod(own, phase, in_time)]), Asking::Early);
        }
        assert_eq!(asked(&[pod(own, "Failed", over)]), Asking::Now);
        assert_eq!(asked(&[pod(own, "Running", Some("soon"))]), Asking::Early);
        let two = |second| [pod(own, "Running", over), pod(own, "Running", second)];
        assert_eq!(asked(&two(over)), Asking::TakeOver);
        assert_eq!(asked(&two(in_time)), Asking::Early, "one still works");
        assert_eq!(asked(&two(None)), Asking::Early, "it was not told to end");

        let (_, asks) = asks();
        let taking = taking_over(&asks);
        let args = taking.body.pointer("/spec/template/spec/containers/0/args");
        let wanted = json!([
            "retain",
            "--report",
            "--run-of",
            "p-retention-1",
            "--take-over"
        ]);
        assert_eq!(args, Some(&wanted));
        assert_eq!(taking.id, asks.id, "asked once, whichever way");
    }
}
