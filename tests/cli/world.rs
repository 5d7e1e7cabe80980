//! A quarter of evidence: two regions, one policy, weekly runs, an approval, a hold, three requests, a new key.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use tradewind::evidence::{
    About, Entry, Kind, Line, Record, Signer, Tip, Witness, canonical, checkpoint, countersign,
};

pub(super) const REGIONS: [&str; 2] = ["eu-west", "us-east"];
/// The first runs, a Monday each in its region's zone.
const FIRST: [&str; 2] = ["2026-10-05T00:00:00Z", "2026-10-05T06:00:00Z"];
const ZONES: [&str; 2] = ["Europe/Berlin", "America/New_York"];
const WEEKS: i64 = 13;
/// The end of the quarter.
pub(super) const END: &str = "2027-01-01T00:00:00Z";

pub(super) fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seed(region: usize, number: u8) -> [u8; 32] {
    [u8::try_from(region).unwrap() * 16 + number; 32]
}

pub(super) fn signer(region: usize, number: u8) -> Signer {
    Signer::new(&seed(region, number))
}

fn entry(kind: Kind, at: Timestamp, source: String, body: &Json) -> Entry {
    Entry {
        kind,
        at,
        about: About::cluster("DataPolicy", "customers"),
        source,
        body: canonical::object(body).unwrap(),
    }
}

fn policy(region: usize) -> Json {
    json!({
        "generation": 3, "runs": true, "schedule": "0 2 * * 1",
        "zone": ZONES[region], "window": "PT4H",
        "spec": {
            "regimes": ["eu-gdpr"],
            "controller": {"name": "Aurora Retail", "contact": "privacy@aurora.example",
                           "dpo": {"name": "Data protection office", "contact": "dpo@aurora.example"}},
            "securityMeasures": ["encryption at rest", "four-eyes approval"],
            "selector": {"jurisdictions": ["DE"]}, "mode": "Enforce",
            "rules": [
                {"name": "messages", "category": "user.content", "purpose": "answering customers", "legalBasis": "Contract",
                 "subjects": ["customers"], "recipients": [{"name": "helpdesk", "country": "US"}], "dataset": {"store": "shop", "table": "messages", "clock": "sent_at"},
                 "erase": {"after": "P90D", "method": "Anonymise", "columns": [{"name": "author", "set": "Null"}, {"name": "body"}]}},
                {"name": "invoices", "category": "user.financial", "subjects": ["customers"], "recipients": [{"name": "tax adviser"}],
                 "dataset": {"store": "shop", "table": "invoices", "clock": "issued_at"},
                 "keep": {"for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)"},
                 "erase": {"after": "P8Y", "from": "EndOfCalendarYear", "method": "Delete"}},
            ],
            "retention": {"schedule": "0 2 * * 1"},
        },
    })
}

fn run(week: i64, at: Timestamp) -> Json {
    json!({
        "job": format!("customers-{week}"), "scheduled": at, "mode": "Enforce", "reason": "Done",
        "startedAt": at + SignedDuration::from_secs(9), "finishedAt": at + SignedDuration::from_mins(7),
        "previewHash": format!("sha256-{}", "ab".repeat(32)),
        "rules": [
            {"name": "messages", "method": "Anonymise", "rows": 10_000 - week, "due": 100 + week, "erased": 90 + week, "blocked": 0, "remaining": 10},
            {"name": "invoices", "rows": 500, "due": 20, "erased": 12, "held": 5, "blocked": 2, "remaining": 1, "late": 3},
        ],
    })
}

/// A legal hold, as it stands from then on.
fn held(at: Timestamp, source: &str, state: &str, store: &Json) -> Entry {
    let mut hold = json!({
        "state": state, "ground": "28 O 117/26", "openedBy": "counsel@aurora.example", "reviewOn": "2027-01-31",
        "scopes": [{"name": "invoices", "store": "shop", "table": "public.invoices", "column": "number"}],
        "stores": [store],
    });
    if state == "Released" {
        hold["release"] = json!({"by": "counsel@aurora.example", "ground": "settled"});
    }
    Entry {
        about: About::cluster("LegalHold", "claim-117"),
        ..entry(Kind::Hold, at, source.into(), &hold)
    }
}

/// A data subject's request, as it stands from then on: `steps` are of its life, `more` is the rest of its body.
fn asked(at: Timestamp, name: &str, source: &str, steps: &[&str], more: &Json) -> Entry {
    let by = "privacy@aurora.example";
    let told = |word: &&str| {
        let (step, at) = word.split_once(' ').unwrap();
        match step {
            "Refused" => {
                json!({"step": step, "at": at, "by": by, "ground": "GDPR Article 17(3)(b)"})
            }
            "Paused" => json!({"step": step, "at": at, "until": "2026-12-09"}),
            _ => json!({"step": step, "at": at, "by": by}),
        }
    };
    let mut body = json!({
        "state": "Working", "kind": "Erasure", "received": "2026-10-20T09:30:00+02:00", "jurisdictions": ["DE"], "zone": "Europe/Berlin",
        "steps": steps.iter().map(told).collect::<Vec<_>>(),
        "deadlines": [{"regime": "eu-gdpr", "step": "response", "within": "P1M", "ends": "2026-11-20T23:00:00Z", "law": "GDPR Article 12(3)"}],
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    Entry {
        about: About::cluster("DataSubjectRequest", name),
        ..entry(Kind::Request, at, source.into(), &body)
    }
}

/// One that was done and answered; one that is near its end; one whose receipt was confirmed too late, and that is refused.
fn requests(region: usize, week: i64, at: Timestamp) -> Vec<Entry> {
    let verified = "Verified 2026-10-21T10:00:00+02:00";
    let table = |kept: i64| {
        json!({"name": "messages", "state": if kept > 0 { "Kept" } else { "Verified" }, "found": 9, "erased": 9 - kept,
        "kept": kept, "grounds": [{"ground": "<AO 147(3)>, policy tax", "rows": kept}]})
    };
    let outcome = |kept| {
        json!({"progress": "Kept", "suppressed": 2, "stores": [{"name": "shop", "tables": [table(kept)]}],
        "unasked": ["shop/notes", "events of shop/whatsapp"]})
    };
    let met = |met: &str| {
        json!([{"regime": "eu-gdpr", "step": "response", "within": "P1M", "ends": "2026-11-20T23:00:00Z",
        "law": "GDPR Article 12(3)", "metAt": met}])
    };
    match (region, week) {
        (_, 2) => vec![asked(
            at,
            "dsr-17",
            "r-1/1",
            &[],
            &json!({"state": "Received"}),
        )],
        (_, 3) => vec![asked(
            at,
            "dsr-17",
            "r-1/2",
            &[verified],
            &json!({"state": "Done", "outcome": outcome(4)}),
        )],
        (_, 4) => {
            let answered = "2026-11-03T15:00:00+01:00";
            let hash = format!("sha256-{}", "5c".repeat(32));
            let more = json!({"state": "Done", "outcome": outcome(4), "deadlines": met(answered),
                "receipt": {"outcome": "Done", "hash": hash}});
            let steps = [verified, &format!("Answered {answered}")];
            vec![asked(at, "dsr-17", "r-1/3", &steps, &more)]
        }
        (1, 10) => {
            let again = json!({"asked": "ticket-17", "job": "tradewind-reapply-0123456789", "reason": "Verified",
                "startedAt": at - SignedDuration::from_mins(9), "finishedAt": at - SignedDuration::from_mins(2),
                "outcome": {"progress": "Verified", "suppressed": 3, "stores": [{"name": "shop", "tables": [
                    {"name": "messages", "state": "Verified", "found": 7, "erased": 7}]}]}});
            let source = "u/tradewind-reapply-0123456789/1".into();
            vec![Entry {
                about: About::cluster("Region", REGIONS[1]),
                ..entry(Kind::Request, at, source, &again)
            }]
        }
        (0, 10) => {
            let more = json!({"kind": "Access", "received": "2026-12-03T11:00:00+01:00", "deadlines": [
                {"regime": "eu-gdpr", "step": "response", "within": "P1M", "ends": "2027-01-04T23:00:00Z", "law": "GDPR Article 12(3)"}]});
            let steps = ["Verified 2026-12-04T11:00:00+01:00", "Paused 2026-12-07"];
            vec![asked(at, "dsr-18", "r-2/1", &steps, &more)]
        }
        (1, 9) => {
            let refused = "2026-12-07T11:00:00-05:00";
            let ack = json!({"regime": "us-ca-ccpa", "step": "acknowledgement", "within": "10BD", "ends": "2026-11-17T05:00:00Z",
                "law": "11 CCR 7021(a)", "metAt": "2026-11-24T10:00:00-05:00"});
            let more = json!({"state": "Refused", "received": "2026-11-02T10:00:00-05:00", "jurisdictions": ["US-CA"],
                "zone": "America/New_York", "deadlines": [ack]});
            let steps = [
                "Acknowledged 2026-11-24T10:00:00-05:00",
                &format!("Refused {refused}"),
            ];
            vec![asked(at, "dsr-19", "r-3/1", &steps, &more)]
        }
        _ => Vec::new(),
    }
}

/// What was recorded of a region, in its order.
fn entries(region: usize) -> Vec<Entry> {
    let begun = moment("2026-09-30T12:00:00Z");
    let mut entries = vec![entry(
        Kind::PolicyChange,
        begun,
        "p/3".into(),
        &policy(region),
    )];
    let approved =
        json!({"by": "dpo@aurora.example", "previewHash": format!("sha256-{}", "ab".repeat(32))});
    let at = begun + SignedDuration::from_hours(20);
    entries.push(entry(Kind::Approval, at, "p/ab".into(), &approved));
    for week in 0..WEEKS {
        let at = due(region, week);
        entries.push(entry(
            Kind::Run,
            at + SignedDuration::from_mins(8),
            format!("job-{week}"),
            &run(week, at),
        ));
        let later = at + SignedDuration::from_hours(30);
        entries.extend(requests(region, week, later));
        if week == 3 {
            let uncovered = json!({"rules": 2, "uncovered": [{"store": "shop", "table": "<notes>", "reason": "no rule"}]});
            entries.push(entry(Kind::Coverage, later, "c-1".into(), &uncovered));
            entries.push(held(
                later,
                "h-1",
                "InForce",
                &json!({"name": "shop", "inForceSince": later}),
            ));
        }
        if week == 8 && region == 1 {
            let over = json!({"name": "shop", "inForceSince": due(region, 3), "releasedAt": later});
            entries.push(held(later, "h-2", "Released", &over));
        }
        if week == 6 && region == 0 {
            let rotation = tradewind::evidence::name(&signer(0, 1), REGIONS[0], signer(0, 2).key());
            let rotation = serde_json::to_value(rotation).unwrap();
            entries.push(entry(Kind::KeyRotation, later, "k-2".into(), &rotation));
        }
    }
    entries
}

/// When the schedule asks for a run: at 2 by the wall clock, also after the clocks went back.
pub(super) fn due(region: usize, week: i64) -> Timestamp {
    let zone = jiff::tz::TimeZone::get(ZONES[region]).unwrap();
    let first = moment(FIRST[region]).to_zoned(zone);
    let span = jiff::Span::new().weeks(week);
    first.checked_add(span).unwrap().timestamp()
}

/// The records of a region, without those that `leave` names by their source.
pub(super) fn records(region: usize, leave: &[&str]) -> Vec<Record> {
    let mut tip = Tip::genesis("aurora", REGIONS[region]);
    let mut records = Vec::new();
    for entry in entries(region) {
        if !leave.contains(&entry.source.as_str()) {
            let record = entry.append(REGIONS[region], &tip);
            tip = Tip::of(&record);
            records.push(record);
        }
    }
    records
}

/// Which key of a region signs then.
fn keyed(region: usize, at: Timestamp) -> u8 {
    let all = records(region, &[]);
    let rotation = all.iter().find(|one| one.kind == Kind::KeyRotation);
    if rotation.is_some_and(|one| at > one.at + SignedDuration::from_mins(30)) {
        2
    } else {
        1
    }
}

/// All lines: records, checkpoints after every fifth record and the last, countersignatures of those.
pub(super) fn lines(leave: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut signatures = Vec::new();
    for (region, name) in REGIONS.iter().enumerate() {
        let records = records(region, leave);
        let mut key = 1;
        let mut previous = None;
        for (index, record) in records.iter().enumerate() {
            let tip = Tip::of(record);
            let is_last = index + 1 == records.len();
            // The last one is signed anew each hour.
            let at = if is_last {
                moment(END)
            } else {
                record.at + SignedDuration::from_mins(30)
            };
            let rotates = record.kind == Kind::KeyRotation;
            if index % 5 == 4 || is_last || rotates {
                let made = checkpoint(&signer(region, key), name, tip, at).unwrap();
                signatures.push(Line::Checkpoint(made));
                let by = 1 - region;
                let witness = Witness {
                    by: REGIONS[by],
                    region: name,
                    previous,
                };
                let made = countersign(&signer(by, keyed(by, at)), witness, tip, at).unwrap();
                signatures.push(Line::Countersignature(made));
                previous = Some(tip);
            }
            key = if rotates { 2 } else { key };
        }
        lines.extend(records.into_iter().map(Line::Record));
    }
    let lines = lines.iter().chain(&signatures);
    lines
        .map(|line| String::from_utf8(line.canonical().unwrap()).unwrap())
        .collect()
}

pub(super) fn trust() -> String {
    format!(
        "fleet: aurora\nregions:\n  eu-west:\n    keys: [{}]\n  us-east:\n    keys: [{}]\n",
        signer(0, 1).key(),
        signer(1, 1).key()
    )
}

/// A folder with evidence and a trust file.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn of(lines: &[String]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("evidence.jsonl", &lines.concat());
        folder.put("trust.yaml", &trust());
        folder
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
