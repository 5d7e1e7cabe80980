//! A period that a report is over, in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cli::input::{self, Error};

/// From a moment up to, and without, another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// As it was written: `2026-Q4`.
    pub(super) name: String,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Period {
    /// `2026`, `2026-Q4`, `2026-10`, or two days with a `/` between them, both within.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let problem = format!(
                "'{text}' is no period; write a year, quarter or month, or its first and last day: 2026, 2026-Q4, 2026-10, 2026-10-05/2026-10-18"
            );
            input::wrong("--period", problem)
        };
        let (first, after) = days(text).ok_or_else(wrong)?;
        let moment = |day: Date| {
            let begin = day.to_zoned(TimeZone::UTC).ok()?;
            Some(begin.timestamp())
        };
        match (moment(first), moment(after)) {
            (Some(from), Some(to)) if from < to => Ok(Self {
                name: text.to_owned(),
                from,
                to,
            }),
            _ => Err(wrong()),
        }
    }

    pub(super) fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    pub(super) fn first(&self) -> Date {
        self.from.to_zoned(TimeZone::UTC).date()
    }

    pub(super) fn last(&self) -> Date {
        let after = self.to.to_zoned(TimeZone::UTC).date();
        after.yesterday().unwrap_or(after)
    }
}

/// The first day, and the day after the last.
fn days(text: &str) -> Option<(Date, Date)> {
    if let Some((first, last)) = text.split_once('/') {
        return Some((day(first)?, day(last)?.tomorrow().ok()?));
    }
    let (year, part) = match text.split_once('-') {
        Some((year, part)) => (year, Some(part)),
        None => (text, None),
    };
    let digits = |text: &str, count: usize| {
        let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i16>().ok()).flatten()
    };
    let year = digits(year, 4).filter(|year| *year > 0)?;
    let (month, months) = match part {
        None => (1, 12),
        Some(part) => match part.strip_prefix('Q') {
            Some(quarter) => (digits(quarter, 1)? * 3 - 2, 3),
            None => (digits(part, 2)?, 1),
        },
    };
    let month = i8::try_from(month).ok()?;
    let first = Date::new(year, month, 1).ok()?;
    let after = first.checked_add(jiff::Span::new().months(months)).ok()?;
    Some((first, after))
}

/// A day and nothing else: a date with a time would be cut to one unseen.
fn day(text: &str) -> Option<Date> {
    let is_day = text.len() == 10
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_day.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_whole_days_in_utc() {
        for (text, from, to) in [
            ("2026", "2026-01-01", "2027-01-01"),
            ("2026-Q1", "2026-01-01", "2026-04-01"),
            ("2026-Q4", "2026-10-01", "2027-01-01"),
            ("2024-02", "2024-02-01", "2024-03-01"),
            ("2026-10-05/2026-10-05", "2026-10-05", "2026-10-06"),
        ] {
            let period = Period::parse(text).unwrap();
            assert_eq!(period.from.to_string(), format!("{from}T00:00:00Z"));
            assert_eq!(period.to.to_string(), format!("{to}T00:00:00Z"));
            assert!(period.has(period.from) && !period.has(period.to));
        }
        for wrong in [
            "",
            "26",
            "2026-Q0",
            "2026-Q5",
            "2026-Q+4",
            "2026-Q04",
            "2026-+1",
            "0000",
            "2026-10-05T10:00/2026-10-06T10:00",
            "20261005/20261006",
            "2026-Q",
            "2026-13",
            "2026-1",
            "+026",
            "2026-10-05",
            "2026-10-06/2026-10-05",
        ] {
            assert!(Period::parse(wrong).is_err(), "{wrong}");
        }
    }
}
