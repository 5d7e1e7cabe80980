//! What stood. Of holds, coverage and instruments a record is written when they become others, and none while they stay as they
//! are: what a period began with is in a record of before it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cli::audit::period::Period;
use crate::evidence::{About, Kind, Record, Value};

/// What a record is about, and where.
type Place<'a> = (&'a About, &'a str);

/// Of a kind the last record before a moment, of each resource in each region.
pub(in crate::cli::audit) fn told_last<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    kind: Kind,
    before: Timestamp,
) -> BTreeMap<Place<'a>, &'a Record> {
    let mut last: BTreeMap<Place<'a>, &Record> = BTreeMap::new();
    let of_it = |one: &&Record| one.kind == kind && one.at < before;
    for record in records.into_iter().filter(of_it) {
        let place = (&record.about, record.region.as_str());
        let other = last.entry(place).or_insert(record);
        if other.sequence < record.sequence {
            *other = record;
        }
    }
    last
}

/// Of a kind all records of the period, and of each resource in each region the one by which something stood when it began.
pub(super) fn standing<'a>(
    records: impl IntoIterator<Item = &'a Record> + Clone,
    kind: Kind,
    period: &Period,
) -> Vec<&'a Record> {
    let before = told_last(records.clone(), kind, period.from).into_values();
    let within = records.into_iter();
    let within = within.filter(|one| one.kind == kind && period.has(one.at));
    before.filter(|one| stands(one)).chain(within).collect()
}

/// The last word on what each policy covers in each region, of those that were looked at when the period ended.
pub(in crate::cli::audit) fn covered<'a>(
    records: &'a [Record],
    period: &Period,
) -> Vec<&'a Record> {
    let all = told_last(records, Kind::Coverage, period.to).into_values();
    all.filter(|one| one.about.is_policy() && stands(one))
        .collect()
}

/// Whether what a record tells goes on to stand. What cannot be read says nothing of an end.
fn stands(record: &Record) -> bool {
    let says = |key: &str, value: &Value| record.body.get(key) == Some(value);
    match record.kind {
        // Also of one whose object was deleted: that releases nothing.
        Kind::Hold => !says("state", &Value::Text("Released".to_owned())),
        Kind::Coverage => !says("ended", &Value::Bool(true)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::evidence::{Entry, Tip, canonical};

    fn chain(region: &str, kind: Kind, told: &[(&str, &str, Json)]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", region);
        let append = |(name, day, body): &(&str, &str, Json)| {
            let entry = Entry {
                kind,
                at: format!("{day}T12:00:00Z").parse().unwrap(),
                about: About::cluster(
                    if kind == Kind::Hold {
                        "LegalHold"
                    } else {
                        "DataPolicy"
                    },
                    name,
                ),
                source: format!("{name}/{day}"),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append(region, &tip);
            tip = Tip::of(&record);
            record
        };
        told.iter().map(append).collect()
    }

    /// Region, name and day of each record that stood in the first quarter of 2027.
    fn stood(records: &[Record], kind: Kind) -> Vec<String> {
        let period = Period::parse("2027-Q1").unwrap();
        let all = standing(records, kind, &period).into_iter();
        let mut all: Vec<String> = all
            .map(|one| {
                let (name, day) = (&one.about.name, one.at.strftime("%F"));
                format!("{} {name} {day}", one.region)
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_hold_stands_from_its_opening_to_its_release() {
        let state = |word: &str| json!({"state": word});
        let eu = [
            ("a", "2026-10-01", state("Opening")),
            ("a", "2026-10-02", state("InForce")),
            ("b", "2026-10-03", state("InForce")),
            ("b", "2026-12-30", state("Released")),
            ("c", "2026-10-04", state("InForce")),
            ("c", "2027-02-01", state("Released")),
            (
                "d",
                "2026-11-01",
                json!({"state": "Opening", "deleted": true}),
            ),
            ("e", "2027-04-01", state("InForce")),
        ];
        let us = [("b", "2026-10-03", state("InForce"))];
        let records = [chain("eu", Kind::Hold, &eu), chain("us", Kind::Hold, &us)].concat();
        let wanted = [
            "eu a 2026-10-02",
            "eu c 2026-10-04",
            "eu c 2027-02-01",
            "eu d 2026-11-01",
            "us b 2026-10-03",
        ];
        assert_eq!(stood(&records, Kind::Hold), wanted);
        assert_eq!(stood(&records, Kind::Coverage), [""; 0]);
    }

    #[test]
    fn what_a_policy_covers_stands_until_it_ends() {
        let open = json!({"uncovered": [{"store": "shop", "table": "notes"}]});
        let end = json!({"uncovered": [], "findings": [], "ended": true});
        let told = [
            ("a", "2026-10-01", open.clone()),
            ("b", "2026-10-01", open.clone()),
            ("b", "2026-12-01", end.clone()),
            ("c", "2026-10-01", open),
            ("c", "2027-03-01", end),
        ];
        let records = chain("eu", Kind::Coverage, &told);
        let wanted = ["eu a 2026-10-01", "eu c 2026-10-01", "eu c 2027-03-01"];
        assert_eq!(stood(&records, Kind::Coverage), wanted);
        let covered = |period: &str| {
            let period = Period::parse(period).unwrap();
            let names = covered(&records, &period).into_iter();
            names.map(|one| one.about.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(covered("2026-Q4"), ["a", "c"]);
        assert_eq!(covered("2027-Q1"), ["a"]);
        assert_eq!(covered("2026-Q3"), [""; 0]);
    }
}
