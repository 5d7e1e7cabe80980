//! A run of which nobody has read what it did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A run that erases and whose report was lost, until what it did is read back from its ledger and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadRun {
    /// The Job's name.
    pub job: String,
    /// The Job's UID: what its evidence is told apart by.
    pub uid: String,
    /// When it started, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended, RFC 3339; of one that went away before its end was seen, when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Since when its report is known to be lost, RFC 3339.
    pub since: String,
}
