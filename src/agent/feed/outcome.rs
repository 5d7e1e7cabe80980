//! How a feed ends when it does not end well: what passes is tried again, what does not waits for somebody.

use super::source::Invalid;
use super::{destination, guard, row, source};
use crate::contract::Outcome;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The task's columns or money make no file.
    #[error("the task makes no file")]
    Layout(#[source] row::Error),
    /// The source could not be opened or read to its end.
    #[error(transparent)]
    Source(source::Error),
    /// The source is there but is no list of items.
    #[error("the source is malformed: {what}")]
    Malformed {
        /// What is wrong, and where.
        what: Invalid,
    },
    /// The file would take too much away.
    #[error(transparent)]
    Shrink(guard::Shrink),
    /// The object store could not be read or written.
    #[error(transparent)]
    Destination(destination::Error),
    /// Sorting on disk failed.
    #[error("the items cannot be sorted on disk: give `/tmp` more room")]
    Disk(#[source] std::io::Error),
    /// A thread of ours died.
    #[error("a worker ended early")]
    Worker(#[source] tokio::task::JoinError),
    /// Asked to stop. Nothing was replaced.
    #[error("stopped before the file was written; the next run begins anew")]
    Stopped,
}

impl Error {
    /// Outcome and reason; a retry is a promise that waiting helps.
    pub(super) fn verdict(&self) -> (Outcome, &'static str) {
        use destination::Error as To;
        use source::Error as From;
        match self {
            Self::Layout(_) => (Outcome::Refused, "TaskInvalid"),
            Self::Source(From::Unavailable { .. }) => (Outcome::Retry, "SourceUnavailable"),
            Self::Source(From::Credentials { .. }) | Self::Destination(To::Credentials { .. }) => {
                (Outcome::Refused, "CredentialsInvalid")
            }
            Self::Source(From::Invalid { .. }) | Self::Malformed { .. } => {
                (Outcome::Refused, "SourceInvalid")
            }
            Self::Shrink(_) => (Outcome::Refused, "ShrinkRefused"),
            Self::Destination(To::Unavailable { .. }) => (Outcome::Retry, "DestinationUnavailable"),
            Self::Destination(To::Invalid { .. }) => (Outcome::Refused, "DestinationInvalid"),
            Self::Destination(To::Manifest { .. }) => (Outcome::Refused, "ManifestUnreadable"),
            Self::Destination(To::Spool(_)) | Self::Disk(_) => (Outcome::Retry, "DiskFailed"),
            Self::Worker(_) => (Outcome::Retry, "WorkerFailed"),
            Self::Stopped | Self::Destination(To::Stopped) => (Outcome::Retry, "Stopped"),
        }
    }
}
