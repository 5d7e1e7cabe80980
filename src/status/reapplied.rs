//! What erasing again after a restore or an import did in a region, from what its Job reports; and what of that is to stand in the
//! region's chain.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::chain::{Statement, When};
use super::reason::Word;
use super::{OneJob, Seen, SigningObserved};
use crate::api::{Reapplied, Region, RequestsStatus};
use crate::contract::{EraseReport, Outcome, Report, RequestState};
use crate::evidence::{About, Kind, body, canonical};
use crate::plan::{
    ReapplyAsked, ReapplyTimes, Reason, RegionPlan, SigningWorkloads, canonical_hash,
};

/// Takes what the Job says into the Region's status, while it is asked for, and how the schedule stands. Answers what is to be
/// recorded of it.
pub(super) fn reapplied(
    requests: &mut Option<RequestsStatus>,
    decision: Option<&RegionPlan<SigningWorkloads>>,
    seen: Option<&Seen<SigningObserved>>,
    region: &Region,
) -> Option<Statement> {
    let workloads = decision?.workloads()?;
    let asked = workloads.reapply_asked.as_ref();
    let statement = asked.and_then(|asked| {
        let told = requests.get_or_insert_default();
        carried_out(told, (workloads, asked), seen, region)
    });
    if let Some(requests) = requests {
        schedule(requests, workloads.reapply_times.as_ref());
    }
    statement
}

fn carried_out(
    requests: &mut RequestsStatus,
    (workloads, asked): (&SigningWorkloads, &ReapplyAsked),
    seen: Option<&Seen<SigningObserved>>,
    region: &Region,
) -> Option<Statement> {
    let old = requests.reapplied.take();
    let mut told = old
        .filter(|old| old.asked == asked.value)
        .unwrap_or_else(|| Reapplied {
            asked: asked.value.clone(),
            ..Reapplied::default()
        });
    let job = job(workloads, seen);
    let why = workloads.reapply_problem.clone();
    if let Some(why) = why.or_else(|| job.and_then(|(name, job)| unreported(name, job))) {
        (told.reason, told.message) = (why.word, why.message);
    }
    let report = job.and_then(|(name, job)| Some((name, job, job.report.as_ref()?)));
    let mut statement = None;
    if let Some((name, job, report)) = report {
        take(&mut told, report);
        let is_over = is_over(report, asked);
        // Of a Job under way the report is of an attempt that failed: the next one says all of it, and more.
        if is_over || job.succeeded.is_some() {
            statement = Some(recorded(region, (name, &asked.value), report));
        }
        if is_over && !asked.is_scheduled {
            requests.last_handled_reapply = Some(asked.value.clone());
        }
        // What is held stays asked for by hand; everybody was looked for all the same.
        let is_looked = job.succeeded.is_some() && is_held(report);
        if is_over || is_looked {
            looked(requests, (workloads, asked), report);
        }
    }
    if told.reason.is_empty() {
        let why = Word::Progressing.because("its Job is being made");
        (told.reason, told.message) = (why.word, why.message);
    }
    requests.reapplied = Some(told);
    statement
}

/// Whoever was erased was looked for: what the schedule asked for is done.
fn looked(
    requests: &mut RequestsStatus,
    (workloads, asked): (&SigningWorkloads, &ReapplyAsked),
    report: &Report<EraseReport>,
) {
    let Some(times) = &workloads.reapply_times else {
        return;
    };
    let schedule = requests.reapply_schedule.get_or_insert_default();
    let stores = report.body.iter().flat_map(|body| &body.stores);
    let tables = stores.flat_map(|store| &store.tables);
    schedule.last_erased = Some(tables.map(|table| table.erased).sum());
    schedule.last_ended_at = Some(report.finished_at.clone());
    // One that somebody asked for does what was due before it ended.
    let finished = report.finished_at.parse::<Timestamp>();
    if asked.is_scheduled || finished.is_ok_and(|at| times.at <= at) {
        schedule.next_at = Some(times.following.to_string());
    }
}

/// How the schedule stands. Of what has just been done the next moment is told already.
fn schedule(requests: &mut RequestsStatus, times: Option<&ReapplyTimes>) {
    let Some(times) = times else {
        requests.reapply_schedule = None;
        return;
    };
    let schedule = requests.reapply_schedule.get_or_insert_default();
    let following = times.following.to_string();
    if schedule.next_at.as_ref() == Some(&following) {
        (schedule.reason, schedule.message) = (None, None);
        return;
    }
    schedule.next_at = Some(times.at.to_string());
    let why = times.is_overdue.then(|| {
        Word::ReapplyOverdue.because(format!(
            "erasing again was due at {}, and is not done: status.requests.reapplied says why; what imports have brought \
             back since stays until then",
            times.at
        ))
    });
    (schedule.reason, schedule.message) = why.map(|why| (why.word, why.message)).unzip();
}

fn job<'a>(
    workloads: &'a SigningWorkloads,
    seen: Option<&'a Seen<SigningObserved>>,
) -> Option<(&'a str, &'a OneJob<EraseReport>)> {
    let Some(Seen::Known { children, .. }) = seen else {
        return None;
    };
    let name = workloads.reapply.as_ref()?.job.metadata.name.as_ref()?;
    Some((name, children.reapply.get(name)?))
}

/// What is told of a Job that has said nothing.
fn unreported(name: &str, job: &OneJob<EraseReport>) -> Option<Reason> {
    if job.report.is_some() {
        return None;
    }
    Some(match (job.succeeded, &job.waits) {
        (Some(false), _) => Word::ReapplyFailed.because(format!(
            "Job {name} failed and left no report; look at its events. It is made again once it has been cleared away, or \
             at once with another value of the annotation"
        )),
        (_, Some(why)) => Word::Progressing.because(format!(
            "the pod of Job {name} waits ({why}); see that the Secrets that the Region names are in its runNamespace"
        )),
        (_, None) => Word::Progressing.because(format!("Job {name} has not reported yet")),
    })
}

fn take(told: &mut Reapplied, report: &Report<EraseReport>) {
    told.reason.clone_from(&report.reason);
    told.message.clone_from(&report.message);
    told.reported_at = Some(report.finished_at.clone());
    if let Some(body) = &report.body {
        told.state = Some(body.state);
        told.suppressed = Some(body.suppressed);
        told.same_server.clone_from(&body.same_server);
        told.stores.clone_from(&body.stores);
    }
}

/// Whether nobody is left. While a hold keeps rows of somebody, what a person asked for stays so, and its Job is made again: what
/// is released goes then. A schedule asks again by itself.
fn is_over(report: &Report<EraseReport>, asked: &ReapplyAsked) -> bool {
    let state = report.body.as_ref().map(|body| body.state);
    let is_done = match state {
        Some(RequestState::Verified | RequestState::Kept) => true,
        Some(RequestState::Held) => asked.is_scheduled,
        _ => false,
    };
    report.outcome == Outcome::Done && is_done
}

/// Whether it did all that it may, as holds are.
fn is_held(report: &Report<EraseReport>) -> bool {
    let state = report.body.as_ref().map(|body| body.state);
    report.outcome == Outcome::Done && state == Some(RequestState::Held)
}

fn recorded(
    region: &Region,
    (job, asked): (&str, &str),
    report: &Report<EraseReport>,
) -> Statement {
    let outcome = report.body.as_ref().map(|body| body::RequestOutcome {
        action: None,
        lifted: None,
        recipients: Vec::new(),
        progress: body.state,
        suppressed: Some(body.suppressed),
        delivered: None,
        opted_out: Vec::new(),
        stores: body.stores.clone(),
        unasked: Vec::new(),
    });
    let body = body::Reapplied {
        asked: asked.to_owned(),
        job: job.to_owned(),
        reason: report.reason.clone(),
        started_at: report.started_at.clone(),
        finished_at: report.finished_at.clone(),
        outcome,
    };
    let uid = region.uid().unwrap_or_default();
    // Once for what came of it: a Job that is made again and finds the same is no news.
    let came = canonical_hash(&json!({"reason": body.reason, "outcome": body.outcome}));
    Statement {
        kind: Kind::Request,
        about: About::cluster("Region", &region.name_any()),
        source: format!("{uid}/{job}/{came}"),
        // Of texts and whole numbers: what has no one spelling would be a bug, and is not written.
        body: canonical::object(&body).unwrap_or_default(),
        when: When::Once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: &str, state: Option<&str>) -> Report<EraseReport> {
        let body = state.map(|state| json!({"request": "reapply", "state": state, "stores": []}));
        let report = json!({
            "version": 1, "command": "erase", "outcome": outcome, "reason": "Any", "message": "any",
            "startedAt": "2026-11-22T09:59:00Z", "finishedAt": "2026-11-22T09:59:59Z", "body": body,
        });
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn what_a_hold_keeps_is_told_once_and_again_when_it_is_another() {
        let region: Region = serde_json::from_value(json!({
            "metadata": {"name": "eu", "uid": "u"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        }))
        .unwrap();
        let source = |held: i64, finished_at: &str| {
            let mut report = report("Done", Some("Held"));
            report.finished_at = finished_at.to_owned();
            let stores = json!([{"name": "orders", "tables": [{"name": "t", "state": "Held", "found": held, "held": held}]}]);
            report.body.as_mut().unwrap().stores = serde_json::from_value(stores).unwrap();
            recorded(&region, ("job", "ticket-17"), &report).source
        };
        let first = source(3, "2026-11-22T10:00:00Z");
        assert_eq!(first, source(3, "2026-11-22T16:00:00Z"), "made again");
        assert_ne!(first, source(2, "2026-11-22T16:00:00Z"), "one was released");
    }

    #[test]
    fn it_is_over_when_the_books_say_so_and_never_because_a_job_ended() {
        let asked = |is_scheduled| ReapplyAsked {
            value: "x".to_owned(),
            is_scheduled,
        };
        let held = report("Done", Some("Held"));
        assert!(is_over(&held, &asked(true)), "it is asked again tomorrow");
        for (outcome, state, over) in [
            ("Done", Some("Verified"), true),
            ("Done", Some("Kept"), true),
            ("Done", Some("Held"), false),
            ("Done", None, false),
            ("Refused", Some("Failed"), false),
            ("Retry", Some("Pending"), false),
            // The books say so, and the last thing that was to be done was not.
            ("Retry", Some("Verified"), false),
        ] {
            assert_eq!(
                is_over(&report(outcome, state), &asked(false)),
                over,
                "{outcome} {state:?}"
            );
        }
    }

    #[test]
    fn that_one_server_has_both_is_told_until_it_is_so_no_more() {
        let mut told = Reapplied::default();
        let mut report = report("Done", Some("Verified"));
        for store in [Some("orders".to_owned()), None] {
            report.body.as_mut().unwrap().same_server.clone_from(&store);
            take(&mut told, &report);
            assert_eq!(told.same_server, store);
        }
    }

    #[test]
    fn what_is_overdue_is_told_until_it_is_done() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let times = |is_overdue| ReapplyTimes {
            at: at("2026-11-20T03:00:00Z"),
            following: at("2026-11-23T03:00:00Z"),
            is_due: true,
            is_overdue,
            wake_at: at("2026-11-23T03:00:00Z"),
        };
        let mut requests = RequestsStatus::default();
        let told = |requests: &RequestsStatus| {
            let told = requests.reapply_schedule.clone().unwrap();
            (told.next_at.unwrap(), told.reason)
        };
        schedule(&mut requests, Some(&times(false)));
        let due = "2026-11-20T03:00:00Z".to_owned();
        assert_eq!(told(&requests), (due.clone(), None));
        schedule(&mut requests, Some(&times(true)));
        assert_eq!(told(&requests), (due, Some("ReapplyOverdue".to_owned())));
        let schedule_of = requests.reapply_schedule.as_mut().unwrap();
        schedule_of.next_at = Some("2026-11-23T03:00:00Z".to_owned());
        schedule(&mut requests, Some(&times(true)));
        assert_eq!(told(&requests), ("2026-11-23T03:00:00Z".to_owned(), None));
        schedule(&mut requests, None);
        assert_eq!(
            requests.reapply_schedule, None,
            "the schedule was taken out"
        );
    }
}
