//! Old records in a segment: how it is called, what is in it, and the root of its tree (RFC 6962, 2.1).

use std::collections::BTreeMap;

use super::body::Seal;
use super::canonical;
use super::chain::Tip;
use super::checkpoint::{Checkpoint, Countersignature};
use super::hash::Hash;
use super::line::Line;
use super::record::Record;

/// Of a leaf and of two nodes: the bytes that RFC 6962 puts before each, so that neither is taken for the other.
const LEAF: &str = "\u{0}";
const NODE: &str = "\u{1}";
/// What a source is hashed for.
const SOURCE: &str = "tradewind.dev/evidence/source/v1\n";
/// Hexadecimal digits of a source in a [`Seal`].
const DIGITS: usize = 16;
/// How a segment's name ends: lines, compressed as RFC 1952 has it.
pub const ENDING: &str = ".jsonl.gz";

/// The root of the Merkle tree over these records' hashes, in their order.
#[must_use]
pub fn root(hashes: impl IntoIterator<Item = Hash>) -> Hash {
    // Whole trees that wait for their right neighbours, the largest first, each with how many leaves it has.
    let mut waiting: Vec<(u64, Hash)> = Vec::new();
    for hash in hashes {
        let mut tree = (1, Hash::of(LEAF, &[&hash.0]));
        while let Some((size, left)) = waiting.pop_if(|(size, _)| *size == tree.0) {
            tree = (size * 2, node(&left, &tree.1));
        }
        waiting.push(tree);
    }
    let mut trees = waiting.into_iter().rev().map(|(_, tree)| tree);
    let Some(last) = trees.next() else {
        return Hash::of("", &[]);
    };
    trees.fold(last, |right, left| node(&left, &right))
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Hash::of(NODE, &[&left.0, &right.0])
}

/// A segment's name: `eu-west-0000000001-0000001000.jsonl.gz`.
#[must_use]
pub fn segment(region: &str, first: u64, last: u64) -> String {
    format!("{region}-{first:010}-{last:010}{ENDING}")
}

/// The places of a region's segment of this name; none of another's.
#[must_use]
pub fn places(name: &str, region: &str) -> Option<(u64, u64)> {
    let numbers = name.strip_prefix(region)?.strip_prefix('-')?;
    let (first, last) = numbers.strip_suffix(ENDING)?.split_once('-')?;
    let number = |text: &str| {
        let is_one = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| text.parse().ok()).flatten()
    };
    let places: (u64, u64) = (number(first)?, number(last)?);
    (1..=places.1).contains(&places.0).then_some(places)
}

/// Records that follow one another, with the signatures over them.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    records: BTreeMap<u64, Record>,
    checkpoints: Vec<Checkpoint>,
    countersignatures: Vec<Countersignature>,
}

/// What a text is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSegment {
    /// A line is none.
    #[error("a line is not in the one spelling of a record or signature")]
    Line,
    /// Records do not follow one another.
    #[error("its records do not follow one another")]
    Chain,
}

impl Segment {
    /// Takes in a record and the signatures over it.
    pub fn take(
        &mut self,
        record: Record,
        checkpoints: Vec<Checkpoint>,
        countersignatures: Vec<Countersignature>,
    ) {
        self.records.insert(record.sequence, record);
        self.checkpoints.extend(checkpoints);
        self.countersignatures.extend(countersignatures);
    }

    /// Its lines: records in their order, then signatures.
    pub fn text(&self) -> Result<Vec<u8>, canonical::Error> {
        let mut text = Vec::new();
        for record in self.records.values() {
            text.extend(Line::Record(record.clone()).canonical()?);
        }
        for signed in &self.checkpoints {
            text.extend(Line::Checkpoint(signed.clone()).canonical()?);
        }
        for signed in &self.countersignatures {
            text.extend(Line::Countersignature(signed.clone()).canonical()?);
        }
        Ok(text)
    }

    /// The segment of these lines.
    pub fn parse(text: &[u8]) -> Result<Self, NoSegment> {
        let mut segment = Self::default();
        let text = text.strip_suffix(b"\n").ok_or(NoSegment::Line)?;
        for line in text.split(|byte| *byte == b'\n') {
            match Line::parse(line).map_err(|_| NoSegment::Line)? {
                Line::Record(record) => {
                    segment.records.insert(record.sequence, record);
                }
                Line::Checkpoint(signed) => segment.checkpoints.push(signed),
                Line::Countersignature(signed) => segment.countersignatures.push(signed),
            }
        }
        Ok(segment)
    }

    /// Where it ends.
    #[must_use]
    pub fn tip(&self) -> Option<Tip> {
        self.records.values().next_back().map(Tip::of)
    }

    /// What follows a place of its region's chain in it, if it is the one that ends there: where the chain stood, by the record
    /// after that, and the digests of all that come. The end's hash is over every record before it, so none of them can be another.
    pub fn after(&self, region: &str, place: u64, end: Tip) -> Result<(Tip, Vec<Hash>), NoSegment> {
        let before = |record: &Record| Tip {
            head: record.previous,
            sequence: record.sequence.saturating_sub(1),
        };
        let first = self.records.values().next().ok_or(NoSegment::Chain)?;
        self.seal(region, before(first), "")?;
        let after = || self.records.range(place.saturating_add(1)..);
        let (_, next) = after().next().ok_or(NoSegment::Chain)?;
        let from = before(next);
        if from.sequence != place || self.tip() != Some(end) {
            return Err(NoSegment::Chain);
        }
        Ok((from, after().map(|(_, record)| record.digest()).collect()))
    }

    /// What a record says of it, once it is in an archive: if its records follow one another from `after` on.
    pub fn seal(&self, region: &str, after: Tip, archive: &str) -> Result<Seal, NoSegment> {
        let mut tip = after;
        let (mut hashes, mut sources) = (Vec::new(), String::new());
        for record in self.records.values() {
            let is_next = record.sequence == tip.sequence + 1 && record.previous == tip.head;
            if !is_next || record.region != region {
                return Err(NoSegment::Chain);
            }
            tip = Tip::of(record);
            hashes.push(tip.head);
            sources.push_str(&source(record.kind.word(), &record.source));
        }
        if hashes.is_empty() {
            return Err(NoSegment::Chain);
        }
        let (first, last) = (after.sequence + 1, tip.sequence);
        Ok(Seal {
            archive: archive.to_owned(),
            segment: segment(region, first, last),
            first,
            last,
            head: tip.head,
            root: root(hashes),
            sources,
        })
    }
}

/// What is kept of a source that is sealed: enough to know it again.
#[must_use]
pub fn source(kind: &str, source: &str) -> String {
    let whole = Hash::of(SOURCE, &[kind.as_bytes(), b"\0", source.as_bytes()]);
    hex::encode(&whole.0[..DIGITS / 2])
}

impl Seal {
    /// The sources of what it sealed, each as [`source`] makes it.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let all = self.sources.as_str();
        (0..all.len() / DIGITS).filter_map(move |n| all.get(n * DIGITS..(n + 1) * DIGITS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{About, Entry, Kind, Object, Signer, Witness, checkpoint, countersign};
    use super::*;

    fn leaf(n: u8) -> Hash {
        Hash([n; 32])
    }

    /// As RFC 6962 words it: split at the largest power of two that is smaller.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of("", &[]),
            [one] => Hash::of(LEAF, &[&one.0]),
            more => {
                let mut half = 1;
                while half * 2 < more.len() {
                    half *= 2;
                }
                node(&naive(&more[..half]), &naive(&more[half..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_rfc() {
        let empty = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(root([]).to_string(), empty);
        for len in 0..70u8 {
            let leaves: Vec<Hash> = (0..len).map(leaf).collect();
            assert_eq!(root(leaves.iter().copied()), naive(&leaves), "{len} leaves");
        }
    }

    proptest! {
        #[test]
        fn another_order_or_another_record_has_another_root(
            mut leaves in prop::collection::vec(any::<u8>().prop_map(leaf), 2..40), at in 0usize..40, other in 0usize..40,
        ) {
            let before = root(leaves.iter().copied());
            let (at, other) = (at % leaves.len(), other % leaves.len());
            let same = leaves[at] == leaves[other];
            leaves.swap(at, other);
            prop_assert_eq!(root(leaves.iter().copied()) == before, same);
            leaves.swap(at, other);
            leaves[at].0[0] ^= 1;
            prop_assert_ne!(root(leaves.iter().copied()), before);
            leaves[at].0[0] ^= 1;
            leaves.pop();
            prop_assert_ne!(root(leaves), before);
        }
    }

    fn record(sequence: u64, after: &Tip) -> Record {
        let entry = Entry {
            kind: Kind::Run,
            at: "2026-10-01T02:00:00Z".parse().unwrap(),
            about: About::cluster("DataPolicy", "customers"),
            source: format!("job-{sequence}"),
            body: Object::new(),
        };
        entry.append("eu", after)
    }

    /// Records that follow one another in the region, from its beginning on.
    fn records(count: u64) -> Vec<Record> {
        let mut tip = Tip::genesis("aurora", "eu");
        let mut all = Vec::new();
        for sequence in 1..=count {
            let record = record(sequence, &tip);
            tip = Tip::of(&record);
            all.push(record);
        }
        all
    }

    fn of(records: &[Record]) -> Segment {
        let mut segment = Segment::default();
        for record in records {
            segment.take(record.clone(), Vec::new(), Vec::new());
        }
        segment
    }

    #[test]
    fn a_segment_is_sealed_by_its_own_records() {
        let all = records(4);
        let after = Tip::of(&all[0]);
        let seal = of(&all[1..]).seal("eu", after, "bucket").unwrap();
        assert_eq!((seal.first, seal.last), (2, 4));
        assert_eq!(
            (seal.archive.as_str(), seal.head),
            ("bucket", all[3].hash())
        );
        assert_eq!(seal.segment, segment("eu", 2, 4));
        assert_eq!(seal.root, root(all[1..].iter().map(Record::hash)));
        let sources: Vec<String> = (2..=4)
            .map(|n| source("Run", &format!("job-{n}")))
            .collect();
        assert_eq!(seal.sources().collect::<Vec<_>>(), sources);
    }

    /// Neither a gap, nor a record that follows another one, nor one of another region is sealed.
    #[test]
    fn only_what_follows_one_another_in_the_region_is_sealed() {
        let all = records(4);
        let begin = Tip::genesis("aurora", "eu");
        let seal = |records: &[Record], region: &str, after: Tip| {
            of(records)
                .seal(region, after, "bucket")
                .map(|seal| seal.last)
        };
        assert_eq!(seal(&all, "eu", begin), Ok(4));
        let gap = [all[0].clone(), all[2].clone()];
        let mut forked = all.clone();
        forked[2].previous = all[0].hash();
        let mut renumbered = all[..2].to_vec();
        renumbered[1].sequence = 3;
        for (about, wrong) in [
            ("no record", &[][..]),
            ("a gap", &gap),
            ("another before it", &forked),
            ("another place", &renumbered),
            ("what comes later", &all[1..]),
        ] {
            assert_eq!(seal(wrong, "eu", begin), Err(NoSegment::Chain), "{about}");
        }
        assert_eq!(seal(&all, "us", begin), Err(NoSegment::Chain));
        assert_eq!(
            seal(&all, "eu", Tip::genesis("boreal", "eu")),
            Err(NoSegment::Chain)
        );
    }

    /// From any place of it on, and only as the seal has its end.
    #[test]
    fn what_follows_a_place_is_what_was_sealed() {
        let all = records(6);
        let tip = |place: u64| match place {
            0 => Tip::genesis("aurora", "eu"),
            place => Tip::of(&all[usize::try_from(place).unwrap() - 1]),
        };
        let segment = of(&all[2..5]);
        for place in 2..5 {
            let (from, digests) = segment.after("eu", place, tip(5)).unwrap();
            assert_eq!(from, tip(place));
            assert_eq!(crate::evidence::extend(from, &digests), tip(5), "{place}");
        }
        for (about, place, end) in [
            ("before it", 1, tip(5)),
            ("behind it", 5, tip(5)),
            ("another end", 3, tip(4)),
            (
                "another record there",
                3,
                Tip {
                    head: all[0].hash(),
                    sequence: 5,
                },
            ),
        ] {
            assert_eq!(
                segment.after("eu", place, end),
                Err(NoSegment::Chain),
                "{about}"
            );
        }
        assert!(segment.after("us", 3, tip(5)).is_err(), "another region");
        // A record that is another gives all that follow it another hash, and what does not follow is none of it.
        let mut forged = all[2..5].to_vec();
        forged[0].source = "other".to_owned();
        assert!(of(&forged).after("eu", 3, tip(5)).is_err());
        let gap = [all[2].clone(), all[4].clone()];
        assert!(of(&gap).after("eu", 2, tip(5)).is_err());
        assert!(of(&[]).after("eu", 0, tip(0)).is_err());
    }

    #[test]
    fn a_segment_is_read_as_it_was_written() {
        let all = records(3);
        let signer = Signer::new(&[7; 32]);
        let at = "2026-10-01T03:00:00Z".parse().unwrap();
        let signed = checkpoint(&signer, "eu", Tip::of(&all[2]), at).unwrap();
        let witness = Witness {
            by: "us",
            region: "eu",
            previous: None,
        };
        let witnessed = countersign(&signer, witness, Tip::of(&all[2]), at).unwrap();
        let mut segment = of(&all[..2]);
        segment.take(all[2].clone(), vec![signed], vec![witnessed]);
        let text = segment.text().unwrap();
        assert_eq!(
            text.split(|byte| *byte == b'\n').count(),
            6,
            "five lines, each ended"
        );
        let read = Segment::parse(&text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.tip(), Some(Tip::of(&all[2])));
        assert_eq!(
            Segment::parse(&text[..text.len() - 1]).unwrap_err(),
            NoSegment::Line
        );
        assert_eq!(Segment::parse(b"{}\n").unwrap_err(), NoSegment::Line);
    }

    #[test]
    fn a_segments_name_is_of_one_region() {
        let name = segment("eu-west", 1, 1000);
        assert_eq!(name, "eu-west-0000000001-0000001000.jsonl.gz");
        assert_eq!(places(&name, "eu-west"), Some((1, 1000)));
        assert_eq!(places(&segment("eu-west-2", 1, 9), "eu-west"), None);
        for wrong in [
            "eu-west-0000000000-0000001000.jsonl.gz",
            "eu-west-0000000009-0000000008.jsonl.gz",
            "eu-west-1-0000001000.jsonl.gz",
            "eu-west-0000000001-0000001000.jsonl",
        ] {
            assert_eq!(places(wrong, "eu-west"), None, "{wrong}");
        }
    }
}
