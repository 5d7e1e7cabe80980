//! One fact of compliance, and its place in a region's chain.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::canonical::{self, Object, write_object, write_text};
use super::hash::Hash;
use super::{VERSION, chain};

const DIGEST: &str = "tradewind.dev/evidence/record/v1\n";

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Kind {
    /// A retention run ended.
    Run,
    /// A step of a data subject's request; or whoever was erased was erased again after a restore.
    Request,
    /// A hold was opened, reviewed or released.
    Hold,
    /// Somebody approved a preview.
    Approval,
    /// A policy began, changed or ended here.
    PolicyChange,
    /// Another pack of regimes or platforms took effect.
    PackChange,
    /// An instrument of transfer began, changed or ended.
    TransferChange,
    /// What is covered, and what is not.
    Coverage,
    /// Another key signs from here on.
    KeyRotation,
    /// Old records went into a segment.
    Seal,
}

impl Kind {
    /// All of them, in the order of the list above.
    pub const ALL: [Self; 10] = [
        Self::Run,
        Self::Request,
        Self::Hold,
        Self::Approval,
        Self::PolicyChange,
        Self::PackChange,
        Self::TransferChange,
        Self::Coverage,
        Self::KeyRotation,
        Self::Seal,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Request => "Request",
            Self::Hold => "Hold",
            Self::Approval => "Approval",
            Self::PolicyChange => "PolicyChange",
            Self::PackChange => "PackChange",
            Self::TransferChange => "TransferChange",
            Self::Coverage => "Coverage",
            Self::KeyRotation => "KeyRotation",
            Self::Seal => "Seal",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or(())
    }
}

/// The resource that a record speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its kind: `DataPolicy`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace on the hub; absent for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl About {
    /// A resource without a namespace.
    #[must_use]
    pub fn cluster(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: None,
        }
    }

    /// Whether it is a DataPolicy, by whose name alone its records are put together: a channel may have the same.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        self.kind == "DataPolicy"
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One fact, and its place in the chain of its region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The resource that it speaks of.
    pub about: About,
    /// When it was recorded, RFC 3339 in UTC.
    pub at: Timestamp,
    /// What happened: counts, dates, names of resources and hashes; see [`super::body`].
    pub body: Object,
    /// What it tells of.
    pub kind: Kind,
    /// The hash of the record before it; for the first one [`super::Tip::genesis`].
    pub previous: Hash,
    /// Whose chain it is in.
    pub region: String,
    /// Its place there, from 1.
    #[serde(deserialize_with = "place")]
    pub sequence: u64,
    /// What makes it the only record of its fact: a Job's uid, a policy's uid and generation. An appender that was
    /// killed between two steps finds its record by it instead of adding another.
    pub source: String,
    /// [`VERSION`].
    #[serde(deserialize_with = "version")]
    pub version: u32,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(D::Error::custom(format!(
            "a record of version {other}, where this program reads {VERSION}"
        ))),
    }
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let sequence = u64::deserialize(deserializer)?;
    if (1..=canonical::GREATEST.unsigned_abs()).contains(&sequence) {
        Ok(sequence)
    } else {
        Err(D::Error::custom("a place that is not from 1 to 2^53 - 1"))
    }
}

impl Record {
    /// Its one spelling.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut text = |key: &[u8], value: &str| {
            out.extend_from_slice(key);
            write_text(&mut out, value);
        };
        text(b"{\"about\":{\"kind\":", &self.about.kind);
        text(b",\"name\":", &self.about.name);
        if let Some(namespace) = &self.about.namespace {
            text(b",\"namespace\":", namespace);
        }
        text(b"},\"at\":", &self.at.to_string());
        out.extend_from_slice(b",\"body\":");
        write_object(&mut out, &self.body);
        let mut text = |key: &[u8], value: &str| {
            out.extend_from_slice(key);
            write_text(&mut out, value);
        };
        text(b",\"kind\":", self.kind.word());
        text(b",\"previous\":", &self.previous.to_string());
        text(b",\"region\":", &self.region);
        out.extend_from_slice(format!(",\"sequence\":{}", self.sequence).as_bytes());
        out.extend_from_slice(b",\"source\":");
        write_text(&mut out, &self.source);
        out.extend_from_slice(format!(",\"version\":{}}}", self.version).as_bytes());
        out
    }

    /// The record of exactly these bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, canonical::Error> {
        let record: Self = serde_json::from_slice(bytes).map_err(canonical::Error::Value)?;
        if record.canonical() == bytes {
            Ok(record)
        } else {
            Err(canonical::Error::Spelling)
        }
    }

    /// The hash of its bytes: all that another region needs to follow the chain.
    #[must_use]
    pub fn digest(&self) -> Hash {
        digest(&self.canonical())
    }

    /// Its place in the chain as a hash: over the one before it and its own bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        chain::link(&self.previous, &self.digest())
    }
}

/// The hash of a record's bytes.
pub(super) fn digest(canonical: &[u8]) -> Hash {
    Hash::of(DIGEST, &[canonical])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_the_word_that_it_is_told_by() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("Nothing".parse::<Kind>(), Err(()));
    }
}
