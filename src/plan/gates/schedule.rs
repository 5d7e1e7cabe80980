//! Is this a schedule that a CronJob takes, and not more often than the platform does?
//!
//! The grammar and the meaning are CronJob's own (robfig/cron 3.0.1, `ParseStandard`), which no Rust library has:
//! others take `7` for Sunday, `L`, `W` and `#`, treat `*/2` in a day field as a star, and make up for an hour that
//! the clocks skip. The vectors beside this file were made by CronJob's own code.

mod grammar;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Unit, Zoned};

use super::{Word, list};
use crate::packs::{Fact, ModeRules};
use crate::plan::Reason;

/// A schedule finds a day within this many years or never: CronJob gives up after five.
const YEARS: i16 = 5;
/// How far ahead a change of clocks is looked for: every zone that has summer time changes twice within.
const CLOCKS_AHEAD: i64 = 366;

/// Five cron fields as CronJob reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// `*` in a day field: both day fields must match, not either.
    both_days: bool,
}

/// What else than the text decides.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The field, for messages: `feeds[full].schedule`.
    pub field: &'a str,
    /// The platform's name and its floor, for a feed.
    pub floor: Option<(&'a str, &'a Fact<ModeRules>)>,
    /// The region's zone.
    pub zone: &'a TimeZone,
    /// Now.
    pub now: Timestamp,
}

/// A schedule that is fit to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The schedule.
    pub schedule: Schedule,
    /// When it fires next in the region.
    pub next: Timestamp,
    /// Runs that a change of clocks skips or doubles; a floor that nobody confirmed.
    pub warnings: Vec<Reason>,
}

/// The schedule, when it is fit to run; else what is wrong with it and what would be right.
pub fn schedule(text: &str, rule: Rule<'_>) -> Result<Scheduled, Reason> {
    let field = rule.field;
    let schedule = Schedule::parse(text).map_err(|problem| {
        Word::ScheduleInvalid.because(format!(
            "{field}: {problem}: write what a CronJob takes, five fields such as \"0 3 * * *\""
        ))
    })?;
    let never = || {
        Word::ScheduleNever.because(format!(
            "{field}: '{text}' names no day that comes within {YEARS} years: choose a day that its months have"
        ))
    };
    let next = schedule.next(rule.now, rule.zone).ok_or_else(never)?;
    let mut warnings = Vec::new();
    if let Some((platform, floor)) = rule.floor
        && let Some(told) = too_often(&schedule, field, platform, floor)
    {
        if floor.confirmed {
            return Err(told);
        }
        warnings.push(Word::Unconfirmed.because(told.message));
    }
    warnings.extend(clock_changes(&schedule, rule));
    Ok(Scheduled {
        schedule,
        next,
        warnings,
    })
}

impl Schedule {
    /// The schedule, when CronJob takes it too.
    pub fn parse(text: &str) -> Result<Self, String> {
        grammar::parse(text)
    }

    /// The first minute after `after` whose clock in the zone matches. A time that the clocks skip does not fire,
    /// a time that comes twice fires twice.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = after.to_zoned(zone.clone());
        let last_year = start.year().saturating_add(YEARS);
        let mut at = minute_after(&start)?;
        while at.year() <= last_year {
            if !self.is_day(at.datetime()) {
                let tomorrow = at.date().tomorrow().ok()?;
                at = tomorrow.to_zoned(zone.clone()).ok()?;
            } else if !has(self.hour, at.hour()) {
                let rest = SignedDuration::from_mins(60 - i64::from(at.minute()));
                at = at.checked_add(rest).ok()?;
            } else if !has(self.minute, at.minute()) {
                at = at.checked_add(SignedDuration::from_mins(1)).ok()?;
            } else {
                return Some(at.timestamp());
            }
        }
        None
    }

    /// The least time between two runs by the clock on the wall; none when it never fires twice.
    #[must_use]
    pub fn shortest_gap(&self) -> Option<SignedDuration> {
        let minutes: Vec<i64> = (0..1440)
            .filter(|m| has(self.hour, m / 60) && has(self.minute, m % 60))
            .collect();
        let (first, last) = (*minutes.first()?, *minutes.last()?);
        let within = minutes.windows(2).map(|pair| pair[1] - pair[0]).min();
        let over = self.shortest_days().map(|days| days * 1440 + first - last);
        // A day that never comes has no gaps within it either.
        over.or(within.filter(|_| self.has_day()))
            .map(|over| within.map_or(over, |within| within.min(over)))
            .map(SignedDuration::from_mins)
    }

    /// The least number of days between two days that match.
    fn shortest_days(&self) -> Option<i64> {
        let mut least = None;
        let mut before = None;
        for day in self.days() {
            if let Some(gap) = before.map(|before| day - before) {
                least = Some(least.map_or(gap, |least: i64| least.min(gap)));
            }
            if least == Some(1) {
                break; // nothing is less
            }
            before = Some(day);
        }
        least
    }

    fn has_day(&self) -> bool {
        self.days().next().is_some()
    }

    /// Days that match, counted from the first of twenty-nine years: in twenty-eight every date has fallen on every day
    /// of the week, and one more has the gap over their end.
    fn days(&self) -> impl Iterator<Item = i64> {
        let start = jiff::civil::date(2000, 1, 1);
        let days = start
            .series(Span::new().days(1))
            .take_while(|d| d.year() < 2029);
        days.zip(0..)
            .filter(|(day, _)| self.is_day(day.at(0, 0, 0, 0)))
            .map(|(_, number)| number)
    }

    fn is_day(&self, at: DateTime) -> bool {
        let day = has(self.day, at.day());
        let weekday = has(self.weekday, at.weekday().to_sunday_zero_offset());
        let matched = if self.both_days {
            day && weekday
        } else {
            day || weekday
        };
        has(self.month, at.month()) && matched
    }

    fn matches(&self, at: DateTime) -> bool {
        self.is_day(at) && has(self.hour, at.hour()) && has(self.minute, at.minute())
    }

    fn every_hour(&self) -> bool {
        self.hour & grammar::HOURS == grammar::HOURS
    }
}

fn has(bits: u64, value: impl Into<i64>) -> bool {
    bits >> value.into() & 1 == 1
}

fn minute_after(at: &Zoned) -> Option<Zoned> {
    // Rounding in UTC: zones of long ago were off by seconds, those of today by whole minutes.
    let minute = at.timestamp().round(
        jiff::TimestampRound::new()
            .smallest(Unit::Minute)
            .mode(jiff::RoundMode::Floor),
    );
    let next = minute
        .ok()?
        .checked_add(SignedDuration::from_mins(1))
        .ok()?;
    Some(next.to_zoned(at.time_zone().clone()))
}

fn too_often(
    schedule: &Schedule,
    field: &str,
    platform: &str,
    floor: &Fact<ModeRules>,
) -> Option<Reason> {
    let gap = schedule.shortest_gap()?;
    (gap < floor.value.floor).then(|| {
        Word::ScheduleTooOften.because(format!(
            "{field}: runs {gap:#} apart; {platform} takes a {:?} file no more often than every {:#} ({}{})",
            floor.value.mode,
            floor.value.floor,
            floor.source.as_str(),
            if floor.confirmed { "" } else { ", unconfirmed" },
        ))
    })
}

/// One warning for each kind of change within the next year. A schedule that runs every hour loses nothing.
fn clock_changes(schedule: &Schedule, rule: Rule<'_>) -> Vec<Reason> {
    if schedule.every_hour() {
        return Vec::new();
    }
    let end = rule.now + SignedDuration::from_hours(24 * CLOCKS_AHEAD);
    let mut told: Vec<Reason> = Vec::new();
    let (mut skipped, mut doubled) = (false, false);
    let changes = rule
        .zone
        .following(rule.now)
        .take_while(|change| change.timestamp() <= end);
    for change in changes {
        let at = change.timestamp();
        let before = rule
            .zone
            .to_offset(at - SignedDuration::from_secs(1))
            .to_datetime(at);
        let after = change.offset().to_datetime(at);
        let seen = if before < after {
            &mut skipped
        } else {
            &mut doubled
        };
        let (from, to) = (before.min(after), before.max(after));
        let times = hit(schedule, from, to);
        if times.is_empty() || std::mem::replace(seen, true) {
            continue;
        }
        let what = if before < after {
            "is skipped"
        } else {
            "comes twice"
        };
        told.push(Word::ClockChange.because(format!(
            "{}: the run at {} {what} on {}, when clocks in {} go from {} to {}: choose another hour if that matters",
            rule.field,
            list(times),
            before.date(),
            rule.zone.iana_name().unwrap_or("the region"),
            before.strftime("%H:%M"),
            after.strftime("%H:%M"),
        )));
    }
    told
}

/// The times from `from` to before `to` that the schedule names, three at most.
fn hit(schedule: &Schedule, from: DateTime, to: DateTime) -> Vec<String> {
    from.series(Span::new().minutes(1))
        .take_while(|at| *at < to)
        .filter(|at| schedule.matches(*at))
        .take(3)
        .map(|at| at.strftime("%H:%M").to_string())
        .collect()
}

#[cfg(test)]
mod tests;
