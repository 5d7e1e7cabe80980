//! What was written a moment ago and may not have come back by watch yet.
//!
//! Not a truth to decide by: without it the same objects are written, only more often. It keeps a reconcile that follows
//! hard upon another from writing all again, and an admission plug-in that rewrites our fields from making us write for
//! ever.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::child::{Child, ChildRef};
use super::live::Live;
use crate::api::names;

/// How long a watch may lag behind a write before we look again.
pub(crate) const LAG: Duration = Duration::from_secs(5);

/// What one write said.
#[derive(Clone, Debug)]
struct Written {
    declared: String,
    /// The version that was seen before it.
    before: Option<String>,
    /// What the API server answered.
    after: Live,
    at: Instant,
    /// The watch has shown it, or what somebody made of it: from then on what the watch shows is so.
    caught_up: bool,
}

#[derive(Debug, Default)]
struct Held {
    written: HashMap<(String, ChildRef), Written>,
    /// UIDs of what was deleted, by region: once the watch shows such an object no more, it is gone.
    deleted: HashMap<String, HashSet<String>>,
}

/// The last write to each object.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Held>);

/// What memory says of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recall {
    /// Nothing that matters.
    Nothing,
    /// What was declared was written, and this is what became of it.
    Settled,
    /// It was written a moment ago, and the watch hasn't caught up: this is what was answered.
    Underway(Box<Live>),
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a write was answered.
    pub(crate) fn keep(&self, region: &str, child: &Child, before: Option<&Live>, after: &Live) {
        let written = Written {
            declared: declared(child),
            before: before.map(|live| live.version.clone()),
            after: after.clone(),
            at: Instant::now(),
            caught_up: false,
        };
        self.lock()
            .written
            .insert((region.to_owned(), child.id.clone()), written);
    }

    /// What is known beyond the watch.
    pub(crate) fn recall(&self, region: &str, child: &Child, seen: Option<&Live>) -> Recall {
        let mut all = self.lock();
        let key = (region.to_owned(), child.id.clone());
        let Some(written) = all.written.get_mut(&key) else {
            return Recall::Nothing;
        };
        let lags = seen.map(|live| &live.version) == written.before.as_ref();
        written.caught_up |= !lags;
        if written.declared != declared(child) {
            return Recall::Nothing;
        }
        if seen.is_some_and(|live| live.version == written.after.version) {
            return Recall::Settled;
        }
        if lags && !written.caught_up && written.at.elapsed() < LAG {
            Recall::Underway(Box::new(written.after.clone()))
        } else {
            Recall::Nothing
        }
    }

    /// Keeps that an object was deleted.
    pub(crate) fn deleted(&self, region: &str, id: &ChildRef, uid: &str) {
        let mut held = self.lock();
        held.written.remove(&(region.to_owned(), id.clone()));
        let of_region = held.deleted.entry(region.to_owned()).or_default();
        of_region.insert(uid.to_owned());
    }

    /// Whether an object was deleted by us; forgets it, since whoever asks sees it no more.
    pub(crate) fn was_deleted(&self, region: &str, uid: &str) -> bool {
        let mut held = self.lock();
        let of_region = held.deleted.get_mut(region);
        of_region.is_some_and(|uids| uids.remove(uid))
    }

    /// Forgets a region.
    pub(crate) fn forget_region(&self, region: &str) {
        let mut held = self.lock();
        held.written.retain(|(of, _), _| of != region);
        held.deleted.remove(region);
    }
}

fn declared(child: &Child) -> String {
    names::short_hash(&[&child.body.to_string()], 32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::child::ChildKind;
    use super::*;

    fn child(value: &str) -> Child {
        let body = json!({"metadata": {"namespace": "a", "name": "x"}, "data": {"k": value}});
        Child::new(ChildKind::ConfigMap, &body).unwrap()
    }

    fn live(version: &str) -> Live {
        let body = json!({"metadata": {"namespace": "a", "name": "x", "uid": "u", "resourceVersion": version}});
        Live::new(ChildKind::ConfigMap, body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_lag_but_not_for_long() {
        let memory = Memory::default();
        memory.keep("eu", &child("v"), Some(&live("1")), &live("2"));
        let recall =
            |value: &str, version: &str| memory.recall("eu", &child(value), Some(&live(version)));
        assert!(matches!(recall("v", "1"), Recall::Underway(after) if after.version == "2"));
        assert_eq!(recall("v", "2"), Recall::Settled);
        assert_eq!(recall("v", "3"), Recall::Nothing, "somebody else wrote");
        assert_eq!(
            recall("w", "2"),
            Recall::Nothing,
            "something else is declared"
        );
        tokio::time::advance(LAG).await;
        assert_eq!(recall("v", "1"), Recall::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_watch_has_shown_and_shows_no_more_is_gone() {
        let memory = Memory::default();
        for shown in ["2", "3"] {
            memory.keep("eu", &child("v"), None, &live("2"));
            memory.recall("eu", &child("v"), Some(&live(shown)));
            let now = memory.recall("eu", &child("v"), None);
            assert_eq!(now, Recall::Nothing, "after {shown}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_just_created_is_not_created_again() {
        let memory = Memory::default();
        memory.keep("eu", &child("v"), None, &live("2"));
        assert!(matches!(
            memory.recall("eu", &child("v"), None),
            Recall::Underway(_)
        ));
        assert_eq!(memory.recall("us", &child("v"), None), Recall::Nothing);
        memory.deleted("eu", &child("v").id, "u");
        assert_eq!(memory.recall("eu", &child("v"), None), Recall::Nothing);
        assert!(memory.was_deleted("eu", "u") && !memory.was_deleted("eu", "u"));
    }
}
