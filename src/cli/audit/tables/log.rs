//! Approvals, coverage and changes: a row for each record of the period, and for what stood when it began.

use super::changed::changed;
use super::concept::plain;
use super::standing::standing;
use super::{Column, Period, Table, text};
use crate::evidence::{Kind, Record, Value, body};

const LOG: &[Column] = &[
    text("at", "When"),
    text("region", "Region"),
    text("record", "Record"),
    text("kind", "Kind"),
    text("about", "About"),
    text("facts", "What was recorded"),
];

/// A table each. An empty one says that nothing of the kind was recorded, and nothing stood. What a change changed is worked out over
/// all that is known, also of before the period.
pub(super) fn logs(known: &[Record], period: &Period) -> [Table; 5] {
    let within = |kinds: &[Kind]| {
        let of_it = |one: &&Record| kinds.contains(&one.kind) && period.has(one.at);
        known.iter().filter(of_it).collect::<Vec<_>>()
    };
    let log = |id, title, note, mut of: Vec<&Record>| {
        of.sort_by(|a, b| (a.at, &a.region, a.sequence).cmp(&(b.at, &b.region, b.sequence)));
        Table {
            id,
            title,
            note,
            columns: LOG,
            rows: of.iter().map(|record| row(record, known)).collect(),
        }
    };
    [
        log(
            "approvals",
            "Approvals",
            "Who approved which preview. What was approved is what the run with the same hash counted.",
            within(&[Kind::Approval]),
        ),
        super::holds::holds(standing(known, Kind::Hold, period)),
        log(
            "coverage",
            "Coverage",
            "What rules of policies cover, and what they do not: what was so when the period began, by a record of before it, and each change in it. Of a channel: which regimes the law of the region called for and no policy carried for it, until a record says that it has ended; which policy came nearest, and which tables it has no rule for. A channel without a row was covered, or older releases recorded nothing of it. What else was missing when is in the table Findings.",
            standing(known, Kind::Coverage, period),
        ),
        log(
            "changes",
            "Changes of policies, packs and transfers",
            "When which rules began to hold: of each change of a policy which rules were added, removed or became others, with what they said before and after; of the first that is known, all its rules. Who changed a policy stands in the hub's audit log.",
            within(&[Kind::PolicyChange, Kind::PackChange, Kind::TransferChange]),
        ),
        log(
            "chain",
            "Keys and seals",
            "Changes of the key that signs, and records that went into an archive.",
            within(&[Kind::KeyRotation, Kind::Seal]),
        ),
    ]
}

/// What a record says, for a reader.
pub(in crate::cli::audit) fn facts(record: &Record) -> String {
    let is_for_programs = |key: &str| match record.kind {
        // The register and the deletion concept have the whole of it, and the log what changed of it.
        Kind::PolicyChange => key == "spec",
        Kind::KeyRotation => key == "named",
        Kind::Seal => key == "sources",
        // The table of findings has them, each with its time.
        Kind::Coverage => matches!(key, "findings" | "moreFindings"),
        _ => false,
    };
    let told = record.body.iter().filter(|(key, _)| !is_for_programs(key));
    let told = told.map(|(key, value)| match value {
        // The deletion concept has them.
        Value::List(rules) if record.kind == Kind::PackChange && key == body::OWN_RULES => {
            format!("{key}: {} rules", rules.len())
        }
        _ => format!("{key}: {}", plain(value)),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn row(record: &Record, known: &[Record]) -> Vec<String> {
    let changed = match record.kind {
        Kind::PolicyChange => changed(record, known),
        _ => Vec::new(),
    };
    let told = std::iter::once(facts(record)).chain(changed);
    vec![
        record.at.to_string(),
        record.region.clone(),
        record.sequence.to_string(),
        record.kind.to_string(),
        record.about.to_string(),
        told.collect::<Vec<_>>().join("; "),
    ]
}
