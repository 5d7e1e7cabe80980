//! When a schedule fires next, and whether it failed to.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;

use crate::plan::gates::Schedule;

/// How late a start may be: the CronJob's own deadline, and a pod's start.
const SLACK: SignedDuration = SignedDuration::from_mins(15);

/// A CronJob's schedule in its zone.
pub(super) struct Firing {
    schedule: Schedule,
    zone: TimeZone,
}

/// The next firing, as status tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// When it fires, or should have fired.
    pub(super) at: Option<Timestamp>,
    /// It should have, twice, and did not.
    pub(super) is_overdue: bool,
    /// When what is told changes by itself: it fires, or is overdue.
    pub(super) wake_at: Option<Timestamp>,
}

impl Firing {
    /// Of a planned CronJob; absent when it cannot be read.
    pub(super) fn of(cron_job: &CronJob) -> Option<Self> {
        let spec = cron_job.spec.as_ref()?;
        Some(Self {
            schedule: Schedule::parse(&spec.schedule).ok()?,
            zone: TimeZone::get(spec.time_zone.as_deref()?).ok()?,
        })
    }

    /// Of a schedule in a zone; absent when it cannot be read.
    pub(super) fn at(schedule: &str, zone: TimeZone) -> Option<Self> {
        let schedule = Schedule::parse(schedule).ok()?;
        Some(Self { schedule, zone })
    }

    /// When it fires first after a moment.
    pub(super) fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        self.schedule.next(moment, &self.zone)
    }

    /// The next firing. `told` is what status said before: it stands until a run at or after it was seen, so that a
    /// missed one is noticed. `ran` is the newest start or end that was seen.
    pub(super) fn next(&self, told: Option<&str>, ran: Option<Timestamp>, now: Timestamp) -> Next {
        let told = told.and_then(|told| told.parse::<Timestamp>().ok());
        let is_missed = |due: &Timestamp| *due <= now && ran.is_none_or(|ran| ran < *due);
        let pending = told.filter(|due| is_missed(due) && self.fires(*due));
        let Some(due) = pending else {
            let at = self.schedule.next(now, &self.zone);
            return Next {
                at,
                is_overdue: false,
                wake_at: self.limit(at),
            };
        };
        let limit = self.limit(Some(due));
        let is_overdue = limit.is_some_and(|limit| limit <= now);
        Next {
            at: Some(due),
            is_overdue,
            wake_at: limit.filter(|_| !is_overdue),
        }
    }

    /// Whether it fires then: what was told by another schedule, or in another zone, is not missed by this one.
    fn fires(&self, at: Timestamp) -> bool {
        let before = at.checked_sub(SignedDuration::from_secs(1));
        before.is_ok_and(|before| self.schedule.next(before, &self.zone) == Some(at))
    }

    /// When a run that was due is overdue: a little after the one that follows it was due too.
    pub(super) fn limit(&self, due: Option<Timestamp>) -> Option<Timestamp> {
        let second = self.schedule.next(due?, &self.zone)?;
        second.checked_add(SLACK).ok()
    }
}

/// The earliest of some times after now.
pub(super) fn earliest(
    times: impl IntoIterator<Item = Option<Timestamp>>,
    now: Timestamp,
) -> Option<Timestamp> {
    times.into_iter().flatten().filter(|at| *at > now).min()
}

/// What was told of the next run stands while it lies ahead.
pub(super) fn upcoming(told: Option<&str>, now: Timestamp) -> Option<String> {
    let told = told?;
    let is_ahead = told.parse::<Timestamp>().is_ok_and(|at| at > now);
    is_ahead.then(|| told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn daily() -> Firing {
        Firing {
            schedule: Schedule::parse("0 3 * * *").unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    #[test]
    fn the_next_run_is_counted_in_the_regions_zone() {
        let next = daily().next(None, None, at("2026-07-01T00:30:00Z"));
        assert_eq!(next.at, Some(at("2026-07-01T01:00:00Z")));
        assert_eq!(next.wake_at, Some(at("2026-07-02T01:15:00Z")));
    }

    #[test]
    fn a_missed_run_stands_until_it_is_overdue_or_made() {
        let told = Some("2026-07-01T01:00:00Z");
        let late = daily().next(told, None, at("2026-07-01T09:00:00Z"));
        assert_eq!(late.at, Some(at("2026-07-01T01:00:00Z")));
        assert!(!late.is_overdue);
        let limit = at("2026-07-02T01:15:00Z");
        assert_eq!(late.wake_at, Some(limit));
        assert!(daily().next(told, None, limit).is_overdue);
        let made = daily().next(told, Some(at("2026-07-01T01:02:00Z")), limit);
        assert_eq!(made.at, Some(at("2026-07-03T01:00:00Z")));
        assert!(!made.is_overdue);
    }

    #[test]
    fn what_another_schedule_missed_is_not_missed_by_this_one() {
        let told = Some("2026-07-01T01:30:00Z");
        let next = daily().next(told, None, at("2026-07-09T09:00:00Z"));
        assert_eq!(next.at, Some(at("2026-07-10T01:00:00Z")));
        assert!(!next.is_overdue);
    }

    #[test]
    fn a_run_that_is_due_this_instant_is_no_longer_ahead() {
        let told = "2026-11-22T10:00:00Z";
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(upcoming(Some(told), at(told)), None);
        let before = at("2026-11-22T09:59:59Z");
        assert_eq!(upcoming(Some(told), before).as_deref(), Some(told));
        assert_eq!(upcoming(None, before), None);
    }
}
