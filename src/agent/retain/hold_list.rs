//! Whether the list of holds that the task has is young enough to erase by.
//!
//! In: the file in which the hub says when it last saw all LegalHolds, a database's clock. Out: nothing, or why nothing
//! may be erased. The kubelet brings the file up to date while the pod runs, so it is read again and again. Reads only.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::error::Error;
use super::settings;
use super::store::Store;
use crate::contract::HoldList;

/// How often it is looked at while a run erases: the hub writes it every few minutes.
const EVERY: Duration = Duration::from_secs(2);

/// The bound, and when it was looked at last.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Freshness {
    seen_at: PathBuf,
    max_age: SignedDuration,
    /// As it was written.
    pub(in crate::agent) told: String,
    looked: Arc<Mutex<Option<Instant>>>,
}

impl Freshness {
    /// Nothing when the duration is none, or not a positive one.
    pub(in crate::agent) fn parse(list: &HoldList) -> Option<Self> {
        let length = settings::window(&list.max_age)?;
        Some(Self {
            seen_at: list.seen_at.clone(),
            max_age: SignedDuration::try_from(length).ok()?,
            told: list.max_age.clone(),
            looked: Arc::default(),
        })
    }

    /// By the store's clock, now.
    pub(super) async fn check(&self, store: &mut Store) -> Result<(), Error> {
        let now = store.now().await?;
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.judge(now).map_err(|seen| Error::HoldsStale {
            store: store.name.clone(),
            seen,
            max_age: self.told.clone(),
        })
    }

    /// The same, unless it was looked at a moment ago.
    pub(super) async fn check_again(&self, store: &mut Store) -> Result<(), Error> {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return Ok(());
        }
        self.check(store).await
    }

    /// What is wrong, to be read after "the hub". A moment that is as far ahead is as wrong: one of the clocks is, and
    /// nobody knows how old the list is.
    pub(in crate::agent) fn judge(&self, now: Timestamp) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.seen_at);
        let Some(seen) = text.ok().and_then(|text| text.trim().parse().ok()) else {
            return Err("has not said yet when it last saw them".to_owned());
        };
        let age = now.duration_since(seen);
        if age.abs() > self.max_age {
            return Err(format!(
                "last saw them at {seen}, and the database's clock says {now}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: Option<&str>, now: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let seen_at = folder.path().join("seen-at");
        if let Some(text) = text {
            std::fs::write(&seen_at, text).unwrap();
        }
        let max_age = "PT6H".to_owned();
        let list = Freshness::parse(&HoldList { seen_at, max_age }).unwrap();
        list.judge(now.parse().unwrap())
    }

    #[test]
    fn a_list_is_good_up_to_its_bound_and_not_a_moment_longer() {
        let seen = Some("2026-11-22T04:00:00Z\n");
        for (now, good) in [
            ("2026-11-22T04:00:00Z", true),
            ("2026-11-22T10:00:00Z", true),
            ("2026-11-22T10:00:00.000001Z", false),
            // A hub whose clock is ahead does not keep a list young for ever.
            ("2026-11-21T22:00:00Z", true),
            ("2026-11-21T21:59:59Z", false),
        ] {
            assert_eq!(judged(seen, now).is_ok(), good, "{now}");
        }
    }

    #[test]
    fn what_says_nothing_is_not_young() {
        for text in [None, Some(""), Some("yesterday")] {
            let why = judged(text, "2026-11-22T04:00:00Z").unwrap_err();
            assert!(why.contains("has not said"), "{why}");
        }
    }
}
