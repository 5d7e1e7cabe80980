//! Why a region can't be talked to.

use jiff::Timestamp;

use crate::plan::Reach;

/// Why a region can't be talked to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The first connection is being made, or what runs there is being read.
    Connecting,
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The connection failed in another way.
    ConnectionFailed,
    /// The certificates don't fit.
    TlsFailed,
    /// No answer within the time.
    Timeout,
    /// It answers with errors.
    ServerError,
    /// It doesn't know the credentials (401).
    Unauthorized,
    /// The credentials lack a right that Tradewind needs to know the cluster at all (403).
    Forbidden,
    /// The kubeconfig is refused; the message says for what.
    KubeconfigRefused,
    /// The kubeconfig's Secret or key is missing or unreadable.
    KubeconfigMissing,
    /// It is another cluster than before.
    IdentityChanged,
    /// No Region of this name.
    NoSuchRegion,
}

impl Cause {
    /// Whether nothing is known of the cluster yet, only because it was not asked before.
    #[must_use]
    pub fn is_first_contact(self) -> bool {
        matches!(self, Self::Connecting | Self::NoSuchRegion)
    }

    /// Whether the cluster did not answer, as opposed to answering with a refusal: that one ends as it began, at
    /// once.
    #[must_use]
    pub fn is_outage(self) -> bool {
        match self {
            Self::Connecting
            | Self::ConnectionRefused
            | Self::ConnectionFailed
            | Self::TlsFailed
            | Self::Timeout
            | Self::ServerError => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::KubeconfigRefused
            | Self::KubeconfigMissing
            | Self::IdentityChanged
            | Self::NoSuchRegion => false,
        }
    }

    /// The word in a condition's reason.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::ConnectionRefused => "ConnectionRefused",
            Self::ConnectionFailed => "ConnectionFailed",
            Self::TlsFailed => "TlsFailed",
            Self::Timeout => "Timeout",
            Self::ServerError => "ServerError",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::KubeconfigRefused => "KubeconfigRefused",
            Self::KubeconfigMissing => "KubeconfigMissing",
            Self::IdentityChanged => "IdentityChanged",
            Self::NoSuchRegion => "NoSuchRegion",
        }
    }
}

/// A region that can't be talked to now. Its return wakes everything that targets it: don't poll.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("region unreachable: {message}")]
pub struct Unreachable {
    /// When it last answered; when it never did, when Tradewind began to try.
    pub since: Timestamp,
    /// Why.
    pub cause: Cause,
    /// Why, for a person, with what would mend it.
    pub message: String,
}

impl From<Unreachable> for Reach {
    fn from(from: Unreachable) -> Self {
        Self::Unreachable {
            since: from.since,
            reason: from.cause.as_str().to_owned(),
            message: from.message,
        }
    }
}
