//! How many Jobs of a schedule stay in the region: none that erased goes before the hub has heard of it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::api::RegionSpec;
use crate::plan::cron::HISTORY;
use crate::plan::gates::Schedule;
use crate::plan::hold_list;

/// No region keeps more of one schedule; a run every quarter of an hour has as many in three days.
const MOST: usize = 300;
/// Beside those that start while the hub is away: one was under way when it went, one ends as it comes back.
const SPARE: usize = 2;
/// Months differ, weeks do not: what a schedule does within five of them, from its first start on.
const LOOK: SignedDuration = SignedDuration::from_hours(24 * 35);
/// Any moment: what is planned may not depend on when. 1 January 2024, a Monday.
const FROM: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// As many as can start while a hub that is away lets them erase: once the region's list of holds is older than its bound
/// they fail, and Kubernetes counts those that failed by themselves.
pub(super) fn of(schedule: &str, region: &RegionSpec) -> i32 {
    let bound = hold_list::length(&region.hold_list());
    let zone = TimeZone::get(&region.locale.time_zone).unwrap_or(TimeZone::UTC);
    let most = Schedule::parse(schedule).map_or(0, |schedule| starts(&schedule, &zone, bound));
    let kept = most.saturating_add(SPARE).min(MOST);
    i32::try_from(kept).unwrap_or(HISTORY).max(HISTORY)
}

/// The most starts within any such time.
fn starts(schedule: &Schedule, zone: &TimeZone, within: SignedDuration) -> usize {
    let next = |at: &Timestamp| schedule.next(*at, zone);
    let first = next(&FROM);
    let end = first.and_then(|first| first.checked_add(LOOK + within).ok());
    let end = end.unwrap_or(FROM);
    let all = std::iter::successors(first, next);
    let all: Vec<Timestamp> = all.take_while(|at| *at < end).take(MOST).collect();
    let count = |(nth, first): (usize, &Timestamp)| {
        all[nth..].partition_point(|at| at.duration_since(*first) <= within)
    };
    all.iter().enumerate().map(count).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(schedule: &str, bound: &str) -> i32 {
        let region: RegionSpec = serde_json::from_value(serde_json::json!({
            "cluster": {"local": {}}, "jurisdictions": ["DE"], "runNamespace": "runs",
            "locale": {"timeZone": "Europe/Berlin", "currency": "EUR", "default": "de-DE"},
            "holds": {"maxAge": bound},
        }))
        .unwrap();
        of(schedule, &region)
    }

    #[test]
    fn every_start_within_the_bound_stays() {
        for (schedule, bound, wanted) in [
            ("0 2 * * *", "PT30M", 3),
            ("0 2 * * *", "PT24H", 4),
            ("0 2 * * *", "P3D", 6),
            ("0 2 * * *", "P14D", 17),
            // Of a hundred days the clocks skip one.
            ("0 2 * * *", "P99D", 101),
            ("0 */6 * * *", "P3D", 15),
            ("0 * * * *", "P3D", 75),
            ("*/15 * * * *", "P3D", 291),
            ("* * * * *", "P3D", 300),
            // Close together only on some days.
            ("0 1,2,3 * * 6,0", "P3D", 8),
            ("0 2 1 * *", "P3D", 3),
            ("0 2 29 2 *", "P3D", 3),
            ("0 * * 12 *", "P3D", 75),
            ("no schedule", "P3D", 3),
        ] {
            assert_eq!(kept(schedule, bound), wanted, "{schedule} {bound}");
        }
    }
}
