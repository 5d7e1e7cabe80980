//! CronJobs and the Jobs that an annotation asks for.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::meta::Role;
use super::pod::CONTAINER;
use crate::api::names;
use crate::contract::{JOB_VARIABLE, exit};

/// A missed start is made up for within this time; later the next one does. Without a bound a CronJob that missed
/// a hundred starts never starts again.
const STARTING_DEADLINE: i64 = 600;
/// Jobs of each outcome that stay to be looked at, and whose pods carry the report, where no more need to.
pub(super) const HISTORY: i32 = 3;
/// Attempts after the first: passing faults pass within Kubernetes' doubling back-off of 10 s to some minutes.
const RETRIES: i32 = 3;
/// How long a Job that an annotation asked for stays once it ended: a day, to be looked at.
const TTL: i32 = 86_400;
/// What reading a ledger back may take over all attempts, in seconds.
const READ_BACK_DEADLINE: i64 = 900;

/// What makes one CronJob different from another.
#[derive(Clone, Debug)]
pub(super) struct Schedule<'a> {
    /// Whose it is.
    pub(super) role: Role<'a>,
    /// Its namespace in the region.
    pub(super) namespace: &'a str,
    /// Its name.
    pub(super) name: String,
    /// Five cron fields.
    pub(super) cron: &'a str,
    /// The region's zone.
    pub(super) time_zone: &'a str,
    /// How long all attempts of a run may take together, in seconds.
    pub(super) deadline: i64,
    /// How many of its Jobs of each outcome stay.
    pub(super) history: i32,
    /// Annotations of its runs: what each may do, for as long as it is there.
    pub(super) marks: BTreeMap<String, String>,
}

impl Schedule<'_> {
    /// The CronJob.
    pub(super) fn cron_job(&self, template: &PodTemplateSpec) -> CronJob {
        CronJob {
            metadata: self.role.meta(self.namespace, &self.name),
            spec: Some(CronJobSpec {
                schedule: self.cron.to_owned(),
                time_zone: Some(self.time_zone.to_owned()),
                concurrency_policy: Some("Forbid".to_owned()),
                starting_deadline_seconds: Some(STARTING_DEADLINE),
                successful_jobs_history_limit: Some(self.history),
                failed_jobs_history_limit: Some(self.history),
                // Said, not left out: so a pause that has ended is undone.
                suspend: Some(false),
                job_template: JobTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(self.role.labels()),
                        annotations: self.annotations(),
                        ..ObjectMeta::default()
                    }),
                    spec: Some(self.job_spec(template)),
                },
            }),
            ..CronJob::default()
        }
    }

    /// The Job for a value of the run-at annotation. Its name follows from the value: a second create answers 409.
    pub(super) fn run_now(&self, template: &PodTemplateSpec, requested: &str) -> Job {
        let mut spec = self.job_spec(template);
        spec.ttl_seconds_after_finished = Some(TTL);
        let name = names::run_job(&self.name, requested);
        Job {
            metadata: ObjectMeta {
                annotations: self.annotations(),
                ..self.role.meta(self.namespace, &name)
            },
            spec: Some(spec),
            ..Job::default()
        }
    }

    fn annotations(&self) -> Option<BTreeMap<String, String>> {
        Some(self.marks.clone()).filter(|marks| !marks.is_empty())
    }

    fn job_spec(&self, template: &PodTemplateSpec) -> JobSpec {
        job_spec(template, RETRIES, self.deadline)
    }
}

/// The Job that reads the ledger back after `lost` left no report, by the schedule as it stands there: whatever the policy
/// says by now, that is how its stores are reached. Its name follows from the lost one's.
#[must_use]
pub fn read_back(schedule: &CronJob, lost: &str) -> Option<Job> {
    let (name, made) = (
        schedule.metadata.name.as_deref()?,
        &schedule.spec.as_ref()?.job_template,
    );
    let mut spec = made.spec.clone()?;
    spec.ttl_seconds_after_finished = Some(TTL);
    spec.active_deadline_seconds = Some(READ_BACK_DEADLINE);
    for container in spec
        .template
        .spec
        .iter_mut()
        .flat_map(|it| &mut it.containers)
    {
        let args = container.args.get_or_insert_default();
        args.push("--report".to_owned());
        // An agent of before knows its last run only.
        let mut told = container.env.iter().flatten();
        if told.any(|variable| variable.name == JOB_VARIABLE) {
            args.extend(["--run-of".to_owned(), lost.to_owned()]);
        }
    }
    Some(Job {
        metadata: ObjectMeta {
            name: Some(names::read_back_job(name, lost)),
            namespace: schedule.metadata.namespace.clone(),
            labels: made.metadata.as_ref().and_then(|meta| meta.labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        ..Job::default()
    })
}

/// Tells the pods of which Job each is.
pub(super) fn tell_job(template: &mut PodTemplateSpec) {
    let field = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: format!("metadata.labels['{}']", names::LABEL_JOB),
    };
    let variable = EnvVar {
        name: JOB_VARIABLE.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(field),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let containers = template.spec.iter_mut().flat_map(|pod| &mut pod.containers);
    for container in containers {
        container.env.get_or_insert_default().push(variable.clone());
    }
}

/// A Job that no schedule makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Once {
    /// Attempts after the first.
    pub(super) retries: i32,
    /// How long all attempts may take together, in seconds.
    pub(super) deadline: i64,
    /// How long it stays once it ended, in seconds.
    pub(super) ttl: i32,
}

/// A Job of its own.
pub(super) fn once(
    role: &Role<'_>,
    (namespace, name): (&str, &str),
    template: &PodTemplateSpec,
    once: Once,
) -> Job {
    let mut spec = job_spec(template, once.retries, once.deadline);
    spec.ttl_seconds_after_finished = Some(once.ttl);
    Job {
        metadata: role.meta(namespace, name),
        spec: Some(spec),
        ..Job::default()
    }
}

fn job_spec(template: &PodTemplateSpec, retries: i32, deadline: i64) -> JobSpec {
    let mut template = template.clone();
    if let Some(pod) = template.spec.as_mut() {
        // A pod failure policy reads exit codes of pods that are not restarted in place.
        pod.restart_policy = Some("Never".to_owned());
    }
    JobSpec {
        backoff_limit: Some(retries),
        active_deadline_seconds: Some(deadline),
        pod_failure_policy: Some(failure_policy()),
        template,
        ..JobSpec::default()
    }
}

/// What the agent refuses is not tried again; what the cluster takes away (a drain, say) doesn't count as an attempt.
fn failure_policy() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some(CONTAINER.to_owned()),
                    operator: "In".to_owned(),
                    values: vec![i32::from(exit::REFUSED)],
                }),
                on_pod_conditions: None,
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: "True".to_owned(),
                }]),
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::meta::Identity;

    #[test]
    fn a_run_now_is_the_schedules_and_a_read_back_erases_nothing() {
        let schedule = Schedule {
            role: Role {
                identity: Identity {
                    fleet: "f",
                    kind: "DataPolicy",
                    namespace: "",
                    name: "p",
                },
                component: "retention",
                feed: None,
            },
            namespace: "runs",
            name: "p-retention".to_owned(),
            cron: "0 2 * * *",
            time_zone: "UTC",
            deadline: 4000,
            history: HISTORY,
            marks: BTreeMap::from([("mode".to_owned(), "Enforce".to_owned())]),
        };
        let template: PodTemplateSpec = serde_json::from_value(serde_json::json!({
            "spec": {"containers": [{"name": CONTAINER, "args": ["retain", "--task", "/t"]}]}
        }))
        .unwrap();
        let args = |job: &Job| {
            let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            pod.containers[0].args.clone().unwrap().join(" ")
        };
        let run = schedule.run_now(&template, "x");
        assert_eq!(args(&run), "retain --task /t");
        let cron = schedule.cron_job(&template).spec.unwrap().job_template;
        let marked = cron.metadata.as_ref().unwrap().annotations.clone();
        assert!(marked.is_some() && marked == run.metadata.annotations);
        let spec = JobSpec {
            ttl_seconds_after_finished: None,
            ..run.spec.unwrap()
        };
        assert_eq!(Some(spec), cron.spec, "but for how long it stays");
        let of_before = read_back(&schedule.cron_job(&template), "lost").unwrap();
        assert_eq!(args(&of_before), "retain --task /t --report");
        let mut told = template.clone();
        tell_job(&mut told);
        let read_back = read_back(&schedule.cron_job(&told), "lost").unwrap();
        assert_eq!(args(&read_back), "retain --task /t --report --run-of lost");
        assert_eq!(read_back.metadata.labels, run.metadata.labels);
        assert_eq!(read_back.metadata.annotations, None, "it erases nothing");
        let spec = read_back.spec.unwrap();
        assert_eq!(spec.ttl_seconds_after_finished, Some(86_400));
        assert_eq!(spec.active_deadline_seconds, Some(900));
    }
}
