//! Times for random cases: zones, periods in every unit, what they run from, and clocks about the moment at which a row becomes
//! due.

use jiff::civil::Date;
use jiff::{ToSpan as _, Unit, Zoned};
use serde_json::Value;

use super::dice::Dice;

/// In the middle, to the east and odd parts of an hour aside, and to the west; each with a summer of its own.
pub(super) const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "Australia/Adelaide",
    "America/New_York",
    "Pacific/Chatham",
    "America/St_Johns",
];

/// The types of clocks.
pub(super) const CLOCKS: [&str; 3] = ["date", "timestamp", "timestamptz"];

/// The last days of February of years that have a 29th, four years apart.
const LEAPS: [i16; 6] = [2004, 2008, 2012, 2016, 2020, 2024];

/// So many years, months and days; one of them, or all.
#[derive(Clone, Copy)]
pub(super) struct Period {
    years: i64,
    months: i64,
    days: i64,
}

impl Period {
    /// Of so many years at least, and fewer than `more` beyond these, in any unit.
    pub(super) fn draw(dice: &mut Dice, least: u64, more: u64) -> Self {
        let mut of = |units: u64| i64::try_from(dice.roll(units)).unwrap();
        let from = |units: u64| i64::try_from(least * units).unwrap();
        let years = from(1) + of(more);
        let (years, months, days) = match of(6) {
            0 => (years, 0, 0),
            1 => (0, from(12) + of(more * 12), 0),
            2 => (0, 0, from(365) + of(more * 365)),
            3 => (years, of(12), of(31)),
            _ => Self::since_a_leap(dice, least, more).unwrap_or((years, 0, 0)),
        };
        Self {
            years,
            months,
            days,
        }
    }

    /// From a 29th of February to about today: whether a clock of that day is due shows how both sides end a February.
    fn since_a_leap(dice: &mut Dice, least: u64, more: u64) -> Option<(i64, i64, i64)> {
        let about = i64::try_from(dice.roll(5)).unwrap() - 2;
        let about = Zoned::now().date() + about.days();
        let ago = |year: &i16| u64::try_from(about.year() - year).unwrap_or(0);
        let there = |year: &i16| (least + 1..least + more).contains(&ago(year));
        let years: Vec<i16> = LEAPS.into_iter().filter(there).collect();
        if years.is_empty() {
            return None;
        }
        let unit = dice.pick(&[Unit::Year, Unit::Month, Unit::Day]);
        let leap = Date::new(dice.pick(&years), 2, 29).unwrap();
        let span = leap.until((unit, about)).unwrap();
        let (years, months) = (i64::from(span.get_years()), i64::from(span.get_months()));
        Some((years, months, i64::from(span.get_days())))
    }

    fn parts(self) -> impl Iterator<Item = (i64, &'static str)> {
        let all = [
            (self.years, "years"),
            (self.months, "months"),
            (self.days, "days"),
        ];
        all.into_iter().filter(|(number, _)| *number != 0)
    }

    /// As a task says it.
    pub(super) fn told(self) -> String {
        let parts = self.parts();
        let parts = parts.map(|(number, unit)| format!("{number}{}", unit[..1].to_uppercase()));
        format!("P{}", parts.collect::<String>())
    }

    /// As an interval of PostgreSQL.
    fn sql(self) -> String {
        let parts = self
            .parts()
            .map(|(number, unit)| format!("{number} {unit}"));
        format!("interval '{}'", parts.collect::<Vec<_>>().join(" "))
    }
}

/// What periods run from: as the task says it, and in SQL the moment at which the period of a wall clock begins.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    told: &'static str,
    begins: &'static str,
}

pub(super) const ANCHORS: [Anchor; 4] = [
    Anchor {
        told: "\"EventDate\"",
        begins: "{}",
    },
    Anchor {
        told: "\"EndOfCalendarYear\"",
        begins: "date_trunc('year', {}) + interval '1 year'",
    },
    Anchor {
        told: "{\"EndOfFiscalYear\": \"09-30\"}",
        begins: "date_trunc('year', {} + interval '3 months') + interval '9 months'",
    },
    // The last of February, also where that is the 29th.
    Anchor {
        told: "{\"EndOfFiscalYear\": \"02-29\"}",
        begins: "date_trunc('year', {} - interval '2 months') + interval '14 months'",
    },
];

impl Anchor {
    pub(super) fn told(self) -> Value {
        serde_json::from_str(self.told).unwrap()
    }

    fn is_event(self) -> bool {
        self.begins == "{}"
    }
}

/// A period and what it runs from.
#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) period: Period,
    pub(super) anchor: Anchor,
    /// As a law counts: from an event's day, and to the end of the last.
    pub(super) keeps: bool,
}

impl Term {
    /// Whether it is over, by the wall clocks of a zone, for what began with a column of some type.
    pub(super) fn over(self, column: &str, kind: &str, zone: &str) -> String {
        let wall = match kind {
            "timestamptz" => format!("({column} AT TIME ZONE '{zone}')"),
            _ => format!("{column}::timestamp"),
        };
        let (begins, more) = if self.keeps && self.anchor.is_event() {
            ("date_trunc('day', {})", " + interval '1 day'")
        } else {
            (self.anchor.begins, "")
        };
        let begins = begins.replace("{}", &wall);
        format!(
            "isfinite({column}) AND ({begins} + {}{more}) AT TIME ZONE '{zone}' <= now()",
            self.period.sql()
        )
    }

    /// A clock of which it is over about now: within hours, or within a day and a half.
    fn about(self, dice: &mut Dice) -> String {
        let ago = format!("(now() - {})", self.period.sql());
        // Years end as a whole: it is the first moment of one that counts.
        let year = if self.anchor.is_event() { "0" } else { "1" };
        let first = self.anchor.begins.replace("{}", &ago);
        let hours = dice.pick(&[4, 37]);
        let (sign, hours, minutes) = (dice.pick(&["-", "+"]), dice.roll(hours), dice.roll(60));
        format!(
            "{first} - interval '{year} years' {sign} interval '{hours} hours {minutes} minutes'"
        )
    }
}

/// A clock of which some terms may run: none, beyond all time, now, long ago, the end of a February, or about the moment at which
/// one of the terms is over.
pub(super) fn clock(dice: &mut Dice, terms: &[Term]) -> String {
    match dice.roll(14) {
        0 => "NULL".to_owned(),
        1 => format!("'{}'", dice.pick(&["infinity", "-infinity"])),
        2..=3 => "now()".to_owned(),
        4..=8 if !terms.is_empty() => dice.pick(terms).about(dice),
        9 => {
            let (year, day) = (dice.pick(&LEAPS), dice.pick(&["02-28", "02-29", "03-01"]));
            format!("'{year}-{day} {:02}:{:02}'", dice.roll(24), dice.roll(60))
        }
        _ => format!("'200{}-02-0{}'", dice.roll(10), 1 + dice.roll(9)),
    }
}

/// Takes the clock from rows `x` of which a condition changes about now: what the oracle says of the others is true for as long
/// as the agent is at work, also where clocks go back an hour.
pub(super) fn steady(table: &str, column: &str, condition: &str) -> String {
    let at = |sign| condition.replace("now()", &format!("now() {sign} interval '90 minutes'"));
    format!(
        "UPDATE {table} AS x SET {column} = NULL WHERE ({}) IS DISTINCT FROM ({});\n",
        at("-"),
        at("+")
    )
}
