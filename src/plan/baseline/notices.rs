//! Rows that wait until their persons were told, and of which for long no run found one that was: nobody is seen to tell them, and
//! they stay whatever their age. Since when that is so, status remembers from run to run.

use jiff::{SignedDuration, Timestamp};

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{Notice, PolicyRegionStatus, PolicyRule, RuleDates};
use crate::contract::{Count, RetainMode};
use crate::packs::Check;

/// How long beyond the notice's own time nothing is said: whoever tells persons reads once a week who is to be told, and a run
/// once a week takes who was.
const MARGIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Looks at what status remembers of each region's runs. A policy that only counts has nobody told.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let policy = &ground.facts.policy;
    if policy.spec.mode() != RetainMode::Enforce {
        return None;
    }
    for place in &ground.places {
        let told = policy.status.iter().flat_map(|status| &status.regions);
        let Some(entry) = told.into_iter().find(|entry| entry.name == place.name) else {
            continue;
        };
        for dates in &entry.dates {
            let mut rules = policy.spec.rules.iter();
            let Some(rule) = rules.find(|rule| rule.name == dates.rule) else {
                continue;
            };
            let notice = rule.erase.as_ref().and_then(|it| it.notice.as_ref());
            if let Some(notice) = notice
                && let Some(since) = overdue(dates, notice)
            {
                let rows = untold(entry, rule);
                enter(place, (rule, notice), (rows, since), book);
            }
        }
    }
    None
}

/// Since when nobody was told, if somebody should have been by the last run.
fn overdue<'a>(dates: &'a RuleDates, notice: &Notice) -> Option<&'a str> {
    let since = dates.untold_since.as_deref()?;
    let begun: Timestamp = since.parse().ok()?;
    let looked: Timestamp = dates.as_of.as_deref()?.parse().ok()?;
    let own = SignedDuration::from_hours(i64::from(notice.hours));
    (looked.duration_since(begun) > own.saturating_add(MARGIN)).then_some(since)
}

fn untold(entry: &PolicyRegionStatus, rule: &PolicyRule) -> Count {
    let run = entry.last_run.iter();
    let mut rules = run.flat_map(|run| &run.rules);
    rules
        .find(|told| told.name == rule.name)
        .map_or(Count::ZERO, |told| told.untold)
}

fn enter(
    place: &Place<'_>,
    (rule, notice): (&PolicyRule, &Notice),
    (rows, since): (Count, &str),
    book: &mut Book<'_>,
) {
    let table = &rule.dataset.table;
    let message = format!(
        "rows of table {table} that wait until their persons were told: {rows} at the last run, and no run since {since} found one whose person \
         was told {} hours before. Until somebody tells them they stay, whatever their age",
        notice.hours
    );
    let remedy = format!(
        "have whoever tells persons of their erasure do so, and write the moment into {} of table {table}; or mend what keeps that from being written",
        notice.column
    );
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        let field = format!("spec.rules[{}].erase.notice", rule.name);
        let spot = Spot::here(place.name, field);
        book.enter(regime, Check::NoticeOverdue, spot, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_a_week_after_the_notice_s_own_time() {
        let notice = |hours: i32| -> Notice {
            serde_json::from_value(serde_json::json!({"column": "told_at", "hours": hours}))
                .unwrap()
        };
        let dates = |since: Option<&str>, as_of: &str| RuleDates {
            untold_since: since.map(str::to_owned),
            as_of: Some(as_of.to_owned()),
            ..RuleDates::default()
        };
        let since = Some("2027-06-01T02:00:00Z");
        for (hours, since, as_of, is_told) in [
            (48, since, "2027-06-10T02:00:00Z", false),
            (48, since, "2027-06-10T02:00:01Z", true),
            (720, since, "2027-06-30T02:00:00Z", false),
            (720, since, "2027-07-09T02:00:00Z", true),
            (48, None, "2027-07-09T02:00:00Z", false),
            (48, Some("a while"), "2027-07-09T02:00:00Z", false),
        ] {
            let dates = dates(since, as_of);
            let found = overdue(&dates, &notice(hours));
            assert_eq!(
                found,
                since.filter(|_| is_told),
                "{hours} {since:?} {as_of}"
            );
        }
    }
}
