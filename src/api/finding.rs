//! What a regime asks for and a look at the resources did not find.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Severity {
    /// Something that the register or the proof lacks, that slows erasing, or that nobody confirmed.
    Low,
    /// A duty is not seen to be fulfilled.
    Medium,
    /// A duty is seen not to be fulfilled.
    High,
}

/// One thing that a regime asks for and that is missing, by what can be seen in the resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFinding {
    /// Stable while the finding is about the same thing: the check and a hash of the place.
    pub id: String,
    /// What was looked at, `NoPeriod`: docs/findings.md explains each.
    pub check: String,
    /// How much it matters.
    pub severity: Severity,
    /// The law with its article, of each regime that asks for it; `(unconfirmed)` where nobody confirmed the pack's fact.
    pub law: String,
    /// The Region, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The resource and field.
    pub place: String,
    /// What is so.
    pub message: String,
    /// What would mend it.
    pub remedy: String,
}

/// How many findings there are, also those that the list has no room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingTotals {
    /// All of them.
    pub all: i32,
    /// Severity `High`.
    pub high: i32,
    /// Severity `Medium`.
    pub medium: i32,
    /// Severity `Low`.
    pub low: i32,
}
