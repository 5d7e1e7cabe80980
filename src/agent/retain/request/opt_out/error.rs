//! Why an opt-out is not in force. No word of the person is in any of them.

use std::collections::BTreeSet;

use crate::contract::{OptOutStore, Outcome};

/// Why an opt-out is not in force.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    /// Nothing to opt out of.
    #[error(
        "`optOuts` is empty: an OptOut names the connectors' stores that are told of it, or `recipients`"
    )]
    Empty,
    /// A channel without sinks, or one that is there twice.
    #[error("`optOuts`: channel `{channel}` has no sinks, or is there twice in its store")]
    Channel {
        /// The channel.
        channel: String,
    },
    /// A kind that is none, or that is no platform's.
    #[error(
        "`optOuts`: channel `{channel}`: `identity` is `{kind}`, which is not among `identities`, or ignores case there; a platform's own values are taken as they are"
    )]
    Kind {
        /// The channel.
        channel: String,
        /// As it was written.
        kind: String,
    },
    /// No platform would know the person.
    #[error(
        "the identity has no value by which a platform here would know the person: give one of kind {kinds}"
    )]
    Nobody {
        /// The kinds.
        kinds: String,
    },
    /// It is no connector's store, or one of an older release.
    #[error(
        "store `{store}` has no table of opt-outs: it is not the database of the channel's connector (spec.connector.optOut), or no connector of this release has begun there yet"
    )]
    Unprepared {
        /// The store.
        store: String,
    },
    /// The role may not.
    #[error("store `{store}`: the role may not write opt-outs; the schema's owner runs: {sql}")]
    Grants {
        /// The store.
        store: String,
        /// What mends it.
        sql: String,
    },
    /// The key was destroyed.
    #[error(
        "store `{store}` has no key of opt-outs any more: sinks that are a sale are sent nothing at all; its owner makes another by SELECT tradewind_connect.make_opt_out_key(); and then every opt-out has to be asked for again"
    )]
    NoKey {
        /// The store.
        store: String,
    },
    /// Attempts do not end.
    #[error(
        "store `{store}`: the opt-out is written, and a delivery that had begun before is still under way; the next pod looks again"
    )]
    UnderWay {
        /// The store.
        store: String,
    },
    /// What was written is not there.
    #[error(
        "store `{store}`: the opt-out was written and is not there any more: somebody takes rows out of tradewind_connect.opt_out"
    )]
    Vanished {
        /// The store.
        store: String,
    },
}

impl Error {
    /// No value of any kind that a channel knows persons by.
    pub(super) fn nobody(stores: &[OptOutStore]) -> Self {
        let channels = stores.iter().flat_map(|store| &store.channels);
        let kinds: BTreeSet<&str> = channels.map(|channel| channel.identity.as_str()).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        Self::Nobody {
            kinds: kinds.join(" or "),
        }
    }

    /// How the Job should take it.
    pub(in super::super) fn outcome(&self) -> Outcome {
        match self {
            Self::Unprepared { .. } | Self::UnderWay { .. } | Self::Vanished { .. } => {
                Outcome::Retry
            }
            _ => Outcome::Refused,
        }
    }

    /// The word for a condition.
    pub(in super::super) fn reason(&self) -> &'static str {
        match self {
            Self::Empty | Self::Channel { .. } | Self::Kind { .. } => "TaskInvalid",
            Self::Nobody { .. } => "IdentityUnfit",
            Self::Unprepared { .. } => "OptOutUnprepared",
            Self::Grants { .. } => "GrantsMissing",
            Self::NoKey { .. } => "OptOutKeyMissing",
            Self::UnderWay { .. } => "DeliveryUnderWay",
            Self::Vanished { .. } => "OptOutVanished",
        }
    }
}
