//! What the keeper of a region's key for requests is told, and what it answers.

use serde::{Deserialize, Serialize};

/// `keep-key`: find the region's key for requests in its Secret, or make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepKey {
    /// The Secret of the pod's own namespace that holds the key, made when it is not there.
    pub secret: String,
    /// The region's API server; absent: the address that Kubernetes gives to every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<String>,
}

/// The public half of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeepKeyReport {
    /// An `age` recipient, `age1...`.
    pub recipient: String,
    /// Whether this run made the key.
    pub is_new: bool,
}
