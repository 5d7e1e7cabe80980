//! How much is known of a region: it answered, it is silent for a moment, or its last values no longer count.

use jiff::{SignedDuration, Timestamp};

use super::reason::Word;
use super::{Seen, Trouble};
use crate::api::InventoryEntry;
use crate::plan::Reason;
use crate::plan::reason::Word as PlanWord;

/// How long the last values of a silent region still count: a restart of an API server is not an outage.
pub(super) const UNKNOWN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What is known of a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a, O> {
    /// What was seen just now.
    pub(super) known: Option<Known<'a, O>>,
    /// Since when it has been silent.
    pub(super) lost_since: Option<Timestamp>,
    /// Why.
    lost_because: Option<&'a str>,
    /// Its last values no longer count.
    pub(super) is_stale: bool,
}

/// What was seen just now.
#[derive(Debug)]
pub(super) struct Known<'a, O> {
    pub(super) children: &'a O,
    pub(super) inventory: &'a [InventoryEntry],
    pub(super) troubles: &'a [Trouble],
}

impl<O> Clone for Known<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Known<'_, O> {}

impl<'a, O> Sight<'a, O> {
    /// From what was seen, what the plan says, and since when the old status calls it silent.
    pub(super) fn of(
        seen: Option<&'a Seen<O>>,
        plan: Option<&Reason>,
        old_since: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let remembered = old_since.and_then(|since| since.parse::<Timestamp>().ok());
        let planned_as_silent =
            plan.is_some_and(|reason| reason.word == PlanWord::RegionUnreachable.as_str());
        let (known, lost_since, lost_because) = match seen {
            Some(Seen::Known {
                children,
                inventory,
                troubles,
            }) => (
                Some(Known {
                    children,
                    inventory,
                    troubles,
                }),
                None,
                None,
            ),
            Some(Seen::Unknown { since, message, .. }) => {
                let since = remembered.map_or(*since, |old| old.min(*since));
                (None, Some(since), Some(message.as_str()))
            }
            // Nobody looked: silent if the plan says so, else as it was.
            None if planned_as_silent => (None, Some(remembered.unwrap_or(now)), None),
            None => (None, None, None),
        };
        Self {
            known,
            lost_since,
            lost_because,
            is_stale: lost_since.is_some_and(|since| now.duration_since(since) >= UNKNOWN_AFTER),
        }
    }

    /// When its last values cease to count.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let since = self.lost_since.filter(|_| !self.is_stale)?;
        since.checked_add(UNKNOWN_AFTER).ok()
    }

    /// Why nothing is known, while that is so.
    pub(super) fn silence(&self) -> Option<Reason> {
        let since = self.lost_since?;
        let because = self
            .lost_because
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        Some(Word::RegionUnreachable.because(format!(
            "it has not answered since {since}{because}; what is shown was seen before"
        )))
    }
}
