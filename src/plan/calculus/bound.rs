//! A period over a clock, and whether it surely ends no earlier than another, whatever the clock says.

use jiff::Span;

use crate::contract::cutoff::Anchor;

/// A month's mean length in millionths of a day, and how far so many months may be from it in days: months are unequal,
/// and a day that a month lacks is its last.
const MONTH: i64 = 30_436_875;
const UNEVEN: i64 = 6;
/// The most days from a clock to the first day after its year.
const YEAR: i64 = 366;
/// What clocks that are set, or a day that a zone leaves out, may cost.
const SHIFT: i64 = 2;

/// A period over a clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    clock: &'a str,
    anchor: Anchor,
    months: i64,
    days: i64,
    /// It ends when the day that has its date is over, not at the clock's hour.
    whole_day: bool,
}

impl<'a> Bound<'a> {
    /// A period of years, months, weeks and days.
    pub(super) fn new(clock: &'a str, anchor: Anchor, span: Span) -> Self {
        Self {
            clock,
            anchor,
            months: i64::from(span.get_years()) * 12 + i64::from(span.get_months()),
            days: i64::from(span.get_weeks()) * 7 + i64::from(span.get_days()),
            whole_day: false,
        }
    }

    /// The same for what keeps: counted from an event, it keeps the whole of its last day (`cutoff::kept_from`).
    pub(super) fn of_keep(clock: &'a str, anchor: Anchor, span: Span) -> Self {
        Self {
            whole_day: anchor.is_event_date(),
            ..Self::new(clock, anchor, span)
        }
    }

    /// The same without that day.
    pub(super) fn less_the_day(self) -> Self {
        Self {
            whole_day: false,
            ..self
        }
    }

    /// What it runs from.
    pub(super) fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// Whether it ends no earlier than the other for every row. No means only that it is not certain.
    pub(super) fn outlasts(&self, other: &Bound<'_>) -> bool {
        if self.clock != other.clock {
            return false;
        }
        // From the end of a year on, that day is over by itself.
        let is_short = other.whole_day && !self.whole_day && self.anchor.is_event_date();
        let is_longer =
            self.months >= other.months && self.days >= other.days + i64::from(is_short);
        is_longer && self.begins_after(other) || self.least() >= other.most() + SHIFT
    }

    /// Whether it begins no earlier, and on a day of the month from which months lead no shorter way.
    fn begins_after(&self, other: &Bound<'_>) -> bool {
        self.anchor == other.anchor
            || match (self.anchor, other.anchor) {
                (Anchor::EndOfCalendarYear, Anchor::EventDate) => true,
                (Anchor::EndOfFiscalYear(year), Anchor::EventDate) => year.begins_on_any_month(),
                _ => false,
            }
    }

    /// Days from clock to end, at least.
    fn least(&self) -> i64 {
        let months = self.months * MONTH / 1_000_000 - UNEVEN;
        months.max(0) + self.days
    }

    /// Days from clock to end, at most.
    fn most(&self) -> i64 {
        let months = match self.months {
            0 => 0,
            months => months * MONTH / 1_000_000 + UNEVEN,
        };
        let year = if self.anchor.is_event_date() { 0 } else { YEAR };
        months + self.days + year + i64::from(self.whole_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::cutoff::FiscalYear;
    use jiff::ToSpan;
    use jiff::civil::{Date, DateTime, date};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    /// When a period ends, a step at a time.
    fn end(
        (anchor, span, keeps): (Anchor, Span, bool),
        clock: DateTime,
        zone: &TimeZone,
    ) -> jiff::Timestamp {
        let first = |month: i8, day: i8| {
            let last = |year: i16| {
                let first = date(year, month, 1);
                date(year, month, day.min(first.days_in_month()))
            };
            let (this, next) = (last(clock.year()), last(clock.year() + 1));
            let last: Date = if clock.date() <= this { this } else { next };
            last.tomorrow().unwrap().at(0, 0, 0, 0)
        };
        let from = match anchor {
            Anchor::EventDate if keeps => {
                let over = (clock.date() + span).tomorrow().unwrap();
                let over = over.to_zoned(zone.clone()).unwrap();
                return over.start_of_day().unwrap().timestamp();
            }
            Anchor::EventDate => {
                return clock
                    .to_zoned(zone.clone())
                    .unwrap()
                    .checked_add(span)
                    .unwrap()
                    .timestamp();
            }
            Anchor::EndOfCalendarYear => first(12, 31),
            Anchor::EndOfFiscalYear(year) => {
                let text = String::from(year);
                first(text[..2].parse().unwrap(), text[3..].parse().unwrap())
            }
        };
        (from.date() + span)
            .to_zoned(zone.clone())
            .unwrap()
            .start_of_day()
            .unwrap()
            .timestamp()
    }

    fn anchors() -> impl Strategy<Value = Anchor> {
        prop_oneof![
            Just(Anchor::EventDate),
            Just(Anchor::EndOfCalendarYear),
            (1_i8..13, 1_i8..32).prop_map(|(month, day)| Anchor::EndOfFiscalYear(
                FiscalYear::ending(month, day).unwrap()
            )),
        ]
    }

    fn spans() -> impl Strategy<Value = Span> {
        (0_i32..12, 0_i32..30, 0_i32..5, 0_i32..500).prop_map(|(years, months, weeks, days)| {
            Span::new()
                .years(years)
                .months(months)
                .weeks(weeks)
                .days(days)
        })
    }

    /// Month ends, leap days, changes of clocks and any other moment.
    fn clocks() -> impl Strategy<Value = DateTime> {
        let odd = prop::sample::select(vec![
            date(2024, 2, 29),
            date(2023, 2, 28),
            date(2025, 1, 30),
            date(2025, 1, 31),
            date(2025, 12, 31),
            date(2026, 3, 29),
            date(2026, 10, 25),
            date(2011, 12, 29),
            date(2026, 4, 30),
        ]);
        let any = (0_i64..9000).prop_map(|days| date(2002, 1, 1) + days.days());
        (prop_oneof![odd, any], 0_i8..24, 0_i8..60)
            .prop_map(|(day, hour, minute)| day.at(hour, minute, 0, 0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn what_outlasts_never_ends_first(
            one in (anchors(), spans(), any::<bool>()), other in (anchors(), spans(), any::<bool>()),
            same in prop::sample::select(vec![None, Some(-1), Some(0), Some(1)]), clock in clocks(),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"]),
        ) {
            let days = one.1.get_days();
            let near = same.map(|more| one.1.days((days + more).max(0)));
            let other = (other.0, near.unwrap_or(other.1), other.2);
            let zone = TimeZone::get(zone).unwrap();
            let bound = |(anchor, span, keeps): (Anchor, Span, bool)| if keeps {
                Bound::of_keep("at", anchor, span)
            } else {
                Bound::new("at", anchor, span)
            };
            if bound(one).outlasts(&bound(other)) {
                let (later, earlier) = (end(one, clock, &zone), end(other, clock, &zone));
                prop_assert!(later >= earlier, "{one:?} {other:?} {clock}: {later} {earlier}");
            }
        }
    }

    #[test]
    fn years_compare_with_days_when_nothing_can_turn_it_round() {
        let bound = |period: &str| Bound::new("at", Anchor::EventDate, period.parse().unwrap());
        assert!(bound("P8Y").outlasts(&bound("P90D")));
        assert!(bound("P400D").outlasts(&bound("P1Y")));
        assert!(!bound("P365D").outlasts(&bound("P1Y")) && !bound("P1Y").outlasts(&bound("P365D")));
        assert!(bound("P1Y").outlasts(&bound("P12M")) && bound("P12M").outlasts(&bound("P1Y")));
        let elsewhere = Bound::new("seen", Anchor::EventDate, 90.days());
        assert!(
            !bound("P8Y").outlasts(&elsewhere),
            "another clock may say anything"
        );
    }

    /// A keep from an event lasts to the end of its last day: as long a period ends before it, and one of a day more does not.
    #[test]
    fn a_keep_lasts_a_day_longer_than_as_long_a_period() {
        let keep = Bound::of_keep("at", Anchor::EventDate, 5.years());
        let own = |span| Bound::new("at", Anchor::EventDate, span);
        assert!(keep.outlasts(&own(5.years())) && !own(5.years()).outlasts(&keep));
        assert!(own(5.years().days(1)).outlasts(&keep));
        assert!(own(5.years()).outlasts(&keep.less_the_day()));
        // What begins with the end of a year has that day behind it.
        let calendar = Bound::of_keep("at", Anchor::EndOfCalendarYear, 5.years());
        assert!(calendar.outlasts(&keep));
        assert!(Bound::new("at", Anchor::EndOfCalendarYear, 5.years()).outlasts(&calendar));
        assert_eq!(keep.most(), own(5.years()).most() + 1);
    }

    /// What begins later and is as long ends later, whatever the clock says; and days alone are compared with the slack that
    /// months and clocks may take.
    #[test]
    fn a_period_that_begins_at_the_end_of_a_year_outlasts_as_long_a_one_from_the_event() {
        let of = |anchor, span| Bound::new("at", anchor, span);
        let event = of(Anchor::EventDate, 8.years());
        assert!(of(Anchor::EndOfCalendarYear, 8.years()).outlasts(&event));
        // But for years that begin on a day that some month lacks.
        for (year, is_sure) in [
            (FiscalYear::CALENDAR, true),
            (FiscalYear::ending(1, 29).unwrap(), false),
        ] {
            assert_eq!(year.begins_on_any_month(), is_sure);
            let ends = of(Anchor::EndOfFiscalYear(year), 8.years());
            assert_eq!(ends.outlasts(&event), is_sure);
        }
        assert!(!event.outlasts(&of(Anchor::EndOfCalendarYear, 8.years())));
        let days = |days: i64| of(Anchor::EventDate, days.days());
        assert!(days(100 + SHIFT).outlasts(&of(Anchor::EventDate, 100.days())));
        // Twelve months are 366 days at most; what the clocks may cost comes on top.
        let months = of(Anchor::EventDate, 12.months());
        let most = months.most();
        assert!((366..=372).contains(&most), "{most}");
        assert!(days(most + SHIFT).outlasts(&months));
        assert!(!days(most + SHIFT - 1).outlasts(&months));
        assert!((359..=365).contains(&months.least()), "{}", months.least());
    }
}
