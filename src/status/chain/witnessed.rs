//! What other regions have countersigned of a chain, what they are to countersign next, and where that is.

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

    /// From where on the hub by itself shows it to a region: from what that has countersigned, or, where not all that came since is
    /// on the hub, from where the archive ends.
    #[must_use]
    pub fn shown_from(&self, by: &str) -> Tip {
        let seen = self.witnessed(by).filter(|tip| self.can_be_followed(*tip));
        seen.unwrap_or_else(|| self.sealed_to())
    }

    /// What a region is to countersign: from where, and the records after that which its own key has signed. Of a chain whose
    /// beginning is in the archive a new witness begins where that ends; so does one that was none for a while, until its agent says
    /// how far it had come.
    #[must_use]
    pub fn to_witness(&self, by: &str, most: usize) -> Option<(Tip, Vec<Hash>)> {
        let from = self.shown_from(by);
        let digests = self.signed_after(from, most);
        (!digests.is_empty()).then_some((from, digests))
    }

    /// The records on the hub after a place, as far as they follow it and the region's own key has signed them.
    #[must_use]
    pub fn signed_after(&self, from: Tip, most: usize) -> Vec<Hash> {
        let signed = self.signed().map_or(0, |signed| signed.tip.sequence);
        let (mut tip, mut digests) = (from, Vec::new());
        let after = self.links.range(from.sequence.saturating_add(1)..);
        let after = after.take_while(|(sequence, _)| **sequence <= signed);
        for (sequence, link) in after.take(most) {
            if *sequence != tip.sequence.saturating_add(1) || link.previous != tip.head {
                break;
            }
            digests.push(link.digest);
            tip = tip_of(*sequence, link);
        }
        digests
    }

    /// Where it stood at a place, by the record after that, if the hub has it.
    #[must_use]
    pub fn stood(&self, place: u64) -> Option<Tip> {
        let next = self.links.get(&place.saturating_add(1))?;
        Some(Tip {
            head: next.previous,
            sequence: place,
        })
    }

    /// Where the records after a place are.
    #[must_use]
    pub fn lie(&self, place: u64) -> Lie {
        let expired = self.expired_to();
        let from = Tip {
            sequence: place,
            ..expired
        };
        if self.can_be_followed(from) {
            return Lie::Here;
        }
        if place < expired.sequence {
            return Lie::Expired(expired.sequence);
        }
        let sealed = self.seals.over(place.saturating_add(1));
        sealed.map_or(Lie::Here, |sealed| Lie::Archived {
            segment: sealed.segment.clone(),
            end: Tip {
                head: sealed.head,
                sequence: sealed.last,
            },
        })
    }
}

/// Where the records after a place are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// All of them on the hub, or there are none.
    Here,
    /// The next ones in the archive.
    Archived {
        /// In which segment.
        segment: String,
        /// Its last record, as the record says that sealed it.
        end: Tip,
    },
    /// They went by the rule on how long evidence is kept, up to that record.
    Expired(u64),
}
