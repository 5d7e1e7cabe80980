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
}

/// What a channel's events are called among the tables of a report.
#[must_use]
pub fn events_of(channel: &str) -> String {
    format!("events of {channel}")
}
