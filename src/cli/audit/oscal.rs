//! The export as OSCAL assessment results (NIST, 1.1.2), for programs that take in evidence of controls.
//!
//! Of OSCAL's models this one is for what was found, at a time, with the observations that show it. It is no assessor's
//! judgement: each finding is of an objective of our own, and the document says so. Nothing in it is of the moment: its
//! dates are the records', its identifiers are made of their hashes.

mod channels;
mod objectives;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::export::Book;
use super::tables::{Case, Step, facts};
use crate::cli::input::Error;
use crate::evidence::{Hash, Record};
use objectives::{Objective, objectives};

/// The version of OSCAL whose schema it fits.
const OSCAL: &str = "1.1.2";
/// Whose properties these are.
const NAMESPACE: &str = "https://tradewind.dev/ns/oscal";
const UUID: &str = "tradewind.dev/oscal/uuid\n";

/// The document.
pub(super) fn text(book: &Book) -> Result<String, Error> {
    let within: Vec<&Record> = book.all.iter().filter(|r| book.period.has(r.at)).collect();
    let latest = within.iter().map(|record| record.at).max();
    let objectives = objectives(book, &within);
    let observed = observed(book, &objectives);
    let digest = digest(&observed);
    let plan = uuid(&[&digest, "no plan"]);
    let document = json!({"assessment-results": {
        "uuid": uuid(&[&digest, &book.period.name]),
        "metadata": {
            "title": format!("Evidence of retention and erasure, {}", book.period.name),
            "last-modified": latest.unwrap_or(book.period.from).to_string(),
            "version": digest,
            "oscal-version": OSCAL,
        },
        "import-ap": {"href": format!("#{plan}")},
        "results": [result(book, &objectives, &observed, &digest)],
        "back-matter": {"resources": [{
            "uuid": plan,
            "title": "No assessment plan",
            "description": "There is no assessment plan. These results are read from evidence that was recorded as it came about; whether a law or a control is met is for an assessor to judge.",
        }]},
    }});
    let mut text = serde_json::to_string_pretty(&document).map_err(Error::Json)?;
    text.push('\n');
    Ok(text)
}

/// The records of the period, and each of before it that shows what was so in it.
fn observed<'a>(book: &'a Book, objectives: &[Objective<'_>]) -> Vec<&'a Record> {
    let place = |record: &Record| (record.region.clone(), record.sequence);
    let shown = objectives.iter().flat_map(|one| &one.shown);
    let shown: BTreeSet<(String, u64)> = shown.map(|record| place(record)).collect();
    let all = book.all.iter();
    all.filter(|one| book.period.has(one.at) || shown.contains(&place(one)))
        .collect()
}

fn result(book: &Book, objectives: &[Objective<'_>], observed: &[&Record], digest: &str) -> Json {
    let observations = observed.iter().map(|record| observation(record));
    let cases = book.tables.cases.iter();
    let cases = cases.map(|case| sample(case, observed));
    let observations: Vec<Json> = observations.chain(cases).collect();
    let name = &book.period.name;
    let findings = objectives.iter().map(|one| finding(one, digest, name));
    let mut result = json!({
        "uuid": uuid(&[digest, "result", &book.period.name]),
        "title": format!("What was recorded in {}", book.period.name),
        "description": described(book),
        "start": book.period.from.to_string(),
        "end": book.period.to.to_string(),
        "reviewed-controls": {
            "description": "No catalogue is imported: each finding's target is an objective of this product's own, told in its description.",
            "control-selections": [{"include-all": {}}],
        },
        "findings": findings.collect::<Vec<_>>(),
    });
    // An empty list has no place in the schema.
    if !observations.is_empty() {
        result["observations"] = observations.into();
    }
    result
}

fn described(book: &Book) -> String {
    let what = "An observation for each record of the period and for each of before it that shows what was so in it, and what follows from all of them.";
    let said =
        std::iter::once(what.to_owned()).chain(book.open.iter().map(|open| format!("{open}.")));
    said.collect::<Vec<_>>().join(" ")
}

fn observation(record: &Record) -> Json {
    let facts = facts(record);
    let place = format!("{}-{:010}", record.region, record.sequence);
    json!({
        "uuid": of(record),
        "title": format!("{} of {} in {}", record.kind, record.about, record.region),
        "description": if facts.trim().is_empty() { "nothing more was recorded" } else { facts.trim() },
        "props": [
            {"name": "record", "ns": NAMESPACE, "value": place},
            {"name": "hash", "ns": NAMESPACE, "value": record.hash().to_string()},
        ],
        "methods": ["EXAMINE"],
        "types": ["historic"],
        "collected": record.at.to_string(),
    })
}

/// A case with its trail: what of it has an observation, by that.
fn sample(case: &Case, observed: &[&Record]) -> Json {
    let step = |step: &Step| {
        let Some(record) = &step.record else {
            return json!({"description": format!("{}: not in this evidence", step.what)});
        };
        let place = format!("{}-{:010}", record.region, record.sequence);
        let mut told = json!({
            "description": format!("{}: record {place}, {}", step.what, record.hash()),
        });
        if observed
            .iter()
            .any(|one| one.sequence == record.sequence && one.region == record.region)
        {
            told["href"] = format!("#{}", of(record)).into();
        }
        told
    };
    let last = case.steps.iter().filter_map(|step| step.record.as_ref());
    let at = last.map(|record| record.at).max().unwrap_or_default();
    json!({
        "uuid": uuid(&["case", &case.name, &at.to_string()]),
        "title": format!("Case sample: {}", case.name),
        "description": format!("{}, drawn {} by the region's chain as it stood when the period ended", case.about, case.drawn),
        "methods": ["EXAMINE"],
        "types": ["case-sample"],
        "relevant-evidence": case.steps.iter().map(step).collect::<Vec<_>>(),
        "collected": at.to_string(),
    })
}

fn finding(objective: &Objective<'_>, digest: &str, period: &str) -> Json {
    let (state, reason) = if objective.holds {
        ("satisfied", "pass")
    } else {
        ("not-satisfied", "fail")
    };
    let shown: Vec<Json> = objective
        .shown
        .iter()
        .map(|record| json!({"observation-uuid": of(record)}))
        .collect();
    let mut finding = json!({
        "uuid": uuid(&[digest, objective.id, period]),
        "title": objective.title,
        "description": objective.says,
        "target": {
            "type": "objective-id",
            "target-id": objective.id,
            "status": {"state": state, "reason": reason},
        },
    });
    if !shown.is_empty() {
        finding["related-observations"] = shown.into();
    }
    finding
}

/// What stands for all records that are observed.
fn digest(observed: &[&Record]) -> String {
    let hashes: Vec<[u8; 32]> = observed.iter().map(|record| record.hash().0).collect();
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    Hash::of(UUID, &parts).to_string()
}

/// A record's own.
fn of(record: &Record) -> String {
    uuid(&[&record.hash().to_string()])
}

/// An identifier of the form of type 4, which is pseudorandom: here by a hash, so that it is the same each time.
fn uuid(parts: &[&str]) -> String {
    let ended: Vec<&[u8]> = parts
        .iter()
        .flat_map(|part| [part.as_bytes(), &b"\0"[..]])
        .collect();
    let mut bytes = Hash::of(UUID, &ended).0;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(&bytes[..16]);
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]);
    groups.join("-")
}
