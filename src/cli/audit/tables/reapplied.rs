//! Erasures done over again in regions whose stores were restored.

use super::sums::terms;
use super::{Column, Table, number, text};
use crate::cli::audit::period::Period;
use crate::evidence::{Kind, Record, body, canonical};

const AGAIN: &[Column] = &[
    text("region", "Region"),
    text("record", "Record"),
    text("asked", "Asked for by"),
    text("job", "Job"),
    text("started", "Started"),
    text("ended", "Ended"),
    text("reason", "Outcome"),
    text("persons", "Values of erased persons"),
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
];

pub(super) fn reapplied(records: &[Record], period: &Period) -> Table {
    let of = records
        .iter()
        .filter(|one| one.kind == Kind::Request && one.about.kind == "Region")
        .filter(|one| period.has(one.at));
    Table {
        id: "reapplied",
        title: "Erased again after a restore",
        note: "Each time that whoever had been erased was erased again in stores that were restored, in rows. Runs of such a region stand still until it is done.",
        columns: AGAIN,
        rows: of.map(row).collect(),
    }
}

fn row(record: &Record) -> Vec<String> {
    let mut row = vec![record.region.clone(), record.sequence.to_string()];
    let Ok(again) = canonical::read::<body::Reapplied>(&record.body) else {
        row.push("unreadable".to_owned());
        row.resize(AGAIN.len(), String::new());
        return row;
    };
    let outcome = again.outcome.as_ref();
    let persons = outcome.and_then(|outcome| outcome.suppressed);
    row.extend([
        again.asked,
        again.job,
        again.started_at,
        again.finished_at,
        again.reason,
        persons.map_or_else(String::new, |count| count.to_string()),
    ]);
    row.extend(terms(outcome, false));
    row
}
