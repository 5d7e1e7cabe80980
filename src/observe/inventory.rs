//! What of ours is in a region: what its caches show, what was just made, and what status remembers and nobody saw gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::InventoryEntry;
use crate::apply::{Applied, ChildKind, ChildRef, Live};

/// Everything of ours that is there. While it is being withdrawn, also what will go with its owners: a resource is gone
/// only when its last pod is.
#[must_use]
pub fn inventory(
    (ours, unknown): (&[Live], &BTreeMap<(ChildKind, String), String>),
    applied: Option<&Applied>,
    old: &[InventoryEntry],
    withdrawing: bool,
) -> Vec<InventoryEntry> {
    let counts = |live: &&Live| withdrawing || (!live.is_owned() && live.id.kind != ChildKind::Pod);
    let mut all: BTreeSet<InventoryEntry> = ours.iter().filter(counts).map(Live::entry).collect();
    let seen: BTreeSet<String> = ours.iter().map(|live| live.uid.clone()).collect();
    // Just made, and not in the caches yet. An object of that name in the caches is the one that was replaced.
    for entry in applied
        .iter()
        .flat_map(|a| &a.made)
        .filter(|e| !seen.contains(&e.uid))
    {
        all.retain(|other| !is_same_place(other, entry));
        all.insert(entry.clone());
    }
    for entry in old {
        let is_gone = match applied {
            None => false,
            Some(applied) => applied.gone.contains(entry) || goes_with_its_owner(entry, unknown),
        };
        let replaced = all.iter().any(|other| is_same_place(other, entry));
        if !is_gone && !replaced && !seen.contains(&entry.uid) {
            all.insert(entry.clone());
        }
    }
    all.into_iter().collect()
}

fn is_same_place(a: &InventoryEntry, b: &InventoryEntry) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}

/// Runs and pods have owners that are looked for themselves; what the caches don't show of them is gone.
fn goes_with_its_owner(
    entry: &InventoryEntry,
    unknown: &BTreeMap<(ChildKind, String), String>,
) -> bool {
    ChildRef::from_entry(entry).is_some_and(|id| {
        matches!(id.kind, ChildKind::Job | ChildKind::Pod)
            && !unknown.contains_key(&(id.kind, id.namespace))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(kind: ChildKind, name: &str, uid: &str) -> Live {
        Live::new(
            kind,
            json!({"metadata": {"namespace": "a", "name": name, "uid": uid}}),
        )
        .unwrap()
    }

    fn owned(kind: ChildKind, name: &str) -> Live {
        let mut live = live(kind, name, name);
        live.body["metadata"]["ownerReferences"] = json!([{"uid": "o", "controller": true}]);
        live
    }

    fn uids(entries: &[InventoryEntry]) -> Vec<&str> {
        entries.iter().map(|e| e.uid.as_str()).collect()
    }

    #[test]
    fn what_others_own_counts_only_while_it_is_withdrawn() {
        let ours = [
            live(ChildKind::CronJob, "c", "c"),
            owned(ChildKind::Job, "j"),
            owned(ChildKind::Pod, "p"),
        ];
        assert_eq!(
            uids(&inventory((&ours, &BTreeMap::new()), None, &[], false)),
            ["c"]
        );
        assert_eq!(
            uids(&inventory((&ours, &BTreeMap::new()), None, &[], true)),
            ["c", "j", "p"]
        );
    }

    #[test]
    fn what_was_just_made_replaces_what_the_cache_still_shows() {
        let ours = [live(ChildKind::ConfigMap, "x", "old")];
        let applied = Applied {
            made: vec![live(ChildKind::ConfigMap, "x", "new").entry()],
            ..Applied::default()
        };
        assert_eq!(
            uids(&inventory(
                (&ours, &BTreeMap::new()),
                Some(&applied),
                &[ours[0].entry()],
                false
            )),
            ["new"]
        );
    }

    #[test]
    fn what_nobody_saw_gone_is_remembered() {
        let old = [
            live(ChildKind::ConfigMap, "x", "x").entry(),
            live(ChildKind::Secret, "y", "y").entry(),
        ];
        assert_eq!(
            uids(&inventory((&[], &BTreeMap::new()), None, &old, false)),
            ["x", "y"]
        );
        let applied = Applied {
            gone: BTreeSet::from([old[0].clone()]),
            ..Applied::default()
        };
        assert_eq!(
            uids(&inventory(
                (&[], &BTreeMap::new()),
                Some(&applied),
                &old,
                true
            )),
            ["y"]
        );
    }

    #[test]
    fn runs_and_pods_that_are_not_shown_are_gone_unless_they_cannot_be_seen() {
        let old = [
            owned(ChildKind::Job, "j").entry(),
            owned(ChildKind::Pod, "p").entry(),
        ];
        let applied = Applied::default();
        let hidden = BTreeMap::from([((ChildKind::Pod, "a".to_owned()), "forbidden".to_owned())]);
        assert_eq!(
            uids(&inventory((&[], &hidden), Some(&applied), &old, true)),
            ["p"]
        );
        assert_eq!(
            uids(&inventory(
                (&[], &BTreeMap::new()),
                Some(&Applied::default()),
                &old,
                true
            )),
            Vec::<&str>::new()
        );
    }
}
