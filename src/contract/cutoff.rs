//! When a row is due, by the calendar of the region.
//!
//! In: a period, what it runs from, a zone and the database's clock. Out: the exact set of clock values that are
//! due. Pure: no I/O, no clock of its own.
//!
//! A row is due once its clock plus the period is not after now. Calendar arithmetic makes that set less
//! simple than one bound: a month after 30 January 23:00 is 28 February 23:00, but a month after 31 January
//! 01:00 is 28 February 01:00, so at noon the later clock is due and the earlier is not. The set is therefore
//! the latest due value, less a few gaps before it. ('Now minus a month' on 28 February forgets 29 to 31 January.)
//!
//! A period that runs from the end of a year has no such gaps: all clocks of a year become due together.

mod end;

pub use end::{end_from, free_from};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// Beyond this many days around `now - period` everything is plainly due, or plainly not: clamping at a
/// month's end moves a date by three days at most, and a zone's jump by one.
const MARGIN_DAYS: i64 = 7;

const DAY_MICROS: i64 = 86_400_000_000;

/// What the clock column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// A day: due once the day that the period ends on has begun in the region.
    Date,
    /// A wall clock, read in the region's zone.
    Timestamp,
    /// A moment.
    Timestamptz,
}

/// The clock values that are due: up to and including `latest`, without those inside a gap (ends included).
/// ISO 8601 texts, which databases read; kept in the run row, so that no retry computes them anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The latest clock that is due.
    pub latest: String,
    /// Clocks before it that are not due yet: first and last.
    pub gaps: Vec<(String, String)>,
}

/// What a period runs from. In a task `"EventDate"`, `"EndOfCalendarYear"` or `{"EndOfFiscalYear": "09-30"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Anchor {
    /// The clock itself.
    #[default]
    EventDate,
    /// The end of the calendar year that the clock is in, as German tax law has it (AO 147(4)).
    EndOfCalendarYear,
    /// The end of the fiscal year that the clock is in.
    EndOfFiscalYear(FiscalYear),
}

impl Anchor {
    /// Whether it is the clock itself, as in every task that says nothing else.
    #[must_use]
    pub fn is_event_date(&self) -> bool {
        *self == Self::EventDate
    }
}

/// A fiscal year, by its last day: `09-30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FiscalYear {
    month: i8,
    day: i8,
}

impl FiscalYear {
    /// Ends on 31 December.
    pub const CALENDAR: Self = Self { month: 12, day: 31 };

    /// The year that ends on that day of that month; a day that the month doesn't have, in that year, is its last:
    /// `(2, 29)` and `(6, 31)` are the last of February and of June. None for what is in no month.
    #[must_use]
    pub fn ending(month: i8, day: i8) -> Option<Self> {
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { month, day })
    }

    /// Whether every year begins on a day that all months have: then no month cuts a period of months short.
    #[must_use]
    pub fn begins_on_any_month(self) -> bool {
        let longest = match self.month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.day <= 27 || self.day >= longest
    }

    /// Its last day in a calendar year.
    fn end_in(self, year: i16) -> Result<Date, Error> {
        let first = Date::new(year, self.month, 1)?;
        Ok(Date::new(
            year,
            self.month,
            self.day.min(first.days_in_month()),
        )?)
    }
}

impl std::str::FromStr for FiscalYear {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let (month, day) = text.split_once('-').ok_or(NoDay)?;
        let number = |part: &str| {
            let is_plain = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_digit());
            part.parse().ok().filter(|_| is_plain).ok_or(NoDay)
        };
        Self::ending(number(month)?, number(day)?).ok_or(NoDay)
    }
}

impl TryFrom<String> for FiscalYear {
    type Error = NoDay;

    fn try_from(text: String) -> Result<Self, NoDay> {
        text.parse()
    }
}

impl From<FiscalYear> for String {
    fn from(year: FiscalYear) -> Self {
        format!("{:02}-{:02}", year.month, year.day)
    }
}

/// What is no last day of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no month and day such as 09-30")]
pub struct NoDay;

/// Why there is no cut-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The period leads out of the calendar.
    #[error("the period reaches back beyond the year 1")]
    TooLong,
    /// Calendar arithmetic failed.
    #[error("the calendar has no such date")]
    Calendar(#[source] jiff::Error),
}

impl From<jiff::Error> for Error {
    fn from(error: jiff::Error) -> Self {
        Self::Calendar(error)
    }
}

/// The set of due clocks for a period that has passed at `now`.
pub fn due(kind: ClockKind, period: Span, zone: &TimeZone, now: Timestamp) -> Result<Due, Error> {
    let line = Line {
        kind,
        period,
        zone,
        now,
    };
    let middle = zone
        .to_datetime(now)
        .checked_sub(period)
        .map_err(|_| Error::TooLong)?
        .date();
    let first = middle
        .checked_sub(MARGIN_DAYS.days())
        .map_err(|_| Error::TooLong)?;
    if first.year() < 1 {
        return Err(Error::TooLong);
    }
    let runs = line.due_runs(first, middle.checked_add(MARGIN_DAYS.days())?)?;
    let (_, latest) = runs.last().copied().ok_or(Error::TooLong)?;
    let gaps = runs.windows(2).map(|pair| (pair[0].1 + 1, pair[1].0 - 1));
    let gaps = gaps.map(|(from, to)| Ok((line.text(from)?, line.text(to)?)));
    Ok(Due {
        latest: line.text(latest)?,
        gaps: gaps.collect::<Result<_, Error>>()?,
    })
}

/// The set of due clocks for a period that runs from an anchor and has passed at `now`.
pub fn due_from(
    anchor: Anchor,
    kind: ClockKind,
    period: Span,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Due, Error> {
    let year = match anchor {
        Anchor::EventDate => return due(kind, period, zone, now),
        Anchor::EndOfCalendarYear => FiscalYear::CALENDAR,
        Anchor::EndOfFiscalYear(year) => year,
    };
    let middle = zone
        .to_datetime(now)
        .checked_sub(period)
        .map_err(|_| Error::TooLong)?;
    // The latest year that is over early enough. It ends about `now - period`, but adding a period does not undo
    // subtracting it (months differ by days), so a year more is looked at on both sides.
    for back in [-1, 0, 1, 2] {
        let last = year.end_in(middle.year() - back)?;
        if last.year() < 1 {
            return Err(Error::TooLong);
        }
        // The period begins with the day after the last, and ends when its own last day is over.
        let first = last.tomorrow()?;
        let passed = begin(first.checked_add(period)?, zone)?;
        if passed > now {
            continue;
        }
        return Ok(Due {
            latest: last_of(kind, last, zone)?,
            gaps: Vec::new(),
        });
    }
    Err(Error::TooLong)
}

/// The set of clocks for which a keep has ended at `now`. What is kept for a year from 10 March is kept all of the next 10
/// March, at whatever hour it happened: a period that an event begins ends with the day that has its date (Regulation
/// 1182/71, article 3; BGB 187, 188). So the law counts days, and a clock that knows the hour is on one. A rule's own period
/// is nobody's law, and may end at the hour.
pub fn kept_from(
    anchor: Anchor,
    kind: ClockKind,
    period: Span,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Due, Error> {
    if !anchor.is_event_date() {
        return due_from(anchor, kind, period, zone, now);
    }
    // Days alone, which no zone leaves out or makes longer: those whose own last day is before today's.
    let last = zone.to_datetime(now).date().yesterday()?;
    let last = last.to_zoned(TimeZone::UTC)?.timestamp();
    let days = due(ClockKind::Date, period, &TimeZone::UTC, last)?;
    Ok(Due {
        latest: last_of(kind, days.latest.parse()?, zone)?,
        // A later day never ends before an earlier one.
        gaps: days.gaps,
    })
}

/// The last clock that is on a day.
fn last_of(kind: ClockKind, day: Date, zone: &TimeZone) -> Result<String, Error> {
    Ok(match kind {
        ClockKind::Date => day.to_string(),
        ClockKind::Timestamp => day.at(23, 59, 59, 999_999_000).to_string(),
        ClockKind::Timestamptz => begin(day.tomorrow()?, zone)?
            .checked_sub(1.microsecond())?
            .to_string(),
    })
}

/// The first moment of a day, whatever the clocks do at midnight.
fn begin(day: Date, zone: &TimeZone) -> Result<Timestamp, Error> {
    Ok(day.to_zoned(zone.clone())?.start_of_day()?.timestamp())
}

/// The values of a clock column as whole numbers: days for a date, microseconds (PostgreSQL's resolution)
/// for the others.
struct Line<'a> {
    kind: ClockKind,
    period: Span,
    zone: &'a TimeZone,
    now: Timestamp,
}

impl Line<'_> {
    /// The runs of due values from `first` on, in order, the first of them open to the past.
    fn due_runs(&self, first: Date, last: Date) -> Result<Vec<(i64, i64)>, Error> {
        let breaks = self.breaks(first, last)?;
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for cell in breaks.windows(2) {
            // Between two breaks `is_due` turns from true to false at most once.
            let (mut yes, mut no) = (cell[0], cell[1]);
            if !self.is_due(yes)? {
                continue;
            }
            while no - yes > 1 {
                let middle = yes + (no - yes) / 2;
                if self.is_due(middle)? {
                    yes = middle;
                } else {
                    no = middle;
                }
            }
            match runs.last_mut() {
                Some(run) if run.1 + 1 == cell[0] => run.1 = yes,
                _ => runs.push((cell[0], yes)),
            }
        }
        Ok(runs)
    }

    /// Every value at which `is_due` may turn from false to true: the start of each day, the zone's jumps, and
    /// the times of day at which the day that the period ends on has a jump.
    fn breaks(&self, first: Date, last: Date) -> Result<Vec<i64>, Error> {
        let days: Vec<Date> = first
            .series(1.day())
            .take_while(|day| *day <= last)
            .collect();
        let mut breaks = Vec::new();
        let mut times = vec![Time::midnight()];
        let today = self.zone.to_datetime(self.now).date();
        let near = self.jumps(today.checked_sub(2.days())?, today.checked_add(2.days())?)?;
        times.extend(near.into_iter().map(DateTime::time));
        let moments = days
            .iter()
            .flat_map(|day| times.iter().map(|time| day.to_datetime(*time)));
        for moment in moments.chain(self.jumps(first, last)?) {
            breaks.extend(self.values(moment)?);
        }
        breaks.sort_unstable();
        breaks.dedup();
        Ok(breaks)
    }

    /// What the wall clock shows before and after each jump of the zone between two days.
    fn jumps(&self, first: Date, last: Date) -> Result<Vec<DateTime>, Error> {
        let from = first.to_zoned(self.zone.clone())?.timestamp();
        let to = last.to_zoned(self.zone.clone())?.timestamp();
        let mut walls = Vec::new();
        for jump in self
            .zone
            .following(from)
            .take_while(|jump| jump.timestamp() <= to)
        {
            let before = self
                .zone
                .to_offset(jump.timestamp().checked_sub(1.nanosecond())?);
            walls.push(before.to_datetime(jump.timestamp()));
            walls.push(jump.offset().to_datetime(jump.timestamp()));
        }
        Ok(walls)
    }

    /// The values that stand for a wall clock's moment: two moments where the clock was set back.
    fn values(&self, wall: DateTime) -> Result<Vec<i64>, Error> {
        Ok(match self.kind {
            ClockKind::Date => vec![day_number(wall.date())?],
            ClockKind::Timestamp => vec![micros_of(wall)?],
            ClockKind::Timestamptz => {
                let moment = self.zone.to_ambiguous_timestamp(wall);
                vec![
                    moment.earlier()?.as_microsecond(),
                    moment.later()?.as_microsecond(),
                ]
            }
        })
    }

    /// The rule itself: is clock + period not after now?
    fn is_due(&self, value: i64) -> Result<bool, Error> {
        let end = match self.kind {
            ClockKind::Date => {
                let end = day(value)?.checked_add(self.period)?;
                end.to_zoned(self.zone.clone())?
            }
            ClockKind::Timestamp => self.zone.to_zoned(wall(value)?)?.checked_add(self.period)?,
            ClockKind::Timestamptz => Timestamp::from_microsecond(value)?
                .to_zoned(self.zone.clone())
                .checked_add(self.period)?,
        };
        Ok(end.timestamp() <= self.now)
    }

    fn text(&self, value: i64) -> Result<String, Error> {
        Ok(match self.kind {
            ClockKind::Date => day(value)?.to_string(),
            ClockKind::Timestamp => wall(value)?.to_string(),
            ClockKind::Timestamptz => Timestamp::from_microsecond(value)?.to_string(),
        })
    }
}

/// A wall clock as microseconds since 1970 on that same wall.
fn micros_of(wall: DateTime) -> Result<i64, Error> {
    Ok(Offset::UTC.to_timestamp(wall)?.as_microsecond())
}

fn wall(micros: i64) -> Result<DateTime, Error> {
    Ok(Offset::UTC.to_datetime(Timestamp::from_microsecond(micros)?))
}

/// Days since 1970.
fn day_number(day: Date) -> Result<i64, Error> {
    Ok(micros_of(day.to_datetime(Time::midnight()))?.div_euclid(DAY_MICROS))
}

fn day(number: i64) -> Result<Date, Error> {
    Ok(wall(number.saturating_mul(DAY_MICROS))?.date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn latest(kind: ClockKind, period: &str, name: &str, now: &str) -> Due {
        due(
            kind,
            period.parse().unwrap(),
            &zone(name),
            now.parse().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn a_keep_keeps_the_day_that_has_its_date() {
        let kept = |anchor, kind, now: &str| {
            let (period, now) = ("P1Y".parse().unwrap(), now.parse().unwrap());
            let kept = kept_from(anchor, kind, period, &zone("Europe/Berlin"), now);
            kept.unwrap().latest
        };
        let event = Anchor::EventDate;
        for (now, latest) in [
            ("2026-03-10T22:59:59Z", "2025-03-09"),
            ("2026-03-10T23:00:00Z", "2025-03-10"),
            // On 1 March, 28 February is over, on which a year after 29 February ends, too.
            ("2025-03-01T12:00:00Z", "2024-02-29"),
            // The day after the clocks were set forward.
            ("2026-03-29T22:30:00Z", "2025-03-29"),
        ] {
            assert_eq!(kept(event, ClockKind::Date, now), latest, "{now}");
        }
        // A clock that knows the hour is on a day all the same, the region's.
        for now in ["2026-03-10T12:00:00Z", "2026-03-10T22:59:59Z"] {
            assert_eq!(
                kept(event, ClockKind::Timestamptz, now),
                "2025-03-09T22:59:59.999999Z"
            );
            assert_eq!(
                kept(event, ClockKind::Timestamp, now),
                "2025-03-09T23:59:59.999999"
            );
        }
        let now = "2026-03-10T23:00:00Z";
        let moment = kept(event, ClockKind::Timestamptz, now);
        assert_eq!(moment, "2025-03-10T22:59:59.999999Z");
        let year = kept(
            Anchor::EndOfCalendarYear,
            ClockKind::Date,
            "2026-12-31T23:00:00Z",
        );
        assert_eq!(year, "2025-12-31");
    }

    #[test]
    fn a_keep_of_months_leaves_out_whole_days() {
        let kept = |kind| {
            let (period, now) = ("P1M".parse().unwrap(), "2026-03-01T12:00:00Z".parse());
            let kept = kept_from(
                Anchor::EventDate,
                kind,
                period,
                &zone("Europe/Berlin"),
                now.unwrap(),
            );
            kept.unwrap()
        };
        // 28 to 31 January end with 28 February, and nothing before them later.
        let days = kept(ClockKind::Date);
        assert_eq!((days.latest.as_str(), days.gaps.len()), ("2026-01-31", 0));
        let moments = kept(ClockKind::Timestamptz);
        assert_eq!(moments.latest, "2026-01-31T22:59:59.999999Z");
        assert!(moments.gaps.is_empty());
    }

    #[test]
    fn a_plain_day_has_one_bound() {
        let due = latest(
            ClockKind::Timestamptz,
            "P3Y",
            "Europe/Berlin",
            "2026-06-15T10:00:00Z",
        );
        assert_eq!(
            due,
            Due {
                latest: "2023-06-15T10:00:00Z".into(),
                gaps: vec![]
            }
        );
        let due = latest(
            ClockKind::Timestamp,
            "P90D",
            "Europe/Berlin",
            "2026-06-15T10:00:00Z",
        );
        assert_eq!(
            due,
            Due {
                latest: "2026-03-17T12:00:00".into(),
                gaps: vec![]
            }
        );
        let due = latest(
            ClockKind::Date,
            "P8Y",
            "Europe/Berlin",
            "2026-06-15T10:00:00Z",
        );
        assert_eq!(
            due,
            Due {
                latest: "2018-06-15".into(),
                gaps: vec![]
            }
        );
    }

    #[test]
    fn a_date_is_due_when_its_day_begins_in_the_region() {
        let due = latest(
            ClockKind::Date,
            "P1D",
            "Europe/Berlin",
            "2026-06-14T21:59:59Z",
        );
        assert_eq!(due.latest, "2026-06-13");
        let due = latest(
            ClockKind::Date,
            "P1D",
            "Europe/Berlin",
            "2026-06-14T22:00:00Z",
        );
        assert_eq!(due.latest, "2026-06-14");
    }

    #[test]
    fn a_leap_day_is_due_on_the_last_of_february() {
        let due = latest(ClockKind::Date, "P1Y", "UTC", "2025-02-28T00:00:00Z");
        assert_eq!(due.latest, "2024-02-29");
        let due = latest(ClockKind::Date, "P1Y", "UTC", "2025-02-27T23:59:59Z");
        assert_eq!(due.latest, "2024-02-27");
    }

    #[test]
    fn the_days_that_a_short_month_swallows_leave_gaps() {
        let due = latest(ClockKind::Timestamptz, "P1M", "UTC", "2026-02-28T12:00:00Z");
        assert_eq!(due.latest, "2026-01-31T12:00:00Z");
        let gap = |day| {
            (
                format!("2026-01-{day}T12:00:00.000001Z"),
                format!("2026-01-{day}T23:59:59.999999Z"),
            )
        };
        let expected: Vec<_> = (28..31).map(gap).collect();
        assert_eq!(due.gaps, expected);
    }

    #[test]
    fn clocks_that_change_move_the_bound_by_an_hour() {
        // 08:00 UTC is 10:00 in summer; three months before, winter's 10:00 is 09:00 UTC.
        let due = latest(
            ClockKind::Timestamptz,
            "P3M",
            "Europe/Berlin",
            "2026-04-15T08:00:00Z",
        );
        assert_eq!(due.latest, "2026-01-15T09:00:00Z");
    }

    #[test]
    fn an_hour_that_came_twice_is_due_in_two_parts() {
        // 2:30 came twice in Berlin on that day, and once a month later.
        let (berlin, now) = ("Europe/Berlin", "2025-11-26T01:30:00Z");
        let due = latest(ClockKind::Timestamptz, "P1M", berlin, now);
        assert_eq!(due.latest, "2025-10-26T01:30:00Z");
        let (from, to) = ("2025-10-26T00:30:00.000001Z", "2025-10-26T00:59:59.999999Z");
        assert_eq!(due.gaps, [(from.into(), to.into())]);
    }

    #[test]
    fn an_hour_that_is_left_out_is_due_with_the_one_after() {
        // 29 days on there is no 2:30: it ends at 3:30, and 3:00 ends before it.
        let (berlin, now) = ("Europe/Berlin", "2026-03-29T01:10:00Z");
        let due = latest(ClockKind::Timestamp, "P29D", berlin, now);
        assert_eq!(due.latest, "2026-02-28T03:10:00");
        let (from, to) = ("2026-02-28T02:10:00.000001", "2026-02-28T02:59:59.999999");
        assert_eq!(due.gaps, [(from.into(), to.into())]);
    }

    #[test]
    fn a_period_beyond_the_calendar_is_refused() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let of = |period: Span| due(ClockKind::Date, period, &TimeZone::UTC, now);
        assert!(matches!(of(2026.years()).unwrap_err(), Error::TooLong));
        // As far back as the first day of the calendar is looked at, and no further.
        let most = 2024.years().days(365 - MARGIN_DAYS);
        assert!(of(most).is_ok());
        let more = 2024.years().days(366 - MARGIN_DAYS);
        assert!(matches!(of(more).unwrap_err(), Error::TooLong));
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",   // jumped at midnight until 2019
        "Australia/Lord_Howe", // by half an hour
        "Pacific/Apia",        // left out 30 December 2011
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Asia/Beirut",
    ];

    /// The rule, word for word, for one clock value.
    fn by_definition(
        kind: ClockKind,
        text: &str,
        period: Span,
        zone: &TimeZone,
        now: Timestamp,
    ) -> bool {
        let end = match kind {
            ClockKind::Date => {
                let day = text.parse::<Date>().unwrap() + period;
                day.at(0, 0, 0, 0).to_zoned(zone.clone()).unwrap()
            }
            ClockKind::Timestamp => {
                text.parse::<DateTime>()
                    .unwrap()
                    .to_zoned(zone.clone())
                    .unwrap()
                    + period
            }
            ClockKind::Timestamptz => {
                text.parse::<Timestamp>().unwrap().to_zoned(zone.clone()) + period
            }
        };
        end.timestamp() <= now
    }

    fn kinds() -> impl Strategy<Value = ClockKind> {
        prop_oneof![
            Just(ClockKind::Date),
            Just(ClockKind::Timestamp),
            Just(ClockKind::Timestamptz)
        ]
    }

    /// Moments around everything odd: zone jumps and month ends, and any other.
    fn moments() -> impl Strategy<Value = i64> {
        let odd = prop_oneof![
            Just("2026-03-29T01:00:00Z"),
            Just("2026-10-25T01:00:00Z"),
            Just("2018-11-04T03:00:00Z"),
            Just("2011-12-30T10:00:00Z"),
            Just("2024-02-29T12:00:00Z"),
            Just("2026-02-28T12:00:00Z"),
            Just("2026-04-04T15:00:00Z"),
            Just("2022-03-26T22:00:00Z"),
            Just("2026-12-31T23:59:59Z"),
        ];
        let near =
            (odd, -200_000_000_000_i64..200_000_000_000).prop_map(|(at, by): (&str, i64)| {
                at.parse::<Timestamp>().unwrap().as_microsecond() + by
            });
        prop_oneof![near, 0_i64..4_000_000_000_000_000]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_set_is_the_rule(
            kind in kinds(), zone_name in prop::sample::select(&ZONES[..]), now in moments(),
            years in 0_i32..11, months in 0_i32..14, days in 0_i32..40,
            offsets in prop::collection::vec(-700_000_000_000_i64..700_000_000_000, 24),
        ) {
            prop_assume!(years + months + days > 0);
            let zone = zone(zone_name);
            let now = Timestamp::from_microsecond(now).unwrap();
            let period = Span::new().years(years).months(months).days(days);
            let due = due(kind, period, &zone, now).unwrap();
            let line = Line { kind, period, zone: &zone, now };
            let middle = zone.to_datetime(now).checked_sub(period).unwrap();
            let middle = line.values(middle).unwrap()[0];
            // Also the edges themselves, where an off-by-one would sit.
            let edges = due.gaps.iter().flat_map(|(a, b)| [a, b]).chain([&due.latest]);
            let edges = edges.flat_map(|text| {
                let wall = match kind {
                    ClockKind::Timestamptz => text.parse::<Timestamp>().unwrap().as_microsecond(),
                    ClockKind::Timestamp => micros_of(text.parse().unwrap()).unwrap(),
                    ClockKind::Date => day_number(text.parse().unwrap()).unwrap(),
                };
                [wall - 1, wall, wall + 1]
            });
            let near = offsets.iter().map(|by| if kind == ClockKind::Date {
                middle + by / DAY_MICROS
            } else {
                middle + by
            });
            for value in near.chain(edges.collect::<Vec<_>>()) {
                let text = line.text(value).unwrap();
                let number = |text: &str| match kind {
                    ClockKind::Timestamptz => text.parse::<Timestamp>().unwrap().as_microsecond(),
                    ClockKind::Timestamp => micros_of(text.parse().unwrap()).unwrap(),
                    ClockKind::Date => day_number(text.parse().unwrap()).unwrap(),
                };
                let in_set = value <= number(&due.latest)
                    && !due.gaps.iter().any(|(a, b)| number(a) <= value && value <= number(b));
                prop_assert_eq!(in_set, by_definition(kind, &text, period, &zone, now), "{} {:?}", text, due);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        /// By days alone: a clock's day, the period on it, and that day over.
        #[test]
        fn a_keep_ends_when_the_day_that_has_its_date_is_over(
            kind in kinds(), zone_name in prop::sample::select(&ZONES[..]), now in moments(),
            years in 0_i32..11, months in 0_i32..14, days in 0_i32..40,
            offsets in prop::collection::vec(-700_000_000_000_i64..700_000_000_000, 24),
        ) {
            prop_assume!(years + months + days > 0);
            let zone = zone(zone_name);
            let now = Timestamp::from_microsecond(now).unwrap();
            let period = Span::new().years(years).months(months).days(days);
            let kept = kept_from(Anchor::EventDate, kind, period, &zone, now).unwrap();
            let line = Line { kind, period, zone: &zone, now };
            let middle = zone.to_datetime(now).checked_sub(period).unwrap();
            let middle = line.values(middle).unwrap()[0];
            let number = |text: &str| match kind {
                ClockKind::Timestamptz => text.parse::<Timestamp>().unwrap().as_microsecond(),
                ClockKind::Timestamp => micros_of(text.parse().unwrap()).unwrap(),
                ClockKind::Date => day_number(text.parse().unwrap()).unwrap(),
            };
            let latest = number(&kept.latest);
            let near = offsets.iter().map(|by| if kind == ClockKind::Date { middle + by / DAY_MICROS } else { middle + by });
            for value in near.chain([latest, latest + 1]) {
                let clock = match kind {
                    ClockKind::Date => day(value).unwrap(),
                    ClockKind::Timestamp => wall(value).unwrap().date(),
                    ClockKind::Timestamptz => zone.to_datetime(Timestamp::from_microsecond(value).unwrap()).date(),
                };
                let is_over = clock.checked_add(period).unwrap() < zone.to_datetime(now).date();
                let in_set = value <= latest
                    && !kept.gaps.iter().any(|(a, b)| number(a) <= value && value <= number(b));
                prop_assert_eq!(in_set, is_over, "{} {:?}", clock, kept);
            }
        }
    }

    const FISCAL: FiscalYear = FiscalYear { month: 9, day: 30 };

    fn latest_from(anchor: Anchor, kind: ClockKind, period: &str, name: &str, now: &str) -> String {
        let (period, now) = (period.parse().unwrap(), now.parse().unwrap());
        let due = due_from(anchor, kind, period, &zone(name), now).unwrap();
        assert!(due.gaps.is_empty(), "a year becomes due as one");
        due.latest
    }

    #[test]
    fn a_year_becomes_due_as_one_when_its_period_is_over() {
        let latest = |now| {
            latest_from(
                Anchor::EndOfCalendarYear,
                ClockKind::Date,
                "P8Y",
                "Europe/Berlin",
                now,
            )
        };
        // Eight years from the end of 2018 are over with the last hour of 2026.
        assert_eq!(latest("2026-12-31T22:59:59Z"), "2017-12-31");
        assert_eq!(latest("2026-12-31T23:00:00Z"), "2018-12-31");
        assert_eq!(latest("2027-12-31T22:59:59Z"), "2018-12-31");
    }

    #[test]
    fn the_last_moment_of_a_year_is_the_regions() {
        let latest = |kind| {
            let (berlin, now) = ("Europe/Berlin", "2026-06-15T00:00:00Z");
            latest_from(Anchor::EndOfCalendarYear, kind, "P3Y", berlin, now)
        };
        assert_eq!(latest(ClockKind::Date), "2022-12-31");
        assert_eq!(latest(ClockKind::Timestamp), "2022-12-31T23:59:59.999999");
        assert_eq!(
            latest(ClockKind::Timestamptz),
            "2022-12-31T22:59:59.999999Z"
        );
    }

    #[test]
    fn a_fiscal_year_ends_on_its_own_day() {
        let latest = |year, now| {
            latest_from(
                Anchor::EndOfFiscalYear(year),
                ClockKind::Date,
                "P1Y",
                "UTC",
                now,
            )
        };
        assert_eq!(latest(FISCAL, "2026-09-30T23:59:59Z"), "2024-09-30");
        assert_eq!(latest(FISCAL, "2026-10-01T00:00:00Z"), "2025-09-30");
        let british = FiscalYear::ending(4, 5).unwrap();
        assert_eq!(latest(british, "2026-04-05T23:59:59Z"), "2024-04-05");
        assert_eq!(latest(british, "2026-04-06T00:00:00Z"), "2025-04-05");
        let february = FiscalYear::ending(2, 29).unwrap();
        assert_eq!(latest(february, "2025-03-01T00:00:00Z"), "2024-02-29");
        assert_eq!(latest(february, "2026-03-01T00:00:00Z"), "2025-02-28");
    }

    #[test]
    fn what_is_no_day_ends_no_year() {
        for (month, day) in [(0, 1), (13, 1), (1, 0), (1, 32), (-1, 5)] {
            assert_eq!(FiscalYear::ending(month, day), None);
        }
        for text in [
            "", "0930", "9-30", "13-01", "00-01", "01-32", "09-30-01", "+9-30", "-9-30",
        ] {
            assert_eq!(text.parse::<FiscalYear>(), Err(NoDay), "{text}");
        }
        assert_eq!(String::from(FISCAL), "09-30");
        assert_eq!("09-30".parse(), Ok(FISCAL));
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let period = "P2026Y".parse().unwrap();
        let due = due_from(
            Anchor::EndOfCalendarYear,
            ClockKind::Date,
            period,
            &TimeZone::UTC,
            now,
        );
        assert!(matches!(due.unwrap_err(), Error::TooLong));
        let first = latest_from(
            Anchor::EndOfCalendarYear,
            ClockKind::Date,
            "P2024Y",
            "UTC",
            "2026-01-01T00:00:00Z",
        );
        assert_eq!(first, "0001-12-31");
    }

    #[test]
    fn a_year_that_begins_on_the_29th_or_later_is_cut_short_by_some_month() {
        let ends = (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day)));
        for (month, day) in ends {
            let year = FiscalYear::ending(month, day).unwrap();
            // Four years have a leap day among them.
            let by_calendar = (2025..2029)
                .map(|of| year.end_in(of).unwrap().tomorrow().unwrap())
                .all(|first| first.day() <= 28);
            assert_eq!(year.begins_on_any_month(), by_calendar, "{month}-{day}");
        }
    }

    /// The rule, word for word, a day at a time: to the end of the year, then month by month, then day by day.
    fn by_stepping(year: FiscalYear, clock: Date, period: (i32, i32, i32)) -> Date {
        let month_end = |day: Date| day.tomorrow().unwrap().month() != day.month();
        let mut day = clock;
        while !(day.month() == year.month
            && (day.day() == year.day || (day.day() < year.day && month_end(day))))
        {
            day = day.tomorrow().unwrap();
        }
        let first = day.tomorrow().unwrap();
        day = first;
        let mut months = period.0 * 12 + period.1;
        while months > 0 {
            day = day.tomorrow().unwrap();
            let again = day.day() == first.day() || (day.day() < first.day() && month_end(day));
            months -= i32::from(again);
        }
        for _ in 0..period.2 {
            day = day.tomorrow().unwrap();
        }
        day
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_year_is_due_when_stepping_says_so(
            zone_name in prop::sample::select(&ZONES[..]), now in moments(),
            years in 0_i32..11, months in 0_i32..14, days in 0_i32..40,
            month in 1_i8..13, last in 1_i8..32, away in -500_i32..500,
        ) {
            prop_assume!(years + months + days > 0);
            let zone = zone(zone_name);
            let now = Timestamp::from_microsecond(now).unwrap();
            let year = FiscalYear::ending(month, last).unwrap();
            let period = Span::new().years(years).months(months).days(days);
            let anchor = Anchor::EndOfFiscalYear(year);
            let due = due_from(anchor, ClockKind::Date, period, &zone, now).unwrap();
            let latest: Date = due.latest.parse().unwrap();
            let middle = zone.to_datetime(now).date() - period;
            for clock in [latest, latest + 1.day(), middle + away.days()] {
                let over = by_stepping(year, clock, (years, months, days));
                let is_due = begin(over, &zone).unwrap() <= now;
                prop_assert_eq!(is_due, clock <= latest, "{} {:?}", clock, due);
            }
            // The three kinds of clock agree on the day.
            let moment = due_from(anchor, ClockKind::Timestamptz, period, &zone, now).unwrap().latest;
            let moment: Timestamp = moment.parse().unwrap();
            prop_assert_eq!(moment.checked_add(1.microsecond()).unwrap(), begin(latest + 1.day(), &zone).unwrap());
            let wall = due_from(anchor, ClockKind::Timestamp, period, &zone, now).unwrap().latest;
            prop_assert_eq!(wall.parse::<DateTime>().unwrap().date(), latest);
        }
    }
}
