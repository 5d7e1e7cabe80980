//! Days on which an instrument is valid, as moments.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::api::Transfer;

/// From the beginning on, and before the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Absent: it always was.
    pub(super) begins: Option<Timestamp>,
    /// Absent: it has no end.
    pub(super) ends: Option<Timestamp>,
}

impl Window {
    /// The days of a transfer in the region's zone. A day that is none makes the transfer worth nothing.
    pub(super) fn of(transfer: &Transfer, zone: &TimeZone) -> Result<Self, String> {
        let day = |field: &str, text: &str| -> Result<Date, String> {
            let day = text.parse::<Date>();
            day.map_err(|_| format!("has no such day in {field}: {text}"))
        };
        let from = transfer.valid_from.as_deref();
        let from = from.map(|text| day("validFrom", text)).transpose()?;
        let until = transfer.valid_until.as_deref();
        let until = until.map(|text| day("validUntil", text)).transpose()?;
        // The last day counts whole.
        let after = until.and_then(|day| day.tomorrow().ok());
        Ok(Self {
            begins: from.and_then(|day| start(day, zone)),
            ends: after.and_then(|day| start(day, zone)),
        })
    }

    /// The same, but not before a moment.
    pub(super) fn not_before(self, begins: Option<Timestamp>) -> Self {
        Self {
            begins: self.begins.max(begins),
            ..self
        }
    }

    /// The same, but no longer than to a moment.
    pub(super) fn not_after(self, ends: Option<Timestamp>) -> Self {
        Self {
            ends: self.ends.into_iter().chain(ends).min(),
            ..self
        }
    }

    pub(super) fn holds(self, now: Timestamp) -> bool {
        self.begins.is_none_or(|begins| begins <= now) && self.ends.is_none_or(|ends| ends > now)
    }

    /// The end in an order in which none comes last.
    pub(super) fn end(self) -> Timestamp {
        self.ends.unwrap_or(Timestamp::MAX)
    }
}

/// The day's first moment.
pub(super) fn start(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_zoned(zone.clone()).ok()?.timestamp())
}

/// When the last of the windows that follow each other without a gap ends, if one holds now and it ends at all.
pub(super) fn chain(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let mut end = now;
    loop {
        let joins = |window: &&Window| window.begins.is_none_or(|begins| begins <= end);
        let next = windows
            .iter()
            .filter(joins)
            .map(|window| window.end())
            .max()?;
        if next == Timestamp::MAX {
            return None;
        }
        if next <= end {
            return Some(end);
        }
        end = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_rests_on_two_things_holds_from_the_later_one_on() {
        let window = Window {
            begins: Some(at("2026-01-01T00:00:00Z")),
            ends: Some(at("2027-01-01T00:00:00Z")),
        };
        let decided = at("2026-06-01T00:00:00Z");
        let both = window.not_before(Some(decided));
        assert_eq!((both.begins, both.ends), (Some(decided), window.ends));
        assert!(!both.holds(at("2026-05-31T23:59:59Z")) && both.holds(decided));
        assert_eq!(window.not_before(Some(at("2025-06-01T00:00:00Z"))), window);
        assert_eq!(window.not_before(None), window);
        let sooner = window.not_after(Some(decided));
        assert_eq!((sooner.begins, sooner.ends), (window.begins, Some(decided)));
        assert_eq!(window.not_after(None), window);
        assert_eq!(window.not_after(Some(at("2028-01-01T00:00:00Z"))), window);
        assert_eq!(
            Window::default().not_after(Some(decided)).ends,
            Some(decided)
        );
        assert_eq!(
            Window::default().not_before(Some(decided)).begins,
            Some(decided)
        );
    }
}
