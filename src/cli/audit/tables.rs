//! What records say, as the tables that an auditor asks for. The same for every format, and made of records alone.

mod anonymised;
mod cases;
mod concept;
mod findings;
mod holds;
mod kept;
mod log;
mod opt_outs;
mod own;
mod reapplied;
mod registers;
mod requests;
mod runs;
mod sums;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use cases::{Case, Step};
pub(super) use findings::{Spell, spells};
pub(super) use log::facts;
pub(super) use requests::{Last, is_copy, last};
pub(super) use sums::standing_of;

use super::period::Period;
use crate::contract::Count;
use crate::evidence::{Kind, Record, body, canonical};

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// A word for programs and file names.
    pub(super) id: &'static str,
    /// A title for readers.
    pub(super) title: &'static str,
    /// What it is, and what it leaves out.
    pub(super) note: &'static str,
    /// The columns; the first ones name the row.
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// A word for programs.
    pub(super) key: &'static str,
    /// A heading for readers.
    pub(super) title: &'static str,
    /// Whether it holds numbers of rows.
    pub(super) number: bool,
}

pub(super) const fn text(key: &'static str, title: &'static str) -> Column {
    Column {
        key,
        title,
        number: false,
    }
}

const fn number(key: &'static str, title: &'static str) -> Column {
    Column {
        key,
        title,
        number: true,
    }
}

/// A run's numbers within the period, for the charts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) policy: String,
    pub(super) region: String,
    pub(super) day: jiff::civil::Date,
    pub(super) due: Count,
    pub(super) erased: Count,
}

/// A request in a region, for the chart of those that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) region: String,
    pub(super) received: jiff::Timestamp,
    /// When the person had their answer.
    pub(super) ended: Option<jiff::Timestamp>,
    /// Each deadline's end, and when it was met.
    pub(super) clocks: Vec<(jiff::Timestamp, Option<jiff::Timestamp>)>,
}

/// All that a report holds.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) tables: Vec<Table>,
    pub(super) ran: Vec<Ran>,
    pub(super) asked: Vec<Asked>,
    pub(super) cases: Vec<Case>,
}

/// Reads records into tables; of cases at most so many of a kind in a region.
pub(super) fn tables(records: &[Record], period: &Period, most: usize) -> Tables {
    let policies = policies(records, period);
    let within: Vec<&Record> = records.iter().filter(|r| period.has(r.at)).collect();
    let (runs, ran) = runs::runs(&within);
    let transfers = transfers(records, period);
    let requests = requests::last(records, period);
    let cases = cases::cases(records, period, most);
    let mut tables = vec![
        concept::register(&policies, &transfers),
        registers::lgpd(&policies, &transfers),
        registers::ccpa(&policies),
        concept::deletion(&policies),
        own::table(records, period),
        anonymised::register(&policies, records, period),
        runs,
    ];
    tables.extend(requests::requests(&requests, records, period));
    tables.extend(log::logs(&within));
    tables.push(findings::findings(records, period));
    tables.push(cases::table(&cases));
    Tables {
        tables,
        ran,
        asked: requests::asked(&requests),
        cases,
    }
}

/// On which grounds data could leave each region when the period ended: the last word on it.
fn transfers<'a>(records: &'a [Record], period: &Period) -> BTreeMap<&'a str, &'a Record> {
    let mut last: BTreeMap<&str, &Record> = BTreeMap::new();
    let changes = records
        .iter()
        .filter(|r| r.kind == Kind::TransferChange && r.at < period.to);
    for record in changes {
        let before = last.entry(record.region.as_str()).or_insert(record);
        if before.sequence < record.sequence {
            *before = record;
        }
    }
    last
}

/// What a policy asks for in a region.
struct InForce<'a> {
    record: &'a Record,
    policy: body::Policy,
}

/// The last word on each policy in each region before the period ended, for policies that were there at some time in it. One
/// that only keeps, or is suspended, starts no runs and is there all the same.
fn policies<'a>(records: &'a [Record], period: &Period) -> Vec<InForce<'a>> {
    let mut last: BTreeMap<(&str, &str), InForce<'a>> = BTreeMap::new();
    let changes = records
        .iter()
        .filter(|r| r.kind == Kind::PolicyChange && r.at < period.to);
    for record in changes {
        let key = (record.about.name.as_str(), record.region.as_str());
        let Ok(policy) = canonical::read::<body::Policy>(&record.body) else {
            continue;
        };
        match last.get(&key) {
            Some(before) if before.record.sequence > record.sequence => {}
            _ => {
                last.insert(key, InForce { record, policy });
            }
        }
    }
    // What had ended before the period began is not of it.
    let covering = covering(records, period);
    last.retain(|of, one| one.policy.runs || period.has(one.record.at) || covering.contains(of));
    last.into_values().collect()
}

/// The policies, each with its region, whose coverage was still looked at when the period ended.
fn covering<'a>(records: &'a [Record], period: &Period) -> BTreeSet<(&'a str, &'a str)> {
    let mut last: BTreeMap<(&str, &str), &Record> = BTreeMap::new();
    let told = records
        .iter()
        .filter(|r| r.kind == Kind::Coverage && r.at < period.to);
    for record in told {
        let key = (record.about.name.as_str(), record.region.as_str());
        let before = last.entry(key).or_insert(record);
        if before.sequence < record.sequence {
            *before = record;
        }
    }
    let is_there = |record: &Record| {
        let told = canonical::read::<body::Coverage>(&record.body);
        told.is_ok_and(|told| !told.ended)
    };
    last.retain(|_, record| is_there(record));
    last.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    /// What was told of a policy that starts no runs, before the quarter began.
    fn is_of_the_quarter(coverage: &[serde_json::Value]) -> bool {
        let policy = json!({"generation": 1, "runs": false, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": {"rules": []}});
        let told = coverage.iter().map(|body| (Kind::Coverage, body));
        let told = std::iter::once((Kind::PolicyChange, &policy)).chain(told);
        let mut tip = Tip::genesis("f", "eu");
        let records = told.map(|(kind, body)| {
            let entry = Entry {
                kind,
                at: "2026-09-30T12:00:00Z".parse().unwrap(),
                about: About::cluster("DataPolicy", "tax-records"),
                source: "s".to_owned(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            record
        });
        let records: Vec<Record> = records.collect();
        !policies(&records, &Period::parse("2026-Q4").unwrap()).is_empty()
    }

    /// Its keeps bind whatever erases, so that the registers need it.
    #[test]
    fn a_policy_that_only_keeps_is_of_every_period_until_it_ends() {
        let looked = json!({"uncovered": [{"store": "shop", "table": "notes"}], "findings": []});
        let ended = json!({"uncovered": [], "findings": [], "ended": true});
        assert!(is_of_the_quarter(std::slice::from_ref(&looked)));
        assert!(!is_of_the_quarter(&[looked.clone(), ended.clone()]));
        assert!(is_of_the_quarter(&[looked.clone(), ended, looked]));
        assert!(!is_of_the_quarter(&[]));
    }
}
