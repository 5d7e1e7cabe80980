//! Opting out of a sale or a sharing: which connectors are told, and since when it holds there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::report::is_zero;
use super::{Count, SEVERAL};

/// A connector's store, and the channels whose events wait in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptOutStore {
    /// The data store's name in the Region.
    pub name: String,
    /// File with the store's PostgreSQL URL.
    pub url: PathBuf,
    /// The channels. To lift, none: whatever the request has there.
    pub channels: Vec<OptOutChannel>,
}

/// A channel with sinks that are a sale or a sharing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptOutChannel {
    /// `<namespace>/<name>`, as the connector's rows have it.
    pub channel: String,
    /// The kind of value by which the platform's events name a person.
    pub identity: String,
    /// The sinks' names.
    pub sinks: Vec<String>,
}

/// A channel whose sinks are sent nothing of a person any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OptedOut {
    /// The store's name; `...` for several that a report has no room for.
    pub store: String,
    /// `<namespace>/<name>`; `...` for several.
    pub channel: String,
    /// The sinks' names; none where a report has no room for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<String>,
    /// Sinks whose names a report has no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unnamed_sinks: i64,
    /// Values by which the channel's platform knows the person: how many, not which. None: the identity has no value of
    /// that kind, and nothing was stopped for it.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub subjects: Count,
    /// From when on no event about the person has been sent there, by the database's clock, RFC 3339: no attempt that had
    /// begun before was under way any more. Absent: nothing was stopped, of several in one of them, or it was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<String>,
}

impl OptedOut {
    /// How many sinks are sent nothing of the person: none where the platform knows the person by no value that was given.
    #[must_use]
    pub fn stopped(&self) -> i64 {
        let named = i64::try_from(self.sinks.len()).unwrap_or(i64::MAX);
        if self.subjects.is_zero() {
            0
        } else {
            named.saturating_add(self.unnamed_sinks)
        }
    }

    /// Whether a sink of it may still be sent something of the person: nothing was stopped for a value, or not in each of
    /// several.
    #[must_use]
    pub fn lets_pass(&self) -> bool {
        self.subjects.is_zero() || self.in_force_since.is_none()
    }

    /// Gives up one piece of detail of several: sinks' names, then the last channel, whose numbers go into a sum.
    pub(super) fn shrink(all: &mut Vec<Self>) -> bool {
        if let Some(one) = all.iter_mut().find(|one| !one.sinks.is_empty()) {
            one.unnamed_sinks = one.stopped();
            one.sinks.clear();
            return true;
        }
        if all.len() < 2 {
            return false;
        }
        let last = all.pop().unwrap_or_default();
        if let Some(sum) = all.last_mut() {
            // To lift it, the store is enough.
            if sum.store != last.store {
                SEVERAL.clone_into(&mut sum.store);
            }
            SEVERAL.clone_into(&mut sum.channel);
            sum.unnamed_sinks = sum.stopped().saturating_add(last.stopped());
            sum.subjects = sum.subjects.plus(last.subjects);
            // One way of writing, of one clock: the later is the greater. Where one was not stopped the sum is not.
            let both = sum.in_force_since.take().zip(last.in_force_since);
            sum.in_force_since = both.map(|(one, other)| one.max(other));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(channel: &str, since: Option<&str>) -> OptedOut {
        OptedOut {
            store: "inbox".to_owned(),
            channel: channel.to_owned(),
            sinks: vec!["ads".to_owned()],
            unnamed_sinks: 0,
            subjects: 1.into(),
            in_force_since: since.map(str::to_owned),
        }
    }

    #[test]
    fn what_has_no_room_goes_into_a_sum_with_the_latest_moment() {
        let (early, late) = ("2026-11-03T09:00:00Z", "2026-11-03T09:00:07Z");
        let mut all = vec![
            one("a/x", Some(early)),
            one("a/y", Some(late)),
            one("a/z", Some(early)),
        ];
        let mut steps = 0;
        while OptedOut::shrink(&mut all) {
            steps += 1;
        }
        assert_eq!(steps, 5);
        let [sum] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((sum.channel.as_str(), sum.subjects), (SEVERAL, 3.into()));
        assert_eq!(sum.in_force_since.as_deref(), Some(late));
        assert!(sum.sinks.is_empty());
        assert_eq!(sum.stopped(), 3);
        assert_eq!(sum.store, "inbox", "of one store, and it is found again");
        assert!(!sum.lets_pass());
        // Nothing is stopped where nobody is known, and the sum does not say that it was.
        let unknown = OptedOut {
            subjects: Count::ZERO,
            ..one("b/x", None)
        };
        for unstopped in [
            vec![sum.clone(), unknown.clone()],
            vec![unknown, sum.clone()],
        ] {
            let mut all = unstopped;
            while OptedOut::shrink(&mut all) {}
            assert_eq!((all[0].stopped(), all[0].subjects), (3, 3.into()));
            assert!(all[0].lets_pass(), "{all:?}");
        }
        let mut all = vec![
            one("a/x", Some(early)),
            OptedOut {
                store: "other".to_owned(),
                ..one("a/y", Some(early))
            },
        ];
        while OptedOut::shrink(&mut all) {}
        assert_eq!(all[0].store, SEVERAL);
    }
}
