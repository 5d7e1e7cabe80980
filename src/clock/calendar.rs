//! Holidays: days on which offices rest, with their names.

use std::collections::BTreeMap;

use jiff::civil::Date;

/// Days on which offices rest, besides the weekly ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar(BTreeMap<Date, String>);

impl Calendar {
    /// From lines of a date and, after a blank, a name; what follows `#` and empty lines say nothing.
    /// An error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut days = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let (day, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let date = day_of(day).ok_or_else(|| {
                format!("line {number}: '{day}' is no date; write one a line, as in '2026-12-25 Christmas Day'")
            })?;
            if days.insert(date, name.trim().to_owned()).is_some() {
                return Err(format!("line {number}: {date} is there twice; keep one"));
            }
        }
        Ok(Self(days))
    }

    /// From dates without names.
    #[must_use]
    pub fn of(days: impl IntoIterator<Item = Date>) -> Self {
        Self(days.into_iter().map(|day| (day, String::new())).collect())
    }

    /// The name of the holiday on that day, which may be empty.
    #[must_use]
    pub fn name(&self, day: Date) -> Option<&str> {
        self.0.get(&day).map(String::as_str)
    }

    /// How many days.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A day and nothing else: `2026-12-25`.
fn day_of(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_line_is_a_day_and_its_name() {
        let text = "# Hessen\n2026-12-25  Christmas Day\n\n2026-12-26 # no name\n";
        let calendar = Calendar::parse(text).unwrap();
        assert_eq!(calendar.name(date(2026, 12, 25)), Some("Christmas Day"));
        assert_eq!(calendar.name(date(2026, 12, 26)), Some(""));
        assert_eq!(calendar.name(date(2026, 12, 27)), None);
        assert_eq!(calendar.len(), 2);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, part) in [
            (
                "2026-12-25\n25.12.2026\n",
                "line 2: '25.12.2026' is no date",
            ),
            ("2026-02-29", "line 1: '2026-02-29' is no date"),
            ("2026-12-25T00:00:00", "line 1"),
            ("20261225", "line 1"),
            (
                "2026-12-25 a\n2026-12-25 b",
                "line 2: 2026-12-25 is there twice",
            ),
        ] {
            let error = Calendar::parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
