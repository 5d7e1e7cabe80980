//! What is known of a region's chain, and what is still to be written into it.

mod expiring;
mod sealing;
mod witnessed;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::EvidenceRecord;
use crate::evidence::{
    About, Checkpoint, Entry, Hash, KeyId, Kind, Object, Record, Tip, body, canonical,
};
pub use expiring::Expiring;
pub use sealing::{Rule, Sealing};
pub use witnessed::Lie;

const BODY: &str = "tradewind.dev/operator/body\n";

/// Something that is to stand in a region's chain, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it tells of.
    pub kind: Kind,
    /// The resource that it speaks of.
    pub about: About,
    /// What makes it the only record of its fact.
    pub source: String,
    /// What happened.
    pub body: Object,
    /// When it is to be written.
    pub when: When,
}

/// When a statement is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Unless a record of its kind has its source.
    Once,
    /// Unless the last record of its kind about the same resource says the same.
    Changed,
    /// As [`When::Changed`], and only if there is a record to differ from.
    Ended,
}

/// What is kept of a record: all but what it says.
#[derive(Clone, Debug)]
struct Link {
    kind: Kind,
    about: About,
    source: String,
    body: Hash,
    previous: Hash,
    digest: Hash,
    at: Timestamp,
    checkpoints: Vec<Checkpoint>,
    /// Of a run: when it began, or ended, as far as it says.
    ran: Option<Timestamp>,
    /// Of a rotation: which key.
    rotation: Option<body::KeyRotation>,
    /// Of a legal hold: that it holds something.
    holds: bool,
}

/// What is known of a region's chain.
#[derive(Clone, Debug)]
pub struct Chain {
    genesis: Tip,
    links: BTreeMap<u64, Link>,
    sources: BTreeSet<(Kind, String)>,
    last: BTreeMap<(Kind, About), u64>,
    /// Objects in it that are no records.
    unsound: BTreeSet<u64>,
    /// What is in the archive.
    seals: sealing::Seals,
    /// How far each other region has countersigned it.
    witnessed: BTreeMap<String, Tip>,
}

impl Chain {
    /// A chain without a record.
    #[must_use]
    pub fn new(fleet: &str, region: &str) -> Self {
        Self {
            genesis: Tip::genesis(fleet, region),
            links: BTreeMap::new(),
            sources: BTreeSet::new(),
            last: BTreeMap::new(),
            unsound: BTreeSet::new(),
            seals: sealing::Seals::default(),
            witnessed: BTreeMap::new(),
        }
    }

    /// Takes in an object as the hub has it.
    pub fn learn(&mut self, object: &EvidenceRecord) {
        let sequence = u64::try_from(object.spec.sequence).unwrap_or_default();
        match object.record() {
            Some(record) => {
                self.countersigned(&object.countersignatures());
                self.enter(&record, object.checkpoints());
            }
            None => {
                self.unsound.insert(sequence);
            }
        }
    }

    /// Takes in a record that was just written.
    pub fn enter(&mut self, record: &Record, checkpoints: Vec<Checkpoint>) {
        let about = (record.kind, record.about.clone());
        let last = self.last.entry(about).or_default();
        *last = (*last).max(record.sequence);
        self.sources.insert((record.kind, record.source.clone()));
        if record.kind == Kind::Seal {
            self.seals.enter(record);
        }
        let link = Link {
            kind: record.kind,
            about: record.about.clone(),
            source: record.source.clone(),
            body: digest(&record.body),
            previous: record.previous,
            digest: record.digest(),
            at: record.at,
            checkpoints,
            ran: ran(record),
            rotation: (record.kind == Kind::KeyRotation)
                .then(|| canonical::read(&record.body).ok())
                .flatten(),
            holds: expiring::holds(record),
        };
        self.links.insert(record.sequence, link);
    }

    /// Forgets an object that is gone: nothing of a chain may go but what was sealed, and what follows it shows that it did.
    pub fn forget(&mut self, sequence: u64) {
        self.unsound.remove(&sequence);
        let Some(link) = self.links.remove(&sequence) else {
            return;
        };
        self.sources.remove(&(link.kind, link.source));
        if link.kind == Kind::Seal {
            self.seals.forget(sequence);
        }
        let about = |other: &Link| other.kind == link.kind && other.about == link.about;
        let before = self.links.iter().rev().find(|(_, other)| about(other));
        let before = before.map(|(sequence, _)| *sequence);
        let key = (link.kind, link.about.clone());
        match before {
            Some(before) => self.last.insert(key, before),
            None => self.last.remove(&key),
        };
    }

    /// Where it ends. What stands in the next place and is no record of it cannot be taken away: what follows is written
    /// after that, so that all else goes on. [`Chain::fault`] tells of it, and nothing is signed any more.
    #[must_use]
    pub fn tip(&self) -> Tip {
        let last = self.links.last_key_value();
        let mut tip = last.map_or(self.genesis, |(sequence, link)| tip_of(*sequence, link));
        while self.unsound.contains(&tip.sequence.saturating_add(1)) {
            tip.sequence = tip.sequence.saturating_add(1);
        }
        tip
    }

    /// The record that a statement asks for; none when it is there, or nothing changed.
    #[must_use]
    pub fn entry(&self, statement: &Statement, at: Timestamp) -> Option<Entry> {
        let key = (statement.kind, statement.about.clone());
        let last = self.last.get(&key).copied();
        // What goes with its segment is said anew where it still holds.
        let expired = self.expired_to().sequence;
        let last = last.filter(|last| *last > expired);
        let says_the_same = last
            .and_then(|last| self.links.get(&last))
            .is_some_and(|last| last.body == digest(&statement.body));
        let is_known = |source: &str| self.has(statement.kind, source);
        let is_wanted = match statement.when {
            When::Once => !is_known(&statement.source),
            When::Changed => !says_the_same,
            When::Ended => last.is_some() && !says_the_same,
        };
        // What changed back and forth within one generation has been said before, of another time.
        let source = match last.filter(|_| is_known(&statement.source)) {
            Some(last) => format!("{}/{last}", statement.source),
            None => statement.source.clone(),
        };
        is_wanted.then(|| Entry {
            kind: statement.kind,
            at,
            about: statement.about.clone(),
            source,
            body: statement.body.clone(),
        })
    }

    /// The last checkpoint over it.
    #[must_use]
    pub fn signed(&self) -> Option<&Checkpoint> {
        let mut links = self.links.values().rev();
        links.find_map(|link| {
            link.checkpoints
                .iter()
                .max_by_key(|checkpoint| checkpoint.at)
        })
    }

    /// Takes in a signature that was just written to its record.
    pub fn sign(&mut self, new: &Checkpoint) {
        let all = self.with(new);
        if let Some(link) = self.links.get_mut(&new.tip.sequence) {
            link.checkpoints = all;
        }
    }

    /// All signatures over a record, once a new one is among them: the newest of each key, the newest first.
    #[must_use]
    pub fn with(&self, new: &Checkpoint) -> Vec<Checkpoint> {
        let link = self.links.get(&new.tip.sequence);
        let others = link.into_iter().flat_map(|link| &link.checkpoints);
        let others = others.filter(|other| other.key != new.key).cloned();
        let mut all: Vec<Checkpoint> = std::iter::once(new.clone()).chain(others).collect();
        all.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.at));
        all
    }

    /// What the region's key has not signed yet, from the last checkpoint on: where that was, and the digests of at most
    /// so many records after it.
    #[must_use]
    pub fn unsigned(&self, most: usize) -> (Tip, Vec<Hash>) {
        let from = self.signed().map_or(self.genesis, |signed| signed.tip);
        let (mut tip, mut digests) = (from, Vec::new());
        for (sequence, link) in self
            .links
            .range(from.sequence.saturating_add(1)..)
            .take(most)
        {
            // Beyond a gap nothing can be proven.
            if *sequence != tip.sequence.saturating_add(1) || link.previous != tip.head {
                break;
            }
            digests.push(link.digest);
            tip = tip_of(*sequence, link);
        }
        (from, digests)
    }

    /// The record that names the key after the one that signs, while that is yet to sign.
    #[must_use]
    pub fn successor(&self, region: &str) -> Option<Record> {
        let signs = self.signed()?.key;
        let mut links = self.links.iter().rev();
        let (sequence, link, rotation) =
            links.find_map(|(at, link)| Some((*at, link, link.rotation.as_ref()?)))?;
        let is_next = rotation.key != signs && rotation.is_named_by(signs, region);
        let entry = Entry {
            kind: link.kind,
            at: link.at,
            about: link.about.clone(),
            source: link.source.clone(),
            body: canonical::object(rotation).ok()?,
        };
        let before = Tip {
            head: link.previous,
            sequence: sequence.saturating_sub(1),
        };
        let record = entry.append(region, &before);
        (is_next && record.digest() == link.digest).then_some(record)
    }

    /// The key that signs, and the one before it, which has not named it.
    #[must_use]
    pub fn unnamed_key(&self, region: &str) -> Option<(KeyId, KeyId)> {
        let all = self.links.values().flat_map(|link| &link.checkpoints);
        let signs = self.signed()?.key;
        let before = all
            .filter(|checkpoint| checkpoint.key != signs)
            .max_by_key(|checkpoint| (checkpoint.tip.sequence, checkpoint.at))?;
        let names = |link: &Link| {
            let rotation = link.rotation.as_ref().filter(|one| one.key == signs);
            rotation.is_some_and(|one| one.is_named_by(before.key, region))
        };
        let mut reached = self.links.range(..=before.tip.sequence);
        (!reached.any(|(_, link)| names(link))).then_some((signs, before.key))
    }

    /// The record at a place, by its hash: whether a region signed what the hub has.
    #[must_use]
    pub fn holds(&self, tip: &Tip) -> bool {
        let link = self.links.get(&tip.sequence);
        link.is_some_and(|link| tip_of(tip.sequence, link) == *tip)
    }

    /// Whether a record of this kind has this source, here or in the archive.
    #[must_use]
    pub fn has(&self, kind: Kind, source: &str) -> bool {
        let known = (kind, source.to_owned());
        self.sources.contains(&known) || self.seals.has(kind, source)
    }

    /// When the last recorded run of a policy began, or ended.
    #[must_use]
    pub fn last_run(&self, policy: &str) -> Option<Timestamp> {
        let about = About::cluster("DataPolicy", policy);
        let last = self.last.get(&(Kind::Run, about))?;
        let link = self.links.get(last)?;
        Some(link.ran.unwrap_or(link.at))
    }

    /// Since when a record waits for the region's signature.
    #[must_use]
    pub fn unsigned_since(&self) -> Option<Timestamp> {
        let from = self.signed().map_or(0, |signed| signed.tip.sequence);
        let mut after = self.links.range(from.saturating_add(1)..);
        after.next().map(|(_, link)| link.at)
    }

    /// What is wrong with it: the place of the first object that is no record, is missing, or does not follow the one
    /// before it. What is in the archive may be missing.
    #[must_use]
    pub fn fault(&self) -> Option<u64> {
        let sealed = self.sealed_to().sequence;
        let mut tip = self.genesis;
        for (sequence, link) in &self.links {
            let next = tip.sequence.saturating_add(1);
            let before = sequence.saturating_sub(1);
            let follows = if *sequence == next {
                link.previous == tip.head
            } else {
                let head = self.seals.head(before);
                before <= sealed && head.is_none_or(|head| head == link.previous)
            };
            if !follows {
                return Some(if before <= sealed {
                    *sequence
                } else {
                    next.max(sealed + 1)
                });
            }
            tip = tip_of(*sequence, link);
        }
        self.unsound.first().copied()
    }
}

fn tip_of(sequence: u64, link: &Link) -> Tip {
    let before = Tip {
        head: link.previous,
        sequence: sequence.saturating_sub(1),
    };
    crate::evidence::extend(before, &[link.digest])
}

fn digest(body: &Object) -> Hash {
    Hash::of(BODY, &[&canonical::encode(body)])
}

fn ran(record: &Record) -> Option<Timestamp> {
    let told = |field: &str| match record.body.get(field) {
        Some(canonical::Value::Text(at)) => at.parse().ok(),
        _ => None,
    };
    (record.kind == Kind::Run)
        .then(|| told("startedAt").or_else(|| told("finishedAt")))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::{Signer, checkpoint};

    fn statement(kind: Kind, source: &str, says: i64, when: When) -> Statement {
        Statement {
            kind,
            about: About::cluster("DataPolicy", "p"),
            source: source.to_owned(),
            body: Object::from([("n".to_owned(), canonical::Value::Integer(says))]),
            when,
        }
    }

    fn append(chain: &mut Chain, statement: &Statement) -> Option<Record> {
        let entry = chain.entry(statement, Timestamp::UNIX_EPOCH)?;
        let record = entry.append("r", &chain.tip());
        chain.enter(&record, Vec::new());
        Some(record)
    }

    #[test]
    fn a_fact_is_recorded_once() {
        let mut chain = Chain::new("f", "r");
        let run = statement(Kind::Run, "uid", 1, When::Once);
        assert!(append(&mut chain, &run).is_some());
        assert!(append(&mut chain, &run).is_none());
        let other = statement(Kind::Approval, "uid", 1, When::Once);
        assert!(append(&mut chain, &other).is_some(), "another kind");
    }

    #[test]
    fn a_change_is_recorded_each_time_under_a_name_of_its_own() {
        let mut chain = Chain::new("f", "r");
        let end = statement(Kind::PolicyChange, "u/1", 9, When::Ended);
        assert!(append(&mut chain, &end).is_none(), "nothing began");
        let mut sources = BTreeSet::new();
        for says in [1, 2, 2, 1, 2] {
            let change = statement(Kind::PolicyChange, "u/1", says, When::Changed);
            sources.extend(append(&mut chain, &change).map(|record| record.source));
        }
        let end = append(&mut chain, &end).unwrap();
        assert_eq!(chain.tip().sequence, 5);
        assert_eq!(sources.len(), 4, "{sources:?}");
        assert!(!sources.contains(&end.source));
    }

    #[test]
    fn what_is_no_record_stops_nothing_but_the_signatures() {
        let mut chain = Chain::new("f", "r");
        let run = |n: i64| statement(Kind::Run, &n.to_string(), n, When::Once);
        append(&mut chain, &run(1));
        let written = append(&mut chain, &run(2)).unwrap();
        chain.forget(2);
        let mut object = EvidenceRecord::of(&written).unwrap();
        object.spec.hash = EvidenceRecord::of(&append(&mut chain, &run(3)).unwrap())
            .unwrap()
            .spec
            .hash;
        chain.forget(2);
        chain.learn(&object);
        assert_eq!((chain.fault(), chain.tip().sequence), (Some(2), 2));
        let next = append(&mut chain, &run(4)).unwrap();
        assert_eq!((next.sequence, chain.fault()), (3, Some(2)));
        assert_eq!(chain.unsigned(9).1.len(), 1, "nothing beyond it is signed");
        chain.forget(2);
        assert_eq!(chain.fault(), Some(2), "the gap stays");
    }

    #[test]
    fn what_is_not_signed_is_told_piece_by_piece() {
        let mut chain = Chain::new("f", "r");
        for n in 0..5 {
            append(
                &mut chain,
                &statement(Kind::Run, &n.to_string(), n, When::Once),
            );
        }
        let (from, digests) = chain.unsigned(3);
        assert_eq!((from, digests.len()), (Tip::genesis("f", "r"), 3));
        let tip = crate::evidence::extend(from, &digests);
        assert!(chain.holds(&tip));
        let signed = checkpoint(&Signer::new(&[1; 32]), "r", tip, Timestamp::UNIX_EPOCH).unwrap();
        chain.sign(&signed);
        let (from, digests) = chain.unsigned(3);
        assert_eq!((from, digests.len()), (tip, 2));
        assert_eq!(crate::evidence::extend(from, &digests), chain.tip());
        assert!(!chain.holds(&Tip { sequence: 2, ..tip }));
    }

    #[test]
    fn what_is_missing_strange_or_out_of_place_is_found() {
        let mut chain = Chain::new("f", "r");
        let run = |n: i64| statement(Kind::Run, &n.to_string(), n, When::Once);
        let records: Vec<Record> = (0..4).filter_map(|n| append(&mut chain, &run(n))).collect();
        assert_eq!(chain.fault(), None);
        let mut gone = chain.clone();
        gone.forget(2);
        assert_eq!(gone.fault(), Some(2));
        assert_eq!(gone.unsigned(9).1.len(), 1);
        gone.enter(&records[1], Vec::new());
        assert_eq!(gone.fault(), None);
        assert!(append(&mut gone, &run(1)).is_none());
        let mut strange = chain.clone();
        let other = records[3].clone();
        let mut object = EvidenceRecord::of(&Record {
            sequence: 5,
            ..other
        })
        .unwrap();
        strange.learn(&object);
        assert_eq!(strange.fault(), Some(5));
        object.spec.body = "{}".to_owned();
        object.spec.sequence = 6;
        chain.learn(&object);
        assert_eq!((chain.fault(), chain.tip().sequence), (Some(6), 4));
    }

    /// A statement of a run or of another kind, with these moments in its body.
    fn at(kind: Kind, policy: &str, source: &str, moments: &[(&str, &str)]) -> Statement {
        let moments = moments.iter();
        let text = |(field, at): &(&str, &str)| {
            (
                (*field).to_owned(),
                canonical::Value::Text((*at).to_owned()),
            )
        };
        Statement {
            about: About::cluster("DataPolicy", policy),
            body: moments.map(text).collect(),
            ..statement(kind, source, 0, When::Once)
        }
    }

    #[test]
    fn the_last_run_of_a_policy_is_when_it_began_as_far_as_it_says() {
        let mut chain = Chain::new("f", "r");
        let mut told = |statement: Statement| {
            append(&mut chain, &statement).unwrap();
            chain.last_run("p").map(|at| at.to_string())
        };
        let (began, ended) = ("2026-11-22T02:00:00Z", "2026-11-22T02:10:00Z");
        let both = [("startedAt", began), ("finishedAt", ended)];
        assert_eq!(
            told(at(Kind::PolicyChange, "p", "c", &both)),
            None,
            "no run"
        );
        assert_eq!(
            told(at(Kind::Run, "q", "1", &both)),
            None,
            "another policy's"
        );
        assert_eq!(told(at(Kind::Run, "p", "2", &both)).as_deref(), Some(began));
        assert_eq!(
            told(at(Kind::Run, "p", "3", &both[1..])).as_deref(),
            Some(ended)
        );
        // Of a run that says nothing: when it was recorded.
        let recorded = Timestamp::UNIX_EPOCH.to_string();
        assert_eq!(told(at(Kind::Run, "p", "4", &[])), Some(recorded.clone()));
        assert_eq!(
            told(at(Kind::Run, "p", "5", &[("startedAt", "soon")])),
            Some(recorded)
        );
    }

    #[test]
    fn a_record_waits_for_its_signature_since_it_was_recorded() {
        let mut chain = Chain::new("f", "r");
        assert_eq!(chain.unsigned_since(), None);
        let mut tips = Vec::new();
        for n in 1..=2 {
            let run = statement(Kind::Run, &n.to_string(), n, When::Once);
            let entry = chain
                .entry(&run, Timestamp::from_second(n).unwrap())
                .unwrap();
            chain.enter(&entry.append("r", &chain.tip()), Vec::new());
            tips.push(chain.tip());
        }
        for (n, tip) in (1..).zip(tips) {
            assert_eq!(chain.unsigned_since(), Timestamp::from_second(n).ok());
            let signed =
                checkpoint(&Signer::new(&[1; 32]), "r", tip, Timestamp::UNIX_EPOCH).unwrap();
            chain.sign(&signed);
        }
        assert_eq!(chain.unsigned_since(), None);
    }

    /// Signs all of it, later than before.
    fn signed_by(chain: &mut Chain, signer: &Signer) {
        let at = Timestamp::from_second(i64::try_from(chain.tip().sequence).unwrap()).unwrap();
        let made = checkpoint(signer, "r", chain.tip(), at).unwrap();
        chain.sign(&made);
    }

    fn names(chain: &mut Chain, rotation: &body::KeyRotation) -> Record {
        let named = Statement {
            about: About::cluster("Region", "r"),
            body: canonical::object(rotation).unwrap(),
            ..statement(Kind::KeyRotation, &rotation.key.to_string(), 0, When::Once)
        };
        append(chain, &named).unwrap()
    }

    #[test]
    fn the_next_key_is_the_one_that_the_present_one_named() {
        let [old, next, stranger] = [1, 2, 3].map(|seed| Signer::new(&[seed; 32]));
        let begun = || {
            let mut chain = Chain::new("f", "r");
            names(
                &mut chain,
                &body::KeyRotation {
                    key: old.key(),
                    named: None,
                },
            );
            signed_by(&mut chain, &old);
            chain
        };
        let named = crate::evidence::name(&old, "r", next.key());
        let mut chain = begun();
        assert_eq!(chain.successor("r"), None, "the present one");
        let record = names(&mut chain, &named);
        assert_eq!(chain.successor("r"), Some(record.clone()));
        append(&mut chain, &statement(Kind::Run, "1", 1, When::Once));
        assert_eq!(
            chain.successor("r"),
            Some(record),
            "what comes later changes nothing"
        );
        signed_by(&mut chain, &next);
        assert_eq!(chain.successor("r"), None, "it signs");
        for (about, other) in [
            (
                "named by nobody",
                body::KeyRotation {
                    key: next.key(),
                    named: None,
                },
            ),
            (
                "named by a stranger",
                crate::evidence::name(&stranger, "r", next.key()),
            ),
            (
                "named for another region",
                crate::evidence::name(&old, "us", next.key()),
            ),
        ] {
            let mut chain = begun();
            names(&mut chain, &other);
            assert_eq!(chain.successor("r"), None, "{about}");
        }
        let mut unsigned = Chain::new("f", "r");
        names(&mut unsigned, &named);
        assert_eq!(unsigned.successor("r"), None, "nobody signs yet");
    }

    #[test]
    fn a_key_that_the_one_before_did_not_name_in_time_is_told() {
        let [old, next] = [1, 2].map(|seed| Signer::new(&[seed; 32]));
        let named = crate::evidence::name(&old, "r", next.key());
        let run = |n: i64| statement(Kind::Run, &n.to_string(), n, When::Once);
        let mut chain = Chain::new("f", "r");
        append(&mut chain, &run(1));
        signed_by(&mut chain, &old);
        assert_eq!(chain.unnamed_key("r"), None, "one key");
        let mut orderly = chain.clone();
        names(&mut orderly, &named);
        signed_by(&mut orderly, &old);
        append(&mut orderly, &run(2));
        signed_by(&mut orderly, &next);
        assert_eq!(orderly.unnamed_key("r"), None);
        let wanted = Some((next.key(), old.key()));
        let mut unnamed = chain.clone();
        append(&mut unnamed, &run(2));
        signed_by(&mut unnamed, &next);
        assert_eq!(unnamed.unnamed_key("r"), wanted);
        // In a record that the old key has not signed anybody may have named it.
        let mut late = chain.clone();
        names(&mut late, &named);
        signed_by(&mut late, &next);
        assert_eq!(late.unnamed_key("r"), wanted);
        let mut other = chain;
        names(&mut other, &crate::evidence::name(&next, "r", next.key()));
        signed_by(&mut other, &old);
        append(&mut other, &run(2));
        signed_by(&mut other, &next);
        assert_eq!(other.unnamed_key("r"), wanted);
    }

    proptest! {
        #[test]
        fn whatever_is_stated_again_and_in_any_order_stands_once(
            order in prop::collection::vec(0usize..6, 1..60), restarts in prop::collection::vec(any::<bool>(), 60),
        ) {
            let mut chain = Chain::new("f", "r");
            let mut records = Vec::new();
            for (step, n) in order.iter().enumerate() {
                // A new process knows what the hub has, in whatever order it is told.
                if restarts[step] {
                    chain = Chain::new("f", "r");
                    for record in records.iter().rev() {
                        chain.learn(&EvidenceRecord::of(record).unwrap());
                    }
                }
                let run = statement(Kind::Run, &n.to_string(), 1, When::Once);
                records.extend(append(&mut chain, &run));
            }
            let wanted: BTreeSet<usize> = order.into_iter().collect();
            prop_assert_eq!(records.len(), wanted.len());
            prop_assert_eq!(chain.fault(), None);
            prop_assert_eq!(chain.tip().sequence, records.len() as u64);
        }
    }
}
