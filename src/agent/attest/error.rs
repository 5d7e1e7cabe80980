//! Why nothing is signed.

use crate::agent::custody;
use crate::contract::Outcome;
use crate::evidence::canonical;

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The Secret cannot be had.
    #[error(transparent)]
    Custody(#[from] custody::Error),
    /// What the Secret holds is no key.
    #[error(
        "Secret {secret} holds no key of this region ({what}): look who wrote to it; if the key is lost, delete the \
         Secret, and the next run makes another, which is recorded"
    )]
    KeyUnreadable { secret: String, what: &'static str },
    /// The operating system has no randomness to give.
    #[error("no randomness for a key")]
    NoRandomness,
    /// What is to be signed is not what was signed, and more.
    #[error(
        "records up to {to} are no extension of what this region's key signed up to {last}: {what}; the hub's evidence was \
         changed or restored from an older state, and an export from before tells what is missing"
    )]
    NotAnExtension {
        last: u64,
        to: u64,
        what: &'static str,
    },
    /// The chain has no record.
    #[error("nothing is recorded yet")]
    Nothing,
    /// A signature could not be put into words: a bug of ours.
    #[error("putting the checkpoint into its one spelling")]
    Spelling(#[from] canonical::Error),
    /// SIGTERM.
    #[error("stopped before anything was signed")]
    Stopped,
}

impl Error {
    /// The word for the report.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Custody(error) => error.reason(),
            Self::KeyUnreadable { .. } => "KeyUnreadable",
            Self::NoRandomness => "NoRandomness",
            Self::NotAnExtension { .. } => "NotAnExtension",
            Self::Nothing => "NothingRecorded",
            Self::Spelling(_) => "Bug",
            Self::Stopped => "Stopped",
        }
    }

    /// Whether another try may end otherwise.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Custody(error) => error.outcome(),
            Self::KeyUnreadable { .. }
            | Self::NotAnExtension { .. }
            | Self::Nothing
            | Self::Spelling(_) => Outcome::Refused,
            Self::NoRandomness | Self::Stopped => Outcome::Retry,
        }
    }
}
