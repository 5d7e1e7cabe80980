//! One key after the other. The next one is made and kept beside the one that signs; that one names it, and signs the
//! record of it; and only once the hub has that signature is it replaced. Each step is written down before it is told, so
//! that a run which is killed anywhere is followed by one that goes on.

use super::error::Error;
use super::kept::{Kept, Next};
use crate::contract::Attest;
use crate::evidence::{Hash, Kind, Record, Tip, body, canonical, name};

impl Kept {
    /// What the task asks of the keys. Says whether anything is to be written down. `tip` is what is about to be signed.
    pub(super) fn turn(&mut self, task: &Attest, tip: Tip) -> Result<bool, Error> {
        let told = task.from.sequence;
        if let Some(next) = self.take_next(|next| next.named.is_some_and(|at| at <= told)) {
            tracing::info!(key = %next.signer().key(), "the next key signs from here on");
            self.succeed(next);
            return Ok(true);
        }
        let asked = task
            .rotate
            .as_ref()
            .filter(|asked| self.rotated() != Some(asked.as_str()));
        let mut is_changed = false;
        if let Some(asked) = asked
            && self.next().is_none_or(|next| next.token != *asked)
        {
            self.ask(asked)?;
            is_changed = true;
        }
        let place = self.next().filter(|next| next.named.is_none());
        let place = place.and_then(|next| self.place(next, task, tip));
        if let Some(place) = place {
            self.place_named(place);
            is_changed = true;
        }
        Ok(is_changed)
    }

    /// Where among what is about to be signed the record stands that names the next key.
    fn place(&self, next: &Next, task: &Attest, tip: Tip) -> Option<u64> {
        let record = Record::parse(task.successor.as_deref()?.as_bytes()).ok()?;
        let rotation: body::KeyRotation = canonical::read(&record.body).ok()?;
        let is_named = rotation.key == next.signer().key()
            && rotation.is_named_by(self.signer().key(), self.region());
        let is_here = record.sequence <= tip.sequence
            && digest_at(task, record.sequence) == Some(record.digest());
        let is_one = record.kind == Kind::KeyRotation && record.region == self.region();
        (is_named && is_here && is_one).then_some(record.sequence)
    }

    /// The next key, for the record that names it.
    pub(super) fn named(&self) -> Option<body::KeyRotation> {
        let next = self.next()?;
        Some(name(self.signer(), self.region(), next.signer().key()))
    }
}

fn digest_at(task: &Attest, sequence: u64) -> Option<Hash> {
    let after = sequence.checked_sub(task.from.sequence)?.checked_sub(1)?;
    task.digests.get(usize::try_from(after).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{About, Entry, KeyId, Signer, extend};

    fn record(rotation: &body::KeyRotation) -> Record {
        let entry = Entry {
            kind: Kind::KeyRotation,
            at: jiff::Timestamp::UNIX_EPOCH,
            about: About::cluster("Region", "eu"),
            source: "k".to_owned(),
            body: canonical::object(rotation).unwrap(),
        };
        entry.append("eu", &Tip::genesis("f", "eu"))
    }

    fn task(rotate: Option<&str>, record: Option<&Record>) -> Attest {
        Attest {
            secret: "s".to_owned(),
            api_server: None,
            from: Tip::genesis("f", "eu"),
            digests: record.map(Record::digest).into_iter().collect(),
            rotate: rotate.map(str::to_owned),
            successor: record.map(|one| String::from_utf8(one.canonical()).unwrap()),
            witness: Vec::new(),
        }
    }

    /// The signature over the record is known to the hub.
    fn signed(mut task: Attest) -> Attest {
        task.from = extend(task.from, &task.digests);
        (task.digests, task.successor) = (Vec::new(), None);
        task
    }

    fn turn(kept: &mut Kept, task: &Attest) -> bool {
        kept.turn(task, extend(task.from, &task.digests)).unwrap()
    }

    fn keys(kept: &Kept) -> (KeyId, Option<KeyId>) {
        (kept.signer().key(), kept.named().map(|named| named.key))
    }

    #[test]
    fn a_key_goes_once_its_successor_is_named_recorded_and_signed_for() {
        let mut kept = Kept::made("eu").unwrap();
        let old = kept.signer().key();
        assert!(!turn(&mut kept, &task(None, None)), "nobody asked");
        assert!(turn(&mut kept, &task(Some("1"), None)));
        let (_, next) = keys(&kept);
        let named = kept.named().unwrap();
        assert!(named.is_named_by(old, "eu") && next.is_some());
        // Asked again, as by a run after one that was killed: the same key.
        assert!(!turn(&mut kept, &task(Some("1"), None)));
        assert_eq!(keys(&kept), (old, next));
        // The hub is further than it says, but the record was never signed for.
        assert!(!turn(
            &mut kept,
            &signed(task(Some("1"), Some(&record(&named))))
        ));
        let recorded = task(Some("1"), Some(&record(&named)));
        assert!(turn(&mut kept, &recorded));
        assert_eq!(keys(&kept), (old, next), "the old one signs for it");
        assert!(!turn(&mut kept, &recorded), "that signature was lost");
        assert!(turn(&mut kept, &signed(recorded)));
        assert_eq!(keys(&kept), (next.unwrap(), None));
        assert_eq!(kept.rotated(), Some("1"));
        assert!(
            !turn(&mut kept, &task(Some("1"), None)),
            "it was carried out"
        );
        assert!(turn(&mut kept, &task(Some("2"), None)));
    }

    #[test]
    fn a_record_of_somebody_elses_key_makes_nobody_a_successor() {
        let mut kept = Kept::made("eu").unwrap();
        turn(&mut kept, &task(Some("1"), None));
        let before = keys(&kept);
        let theirs = Signer::new(&[9; 32]);
        let unnamed = body::KeyRotation {
            key: before.1.unwrap(),
            named: None,
        };
        for other in [
            name(&theirs, "eu", theirs.key()),
            name(&theirs, "eu", before.1.unwrap()),
            unnamed,
        ] {
            let task = task(Some("1"), Some(&record(&other)));
            assert!(!turn(&mut kept, &task));
            assert!(!turn(&mut kept, &signed(task)));
        }
        // The right record, but not among what is to be signed.
        let mut task = task(Some("1"), Some(&record(&kept.named().unwrap())));
        task.digests = vec![record(&name(&theirs, "eu", theirs.key())).digest()];
        assert!(!turn(&mut kept, &task));
        assert_eq!(keys(&kept), before);
    }
}
