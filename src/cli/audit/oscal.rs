//! The export as OSCAL assessment results (NIST, 1.1.2), for programs that take in evidence of controls.
//!
//! Of OSCAL's models this one is for what was found, at a time, with the observations that show it. It is no assessor's
//! judgement: each finding is of an objective of our own, and the document says so. Nothing in it is of the moment: its
//! dates are the records', its identifiers are made of their hashes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::export::Book;
use super::tables::superseded::superseded;
use super::tables::{Case, Last, Spell, Step, facts, is_copy, last, spells, standing_of};
use crate::cli::input::Error;
use crate::contract::RetainMode;
use crate::evidence::body::OpenFinding;
use crate::evidence::{Hash, Kind, Record, Standing, Value, body, canonical, standing};

/// The version of OSCAL whose schema it fits.
const OSCAL: &str = "1.1.2";
/// Whose properties these are.
const NAMESPACE: &str = "https://tradewind.dev/ns/oscal";
const UUID: &str = "tradewind.dev/oscal/uuid\n";

/// The document.
pub(super) fn text(book: &Book) -> Result<String, Error> {
    let within: Vec<&Record> = book.all.iter().filter(|r| book.period.has(r.at)).collect();
    let latest = within.iter().map(|record| record.at).max();
    let digest = digest(&within);
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
        "results": [result(book, &within, &digest)],
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

fn result(book: &Book, within: &[&Record], digest: &str) -> Json {
    let observations = within.iter().map(|record| observation(record));
    let cases = book.tables.cases.iter().map(|case| sample(case, within));
    let observations: Vec<Json> = observations.chain(cases).collect();
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
        "findings": findings(book, within, digest),
    });
    // An empty list has no place in the schema.
    if !observations.is_empty() {
        result["observations"] = observations.into();
    }
    result
}

fn described(book: &Book) -> String {
    let what = "An observation for each record of the period, and what follows from all of them.";
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

/// A case with its trail: what of it is of the period, by its own observation.
fn sample(case: &Case, within: &[&Record]) -> Json {
    let step = |step: &Step| {
        let Some(record) = &step.record else {
            return json!({"description": format!("{}: not in this evidence", step.what)});
        };
        let place = format!("{}-{:010}", record.region, record.sequence);
        let mut told = json!({
            "description": format!("{}: record {place}, {}", step.what, record.hash()),
        });
        if within
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

/// Something that holds, or does not, with the records that show it.
struct Objective<'a> {
    id: &'static str,
    title: &'static str,
    says: String,
    holds: bool,
    shown: Vec<&'a Record>,
}

fn findings(book: &Book, within: &[&Record], digest: &str) -> Vec<Json> {
    let requests = last(&book.all, &book.period);
    let latest = book.all.iter().map(|record| record.at).max();
    let by = latest.map_or(book.period.to, |latest| latest.min(book.period.to));
    let mut objectives = vec![
        add_up(within),
        covered(within),
        persons_add_up(&requests),
        answered_in_time(&requests, by),
    ];
    objectives.extend(nothing_severe(book, within));
    if let Some(found) = &book.found {
        let faults: Vec<String> = found.faults().iter().map(ToString::to_string).collect();
        let said: Vec<String> = faults
            .into_iter()
            .chain(book.open.iter().cloned())
            .collect();
        let holds = said.is_empty();
        objectives.push(Objective {
            id: "evidence-verified",
            title: "The evidence is whole, unchanged and signed by trusted keys, reaches the end of the period, and no run that was due is missing",
            says: if holds { "no fault was found".to_owned() } else { said.join("; ") },
            holds,
            shown: Vec::new(),
        });
    }
    let finding = |objective: &Objective<'_>| finding(objective, digest, &book.period.name);
    objectives.iter().map(finding).collect()
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

/// Of every run that erased each due row has one fate.
fn add_up<'a>(within: &[&'a Record]) -> Objective<'a> {
    let (mut shown, mut wrong, mut open) = (Vec::new(), Vec::new(), 0);
    let told_again = superseded(within.iter().copied());
    let once = |record: &&&Record| {
        let place = (record.region.as_str(), record.sequence);
        record.kind == Kind::Run && !told_again.contains_key(&place)
    };
    for record in within.iter().filter(once) {
        shown.push(*record);
        let Ok(run) = canonical::read::<body::Run>(&record.body) else {
            wrong.push(format!(
                "{} {} cannot be read",
                record.region, record.sequence
            ));
            continue;
        };
        let told = run
            .rules
            .iter()
            .filter(|rule| match standing(&rule.sum(), &rule.commitments) {
                Standing::Broken => true,
                // A preview only counts what is due.
                Standing::Alone => run.mode == Some(RetainMode::Enforce),
                Standing::Open => {
                    open += 1;
                    false
                }
                Standing::Told | Standing::Committed => false,
            });
        let place = format!("{} {}", record.region, record.sequence);
        wrong.extend(told.map(|rule| format!("{place}, rule {}", rule.name)));
    }
    Objective {
        id: "runs-add-up",
        title: "Every due row of a run was erased, or was not for a reason that was counted",
        says: if wrong.is_empty() {
            let not_known = match open {
                0 => String::new(),
                rules => format!(", but for {rules} rules of which that is not known"),
            };
            format!("{} runs, each of which adds up{not_known}", shown.len())
        } else {
            format!("these do not add up: {}", wrong.join("; "))
        },
        holds: wrong.is_empty(),
        shown,
    }
}

/// Of every request each row that was found has one fate.
fn persons_add_up<'a>(requests: &[Last<'a>]) -> Objective<'a> {
    let wrong: Vec<String> = requests
        .iter()
        .filter(|one| {
            let Some(request) = &one.request else {
                return true;
            };
            match standing_of(one) {
                Standing::Broken => true,
                Standing::Alone => !is_copy(&request.kind),
                Standing::Told | Standing::Committed | Standing::Open => false,
            }
        })
        .map(|one| format!("{} in {}", one.record.about.name, one.record.region))
        .collect();
    Objective {
        id: "requests-add-up",
        title: "Every row of a person who asked went, or stayed for a reason that was counted",
        says: if wrong.is_empty() {
            format!(
                "{} requests by region, each of which adds up",
                requests.len()
            )
        } else {
            format!("these do not add up: {}", wrong.join("; "))
        },
        holds: wrong.is_empty(),
        shown: requests.iter().map(|one| one.record).collect(),
    }
}

/// No deadline of a request passed before what it is for was done.
fn answered_in_time<'a>(requests: &[Last<'a>], by: Timestamp) -> Objective<'a> {
    let late = |one: &Last<'a>| {
        let (name, region) = (&one.record.about.name, &one.record.region);
        let late = one.late(by);
        let late: Vec<String> = late
            .iter()
            .map(|clock| format!("{} of {} ({})", clock.step, clock.regime, clock.law))
            .collect();
        (!late.is_empty()).then(|| format!("{name} in {region}: {}", late.join(", ")))
    };
    let late: Vec<String> = requests.iter().filter_map(late).collect();
    Objective {
        id: "requests-in-time",
        title: "No deadline of a request passed before it was met",
        says: if late.is_empty() {
            "no record of a request that was open in the period tells of a deadline that was missed"
                .to_owned()
        } else {
            format!("too late: {}", late.join("; "))
        },
        holds: late.is_empty(),
        shown: requests.iter().map(|one| one.record).collect(),
    }
}

/// No table with personal data is without a rule, by the last word on each policy.
fn covered<'a>(within: &[&'a Record]) -> Objective<'a> {
    let last = last_coverage(within);
    let open = |record: &&&Record| match record.body.get("uncovered") {
        Some(Value::List(list)) => !list.is_empty(),
        _ => false,
    };
    let open: Vec<String> = last
        .values()
        .filter(open)
        .map(|record| format!("{} in {}", record.about.name, record.region))
        .collect();
    Objective {
        id: "tables-covered",
        title: "No table of the stores is without a rule",
        says: if open.is_empty() {
            "no record of the period tells of a table without a rule".to_owned()
        } else {
            format!("tables without a rule: {}", open.join("; "))
        },
        holds: open.is_empty(),
        shown: last.into_values().collect(),
    }
}

/// No finding of high severity was open when the period ended. Nothing is said where no record tells findings.
fn nothing_severe<'a>(book: &'a Book, within: &[&'a Record]) -> Option<Objective<'a>> {
    let all = spells(&book.all, &book.period)?;
    let open: Vec<&Spell<'_>> = all.iter().filter(|one| one.is_open()).collect();
    let severe = open.iter().filter(|one| one.finding.severity == "High");
    let told: Vec<String> = severe
        .map(|one| {
            let OpenFinding {
                check, place, law, ..
            } = &one.finding;
            let (policy, region) = (&one.last.about.name, &one.last.region);
            format!("{policy} in {region}: {check} at {place} ({law})")
        })
        .collect();
    Some(Objective {
        id: "nothing-severe-missing",
        title: "No finding of high severity was open when the period ended",
        says: if told.is_empty() {
            format!(
                "no finding of high severity was open, and {} lesser ones",
                open.len()
            )
        } else {
            format!(
                "{} findings were open, these of high severity: {}",
                open.len(),
                told.join("; ")
            )
        },
        holds: told.is_empty(),
        shown: last_coverage(within).into_values().collect(),
    })
}

/// The last word on what each policy covers in each region.
fn last_coverage<'a>(within: &[&'a Record]) -> BTreeMap<(&'a str, &'a str), &'a Record> {
    let of_kind = within.iter().filter(|record| record.kind == Kind::Coverage);
    let place = |record: &&'a Record| {
        let record: &'a Record = record;
        (record.about.name.as_str(), record.region.as_str())
    };
    of_kind.map(|record| (place(record), *record)).collect()
}

/// What stands for all records of the period.
fn digest(within: &[&Record]) -> String {
    let hashes: Vec<[u8; 32]> = within.iter().map(|record| record.hash().0).collect();
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
