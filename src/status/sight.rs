//! How much is known of a region: it answered, it is silent for a moment, or its last values no longer count.

use jiff::{SignedDuration, Timestamp};

use super::reason::Word;
use super::{Seen, Trouble};
use crate::api::InventoryEntry;
use crate::plan::{Reach, Reason};

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
    /// From what was seen and, when nobody looked, what the plan knew. `old_since` is what the old status says: a silence has one beginning.
    pub(super) fn of(
        seen: Option<&'a Seen<O>>,
        reach: Option<&'a Reach>,
        old_since: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let (known, silence) = match seen {
            Some(Seen::Known {
                children,
                inventory,
                troubles,
            }) => {
                let known = Known {
                    children,
                    inventory,
                    troubles,
                };
                (Some(known), None)
            }
            Some(Seen::Unknown { since, message, .. }) => (None, Some((*since, message.as_str()))),
            None => match reach {
                Some(Reach::Unreachable { since, message, .. }) => {
                    (None, Some((*since, message.as_str())))
                }
                Some(Reach::Ready) | None => (None, None),
            },
        };
        let remembered = old_since.and_then(|since| since.parse::<Timestamp>().ok());
        let lost_since =
            silence.map(|(since, _)| remembered.map_or(since, |remembered| remembered.min(since)));
        Self {
            known,
            lost_since,
            lost_because: silence.map(|(_, why)| why),
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
        let because = self.lost_because.unwrap_or_default();
        Some(Word::RegionUnreachable.because(format!(
            "it has not answered since {since} ({because}); what is shown was seen before"
        )))
    }
}
