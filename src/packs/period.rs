//! Times as the law writes them: calendar periods, hours, working days, or no number at all.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A time as the law counts it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Clock {
    /// Calendar units: a month is a month, not thirty days.
    Period(Period),
    /// Real hours, whatever the clocks on the wall do.
    Hours(u32),
    /// Days on which offices work.
    BusinessDays(u32),
    /// The law gives no number.
    NoNumber(Word),
}

impl Clock {
    /// Both one after the other, as one time: `P1M` and `P2M` are `P3M`. None when their units don't add up.
    #[must_use]
    pub fn and(&self, more: &Self) -> Option<Self> {
        match (self, more) {
            (Self::Period(a), Self::Period(b)) => Some(Self::Period(Period {
                years: a.years.checked_add(b.years)?,
                months: a.months.checked_add(b.months)?,
                days: a.days.checked_add(b.days)?,
            })),
            (Self::Hours(a), Self::Hours(b)) => a.checked_add(*b).map(Self::Hours),
            (Self::BusinessDays(a), Self::BusinessDays(b)) => {
                a.checked_add(*b).map(Self::BusinessDays)
            }
            _ => None,
        }
    }
}

/// Years, months and days of the calendar; weeks are seven days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period {
    /// Years.
    pub years: i32,
    /// Months beyond the years.
    pub months: i32,
    /// Days beyond the months.
    pub days: i32,
}

/// The law's own word where it gives no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// At once.
    Immediate,
    /// Promptly.
    Promptly,
    /// Timely.
    Timely,
    /// As soon as reasonably possible.
    Asap,
    /// Without (undue) delay.
    WithoutDelay,
    /// Not even a word was found.
    None,
}

impl Word {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Immediate, "immediate"),
        (Self::Promptly, "promptly"),
        (Self::Timely, "timely"),
        (Self::Asap, "asap"),
        (Self::WithoutDelay, "without_delay"),
        (Self::None, "none"),
    ];

    /// The word, as packs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(word, _)| *word == self)
            .map_or("none", |(_, text)| text)
    }
}

/// The most of any unit that a pack may ask for; beyond it is a typing error, and out of the calendar soon.
const MOST: i64 = 9_999;

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).ok_or_else(|| {
            let words: Vec<&str> = Word::ALL.iter().map(|(_, text)| *text).collect();
            format!(
                "'{text}' is no clock; write an ISO 8601 duration in calendar units (P1M) or in hours (PT72H), \
                 business days (10BD), or where the law has no number one of {}",
                words.join(", ")
            )
        })
    }
}

impl Period {
    /// As a span of the calendar; nothing for one that no calendar has.
    #[must_use]
    pub fn span(&self) -> Option<jiff::Span> {
        let span = jiff::Span::new().try_years(self.years).ok()?;
        let span = span.try_months(self.months).ok()?;
        span.try_days(self.days).ok()
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match parse(&text) {
            Some(Clock::Period(period)) => Ok(period),
            _ => Err(format!(
                "'{text}' is no period; write an ISO 8601 duration in calendar units, as P8Y or P6M"
            )),
        }
    }
}

fn parse(text: &str) -> Option<Clock> {
    if let Some((word, _)) = Word::ALL.iter().find(|(_, word)| *word == text) {
        return Some(Clock::NoNumber(*word));
    }
    let number = |n: i64| (1..=MOST).contains(&n);
    if let Some(days) = text.strip_suffix("BD") {
        let days: u32 = days.parse().ok()?;
        return number(days.into()).then_some(Clock::BusinessDays(days));
    }
    if !text.starts_with('P') || text.contains(['.', ',']) {
        return None;
    }
    let span: jiff::Span = text.parse().ok()?;
    if !span.is_positive() || span.get_minutes() != 0 || span.get_seconds() != 0 {
        return None;
    }
    let hours = i64::from(span.get_hours());
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let (years, months) = (span.get_years(), span.get_months());
    let calendar = i64::from(years) + i64::from(months) + days;
    match (hours, calendar) {
        (hours, 0) if number(hours) => u32::try_from(hours).ok().map(Clock::Hours),
        (0, calendar) if number(calendar) => Some(Clock::Period(Period {
            years: years.into(),
            months,
            days: i32::try_from(days).ok()?,
        })),
        _ => None,
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Period(period) => period.fmt(f),
            Self::Hours(hours) => write!(f, "PT{hours}H"),
            Self::BusinessDays(days) => write!(f, "{days}BD"),
            Self::NoNumber(word) => f.write_str(word.as_str()),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        for (number, unit) in [(self.years, 'Y'), (self.months, 'M'), (self.days, 'D')] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        clock.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_printed() {
        for text in [
            "P1M", "P45D", "P24M", "P8Y", "P1Y6M", "PT72H", "10BD", "timely", "none",
        ] {
            assert_eq!(
                Clock::try_from(text.to_owned()).unwrap().to_string(),
                text,
                "{text}"
            );
        }
        assert_eq!(
            Clock::try_from("P2W".to_owned()).unwrap().to_string(),
            "P14D"
        );
    }

    #[test]
    fn what_is_no_clock_is_refused_with_what_would_be() {
        for text in [
            "", "P", "PT1H0.5S", "PT0H", "P0D", "-P1M", "P1DT12H", "PT90M", "PT1.5H", "0BD",
            "-1BD", "BD", "soon", "1 month", "P10000D", "99999BD", "PT1H1M", "PT1H1S", "PT99999H",
        ] {
            let error = Clock::try_from(text.to_owned()).expect_err(text);
            assert!(
                error.contains("10BD") && error.contains("timely"),
                "{error}"
            );
        }
    }

    #[test]
    fn units_that_differ_do_not_add_up() {
        let clock = |text: &str| Clock::try_from(text.to_owned()).unwrap();
        assert_eq!(clock("P1M").and(&clock("P2M")), Some(clock("P3M")));
        assert_eq!(clock("P45D").and(&clock("P45D")), Some(clock("P90D")));
        assert_eq!(clock("PT72H").and(&clock("PT24H")), Some(clock("PT96H")));
        assert_eq!(clock("10BD").and(&clock("5BD")), Some(clock("15BD")));
        assert_eq!(String::from(clock("P1M")), "P1M");
        assert_eq!(clock("P1M").and(&clock("PT72H")), None);
        assert_eq!(clock("P1M").and(&clock("timely")), None);
    }
}
