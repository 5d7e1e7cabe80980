//! Segments of the archive: are their records here, and are they those that were sealed? Which went by rule?

use super::super::body::Seal;
use super::super::chain::Tip;
use super::super::expired::Begin;
use super::super::fault::Name;
use super::super::seal::root;
use super::signatures::View;
use super::{Expiries, Seals, Seen};

impl View<'_> {
    /// Compares what records say of segments with what is here.
    pub(super) fn seals(&mut self, seen: &mut Seen, given: &Seals) {
        for (place, told) in given {
            let here = seen.hash(*place);
            // Of two records of one place only the one that stands speaks.
            let stands = told.iter().find(|(hash, _)| Some(*hash) == here);
            if let Some((_, seal)) = stands {
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

    /// Whether what went may have gone: only behind a signature that says so, and up to the record that was the last.
    pub(super) fn expired(&mut self, seen: &Seen, given: &Expiries, begin: Option<Begin>) {
        for (place, told) in given {
            let here = seen.hash(*place);
            let stands = told.iter().find(|(hash, _)| Some(*hash) == here);
            let Some((_, expiry)) = stands else { continue };
            let Tip { head, sequence } = expiry.expired;
            if sequence >= *place || seen.hash(sequence).is_some_and(|hash| hash != head) {
                let says =
                    format!("says that records up to {sequence} went, and another one is there");
                self.fault(Name::SealBroken, *place, says);
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
}
