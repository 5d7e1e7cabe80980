//! Data subjects' requests: the log of them, each step as it was recorded, and what the chart of open requests is made of.

mod last;
mod outcome;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::opt_outs;
use super::sums::terms;
use super::{Asked, Column, Table, number, text};
use crate::cli::audit::period::Period;
use crate::contract::{Count, KeptRows};
use crate::evidence::{Record, body, canonical};
use last::is_request;
pub(in crate::cli::audit) use last::{Last, last};
use outcome::{law, outcome, standings};

const REQUESTS: &[Column] = &[
    text("request", "Request"),
    text("region", "Region"),
    text("record", "Last record"),
    text("asked", "Asked for"),
    text("jurisdictions", "Law of"),
    text("received", "Received"),
    text("verified", "Identity verified"),
    text("acknowledged", "Acknowledged"),
    text("extended", "Extended"),
    text("paused", "Clock stood still"),
    text("notice", "Notice before erasure"),
    text("state", "State here"),
    text("ended", "Answered"),
    text("ground", "Ground of a refusal"),
    text("deadlines", "Deadlines"),
    text("late", "Too late"),
    number("found", "Found"),
    number("erased", "Erased"),
    number("restricted", "Restricted"),
    number("kept", "Kept by law"),
    number("held", "Held"),
    number("blocked", "Blocked"),
    number("failed", "Failed"),
    number("gone", "Gone"),
    number("remaining", "Remaining"),
    text("sum", "Adds up"),
    text("grounds", "Grounds of what is kept"),
    text("unasked", "Not looked at"),
    number("lifted", "Shown again"),
    number("suppressed", "Values suppressed"),
    text("recipients", "Recipients"),
    text("receipt", "Receipt"),
];

const STEPS: &[Column] = &[
    text("request", "Request"),
    text("region", "Region"),
    text("record", "Record"),
    text("recorded", "Recorded"),
    text("step", "Step"),
    text("at", "When it happened"),
    text("by", "By"),
    text("facts", "What was recorded"),
];

/// What the chart of open requests is made of.
pub(super) fn asked(all: &[Last<'_>]) -> Vec<Asked> {
    let asked = |one: &Last<'_>| {
        let request = one.request.as_ref()?;
        let moment = |text: &Option<String>| text.as_ref().and_then(|at| at.parse().ok());
        let clocks = request.deadlines.iter().filter(|clock| !clock.stands_still);
        let clocks = clocks.filter_map(|clock| Some((moment(&clock.ends)?, moment(&clock.met_at))));
        Some(Asked {
            region: one.record.region.clone(),
            received: one.received()?,
            ended: one.ended(),
            clocks: clocks.collect(),
        })
    };
    all.iter().filter_map(asked).collect()
}

/// The log, and each step.
pub(super) fn requests(all: &[Last<'_>], records: &[Record], period: &Period) -> [Table; 4] {
    let latest = records.iter().map(|record| record.at).max();
    let by = latest.map_or(period.to, |latest| latest.min(period.to));
    [
        Table {
            id: "requests",
            title: "Requests",
            note: "Every request of a data subject that was open in the period, or of which something was recorded in it: how it stood in each region when the period ended, in rows of persons. It adds up when found = erased + restricted + kept + held + blocked + failed + gone + remaining; each number was counted for itself. A copy finds rows and takes none away. Not looked at are tables and channels with personal data of which nothing says how the person is found there: what they have of the person is in none of these numbers. Suppressed are values of the person, by keyed hashes, so that a restore brings nobody back. Recipients are told what was done, and how many of them stand how is what they answered. Too late are deadlines that had passed by the last record or the end of the period, but for those that stand still by the law while a question to the person is open. No record holds who asked.",
            columns: REQUESTS,
            rows: all.iter().map(|one| row(one, by)).collect(),
        },
        Table {
            id: "request-steps",
            title: "Steps of requests",
            note: "What was recorded of requests in the period, in its order: each step of people with its moment, and each change of what a region's stores say. Two steps between two looks are in one record.",
            columns: STEPS,
            rows: steps(records, period),
        },
        opt_outs::opt_outs(all),
        super::reapplied::reapplied(records, period),
    ]
}

fn row(one: &Last<'_>, by: Timestamp) -> Vec<String> {
    let mut row = vec![
        one.record.about.name.clone(),
        one.record.region.clone(),
        one.record.sequence.to_string(),
    ];
    let Some(request) = &one.request else {
        row.push("unreadable".to_owned());
        row.resize(REQUESTS.len(), String::new());
        return row;
    };
    let when = |step: &str| {
        let of = request.steps.iter().filter(|one| one.step == step);
        each(of, |step| match &step.until {
            Some(until) => format!("{} to {until}", step.at),
            None => step.at.clone(),
        })
    };
    let any = |steps: &[&str]| {
        let told = steps.iter().map(|step| (step, when(step)));
        let told = told.filter(|(_, at)| !at.is_empty());
        each(told, |(step, at)| format!("{step}: {at}"))
    };
    let refused = request.steps.iter().filter(|one| one.step == "Refused");
    let deleted = if request.deleted {
        ", its object deleted"
    } else {
        ""
    };
    row.extend([
        request.kind.clone(),
        request.jurisdictions.join(", "),
        request.received.clone(),
        when("Verified"),
        when("Acknowledged"),
        when("Extended"),
        when("Paused"),
        any(&["NoticeSent", "NoticeArrived"]),
        format!("{}{deleted}", request.state),
        any(&[
            "UpheldErase",
            "UpheldRestrict",
            "Answered",
            "Refused",
            "Cancelled",
            "Lifted",
        ]),
        each(refused, |step| step.ground.clone().unwrap_or_default()),
        each(request.deadlines.iter(), |it| clock(request, it)),
        each(one.late(by).into_iter(), |it| clock(request, it)),
    ]);
    row.extend(numbers(one, &request.kind));
    let receipt = request.receipt.as_ref();
    row.push(receipt.map_or_else(String::new, came));
    row
}

/// What came of a request, and by when it has come of backups too.
fn came(receipt: &body::RequestReceipt) -> String {
    let by = receipt.gone_by.as_ref();
    let by = by.map(|by| format!(", gone from backups by {by}"));
    format!(
        "{}: {}{}",
        receipt.outcome,
        receipt.hash,
        by.unwrap_or_default()
    )
}

/// Rows by term, whether they add up, the grounds of what stays, and where nobody looked.
fn numbers(one: &Last<'_>, kind: &str) -> Vec<String> {
    let outcome = one.request.as_ref().and_then(|one| one.outcome.as_ref());
    let mut told = terms(outcome, is_copy(kind));
    let grounds = one.tables().flat_map(|table| &table.grounds);
    told.push(each(grounds, |kept: &KeptRows| {
        format!("{}: {}", law(kept), kept.rows)
    }));
    told.push(outcome.map_or_else(String::new, |outcome| outcome.unasked.join(", ")));
    let count = |count: Option<Count>| count.map_or_else(String::new, |count| count.to_string());
    told.push(count(outcome.and_then(|outcome| outcome.lifted)));
    told.push(count(outcome.and_then(|outcome| outcome.suppressed)));
    told.push(outcome.map_or_else(String::new, |outcome| standings(&outcome.recipients)));
    told
}

/// What is delivered takes no rows away.
pub(in crate::cli::audit) fn is_copy(kind: &str) -> bool {
    matches!(kind, "Access" | "Portability")
}

fn clock(request: &body::Request, clock: &body::RequestClock) -> String {
    let body::RequestClock {
        regime, step, law, ..
    } = clock;
    let ends = clock.ends.as_ref().unwrap_or(&clock.within);
    let met = clock.met_at.as_ref();
    let met = met.map_or_else(String::new, |at| format!(", done {at}"));
    let open = |step: &&body::RequestStep| step.step == "Paused" && step.until.is_none();
    let since = request.steps.iter().filter(open).map(|step| &step.at).min();
    let still = since.filter(|_| clock.stands_still);
    let still = still.map_or_else(String::new, |at| format!(", stands still since {at}"));
    format!("{regime} {step} before {ends} ({law}){still}{met}")
}

fn each<T>(all: impl Iterator<Item = T>, told: impl Fn(T) -> String) -> String {
    all.map(told).collect::<Vec<_>>().join("; ")
}

/// What each record of the period says that the one before it about the same request did not.
fn steps(records: &[Record], period: &Period) -> Vec<Vec<String>> {
    let mut before: BTreeMap<(&str, &str), body::Request> = BTreeMap::new();
    let mut rows: Vec<(Timestamp, Vec<String>)> = Vec::new();
    for record in records.iter().filter(|one| is_request(one)) {
        let key = (record.about.name.as_str(), record.region.as_str());
        let Ok(now) = canonical::read::<body::Request>(&record.body) else {
            if period.has(record.at) {
                rows.push((record.at, step(record, "unreadable", ["", "", ""])));
            }
            continue;
        };
        if period.has(record.at) {
            let news = news(record, before.get(&key), &now);
            rows.extend(news.into_iter().map(|row| (record.at, row)));
        }
        before.insert(key, now);
    }
    rows.sort_by(|a, b| (a.0, &a.1[..2]).cmp(&(b.0, &b.1[..2])));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn step(record: &Record, step: &str, [at, by, facts]: [&str; 3]) -> Vec<String> {
    let mut row = vec![
        record.about.name.clone(),
        record.region.clone(),
        record.sequence.to_string(),
        record.at.to_string(),
    ];
    row.extend([step, at, by, facts].map(str::to_owned));
    row
}

fn news(record: &Record, before: Option<&body::Request>, now: &body::Request) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if before.is_none() {
        let facts = format!("{}; law of {}", now.kind, now.jurisdictions.join(", "));
        rows.push(step(record, "Received", [&now.received, "", &facts]));
    }
    let known = before.map_or(&[][..], |before| &before.steps);
    for one in now.steps.iter().filter(|one| !known.contains(one)) {
        let until = one.until.as_ref().map(|until| format!("until {until}"));
        let facts = each(one.ground.iter().cloned().chain(until), |it| it);
        let by = one.by.as_deref().unwrap_or_default();
        rows.push(step(record, &one.step, [&one.at, by, &facts]));
    }
    for one in known.iter().filter(|one| !now.steps.contains(one)) {
        let facts = format!("{} of {} is no longer so", one.step, one.at);
        rows.push(step(record, "Corrected", ["", "", &facts]));
    }
    let ends = |request: &body::Request| -> Vec<(Option<String>, bool)> {
        let all = request.deadlines.iter();
        all.map(|it| (it.ends.clone(), it.stands_still)).collect()
    };
    if before.is_none_or(|before| ends(before) != ends(now)) {
        let facts = each(now.deadlines.iter(), |it| clock(now, it));
        rows.push(step(record, "Deadlines", ["", "", &facts]));
    }
    if now.outcome.is_some() && before.is_none_or(|before| before.outcome != now.outcome) {
        let facts = now.outcome.as_ref().map(outcome).unwrap_or_default();
        rows.push(step(record, "Outcome", ["", "", &facts]));
    }
    if let Some(receipt) = &now.receipt
        && before.is_none_or(|before| before.receipt != now.receipt)
    {
        let facts = came(receipt);
        rows.push(step(record, "Receipt", ["", "", &facts]));
    }
    if now.deleted && before.is_none_or(|before| !before.deleted) {
        rows.push(step(record, "Deleted", ["", "", "the object on the hub"]));
    }
    rows
}
