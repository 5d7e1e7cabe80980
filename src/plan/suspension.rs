//! Whether `spec.suspend` is in force, and until when.

use jiff::Timestamp;

use super::reason::Word;
use super::{Finding, Reason};
use crate::api::Suspend;
use crate::api::condition::ConditionType;

/// A pause that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspension {
    /// When it ends by itself.
    pub(super) until: Option<Timestamp>,
    /// Who and why, for a person.
    pub(super) told: String,
    /// `until` is no moment, so that it doesn't end by itself.
    pub(super) malformed: bool,
}

/// The pause, when one is in force now.
pub(super) fn in_force(suspend: Option<&Suspend>, now: Timestamp) -> Option<Suspension> {
    let suspend = suspend?;
    let parsed = suspend.until.as_deref().map(str::parse::<Timestamp>);
    let (until, malformed) = match parsed {
        None => (None, false),
        Some(Ok(until)) if until <= now => return None,
        Some(Ok(until)) => (Some(until), false),
        // Somebody wanted a pause: it holds until they say when it ends.
        Some(Err(_)) => (None, true),
    };
    let end = until.map_or_else(
        || "remove spec.suspend to go on".to_owned(),
        |until| format!("it ends at {until}"),
    );
    Some(Suspension {
        until,
        told: format!("suspended by {}: {}; {end}", suspend.by, suspend.reason),
        malformed,
    })
}

/// Why something is paused now, for status; nothing when it isn't.
#[must_use]
pub fn paused(suspend: Option<&Suspend>, now: Timestamp) -> Option<Reason> {
    in_force(suspend, now).map(|pause| pause.reason(Word::Suspended))
}

impl Suspension {
    /// What is wrong with it, if anything.
    pub(super) fn problem(&self) -> Option<Finding> {
        self.malformed.then(|| Finding {
            condition: ConditionType::Accepted,
            region: None,
            holds: Some(false),
            reason: Word::SuspensionInvalid.because(
                "spec.suspend.until is no moment of the calendar, so the pause does not end by itself; \
                 write one such as 2026-12-01T08:00:00Z",
            ),
        })
    }

    pub(super) fn reason(&self, word: Word) -> Reason {
        word.because(self.told.clone())
    }
}
