//! Pieces that several kinds share: references, suspension, deletion, inventory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret's key in the region, in the namespace of the same name as the channel's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The Secret's name. It must be in the regional cluster already: it is mounted there and never read by the hub.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// A Secret in the region, in the namespace of the same name as the channel's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameRef {
    /// The Secret's name. It must be in the regional cluster already: it is mounted there and never read by the hub.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The setting's name, one that the platform's pack knows.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z][a-zA-Z0-9]*$"))]
    pub name: String,
    /// The setting's value.
    #[schemars(length(min = 1, max = 253))]
    pub value: String,
}

/// A label that must be there with this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelPair {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// The label's value.
    #[schemars(length(max = 63))]
    pub value: String,
}

/// A pause that explains itself. Nothing is made, changed or removed, and connectors and feeds go on; what erases is
/// stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspend {
    /// Why, for whoever finds it: a sentence or a ticket.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Who did it.
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
    /// When it ends by itself, RFC 3339 with a zone (`2026-12-01T08:00:00Z`). Absent: until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$")
    )]
    pub until: Option<String>,
}

/// What happens in the regional clusters when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Everything that was made for it is removed; the resource stays, with a `Deleting` condition that says
    /// what is left where, until that is done. The default.
    #[default]
    Delete,
    /// Everything stays where it is and is nobody's from then on.
    Orphan,
}

/// One object in a regional cluster that was made for the resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    /// `Deployment.apps`, `ConfigMap`: kind and group.
    pub kind: String,
    /// The namespace in the regional cluster.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's UID, the precondition of its removal; empty until it is known that the object was made.
    pub uid: String,
}

/// What the plan decided for a region, as status shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegionState {
    /// It runs there.
    Run,
    /// What runs there stays as it is: the spec is invalid or something that it refers to is missing. Of a DataPolicy with
    /// something to mend what erases is stopped: `Hold`.
    Keep,
    /// Nothing is touched: it isn't known what is there, or the resource or the region is suspended, or the policy is not
    /// accepted; then what erases is stopped, too.
    Hold,
    /// It must not run there (any more): what was there is taken away.
    Withdraw,
}
