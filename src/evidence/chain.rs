//! How records hang together: each names the hash of the one before it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::canonical::{self, Object, Value};
use super::hash::Hash;
use super::record::{About, Kind, Record};

const GENESIS: &str = "tradewind.dev/evidence/genesis/v1\n";
const LINK: &str = "tradewind.dev/evidence/link/v1\n";

/// How far a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// The hash of its last record.
    pub head: Hash,
    /// The place of its last record; 0 before the first.
    pub sequence: u64,
}

impl Tip {
    /// The beginning of a region's chain. No two fleets or regions share one, so no record fits into another's chain.
    #[must_use]
    pub fn genesis(fleet: &str, region: &str) -> Self {
        let named = Object::from([
            ("fleet".to_owned(), Value::Text(fleet.to_owned())),
            ("region".to_owned(), Value::Text(region.to_owned())),
        ]);
        Self {
            head: Hash::of(GENESIS, &[&canonical::encode(&named)]),
            sequence: 0,
        }
    }

    /// The chain that ends in this record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            head: record.hash(),
            sequence: record.sequence,
        }
    }
}

/// The hash of a record: over the one before it and its own digest. Two steps, so that whoever follows a chain without
/// reading it needs the digests alone.
pub(super) fn link(previous: &Hash, digest: &Hash) -> Hash {
    Hash::of(LINK, &[&previous.0, &digest.0])
}

/// Where a chain ends that goes on from `from` by records with these digests: the proof that a head is an extension of
/// an older one, for a region that countersigns it.
#[must_use]
pub fn extend(from: Tip, digests: &[Hash]) -> Tip {
    digests.iter().fold(from, |tip, digest| Tip {
        head: link(&tip.head, digest),
        sequence: tip.sequence.saturating_add(1),
    })
}

/// What happened, before it has a place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it tells of.
    pub kind: Kind,
    /// When it is recorded.
    pub at: Timestamp,
    /// The resource that it speaks of.
    pub about: About,
    /// What makes it the only record of its fact.
    pub source: String,
    /// What happened.
    pub body: Object,
}

impl Entry {
    /// The record that follows the end of a region's chain.
    #[must_use]
    pub fn append(self, region: &str, last: &Tip) -> Record {
        Record {
            about: self.about,
            at: self.at,
            body: self.body,
            kind: self.kind,
            previous: last.head,
            region: region.to_owned(),
            sequence: last.sequence.saturating_add(1),
            source: self.source,
            version: super::VERSION,
        }
    }
}
