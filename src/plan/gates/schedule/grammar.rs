//! Five cron fields to bits, as CronJob's parser reads them, and nothing that it would not.

use super::Schedule;

/// All hours.
pub(super) const HOURS: u64 = (1 << 24) - 1;

/// One field's values.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: MONTHS,
    },
    Field {
        name: "day of week",
        min: 0,
        max: 6,
        names: WEEKDAYS,
    },
];

pub(super) fn parse(text: &str) -> Result<Schedule, String> {
    // A CronJob takes these, and they would set the region's zone aside or hide how often it runs.
    if text.contains("TZ") {
        return Err(format!(
            "'{text}' names a time zone; the Region's locale.timeZone is used"
        ));
    }
    if text.starts_with('@') {
        return Err(format!(
            "'{text}' is a descriptor; write its five fields, \"0 * * * *\" for @hourly"
        ));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = words[..] else {
        return Err(format!("'{text}' has {} fields, not five", words.len()));
    };
    let [minutes, hours, days, months, weekdays] = &FIELDS;
    let (day, every_day) = days.bits(day)?;
    let (weekday, every_weekday) = weekdays.bits(weekday)?;
    Ok(Schedule {
        minute: minutes.bits(minute)?.0,
        hour: hours.bits(hour)?.0,
        day,
        month: months.bits(month)?.0,
        weekday,
        both_days: every_day || every_weekday,
    })
}

impl Field {
    /// The values, and whether a star is among their parts.
    fn bits(&self, text: &str) -> Result<(u64, bool), String> {
        let (mut bits, mut star) = (0, false);
        for part in text.split(',') {
            let (more, is_star) = self.part(part)?;
            bits |= more;
            star |= is_star;
        }
        Ok((bits, star))
    }

    fn part(&self, part: &str) -> Result<(u64, bool), String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(self.number(part, step)?)),
        };
        let is_star = matches!(range, "*" | "?");
        let (start, end) = match range.split_once('-') {
            _ if is_star => (self.min, self.max),
            Some((start, end)) => (self.value(part, start)?, self.value(part, end)?),
            // `5/10` is `5-59/10`.
            None if step.is_some() => (self.value(part, range)?, self.max),
            None => (self.value(part, range)?, self.value(part, range)?),
        };
        if start < self.min || end > self.max {
            return Err(self.wrong(part, &format!("must be from {} to {}", self.min, self.max)));
        }
        if start > end {
            return Err(self.wrong(part, "begins after its end"));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(self.wrong(part, "has a step of 0"));
        }
        let values = (start..=end).step_by(step as usize);
        // A star with a step is a list of values like any other.
        Ok((
            values.fold(0, |bits, value| bits | 1 << value),
            is_star && step == 1,
        ))
    }

    fn value(&self, part: &str, text: &str) -> Result<u32, String> {
        let named = self
            .names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        match named.and_then(|place| u32::try_from(place).ok()) {
            Some(place) => Ok(self.min + place),
            None => self.number(part, text),
        }
    }

    fn number(&self, part: &str, text: &str) -> Result<u32, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.ok_or_else(|| match text {
            "" => self.wrong(part, "lacks a value"),
            _ if self.names.is_empty() => self.wrong(part, &format!("'{text}' is no number")),
            _ => self.wrong(
                part,
                &format!(
                    "'{text}' is no number and no name such as {}",
                    self.names[0].to_uppercase()
                ),
            ),
        })
    }

    fn wrong(&self, part: &str, problem: &str) -> String {
        format!("{} '{part}' {problem}", self.name)
    }
}
