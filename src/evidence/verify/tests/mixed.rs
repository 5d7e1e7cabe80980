//! Evidence of every kind of line and of what verification follows: two regions that countersign one another, a change of
//! key, numbers that are not told, and records that went by rule.

use super::super::super::{
    About, Entry, Kind, Object, Record, Signer, Witness, canonical, checkpoint, countersign, name,
    root, seal, segment,
};
use super::world::{World, entry, moment, region, signer};
use super::*;
use crate::contract::{Count, RetainedRule, Sum};
use crate::evidence::Salt;

/// Places of the first region's chain: its key names another one, a run has numbers that are not told, what went is sealed,
/// and it is told.
const NAMED: u64 = 20;
const FEW: u64 = 30;
const SEALED: u64 = 59;
const LAST: u64 = 60;
/// How many the second region has.
const OTHER: u64 = 60;
/// The last that went, and when that was told.
const WENT: u64 = 10;
const TOLD: i64 = 89_950;

/// A trust file and the lines of what is still here.
pub(super) fn mixed() -> (Trust, Vec<Vec<u8>>) {
    let next = Signer::new(&[9; 32]);
    let first = chain(&next);
    let second = other();
    let trust = World::of(2, 0).trust();
    let signed = |signer: &Signer, of: usize, tip: Tip, at: i64| {
        Line::Checkpoint(checkpoint(signer, &region(of), tip, moment(at)).unwrap())
    };
    let witness = |signer: &Signer, (by, of): (usize, usize), previous: Option<Tip>, tip: Tip| {
        let witness = Witness {
            by: &region(by),
            region: &region(of),
            previous,
        };
        Line::Countersignature(countersign(signer, witness, tip, moment(89_990)).unwrap())
    };
    let at =
        |records: &[Record], place: u64| Tip::of(&records[usize::try_from(place - 1).unwrap()]);
    let (tip, end) = (at(&first, LAST), at(&second, OTHER));
    let signatures = [
        signed(&signer(0), 0, at(&first, NAMED), 1230),
        signed(&next, 0, at(&first, SEALED), 3545),
        signed(&next, 0, tip, 89_990),
        signed(&signer(1), 1, end, 89_990),
        witness(&signer(1), (1, 0), Some(at(&first, 40)), tip),
        witness(&next, (0, 1), None, end),
    ];
    let here = first.into_iter().skip(usize::try_from(WENT).unwrap());
    let records = here.chain(second).map(Line::Record);
    let all = records.chain(signatures);
    (trust, all.map(|line| line.canonical().unwrap()).collect())
}

/// The second region's records.
fn other() -> Vec<Record> {
    let mut tip = Tip::genesis("aurora", &region(1));
    let mut all = Vec::new();
    for sequence in 1..=OTHER {
        let record = entry(sequence, 9).append(&region(1), &tip);
        tip = Tip::of(&record);
        all.push(record);
    }
    all
}

fn chain(next: &Signer) -> Vec<Record> {
    let mut tip = Tip::genesis("aurora", &region(0));
    let mut all: Vec<Record> = Vec::new();
    for sequence in 1..=LAST {
        let plain = entry(sequence, 7);
        let entry = match sequence {
            NAMED => Entry {
                kind: Kind::KeyRotation,
                body: canonical::object(&name(&signer(0), &region(0), next.key())).unwrap(),
                ..plain
            },
            FEW => Entry {
                body: few(),
                ..plain
            },
            SEALED => Entry {
                kind: Kind::Seal,
                about: About::cluster("Region", &region(0)),
                body: canonical::object(&sealed(&all)).unwrap(),
                ..plain
            },
            LAST => Entry {
                kind: Kind::Seal,
                at: moment(TOLD),
                about: About::cluster("Region", &region(0)),
                body: canonical::object(&gone(&all)).unwrap(),
                ..plain
            },
            _ => plain,
        };
        let record = entry.append(&region(0), &tip);
        tip = Tip::of(&record);
        all.push(record);
    }
    all
}

fn sealed(records: &[Record]) -> body::Seal {
    let here = &records[..usize::try_from(WENT).unwrap()];
    body::Seal {
        archive: "s3://evidence".to_owned(),
        segment: segment(&region(0), 1, WENT),
        first: 1,
        last: WENT,
        head: here.last().unwrap().hash(),
        root: root(here.iter().map(Record::hash)),
        sources: String::new(),
    }
}

fn gone(records: &[Record]) -> body::Expiry {
    body::Expiry {
        expired: Tip::of(&records[usize::try_from(WENT - 1).unwrap()]),
        segment: segment(&region(0), 1, WENT),
        kept: "P1D".to_owned(),
        regimes: Vec::new(),
    }
}

/// Of 130 due rows 3 are held, and the number of those that went is withheld.
fn few() -> Object {
    let zero = Count::ZERO;
    let parts = [
        Count::WITHHELD,
        Count::below(5),
        zero,
        zero,
        zero,
        zero,
        27.into(),
    ];
    let sum = Sum {
        whole: 130.into(),
        parts: parts.to_vec(),
    };
    let salt = |place: usize| Salt::new(&[u8::try_from(place).unwrap() + 1; 64]);
    let openings = seal(&sum, (130, &[100, 3, 0, 0, 0, 0, 27]), salt);
    let commitments: Vec<_> = openings.iter().map(|opening| opening.commitment).collect();
    let mut rule = serde_json::json!({"name": "letters", "rows": 9000, "due": sum.whole, "commitments": commitments});
    for (term, count) in RetainedRule::PARTS.iter().zip(&sum.parts) {
        if !count.is_zero() || ["blocked", "remaining"].contains(term) {
            rule[*term] = serde_json::json!(count);
        }
    }
    let body =
        serde_json::json!({"job": "j", "mode": "Enforce", "reason": "Done", "rules": [rule]});
    canonical::object(&body).unwrap()
}
