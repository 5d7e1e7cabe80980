//! Keys that one which is trusted may have replaced: whoever notes a region's key of today finds signatures of before.
//!
//! They prove nothing. What signs sees hashes, and not what they are of: whoever writes records can write down a key of their own
//! as the one before. So such a signature counts for nothing, and it is no fault only where it says no more than what a
//! trusted key has signed as well.

use super::super::chain::Tip;
use super::super::checkpoint::Checkpoint;
use super::super::key::KeyId;
use super::Seen;

/// The keys that, by records which are here, named one that is trusted from outside, and those before them.
pub(super) fn keys(seen: &Seen, region: &str) -> Vec<KeyId> {
    let mut earlier: Vec<KeyId> = Vec::new();
    // The latest first: each leads to the one before it.
    for (sequence, named) in seen.rotations.iter().rev() {
        let here = seen.hash(*sequence);
        let stands = named.iter().filter(|(hash, _)| Some(*hash) == here);
        for rotation in stands.map(|(_, rotation)| rotation) {
            let is_known = |key| seen.keys.contains(key) || earlier.contains(key);
            let Some(by) = rotation.named.as_ref().map(|named| named.by) else {
                continue;
            };
            if is_known(&rotation.key) && !is_known(&by) && rotation.is_named_by(by, region) {
                earlier.push(by);
            }
        }
    }
    earlier
}

impl Seen {
    /// Whether a signature of an earlier key says only what a trusted one has signed as well.
    pub(super) fn is_idle(&self, signed: &Checkpoint) -> bool {
        self.earlier.contains(&signed.key) && self.has_signed(&signed.tip) && signed.is_signed()
    }

    /// Whether a trusted key of the region has signed so far, with this record in it.
    pub(super) fn has_signed(&self, tip: &Tip) -> bool {
        tip.sequence <= self.checked.signed && self.hash(tip.sequence) == Some(tip.head)
    }
}
