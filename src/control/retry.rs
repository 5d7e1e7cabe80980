//! When to try again: decided by what went wrong, and counted per object, since kube does neither.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::apply::Again;
use crate::resolve;

/// The first delay; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest: what is broken for hours is looked at often enough.
const LONGEST: Duration = Duration::from_secs(300);
/// Where a person must act and no watch would tell.
const SLOW: Duration = Duration::from_secs(300);

/// Why a reconcile could not be finished. What goes wrong in a region is not here: it is in the status.
#[derive(Debug, Error)]
pub enum Error {
    /// The finalizer could not be set or taken away.
    #[error("writing the finalizer")]
    Finalizer(#[source] kube::Error),
    /// The status could not be written.
    #[error("writing the status")]
    Status(#[source] kube::Error),
    /// The status cannot be written as JSON: a bug of ours.
    #[error("putting the status into JSON")]
    Serialise(#[source] serde_json::Error),
    /// A record of evidence, or its signature, could not be written.
    #[error("writing evidence")]
    Evidence(#[source] kube::Error),
    /// A report of findings for other programs could not be written.
    #[error("writing the OpenReports report")]
    Report(#[source] kube::Error),
    /// The archive of evidence cannot be used.
    #[error("sealing evidence")]
    Archive(#[source] crate::archive::Error),
    /// The archive holds something else where a segment is to be.
    #[error(
        "segment {name} in the archive is not what the region's chain has: look who wrote it, and move it elsewhere; it is \
         written anew then"
    )]
    StrangeSegment {
        /// Its name.
        name: String,
    },
    /// The next place of a region's chain stays taken by something that is not seen.
    #[error(
        "the next record of region {region} has no place: an object has its name that the chain does not show"
    )]
    Contested {
        /// The region.
        region: String,
    },
    /// A record has no place in the schema: a bug of ours.
    #[error("a record of evidence that the schema has no room for")]
    Unwritable,
    /// The identity of a request that has ended could not be removed.
    #[error("removing the identity of a request that has ended")]
    Identity(#[source] kube::Error),
    /// The hub did not answer in time.
    #[error("the hub did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// Another process leads by now.
    #[error("not written: this process no longer leads")]
    NotLeading,
    /// The reconcile panicked: a bug of ours. What it said is in the log only.
    #[error("the reconcile panicked")]
    Panicked,
}

impl Error {
    /// What went wrong, with its causes.
    pub(super) fn told(&self) -> String {
        resolve::chain(self)
    }

    /// Whether somebody else wrote to the chain meanwhile: what is known of it is about to grow.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Evidence(kube::Error::Api(status)) if status.code == 409)
    }
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// Never: a watch tells when there is something to do.
    Wait,
    /// After minutes: a person must act.
    Slow,
    /// After the object's own growing delay.
    Backoff,
}

/// What an error asks for.
#[deny(clippy::wildcard_enum_match_arm)]
#[must_use]
pub fn retry(error: &Error) -> Retry {
    match error {
        Error::Finalizer(source)
        | Error::Status(source)
        | Error::Identity(source)
        | Error::Report(source) => of_hub(source),
        Error::Serialise(_) | Error::Unwritable | Error::StrangeSegment { .. } => Retry::Slow,
        Error::Evidence(source) => of_evidence(source),
        Error::Timeout(_)
        | Error::NotLeading
        | Error::Panicked
        | Error::Archive(_)
        | Error::Contested { .. } => Retry::Backoff,
    }
}

/// A place that is taken is a chain that grew meanwhile: the watch shows it in a moment. One that is not there was
/// deleted, against all that is set up; what is known of it has changed by then too.
fn of_evidence(error: &kube::Error) -> Retry {
    match of_hub(error) {
        Retry::Wait => Retry::Backoff,
        other => other,
    }
}

/// What the hub's answer asks for.
fn of_hub(error: &kube::Error) -> Retry {
    let kube::Error::Api(status) = error else {
        return Retry::Backoff;
    };
    match status.code {
        // The object is gone: so is the work.
        404 => Retry::Wait,
        400 | 401 | 403 | 405 | 415 | 422 => Retry::Slow,
        _ => Retry::Backoff,
    }
}

/// What a Secret that could not be read asks for: no watch tells when it can be.
pub(super) fn unread(is_unread: bool) -> Option<Again> {
    is_unread.then_some(Again::Soon)
}

/// How often each object has failed in a row.
#[derive(Debug, Default)]
pub struct Attempts {
    failures: Mutex<HashMap<String, u32>>,
    random: RandomState,
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It went well, or the object is gone.
    pub fn reset(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// It failed once more: how long to wait, half of it at random so that a thousand objects don't come back at once.
    #[must_use]
    pub fn next(&self, uid: &str) -> Duration {
        let failures = {
            let mut all = self.lock();
            let failures = all.entry(uid.to_owned()).or_insert(0);
            *failures = failures.saturating_add(1);
            *failures
        };
        let doublings = failures.saturating_sub(1).min(16);
        let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        self.jitter(uid, failures, full)
    }

    /// A slow look, spread likewise.
    #[must_use]
    pub fn slow(&self, uid: &str) -> Duration {
        self.jitter(uid, 0, SLOW)
    }

    fn jitter(&self, uid: &str, failures: u32, full: Duration) -> Duration {
        let mut hash = self.random.build_hasher();
        hash.write(uid.as_bytes());
        hash.write_u32(failures);
        let share = u32::try_from(hash.finish() % 1_000).unwrap_or(0);
        full / 2 + full / 2 * share / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16) -> kube::Error {
        let mut status = kube::core::Status::failure("", "").boxed();
        status.code = code;
        kube::Error::Api(status)
    }

    #[test]
    fn each_answer_of_the_hub_has_its_delay() {
        for (code, wanted) in [
            (404, Retry::Wait),
            (403, Retry::Slow),
            (422, Retry::Slow),
            (409, Retry::Backoff),
            (429, Retry::Backoff),
            (503, Retry::Backoff),
        ] {
            assert_eq!(retry(&Error::Status(api(code))), wanted, "{code}");
            assert_eq!(retry(&Error::Finalizer(api(code))), wanted, "{code}");
        }
        assert_eq!(retry(&Error::Panicked), Retry::Backoff);
    }

    #[test]
    fn delays_grow_to_a_bound_and_start_anew_after_success() {
        let attempts = Attempts::default();
        let mut before = Duration::ZERO;
        for _ in 0..5 {
            let next = attempts.next("u");
            assert!(next * 2 > before, "{next:?} after {before:?}");
            before = next;
        }
        for _ in 0..60 {
            assert!(attempts.next("u") <= LONGEST);
        }
        attempts.reset("u");
        assert!(attempts.next("u") <= FIRST);
        assert!(attempts.slow("u") >= SLOW / 2);
    }

    #[test]
    fn objects_do_not_come_back_together() {
        let attempts = Attempts::default();
        let delays: std::collections::BTreeSet<_> =
            (0..50).map(|n| attempts.slow(&n.to_string())).collect();
        assert!(delays.len() > 25, "{}", delays.len());
    }
}
