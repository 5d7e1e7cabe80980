//! Opt-outs of a sale or a sharing: what was stopped, since when, and whether it is again.

use super::requests::Last;
use super::{Column, Table, number, text};
use crate::contract::{OptedOut, RequestState, SEVERAL};
use crate::evidence::body;

/// The kind of request, as records have it.
const KIND: &str = "OptOut";

const OPT_OUTS: &[Column] = &[
    text("request", "Request"),
    text("region", "Region"),
    text("record", "Last record"),
    text("received", "Received"),
    text("state", "State here"),
    text("channel", "Channel"),
    text("store", "Store"),
    number("stopped", "Sinks stopped"),
    text("sinks", "Sinks"),
    text("since", "In force since"),
    text("lifted", "Lifted"),
];

/// What each request has stopped, channel by channel.
pub(super) fn opt_outs(all: &[Last<'_>]) -> Table {
    Table {
        id: "opt-outs",
        title: "Opt-outs of sale and sharing",
        note: "Each channel that sends nothing about the person of a request to the sinks that are a sale or a sharing: how many sinks, and from when on, by the clock of the connector's own database, no event has been sent there and no attempt was under way any more. Of one that was lifted, when that was recorded, and whether it is done. Without a channel there was nothing to stop, or nothing is reported yet. A channel whose platform knows the person by no value that was given has stopped nothing.",
        columns: OPT_OUTS,
        rows: all.iter().flat_map(rows).collect(),
    }
}

fn rows(one: &Last<'_>) -> Vec<Vec<String>> {
    let Some(request) = one.request.as_ref().filter(|it| it.kind == KIND) else {
        return Vec::new();
    };
    let outcome = request.outcome.as_ref();
    let told = outcome.map_or(&[][..], |outcome| &outcome.opted_out);
    let row = |channel: [String; 5]| {
        let mut row = vec![
            one.record.about.name.clone(),
            one.record.region.clone(),
            one.record.sequence.to_string(),
            request.received.clone(),
            request.state.clone(),
        ];
        row.extend(channel);
        row.push(lifted(request));
        row
    };
    if told.is_empty() {
        let is_done = outcome.is_some_and(|outcome| outcome.progress == RequestState::Verified);
        let why = if is_done { "nothing to stop" } else { "" };
        return vec![row([
            why.to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ])];
    }
    let channels = told.iter().map(|told| {
        row([
            named(&told.channel),
            named(&told.store),
            told.stopped().to_string(),
            sinks(told),
            told.in_force_since.clone().unwrap_or_default(),
        ])
    });
    channels.collect()
}

/// A name, or that it stands for several for which a report had no room.
fn named(name: &str) -> String {
    if name == SEVERAL {
        "several".to_owned()
    } else {
        name.to_owned()
    }
}

/// Names of sinks; where a report had no room for them there are none.
fn sinks(told: &OptedOut) -> String {
    if told.subjects.is_zero() {
        return "the person is not known there".to_owned();
    }
    told.sinks.join(", ")
}

/// When somebody recorded that it ends, and whether it has ended here.
fn lifted(request: &body::Request) -> String {
    let ends = ["Lifted", "Cancelled", "Refused"];
    let mut steps = request.steps.iter();
    let Some(step) = steps.find(|step| ends.contains(&&*step.step)) else {
        return String::new();
    };
    let is_done = request
        .outcome
        .as_ref()
        .is_none_or(|outcome| outcome.progress == RequestState::Lifted);
    let left = if is_done { "" } else { ", not done yet" };
    format!("{}: {}{left}", step.step, step.at)
}

/// The same in a sentence, for the steps of requests.
pub(super) fn told(told: &OptedOut) -> String {
    let (channel, sinks) = (named(&told.channel), told.stopped());
    match &told.in_force_since {
        Some(since) => format!("{channel}: {sinks} sinks stopped since {since}"),
        None => format!("{channel}: no sink stopped"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Kind, Tip, canonical};

    /// What is shown of a request, without what names the row.
    fn shown(more: &Value) -> Vec<Vec<String>> {
        let mut body = json!({"state": "Done", "kind": "OptOut", "received": "2026-11-02T09:30:00-08:00",
            "jurisdictions": ["US-CA"], "zone": "America/Los_Angeles"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let entry = Entry {
            kind: Kind::Request,
            at: "2026-11-05T10:00:00Z".parse().unwrap(),
            about: About::cluster("DataSubjectRequest", "opt-out-3"),
            source: "u/1".to_owned(),
            body: canonical::object(&body).unwrap(),
        };
        let record = entry.append("us-west", &Tip::genesis("f", "us-west"));
        let request = canonical::read(&record.body).ok();
        let last = Last {
            record: &record,
            request,
        };
        let table = opt_outs(&[last]);
        assert!(table.rows.iter().all(|row| row.len() == OPT_OUTS.len()));
        assert!(
            table
                .rows
                .iter()
                .all(|row| row[0] == "opt-out-3" && row[1] == "us-west")
        );
        table
            .rows
            .into_iter()
            .map(|row| row[4..].to_vec())
            .collect()
    }

    fn outcome(action: &str, progress: &str) -> Value {
        json!({"progress": progress, "action": action, "optedOut": [
            {"store": "inbox", "channel": "aurora/partner", "sinks": ["ads", "lookalike"], "subjects": 1, "inForceSince": "2026-11-05T09:00:08.1Z"},
            {"store": "inbox", "channel": "aurora/shop", "sinks": ["ads"]},
            {"store": "...", "channel": "...", "unnamedSinks": 7, "subjects": "<5", "inForceSince": "2026-11-05T09:00:09.2Z"}]})
    }

    #[test]
    fn each_channel_says_how_many_sinks_it_stopped_since_when_and_whether_that_was_lifted() {
        let row = |cells: [&str; 7]| cells.map(str::to_owned).to_vec();
        let rows = |state: &str, lifted: &str| {
            vec![
                row([
                    state,
                    "aurora/partner",
                    "inbox",
                    "2",
                    "ads, lookalike",
                    "2026-11-05T09:00:08.1Z",
                    lifted,
                ]),
                row([
                    state,
                    "aurora/shop",
                    "inbox",
                    "0",
                    "the person is not known there",
                    "",
                    lifted,
                ]),
                row([
                    state,
                    "several",
                    "several",
                    "7",
                    "",
                    "2026-11-05T09:00:09.2Z",
                    lifted,
                ]),
            ]
        };
        let stopped = outcome("OptOut", "Verified");
        assert_eq!(shown(&json!({"outcome": stopped})), rows("Done", ""));
        // Recorded, and not done yet; then done.
        let steps = json!([{"step": "Lifted", "at": "2027-02-01T10:00:00Z", "by": "dpo", "ground": "they opt in again"}]);
        let more = json!({"outcome": stopped, "steps": steps});
        let waits = "Lifted: 2027-02-01T10:00:00Z, not done yet";
        assert_eq!(shown(&more), rows("Done", waits));
        let more = json!({"state": "Lifted", "outcome": outcome("Lift", "Lifted"), "steps": steps});
        assert_eq!(shown(&more), rows("Lifted", "Lifted: 2027-02-01T10:00:00Z"));
    }

    #[test]
    fn where_nothing_is_sold_it_says_so_and_before_a_report_it_says_nothing() {
        let only = |more: &Value| shown(more).remove(0)[..2].to_vec();
        let nothing = json!({"outcome": {"progress": "Verified", "action": "OptOut"}});
        assert_eq!(only(&nothing), ["Done", "nothing to stop"]);
        assert_eq!(only(&json!({"state": "Working"})), ["Working", ""]);
        assert!(shown(&json!({"kind": "Erasure"})).is_empty());
    }
}
