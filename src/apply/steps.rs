//! Pure: what has to be written in a region so that what is declared is there, and nothing else of ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::child::{Child, ChildKind, ChildRef};
use super::compare::{self, Drift};
use super::live::Live;
use super::secret;
use crate::api::{InventoryEntry, names};
use crate::plan;

/// Objects that make sense only together and in this order: what is read before what reads it. A group stops at its
/// first trouble, so that no pod starts with a task that could not be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    /// In the order of writing.
    pub(crate) children: Vec<Child>,
}

/// What is declared in a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// What all others need: when it fails nothing else is written.
    pub(crate) shared: Group,
    /// The others; one's trouble is not another's.
    pub(crate) groups: Vec<Group>,
}

impl Declared {
    /// All objects.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Child> {
        let groups = std::iter::once(&self.shared).chain(&self.groups);
        groups.flat_map(|group| &group.children)
    }

    /// What is there once this has been made, when any of it is yet to be made: an object without a UID where none is
    /// seen. Runs go with their owners. What cannot be seen is not made.
    pub(crate) fn intended(
        &self,
        ours: &[Live],
        unknown: &BTreeMap<(ChildKind, String), String>,
    ) -> Vec<InventoryEntry> {
        let is_hidden =
            |child: &Child| unknown.contains_key(&(child.id.kind, child.id.namespace.clone()));
        if self.shared.children.iter().any(is_hidden) {
            return Vec::new();
        }
        let entry = |child: &Child| {
            let seen = ours.iter().find(|live| live.id == child.id);
            child.id.entry(seen.map_or("", |live| &live.uid))
        };
        let made = self
            .children()
            .filter(|child| child.id.kind != ChildKind::Job && !is_hidden(child));
        let all: Vec<InventoryEntry> = made.map(entry).collect();
        if all.iter().all(|entry| !entry.uid.is_empty()) {
            return Vec::new();
        }
        all
    }
}

/// What one object needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Need {
    /// Nothing: it is as declared.
    Nothing,
    /// It isn't there, as far as is known.
    Create,
    /// It is there and differs.
    Mend(Drift),
}

/// What an object needs.
pub(crate) fn need(child: &Child, live: Option<&Live>) -> Need {
    let Some(live) = live else {
        return Need::Create;
    };
    let drift = drift(child, live);
    if drift.is_none() {
        Need::Nothing
    } else {
        Need::Mend(drift)
    }
}

/// What differs. A Secret's values are never read, so its owners are compared instead.
pub(crate) fn drift(child: &Child, live: &Live) -> Drift {
    if child.id.kind != ChildKind::Secret {
        return compare::compare(&child.body, &live.body);
    }
    let mut drift = compare::compare(&secret::comparable(child), &live.body);
    if !secret::is_ours_whole(child, live) {
        drift.changed.push("/data".to_owned());
    }
    drift
}

/// CronJobs that start runs.
pub(crate) fn starting(ours: &[Live]) -> impl Iterator<Item = &Live> {
    ours.iter().filter(|live| {
        let is_suspended = live.body.pointer("/spec/suspend") == Some(&Value::Bool(true));
        live.id.kind == ChildKind::CronJob && !is_suspended && !live.is_going()
    })
}

/// The CronJob that stands there.
pub(crate) fn schedule(ours: &[Live]) -> Option<&Live> {
    let mut schedules = ours.iter();
    schedules.find(|live| live.id.kind == ChildKind::CronJob && !live.is_going())
}

/// What reads back from the ledger what a Job did, by the schedule that stands there.
pub(crate) fn reading(schedule: &Live, lost: &str) -> Result<Option<Child>, serde_json::Error> {
    let schedule = serde_json::from_value(schedule.body.clone())?;
    let job = plan::read_back(&schedule, lost);
    job.map(|job| Child::new(ChildKind::Job, &job)).transpose()
}

/// Runs that have not ended. Reading a ledger back is none.
pub(crate) fn under_way(ours: &[Live]) -> impl Iterator<Item = &Live> {
    ours.iter().filter(|live| {
        let conditions = live.body.pointer("/status/conditions");
        let has_ended = conditions
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|one| {
                one["status"] == "True" && (one["type"] == "Complete" || one["type"] == "Failed")
            });
        let is_run = live.id.kind == ChildKind::Job && !names::is_read_back(&live.id.name);
        is_run && !has_ended && !live.is_going()
    })
}

/// Ours, and no longer declared: in the order in which they are taken away. What another object owns goes with it, and
/// what is on its way out needs no second request.
pub(crate) fn surplus<'a>(declared: &Declared, ours: &'a [Live]) -> Vec<&'a Live> {
    let keep: BTreeSet<&ChildRef> = declared.children().map(|child| &child.id).collect();
    let mut surplus: Vec<&Live> = ours
        .iter()
        .filter(|live| live.id.kind != ChildKind::Pod)
        .filter(|live| !keep.contains(&live.id) && !live.is_owned() && !live.is_going())
        .collect();
    surplus.sort_by(|a, b| a.id.cmp(&b.id));
    surplus
}

/// What status remembers, what isn't declared any more, and what the watch doesn't show as ours: gone, robbed of its
/// labels, or never made. Each needs a look.
pub(crate) fn lost<'a>(
    declared: &Declared,
    ours: &[Live],
    inventory: &'a [InventoryEntry],
) -> Vec<&'a InventoryEntry> {
    let keep: BTreeSet<&ChildRef> = declared.children().map(|child| &child.id).collect();
    let seen: BTreeSet<&str> = ours.iter().map(|live| live.uid.as_str()).collect();
    let places: BTreeSet<&ChildRef> = ours.iter().map(|live| &live.id).collect();
    inventory
        .iter()
        .filter(|entry| !seen.contains(entry.uid.as_str()))
        .filter(|entry| {
            ChildRef::from_entry(entry).is_none_or(|id| {
                let was_made = entry.uid.is_empty() && places.contains(&id);
                !was_made && !keep.contains(&id)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn child(kind: ChildKind, name: &str) -> Child {
        let body = json!({"metadata": {"namespace": "a", "name": name}, "data": {"k": "v"}});
        Child::new(kind, &body).unwrap()
    }

    fn live(kind: ChildKind, name: &str) -> Live {
        let metadata = json!({"namespace": "a", "name": name, "uid": format!("u-{name}"), "resourceVersion": "7"});
        Live::new(kind, json!({"metadata": metadata, "data": {"k": "v"}})).unwrap()
    }

    #[test]
    fn what_is_as_declared_needs_nothing() {
        let (kind, there) = (ChildKind::ConfigMap, live(ChildKind::ConfigMap, "x"));
        assert_eq!(need(&child(kind, "x"), Some(&there)), Need::Nothing);
        assert_eq!(need(&child(kind, "x"), None), Need::Create);
        let mut other = there.clone();
        other.body["data"]["k"] = json!("w");
        assert!(matches!(
            need(&child(kind, "x"), Some(&other)),
            Need::Mend(_)
        ));
    }

    #[test]
    fn surplus_goes_readers_first_and_leaves_what_others_own() {
        let mut owned = live(ChildKind::Job, "owned");
        owned.body["metadata"]["ownerReferences"] = json!([{"uid": "u", "controller": true}]);
        let mut going = live(ChildKind::Deployment, "going");
        going.body["metadata"]["deletionTimestamp"] = json!("t");
        let ours = [
            live(ChildKind::ServiceAccount, "s"),
            live(ChildKind::ConfigMap, "keep"),
            live(ChildKind::ConfigMap, "c"),
            owned,
            going,
            live(ChildKind::Pod, "p"),
            live(ChildKind::CronJob, "j"),
        ];
        let mut declared = Declared::default();
        declared
            .shared
            .children
            .push(child(ChildKind::ConfigMap, "keep"));
        let names: Vec<&str> = surplus(&declared, &ours)
            .iter()
            .map(|l| l.id.name.as_str())
            .collect();
        assert_eq!(names, ["j", "c", "s"]);
    }

    #[test]
    fn a_pause_stops_what_starts_runs_and_what_runs() {
        let with = |kind, name: &str, more: serde_json::Value| {
            let mut live = live(kind, name);
            for (key, value) in more.as_object().unwrap() {
                live.body[key] = value.clone();
            }
            live
        };
        let ended =
            |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
        let mut going = live(ChildKind::Job, "going");
        going.body["metadata"]["deletionTimestamp"] = json!("t");
        let ours = [
            with(
                ChildKind::CronJob,
                "starts",
                json!({"spec": {"suspend": false}}),
            ),
            with(
                ChildKind::CronJob,
                "stands",
                json!({"spec": {"suspend": true}}),
            ),
            with(ChildKind::Job, "runs", json!({"status": {"active": 1}})),
            with(
                ChildKind::Job,
                "fails",
                json!({"status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}}),
            ),
            with(ChildKind::Job, "done", ended("Complete")),
            with(ChildKind::Job, "failed", ended("Failed")),
            live(ChildKind::Job, "x-read-back"),
            live(ChildKind::Deployment, "connector"),
            going,
        ];
        let names = |list: Vec<&Live>| -> Vec<String> {
            list.iter().map(|live| live.id.name.clone()).collect()
        };
        assert_eq!(names(starting(&ours).collect()), ["starts"]);
        assert_eq!(
            schedule(&ours).map(|live| live.id.name.as_str()),
            Some("starts")
        );
        assert_eq!(names(under_way(&ours).collect()), ["runs", "fails"]);
    }

    #[test]
    fn a_ledger_is_asked_by_the_schedule_that_stands_there() {
        let mut stands = live(ChildKind::CronJob, "p-retention");
        stands.body["spec"] = json!({
            "schedule": "0 2 * * *", "suspend": true, "jobTemplate": {"metadata": {"labels": {"l": "v"}}, "spec": {"template": {
                "spec": {"containers": [{"name": "agent", "args": ["retain"], "env": [{"name": "TRADEWIND_JOB"}]}]}}}},
        });
        let job = reading(&stands, "p-retention-1").unwrap().unwrap();
        assert_eq!(
            (job.id.kind, job.id.namespace.as_str()),
            (ChildKind::Job, "a")
        );
        assert!(names::is_read_back(&job.id.name));
        assert_eq!(job.body["metadata"]["labels"]["l"], "v");
        let args = job.body.pointer("/spec/template/spec/containers/0/args");
        assert_eq!(
            args,
            Some(&json!(["retain", "--report", "--run-of", "p-retention-1"]))
        );
        stands.body["spec"] = json!(3);
        assert!(reading(&stands, "p-retention-1").is_err());
    }

    #[test]
    fn what_is_yet_to_be_made_is_told_before() {
        let mut declared = Declared::default();
        let of = |kind, name| child(kind, name);
        declared.shared.children = vec![of(ChildKind::ServiceAccount, "s")];
        declared.groups = vec![Group {
            children: vec![of(ChildKind::ConfigMap, "c"), of(ChildKind::Job, "j")],
        }];
        let ours = [
            live(ChildKind::ServiceAccount, "s"),
            live(ChildKind::ConfigMap, "c"),
        ];
        let told = |ours: &[Live], unknown: &[ChildKind]| -> Vec<String> {
            let unknown = unknown
                .iter()
                .map(|kind| ((*kind, "a".to_owned()), String::new()))
                .collect();
            let all = declared.intended(ours, &unknown);
            all.iter()
                .map(|e| format!("{} {}", e.name, e.uid))
                .collect()
        };
        assert_eq!(told(&ours[..1], &[]), ["s u-s", "c "], "and no run");
        assert_eq!(told(&[], &[ChildKind::ConfigMap]), ["s "]);
        assert!(told(&[], &[ChildKind::ServiceAccount]).is_empty());
        assert!(told(&ours, &[]).is_empty(), "all of it is there");
    }

    #[test]
    fn what_was_perhaps_made_is_looked_for_unless_it_is_seen() {
        let inventory = [
            live(ChildKind::ConfigMap, "x").id.entry(""),
            live(ChildKind::ConfigMap, "y").id.entry(""),
        ];
        let ours = [live(ChildKind::ConfigMap, "x")];
        let lost = lost(&Declared::default(), &ours, &inventory);
        assert_eq!(lost, [&inventory[1]]);
    }

    #[test]
    fn what_lost_its_labels_is_looked_for() {
        let entry = |kind: ChildKind, name: &str| live(kind, name).entry();
        let inventory = [
            entry(ChildKind::ConfigMap, "seen"),
            entry(ChildKind::ConfigMap, "declared"),
            entry(ChildKind::ConfigMap, "lost"),
        ];
        let mut declared = Declared::default();
        declared
            .shared
            .children
            .push(child(ChildKind::ConfigMap, "declared"));
        let lost = lost(&declared, &[live(ChildKind::ConfigMap, "seen")], &inventory);
        assert_eq!(lost, [&inventory[2]]);
    }
}
