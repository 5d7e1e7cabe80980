//! What other regions have countersigned of a chain, and what they are to countersign next.

use super::{Chain, tip_of};
use crate::evidence::{Countersignature, Hash, Tip};

impl Chain {
    /// Takes in other regions' signatures over a record.
    pub(super) fn countersigned(&mut self, all: &[Countersignature]) {
        for made in all {
            self.countersign(made);
        }
    }

    /// Takes in another region's signature: of each the furthest counts.
    pub fn countersign(&mut self, made: &Countersignature) {
        let known = self.witnessed.entry(made.by.clone()).or_insert(made.tip);
        if known.sequence < made.tip.sequence {
            *known = made.tip;
        }
    }

    /// How far a region has countersigned it.
    #[must_use]
    pub fn witnessed(&self, by: &str) -> Option<Tip> {
        self.witnessed.get(by).copied()
    }

    /// Whether the hub has every record after a place that is in the archive too: whoever saw the chain up to there can follow
    /// it from there.
    pub(super) fn can_be_followed(&self, from: Tip) -> bool {
        let sealed = self.sealed_to().sequence;
        if from.sequence >= sealed {
            return true;
        }
        let there = self.links.range(from.sequence + 1..=sealed).count();
        u64::try_from(there) == Ok(sealed - from.sequence)
    }

    /// What a region is to countersign: from where, and the records after that which its own key has signed. Of a chain whose
    /// beginning is in the archive a new witness begins where that ends; so does one that was none for a while, of which
    /// its agent says how far it had come.
    #[must_use]
    pub fn to_witness(&self, by: &str, most: usize) -> Option<(Tip, Vec<Hash>)> {
        let signed = self.signed()?.tip;
        let seen = self.witnessed(by).filter(|tip| self.can_be_followed(*tip));
        let from = seen.unwrap_or_else(|| self.sealed_to());
        let (mut tip, mut digests) = (from, Vec::new());
        let after = self.links.range(from.sequence.saturating_add(1)..);
        let after = after.take_while(|(sequence, _)| **sequence <= signed.sequence);
        for (sequence, link) in after.take(most) {
            if *sequence != tip.sequence.saturating_add(1) || link.previous != tip.head {
                break;
            }
            digests.push(link.digest);
            tip = tip_of(*sequence, link);
        }
        (!digests.is_empty()).then_some((from, digests))
    }
}
