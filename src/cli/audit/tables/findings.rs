//! Findings: what laws asked for and was missing, a row for each time that it was open in the period.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Column, Period, Table, text};
use crate::evidence::body::{Coverage, OpenFinding};
use crate::evidence::{Kind, Record, canonical};

const FINDINGS: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("severity", "Severity"),
    text("check", "What was looked at"),
    text("place", "Where"),
    text("law", "Law"),
    text("since", "Since"),
    text("until", "Until"),
    text("record", "First record"),
    text("id", "Finding"),
];

/// Of findings for which a record had no room, which are only counted: no finding's own.
const BEYOND: &str = "";

/// A finding of a policy in a region, from one record to another.
#[derive(Clone, Debug)]
pub(in crate::cli::audit) struct Spell<'a> {
    /// The last record that tells of it.
    pub(in crate::cli::audit) last: &'a Record,
    /// As that one has it.
    pub(in crate::cli::audit) finding: OpenFinding,
    /// The first that did, of this time.
    first: &'a Record,
    end: Option<End>,
}

/// The record that tells of a finding no more.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Timestamp,
    /// It had room for all findings: this one was gone.
    sure: bool,
}

impl Spell<'_> {
    /// Whether it was open when the period ended, as far as records say.
    pub(in crate::cli::audit) fn is_open(&self) -> bool {
        self.end.is_none()
    }
}

/// Every finding that was open at some time of the period; none when no record tells findings at all.
pub(in crate::cli::audit) fn spells<'a>(
    records: &'a [Record],
    period: &Period,
) -> Option<Vec<Spell<'a>>> {
    let mut open: BTreeMap<(&str, &str), BTreeMap<String, Spell<'a>>> = BTreeMap::new();
    let mut all = Vec::new();
    let mut is_told = false;
    let coverage = records
        .iter()
        .filter(|r| r.kind == Kind::Coverage && r.about.is_policy() && r.at < period.to);
    for record in coverage {
        let Some((findings, sure)) = told(record) else {
            continue;
        };
        is_told = true;
        let here = open
            .entry((record.about.name.as_str(), record.region.as_str()))
            .or_default();
        let is_gone = |id: &String, _: &mut Spell<'a>| !findings.iter().any(|one| one.id == *id);
        let gone: Vec<(String, Spell<'a>)> = here.extract_if(.., is_gone).collect();
        all.extend(gone.into_iter().map(|(id, spell)| {
            let sure = sure || id == BEYOND;
            let at = record.at;
            let end = Some(End { at, sure });
            Spell { end, ..spell }
        }));
        for finding in findings {
            let id = finding.id.clone();
            let first = here.get(&id).map_or(record, |before| before.first);
            let spell = Spell {
                last: record,
                finding,
                first,
                end: None,
            };
            here.insert(id, spell);
        }
    }
    all.extend(open.into_values().flat_map(BTreeMap::into_values));
    all.retain(|spell| spell.end.is_none_or(|end| end.at > period.from));
    all.sort_by_cached_key(|spell| {
        let OpenFinding { id, .. } = &spell.finding;
        let (policy, region) = (spell.first.about.name.clone(), spell.first.region.clone());
        let weight = Reverse(weight(&spell.finding.severity));
        (policy, region, weight, id.clone(), spell.first.sequence)
    });
    is_told.then_some(all)
}

/// What a record says was open, those for which it had no room as one, and whether it names all; nothing when it does not
/// tell findings.
fn told(record: &Record) -> Option<(Vec<OpenFinding>, bool)> {
    let coverage: Coverage = canonical::read(&record.body).ok()?;
    let mut findings = coverage.findings?;
    let more = coverage.more_findings;
    if more > 0 {
        findings.push(OpenFinding {
            id: BEYOND.to_owned(),
            check: String::new(),
            severity: String::new(),
            law: String::new(),
            place: format!("{more} more, for which the record had no room"),
        });
    }
    Some((findings, more == 0))
}

fn weight(severity: &str) -> u8 {
    match severity {
        "High" => 3,
        "Medium" => 2,
        "Low" => 1,
        _ => 0,
    }
}

pub(super) fn findings(records: &[Record], period: &Period) -> Table {
    let spells = spells(records, period).unwrap_or_default();
    Table {
        id: "findings",
        title: "Findings",
        note: "What the regimes of each policy asked for and was missing, by what could be seen in the resources: a row for each time that it was open in the period, as its last record has it. 'Since' is the first record that told of it, 'Until' the first that did not, in UTC; a record is made when any finding comes or goes. It may have been so before, and of what older releases recorded nothing is known. Stale evidence is no row: what is missing from the chains is told by their verification. What stands nowhere here was not found; that is no legal advice.",
        columns: FINDINGS,
        rows: spells.iter().map(row).collect(),
    }
}

fn row(spell: &Spell<'_>) -> Vec<String> {
    let Spell { finding, first, .. } = spell;
    let until = match spell.end {
        None => "open".to_owned(),
        Some(End { at, sure: true }) => at.to_string(),
        Some(End { at, sure: false }) => format!("{at}, or later: that record had no room for all"),
    };
    vec![
        first.about.name.clone(),
        first.region.clone(),
        finding.severity.clone(),
        finding.check.clone(),
        finding.place.clone(),
        finding.law.clone(),
        first.at.to_string(),
        until,
        first.sequence.to_string(),
        finding.id.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    /// Records of a policy in a region, each a day after the one before.
    fn chain(region: &str, bodies: &[Value]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", region);
        let begun: Timestamp = "2026-09-28T12:00:00Z".parse().unwrap();
        let days = (0_i64..).map(|day| begun + jiff::SignedDuration::from_hours(24 * day));
        let append = |(body, at): (&Value, Timestamp)| {
            let entry = Entry {
                kind: Kind::Coverage,
                at,
                about: About::cluster("DataPolicy", "shop"),
                source: at.to_string(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append(region, &tip);
            tip = Tip::of(&record);
            record
        };
        bodies.iter().zip(days).map(append).collect()
    }

    fn body(findings: &[(&str, &str)], more: u32) -> Value {
        let of = |(id, severity): &(&str, &str)| json!({"id": id, "check": "NoPeriod", "severity": severity, "law": "GDPR Article 5", "place": "p"});
        let mut body =
            json!({"uncovered": [], "findings": findings.iter().map(of).collect::<Vec<_>>()});
        if more > 0 {
            body["moreFindings"] = more.into();
        }
        body
    }

    /// Each row's severity, first and last day, first record and id.
    fn told(records: &[Record]) -> Vec<String> {
        let table = findings(records, &Period::parse("2026-Q4").unwrap());
        let day = |cell: &str| match cell.split_once('T') {
            Some((day, rest)) if rest.contains("or later") => format!("{day}?"),
            Some((day, _)) => day.to_owned(),
            None => cell.to_owned(),
        };
        let row = |row: &Vec<String>| {
            assert_eq!(row.len(), FINDINGS.len());
            format!(
                "{} {} {} {} {} {}",
                row[1],
                row[2],
                day(&row[6]),
                day(&row[7]),
                row[8],
                row[9]
            )
        };
        table.rows.iter().map(row).collect()
    }

    #[test]
    fn a_finding_is_open_from_the_first_record_that_tells_it_to_the_first_that_does_not() {
        let old = json!({"uncovered": [{"store": "shop", "table": "notes"}]});
        let records = [
            chain(
                "eu",
                &[
                    body(&[("gone", "High")], 0), // 28 September: over before the quarter
                    body(&[("a", "Medium"), ("b", "Low")], 0), // 29
                    old.clone(),                  // 30: tells none, so it ends none
                    body(&[("a", "High"), ("c", "Medium")], 0), // 1 October
                    body(&[("c", "Medium")], 0),  // 2
                    body(&[("a", "Low"), ("c", "Medium")], 0), // 3
                    json!({"uncovered": [], "findings": [], "ended": true}), // 4
                ],
            ),
            chain("us", &[body(&[("a", "High")], 0)]),
        ]
        .concat();
        assert_eq!(
            told(&records),
            [
                "eu High 2026-09-29 2026-10-02 2 a",
                "eu Medium 2026-10-01 2026-10-04 4 c",
                "eu Low 2026-10-03 2026-10-04 6 a",
                "eu Low 2026-09-29 2026-10-01 2 b",
                "us High 2026-09-28 open 1 a",
            ]
        );
        assert!(spells(&chain("eu", &[old]), &Period::parse("2026-Q4").unwrap()).is_none());
    }

    #[test]
    fn what_a_record_has_no_room_for_is_counted_and_not_taken_for_mended() {
        let records = chain(
            "eu",
            &[
                body(&[("a", "Low")], 0), // 28 September
                body(&[("b", "Low")], 2), // 29
                body(&[("b", "Low")], 3), // 30
                body(&[("b", "Low")], 0), // 1 October
                body(&[], 0),             // 2
            ],
        );
        let period = Period::parse("2026-09-29/2026-10-31").unwrap();
        let table = findings(&records, &period);
        let told: Vec<String> = table.rows.iter().map(|row| row[4..].join("|")).collect();
        assert_eq!(
            told,
            [
                "p|GDPR Article 5|2026-09-28T12:00:00Z|2026-09-29T12:00:00Z, or later: that record had no room for all|1|a",
                "p|GDPR Article 5|2026-09-29T12:00:00Z|2026-10-02T12:00:00Z|2|b",
                "3 more, for which the record had no room||2026-09-29T12:00:00Z|2026-10-01T12:00:00Z|2|",
            ]
        );
    }
}
