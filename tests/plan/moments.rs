//! A recorded moment is held against the time of day and against the receipt: next week is not yet, and nothing was done
//! about a request before it came.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use tradewind::api::RequestRegionStatus;
use tradewind::plan::{self, RegionPlan, RequestFacts};
use tradewind::status;

use super::requests::{another, ready};

/// The example's request, for whose law a notice is waited for, with that in its spec.
fn asked(spec: &Value) -> RequestFacts {
    let mut facts = ready();
    let mut more = json!({"jurisdictions": ["DE", "IN"], "received": "2027-06-01T09:00:00Z", "verified": done("2027-06-02T09:00:00Z")});
    for (field, set) in spec.as_object().into_iter().flatten() {
        more[field] = set.clone();
    }
    let request = another(&facts.request, "r", "2027-06-01T09:00:00Z", &more);
    facts.request = Arc::new(request);
    facts
}

fn done(at: &str) -> Value {
    json!({"by": "dpo", "at": at})
}

fn told(at: &str) -> Value {
    json!({"by": "dpo", "at": at, "ground": "g"})
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Whether a Job is planned; the reason where not; and when the plan is looked at again.
fn planned(facts: &RequestFacts, now: &str) -> (bool, String, Option<String>) {
    let plan = plan::subject_request(facts, moment(now));
    let decided = &plan.regions["eu-west"];
    let why = decided.reason().map(|why| why.word.clone());
    let wake_at = plan.wake_at.map(|at| at.to_string());
    (
        matches!(decided, RegionPlan::Run(_)),
        why.unwrap_or_default(),
        wake_at,
    )
}

#[test]
fn a_notice_counts_from_when_it_was_sent_and_not_from_before_the_receipt() {
    let notice = |sent: &str, arrived: &str| json!({"notice": {"sentAt": sent, "acknowledged": done(arrived)}});
    let now = "2027-06-10T10:00:00Z";
    let told = |sent, arrived| planned(&asked(&notice(sent, arrived)), now);
    let sent = "2027-06-05T10:00:00Z";
    assert!(told(sent, "2027-06-06T10:00:00Z").0);
    let waits = |why: &str, until: Option<&str>| (false, why.to_owned(), until.map(str::to_owned));
    // As if it had been sent long ago, before there was anything to tell of.
    assert_eq!(
        told("2027-05-05T10:00:00Z", "2027-06-06T10:00:00Z"),
        waits("ClockInvalid", None)
    );
    assert_eq!(
        told(sent, "2027-05-06T10:00:00Z"),
        waits("ClockInvalid", None)
    );
    let ahead = "2027-06-12T10:00:00Z";
    assert_eq!(told(ahead, sent), waits("AwaitingNotice", Some(ahead)));
    // It arrives in two days: by now nobody has seen that it did.
    assert_eq!(told(sent, ahead).1, "AwaitingNotice");
    assert!(planned(&asked(&notice(sent, ahead)), ahead).0);
}

/// What a law asks for before rows go it asks for from its first day on, whenever the request came.
#[test]
fn a_law_that_came_since_the_request_has_its_notice() {
    let facts = asked(
        &json!({"jurisdictions": ["IN"], "received": "2027-05-10T09:00:00Z", "verified": done("2027-05-11T09:00:00Z")}),
    );
    assert!(planned(&facts, "2027-05-12T10:00:00Z").0);
    let (runs, why, _) = planned(&facts, "2027-05-20T10:00:00Z");
    assert_eq!((runs, &*why), (false, "AwaitingNotice"));
}

#[test]
fn nothing_runs_for_a_person_whom_somebody_will_have_seen_tomorrow() {
    let (now, tomorrow) = ("2026-11-10T10:00:00Z", "2026-11-11T10:00:00Z");
    let facts = asked(
        &json!({"jurisdictions": ["DE"], "received": "2026-11-02T09:30:00+01:00", "verified": done(tomorrow)}),
    );
    let waits = (false, "NotVerified".to_owned(), Some(tomorrow.to_owned()));
    assert_eq!(planned(&facts, now), waits);
    assert!(planned(&facts, tomorrow).0);
    let status = |now: &str| {
        let now = moment(now);
        let plan = plan::subject_request(&facts, now);
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let seen = std::collections::BTreeMap::new();
        let status = status::subject_request(&plan, &clocks, &seen, &facts.request, now).status;
        let verified = status.conditions.iter().find(|it| it.type_ == "Verified");
        (
            verified.unwrap().status.clone(),
            format!("{:?}", status.state.unwrap()),
        )
    };
    assert_eq!(status(now), ("False".to_owned(), "Received".to_owned()));
    assert_eq!(status(tomorrow), ("True".to_owned(), "Working".to_owned()));
}

#[test]
fn a_moment_that_says_nothing_ends_no_alarm() {
    let on_time = |more: &Value, now: &str| {
        let mut spec = json!({"jurisdictions": ["DE"], "received": "2026-11-02T09:30:00+01:00", "verified": done("2026-11-03T10:00:00Z")});
        for (field, set) in more.as_object().unwrap() {
            spec[field] = set.clone();
        }
        let (facts, now) = (asked(&spec), moment(now));
        let plan = plan::subject_request(&facts, now);
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let seen = std::collections::BTreeMap::new();
        let status = status::subject_request(&plan, &clocks, &seen, &facts.request, now).status;
        let told = status.conditions.iter().find(|it| it.type_ == "OnTime");
        let told = told.unwrap();
        (
            told.status.clone(),
            told.reason.clone(),
            told.message.clone(),
        )
    };
    let wrong = json!({"acknowledged": done("2025-11-03T10:00:00Z")});
    let (status, reason, _) = on_time(&wrong, "2026-11-20T10:00:00Z");
    assert_eq!((&*status, &*reason), ("Unknown", "ClockInvalid"));
    let (status, reason, message) = on_time(&wrong, "2026-12-20T10:00:00Z");
    assert_eq!((&*status, &*reason), ("False", "Overdue"));
    assert!(message.contains("spec.acknowledged.at: "), "{message}");
    // Whoever was answered has the answer, and rows stay where they are.
    let answered = json!({"answered": done("2026-11-19T10:00:00Z")});
    let (status, reason, message) = on_time(&answered, "2026-11-20T10:00:00Z");
    assert_eq!((&*status, &*reason), ("True", "Answered"));
    assert!(
        message.starts_with("the person was answered; not done yet in: "),
        "{message}"
    );
}

/// The steps with an open end, those that are met, notes, problems, and when it is looked at again.
fn clocks(spec: &Value) -> (Vec<String>, Vec<String>, usize, usize, Option<Timestamp>) {
    let mut more = json!({"jurisdictions": ["DE"], "received": "2026-11-02T09:30:00+01:00"});
    for (field, set) in spec.as_object().into_iter().flatten() {
        more[field] = set.clone();
    }
    let facts = asked(&more);
    let now = moment("2026-11-20T10:00:00Z");
    let clocks = plan::clocks(&facts.request, &facts.packs, now);
    let steps = |is_met: bool| {
        let all = clocks.deadlines.iter();
        let all = all.filter(|one| one.met_at.is_some() == is_met);
        all.map(|one| one.step.clone()).collect::<Vec<_>>()
    };
    (
        steps(false),
        steps(true),
        clocks.notes.len(),
        clocks.problems.len(),
        clocks.wake_at,
    )
}

#[test]
fn what_is_recorded_of_next_week_extends_and_meets_nothing_today() {
    let ahead = "2026-11-21T09:00:00Z";
    let response = vec!["response".to_owned()];
    let (open, met, none, _, _) = clocks(&Value::Null);
    assert_eq!((&open, met.len()), (&response, 0));
    for spec in [
        json!({"extension": told(ahead)}),
        json!({"answered": done(ahead)}),
        json!({"refusal": told(ahead)}),
        json!({"cancelled": told(ahead)}),
    ] {
        let (open, met, notes, problems, wake_at) = clocks(&spec);
        assert_eq!((&open, met.len()), (&response, 0), "{spec}");
        assert_eq!((notes, problems), (none + 1, 0), "{spec}");
        assert_eq!(wake_at, Some(moment(ahead)), "{spec}");
    }
    let before = "2026-10-21T09:00:00Z";
    for spec in [
        json!({"extension": told(before)}),
        json!({"answered": done(before)}),
        json!({"acknowledged": done(before)}),
        json!({"answered": done("2026-13-21T09:00:00Z")}),
    ] {
        let (_, met, _, problems, _) = clocks(&spec);
        assert_eq!((met.len(), problems), (0, 1), "{spec}");
    }
    // It stays as it was written: the answer can still be recorded.
    let refused =
        |answered: &Value| clocks(&json!({"refusal": told(before), "answered": answered}));
    let (_, met, notes, problems, _) = refused(&Value::Null);
    assert_eq!((met.len(), notes, problems), (0, none + 1, 0));
    assert_eq!(refused(&done("2026-11-19T09:00:00Z")).1, response);
    let received = clocks(&json!({"received": "2026-12-02T09:30:00+01:00"}));
    assert_eq!(received.3, 1, "nothing was received yet");
}

/// What somebody attests afterwards is in the hash, and when it was done stays.
#[test]
fn an_attestation_changes_the_receipt_and_not_when_it_was_done() {
    let mut facts =
        asked(&json!({"jurisdictions": ["DE"], "received": "2026-11-02T09:30:00+01:00"}));
    let mut request = facts.request.as_ref().clone();
    let entry = json!({"name": "eu-west", "state": "Run", "reason": "Fulfilled", "action": "Erase", "progress": "Verified",
        "stores": [{"name": "aurora-orders", "tables": [{"name": "customers", "state": "Verified", "found": 3, "erased": 3}]}]});
    let entry: RequestRegionStatus = serde_json::from_value(entry).unwrap();
    request.status = Some(tradewind::api::DataSubjectRequestStatus {
        regions: vec![entry],
        ..Default::default()
    });
    let mut receipt = |request: &mut tradewind::api::DataSubjectRequest, now: &str| {
        facts.request = Arc::new(request.clone());
        let plan = plan::subject_request(&facts, moment(now));
        let clocks = plan::clocks(request, &facts.packs, moment(now));
        let seen = std::collections::BTreeMap::new();
        let told = status::subject_request(&plan, &clocks, &seen, request, moment(now)).status;
        request.status = Some(told.clone());
        told.receipt.unwrap()
    };
    let first = receipt(&mut request, "2026-11-10T10:00:00Z");
    request.spec.attestations =
        serde_json::from_value(json!([told("2026-11-11T10:00:00Z")])).unwrap();
    let later = receipt(&mut request, "2026-11-12T10:00:00Z");
    assert_ne!(first.hash, later.hash);
    assert_eq!(
        (first.at, later.at),
        (
            "2026-11-10T10:00:00Z".to_owned(),
            "2026-11-10T10:00:00Z".to_owned()
        )
    );
}
