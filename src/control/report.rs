//! What people and machines are told: one log line per failure, Events when a condition turns, metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter as Who};
use kube::{Client, Resource, ResourceExt};

use super::retry::Error;
use crate::api::InventoryEntry;
use crate::metrics::{self, Metrics, Outcome, Stage};

/// An Event that takes longer is given up: nobody waits for one.
const EVENT_DEADLINE: Duration = Duration::from_secs(5);
/// What an Event's note may hold.
const NOTE_BYTES: usize = 1_000;

/// The one voice.
#[derive(Clone)]
pub(super) struct Report {
    client: Client,
    who: Who,
    recorder: Recorder,
    metrics: Metrics,
}

impl Report {
    pub(super) fn new(client: Client, instance: &str, metrics: Metrics) -> Self {
        let who = Who {
            controller: "tradewind.dev/operator".into(),
            instance: Some(instance.chars().take(128).collect()),
        };
        Self {
            recorder: Recorder::new(client.clone(), who.clone()),
            client,
            who,
            metrics,
        }
    }

    /// The metrics.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A reconcile ended.
    pub(super) fn reconciled(&self, kind: metrics::Kind, took: Duration, result: Outcome) {
        self.metrics.reconciled(kind, result, took);
    }

    /// A reconcile failed: logged and counted here, and nowhere else.
    pub(super) fn failed<K: Resource<DynamicType = ()>>(
        &self,
        kind: metrics::Kind,
        object: &K,
        error: &Error,
    ) {
        let stage = stage(error);
        self.metrics.failed(kind, stage);
        tracing::error!(
            controller = ?kind,
            object = %place(object),
            stage = ?stage,
            error = error as &dyn std::error::Error,
            "reconcile failed"
        );
    }

    /// Says each condition that turned, as an Event on the resource.
    pub(super) fn turned<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        old: &[Condition],
        new: &[Condition],
    ) {
        let reference = object.object_ref(&());
        for condition in turns(old, new) {
            self.publish(event(condition), reference.clone());
        }
    }

    /// Says what is left in regions, and is nobody's from now on: nothing else remembers it.
    pub(super) fn orphaned<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        left: &BTreeMap<String, Vec<InventoryEntry>>,
    ) {
        if left.is_empty() {
            return;
        }
        let told: Vec<String> = left.iter().map(of_region).collect();
        let note = format!(
            "left as it is, and nobody's from now on: {}",
            told.join("; ")
        );
        tracing::info!(kind = %K::kind(&()), object = %place(object), left = note, "orphaned");
        let event = Event {
            type_: EventType::Normal,
            reason: "Orphaned".to_owned(),
            note: Some(cut(&note)),
            action: "Delete".to_owned(),
            secondary: None,
        };
        self.publish(event, object.object_ref(&()));
    }

    /// Says something else about a resource.
    pub(super) fn warn<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.publish(warning(reason, note), object.object_ref(&()));
    }

    /// Says something about another object that has no status, the packs' ConfigMap for one. Each time is an Event of its
    /// own: a recorder counts what has the same reason as a repetition, and for minutes keeps the note of the first.
    pub(super) fn warn_of(&self, reference: ObjectReference, reason: &str, note: &str) {
        let recorder = Recorder::new(self.client.clone(), self.who.clone());
        publish(recorder, warning(reason, note), reference);
    }

    fn publish(&self, event: Event, reference: ObjectReference) {
        publish(self.recorder.clone(), event, reference);
    }
}

fn publish(recorder: Recorder, event: Event, reference: ObjectReference) {
    tokio::spawn(async move {
        let published = recorder.publish(&event, &reference);
        // Events are a courtesy: what they say is in the status.
        match tokio::time::timeout(EVENT_DEADLINE, published).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "Event not published"
            ),
            Err(_) => tracing::debug!("Event not published in time"),
        }
    });
}

fn of_region((region, inventory): (&String, &Vec<InventoryEntry>)) -> String {
    let objects: Vec<String> = inventory
        .iter()
        .map(|entry| format!("{} {}/{}", entry.kind, entry.namespace, entry.name))
        .collect();
    format!("{region}: {}", objects.join(", "))
}

fn stage(error: &Error) -> Stage {
    match error {
        Error::Finalizer(_) | Error::Identity(_) => Stage::Finalize,
        Error::Status(_)
        | Error::Report(_)
        | Error::Serialise(_)
        | Error::Timeout(_)
        | Error::NotLeading => Stage::Status,
        Error::Evidence(_)
        | Error::Unwritable
        | Error::Contested { .. }
        | Error::Archive(_)
        | Error::StrangeSegment { .. } => Stage::Evidence,
        Error::Panicked => Stage::Plan,
    }
}

fn place<K: Resource>(object: &K) -> String {
    match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    }
}

/// Conditions whose truth or reason is another than before. `Reconciling` comes and goes with all work: it says nothing.
fn turns<'a>(old: &'a [Condition], new: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    new.iter().filter(|c| c.type_ != "Reconciling").filter(|c| {
        let before = old.iter().find(|o| o.type_ == c.type_);
        match before {
            // What is so from the start is no news, unless it is bad.
            None => c.status == "False" || c.type_ == "Deleting" || c.type_ == "Suspended",
            Some(before) => before.status != c.status || before.reason != c.reason,
        }
    })
}

fn event(condition: &Condition) -> Event {
    let is_bad = match condition.type_.as_str() {
        "Stalled" => condition.status == "True",
        "InForce" if condition.reason == "Released" => false,
        "Deleting" | "Suspended" => false,
        _ => condition.status != "True",
    };
    Event {
        type_: if is_bad {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: condition.reason.clone(),
        note: Some(cut(&format!(
            "{} is {}: {}",
            condition.type_, condition.status, condition.message
        ))),
        action: condition.type_.clone(),
        secondary: None,
    }
}

fn warning(reason: &str, note: &str) -> Event {
    Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(cut(note)),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(NOTE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::condition::{ConditionType, Truth, Wanted, merge};

    fn conditions(all: &[(ConditionType, Truth, &str)]) -> Vec<Condition> {
        let wanted = all.iter().map(|(kind, status, reason)| Wanted {
            kind: *kind,
            status: *status,
            reason: (*reason).into(),
            message: String::new(),
        });
        merge(&[], wanted.collect(), 1, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_turns_are_said() {
        let old = conditions(&[
            (ConditionType::Ready, Truth::True, "Running"),
            (ConditionType::Accepted, Truth::True, "Accepted"),
        ]);
        let new = conditions(&[
            (ConditionType::Ready, Truth::False, "Degraded"),
            (ConditionType::Accepted, Truth::True, "Accepted"),
            (ConditionType::Reconciling, Truth::True, "Progressing"),
            (ConditionType::FeedsCurrent, Truth::True, "Current"),
            (ConditionType::PolicyCovered, Truth::False, "Uncovered"),
        ]);
        let said: Vec<&str> = turns(&old, &new).map(|c| c.type_.as_str()).collect();
        assert_eq!(said, ["PolicyCovered", "Ready"]);
        assert!(turns(&new, &new).next().is_none());
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert!(cut(&"ü".repeat(NOTE_BYTES)).len() <= NOTE_BYTES);
    }
}
