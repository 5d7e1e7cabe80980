//! Records that are no more, by the rule on how long evidence is kept: where those begin that are to be there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::body::Expiry;
use super::canonical;
use super::chain::Tip;
use super::record::{Kind, Record};

/// Where the records of a region begin, when those before went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    /// The first one that hangs together with the rest. Who kept an older copy has some that went.
    pub(super) first: u64,
    /// Up to which they went.
    pub(super) expired: Tip,
    /// The record that says so.
    pub(super) place: u64,
}

/// For how long evidence is kept: `P6Y`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Keep(String);

/// What is no time that evidence is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time to keep evidence for: write years, months or days, as P6Y, P18M or P90D")]
pub struct NoKeep;

impl Keep {
    /// The first moment at which what was there at another one may go: by the calendar, in UTC.
    #[must_use]
    pub fn over(&self, since: Timestamp) -> Option<Timestamp> {
        let span: Span = self.0.parse().ok()?;
        let zoned = since.to_zoned(TimeZone::UTC);
        Some(zoned.checked_add(span).ok()?.timestamp())
    }
}

impl FromStr for Keep {
    type Err = NoKeep;

    fn from_str(text: &str) -> Result<Self, NoKeep> {
        let span: Span = text.parse().map_err(|_| NoKeep)?;
        if span.is_negative() {
            return Err(NoKeep);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Keep {
    type Error = NoKeep;

    fn try_from(text: String) -> Result<Self, NoKeep> {
        text.parse()
    }
}

impl From<Keep> for String {
    fn from(keep: Keep) -> Self {
        keep.0
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where records at these places begin, in their order; none when all from the first one on are there, or nothing went.
/// `told` are records that say that others went, with their places.
pub(super) fn begin(places: &[u64], told: impl Iterator<Item = (u64, Tip)>) -> Option<Begin> {
    let sound = told.filter(|(place, tip)| tip.sequence < *place);
    let (place, expired) = sound.max_by_key(|(_, tip)| tip.sequence)?;
    let rest = places.partition_point(|place| *place <= expired.sequence);
    let mut first = expired.sequence.saturating_add(1);
    if places.get(rest) == Some(&first) {
        for before in places[..rest].iter().rev() {
            if *before != first - 1 {
                break;
            }
            first -= 1;
        }
    }
    (first > 1).then_some(Begin {
        first,
        expired,
        place,
    })
}

/// Records in their order, by region and place, without those that are left of what went: what they say hangs together
/// with nothing any more.
#[must_use]
pub fn unexpired(records: Vec<Record>) -> Vec<Record> {
    let mut places: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut told: BTreeMap<&str, Vec<(u64, Tip)>> = BTreeMap::new();
    for record in &records {
        let region = record.region.as_str();
        places.entry(region).or_default().push(record.sequence);
        if record.kind == Kind::Seal
            && let Ok(expiry) = canonical::read::<Expiry>(&record.body)
        {
            let told = told.entry(region).or_default();
            told.push((record.sequence, expiry.expired));
        }
    }
    let begins = told.into_iter().filter_map(|(region, told)| {
        let begin = begin(places.get(region)?, told.into_iter())?;
        Some((region.to_owned(), begin.first))
    });
    let begins: BTreeMap<String, u64> = begins.collect();
    let begins = |region: &str| begins.get(region).copied().unwrap_or_default();
    let mut records = records;
    records.retain(|record| record.sequence >= begins(&record.region));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_kept_by_the_calendar() {
        let over = |keep: &str, since: &str| {
            let keep: Keep = keep.parse().ok()?;
            keep.over(since.parse().unwrap()).map(|at| at.to_string())
        };
        let leap = over("P1Y", "2024-02-29T10:00:00Z");
        assert_eq!(leap.as_deref(), Some("2025-02-28T10:00:00Z"));
        let none = over("P0D", "2024-02-29T10:00:00Z");
        assert_eq!(none.as_deref(), Some("2024-02-29T10:00:00Z"));
        for wrong in ["", "-P1Y", "for ever"] {
            assert_eq!(over(wrong, "2024-02-29T10:00:00Z"), None, "{wrong}");
        }
    }

    #[test]
    fn records_begin_behind_what_went_as_far_as_it_is_not_here() {
        let tip = |sequence| Tip {
            sequence,
            ..Tip::genesis("f", "r")
        };
        let of = |places: &[u64], told: &[(u64, u64)]| {
            let told = told.iter().map(|(place, to)| (*place, tip(*to)));
            begin(places, told).map(|begin| (begin.first, begin.expired.sequence))
        };
        assert_eq!(of(&[5, 6, 7], &[]), None, "nothing says that others went");
        assert_eq!(of(&[5, 6, 7], &[(6, 4)]), Some((5, 4)));
        assert_eq!(of(&[2, 5, 6, 7], &[(6, 4)]), Some((5, 4)), "2 is left over");
        assert_eq!(of(&[3, 4, 5, 6], &[(6, 4)]), Some((3, 4)), "an older copy");
        assert_eq!(of(&[1, 2, 3, 4, 5, 6], &[(6, 4)]), None, "all of it");
        assert_eq!(
            of(&[9, 10], &[(9, 4), (10, 8)]),
            Some((9, 8)),
            "the last word"
        );
        assert_eq!(
            of(&[5, 6], &[(5, 5), (6, 9)]),
            None,
            "none goes before itself"
        );
        assert_eq!(of(&[3, 4, 6], &[(6, 4)]), Some((5, 4)), "5 is to be there");
    }
}
