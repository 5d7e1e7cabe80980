//! Pods that still work for a Job that is over.

use super::child::{Child, ChildKind};
use super::live::Live;
use crate::api::names;

/// What a pod is called that works, or of which nobody knows whether it does.
const AT_WORK: [&str; 2] = ["Running", "Unknown"];

/// Whether it is too early for this Job to read a ledger back: a pod of the run that it asks for still works. A run that is
/// ended has half a minute to come to an end, and what it does in it would be missing.
pub(super) fn is_early(ours: &[Live], schedule: &Live, asks: &Child) -> bool {
    let working = ours.iter().filter(|live| {
        let phase = live.body.pointer("/status/phase");
        let phase = phase.and_then(serde_json::Value::as_str);
        live.id.kind == ChildKind::Pod && phase.is_some_and(|phase| AT_WORK.contains(&phase))
    });
    let mut jobs = working.filter_map(|pod| pod.label(names::LABEL_JOB));
    jobs.any(|job| names::read_back_job(&schedule.id.name, job) == asks.id.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ledger_is_asked_once_the_pods_of_its_run_are_done() {
        let schedule = json!({"metadata": {"namespace": "a", "name": "p-retention", "uid": "s"}});
        let schedule = Live::new(ChildKind::CronJob, schedule).unwrap();
        let name = names::read_back_job("p-retention", "p-retention-1");
        let body = json!({"metadata": {"namespace": "a", "name": name}});
        let asks = Child::new(ChildKind::Job, &body).unwrap();
        let pod = |job: &str, phase: &str| {
            let labels = json!({names::LABEL_JOB: job});
            let metadata = json!({"namespace": "a", "name": "x", "uid": "u", "labels": labels});
            let body = json!({"metadata": metadata, "status": {"phase": phase}});
            Live::new(ChildKind::Pod, body).unwrap()
        };
        for (job, phase, early) in [
            ("p-retention-1", "Running", true),
            ("p-retention-1", "Unknown", true),
            ("p-retention-1", "Succeeded", false),
            ("p-retention-1", "Failed", false),
            // Nothing of it has begun.
            ("p-retention-1", "Pending", false),
            ("p-retention-2", "Running", false),
        ] {
            let ours = [pod(job, phase)];
            assert_eq!(is_early(&ours, &schedule, &asks), early, "{job} {phase}");
        }
        assert!(!is_early(&[], &schedule, &asks));
    }
}
