//! How far the evidence of each region goes, against the period that a report is over: of what lies behind its end nothing is
//! known, and nobody is to read a report as if there were.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::period::Period;
use super::tables::{Column, Table, text};
use crate::evidence::{Line, Record};

const COLUMNS: &[Column] = &[
    text("region", "Region"),
    text("first", "First record"),
    text("last", "Last record"),
    text("ends", "Evidence ends at"),
    text("known", "Known of the period"),
];

/// Up to when something is said of each region, by whoever made these lines: nobody has verified them.
pub(super) fn ends(evidence: &[Vec<u8>]) -> BTreeMap<String, Timestamp> {
    let mut ends: BTreeMap<String, Timestamp> = BTreeMap::new();
    for line in evidence.iter().flat_map(|text| text.split(|b| *b == b'\n')) {
        let (region, at) = match Line::parse(line) {
            Ok(Line::Record(record)) => (record.region, record.at),
            Ok(Line::Checkpoint(signed)) => (signed.region, signed.at),
            Ok(Line::Countersignature(_)) | Err(_) => continue,
        };
        let end = ends.entry(region).or_insert(at);
        *end = at.max(*end);
    }
    ends
}

/// Up to when evidence is asked for: to the end of the period, of a region that was given up no longer than that.
pub(super) struct Asked {
    to: Timestamp,
    ended: BTreeMap<String, Timestamp>,
}

impl Asked {
    pub(super) fn of(period: &Period, ended: BTreeMap<String, Timestamp>) -> Self {
        Self {
            to: period.to,
            ended,
        }
    }

    fn is_early(&self, region: &str, end: Timestamp) -> bool {
        let ended = self.ended.get(region);
        end < ended.map_or(self.to, |ended| self.to.min(*ended))
    }
}

/// The regions whose evidence ends before it may.
pub(super) fn open(ends: &BTreeMap<String, Timestamp>, asked: &Asked) -> Vec<String> {
    let early = ends.iter();
    let early = early.filter(|(region, end)| asked.is_early(region, **end));
    early
        .map(|(region, end)| format!("Region {region}: {}", not_known(*end)))
        .collect()
}

fn not_known(end: Timestamp) -> String {
    format!("evidence ends at {end}; of the rest of the period nothing is known")
}

/// The table, a row for each region.
pub(super) fn table(
    records: &[Record],
    ends: &BTreeMap<String, Timestamp>,
    asked: &Asked,
) -> Table {
    let row = |(region, end): (&String, &Timestamp)| {
        let here = records.iter().filter(|record| record.region == *region);
        let moments: Vec<Timestamp> = here.map(|record| record.at).collect();
        let moment = |at: Option<&Timestamp>| at.map(ToString::to_string).unwrap_or_default();
        vec![
            region.clone(),
            moment(moments.iter().min()),
            moment(moments.iter().max()),
            end.to_string(),
            match (asked.is_early(region, *end), asked.ended.get(region)) {
                (true, _) => not_known(*end),
                (false, Some(ended)) if *ended < asked.to => format!("given up at {ended}"),
                (false, _) => "to its end".to_owned(),
            },
        ]
    };
    Table {
        id: "extent",
        title: "How far the evidence goes",
        note: "Each region's first and last record, of whatever time, and up to when its evidence says anything: to the last record, or to the last signature of the region's key, which signs by its schedule, also where nothing was recorded.",
        columns: COLUMNS,
        rows: ends.iter().map(row).collect(),
    }
}
