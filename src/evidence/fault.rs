//! What can be wrong with evidence, each by a name that a program can look for.

use std::fmt;

use serde::Serialize;

/// The name of a fault. `docs/evidence.md` says what each means and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Name {
    /// A line is not in the one spelling of a record or signature.
    NonCanonical,
    /// A record does not follow the one before it.
    BrokenLink,
    /// Records are not there.
    Missing,
    /// A record is not the one that was signed, or that the next one follows.
    Rewritten,
    /// A record stands behind a later one.
    Reordered,
    /// A record, or the fact that it tells of, is there twice.
    Duplicate,
    /// Something signed or noted earlier goes further than the records.
    TruncatedTail,
    /// There is another chain beside this one.
    Forked,
    /// A signature is by a key that nobody outside the export vouches for.
    UntrustedKey,
    /// A signature is not over what it stands under.
    BadSignature,
    /// Records after the last signature have waited for one for too long, or nothing is signed at all.
    UnsignedTail,
    /// The region's key, which signs also where nothing happens, has not signed for too long.
    Silent,
    /// Records that a segment of the archive holds are not all there.
    SegmentMissing,
    /// Sealed records are not those that were sealed, or went otherwise than by the rule on how long they are kept.
    SealBroken,
    /// The schedule asked for a run, and no record tells of one.
    ExpectedRunMissing,
    /// A record is dated after the moment that the evidence is verified for.
    LaterThanNow,
    /// A record is dated after a signature of its own region that reaches it.
    LaterThanSigned,
    /// What a record tells of a sum, and what it commits to, do not add up.
    SumBroken,
    /// An opening is not what is behind the commitment that it names, or that stands for another number.
    OpeningWrong,
}

impl Name {
    /// All of them, in the order of the list above.
    pub const ALL: [Self; 19] = [
        Self::NonCanonical,
        Self::BrokenLink,
        Self::Missing,
        Self::Rewritten,
        Self::Reordered,
        Self::Duplicate,
        Self::TruncatedTail,
        Self::Forked,
        Self::UntrustedKey,
        Self::BadSignature,
        Self::UnsignedTail,
        Self::Silent,
        Self::SegmentMissing,
        Self::SealBroken,
        Self::ExpectedRunMissing,
        Self::LaterThanNow,
        Self::LaterThanSigned,
        Self::SumBroken,
        Self::OpeningWrong,
    ];
}

/// A fault, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its name.
    pub name: Name,
    /// Whose chain; empty when a line does not say.
    pub region: String,
    /// The record; absent when none is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What is wrong, in a sentence.
    pub says: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.region.is_empty() {
            write!(f, " {}", self.region)?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " {sequence}")?;
        }
        write!(f, ": {}", self.says)
    }
}

/// How many faults are told one by one; a torn file of a million lines has a million.
pub(super) const TOLD: usize = 1000;

/// Faults as they are found.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) told: Vec<Fault>,
    pub(super) more: u64,
}

impl Faults {
    pub(super) fn add(&mut self, name: Name, region: &str, sequence: Option<u64>, says: String) {
        if self.told.len() >= TOLD {
            self.more += 1;
            return;
        }
        self.told.push(Fault {
            name,
            region: region.to_owned(),
            sequence,
            says,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_beyond_the_bound_are_counted() {
        let mut faults = Faults::default();
        for _ in 0..TOLD + 2 {
            faults.add(Name::Missing, "eu", None, String::new());
        }
        assert_eq!((faults.told.len(), faults.more), (TOLD, 2));
    }
}
