//! The manifest: what the object beside it is, for the next run and for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::FeedMode;

/// The only version that is written and read.
const VERSION: u32 = 1;

/// What a feed's object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::agent::feed) struct Manifest {
    /// Its format: [`Self::VERSION`].
    pub(in crate::agent::feed) version: u32,
    /// The object's key.
    pub(in crate::agent::feed) object: String,
    /// The region that wrote it.
    pub(in crate::agent::feed) region: String,
    /// The channel's settings, such as the catalogue that the object is for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::agent::feed) settings: BTreeMap<String, String>,
    /// Whether the object is the whole catalogue.
    pub(in crate::agent::feed) mode: FeedMode,
    /// Items in it.
    pub(in crate::agent::feed) items: i64,
    /// Its size.
    pub(in crate::agent::feed) bytes: i64,
    /// `sha256-<hex>` of it.
    pub(in crate::agent::feed) hash: String,
    /// The store's own tag for it: tells whether the object is still the one that is described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::agent::feed) e_tag: Option<String>,
    /// RFC 3339.
    pub(in crate::agent::feed) written_at: String,
    /// `sha256-<hex>` of the task's spec that it was made by.
    pub(in crate::agent::feed) spec: String,
    /// The list of items that were not taken.
    pub(in crate::agent::feed) rejected: Rejected,
}

/// The list of items that were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::agent::feed) struct Rejected {
    /// Its key.
    pub(in crate::agent::feed) object: String,
    /// How many they are.
    pub(in crate::agent::feed) items: i64,
    /// `sha256-<hex>` of it.
    pub(in crate::agent::feed) hash: String,
    /// The store's own tag for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::agent::feed) e_tag: Option<String>,
}

impl Manifest {
    /// The version that this agent writes.
    pub(in crate::agent::feed) const VERSION: u32 = VERSION;

    /// The manifest that these bytes are, or what is wrong with them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("no manifest at line {}", error.line()))?;
        if manifest.version != VERSION {
            return Err(format!("its version is {}", manifest.version));
        }
        if manifest.items < 0 {
            return Err("it counts fewer than no items".to_owned());
        }
        Ok(manifest)
    }

    /// For people too: indented, with an end of line.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
