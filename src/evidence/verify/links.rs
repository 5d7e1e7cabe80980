//! The records of one region among themselves: order, gaps, forks, links.

use std::collections::{BTreeSet, HashMap};

use super::super::chain::Tip;
use super::super::fault::{Faults, Name};
use super::super::hash::Hash;
use super::given::Link;

/// One region, and where its faults go.
pub(super) struct View<'a> {
    pub(super) region: &'a str,
    pub(super) faults: &'a mut Faults,
}

impl View<'_> {
    fn fault(&mut self, name: Name, sequence: u64, says: String) {
        self.faults.add(name, self.region, Some(sequence), says);
    }

    /// The records in order, one for each place. Where a place has several, the one that is signed or that the next
    /// one follows.
    pub(super) fn line(&mut self, given: Vec<Link>, tips: &BTreeSet<(u64, Hash)>) -> Vec<Link> {
        let mut greatest = 0;
        for link in &given {
            if link.sequence < greatest {
                let says = format!("stands behind record {greatest}");
                self.fault(Name::Reordered, link.sequence, says);
            }
            greatest = greatest.max(link.sequence);
        }
        let mut sorted = given;
        sorted.sort_by_key(|link| link.sequence);
        let mut line = Vec::with_capacity(sorted.len());
        let mut rest = &sorted[..];
        while let Some(first) = rest.first() {
            let same = rest.partition_point(|link| link.sequence <= first.sequence);
            let (here, after) = rest.split_at(same);
            line.push(self.one(here, after, tips));
            rest = after;
        }
        line
    }

    fn one(&mut self, here: &[Link], after: &[Link], tips: &BTreeSet<(u64, Hash)>) -> Link {
        let first = here[0];
        if here.len() == 1 {
            return first;
        }
        let hashes: BTreeSet<Hash> = here.iter().map(|link| link.hash).collect();
        if hashes.len() < here.len() {
            let says = format!("is there {} times", here.len());
            self.fault(Name::Duplicate, first.sequence, says);
        }
        if hashes.len() > 1 {
            let says = format!("there are {} different records of this place", hashes.len());
            self.fault(Name::Forked, first.sequence, says);
        }
        let next = first.sequence.saturating_add(1);
        let followed = |link: &&Link| {
            tips.contains(&(link.sequence, link.hash))
                || after
                    .iter()
                    .take_while(|later| later.sequence == next)
                    .any(|later| later.previous == link.hash)
        };
        here.iter().find(followed).copied().unwrap_or(first)
    }

    /// The same fact twice. What went by rule, up to a place, is said anew where it still holds.
    pub(super) fn facts(&mut self, line: &[Link], expired: u64) {
        let mut seen = HashMap::with_capacity(line.len());
        for link in line {
            if let Some(before) = seen.insert(link.fact, link.sequence)
                && (before > expired || link.sequence <= expired)
            {
                let says =
                    format!("tells of the same fact as record {before}: same kind and source");
                self.fault(Name::Duplicate, link.sequence, says);
            }
        }
    }

    /// Which records do not follow the one before them.
    pub(super) fn breaks(
        &mut self,
        line: &[Link],
        begins: &Tip,
        tips: &BTreeSet<(u64, Hash)>,
    ) -> Vec<usize> {
        let mut before = *begins;
        let mut broken = Vec::new();
        for (index, link) in line.iter().enumerate() {
            let next = before.sequence + 1;
            if link.sequence != next {
                broken.push(index);
                let says = match link.sequence - 1 {
                    last if last == next => "is not there".to_owned(),
                    last => format!("records {next} to {last} are not there"),
                };
                self.fault(Name::Missing, next, says);
            } else if link.previous != before.head {
                broken.push(index);
                self.unlike(line, index, &before, tips);
            }
            before = Tip {
                head: link.hash,
                sequence: link.sequence,
            };
        }
        broken
    }

    /// A record names another one as the one before it. When it is signed, or the next one follows it, the one before
    /// was changed; else nobody can say which of the two was.
    fn unlike(&mut self, line: &[Link], index: usize, before: &Tip, tips: &BTreeSet<(u64, Hash)>) {
        let link = &line[index];
        let followed = line
            .get(index + 1)
            .is_some_and(|later| later.previous == link.hash);
        if before.sequence == 0 {
            let says = "does not begin the chain of this fleet and region".to_owned();
            self.fault(Name::BrokenLink, link.sequence, says);
        } else if followed || tips.contains(&(link.sequence, link.hash)) {
            let says = format!(
                "record {} followed another one than this: it was changed later",
                link.sequence
            );
            self.fault(Name::Rewritten, before.sequence, says);
        } else {
            let says = format!("does not follow record {}", before.sequence);
            self.fault(Name::BrokenLink, link.sequence, says);
        }
    }
}
