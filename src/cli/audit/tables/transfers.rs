//! Transfers: on which instruments data could leave each region in the period, as its Region had them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::concept::objects;
use super::standing::told_last;
use super::{Column, Period, Table, text};
use crate::evidence::{Kind, Object, Record, Value};

const TRANSFERS: &[Column] = &[
    text("region", "Region"),
    text("transfer", "Transfer"),
    text("to", "To"),
    text("instrument", "Instrument"),
    text("reference", "Reference"),
    text("from", "Valid from"),
    text("until", "Valid until"),
    text("recorded", "Recorded since"),
    text("ended", "Taken out or changed"),
    text("valid", "Valid when the period ended"),
];

/// What names a transfer: another word in one of these makes it another.
const NAMED: [&str; 6] = [
    "name",
    "to",
    "instrument",
    "reference",
    "validFrom",
    "validUntil",
];

/// A transfer as it stood from one record to another.
struct Spell<'a> {
    region: &'a str,
    /// By [`NAMED`].
    words: [String; 6],
    since: &'a Record,
    ended: Option<Timestamp>,
}

impl Spell<'_> {
    /// By its dates alone, on the period's last day.
    fn valid(&self, day: Date) -> &'static str {
        let [.., from, until] = &self.words;
        let of = |text: &String| text.parse::<Date>();
        let is_day = |text: &String| text.is_empty() || of(text).is_ok();
        if self.ended.is_some() {
            "no, it was there no more"
        } else if !is_day(from) || !is_day(until) {
            "no, it has a day that is none"
        } else if of(from).is_ok_and(|from| day < from) {
            "not yet"
        } else if of(until).is_ok_and(|until| until < day) {
            "no, it had run out"
        } else {
            "yes"
        }
    }
}

/// A row for each transfer that stood at some time of the period.
pub(super) fn transfers(records: &[Record], period: &Period) -> Table {
    let mut spells = spells(records, period);
    spells.sort_by(|a, b| {
        let [a, b] = [a, b].map(|one| (one.region, &one.words[0], one.since.sequence));
        a.cmp(&b)
    });
    let row = |spell: &Spell<'_>| {
        let ended = spell.ended.map(|at| at.to_string());
        let more = [
            spell.since.at.to_string(),
            ended.unwrap_or_default(),
            spell.valid(period.last()).to_owned(),
        ];
        let first = std::iter::once(spell.region.to_owned());
        first.chain(spell.words.clone()).chain(more).collect()
    };
    Table {
        id: "transfers",
        title: "Transfers",
        note: "On which instruments data could leave each region: those that its Region had when the period ended, and those that it had at some time in it. 'Recorded since' and 'Taken out or changed' are times of records; whether an instrument was valid is told by its own dates, on the last day of the period. Whether a law of the region knows the instrument is in Findings. Flows and sinks are in no record: what went by an instrument, and whether anything did, is not here.",
        columns: TRANSFERS,
        rows: spells.iter().map(row).collect(),
    }
}

fn spells<'a>(records: &'a [Record], period: &Period) -> Vec<Spell<'a>> {
    let mut open: BTreeMap<&str, Vec<Spell<'a>>> = BTreeMap::new();
    let mut all = Vec::new();
    let changes = records.iter();
    let changes = changes.filter(|one| one.kind == Kind::TransferChange && one.at < period.to);
    for record in changes {
        let region = record.region.as_str();
        let told: Vec<[String; 6]> = objects(&record.body, "transfers")
            .into_iter()
            .map(words)
            .collect();
        let here = open.entry(region).or_default();
        let gone = here.extract_if(.., |spell| !told.contains(&spell.words));
        all.extend(gone.map(|spell| Spell {
            ended: Some(record.at),
            ..spell
        }));
        for words in told {
            if here.iter().all(|spell| spell.words != words) {
                here.push(Spell {
                    region,
                    words,
                    since: record,
                    ended: None,
                });
            }
        }
    }
    all.extend(open.into_values().flatten());
    all.retain(|spell| spell.ended.is_none_or(|at| at > period.from));
    all
}

fn words(transfer: &Object) -> [String; 6] {
    NAMED.map(|key| match transfer.get(key) {
        Some(Value::Text(word)) => word.clone(),
        _ => String::new(),
    })
}

/// On which grounds data could leave each region when the period ended: the last word on it.
pub(super) fn at_end<'a>(records: &'a [Record], period: &Period) -> BTreeMap<&'a str, &'a Record> {
    let last = told_last(records, Kind::TransferChange, period.to);
    last.into_iter()
        .map(|((_, region), record)| (region, record))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip, canonical};

    fn chain(region: &str, told: &[(&str, Json)]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", region);
        let append = |(day, transfers): &(&str, Json)| {
            let entry = Entry {
                kind: Kind::TransferChange,
                at: format!("{day}T12:00:00Z").parse().unwrap(),
                about: About::cluster("Region", region),
                source: format!("u/{day}"),
                body: canonical::object(&json!({"transfers": transfers})).unwrap(),
            };
            let record = entry.append(region, &tip);
            tip = Tip::of(&record);
            record
        };
        told.iter().map(append).collect()
    }

    fn rows(records: &[Record], period: &str) -> Vec<String> {
        let table = transfers(records, &Period::parse(period).unwrap());
        assert!(table.rows.iter().all(|row| row.len() == TRANSFERS.len()));
        table.rows.iter().map(|row| row.join("|")).collect()
    }

    #[test]
    fn a_transfer_is_told_as_long_as_its_region_has_it() {
        let scc = |until: &str| json!({"name": "us", "to": "US", "instrument": "Scc", "reference": "contract 7", "validUntil": until});
        let bcr = json!({"name": "in", "to": "IN", "instrument": "Bcr", "reference": "decision 3", "validFrom": "2027-02-01"});
        // How many persons there were is no other transfer.
        let mut counted = bcr.clone();
        counted["exportedPersons"] = json!({"persons": 7, "countedOn": "2026-12-20"});
        let eu = [
            ("2026-06-01", json!([scc("2026-11-30"), bcr])),
            ("2026-12-21", json!([scc("2026-11-30"), counted])),
            ("2027-01-10", json!([scc("2029-11-30"), counted])),
            ("2027-05-02", json!([])),
        ];
        let us = [("2026-06-01", json!([scc("2026-11-30")]))];
        let records = [chain("eu", &eu), chain("us", &us)].concat();
        let scc = "us|US|Scc|contract 7|";
        let bcr = "eu|in|IN|Bcr|decision 3|2027-02-01||2026-06-01T12:00:00Z|";
        let old = |region: &str, ended: &str, valid: &str| {
            format!("{region}|{scc}|2026-11-30|2026-06-01T12:00:00Z|{ended}|{valid}")
        };
        let run_out = "no, it had run out";
        assert_eq!(
            rows(&records, "2026-Q4"),
            [
                format!("{bcr}|not yet"),
                old("eu", "", run_out),
                old("us", "", run_out)
            ]
        );
        assert_eq!(
            rows(&records, "2026-11")[1..],
            [old("eu", "", "yes"), old("us", "", "yes")]
        );
        let new = format!("eu|{scc}|2029-11-30|2027-01-10T12:00:00Z|");
        let gone = "no, it was there no more";
        assert_eq!(
            rows(&records, "2027-Q1"),
            [
                format!("{bcr}|yes"),
                old("eu", "2027-01-10T12:00:00Z", gone),
                format!("{new}|yes"),
                old("us", "", run_out),
            ]
        );
        let ended = format!("2027-05-02T12:00:00Z|{gone}");
        assert_eq!(
            rows(&records, "2027-Q2"),
            [
                format!("{bcr}{ended}"),
                format!("{new}{ended}"),
                old("us", "", run_out)
            ]
        );
        assert_eq!(rows(&records, "2027-Q3"), [old("us", "", run_out)]);
        assert_eq!(rows(&records, "2025"), [""; 0]);
    }
}
