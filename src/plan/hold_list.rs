//! What tells a region's pods how old their list of legal holds is: the bound in the task, the moment in a ConfigMap; one for all
//! in the run namespace, and one beside each connector.
//!
//! The moment is told in steps, so that what is planned stays the same between two of them, and a fleet in which nothing
//! happens is written to at that rate and no faster.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, PodTemplateSpec, Volume, VolumeMount,
};

use super::meta::Role;
use crate::api::HoldList as Bound;
use crate::contract::{HOLD_LIST_PATH, HoldList};

/// Steps in a bound: a write that comes late by some leaves the list young enough.
const STEPS: i32 = 6;
/// The longest step.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// How soon to look again when the hub has said nothing since the last step.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// The volume.
const VOLUME: &str = "hold-list";

/// What a task says of it.
pub(super) fn bound(bound: &Bound) -> HoldList {
    HoldList {
        seen_at: HOLD_LIST_PATH.into(),
        max_age: bound.max_age.clone(),
    }
}

/// The ConfigMap that says when the hub last saw all holds.
pub(super) fn config_map(
    role: &Role<'_>,
    (namespace, name): (&str, &str),
    bound: &Bound,
    seen: Timestamp,
) -> ConfigMap {
    let (_, key) = folder_and_key();
    let told = step_of(bound, seen);
    ConfigMap {
        metadata: role.meta(namespace, name),
        data: Some(BTreeMap::from([(key.to_owned(), told.to_string())])),
        ..ConfigMap::default()
    }
}

/// When there is more to tell, if the hub goes on to say something.
pub(super) fn wake_at(bound: &Bound, seen: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let next = step_of(bound, seen).checked_add(step(bound)).ok()?;
    Some(next.max(now.checked_add(AGAIN).ok()?))
}

/// Mounts the ConfigMap of this name. A pod starts without it too: its agent says that nothing was said.
pub(super) fn mount(template: &mut PodTemplateSpec, name: &str) {
    let (folder, _) = folder_and_key();
    let Some(pod) = template.spec.as_mut() else {
        return;
    };
    for container in &mut pod.containers {
        let mounts = container.volume_mounts.get_or_insert_default();
        mounts.push(VolumeMount {
            name: VOLUME.to_owned(),
            mount_path: folder.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    pod.volumes.get_or_insert_default().push(Volume {
        name: VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.to_owned(),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
}

fn folder_and_key() -> (&'static str, &'static str) {
    HOLD_LIST_PATH
        .rsplit_once('/')
        .unwrap_or(("/", HOLD_LIST_PATH))
}

/// The last step at or before a moment.
fn step_of(bound: &Bound, at: Timestamp) -> Timestamp {
    let step = step(bound).as_secs().max(1);
    let whole = at.as_second() - at.as_second().rem_euclid(step);
    Timestamp::from_second(whole).unwrap_or(at)
}

fn step(bound: &Bound) -> SignedDuration {
    (length(bound) / STEPS).min(LONGEST)
}

/// How long a bound is. The schema lets no other duration through; one that is none is the shortest.
pub(super) fn length(bound: &Bound) -> SignedDuration {
    let span = bound.max_age.parse::<Span>();
    let days = SpanRelativeTo::days_are_24_hours();
    let length = span.and_then(|span| span.to_duration(days));
    length.unwrap_or(SignedDuration::from_mins(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_told_in_steps_of_the_bound() {
        for (max_age, seen, told) in [
            ("PT30M", "2026-11-22T10:04:59Z", "2026-11-22T10:00:00Z"),
            ("PT30M", "2026-11-22T10:05:00Z", "2026-11-22T10:05:00Z"),
            ("PT6H", "2026-11-22T10:59:59Z", "2026-11-22T10:00:00Z"),
            ("P99D", "2026-11-22T10:59:59Z", "2026-11-22T10:00:00Z"),
        ] {
            let bound = Bound {
                max_age: max_age.to_owned(),
            };
            assert_eq!(step_of(&bound, at(seen)), at(told), "{max_age} {seen}");
        }
    }

    #[test]
    fn it_is_looked_at_with_the_next_step_and_never_without_a_pause() {
        let bound = Bound {
            max_age: "PT30M".to_owned(),
        };
        let wake = |seen, now| wake_at(&bound, at(seen), at(now)).unwrap();
        let next = wake("2026-11-22T10:04:00Z", "2026-11-22T10:04:00Z");
        assert_eq!(next, at("2026-11-22T10:05:00Z"));
        // The hub is silent: nothing new can be told, and it is asked for now and then.
        let late = wake("2026-11-22T10:04:00Z", "2026-11-22T11:00:00Z");
        assert_eq!(late, at("2026-11-22T11:01:00Z"));
    }
}
