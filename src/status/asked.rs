//! What is to stand in the regions' chains of a data subject's request: how it stands there, whenever that is another than
//! before.
//!
//! It follows from what people recorded and what the stores' books said, not from whether a region answers just now, and
//! not from the time of day: a broken line is no event, and neither is a deadline that comes nearer.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use kube::ResourceExt;

use super::chain::{Statement, When};
use crate::api::{
    DataSubjectRequest, DataSubjectRequestSpec, DataSubjectRequestStatus, Done, Reasoned,
    RequestAction, RequestDeadline, RequestRegionStatus, Upheld,
};
use crate::contract::ToldRecipient;
use crate::evidence::{About, Kind, body, canonical};
use crate::plan::{Clocks, is_undecided};

/// The request as if whoever was asked for something had answered so long after. While a question is open its clocks' ends
/// move by a day each day; that is no news that belongs into a chain.
fn as_if_answered(request: &DataSubjectRequest, after: Span) -> DataSubjectRequest {
    let mut request = request.clone();
    for pause in request.spec.pauses.iter_mut().filter(|it| it.to.is_none()) {
        let from: Option<Date> = pause.from.parse().ok();
        let to = from.and_then(|from| from.checked_add(after).ok());
        pause.to = Some(to.map_or_else(|| pause.from.clone(), |to| to.to_string()));
    }
    request
}

/// A request's clocks as they are told: as if every question had been answered at once, and a month later. What then ends at
/// another moment stands still for as long as no answer comes.
struct Told {
    clocks: Clocks,
    later: Clocks,
}

/// By region. `count` counts a request's clocks; `told` is the status that is about to be written: it remembers what stores said
/// whose Job is gone.
#[must_use]
pub fn request_statements(
    request: &DataSubjectRequest,
    count: impl Fn(&DataSubjectRequest) -> Clocks,
    told: &DataSubjectRequestStatus,
) -> BTreeMap<String, Vec<Statement>> {
    let clocks = &Told {
        clocks: count(&as_if_answered(request, Span::new())),
        later: count(&as_if_answered(request, 1.month())),
    };
    let uid = request.uid().unwrap_or_default();
    let generation = request.metadata.generation.unwrap_or_default();
    let statement = |region: &str| Statement {
        kind: Kind::Request,
        about: About::cluster("DataSubjectRequest", &request.name_any()),
        source: format!("{uid}/{generation}"),
        // Of texts and whole numbers: what has no one spelling would be a bug, and is not written.
        body: canonical::object(&body(request, clocks, (region, told))).unwrap_or_default(),
        when: When::Changed,
    };
    request
        .spec
        .regions
        .iter()
        .map(|region| (region.clone(), vec![statement(region)]))
        .filter(|(_, told)| told.iter().all(|one| !one.body.is_empty()))
        .collect()
}

fn body(
    request: &DataSubjectRequest,
    clocks: &Told,
    (region, told): (&str, &DataSubjectRequestStatus),
) -> body::Request {
    let spec = &request.spec;
    let old = request.status.iter().flat_map(|status| &status.regions);
    // What a region said last, once it is told no more, still counts.
    let mut entries = told.regions.iter().chain(old);
    let entry = entries.find(|entry| entry.name == region);
    let receipt = told.receipt.as_ref();
    body::Request {
        state: state(spec, entry).to_owned(),
        kind: format!("{:?}", spec.kind),
        received: spec.received.clone(),
        jurisdictions: spec.jurisdictions.clone(),
        zone: spec.time_zone.clone(),
        steps: steps(spec),
        deadlines: clocks.all(),
        outcome: entry.and_then(outcome),
        // When it was first told is when it is recorded.
        receipt: receipt.map(|receipt| body::RequestReceipt {
            outcome: receipt.outcome.clone(),
            hash: receipt.hash.clone(),
            gone_by: receipt.gone_by.clone(),
        }),
        deleted: request.metadata.deletion_timestamp.is_some(),
    }
}

/// The request in one region: done is done, whatever is recorded afterwards.
fn state(spec: &DataSubjectRequestSpec, entry: Option<&RequestRegionStatus>) -> &'static str {
    let is_forgotten = |entry: &RequestRegionStatus| entry.action == Some(RequestAction::Forget);
    if let Some(entry) = entry.filter(|entry| entry.is_done() && !is_forgotten(entry)) {
        match entry.action {
            Some(RequestAction::Lift) => "Lifted",
            _ if is_undecided(spec) => "Restricted",
            _ => "Done",
        }
    } else if entry.is_some_and(RequestRegionStatus::is_untold) {
        "Working"
    } else if spec.cancelled.is_some() {
        "Cancelled"
    } else if spec.refusal.is_some() {
        "Refused"
    } else if spec.verified.is_some() {
        "Working"
    } else {
        "Received"
    }
}

fn steps(spec: &DataSubjectRequestSpec) -> Vec<body::RequestStep> {
    let notice = spec.notice.as_ref();
    let sent = notice.map(|notice| body::RequestStep {
        step: "NoticeSent".to_owned(),
        at: notice.sent_at.clone(),
        until: None,
        by: None,
        ground: None,
    });
    let arrived = notice.and_then(|notice| notice.acknowledged.as_ref());
    let pauses = spec.pauses.iter().map(|pause| body::RequestStep {
        step: "Paused".to_owned(),
        at: pause.from.clone(),
        until: pause.to.clone(),
        by: None,
        ground: None,
    });
    let first = [
        spec.verified.as_ref().map(|it| done("Verified", it)),
        spec.acknowledged
            .as_ref()
            .map(|it| done("Acknowledged", it)),
        spec.extension.as_ref().map(|it| reasoned("Extended", it)),
    ];
    let last = [
        sent,
        arrived.map(|it| done("NoticeArrived", it)),
        spec.upheld.as_ref().map(upheld),
        spec.refusal.as_ref().map(|it| reasoned("Refused", it)),
        spec.cancelled.as_ref().map(|it| reasoned("Cancelled", it)),
        spec.lifted.as_ref().map(|it| reasoned("Lifted", it)),
        spec.answered.as_ref().map(|it| done("Answered", it)),
    ];
    let attested = spec.attestations.iter().map(|it| reasoned("Attested", it));
    first
        .into_iter()
        .flatten()
        .chain(pauses)
        .chain(last.into_iter().flatten())
        .chain(attested)
        .collect()
}

fn done(step: &str, done: &Done) -> body::RequestStep {
    body::RequestStep {
        step: step.to_owned(),
        at: done.at.clone(),
        until: None,
        by: Some(done.by.clone()),
        ground: None,
    }
}

fn reasoned(step: &str, told: &Reasoned) -> body::RequestStep {
    body::RequestStep {
        step: step.to_owned(),
        at: told.at.clone(),
        until: None,
        by: Some(told.by.clone()),
        ground: Some(told.ground.clone()),
    }
}

fn upheld(told: &Upheld) -> body::RequestStep {
    reasoned(&format!("Upheld{:?}", told.measure), &told.found)
}

impl Told {
    fn all(&self) -> Vec<body::RequestClock> {
        let all = self.clocks.deadlines.iter();
        all.map(|deadline| body::RequestClock {
            regime: deadline.regime.clone(),
            step: deadline.step.clone(),
            within: deadline.within.clone(),
            ends: deadline.ends.clone(),
            law: deadline.law.clone(),
            met_at: deadline.met_at.clone(),
            stands_still: deadline.ends.is_some() && !self.stays(deadline),
        })
        .collect()
    }

    /// Whether it ends at the same moment, however long an answer takes.
    fn stays(&self, one: &RequestDeadline) -> bool {
        self.later.deadlines.iter().any(|other| {
            let is_one =
                (&one.regime, &one.step, &one.law) == (&other.regime, &other.step, &other.law);
            is_one && one.ends == other.ends
        })
    }
}

/// Not when it was reported: a Job that is made again and finds the same is no news.
fn outcome(entry: &RequestRegionStatus) -> Option<body::RequestOutcome> {
    Some(body::RequestOutcome {
        progress: entry.progress?,
        action: entry.action.map(|action| format!("{action:?}")),
        lifted: entry.lifted,
        suppressed: entry.suppressed,
        delivered: entry.delivered.clone(),
        opted_out: entry.opted_out.clone(),
        stores: entry.stores.clone(),
        unasked: entry.unasked.clone(),
        recipients: entry.recipients.iter().map(recipient).collect(),
    })
}

/// Not how often it was tried, nor when: only how it stands.
fn recipient(told: &ToldRecipient) -> body::RequestRecipient {
    body::RequestRecipient {
        recipient: told.name.clone(),
        state: told.state,
        ground: told.ground,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Object;
    use crate::packs::Packs;
    use crate::plan;

    fn request(entry: &Value) -> DataSubjectRequest {
        let request = json!({
            "metadata": {"name": "dsr-7", "uid": "u", "generation": 2},
            "spec": {
                "kind": "Erasure", "received": "2026-11-02T09:30:00+01:00", "jurisdictions": ["DE"], "timeZone": "Europe/Berlin",
                "regions": ["eu"], "pauses": [{"from": "2026-11-04"}],
                "verified": {"by": "privacy", "at": "2026-11-03T09:30:00+01:00"},
                "identity": [{"region": "eu", "recipient": "age1qqqqqqqqqq", "ciphertext": "Q0lQSEVS"}],
            },
            "status": {"regions": [entry]},
        });
        serde_json::from_value(request).unwrap()
    }

    fn told(request: &DataSubjectRequest, now: &str) -> Object {
        let now: Timestamp = now.parse().unwrap();
        let packs = Packs::builtin().unwrap();
        let count = |asked: &DataSubjectRequest| plan::clocks(asked, &packs, now);
        let status = request.status.clone().unwrap();
        let mut all = request_statements(request, count, &status);
        all.remove("eu").unwrap().remove(0).body
    }

    fn entry(reported_at: &str, erased: i64) -> Value {
        json!({"name": "eu", "state": "Run", "reason": "Any", "progress": "Held", "reportedAt": reported_at, "stores": [
            {"name": "orders", "tables": [{"name": "orders", "state": "Held", "found": 3, "erased": erased, "held": 3 - erased}]}]})
    }

    #[test]
    fn neither_a_day_that_passes_nor_a_rerun_nor_a_broken_line_is_an_event() {
        let before = told(
            &request(&entry("2026-11-05T10:00:00Z", 1)),
            "2026-11-05T10:00:00Z",
        );
        assert_eq!(
            before["state"],
            canonical::Value::Text("Working".to_owned())
        );
        let mut lost = entry("2026-11-25T10:00:00Z", 1);
        lost["reason"] = "RegionUnreachable".into();
        lost["unreachableSince"] = "2026-11-24T10:00:00Z".into();
        // Twenty days later, when the response is nearly due.
        let after = told(&request(&lost), "2026-11-29T10:00:00Z");
        assert_eq!(before, after);
        let more = told(
            &request(&entry("2026-11-05T10:00:00Z", 2)),
            "2026-11-05T10:00:00Z",
        );
        assert_ne!(before, more);
    }

    #[test]
    fn how_a_recipient_stands_is_an_event_and_another_attempt_is_none() {
        let now = "2026-11-05T10:00:00Z";
        let with = |recipient: Value| {
            let mut entry = entry(now, 1);
            entry["progress"] = "Verified".into();
            entry["recipients"] = json!([recipient]);
            told(&request(&entry), now)
        };
        let tried = |attempts: i64| json!({"name": "shop/erp", "state": "Pending", "attempts": attempts, "answer": "503", "at": now});
        let first = with(tried(1));
        assert_eq!(first, with(tried(2)));
        let text = |text: &str| canonical::Value::Text(text.to_owned());
        // Its stores are done, and the request is not.
        assert_eq!(first["state"], text("Working"));
        let refused =
            with(json!({"name": "shop/erp", "state": "Refused", "ground": "LegalClaims"}));
        assert_eq!(refused["state"], text("Done"));
        let said = format!("{:?}", refused["outcome"]);
        assert!(
            said.contains("Refused") && said.contains("LegalClaims"),
            "{said}"
        );
    }

    #[test]
    fn what_is_hidden_decided_and_shown_again_is_told() {
        let entry = |action: &str, progress: &str| json!({"name": "eu", "state": "Run", "reason": "Any", "action": action, "progress": progress});
        let mut asked = request(&entry("Restrict", "Verified"));
        asked.spec.kind = serde_json::from_value(json!("Objection")).unwrap();
        let now = "2026-11-12T10:00:00Z";
        let text = |text: &str| canonical::Value::Text(text.to_owned());
        assert_eq!(told(&asked, now)["state"], text("Restricted"));
        let by = |measure: &str| json!({"by": "privacy", "at": "2026-11-06T09:30:00+01:00", "ground": "GDPR Article 21(1)", "measure": measure});
        asked.spec.upheld = serde_json::from_value(by("Restrict")).unwrap();
        let upheld = told(&asked, now);
        assert_eq!(upheld["state"], text("Done"));
        assert!(
            format!("{upheld:?}").contains("UpheldRestrict"),
            "{upheld:?}"
        );
        let mut lifted = request(&entry("Lift", "Lifted"));
        lifted.spec.lifted = serde_json::from_value(by("Restrict")).ok();
        let lifted = told(&lifted, now);
        assert_eq!(lifted["state"], text("Lifted"));
        assert!(
            format!("{:?}", lifted["outcome"]).contains("Lift"),
            "{lifted:?}"
        );
    }

    /// Only where the law says so for sure, and only until the answer comes.
    #[test]
    fn a_clock_that_stands_still_until_the_person_answers_is_told() {
        let stands_still = |code: &str, from: &str, to: Option<&str>, now: &str| {
            let mut asked = request(&entry(now, 1));
            asked.spec.jurisdictions = vec![code.to_owned()];
            asked.spec.pauses[0].from = from.to_owned();
            asked.spec.pauses[0].to = to.map(str::to_owned);
            let told: body::Request = canonical::read(&told(&asked, now)).unwrap();
            let clocks = told.deadlines.into_iter();
            let all = clocks.map(|clock| (clock.step, clock.ends.unwrap(), clock.stands_still));
            all.collect::<Vec<_>>()
        };
        let (early, late) = ("2026-11-05T10:00:00Z", "2027-02-05T10:00:00Z");
        let ends = |at: &str, still: bool| vec![("response".to_owned(), at.to_owned(), still)];
        let britain = ends("2026-12-02T23:00:00Z", true);
        // As long as it is open it stands in the record in the same words.
        for now in [early, late] {
            assert_eq!(stands_still("GB", "2026-11-04", None, now), britain);
            assert_eq!(
                stands_still("DE", "2026-11-04", None, now),
                ends("2026-12-02T23:00:00Z", false)
            );
        }
        assert_eq!(
            stands_still("GB", "2026-11-04", Some("2026-11-14"), late),
            ends("2026-12-12T23:00:00Z", false)
        );
        // A question after the end gives no time.
        let after = stands_still("GB", "2026-12-04", None, late);
        assert_eq!(after, ends("2026-12-02T23:00:00Z", false));
    }

    #[test]
    fn an_answer_is_told_and_who_asked_is_nowhere() {
        let open = request(&entry("2026-11-05T10:00:00Z", 1));
        let mut closed = open.clone();
        closed.spec.pauses[0].to = Some("2026-11-10".to_owned());
        let now = "2026-11-12T10:00:00Z";
        let (before, after) = (told(&open, now), told(&closed, now));
        assert_ne!(before["steps"], after["steps"]);
        let text = format!("{before:?}");
        assert!(
            !text.contains("Q0lQSEVS") && text.contains("response"),
            "{text}"
        );
    }
}
