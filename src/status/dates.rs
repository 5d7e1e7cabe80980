//! On which days the oldest rows may go, by what the last run told; and for how many such entries a status has room.

use super::PolicyObserved;
use super::resource::Standing;
use super::run::Runs;
use crate::api::{PolicyRegionStatus, RuleDates};
use crate::plan::{DatesTold, RuleTerms, dates};

/// The most bytes of all entries of a policy: its object has to fit into the hub's store, with all else that it says.
const ROOM: usize = 200_000;

/// A region's entries; none before a run has told anything.
pub(super) fn of(
    standing: &Standing<'_, PolicyObserved>,
    runs: &Runs,
    old: Option<&PolicyRegionStatus>,
) -> Vec<RuleDates> {
    let told = runs
        .last
        .as_ref()
        .map_or(&[][..], |run| run.rules.as_slice());
    let terms = standing.note.dates.as_ref();
    let Some(terms) = terms.filter(|_| !told.is_empty()) else {
        return Vec::new();
    };
    let before = old.map_or(&[][..], |entry| entry.dates.as_slice());
    let entry = |own: &RuleTerms| {
        let told = DatesTold {
            as_of: runs.as_of.as_deref(),
            rule: told.iter().find(|rule| rule.name == own.rule),
            before: before.iter().find(|entry| entry.rule == own.rule),
            is_stale: standing.sight.is_stale,
        };
        dates(own, told, &terms.zone)
    };
    terms.rules.iter().map(entry).collect()
}

/// Leaves out what there is no room for, region by region, and counts it.
pub(super) fn bound(entries: &mut [PolicyRegionStatus]) {
    let mut room = ROOM;
    for entry in entries {
        let size = |dates: &RuleDates| serde_json::to_string(dates).map_or(0, |text| text.len());
        let fits = entry.dates.iter().take_while(|dates| {
            let left = room.checked_sub(size(dates));
            room = left.unwrap_or(0);
            left.is_some()
        });
        let fits = fits.count();
        let more = entry.dates.len().saturating_sub(fits);
        entry.dates.truncate(fits);
        entry.more_dates = i32::try_from(more).ok().filter(|more| *more > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(region: &str, rules: usize) -> PolicyRegionStatus {
        let rule = |place| json!({"rule": format!("{place:040}"), "of": "o".repeat(200), "goesFrom": "2026-01-01", "ground": "g".repeat(120)});
        let dates: Vec<_> = (0..rules).map(rule).collect();
        serde_json::from_value(
            json!({"name": region, "state": "Run", "reason": "r", "dates": dates}),
        )
        .unwrap()
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut few = [entry("a", 16), entry("b", 1)];
        let before = few.clone();
        bound(&mut few);
        assert_eq!(few, before);
        let mut many: Vec<PolicyRegionStatus> =
            (0..60).map(|place| entry(&place.to_string(), 16)).collect();
        bound(&mut many);
        let told: usize = many.iter().map(|entry| entry.dates.len()).sum();
        let more: i32 = many.iter().filter_map(|entry| entry.more_dates).sum();
        assert_eq!(told + usize::try_from(more).unwrap(), 60 * 16);
        let dates: Vec<_> = many
            .iter()
            .flat_map(|entry| entry.dates.as_slice())
            .collect();
        let size = serde_json::to_string(&dates).unwrap().len();
        assert!((ROOM - 1_000..ROOM + 2_000).contains(&size), "{size}");
        // From the first that has none no other has any.
        let first = many.iter().position(|entry| entry.more_dates.is_some());
        let after = &many[first.unwrap() + 1..];
        assert!(after.iter().all(|entry| entry.dates.is_empty()));
        // What was counted is not counted twice.
        let told = many.clone();
        for entry in &mut many {
            entry.more_dates = Some(9);
        }
        bound(&mut many);
        assert!(many.iter().all(|entry| entry.more_dates.is_none()));
        assert_eq!(many[0].dates, told[0].dates);
    }
}
