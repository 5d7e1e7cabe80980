//! Segments of the archive: are their records here, and are they those that were sealed? Which went by rule?

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::body::{Expiry, Seal};
use super::super::chain::Tip;
use super::super::expired::{Begin, Keep};
use super::super::fault::Name;
use super::super::hash::Hash;
use super::super::record::About;
use super::super::seal::root;
use super::given::{Chain, Seals};
use super::signatures::View;
use super::{Kept, Seen};

/// How long after it was asked to sign a region may do so: what is recorded meanwhile is dated before the signature.
const SIGNING: SignedDuration = SignedDuration::from_hours(48);

/// Of what records of one place tell, what the one tells that stands.
fn standing<'a, T>(seen: &Seen, place: u64, told: &'a [(Hash, T)]) -> Option<&'a T> {
    let here = seen.hash(place);
    let stands = told.iter().find(|(hash, _)| Some(*hash) == here);
    stands.map(|(_, told)| told)
}

impl View<'_> {
    /// Compares what records say of segments with what is here.
    pub(super) fn seals(&mut self, seen: &mut Seen, given: &Seals) {
        for (place, told) in given {
            // Of two records of one place only the one that stands speaks.
            if let Some(seal) = standing(seen, *place, told) {
                self.seal(seen, *place, seal);
            }
        }
    }

    fn seal(&mut self, seen: &mut Seen, place: u64, seal: &Seal) {
        let (first, last) = (seal.first, seal.last);
        let from = seen.line.partition_point(|link| link.sequence < first);
        let here: Vec<_> = seen.line[from..]
            .iter()
            .take_while(|link| link.sequence <= last)
            .collect();
        let is_range = (1..=last).contains(&first) && last < place;
        if !is_range {
            let says = format!("seals records {first} to {last}, which are none before it");
            self.fault(Name::SealBroken, place, says);
        } else if here.len() as u64 != last - first + 1 && Some(last) <= seen.checked.expired {
            // It went by rule, and that is told.
        } else if here.len() as u64 != last - first + 1 {
            let says = format!(
                "records {first} to {last} are in segment {} of {}, and not all of them are here: fetch it from there",
                seal.segment, seal.archive
            );
            self.fault(Name::SegmentMissing, first, says);
        } else if root(here.iter().map(|link| link.hash)) == seal.root
            && here.last().map(|link| link.hash) == Some(seal.head)
        {
            seen.checked.segments += 1;
        } else {
            let says = format!(
                "records {first} to {last} are not those that were sealed in segment {}",
                seal.segment
            );
            self.fault(Name::SealBroken, place, says);
        }
    }

    /// Whether what went may have gone: only behind a signature that says so, up to the record that was the last, and by
    /// the rule on how long it is kept.
    pub(super) fn expired(
        &mut self,
        seen: &mut Seen,
        given: &Chain,
        (begin, keep): (Option<Begin>, Option<&Keep>),
    ) {
        for (place, told) in &given.expiries {
            let Some(expiry) = standing(seen, *place, told) else {
                continue;
            };
            let Tip { head, sequence } = expiry.expired;
            if sequence >= *place || seen.hash(sequence).is_some_and(|hash| hash != head) {
                let says =
                    format!("says that records up to {sequence} went, and another one is there");
                self.fault(Name::SealBroken, *place, says);
                continue;
            }
            let decides = begin.is_some_and(|begin| begin.place == *place);
            let kept = self.expiry(seen, given, (*place, expiry), keep);
            if decides {
                seen.checked.kept = kept;
            }
        }
        let Some(begin) = begin else { return };
        if begin.place > seen.checked.signed {
            let says = format!(
                "records 1 to {} are not there, and record {}, which says that they went by rule, is not signed",
                begin.first - 1,
                begin.place
            );
            self.fault(Name::Missing, 1, says);
        }
    }

    /// Whether they went by the rule, as far as the records between are here: whoever writes records writes also this one,
    /// and the region signs hashes. So what it rests on must stand before it.
    fn expiry(
        &mut self,
        seen: &Seen,
        given: &Chain,
        (place, expiry): (u64, &Expiry),
        keep: Option<&Keep>,
    ) -> Option<Kept> {
        let last = expiry.expired.sequence;
        let (from, here) = (seen.index(last + 1)?, seen.index(place)?);
        if (here - from) as u64 != place - last - 1 {
            // What is between is missing, which is told, or went itself later.
            return None;
        }
        let says = |what: &str| format!("says that records up to {last} went by rule, and {what}");
        let seals = given.seals.range(last + 1..place);
        let mut seals = seals.filter_map(|(at, told)| Some((*at, standing(seen, *at, told)?)));
        let is_its = |seal: &Seal| {
            seal.last == last && seal.head == expiry.expired.head && seal.segment == expiry.segment
        };
        let Some((sealed, _)) = seals.find(|(_, seal)| is_its(seal)) else {
            let what = format!(
                "no record before it tells that segment {} was sealed, up to that one",
                expiry.segment
            );
            self.fault(Name::SealBroken, place, says(&what));
            return None;
        };
        if let Some(hold) = held(seen, given, place) {
            let what = format!("{hold} held then: nothing goes while a legal hold holds");
            self.fault(Name::SealBroken, place, says(&what));
        }
        let at = seen.line[here].at;
        kept(seen, (sealed, place, at), expiry, keep)
            .map_err(|what| self.fault(Name::SealBroken, place, says(&what)))
            .ok()
    }
}

/// For how long they were kept, from their seal on.
fn kept(
    seen: &Seen,
    (sealed, place, at): (u64, u64, Timestamp),
    expiry: &Expiry,
    keep: Option<&Keep>,
) -> Result<Kept, String> {
    let sealed_at = seen.index(sealed).map_or(at, |index| seen.line[index].at);
    // The seal was written after the region had signed what is before it, by the region's clock.
    let before = seen.signatures.iter().filter(|(to, _)| *to < sealed);
    let before = before
        .filter_map(|(_, at)| at.checked_sub(SIGNING).ok())
        .max();
    let since = before.map_or(sealed_at, |before| before.max(sealed_at));
    let own: Option<Keep> = expiry.kept.parse().ok();
    let Some(over) = own.as_ref().and_then(|own| own.over(since)) else {
        return Err(format!("'{}' is no time to keep evidence for", expiry.kept));
    };
    if at < over {
        return Err(format!(
            "they were to be kept for {} after they were sealed on {since}, and went on {at}",
            expiry.kept
        ));
    }
    if let Some(keep) = keep
        && keep.over(since).is_none_or(|over| at < over)
    {
        return Err(format!(
            "the trust file has evidence kept for {keep}: they were sealed on {since}, and went on {at}"
        ));
    }
    let mut signed = seen.signatures.iter();
    let first = signed.find(|(to, _)| (sealed..place).contains(to));
    let Some((_, first)) = first else {
        return Err(format!(
            "the region had not signed record {sealed} before, which tells that they were sealed"
        ));
    };
    Ok(Kept {
        period: expiry.kept.clone(),
        by_region: own
            .and_then(|own| own.over(*first))
            .is_some_and(|over| at >= over),
    })
}

/// A legal hold that holds something, by the last that records before a place say of each.
fn held(seen: &Seen, given: &Chain, place: u64) -> Option<About> {
    let mut last: BTreeMap<&About, bool> = BTreeMap::new();
    for (at, told) in given.holds.range(..place) {
        if let Some(word) = standing(seen, *at, told) {
            last.insert(&word.hold, word.holds);
        }
    }
    let holds = last.into_iter().find(|(_, holds)| *holds);
    holds.map(|(hold, _)| hold.clone())
}
