//! The first day after a period, of a day of a clock: the cut-off the other way round, for who asks when.
//!
//! In: a period, what it runs from, a zone and the day that a clock is on. Out: a day of the region. A clock that knows the
//! hour is due at its hour of that day; of a day no more can be said.

use jiff::Span;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Anchor, Error, FiscalYear, begin};

/// The first day on which a row whose clock is on a day can be due by a rule's own period.
pub fn end_from(anchor: Anchor, period: Span, zone: &TimeZone, clock: Date) -> Result<Date, Error> {
    there(first(anchor, clock)?.checked_add(period)?, zone)
}

/// The first day on which a keep binds such a row no more: its last day is kept whole, at whatever hour the clock is.
pub fn free_from(
    anchor: Anchor,
    period: Span,
    zone: &TimeZone,
    clock: Date,
) -> Result<Date, Error> {
    let end = first(anchor, clock)?.checked_add(period)?;
    // From the end of a year on, the last day is over by itself.
    let free = if anchor.is_event_date() {
        end.tomorrow()?
    } else {
        end
    };
    there(free, zone)
}

/// The day with which the period begins.
fn first(anchor: Anchor, clock: Date) -> Result<Date, Error> {
    let year = match anchor {
        Anchor::EventDate => return Ok(clock),
        Anchor::EndOfCalendarYear => FiscalYear::CALENDAR,
        Anchor::EndOfFiscalYear(year) => year,
    };
    let this = year.end_in(clock.year())?;
    let last = if clock <= this {
        this
    } else {
        year.end_in(clock.year().saturating_add(1))?
    };
    Ok(last.tomorrow()?)
}

/// The day itself, or the next where the zone left it out.
fn there(day: Date, zone: &TimeZone) -> Result<Date, Error> {
    Ok(begin(day, zone)?.to_zoned(zone.clone()).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::cutoff::{ClockKind, Due, due_from, kept_from};
    use jiff::civil::{DateTime, date};
    use jiff::{Timestamp, ToSpan};
    use proptest::prelude::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn fiscal(month: i8, day: i8) -> Anchor {
        Anchor::EndOfFiscalYear(FiscalYear::ending(month, day).unwrap())
    }

    #[test]
    fn months_leap_days_and_years_end_where_the_calendar_says() {
        let (event, calendar) = (Anchor::EventDate, Anchor::EndOfCalendarYear);
        for (anchor, clock, period, due, free) in [
            (event, "2023-06-15", "P3Y", "2026-06-15", "2026-06-16"),
            (event, "2024-01-31", "P1M", "2024-02-29", "2024-03-01"),
            (event, "2025-01-29", "P1M", "2025-02-28", "2025-03-01"),
            (event, "2024-02-29", "P1Y", "2025-02-28", "2025-03-01"),
            (event, "2024-02-29", "P4Y", "2028-02-29", "2028-03-01"),
            (event, "2025-01-31", "P1M1D", "2025-03-01", "2025-03-02"),
            (event, "2026-03-27", "P2D", "2026-03-29", "2026-03-30"),
            (calendar, "2018-01-01", "P8Y", "2027-01-01", "2027-01-01"),
            (calendar, "2018-12-31", "P8Y", "2027-01-01", "2027-01-01"),
            (
                fiscal(9, 30),
                "2018-09-30",
                "P1Y",
                "2019-10-01",
                "2019-10-01",
            ),
            (
                fiscal(9, 30),
                "2018-10-01",
                "P1Y",
                "2020-10-01",
                "2020-10-01",
            ),
            (
                fiscal(2, 29),
                "2024-02-29",
                "P1Y",
                "2025-03-01",
                "2025-03-01",
            ),
            (
                fiscal(2, 29),
                "2025-02-28",
                "P1Y",
                "2026-03-01",
                "2026-03-01",
            ),
        ] {
            let (clock, period) = (clock.parse().unwrap(), period.parse().unwrap());
            let berlin = zone("Europe/Berlin");
            let told = [end_from, free_from].map(|of| of(anchor, period, &berlin, clock).unwrap());
            assert_eq!(told.map(|day| day.to_string()), [due, free], "{clock}");
        }
    }

    #[test]
    fn a_day_that_a_zone_left_out_is_the_next() {
        let apia = zone("Pacific/Apia");
        let told = |of: fn(Anchor, Span, &TimeZone, Date) -> Result<Date, Error>, clock| {
            of(Anchor::EventDate, 1.day(), &apia, clock).unwrap()
        };
        assert_eq!(told(end_from, date(2011, 12, 29)), date(2011, 12, 31));
        assert_eq!(told(free_from, date(2011, 12, 28)), date(2011, 12, 31));
    }

    #[test]
    fn what_no_calendar_has_is_no_day() {
        for of in [end_from, free_from] {
            for anchor in [Anchor::EventDate, Anchor::EndOfCalendarYear] {
                let far = of(anchor, 999.years(), &TimeZone::UTC, date(9500, 1, 1));
                assert!(matches!(far.unwrap_err(), Error::Calendar(_)));
            }
        }
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo", // jumped at midnight until 2019
        "America/Nuuk",      // jumps to midnight
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Asia/Beirut",
    ];

    fn anchors() -> impl Strategy<Value = Anchor> {
        prop_oneof![
            Just(Anchor::EventDate),
            Just(Anchor::EndOfCalendarYear),
            (1_i8..13, 1_i8..32).prop_map(|(month, day)| fiscal(month, day)),
        ]
    }

    /// Month ends, leap days, changes of clocks, and any other day.
    fn days() -> impl Strategy<Value = Date> {
        let odd = prop::sample::select(vec![
            date(2024, 2, 29),
            date(2025, 1, 30),
            date(2025, 1, 31),
            date(2025, 12, 31),
            date(2026, 3, 28),
            date(2026, 10, 25),
            date(2018, 11, 3),
            date(2025, 3, 29),
        ]);
        let any = (0_i64..9_000).prop_map(|days| date(2002, 1, 1) + days.days());
        prop_oneof![odd, any]
    }

    fn holds<T: std::str::FromStr<Err: std::fmt::Debug> + PartialOrd>(
        due: &Due,
        value: &T,
    ) -> bool {
        let read = |text: &str| text.parse::<T>().unwrap();
        let in_gap = |(from, to): &(String, String)| read(from) <= *value && *value <= read(to);
        *value <= read(&due.latest) && !due.gaps.iter().any(in_gap)
    }

    fn before(day: Date, zone: &TimeZone) -> Timestamp {
        let moment = begin(day, zone).unwrap();
        moment
            .checked_sub(jiff::SignedDuration::from_micros(1))
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        /// The set of due clocks has the day from the first moment of that day on, and not a moment before.
        #[test]
        fn a_day_is_due_from_its_end_on_and_not_before(
            anchor in anchors(), zone_name in prop::sample::select(&ZONES[..]), clock in days(),
            years in 0_i32..11, months in 0_i32..14, more in 0_i32..40, seconds in 0_i64..86_400,
        ) {
            prop_assume!(years + months + more > 0);
            let zone = zone(zone_name);
            let period = Span::new().years(years).months(months).days(more);
            let end = end_from(anchor, period, &zone, clock).unwrap();
            let due = |kind, now| due_from(anchor, kind, period, &zone, now).unwrap();
            prop_assert!(holds(&due(ClockKind::Date, begin(end, &zone).unwrap()), &clock), "{end}");
            prop_assert!(!holds(&due(ClockKind::Date, before(end, &zone)), &clock), "{end}");
            // A clock that knows the hour comes on that day; where a clock is set forward over midnight, with the next.
            let wall = clock.at(0, 0, 0, 0) + seconds.seconds();
            let moment = zone.to_timestamp(wall).unwrap();
            prop_assume!(zone.to_datetime(moment).date() == clock);
            let late = begin(end + 2.days(), &zone).unwrap();
            for (now, is_due) in [(before(end, &zone), false), (late, true)] {
                prop_assert_eq!(holds::<DateTime>(&due(ClockKind::Timestamp, now), &wall), is_due, "{} {}", wall, end);
                prop_assert_eq!(holds::<Timestamp>(&due(ClockKind::Timestamptz, now), &moment), is_due, "{} {}", moment, end);
            }
        }

        /// A keep lets the day go with the first moment of that day, and keeps it until then.
        #[test]
        fn a_day_is_free_from_then_on_and_not_before(
            anchor in anchors(), zone_name in prop::sample::select(&ZONES[..]), clock in days(),
            years in 0_i32..11, months in 0_i32..14, more in 0_i32..40,
        ) {
            prop_assume!(years + months + more > 0);
            let zone = zone(zone_name);
            let period = Span::new().years(years).months(months).days(more);
            let free = free_from(anchor, period, &zone, clock).unwrap();
            let ended = |now| kept_from(anchor, ClockKind::Date, period, &zone, now).unwrap();
            prop_assert!(holds(&ended(begin(free, &zone).unwrap()), &clock), "{free}");
            prop_assert!(!holds(&ended(before(free, &zone)), &clock), "{free}");
            prop_assert!(free >= end_from(anchor, period, &zone, clock).unwrap());
        }
    }
}
