//! Segments of the archive: are their records here, and are they those that were sealed?

use super::super::body::Seal;
use super::super::fault::Name;
use super::super::seal::root;
use super::signatures::View;
use super::{Seals, Seen};

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
}
