//! When all erasures are done over again: somebody asks for it by an annotation, or a schedule does.
//!
//! In: the Region with its old status, and now. Out: what is asked for, and when the schedule asks next. What was due stays due
//! until it was done, as after a night in which the region did not answer.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::{Region, names};
use crate::plan::Reason;
use crate::plan::gates::Schedule;
use crate::plan::reason::Word;

/// How late one may end before the second period has passed: it reads every subject column.
const SLACK: SignedDuration = SignedDuration::from_mins(15);

/// What asks that all erasures are done over again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReapplyAsked {
    /// The annotation's value, or a word for the moment of the schedule.
    pub value: String,
    /// Whether it is the schedule that asks: nobody said then that a restore is complete.
    pub is_scheduled: bool,
}

/// How a Region's schedule for it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReapplyTimes {
    /// When it fires next; or when it last should have been carried out, and was not yet.
    pub at: Timestamp,
    /// When it fires next after now.
    pub following: Timestamp,
    /// It was due, and was not carried out yet.
    pub is_due: bool,
    /// It was due for two periods.
    pub is_overdue: bool,
    /// When that changes by itself.
    pub wake_at: Timestamp,
}

/// What somebody or the schedule asked for and that was not done yet. Who asks by hand comes first: they may know that a restore
/// is complete.
pub(super) fn asked(region: &Region, times: Option<&ReapplyTimes>) -> Option<ReapplyAsked> {
    let by_hand = by_hand(region).map(|value| ReapplyAsked {
        value,
        is_scheduled: false,
    });
    by_hand.or_else(|| {
        let times = times.filter(|times| times.is_due)?;
        Some(ReapplyAsked {
            value: format!("schedule {}", times.at),
            is_scheduled: true,
        })
    })
}

fn by_hand(region: &Region) -> Option<String> {
    let asked = names::acknowledged(region.annotations().get(names::ANNOTATION_REAPPLY)?);
    let told = region.status.as_ref().and_then(|s| s.requests.as_ref());
    let handled = told.and_then(|told| told.last_handled_reapply.as_ref());
    (handled != Some(&asked)).then_some(asked)
}

/// How the schedule stands. None where there is none, or none that can be read, which the Region is told of.
pub(in crate::plan) fn times(region: &Region, now: Timestamp) -> Option<ReapplyTimes> {
    let text = region.spec.requests.as_ref()?.reapply.as_deref()?;
    let schedule = Schedule::parse(text).ok()?;
    let zone = TimeZone::get(&region.spec.locale.time_zone).ok()?;
    let following = schedule.next(now, &zone)?;
    let told = region.status.as_ref().and_then(|s| s.requests.as_ref());
    let told = told.and_then(|told| told.reapply_schedule.as_ref()?.next_at.as_deref());
    let told = told.and_then(|told| told.parse::<Timestamp>().ok());
    // What was told by another schedule, or in another zone, is not due by this one.
    let fires = |at: &Timestamp| {
        let before = at.checked_sub(SignedDuration::from_secs(1));
        before.is_ok_and(|before| schedule.next(before, &zone) == Some(*at))
    };
    let Some(due) = told.filter(|due| *due <= now && fires(due)) else {
        return Some(ReapplyTimes {
            at: following,
            following,
            is_due: false,
            is_overdue: false,
            wake_at: following,
        });
    };
    let limit = schedule.next(due, &zone)?.checked_add(SLACK).ok()?;
    Some(ReapplyTimes {
        at: due,
        following,
        is_due: true,
        is_overdue: limit <= now,
        wake_at: Some(limit)
            .filter(|limit| *limit > now)
            .map_or(following, |limit| limit.min(following)),
    })
}

/// Why the schedule can be none.
pub(in crate::plan) fn schedule_problem(region: &Region) -> Option<Reason> {
    let text = region.spec.requests.as_ref()?.reapply.as_deref()?;
    let why = match Schedule::parse(text) {
        Err(error) => format!("is no schedule ({error})"),
        Ok(schedule) if schedule.shortest_gap().is_none() => "names no day that comes".to_owned(),
        Ok(_) => return None,
    };
    Some(Word::ReapplyScheduleInvalid.because(format!(
        "spec.requests.reapply: {text} {why}; write five cron fields such as 0 4 * * *"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn region(schedule: &str, next_at: Option<&str>) -> Region {
        let requests = json!({
            "identities": [{"name": "email"}], "reapply": schedule,
            "suppression": {"secretRef": {"name": "s", "key": "url"}},
        });
        serde_json::from_value(json!({
            "metadata": {"name": "eu"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "requests": requests,
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            "status": {"requests": {"reapplySchedule": {"nextAt": next_at}}},
        }))
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_due_stays_due_until_it_was_done() {
        let now = at("2026-11-22T10:00:00Z");
        for (schedule, told, wanted, is_due, is_overdue) in [
            // One that is new waits for its first moment, in the region's zone.
            ("0 4 * * *", None, "2026-11-23T03:00:00Z", false, false),
            (
                "0 4 * * *",
                Some("2026-11-23T03:00:00Z"),
                "2026-11-23T03:00:00Z",
                false,
                false,
            ),
            (
                "0 4 * * *",
                Some("2026-11-22T03:00:00Z"),
                "2026-11-22T03:00:00Z",
                true,
                false,
            ),
            (
                "0 4 * * *",
                Some("2026-11-20T03:00:00Z"),
                "2026-11-20T03:00:00Z",
                true,
                true,
            ),
            // Told by the schedule of before.
            (
                "0 5 * * *",
                Some("2026-11-22T03:00:00Z"),
                "2026-11-23T04:00:00Z",
                false,
                false,
            ),
        ] {
            let region = region(schedule, told);
            let times = times(&region, now).unwrap();
            let found = (times.at, times.is_due, times.is_overdue);
            assert_eq!(found, (at(wanted), is_due, is_overdue), "{told:?}");
            assert!(times.wake_at > now, "{told:?}");
            let asked = asked(&region, Some(&times)).map(|asked| asked.value);
            assert_eq!(asked, is_due.then(|| format!("schedule {wanted}")));
        }
    }

    #[test]
    fn who_asks_by_hand_comes_first() {
        let mut region = region("0 4 * * *", Some("2026-11-22T03:00:00Z"));
        let times = times(&region, at("2026-11-22T10:00:00Z"));
        let asked = |region: &Region| asked(region, times.as_ref()).unwrap();
        assert!(asked(&region).is_scheduled);
        let wish = (names::ANNOTATION_REAPPLY.to_owned(), "ticket-17".to_owned());
        region.metadata.annotations = Some([wish].into());
        let first = asked(&region);
        assert_eq!((&*first.value, first.is_scheduled), ("ticket-17", false));
    }

    #[test]
    fn a_schedule_that_can_be_none_is_told() {
        for (schedule, wanted) in [
            ("0 4 * * *", None),
            ("daily", Some("is no schedule")),
            ("0 4 30 2 *", Some("names no day that comes")),
        ] {
            let why = schedule_problem(&region(schedule, None)).map(|why| why.message);
            assert_eq!(why.is_some(), wanted.is_some(), "{schedule}");
            assert!(why.unwrap_or_default().contains(wanted.unwrap_or_default()));
        }
    }
}
