//! Why nothing is signed.

use crate::contract::Outcome;
use crate::evidence::canonical;

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file that Kubernetes mounts is not there or makes no sense.
    #[error("`{file}` of the ServiceAccount: {what}")]
    Credentials { file: String, what: String },
    /// Nobody says where the API server is.
    #[error(
        "no API server is named: the pod has no KUBERNETES_SERVICE_HOST, and the Region no `evidence.apiServer`"
    )]
    NoServer,
    /// The API server did not answer.
    #[error("the API server cannot be asked")]
    Unavailable(#[source] reqwest::Error),
    /// The API server refuses.
    #[error("the API server answers {status} to a {verb} of Secret {secret}{hint}")]
    Refused {
        status: u16,
        verb: &'static str,
        secret: String,
        hint: &'static str,
    },
    /// Another run was quicker.
    #[error("another run changed Secret {secret} meanwhile")]
    Behind { secret: String },
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
            Self::Credentials { .. } | Self::NoServer => "CredentialsMissing",
            Self::Unavailable(_) => "ApiServerUnavailable",
            Self::Refused { .. } => "KeyForbidden",
            Self::Behind { .. } => "Behind",
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
            Self::Credentials { .. }
            | Self::NoServer
            | Self::KeyUnreadable { .. }
            | Self::NotAnExtension { .. }
            | Self::Nothing
            | Self::Spelling(_)
            // What the API server refuses for good, not what it cannot do just now.
            | Self::Refused {
                status: 400..=428, ..
            } => Outcome::Refused,
            Self::Refused { .. }
            | Self::Unavailable(_)
            | Self::Behind { .. }
            | Self::NoRandomness
            | Self::Stopped => Outcome::Retry,
        }
    }
}
