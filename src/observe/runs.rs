//! The runs of a CronJob: which is under way, how the newest ended, and what its pod said.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::report::{self, Body};
use crate::api::names;
use crate::contract::{Report, RetainMode};
use crate::status::{RunEnd, RunMarks, RunObserved, Running};

/// Kubernetes' own note on a Job that a CronJob made.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What these Jobs and their pods say. Reading a ledger back is no run.
pub(super) fn observe<B: Body + Clone>(
    jobs: &[&Job],
    pods: &[Pod],
    command: &str,
) -> RunObserved<B> {
    let name = |job: &Job| job.metadata.name.clone();
    let (reading, runs): (Vec<&Job>, Vec<&Job>) = jobs
        .iter()
        .partition(|job| name(job).is_some_and(|name| names::is_read_back(&name)));
    let running = runs
        .iter()
        .filter(|job| end(job).is_none())
        .filter_map(|job| {
            Some(Running {
                job: name(job)?,
                uid: job.metadata.uid.clone().unwrap_or_default(),
                started: begun(job)?,
            })
        })
        .max_by_key(|running| (running.started, running.job.clone()));
    let ended = ends(&runs, pods, command);
    RunObserved {
        running,
        last: ended.last().cloned(),
        ended,
        read_back: ends(&reading, pods, command),
        jobs: jobs.iter().filter_map(|job| name(job)).collect(),
        modes: jobs
            .iter()
            .filter_map(|job| {
                let annotations = job.metadata.annotations.as_ref()?;
                let mode = RetainMode::from_word(annotations.get(names::ANNOTATION_MODE)?)?;
                Some((name(job)?, mode))
            })
            .collect(),
        marks: jobs.iter().filter_map(|job| marked(job)).collect(),
    }
}

/// A Job's name, and what it was made under.
fn marked(job: &Job) -> Option<(String, RunMarks)> {
    let annotations = job.metadata.annotations.as_ref()?;
    let marks = RunMarks {
        spec_hash: annotations.get(names::ANNOTATION_SPEC_HASH)?.clone(),
        approved: annotations.get(names::ANNOTATION_APPROVED).cloned(),
    };
    Some((job.metadata.name.clone()?, marks))
}

/// The Jobs that ended, the newest last.
fn ends<B: Body + Clone>(jobs: &[&Job], pods: &[Pod], command: &str) -> Vec<RunEnd<B>> {
    let told = |job: &&Job| {
        let (at, succeeded) = end(job)?;
        Some(RunEnd {
            job: job.metadata.name.clone()?,
            uid: job.metadata.uid.clone().unwrap_or_default(),
            scheduled: scheduled(job),
            started: begun(job),
            at,
            succeeded,
            report: said(job, pods, command),
        })
    };
    let mut ended: Vec<RunEnd<B>> = jobs.iter().filter_map(told).collect();
    ended.sort_by(|a, b| (a.at, &a.job).cmp(&(b.at, &b.job)));
    ended
}

/// The start that a CronJob made it for.
fn scheduled(job: &Job) -> Option<Timestamp> {
    let annotations = job.metadata.annotations.as_ref()?;
    annotations.get(SCHEDULED)?.parse().ok()
}

pub(super) fn begun(job: &Job) -> Option<Timestamp> {
    let started = job.status.as_ref().and_then(|s| s.start_time.as_ref());
    started
        .or(job.metadata.creation_timestamp.as_ref())
        .map(|t| t.0)
}

/// When a Job ended, and whether well. A Job that fails for good has no completion time, only a condition.
pub(super) fn end(job: &Job) -> Option<(Timestamp, bool)> {
    let status = job.status.as_ref()?;
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.status == "True" && (c.type_ == "Complete" || c.type_ == "Failed"))?;
    let succeeded = condition.type_ == "Complete";
    let completed = status.completion_time.as_ref().filter(|_| succeeded);
    let at = completed.or(condition.last_transition_time.as_ref())?.0;
    Some((at, succeeded))
}

/// The newest report among the Job's pods: of several attempts the last one's counts are cumulative.
pub(super) fn said<B: Body>(job: &Job, pods: &[Pod], command: &str) -> Option<Report<B>> {
    let uid = job.metadata.uid.as_deref()?;
    let of_job = pods.iter().filter(|pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|o| o.uid == uid)
    });
    let terminated = of_job.flat_map(|pod| {
        let statuses = pod
            .status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten());
        statuses.filter_map(|c| c.state.as_ref()?.terminated.as_ref())
    });
    terminated
        .filter_map(|t| {
            let report = report::parse(t.message.as_deref()?, command)?;
            Some((t.finished_at.as_ref().map(|t| t.0), report))
        })
        .max_by_key(|(at, _)| *at)
        .map(|(_, report)| report)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::FeedReport;

    fn job(name: &str, status: &Value) -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": format!("u-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": status,
        }))
        .unwrap()
    }

    fn ended(name: &str, kind: &str, at: &str) -> Job {
        job(
            name,
            &json!({
                "startTime": "2026-01-01T00:00:00Z",
                "completionTime": (kind == "Complete").then_some(at),
                "conditions": [
                    {"type": "FailureTarget", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"},
                    {"type": kind, "status": "True", "lastTransitionTime": at},
                ],
            }),
        )
    }

    fn pod(job: &str, at: &str, items: i64) -> Pod {
        let report = json!({
            "version": 1, "command": "feed", "outcome": "Done", "reason": "Done", "message": "",
            "startedAt": at, "finishedAt": at, "body": {"items": items, "rejected": 0},
        });
        serde_json::from_value(json!({
            "metadata": {"ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": format!("u-{job}")}]},
            "status": {"containerStatuses": [
                {"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"terminated": {"exitCode": 0, "finishedAt": at, "message": report.to_string()}}}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_end_and_its_last_attempt_are_told() {
        let jobs = [
            ended("old", "Complete", "2026-01-01T01:00:00Z"),
            ended("new", "Failed", "2026-01-01T02:00:00Z"),
            job("now", &json!({"startTime": "2026-01-01T03:00:00Z"})),
        ];
        let jobs: Vec<&Job> = jobs.iter().collect();
        let pods = [
            pod("old", "2026-01-01T01:00:00Z", 1),
            pod("new", "2026-01-01T02:00:00Z", 3),
            pod("new", "2026-01-01T01:30:00Z", 2),
        ];
        let seen = observe::<FeedReport>(&jobs, &pods, "feed");
        let running = seen.running.unwrap();
        assert_eq!(
            (running.job.as_str(), running.uid.as_str()),
            ("now", "u-now")
        );
        let ended: Vec<&str> = seen.ended.iter().map(|end| end.uid.as_str()).collect();
        assert_eq!(ended, ["u-old", "u-new"]);
        let last = seen.last.unwrap();
        assert_eq!((last.job.as_str(), last.succeeded), ("new", false));
        assert_eq!(last.report.unwrap().body.unwrap().items, 3);
    }

    #[test]
    fn a_run_says_itself_what_it_was_made_to_do() {
        let mut marked = job("new", &json!({}));
        let mark = |mode: &str| [(names::ANNOTATION_MODE.to_owned(), mode.to_owned())];
        let mut all: std::collections::BTreeMap<_, _> = mark("Enforce").into();
        all.insert(
            names::ANNOTATION_SPEC_HASH.to_owned(),
            "sha256-1".to_owned(),
        );
        all.insert(names::ANNOTATION_APPROVED.to_owned(), "sha256-2".to_owned());
        marked.metadata.annotations = Some(all);
        let mut odd = job("odd", &json!({}));
        odd.metadata.annotations = Some(mark("Perhaps").into());
        let old = job("old", &json!({}));
        let seen = observe::<FeedReport>(&[&marked, &odd, &old], &[], "feed");
        let modes: Vec<_> = seen.modes.into_iter().collect();
        assert_eq!(modes, [("new".to_owned(), RetainMode::Enforce)]);
        let marks = RunMarks {
            spec_hash: "sha256-1".to_owned(),
            approved: Some("sha256-2".to_owned()),
        };
        let told: Vec<_> = seen.marks.into_iter().collect();
        assert_eq!(told, [("new".to_owned(), marks)]);
    }

    #[test]
    fn a_vanished_pod_leaves_no_report() {
        let jobs = [ended("new", "Complete", "2026-01-01T02:00:00Z")];
        let jobs: Vec<&Job> = jobs.iter().collect();
        let seen = observe::<FeedReport>(&jobs, &[pod("other", "2026-01-01T02:00:00Z", 9)], "feed");
        assert!(seen.running.is_none());
        assert_eq!(seen.last.unwrap().report, None);
    }

    #[test]
    fn a_schedules_run_tells_what_it_was_made_for() {
        let mut run = ended("new", "Complete", "2026-01-01T02:00:00Z");
        let at = "2026-01-01T03:00:00+01:00".to_owned();
        run.metadata.annotations = Some([(SCHEDULED.to_owned(), at)].into());
        let asked = ended("old", "Complete", "2026-01-01T01:00:00Z");
        let seen = observe::<FeedReport>(&[&run, &asked], &[], "feed");
        let wanted = "2026-01-01T02:00:00Z".parse().ok();
        assert_eq!(seen.ended[0].scheduled, None);
        assert_eq!(seen.ended[1].scheduled, wanted);
    }

    #[test]
    fn a_job_without_a_start_time_runs_since_it_was_made() {
        let made = job("new", &json!({}));
        let seen = observe::<FeedReport>(&[&made], &[], "feed");
        assert!(seen.running.is_some());
    }
}
