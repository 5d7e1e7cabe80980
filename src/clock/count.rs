//! Counting one time as its law counts it, with each step said.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use super::{Case, Ends, Error, Pause};
use crate::packs::{Clock, Fact, FirstDay, Period, Regime, Roll, Step, Word};

/// What every time of a case is counted with.
pub(super) struct Counter<'a> {
    pub(super) regime: &'a Regime,
    pub(super) case: &'a Case,
    pub(super) received: Date,
    pub(super) pauses: &'a [Pause],
}

impl Counter<'_> {
    /// When a time ends, and how that was found.
    pub(super) fn end(&self, step: Step, within: &Clock) -> Result<(Ends, Vec<String>), Error> {
        let beyond = || Error::Calendar {
            received: self.received,
            within: within.clone(),
        };
        match within {
            Clock::NoNumber(word) => Ok((Ends::NoNumber(*word), vec![no_number(*word)])),
            Clock::Hours(hours) => self.hours(*hours).ok_or_else(beyond),
            Clock::Period(period) => self.period(step, *period).ok_or_else(beyond),
            Clock::BusinessDays(days) => self.business_days(step, *days).ok_or_else(beyond),
        }
    }

    /// Real hours: a change of clocks neither adds one nor takes one.
    fn hours(&self, hours: u32) -> Option<(Ends, Vec<String>)> {
        let end = self
            .case
            .received
            .checked_add(i64::from(hours).hours())
            .ok()?;
        let (from, to) = (
            self.case.zone.to_offset(self.case.received),
            self.case.zone.to_offset(end),
        );
        let mut said = vec![format!(
            "{hours} hours from the moment itself, holidays and nights included"
        )];
        if from != to {
            said.push(format!(
                "clocks change from {from} to {to} meanwhile; hours are real hours"
            ));
        }
        Some((Ends::Moment(end), said))
    }

    /// Years, months and days of the calendar.
    fn period(&self, step: Step, period: Period) -> Option<(Ends, Vec<String>)> {
        let mut said = Vec::new();
        let mut last = self.add(period, &mut said)?;
        if self.regime.counting.first_day.value == FirstDay::Same {
            last = last.checked_sub(1.day()).ok()?;
            said.push(format!(
                "the day of receipt is the first day, so the last is {last}"
            ));
        }
        self.say_first_day(&mut said);
        if self.stands_still(step, &mut said) {
            for pause in self.pauses {
                if last < pause.from {
                    said.push(format!(
                        "the pause from {} on came after the end",
                        pause.from
                    ));
                    break;
                }
                let days = days_between(pause.from, pause.to);
                last = last.checked_add(Span::new().try_days(days).ok()?).ok()?;
                said.push(format!(
                    "paused from {} to {}: {days} days, so {last}",
                    pause.from, pause.to
                ));
            }
        }
        let last = self.roll(last, &mut said)?;
        Some((self.day(last)?, said))
    }

    /// The same date in the last month, or that month's last day.
    fn add(&self, period: Period, said: &mut Vec<String>) -> Option<Date> {
        let Period {
            years,
            months,
            days,
        } = period;
        let span = Span::new().try_years(years).ok()?.try_months(months).ok()?;
        let month = self.received.checked_add(span).ok()?;
        let last = month.checked_add(Span::new().try_days(days).ok()?).ok()?;
        let short = month.day() != self.received.day();
        let why = if short {
            format!(
                " ({}-{:02} has no day {})",
                month.year(),
                month.month(),
                self.received.day()
            )
        } else {
            String::new()
        };
        said.push(format!("{} + {period} = {last}{why}", self.received));
        Some(last)
    }

    /// Days on which offices work, one by one.
    fn business_days(&self, step: Step, days: u32) -> Option<(Ends, Vec<String>)> {
        let mut said = vec![format!("{days} business days from {}", self.received)];
        let mut day = match self.regime.counting.first_day.value {
            FirstDay::Next => self.received,
            FirstDay::Same => self.received.checked_sub(1.day()).ok()?,
        };
        self.say_first_day(&mut said);
        let stands_still = self.stands_still(step, &mut said);
        let mut skipped = Vec::new();
        let mut counted = 0;
        while counted < days {
            day = day.checked_add(1.day()).ok()?;
            // The days between question and answer don't count; that of the question does.
            let paused = |pause: &Pause| pause.from < day && day <= pause.to;
            if stands_still && self.pauses.iter().any(paused) {
                skipped.push(format!("{day} paused"));
            } else if let Some(why) = self.rest(day) {
                skipped.push(format!("{day} {why}"));
            } else {
                counted += 1;
            }
        }
        if !skipped.is_empty() {
            said.push(format!("not counted: {}", skipped.join(", ")));
        }
        let rest_days = &self.regime.counting.rest_days;
        if !rest_days.confirmed {
            said.push(format!(
                "that offices rest on these days of the week is unconfirmed ({})",
                rest_days.source.as_str()
            ));
        }
        self.warn_of_no_holidays(&mut said);
        said.push(format!("day {days} is {day}, a {}", weekday(day)));
        Some((self.day(day)?, said))
    }

    fn say_first_day(&self, said: &mut Vec<String>) {
        let first = &self.regime.counting.first_day;
        let what = match first.value {
            FirstDay::Next => "the day of receipt is not counted",
            FirstDay::Same => "the day of receipt is counted",
        };
        let doubt = if first.confirmed {
            ""
        } else if first.value == FirstDay::Next {
            ", unconfirmed: who wants to be sure is a day earlier"
        } else {
            ", unconfirmed"
        };
        said.push(format!("{what} ({}){doubt}", first.source.as_str()));
    }

    /// Whether the clock of a step stands still in pauses. Only a confirmed fact gives time.
    fn stands_still(&self, step: Step, said: &mut Vec<String>) -> bool {
        if self.pauses.is_empty() {
            return false;
        }
        let Some(fact) = &self.regime.counting.pause else {
            said.push("no pause was found in this law: the clock runs on".to_owned());
            return false;
        };
        let source = fact.source.as_str();
        let early = fact.value.since.filter(|since| self.received < *since);
        let why = if !fact.value.steps.contains(&step) {
            "the clock runs on while the person must say more".to_owned()
        } else if let Some(since) = early {
            format!("the clock stands still only for what is received from {since} on")
        } else if !fact.confirmed {
            "that the clock stands still is unconfirmed: it runs on".to_owned()
        } else {
            return true;
        };
        said.push(format!("{why} ({source})"));
        false
    }

    /// To the next working day, where the law says so for sure.
    fn roll(&self, last: Date, said: &mut Vec<String>) -> Option<Date> {
        let Some(why) = self.rest(last) else {
            said.push(format!("{last} is a {}: it stays", weekday(last)));
            let roll = self.regime.counting.roll.as_ref();
            if roll.is_some_and(|roll| roll.confirmed && roll.value == Roll::NextWorkingDay) {
                self.warn_of_no_holidays(said);
            }
            return Some(last);
        };
        let stays = |said: &mut Vec<String>, reason: String| {
            said.push(format!("{last} is a {why}: it stays, {reason}"));
            Some(last)
        };
        match &self.regime.counting.roll {
            None => stays(said, "for no rule was found that moves it".to_owned()),
            Some(Fact {
                value: Roll::Stay,
                source,
                ..
            }) => stays(said, format!("as the law has it ({})", source.as_str())),
            Some(Fact {
                confirmed: false,
                source,
                ..
            }) => {
                let reason = "for the rule that would move it to a working day is unconfirmed";
                stays(said, format!("{reason} ({})", source.as_str()))
            }
            Some(Fact { source, .. }) => {
                let mut day = last;
                while self.rest(day).is_some() {
                    day = day.checked_add(1.day()).ok()?;
                }
                let source = source.as_str();
                said.push(format!(
                    "{last} is a {why}: it ends with the next working day, {day} ({source})"
                ));
                self.warn_of_no_holidays(said);
                Some(day)
            }
        }
    }

    fn warn_of_no_holidays(&self, said: &mut Vec<String>) {
        if self.case.holidays.is_empty() {
            said.push("no holidays were given, so none was looked for".to_owned());
        }
    }

    /// Why offices rest on that day, if they do.
    fn rest(&self, day: Date) -> Option<String> {
        if let Some(name) = self.case.holidays.name(day) {
            let name = if name.is_empty() {
                "no name given"
            } else {
                name
            };
            return Some(format!("holiday ({name})"));
        }
        let weekly = &self.regime.counting.rest_days.value;
        let rests = weekly.iter().any(|rest| rest.is(day.weekday()));
        rests.then(|| weekday(day).to_owned())
    }

    /// With the last hour of a day: the first moment of the next, whatever the clocks do at midnight.
    fn day(&self, last: Date) -> Option<Ends> {
        let next = last.checked_add(1.day()).ok()?;
        let at = next
            .to_zoned(self.case.zone.clone())
            .ok()?
            .start_of_day()
            .ok()?;
        Some(Ends::Day {
            last,
            at: at.timestamp(),
        })
    }
}

fn no_number(word: Word) -> String {
    match word {
        Word::None => "no number in law, and no word either was found".to_owned(),
        word => format!("no number in law: '{}'", word.as_str().replace('_', " ")),
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

/// The day of the week, for a reader.
pub(super) fn weekday(day: Date) -> &'static str {
    match day.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}
