//! The raw form of evidence: a line each, in the canonical spelling, ended by a line feed.

use super::canonical::Error;
use super::checkpoint::{Checkpoint, Countersignature};
use super::record::Record;

const RECORD: &[u8] = b"{\"record\":";
const CHECKPOINT: &[u8] = b"{\"checkpoint\":";
const COUNTERSIGNATURE: &[u8] = b"{\"countersignature\":";

/// A line of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A fact.
    Record(Record),
    /// A region's signature over its own chain.
    Checkpoint(Checkpoint),
    /// Another region's signature over it.
    Countersignature(Countersignature),
}

impl Line {
    /// Its bytes, with the line feed.
    pub fn canonical(&self) -> Result<Vec<u8>, Error> {
        let (before, inner) = match self {
            Self::Record(record) => (RECORD, record.canonical()),
            Self::Checkpoint(checkpoint) => (CHECKPOINT, checkpoint.canonical()?),
            Self::Countersignature(signature) => (COUNTERSIGNATURE, signature.canonical()?),
        };
        Ok([before, &inner, b"}\n"].concat())
    }

    /// The line of exactly these bytes, which are without the line feed.
    pub fn parse(line: &[u8]) -> Result<Self, Error> {
        if let Some(record) = inside(line, RECORD) {
            return Record::parse(record).map(Self::Record);
        }
        if let Some(checkpoint) = inside(line, CHECKPOINT) {
            return Checkpoint::parse(checkpoint).map(Self::Checkpoint);
        }
        if let Some(signature) = inside(line, COUNTERSIGNATURE) {
            return Countersignature::parse(signature).map(Self::Countersignature);
        }
        Err(Error::Spelling)
    }
}

/// What stands between a word and the end.
fn inside<'a>(line: &'a [u8], before: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(before)?.strip_suffix(b"}")
}

/// The record's bytes in its line.
pub(super) fn record(line: &[u8]) -> Option<&[u8]> {
    inside(line, RECORD)
}
