//! A person's events in connectors' own stores, which go with an erasure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A connector's store, and the channels whose events wait in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventStore {
    /// The data store's name in the Region.
    pub name: String,
    /// File with the store's PostgreSQL URL.
    pub url: PathBuf,
    /// The channels.
    pub channels: Vec<EventChannel>,
}

/// A channel, and how its events name a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventChannel {
    /// `<namespace>/<name>`, as the connector's rows have it.
    pub channel: String,
    /// The kind of value by which the platform's events name a person.
    pub identity: String,
    /// Whether nothing of the channel is in the region by now, if it ever was: told of only where events of it are left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl EventStore {
    /// Whether every channel is withdrawn: perhaps no connector has ever used the store.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.channels.is_empty() && self.channels.iter().all(|channel| channel.withdrawn)
    }
}

/// What a channel's events are called among the tables of a report.
#[must_use]
pub fn events_of(channel: &str) -> String {
    format!("events of {channel}")
}
