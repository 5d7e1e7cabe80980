//! What a sink receives: one JSON object around the event as the platform wrote it. Pure.
//!
//! ```json
//! {"type": "messages", "timestamp": "2026-11-22T20:00:00Z",
//!  "data": {"id": "evt_…", "subject": "sub_…", "region": "eu-west", "namespace": "aurora",
//!           "channel": "aurora-instagram", "platform": "Instagram", "settings": {"catalogId": "1784…"}, "event": {…}}}
//! ```
//! `id` is also the `webhook-id` header and stays the same over retries, sinks and replays: a sink that
//! remembers it takes each event once. `subject` is the same for all events about one person or thing of
//! the channel; both are hashes and tell nothing that the event does not.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::normalise::{Event, Name};
use crate::contract::{Connect, Task};

/// An event that is ready to be stored and sent.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The deduplication key within the channel.
    pub(super) key: Name,
    /// Whom or what it is about.
    pub(super) subject: Name,
    /// `orders`, `messages`, `products` or `privacy`.
    pub(super) kind: &'static str,
    /// The `webhook-id` that sinks see.
    pub(super) id: String,
    /// The body that sinks see.
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: &'a str,
    subject: String,
    region: &'a str,
    namespace: &'a str,
    channel: &'a str,
    platform: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: &'a BTreeMap<String, String>,
    event: &'a RawValue,
}

/// Wraps `event` of the task's channel, received at `now`.
pub(super) fn seal(
    task: &Task<Connect>,
    event: &Event<'_>,
    now: Timestamp,
) -> serde_json::Result<Sealed> {
    let channel = &task.spec.channel;
    let id = format!("evt_{}", digest(task, &event.key));
    let body = serde_json::to_vec(&Envelope {
        r#type: event.kind.as_str(),
        timestamp: now,
        data: Data {
            id: &id,
            subject: format!("sub_{}", digest(task, &event.subject)),
            region: &task.region,
            namespace: &channel.namespace,
            channel: &channel.name,
            platform: &task.spec.platform,
            settings: &task.spec.settings,
            event: event.raw,
        },
    })?;
    let Event {
        key, subject, kind, ..
    } = *event;
    Ok(Sealed {
        key,
        subject,
        kind: kind.as_str(),
        id,
        body,
    })
}

/// 128 bits that name `name` over all channels: two channels may know the same platform id.
fn digest(task: &Task<Connect>, name: &Name) -> String {
    let channel = &task.spec.channel;
    let mut hash = Sha256::new();
    // Kubernetes names hold no slash, so the three parts cannot run together.
    hash.update(format!("{}/{}/", channel.namespace, channel.name));
    hash.update(name);
    hex::encode(&hash.finalize()[..16])
}
