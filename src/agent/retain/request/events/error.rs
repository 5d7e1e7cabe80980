//! Why a person's events could not be erased. No word of the person is in any of them.

use crate::contract::Outcome;

/// Why a person's events could not be erased.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    /// One channel, two ways to know persons.
    #[error("`events`: channel `{channel}` is there twice in its store: name each once")]
    Twice {
        /// The channel.
        channel: String,
    },
    /// A kind that is none, or that is no platform's.
    #[error(
        "`events`: channel `{channel}`: `identity` is `{kind}`, which is not among `identities`, or ignores case there; a platform's own values are taken as they are"
    )]
    Kind {
        /// The channel.
        channel: String,
        /// As it was written.
        kind: String,
    },
    /// It is no connector's store, or one of an older release.
    #[error(
        "store `{store}` has no table of erased events: it is not the database of the channel's connector (spec.connector.optOut), or no connector of this release has begun there yet; where the channel was withdrawn before, let it be in the region once, or drop the schema tradewind_connect and take the store out of the Region's dataStores"
    )]
    Unprepared {
        /// The store.
        store: String,
    },
    /// The role may not.
    #[error("store `{store}`: the role may not erase events; the schema's owner runs: {sql}")]
    Grants {
        /// The store.
        store: String,
        /// What mends it.
        sql: String,
    },
    /// The key was destroyed.
    #[error(
        "store `{store}` has no key of subjects any more, and nobody's events can be found in it; its owner makes another by SELECT tradewind_connect.make_opt_out_key(), by which events are found that came without one or come later"
    )]
    NoKey {
        /// The store.
        store: String,
    },
    /// The key is another.
    #[error(
        "store `{store}`: somebody's events were erased from it under another key of subjects than it has now, and nobody can be found by that one: restore the database with its key, or, if that key is gone for good, forget these by DELETE FROM tradewind.suppressed_subject WHERE region = '{region}' AND store = '{store}' AND (key_id <> '{key}' OR key_id IS NULL AND octet_length(subject) = 33 AND get_byte(subject, 0) <> {number}) in the suppression store, and erase again whom you know of"
    )]
    OtherKey {
        /// The store.
        store: String,
        /// The region, whose subjects alone are meant.
        region: String,
        /// What its key is told by.
        key: String,
        /// Its number, by which subjects are told that were noted without it.
        number: i32,
    },
}

impl Error {
    /// How the Job should take it.
    pub(in super::super) fn outcome(&self) -> Outcome {
        match self {
            Self::Unprepared { .. } => Outcome::Retry,
            _ => Outcome::Refused,
        }
    }

    /// The word for a condition.
    pub(in super::super) fn reason(&self) -> &'static str {
        match self {
            Self::Twice { .. } | Self::Kind { .. } => "TaskInvalid",
            Self::Unprepared { .. } => "EventsUnprepared",
            Self::Grants { .. } => "GrantsMissing",
            Self::NoKey { .. } => "EventsKeyMissing",
            Self::OtherKey { .. } => "EventsKeyOther",
        }
    }
}
