//! `attest`: what a region's key is asked to sign, and what it answers.

use serde::{Deserialize, Serialize};

use crate::evidence::body::KeyRotation;
use crate::evidence::{Checkpoint, Countersignature, Hash, Tip};

/// `attest`: sign how far the region's chain of evidence goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attest {
    /// The Secret in the pod's own namespace that holds the key, and what it signed last. The agent makes it.
    pub secret: String,
    /// Where the region's API server is; absent: where Kubernetes says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<String>,
    /// How far the key has signed as far as the operator knows.
    pub from: Tip,
    /// The records after that, each by the hash of its bytes: from them follows what is to be signed.
    #[serde(default)]
    pub digests: Vec<Hash>,
    /// Asks for another key: what was not asked for before. The key that signs names it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<String>,
    /// The record among those that names the next key, as its bytes. The agent sees hashes only, and must know where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// Chains of other regions, to countersign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Vec<Witnessed>,
}

/// Another region's chain, as far as that region's key has signed it: hashes, and nothing of what they are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Witnessed {
    /// The region.
    pub region: String,
    /// How far it was countersigned by this region, as far as the operator knows.
    pub from: Tip,
    /// The records after that, each by the hash of its bytes.
    pub digests: Vec<Hash>,
}

/// What a region's key signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestReport {
    /// Its signature; absent when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// Whether the key was made by this very run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    /// The key that is to sign next, named by the one that signs: for a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<KeyRotation>,
    /// The last [`Attest::rotate`] that was carried out: the key that signs is the one that it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<String>,
    /// Its signatures over other regions' chains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countersignatures: Vec<Countersignature>,
    /// Regions whose chain is no extension of what was countersigned of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
    /// Regions whose chain was told from a later record on than was countersigned of it: nothing was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Behind>,
}

/// How far another region's chain was countersigned that is told from a later record on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// The region.
    pub region: String,
    /// As this region noted it.
    pub noted: Tip,
}
