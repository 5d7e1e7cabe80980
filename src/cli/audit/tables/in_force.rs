//! What policies asked for in a region when the period ended, and which of them had ended by then.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cli::audit::period::Period;
use crate::evidence::{Kind, Record, body, canonical};

/// What a policy asks for in a region; of one that ended, what it asked for until then.
pub(super) struct InForce<'a> {
    /// Since when.
    pub(super) record: &'a Record,
    pub(super) policy: body::Policy,
    /// When it was deleted, or was for the region no more.
    pub(super) ended: Option<Timestamp>,
}

impl InForce<'_> {
    /// Since when it was in force; nothing where the evidence has its end alone.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let at = self.record.at;
        self.ended.is_none_or(|ended| at < ended).then_some(at)
    }

    /// When it ended, as a cell; empty of one that is in force.
    pub(super) fn ended(&self) -> String {
        self.ended.map_or_else(String::new, |at| at.to_string())
    }

    /// Whether its schedule still started runs when the period ended.
    pub(super) fn runs(&self) -> bool {
        self.policy.runs && self.ended.is_none()
    }

    fn asks_as(&self, other: &Self) -> bool {
        self.policy.spec == other.policy.spec && self.policy.laws == other.policy.laws
    }
}

/// The last word on a policy's coverage in a region.
#[derive(Clone, Copy)]
struct Looked<'a> {
    record: &'a Record,
    ended: bool,
}

/// Which policy, and where.
type Place<'a> = (&'a str, &'a str);

/// The last word on each policy in each region before the period ended, for policies that were there at some time in it. One
/// that only keeps, or is suspended, starts no runs and is there all the same.
pub(super) fn policies<'a>(records: &'a [Record], period: &Period) -> Vec<InForce<'a>> {
    let mut all: BTreeMap<Place<'a>, Vec<InForce<'a>>> = BTreeMap::new();
    for record in of_kind(records, Kind::PolicyChange, period) {
        let Ok(policy) = canonical::read::<body::Policy>(&record.body) else {
            continue;
        };
        let told = InForce {
            record,
            policy,
            ended: None,
        };
        all.entry(place(record)).or_default().push(told);
    }
    let looked = looked(records, period);
    let last = all.into_iter().filter_map(|(of, mut told)| {
        told.sort_by_key(|one| one.record.sequence);
        last(told, looked.get(&of).copied(), period)
    });
    last.collect()
}

fn of_kind<'a>(
    records: &'a [Record],
    kind: Kind,
    period: &Period,
) -> impl Iterator<Item = &'a Record> {
    let to = period.to;
    let of_it = move |one: &&Record| one.kind == kind && one.about.is_policy() && one.at < to;
    records.iter().filter(of_it)
}

fn place(record: &Record) -> Place<'_> {
    (record.about.name.as_str(), record.region.as_str())
}

/// How the coverage of each policy in each region was told last.
fn looked<'a>(records: &'a [Record], period: &Period) -> BTreeMap<Place<'a>, Looked<'a>> {
    let mut last: BTreeMap<Place<'a>, Looked<'a>> = BTreeMap::new();
    for record in of_kind(records, Kind::Coverage, period) {
        let told = canonical::read::<body::Coverage>(&record.body);
        // What cannot be read says nothing of an end.
        let Ok(body::Coverage { ended, .. }) = told else {
            continue;
        };
        let one = Looked { record, ended };
        let before = last.entry(place(record)).or_insert(one);
        if before.record.sequence < record.sequence {
            *before = one;
        }
    }
    last
}

/// Of what a policy asked for, one after the other, the last; of one that ended, the last before its end. Nothing of one that
/// was not there in the period.
fn last<'a>(
    mut told: Vec<InForce<'a>>,
    looked: Option<Looked<'_>>,
    period: &Period,
) -> Option<InForce<'a>> {
    let (runs, at) = told.last().map(|one| (one.policy.runs, one.record.at))?;
    let Some(end) = looked.filter(|it| it.ended && !runs) else {
        let is_there = runs || period.has(at) || looked.is_some_and(|it| !it.ended);
        return told.pop().filter(|_| is_there);
    };
    let is_of_end = |one: &InForce<'_>| !one.policy.runs && one.record.at >= end.record.at;
    let before = told.iter().rposition(|one| !is_of_end(one));
    let before = before.map_or(0, |last| last.saturating_add(1));
    let ended = told.get(before).map_or(end.record.at, |one| one.record.at);
    // Where the evidence begins with the end, that is all that there is of it.
    told.truncate(before.max(1));
    // Its end may have been written in two parts: what asks for nothing new began nothing.
    while let [.., before, last] = told.as_slice()
        && !last.policy.runs
        && last.asks_as(before)
    {
        told.pop();
    }
    let mut last = told.pop().filter(|_| period.has(ended))?;
    last.ended = Some(ended);
    Some(last)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    /// A chain of what was told of a policy, each at its moment.
    fn chain(told: &[(Kind, &str, Value)]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", "eu");
        let records = told.iter().map(|(kind, at, body)| {
            let entry = Entry {
                kind: *kind,
                at: format!("{at}T12:00:00Z").parse().unwrap(),
                about: About::cluster("DataPolicy", "tax-records"),
                source: "s".to_owned(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            record
        });
        records.collect()
    }

    fn asked<'a>(
        at: &'a str,
        generation: i64,
        runs: bool,
        rules: &Value,
    ) -> (Kind, &'a str, Value) {
        let body = json!({"generation": generation, "runs": runs, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": {"rules": rules}});
        (Kind::PolicyChange, at, body)
    }

    fn covered(at: &str, ended: bool) -> (Kind, &str, Value) {
        let looked = json!({"uncovered": [{"store": "shop", "table": "notes"}], "findings": []});
        let end = json!({"uncovered": [], "findings": [], "ended": true});
        (Kind::Coverage, at, if ended { end } else { looked })
    }

    /// Since when, and until when, a policy was in force in the quarter, and by which generation; nothing of one that was not there.
    fn of_the_quarter(told: &[(Kind, &str, Value)]) -> Option<(String, String, i64)> {
        let records = chain(told);
        let period = Period::parse("2026-Q4").unwrap();
        let [one] = policies(&records, &period).try_into().ok()?;
        let since = one.since().map_or_else(String::new, |at| at.to_string());
        Some((since, one.ended(), one.policy.generation))
    }

    /// Its keeps bind whatever erases, so that the registers need it.
    #[test]
    fn a_policy_that_only_keeps_is_of_every_period_until_it_ends() {
        let is_of_it = |ends: &[bool]| {
            let at = "2026-09-30";
            let ends = ends.iter().map(|ended| covered(at, *ended));
            let policy = asked(at, 1, false, &json!([]));
            let told: Vec<_> = std::iter::once(policy).chain(ends).collect();
            of_the_quarter(&told).is_some()
        };
        assert!(is_of_it(&[false]));
        assert!(!is_of_it(&[false, true]));
        assert!(is_of_it(&[false, true, false]));
        assert!(!is_of_it(&[]));
    }

    #[test]
    fn a_policy_that_was_deleted_was_in_force_until_then() {
        let (some, other) = (json!([{"name": "a"}]), json!([{"name": "b"}]));
        let begun = [
            asked("2026-09-01", 1, true, &some),
            covered("2026-09-01", false),
        ];
        let after =
            |more: &[(Kind, &'static str, Value)]| of_the_quarter(&[&begun[..], more].concat());
        let told = |since: &str, ended: &str, generation| {
            let at = |day: &str| {
                if day.is_empty() {
                    String::new()
                } else {
                    format!("{day}T12:00:00Z")
                }
            };
            Some((at(since), at(ended), generation))
        };
        assert_eq!(after(&[]), told("2026-09-01", "", 1));
        let (gone, end) = (
            asked("2026-11-28", 2, false, &some),
            covered("2026-11-28", true),
        );
        let deleted = [gone.clone(), end.clone()];
        assert_eq!(after(&deleted), told("2026-09-01", "2026-11-28", 1));
        // What its last spec says began with its end nowhere: it was for other regions.
        let moved = [asked("2026-11-28", 2, false, &other), end.clone()];
        assert_eq!(after(&moved), told("2026-09-01", "2026-11-28", 1));
        // The region answered later, or the hub was cut off between the two.
        let later = [end.clone(), asked("2026-11-29", 2, false, &some)];
        assert_eq!(after(&later), told("2026-09-01", "2026-11-29", 1));
        let apart = [gone.clone(), covered("2026-11-29", true)];
        assert_eq!(after(&apart), told("2026-09-01", "2026-11-29", 1));
        // It was suspended, and then the region was no longer meant.
        let asleep = [asked("2026-10-01", 2, false, &other), end.clone()];
        assert_eq!(after(&asleep), told("2026-10-01", "2026-11-28", 2));
        let again = [
            &deleted[..],
            &[
                asked("2026-12-01", 1, true, &other),
                covered("2026-12-01", false),
            ],
        ]
        .concat();
        assert_eq!(after(&again), told("2026-12-01", "", 1));
        // Another of its name that nobody accepted, and that no coverage is told of, began nothing.
        let refused = [&deleted[..], &[asked("2026-12-01", 1, false, &other)]].concat();
        assert_eq!(after(&refused), told("2026-09-01", "2026-11-28", 1));
        // Suspended is not ended.
        let suspended = [asked("2026-11-28", 2, false, &some)];
        assert_eq!(after(&suspended), told("2026-11-28", "", 2));
        // The evidence begins with the end.
        assert_eq!(of_the_quarter(&deleted), told("", "2026-11-28", 2));
        let before = [
            asked("2026-09-20", 2, false, &some),
            covered("2026-09-20", true),
        ];
        assert_eq!(after(&before), None);
    }
}
