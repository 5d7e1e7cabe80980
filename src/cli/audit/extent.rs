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
    from: Timestamp,
    to: Timestamp,
    ended: BTreeMap<String, Timestamp>,
}

/// What is known of the period in one region.
enum Known {
    /// All of it.
    Whole,
    /// All until the region was given up, after which nothing is asked for.
    UntilGivenUp(Timestamp),
    /// Nothing from the end of its evidence on, until the period ended or the region was given up.
    NotAll(Option<Timestamp>),
}

impl Asked {
    pub(super) fn of(period: &Period, ended: BTreeMap<String, Timestamp>) -> Self {
        Self {
            from: period.from,
            to: period.to,
            ended,
        }
    }

    fn known(&self, region: &str, end: Timestamp) -> Known {
        let ended = self.ended.get(region).copied();
        match ended.filter(|ended| *ended < self.to) {
            None if end < self.to => Known::NotAll(None),
            None => Known::Whole,
            // What is not known of the time before is of another period.
            Some(ended) if end >= ended || ended <= self.from => Known::UntilGivenUp(ended),
            Some(ended) => Known::NotAll(Some(ended)),
        }
    }
}

/// The regions whose evidence ends before it may.
pub(super) fn open(ends: &BTreeMap<String, Timestamp>, asked: &Asked) -> Vec<String> {
    let open = |(region, end): (&String, &Timestamp)| match asked.known(region, *end) {
        Known::NotAll(ended) => Some(format!("Region {region}: {}", not_known(*end, ended))),
        Known::Whole | Known::UntilGivenUp(_) => None,
    };
    ends.iter().filter_map(open).collect()
}

fn not_known(end: Timestamp, ended: Option<Timestamp>) -> String {
    match ended {
        None => format!("evidence ends at {end}; of the rest of the period nothing is known"),
        Some(ended) => format!(
            "evidence ends at {end}; from then until it was given up at {ended} nothing is known"
        ),
    }
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
            match asked.known(region, *end) {
                Known::NotAll(ended) => not_known(*end, ended),
                Known::UntilGivenUp(ended) => {
                    format!(
                        "the region ended in order, given up at {ended}: nothing is asked for after that"
                    )
                }
                Known::Whole => "to its end".to_owned(),
            },
        ]
    };
    Table {
        id: "extent",
        title: "How far the evidence goes",
        note: "Each region's first and last record, of whatever time, and up to when its evidence says anything: to the last signature of the region's key, which signs by its schedule, also where nothing was recorded; where nobody verified it, to the last record too.",
        columns: COLUMNS,
        rows: ends.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// What is told of a region whose evidence ends on the last day of March, and that was given up then.
    fn told(period: &str, ended: Option<&str>) -> (String, bool) {
        let end = moment("2027-03-31T10:00:00Z");
        let ends = BTreeMap::from([("eu-west".to_owned(), end)]);
        let ended = ended.map(|at| ("eu-west".to_owned(), moment(at)));
        let asked = Asked::of(&Period::parse(period).unwrap(), ended.into_iter().collect());
        let table = table(&[], &ends, &asked);
        (table.rows[0][4].clone(), open(&ends, &asked).is_empty())
    }

    #[test]
    fn after_a_region_was_given_up_nothing_is_called_unknown() {
        let rest =
            "evidence ends at 2027-03-31T10:00:00Z; of the rest of the period nothing is known";
        for period in ["2027-Q1", "2027-Q2"] {
            assert_eq!(told(period, None), (rest.to_owned(), false), "{period}");
        }
        assert_eq!(told("2027-02", None), ("to its end".to_owned(), true));
        let given_up = |at: &str| {
            format!("the region ended in order, given up at {at}: nothing is asked for after that")
        };
        let at = "2027-03-31T10:00:00Z";
        for period in ["2027-Q1", "2027-Q2", "2028"] {
            assert_eq!(told(period, Some(at)), (given_up(at), true), "{period}");
        }
        assert_eq!(told("2027-02", Some(at)).0, "to its end");
        // Whoever names a later moment than the last signature's asks for what is between: in that quarter, and in none after it.
        let late = "2027-03-31T22:00:00Z";
        let gap = format!(
            "evidence ends at {at}; from then until it was given up at {late} nothing is known"
        );
        assert_eq!(told("2027-Q1", Some(late)), (gap, false));
        assert_eq!(told("2027-Q2", Some(late)), (given_up(late), true));
    }
}
