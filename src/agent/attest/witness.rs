//! Other regions' chains. This region signs how far each goes, if that is an extension of what it signed of it before:
//! then nobody can show somebody another one, who has neither region.

use jiff::Timestamp;

use super::error::Error;
use super::extension;
use super::kept::Kept;
use crate::contract::{Behind, Witnessed};
use crate::evidence::{Countersignature, Tip, Witness, countersign, extend};

/// What is about to be countersigned.
#[derive(Debug, Default)]
pub(super) struct Seen {
    chains: Vec<Step>,
    /// Regions whose chain is no extension of what was countersigned of it.
    pub(super) unproven: Vec<String>,
    /// Regions whose chain is told from a later place on than what was countersigned of it: nothing can be compared. Whoever
    /// was no witness for a while is in that place once what it saw last is in the archive.
    pub(super) behind: Vec<Behind>,
}

/// Of one region how far, and what was before.
#[derive(Debug)]
struct Step {
    region: String,
    before: Option<Tip>,
    tip: Tip,
}

impl Kept {
    /// Looks at other regions' chains, and notes how far they go. What is seen for the first time is taken as it is.
    pub(super) fn witness(&mut self, asked: &[Witnessed]) -> Seen {
        let mut seen = Seen::default();
        let own = self.region().to_owned();
        for one in asked.iter().filter(|one| one.region != own) {
            let before = self.witnessed(&one.region);
            if let Some(noted) = before.filter(|last| last.sequence < one.from.sequence) {
                tracing::warn!(
                    region = one.region,
                    "its chain is told from a later record on than what was countersigned"
                );
                let region = one.region.clone();
                seen.behind.push(Behind { region, noted });
                continue;
            }
            let tip = match before {
                Some(last) => extension::prove(last, one.from, &one.digests).ok(),
                None => Some(extend(one.from, &one.digests)),
            };
            let Some(tip) = tip else {
                tracing::warn!(
                    region = one.region,
                    "its chain is no extension of what was countersigned"
                );
                seen.unproven.push(one.region.clone());
                continue;
            };
            if tip.sequence > 0 {
                self.note(&one.region, tip);
                seen.chains.push(Step {
                    region: one.region.clone(),
                    before,
                    tip,
                });
            }
        }
        seen
    }
}

impl Seen {
    /// Whether any chain goes further than what was noted of it.
    pub(super) fn is_further(&self) -> bool {
        self.chains.iter().any(|one| one.before != Some(one.tip))
    }

    /// Signs what was noted: also what was signed before, since the report of that may be lost.
    pub(super) fn sign(&self, kept: &Kept, at: Timestamp) -> Result<Vec<Countersignature>, Error> {
        let sign = |one: &Step| {
            let witness = Witness {
                by: kept.region(),
                region: &one.region,
                previous: one.before,
            };
            Ok(countersign(kept.signer(), witness, one.tip, at)?)
        };
        self.chains.iter().map(sign).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::Hash;

    fn told(from: Tip, digests: &[Hash]) -> Witnessed {
        Witnessed {
            region: "us".to_owned(),
            from,
            digests: digests.to_vec(),
        }
    }

    fn digests(bytes: &[u8]) -> Vec<Hash> {
        bytes.iter().map(|byte| Hash([*byte; 32])).collect()
    }

    fn only(seen: &Seen, kept: &Kept) -> Countersignature {
        let mut signed = seen.sign(kept, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((signed.len(), seen.unproven.len()), (1, 0));
        signed.remove(0)
    }

    #[test]
    fn what_was_signed_is_signed_again_and_names_what_was_before() {
        let mut kept = Kept::made("eu").unwrap();
        let genesis = Tip::genesis("f", "us");
        let first = kept.witness(&[told(genesis, &digests(&[1, 2]))]);
        assert!(first.is_further());
        let signed = only(&first, &kept);
        assert!(signed.is_signed() && signed.previous.is_none());
        assert_eq!((signed.by.as_str(), signed.region.as_str()), ("eu", "us"));
        let two = signed.tip;
        // The hub did not hear of it: the same, and then the same and more.
        let again = kept.witness(&[told(genesis, &digests(&[1, 2]))]);
        assert!(!again.is_further());
        assert_eq!(only(&again, &kept).tip, two);
        let more = kept.witness(&[told(genesis, &digests(&[1, 2, 3]))]);
        let signed = only(&more, &kept);
        assert_eq!((signed.previous, signed.tip.sequence), (Some(two), 3));
    }

    #[test]
    fn its_own_chain_and_one_without_a_record_are_none_to_countersign() {
        let mut kept = Kept::made("eu").unwrap();
        let own = Witnessed {
            region: "eu".to_owned(),
            ..told(Tip::genesis("f", "eu"), &digests(&[1]))
        };
        let seen = kept.witness(&[own, told(Tip::genesis("f", "us"), &[])]);
        assert!(!seen.is_further() && seen.unproven.is_empty());
        assert!(seen.sign(&kept, Timestamp::UNIX_EPOCH).unwrap().is_empty());
    }

    proptest! {
        /// `signed` records were countersigned. Then somebody tells the chain from `from` on, up to `to`, with the record
        /// after `fork` and all later ones of another history, if there are any.
        #[test]
        fn nothing_is_countersigned_but_an_extension(
            bytes in prop::collection::vec(0u8..200, 1..12),
            signed in 1usize..12, from in 0usize..12, to in 0usize..12, fork in 0usize..14,
        ) {
            let chain = digests(&bytes);
            let len = chain.len();
            let (signed, from, to) = (signed.min(len), from.min(len), to.min(len).max(from.min(len)));
            let genesis = Tip::genesis("f", "us");
            let mut kept = Kept::made("eu").unwrap();
            let first = kept.witness(&[told(genesis, &chain[..signed])]);
            let before = only(&first, &kept).tip;
            let mut shown = chain.clone();
            for digest in shown.iter_mut().skip(fork) {
                digest.0[0] = 255;
            }
            let seen = kept.witness(&[told(extend(genesis, &shown[..from]), &shown[from..to])]);
            let is_extension = from <= signed && signed <= to && fork >= signed;
            // What is told from later on proves nothing, either way.
            let is_behind = from > signed;
            let noted: Vec<Tip> = seen.behind.iter().map(|behind| behind.noted).collect();
            prop_assert_eq!(noted, if is_behind { vec![before] } else { vec![] });
            prop_assert_eq!(seen.unproven.is_empty(), is_extension || is_behind);
            let made = seen.sign(&kept, Timestamp::UNIX_EPOCH).unwrap();
            prop_assert_eq!(made.len(), usize::from(is_extension));
            if let Some(made) = made.first() {
                prop_assert_eq!(made.previous, Some(before));
                prop_assert_eq!(made.tip, extend(genesis, &shown[..to]));
            } else {
                // What it refused changed nothing of what it holds to be the chain.
                prop_assert_eq!(kept.witnessed("us"), Some(before));
            }
            // Whatever it was shown meanwhile, the true chain is countersigned on, unless a fork beyond it was believed.
            let on = kept.witness(&[told(genesis, &chain)]);
            let is_misled = is_extension && fork < to;
            prop_assert_eq!(on.unproven.is_empty(), !is_misled);
        }
    }
}
