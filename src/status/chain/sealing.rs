//! Old records of a chain: which of them are to go into the archive next, and which may go from the hub.
//!
//! A record stays on the hub beside its segment while something is compared with it: the last one of each kind about each
//! resource, and the seals, which tell what is in the archive.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{Chain, Link, tip_of};
use crate::evidence::{Hash, Kind, Record, Tip, body, canonical, source};

/// No more than that go at one look.
const MOST: usize = 200;

/// What is known of what was sealed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seals {
    /// By the place of the first record that each sealed.
    by_first: BTreeMap<u64, Sealed>,
    /// By their places, records that say up to which others went, with the segment that went last.
    expiries: BTreeMap<u64, (Tip, String)>,
    /// The sources of all that was sealed, hashed.
    sources: HashSet<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Sealed {
    /// The place of the record that says so.
    pub(super) place: u64,
    pub(super) last: u64,
    pub(super) head: Hash,
    pub(super) segment: String,
}

/// When records are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Once they are as old.
    pub after: SignedDuration,
    /// So many at a time.
    pub records: u64,
}

/// What is to be done next about old records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// They are in a segment, and the region has signed that they are: they go from the hub.
    Remove(Vec<(u64, String)>),
    /// They go into a segment.
    Seal {
        /// Where the one before it ends.
        after: Tip,
        /// Its last record.
        last: u64,
    },
    /// Nothing, before that moment, or before something is recorded or signed.
    Wait(Option<Timestamp>),
}

fn known(hashed: &str) -> Option<u64> {
    u64::from_str_radix(hashed, 16).ok()
}

impl Seals {
    pub(super) fn enter(&mut self, record: &Record) {
        let place = record.sequence;
        if let Ok(expiry) = canonical::read::<body::Expiry>(&record.body)
            && expiry.expired.sequence < place
        {
            let told = (expiry.expired, expiry.segment);
            self.expiries.insert(place, told);
        }
        let Ok(seal) = canonical::read::<body::Seal>(&record.body) else {
            return;
        };
        let sealed = Sealed {
            place,
            last: seal.last,
            head: seal.head,
            segment: seal.segment.clone(),
        };
        self.by_first.insert(seal.first, sealed);
        self.sources.extend(seal.sources().filter_map(known));
    }

    pub(super) fn forget(&mut self, place: u64) {
        self.by_first.retain(|_, sealed| sealed.place != place);
        self.expiries.remove(&place);
    }

    /// The last word on what went by rule, up to a place of the chain.
    pub(super) fn expired(&self, to: u64) -> Option<(u64, &(Tip, String))> {
        let told = self.expiries.range(..=to);
        let last = told.max_by_key(|(_, (tip, _))| tip.sequence);
        last.map(|(place, told)| (*place, told))
    }

    /// The seal of the records from a place on.
    pub(super) fn beginning(&self, first: u64) -> Option<&Sealed> {
        self.by_first.get(&first)
    }

    /// Whether a record that tells of the archive is needed, when all up to a place went: what is there it tells, or what
    /// went last.
    fn tells(&self, place: u64, expired: u64) -> bool {
        let mut seals = self.by_first.values();
        let is_there = seals.any(|sealed| sealed.place == place && sealed.last > expired);
        let last = self.expiries.get(&place);
        is_there || last.is_some_and(|(tip, _)| tip.sequence >= expired)
    }

    /// Whether a record with this source is in the archive.
    pub(super) fn has(&self, kind: Kind, of: &str) -> bool {
        let hashed = known(&source(kind.word(), of));
        hashed.is_some_and(|hashed| self.sources.contains(&hashed))
    }

    /// The seal over a place.
    pub(super) fn over(&self, place: u64) -> Option<&Sealed> {
        let (_, sealed) = self.by_first.range(..=place).next_back()?;
        (place <= sealed.last).then_some(sealed)
    }

    /// The hash of the record at a place, where a segment ends with it.
    pub(super) fn head(&self, place: u64) -> Option<Hash> {
        let gone = self
            .expiries
            .values()
            .find(|(tip, _)| tip.sequence == place);
        if let Some((tip, _)) = gone {
            return Some(tip.head);
        }
        let sealed = self.over(place)?;
        (sealed.last == place).then_some(sealed.head)
    }
}

impl Chain {
    /// How far its records are in the archive, without a gap from the first one on that did not go by rule.
    #[must_use]
    pub fn sealed_to(&self) -> Tip {
        let mut tip = self.expired_to();
        while let Some(sealed) = self.seals.by_first.get(&(tip.sequence + 1)) {
            tip = Tip {
                head: sealed.head,
                sequence: sealed.last,
            };
        }
        tip
    }

    /// What is to be done next about its old records. `others` countersign it: what one of them has not seen yet, and
    /// the record that it saw last, stay on the hub, since it follows the chain from there. What went while it was no witness
    /// is no more to be kept for it.
    #[must_use]
    pub fn sealing(&self, rule: Rule, others: &[&str], now: Timestamp) -> Sealing {
        let signed = self.signed().map_or(0, |signed| signed.tip.sequence);
        let seen = others.iter().filter_map(|by| self.witnessed(by));
        let seen = seen.filter(|tip| self.can_be_followed(*tip));
        let seen = seen.map(|tip| tip.sequence).min().unwrap_or(u64::MAX);
        let gone = self.removable(signed, seen);
        if !gone.is_empty() {
            return Sealing::Remove(gone);
        }
        let after = self.sealed_to();
        let last = after.sequence + rule.records;
        // One that is not signed yet may still be found to be no extension of what was.
        if last > signed {
            return Sealing::Wait(None);
        }
        let mut tip = after;
        let mut youngest = Timestamp::MIN;
        for (sequence, link) in self.links.range(after.sequence + 1..=last) {
            if *sequence != tip.sequence + 1 || link.previous != tip.head {
                return Sealing::Wait(None);
            }
            tip = tip_of(*sequence, link);
            youngest = youngest.max(link.at);
        }
        let due = youngest.checked_add(rule.after).unwrap_or(Timestamp::MAX);
        if tip.sequence == last && due <= now {
            Sealing::Seal { after, last }
        } else {
            Sealing::Wait((tip.sequence == last).then_some(due))
        }
    }

    fn removable(&self, signed: u64, seen: u64) -> Vec<(u64, String)> {
        let sealed = self.links.range(..=self.sealed_to().sequence);
        let sealed = sealed.take_while(|(place, _)| **place < seen);
        let expired = self.seals.expired(signed);
        let expired = expired.map_or(0, |(_, (tip, _))| tip.sequence);
        let goes = |(place, link): (&u64, &Link)| {
            let over = self.seals.over(*place)?;
            let is_signed = over.place <= signed;
            let is_needed = *place > expired && self.is_needed(*place, link, expired);
            (is_signed && !is_needed).then(|| (*place, over.segment.clone()))
        };
        sealed.filter_map(goes).take(MOST).collect()
    }

    fn is_needed(&self, place: u64, link: &Link, expired: u64) -> bool {
        if link.kind == Kind::Seal {
            return self.seals.tells(place, expired);
        }
        let key = (link.kind, link.about.clone());
        self.last.get(&key) == Some(&place)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Statement, When};
    use super::*;
    use crate::api::EvidenceRecord;
    use crate::evidence::{About, Object, Segment, Signer, Value, checkpoint};

    pub(in super::super) const RULE: Rule = Rule {
        after: SignedDuration::from_hours(24),
        records: 4,
    };

    pub(in super::super) fn moment(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    pub(in super::super) fn run(n: usize) -> Statement {
        Statement {
            kind: Kind::Run,
            about: About::cluster("DataPolicy", if n < 2 { "old" } else { "p" }),
            source: n.to_string(),
            body: Object::from([("n".to_owned(), Value::Integer(1))]),
            when: When::Once,
        }
    }

    /// What the hub holds: by place.
    #[derive(Default)]
    pub(in super::super) struct Hub {
        pub(in super::super) records: BTreeMap<u64, Record>,
        pub(in super::super) archive: Vec<Record>,
    }

    impl Hub {
        pub(in super::super) fn write(
            &mut self,
            chain: &mut Chain,
            statement: &Statement,
            at: Timestamp,
        ) -> bool {
            let Some(entry) = chain.entry(statement, at) else {
                return false;
            };
            let record = entry.append("r", &chain.tip());
            chain.enter(&record, Vec::new());
            self.records.insert(record.sequence, record);
            true
        }

        /// One step, as the operator takes it.
        pub(in super::super) fn step(&mut self, chain: &mut Chain, now: Timestamp) -> bool {
            match chain.sealing(RULE, &[], now) {
                Sealing::Wait(_) => false,
                Sealing::Seal { after, last } => {
                    let mut segment = Segment::default();
                    for (_, record) in self.records.range(after.sequence + 1..=last) {
                        segment.take(record.clone(), Vec::new(), Vec::new());
                        self.archive.push(record.clone());
                    }
                    let seal = segment.seal("r", after, "file:///a").unwrap();
                    assert!(chain.holds(&segment.tip().unwrap()));
                    let told = Statement {
                        kind: Kind::Seal,
                        about: About::cluster("Region", "r"),
                        source: seal.segment.clone(),
                        body: canonical::object(&seal).unwrap(),
                        when: When::Once,
                    };
                    self.write(chain, &told, now)
                }
                Sealing::Remove(gone) => {
                    for (place, segment) in gone {
                        assert!(segment.starts_with("r-"), "{segment}");
                        self.records.remove(&place);
                        chain.forget(place);
                    }
                    true
                }
            }
        }
    }

    pub(in super::super) fn sign(chain: &mut Chain) {
        let tip = chain.tip();
        let made = checkpoint(&Signer::new(&[1; 32]), "r", tip, moment(0)).unwrap();
        chain.sign(&made);
    }

    /// Another region countersigns the chain up to a record. Answers where that is.
    fn countersign(chain: &mut Chain, last: &Record) -> Tip {
        let witness = crate::evidence::Witness {
            by: "eu",
            region: "r",
            previous: None,
        };
        let tip = Tip::of(last);
        let made = crate::evidence::countersign(&Signer::new(&[2; 32]), witness, tip, moment(0));
        chain.countersign(&made.unwrap());
        tip
    }

    #[test]
    fn what_is_sealed_and_signed_for_goes_and_nothing_of_it_is_recorded_again() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..10 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        let before = chain.clone();
        assert_eq!(
            chain.sealing(RULE, &[], moment(24)),
            Sealing::Wait(None),
            "not signed"
        );
        sign(&mut chain);
        assert_eq!(
            chain.sealing(RULE, &[], moment(23)),
            Sealing::Wait(Some(moment(24)))
        );
        assert!(hub.step(&mut chain, moment(24)));
        assert!(hub.step(&mut chain, moment(24)));
        // The seals are not signed yet.
        assert!(!hub.step(&mut chain, moment(24)));
        assert_eq!((hub.records.len(), chain.sealed_to().sequence), (12, 8));
        sign(&mut chain);
        assert!(hub.step(&mut chain, moment(24)));
        assert!(!hub.step(&mut chain, moment(24)));
        // The last one about a policy that is no more stays.
        let left: Vec<u64> = hub.records.keys().copied().collect();
        assert_eq!(left, [2, 9, 10, 11, 12]);
        assert_eq!(chain.fault(), None);
        // A new process knows as much from what is left.
        let mut again = Chain::new("f", "r");
        for record in hub.records.values().rev() {
            again.learn(&EvidenceRecord::of(record).unwrap());
        }
        assert_eq!((again.fault(), again.tip()), (None, chain.tip()));
        assert_eq!(again.sealed_to(), chain.sealed_to());
        for n in 0..10 {
            assert!(!hub.write(&mut again, &run(n), moment(30)), "run {n}");
            assert!(before.entry(&run(n), moment(30)).is_none());
        }
        assert!(hub.write(&mut again, &run(11), moment(30)));
    }

    #[test]
    fn a_gap_is_no_fault_only_where_a_seal_is_over_it() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..10 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        let learn = |without: &[u64]| {
            let mut chain = Chain::new("f", "r");
            let kept = hub
                .records
                .iter()
                .filter(|(place, _)| !without.contains(place));
            for (_, record) in kept {
                chain.learn(&EvidenceRecord::of(record).unwrap());
            }
            chain.fault()
        };
        assert_eq!(learn(&[]), None);
        assert_eq!(learn(&[2]), None, "it is in the archive");
        assert_eq!(learn(&[9]), Some(9));
        assert_eq!(learn(&[11]), Some(1), "nobody says what became of 1");
        let mut other = Chain::new("f", "r");
        for (place, record) in &hub.records {
            let mut record = record.clone();
            if *place == 9 {
                record.previous = Hash([0; 32]);
            }
            other.learn(&EvidenceRecord::of(&record).unwrap());
        }
        assert_eq!(other.fault(), Some(9), "it does not follow what was sealed");
    }

    #[test]
    fn what_another_region_has_not_seen_stays_on_the_hub() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..10 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        sign(&mut chain);
        let gone = |chain: &Chain, others: &[&str]| match chain.sealing(RULE, others, moment(24)) {
            Sealing::Remove(gone) => gone.into_iter().map(|(place, _)| place).collect(),
            Sealing::Wait(_) | Sealing::Seal { .. } => Vec::new(),
        };
        let all = gone(&chain, &[]);
        assert_eq!(all, [1, 3, 4, 5, 6, 7, 8]);
        // One that has seen nothing yet begins behind the archive.
        assert_eq!(gone(&chain, &["eu"]), all);
        let tip = countersign(&mut chain, &hub.records[&5]);
        assert_eq!(gone(&chain, &["eu", "us"]), [1, 3, 4]);
        assert_eq!(gone(&chain, &["us"]), all, "it is no witness any more");
        let (from, digests) = chain.to_witness("eu", 100).unwrap();
        assert_eq!((from, digests.len()), (tip, 7));
    }

    /// A region that was no witness for a while comes back: what it saw last went meanwhile, and nothing waits for that.
    #[test]
    fn what_went_while_a_region_was_no_witness_is_not_waited_for() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..10 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        let tip = countersign(&mut chain, &hub.records[&5]);
        assert_eq!(chain.to_witness("eu", 100).unwrap().0, tip);
        while hub.step(&mut chain, moment(24)) {}
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        assert!(!hub.records.contains_key(&6));
        // It is shown what follows the archive; it says itself that it has not seen all before that.
        let (from, digests) = chain.to_witness("eu", 100).unwrap();
        assert_eq!((from, digests.len()), (chain.sealed_to(), 4));
        for n in 10..16 {
            hub.write(&mut chain, &run(n), moment(24));
        }
        sign(&mut chain);
        let seals = chain.sealing(RULE, &["eu"], moment(48));
        assert!(matches!(seals, Sealing::Seal { .. }), "{seals:?}");
        assert!(hub.step(&mut chain, moment(48)));
        sign(&mut chain);
        let removes = chain.sealing(RULE, &["eu"], moment(48));
        assert!(matches!(removes, Sealing::Remove(_)), "{removes:?}");
    }

    /// The seals tell what is in the archive: they stay on the hub when they are sealed themselves.
    #[test]
    fn a_seal_stays_for_as_long_as_its_segment() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..10 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        for round in 1..4 {
            sign(&mut chain);
            while hub.step(&mut chain, moment(24 * round)) {}
        }
        // Ten runs and three seals, of which the first two are in the third segment.
        assert_eq!((chain.tip().sequence, chain.sealed_to().sequence), (13, 12));
        assert_eq!(
            hub.records.keys().copied().collect::<Vec<_>>(),
            [2, 10, 11, 12, 13]
        );
        let mut again = Chain::new("f", "r");
        for record in hub.records.values() {
            again.learn(&EvidenceRecord::of(record).unwrap());
        }
        assert_eq!(
            (again.fault(), again.sealed_to()),
            (None, chain.sealed_to())
        );
        // Of a seal that is gone nobody knows.
        again.forget(11);
        assert_eq!(again.sealed_to().sequence, 0);
        again.forget(2);
        assert_eq!(again.sealed_to().sequence, 0);
        chain.forget(2);
        assert_eq!(chain.sealed_to().sequence, 12, "no seal");
    }

    #[test]
    fn what_does_not_follow_one_another_is_not_sealed_or_countersigned() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..6 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        assert!(matches!(
            chain.sealing(RULE, &[], moment(24)),
            Sealing::Seal { last: 4, .. }
        ));
        assert_eq!(chain.to_witness("eu", 100).unwrap().1.len(), 6);
        let mut gap = chain.clone();
        gap.forget(3);
        assert_eq!(gap.sealing(RULE, &[], moment(24)), Sealing::Wait(None));
        assert_eq!(gap.to_witness("eu", 100).unwrap().1.len(), 2);
        let mut other = hub.records[&3].clone();
        other.previous = Hash([0; 32]);
        chain.enter(&other, Vec::new());
        assert_eq!(chain.sealing(RULE, &[], moment(24)), Sealing::Wait(None));
        assert_eq!(chain.to_witness("eu", 100).unwrap().1.len(), 2);
    }

    #[test]
    fn a_new_process_knows_what_others_countersigned() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        hub.write(&mut chain, &run(0), moment(0));
        let witness = crate::evidence::Witness {
            by: "eu",
            region: "r",
            previous: None,
        };
        let made =
            crate::evidence::countersign(&Signer::new(&[2; 32]), witness, chain.tip(), moment(0))
                .unwrap();
        let mut object = EvidenceRecord::of(&hub.records[&1]).unwrap();
        object.status = Some(crate::api::EvidenceRecordStatus {
            countersignatures: vec![crate::api::SignedCountersignature::of(&made)],
            ..crate::api::EvidenceRecordStatus::default()
        });
        let mut again = Chain::new("f", "r");
        assert_eq!(again.witnessed("eu"), None);
        again.learn(&object);
        assert_eq!(again.witnessed("eu"), Some(chain.tip()));
    }
}
