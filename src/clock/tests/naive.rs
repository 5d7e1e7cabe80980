//! A second implementation that shares no arithmetic with the engine: it knows how long months are, and steps day by day.
//! Of the time zone it asks one thing only, the offset at a moment.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::{Case, Pause};
use crate::packs::{Clock, FirstDay, Kind, Regime, Roll, Step};

type Day = (i64, i64, i64);

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn next((year, month, day): Day) -> Day {
    if day < length(year, month) {
        (year, month, day + 1)
    } else if month < 12 {
        (year, month + 1, 1)
    } else {
        (year + 1, 1, 1)
    }
}

/// Every day from 1 January 1970, a Thursday, on; made by stepping.
static DAYS: LazyLock<Vec<Day>> = LazyLock::new(|| {
    std::iter::successors(Some((1970, 1, 1)), |day| Some(next(*day)))
        .take(30_000)
        .collect()
});

fn number(day: Day) -> i64 {
    i64::try_from(DAYS.binary_search(&day).unwrap()).unwrap()
}

fn day(number: i64) -> Day {
    DAYS[usize::try_from(number).unwrap()]
}

fn of(date: Date) -> Day {
    (date.year().into(), date.month().into(), date.day().into())
}

fn written((year, month, day): Day) -> Date {
    format!("{year:04}-{month:02}-{day:02}").parse().unwrap()
}

/// What the calendar on the wall shows at a second.
fn wall(second: i64, case: &Case) -> i64 {
    let moment = Timestamp::from_second(second).unwrap();
    (second + i64::from(case.zone.to_offset(moment).seconds())).div_euclid(86_400)
}

struct Naive<'a> {
    regime: &'a Regime,
    case: &'a Case,
    received: Day,
}

/// Each step of a case with its end: a day and the first second after it, a second, or a word.
pub(super) fn ends(regime: &Regime, case: &Case) -> Vec<(Step, String)> {
    let received = day(wall(case.received.as_second(), case));
    let naive = Naive {
        regime,
        case,
        received,
    };
    let mut ends = Vec::new();
    for fact in &regime.deadlines {
        let own = &fact.value;
        let held = |since: Option<Date>, until: Option<Date>| {
            since.is_none_or(|d| of(d) <= received) && until.is_none_or(|d| received <= of(d))
        };
        if !own.kinds.contains(&case.kind) || !held(own.since, own.until) {
            continue;
        }
        let mut parts = vec![&own.within];
        if let Some(step) = own.extends {
            let base = regime
                .deadlines
                .iter()
                .map(|fact| &fact.value)
                .find(|base| {
                    base.step == step
                        && base.kinds.contains(&case.kind)
                        && held(base.since, base.until)
                });
            parts.push(&base.unwrap().within);
        }
        ends.push((own.step, naive.end(own.step, &parts)));
    }
    ends
}

impl Naive<'_> {
    fn end(&self, step: Step, parts: &[&Clock]) -> String {
        let (mut months, mut days, mut hours, mut working) = (0, 0, 0, 0);
        for part in parts {
            match part {
                Clock::NoNumber(word) => return word.as_str().to_owned(),
                Clock::Hours(more) => hours += i64::from(*more),
                Clock::BusinessDays(more) => working += *more,
                Clock::Period(more) => {
                    months += i64::from(more.years) * 12 + i64::from(more.months);
                    days += i64::from(more.days);
                }
            }
        }
        if hours > 0 {
            return (self.case.received.as_second() + hours * 3_600).to_string();
        }
        let counted = self.regime.counting.first_day.value == FirstDay::Same;
        let last = if working > 0 {
            self.working(step, working, counted)
        } else {
            self.calendar(step, (months, days), counted)
        };
        self.shown(last)
    }

    fn calendar(&self, step: Step, (months, days): (i64, i64), counted: bool) -> Day {
        // A month is over on the day of the same number, or on the last day of a month that has none.
        let mut day = self.received;
        for _ in 0..months {
            loop {
                day = next(day);
                let last = length(day.0, day.1);
                if day.2 == self.received.2.min(last) {
                    break;
                }
            }
        }
        for _ in 0..days {
            day = next(day);
        }
        if counted {
            day = self::day(number(day) - 1);
        }
        if self.stands_still(step) {
            // The days from question to answer, each once, are put behind the end; those that begin after it are not.
            let mut done: BTreeSet<Day> = BTreeSet::new();
            let mut pauses: Vec<&Pause> = self.case.pauses.iter().collect();
            pauses.sort_by_key(|pause| (pause.from, pause.to));
            let mut reach: Option<Day> = None;
            for pause in pauses {
                let touches = reach.is_some_and(|reach| of(pause.from) <= reach);
                if !touches && day < of(pause.from) {
                    break;
                }
                let mut at = of(pause.from);
                while at != of(pause.to) {
                    at = next(at);
                    if done.insert(at) {
                        day = next(day);
                    }
                }
                reach = reach.max(Some(of(pause.to)));
            }
        }
        let roll = self.regime.counting.roll.as_ref();
        if roll.is_some_and(|roll| roll.confirmed && roll.value == Roll::NextWorkingDay) {
            while self.rests(day) {
                day = next(day);
            }
        }
        day
    }

    fn working(&self, step: Step, mut left: u32, counted: bool) -> Day {
        let mut day = self::day(number(self.received) - i64::from(counted));
        while left > 0 {
            day = next(day);
            let waits = |pause: &Pause| of(pause.from) < day && day <= of(pause.to);
            let paused = self.stands_still(step) && self.case.pauses.iter().any(waits);
            if !paused && !self.rests(day) {
                left -= 1;
            }
        }
        day
    }

    fn stands_still(&self, step: Step) -> bool {
        self.regime.counting.pause.as_ref().is_some_and(|pause| {
            let early = pause
                .value
                .since
                .is_some_and(|since| self.received < of(since));
            pause.confirmed && pause.value.steps.contains(&step) && !early
        })
    }

    fn rests(&self, day: Day) -> bool {
        let names = [
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
            "Monday",
            "Tuesday",
            "Wednesday",
        ];
        let name = names[usize::try_from(number(day) % 7).unwrap()];
        let weekly = &self.regime.counting.rest_days.value;
        let date = written(day);
        weekly.iter().any(|rest| format!("{rest:?}") == name)
            || self.case.holidays.name(date).is_some()
    }

    /// The day, and the first second at which the wall shows another.
    fn shown(&self, last: Day) -> String {
        let number = number(last);
        // No offset is more than a day, so this second is on that day or before it.
        let mut second = number * 86_400 - 86_400;
        for step in [3_600, 60, 1] {
            while wall(second + step, self.case) <= number {
                second += step;
            }
        }
        format!(
            "{:04}-{:02}-{:02} before {}",
            last.0,
            last.1,
            last.2,
            second + 1
        )
    }
}

/// Every kind, so that a test may choose one.
pub(super) const KINDS: [Kind; 9] = [
    Kind::Access,
    Kind::Rectification,
    Kind::Erasure,
    Kind::Restriction,
    Kind::Objection,
    Kind::Portability,
    Kind::OptOut,
    Kind::Complaint,
    Kind::Breach,
];
