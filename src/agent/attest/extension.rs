//! Whether what is to be signed goes on from what was signed last.

use super::error::Error;
use crate::evidence::{Hash, Tip, extend};

/// How far the chain goes, if it goes through what was signed last. An operator that never heard of the last signature
/// tells it again from before.
pub(super) fn prove(last: Tip, from: Tip, digests: &[Hash]) -> Result<Tip, Error> {
    let tip = extend(from, digests);
    let no = |what| {
        Err(Error::NotAnExtension {
            last: last.sequence,
            to: tip.sequence,
            what,
        })
    };
    if last.sequence > tip.sequence {
        return no("records that it signed are missing at the end");
    }
    let Some(known) = last.sequence.checked_sub(from.sequence) else {
        return no("the records since its last signature are not all told");
    };
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    let through = digests.get(..known).map(|digests| extend(from, digests));
    if through != Some(last) {
        return no("a record that it signed is another now");
    }
    Ok(tip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(n: u8) -> Hash {
        Hash::of("test", &[&[n]])
    }

    proptest! {
        #[test]
        fn only_an_extension_is_one(
            mut digests in prop::collection::vec(any::<u8>().prop_map(digest), 1..12),
            signed in 0usize..12, told in 0usize..12, at in 0usize..12, keep in 0usize..12,
        ) {
            let (signed, told) = (signed % (digests.len() + 1), told % (digests.len() + 1));
            let genesis = Tip::genesis("f", "r");
            let last = extend(genesis, &digests[..signed]);
            let from = extend(genesis, &digests[..told]);
            let whole = extend(genesis, &digests);
            let proof = prove(last, from, &digests[told..]);
            prop_assert_eq!(proof.ok(), (told <= signed).then_some(whole));
            // Truncated before what was signed.
            let keep = keep % (digests.len() + 1);
            let cut = prove(last, genesis, &digests[..keep]);
            prop_assert_eq!(cut.is_ok(), keep >= signed);
            // One record is another.
            let at = at % digests.len();
            digests[at] = digest_of(&digests[at]);
            let rewritten = prove(last, genesis, &digests);
            prop_assert_eq!(rewritten.is_ok(), at >= signed);
        }
    }

    fn digest_of(hash: &Hash) -> Hash {
        Hash::of("other", &[&hash.0])
    }
}
