//! Evidence that was kept for as long as it had to be: which segment goes next, and what is said of it first.
//!
//! Segments go from the first one on, each once the record that tells of it is older than evidence is kept, so that all its
//! records are. None goes while a legal hold holds anything in the region, nor before whoever countersigns is beyond it.

use jiff::Timestamp;

use super::Chain;
use crate::evidence::{Kind, Record, Tip, Value, body};
use crate::plan::KeptFor;

/// What is to be done next about the oldest segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// It goes: first that is recorded, and signed.
    Record(body::Expiry),
    /// Nothing, before that moment, or before something is recorded, signed or released.
    Wait(Option<Timestamp>),
}

/// Whether a record says that a legal hold holds something.
pub(super) fn holds(record: &Record) -> bool {
    let released = Value::Text("Released".to_owned());
    record.kind == Kind::Hold && record.body.get("state") != Some(&released)
}

impl Chain {
    /// Up to which record they went, or are about to, by the rule on how long evidence is kept.
    #[must_use]
    pub fn expired_to(&self) -> Tip {
        let told = self.seals.expired(u64::MAX);
        told.map_or(self.genesis, |(_, (tip, _))| *tip)
    }

    /// The segment that is to be in the archive no more: the region has signed the record that says so, and no hold came meanwhile.
    #[must_use]
    pub fn gone(&self) -> Option<&str> {
        let (_, (_, segment)) = self.seals.expired(self.signed_to())?;
        (!self.is_held()).then_some(segment)
    }

    /// What is to be done next, once the segment before is gone.
    #[must_use]
    pub fn expiring(&self, kept: &KeptFor, others: &[&str], now: Timestamp) -> Expiring {
        let signed = self.signed_to();
        let waits = self.seals.expired(u64::MAX);
        if waits.is_some_and(|(place, _)| place > signed) || self.is_held() {
            return Expiring::Wait(None);
        }
        let Some(next) = self.seals.beginning(self.expired_to().sequence + 1) else {
            return Expiring::Wait(None);
        };
        let seen = others.iter().filter_map(|by| self.witnessed(by));
        let is_seen = seen.map(|tip| tip.sequence).all(|to| to > next.last);
        let since = self.links.get(&next.place).map(|link| link.at);
        let Some(due) = since.and_then(|since| kept.over(since)) else {
            return Expiring::Wait(None);
        };
        if !is_seen || next.place > signed {
            return Expiring::Wait(None);
        }
        if now < due {
            return Expiring::Wait(Some(due));
        }
        Expiring::Record(body::Expiry {
            expired: Tip {
                head: next.head,
                sequence: next.last,
            },
            segment: next.segment.clone(),
            kept: kept.period.clone(),
            regimes: kept.regimes.clone(),
        })
    }

    fn signed_to(&self) -> u64 {
        self.signed().map_or(0, |signed| signed.tip.sequence)
    }

    /// Whether a legal hold holds anything, by what was last recorded of each.
    fn is_held(&self) -> bool {
        let holds = self
            .last
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Hold);
        let mut links = holds.filter_map(|(_, place)| self.links.get(place));
        links.any(|link| link.holds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sealing::tests::{Hub, RULE, moment, run, sign};
    use super::super::{Sealing, Statement, When};
    use super::*;
    use crate::api::{EvidenceRecord, Region};
    use crate::evidence::{About, Object, Signer, Witness, canonical, countersign};
    use crate::packs::Packs;
    use crate::plan::evidence_keep;

    /// Ten days.
    fn kept() -> KeptFor {
        let region: Region = serde_json::from_value(json!({
            "metadata": {"name": "r"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "evidence": {"keep": "P10D"},
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        }))
        .unwrap();
        evidence_keep(&region, std::iter::empty(), &Packs::default(), moment(0)).unwrap()
    }

    fn told(kind: Kind, name: &str, source: &str, body: Object, when: When) -> Statement {
        Statement {
            kind,
            about: About::cluster("DataPolicy", name),
            source: source.to_owned(),
            body,
            when,
        }
    }

    /// Records the next expiry, if there is one.
    fn expire(hub: &mut Hub, chain: &mut Chain, now: Timestamp) -> bool {
        let Expiring::Record(expiry) = chain.expiring(&kept(), &[], now) else {
            return false;
        };
        let source = format!("{}/expired", expiry.segment);
        let body = canonical::object(&expiry).unwrap();
        hub.write(
            chain,
            &told(Kind::Seal, "r", &source, body, When::Once),
            now,
        )
    }

    /// Eight runs in two segments, after a policy's record, sealed and signed at hour 24.
    fn sealed() -> (Hub, Chain) {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        let policy = told(Kind::PolicyChange, "p", "p/1", Object::new(), When::Changed);
        hub.write(&mut chain, &policy, moment(0));
        for n in 1..8 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        sign(&mut chain);
        while hub.step(&mut chain, moment(24)) {}
        assert_eq!((chain.sealed_to().sequence, chain.tip().sequence), (8, 10));
        (hub, chain)
    }

    fn places(hub: &Hub) -> Vec<u64> {
        hub.records.keys().copied().collect()
    }

    #[test]
    fn a_segment_goes_once_it_is_old_recorded_and_signed_and_what_holds_is_said_anew() {
        let (mut hub, mut chain) = sealed();
        let late = moment(24 + 240);
        assert_eq!(places(&hub), [1, 2, 8, 9, 10]);
        assert_eq!(
            chain.expiring(&kept(), &[], moment(263)),
            Expiring::Wait(Some(late))
        );
        assert!(expire(&mut hub, &mut chain, late));
        assert_eq!(
            (chain.expired_to().sequence, chain.gone()),
            (4, None),
            "not signed"
        );
        assert!(!expire(&mut hub, &mut chain, late), "one after the other");
        // What the policy asks for still holds: it is said anew before its first record goes.
        let policy = told(Kind::PolicyChange, "p", "p/1", Object::new(), When::Changed);
        assert!(hub.write(&mut chain, &policy, late));
        assert!(!hub.write(&mut chain, &policy, late));
        // Then that one is the last of its kind no more, and the archive has it still.
        let first = "r-0000000001-0000000004.jsonl.gz".to_owned();
        let gone = Sealing::Remove(vec![(1, first)]);
        assert_eq!(chain.sealing(RULE, &[], late), gone);
        sign(&mut chain);
        assert_eq!(chain.gone(), Some("r-0000000001-0000000004.jsonl.gz"));
        while hub.step(&mut chain, moment(25)) {}
        assert_eq!(
            places(&hub),
            [8, 9, 10, 11, 12],
            "1 and 2 went with their segment"
        );
        assert_eq!((chain.fault(), chain.sealed_to().sequence), (None, 8));
        // A new process knows as much.
        let mut again = Chain::new("f", "r");
        for record in hub.records.values().rev() {
            again.learn(&EvidenceRecord::of(record).unwrap());
        }
        assert_eq!((again.fault(), again.tip()), (None, chain.tip()));
        assert_eq!(
            (again.expired_to(), again.sealed_to()),
            (chain.expired_to(), chain.sealed_to())
        );
        // The next one; and the record of the one before goes into a segment as any other does.
        assert!(expire(&mut hub, &mut chain, late));
        assert_eq!(chain.expired_to().sequence, 8);
        sign(&mut chain);
        while hub.step(&mut chain, moment(25)) {}
        assert_eq!(places(&hub), [9, 10, 11, 12, 13]);
        assert!(
            !expire(&mut hub, &mut chain, moment(9999)),
            "nothing more is sealed"
        );
        while hub.step(&mut chain, moment(999)) {}
        sign(&mut chain);
        while hub.step(&mut chain, moment(999)) {}
        // 9 to 12 are sealed: the seals of what went, and what the second expiry took the place of, need not stay.
        assert_eq!(places(&hub), [12, 13, 14]);
        assert_eq!((chain.fault(), chain.sealed_to().sequence), (None, 12));
    }

    #[test]
    fn nothing_goes_while_a_hold_holds_or_somebody_has_not_seen_it() {
        let (mut hub, mut chain) = sealed();
        let late = moment(999);
        let hold = |state: &str, source: &str| {
            let body = Object::from([("state".to_owned(), Value::Text(state.to_owned()))]);
            told(Kind::Hold, "h", source, body, When::Changed)
        };
        assert!(matches!(
            chain.expiring(&kept(), &[], late),
            Expiring::Record(_)
        ));
        hub.write(&mut chain, &hold("InForce", "1"), late);
        assert_eq!(chain.expiring(&kept(), &[], late), Expiring::Wait(None));
        hub.write(&mut chain, &hold("Released", "2"), late);
        assert!(matches!(
            chain.expiring(&kept(), &[], late),
            Expiring::Record(_)
        ));
        let witness = Witness {
            by: "eu",
            region: "r",
            previous: None,
        };
        let mut see = |place: u64| {
            let mut all = hub.archive.iter().chain(hub.records.values());
            let tip = Tip::of(all.find(|record| record.sequence == place).unwrap());
            let made = countersign(&Signer::new(&[2; 32]), witness, tip, moment(0));
            chain.countersign(&made.unwrap());
            chain.expiring(&kept(), &["eu"], late)
        };
        assert_eq!(see(2), Expiring::Wait(None));
        assert_eq!(
            see(4),
            Expiring::Wait(None),
            "it follows the chain from there"
        );
        assert!(matches!(see(9), Expiring::Record(_)));
    }

    #[test]
    fn a_segment_goes_when_its_seal_is_signed_and_the_word_on_the_one_before_is() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        for n in 0..8 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        sign(&mut chain);
        let late = moment(999);
        assert!(
            hub.step(&mut chain, moment(24)),
            "the first segment is sealed"
        );
        assert_eq!(
            chain.expiring(&kept(), &[], late),
            Expiring::Wait(None),
            "its seal is not signed"
        );
        // The seal is the last record that is signed.
        sign(&mut chain);
        assert!(matches!(
            chain.expiring(&kept(), &[], late),
            Expiring::Record(_)
        ));
        let (mut hub, mut chain) = sealed();
        assert!(expire(&mut hub, &mut chain, late));
        assert!(!expire(&mut hub, &mut chain, late), "not signed");
        // So is the word on what went.
        sign(&mut chain);
        assert!(expire(&mut hub, &mut chain, late));
        assert_eq!(chain.expired_to().sequence, 8);
    }

    /// Nobody can say of a record that is not older that it went.
    #[test]
    fn a_record_says_nothing_of_itself_or_of_what_comes_later() {
        for sequence in [11, 12] {
            let (mut hub, mut chain) = sealed();
            let expiry = body::Expiry {
                expired: Tip {
                    sequence,
                    ..chain.tip()
                },
                segment: "any".to_owned(),
                kept: "P10D".to_owned(),
                regimes: Vec::new(),
            };
            let body = canonical::object(&expiry).unwrap();
            assert!(hub.write(
                &mut chain,
                &told(Kind::Seal, "r", "any", body, When::Once),
                moment(25)
            ));
            assert_eq!((chain.tip().sequence, chain.expired_to().sequence), (11, 0));
        }
    }

    /// The last record of a segment goes with it as any other does: what it says, and still holds, is said anew.
    #[test]
    fn what_the_last_record_that_went_says_is_said_anew() {
        let (mut hub, mut chain) = (Hub::default(), Chain::new("f", "r"));
        let policy = told(Kind::PolicyChange, "p", "p/1", Object::new(), When::Changed);
        for n in 0..3 {
            hub.write(&mut chain, &run(n), moment(0));
        }
        assert!(hub.write(&mut chain, &policy, moment(0)));
        assert!(!hub.write(&mut chain, &policy, moment(0)));
        sign(&mut chain);
        assert!(hub.step(&mut chain, moment(24)));
        sign(&mut chain);
        assert!(expire(&mut hub, &mut chain, moment(999)));
        assert_eq!(chain.expired_to().sequence, 4);
        assert!(hub.write(&mut chain, &policy, moment(999)));
    }
}
