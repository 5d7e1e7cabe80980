//! From a platform's body to events, by the rules of the platform pack. Pure and total: any JSON body
//! gives events, and the rest is counted.

use std::collections::HashSet;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::pointer;
use crate::contract::{EventKind, EventRule, Match};

/// SHA-256: names an event or a subject without saying what it is called.
pub(super) type Name = [u8; 32];

/// One event of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    /// What it is about.
    pub(super) kind: EventKind,
    /// Names it within the channel once and for all: the deduplication key.
    pub(super) key: Name,
    /// Events of one subject are delivered in order.
    pub(super) subject: Name,
    /// The event as it stands in the body, byte for byte.
    pub(super) raw: &'a RawValue,
}

/// What a body held.
#[derive(Debug, Default)]
pub(super) struct Normalised<'a> {
    /// In the order of the rules' first mention of `each`, then of the document; no key twice.
    pub(super) events: Vec<Event<'a>>,
    /// Events whose key stood in the same body before.
    pub(super) repeated: u64,
    /// Elements that no rule wanted; 1 when no rule found anything at all.
    pub(super) unmatched: u64,
}

/// What a key is made of. Part of its hash, so that a platform's id never equals a body's hash.
#[derive(Clone, Copy)]
enum Origin {
    Id = 1,
    Message = 2,
    Bytes = 3,
    Subject = 4,
}

/// Reads `body` by `rules`. `message` is the signed message id, where the scheme has one.
///
/// # Errors
/// When the body is not JSON.
pub(super) fn normalise<'a>(
    rules: &[EventRule],
    body: &'a [u8],
    message: Option<&str>,
) -> Result<Normalised<'a>, serde_json::Error> {
    let document: &'a RawValue = serde_json::from_slice(body)?;
    let mut found = Normalised::default();
    let mut keys = HashSet::new();
    let mut looked_at = HashSet::new();
    let mut ordinal = 0u64;
    for place in rules.iter().map(|rule| rule.each.as_str()) {
        if !looked_at.insert(place) {
            continue;
        }
        for raw in pointer::each(document, place) {
            let rule = rules.iter().find(|rule| {
                rule.each == place && rule.when.as_ref().is_none_or(|when| holds(when, raw))
            });
            match rule {
                None => found.unmatched += 1,
                Some(rule) => {
                    let event = event(rule, raw, message, ordinal);
                    if keys.insert(event.key) {
                        found.events.push(event);
                    } else {
                        found.repeated += 1;
                    }
                }
            }
            ordinal += 1;
        }
    }
    if ordinal == 0 {
        found.unmatched = 1;
    }
    Ok(found)
}

/// The subject of a person whom events name by `value` alone.
pub(super) fn subject(value: &str) -> Name {
    name(Origin::Subject, [(0, value)])
}

fn event<'a>(
    rule: &EventRule,
    raw: &'a RawValue,
    message: Option<&str>,
    ordinal: u64,
) -> Event<'a> {
    let key = named(Origin::Id, &rule.id, raw).unwrap_or_else(|| match message {
        // One message may hold several events: its id alone would make all but the first duplicates.
        Some(id) => name(Origin::Message, [(0, id), (1, &ordinal.to_string())]),
        None => name(Origin::Bytes, [(0, raw.get())]),
    });
    let subject = named(Origin::Subject, &rule.subject, raw).unwrap_or(key);
    Event {
        kind: rule.kind,
        key,
        subject,
        raw,
    }
}

/// The name that the values at `pointers` give together; none when none of them is there.
fn named(origin: Origin, pointers: &[String], raw: &RawValue) -> Option<Name> {
    let values: Vec<(usize, String)> = pointers
        .iter()
        .enumerate()
        .filter_map(|(index, path)| Some((index, pointer::text(pointer::find(raw, path)?))))
        .collect();
    let parts = values.iter().map(|(index, value)| (*index, value.as_str()));
    (!values.is_empty()).then(|| name(origin, parts))
}

/// Hashes parts with their places and lengths: ("ab", "c") and ("a", "bc") are two names.
fn name<'a>(origin: Origin, parts: impl IntoIterator<Item = (usize, &'a str)>) -> Name {
    let mut hash = Sha256::new_with_prefix([origin as u8]);
    for (place, part) in parts {
        hash.update((place as u64).to_be_bytes());
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn holds(when: &Match, raw: &RawValue) -> bool {
    let Some(value) = pointer::find(raw, &when.pointer) else {
        return false;
    };
    if when.equals.is_none() && when.prefix.is_none() {
        return true;
    }
    let text = pointer::text(value);
    when.equals.as_ref().is_none_or(|wanted| text == *wanted)
        && when
            .prefix
            .as_ref()
            .is_none_or(|wanted| text.starts_with(wanted.as_str()))
}

#[cfg(test)]
mod tests;
