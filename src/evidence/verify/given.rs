//! What came in of a region, before it is judged.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::body;
use super::super::canonical::{self, Value};
use super::super::chain::Tip;
use super::super::checkpoint::{Checkpoint, Countersignature};
use super::super::expired::{self, Begin};
use super::super::hash::Hash;
use super::super::record::{About, Kind, Record};

const FACT: &str = "tradewind.dev/evidence/fact/v1\n";

/// Records that say up to which others went, by their place.
pub(super) type Expiries = BTreeMap<u64, Vec<(Hash, body::Expiry)>>;

/// Records that tell of a segment, by their place.
pub(super) type Seals = BTreeMap<u64, Vec<(Hash, body::Seal)>>;

/// Records that name a key, by their place.
pub(super) type Rotations = BTreeMap<u64, Vec<(Hash, body::KeyRotation)>>;

/// Records that tell how a legal hold stands, by their place.
pub(super) type Holds = BTreeMap<u64, Vec<(Hash, Word)>>;

/// How a legal hold stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) hold: About,
    pub(super) holds: bool,
}

/// A record without its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) previous: Hash,
    pub(super) hash: Hash,
    pub(super) at: Timestamp,
    pub(super) fact: [u8; 16],
}

/// What came in of one region, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) rotations: Rotations,
    pub(super) seals: Seals,
    pub(super) expiries: Expiries,
    pub(super) holds: Holds,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) countersignatures: Vec<Countersignature>,
    pub(super) committed: u64,
    pub(super) uncommitted: u64,
}

impl Link {
    pub(super) fn of(record: &Record, hash: Hash) -> Self {
        Self {
            sequence: record.sequence,
            previous: record.previous,
            hash,
            at: record.at,
            fact: fact(record),
        }
    }
}

impl Chain {
    /// Keeps what later records, or none, are compared with.
    pub(super) fn note(&mut self, record: &Record, hash: Hash) {
        let (place, body) = (record.sequence, &record.body);
        match record.kind {
            Kind::KeyRotation => {
                if let Ok(rotation) = canonical::read::<body::KeyRotation>(body) {
                    self.rotations
                        .entry(place)
                        .or_default()
                        .push((hash, rotation));
                }
            }
            Kind::Seal => {
                if let Ok(seal) = canonical::read::<body::Seal>(body) {
                    self.seals.entry(place).or_default().push((hash, seal));
                }
                if let Ok(expiry) = canonical::read::<body::Expiry>(body) {
                    self.expiries.entry(place).or_default().push((hash, expiry));
                }
            }
            Kind::Hold => {
                let word = Word {
                    hold: record.about.clone(),
                    holds: body.get("state") != Some(&Value::Text("Released".to_owned())),
                };
                self.holds.entry(place).or_default().push((hash, word));
            }
            _ => {}
        }
    }

    /// What the records that stand say of others that went.
    fn told(&self, line: &[Link]) -> impl Iterator<Item = (u64, Tip)> {
        let stands = move |place: u64, hash: &Hash| {
            let at = line.binary_search_by_key(&place, |link| link.sequence);
            at.is_ok_and(|at| line[at].hash == *hash)
        };
        let all = self.expiries.iter();
        let all = all.flat_map(|(place, told)| told.iter().map(move |one| (*place, one)));
        let standing = all.filter(move |(place, (hash, _))| stands(*place, hash));
        standing.map(|(place, (_, expiry))| (place, expiry.expired))
    }

    /// Up to which record they went, whether they are here or not.
    pub(super) fn expired(&self, line: &[Link]) -> u64 {
        let all = self.told(line).map(|(_, tip)| tip.sequence);
        all.max().unwrap_or_default()
    }

    /// Where its records begin, when others went before them.
    pub(super) fn begin(&self, line: &[Link]) -> Option<Begin> {
        let places: Vec<u64> = line.iter().map(|link| link.sequence).collect();
        expired::begin(&places, self.told(line))
    }

    /// Leaves out what hangs together with nothing any more; says what the first record is to follow.
    pub(super) fn begin_with(&mut self, line: &mut Vec<Link>, begin: Begin) -> Tip {
        line.retain(|link| link.sequence >= begin.first);
        self.checkpoints
            .retain(|signed| signed.tip.sequence >= begin.first);
        self.countersignatures
            .retain(|signed| signed.tip.sequence >= begin.first);
        let older = line
            .first()
            .filter(|_| begin.first <= begin.expired.sequence);
        older.map_or(begin.expired, |first| Tip {
            head: first.previous,
            sequence: begin.first - 1,
        })
    }
}

/// What a record tells of, for finding the same fact twice.
fn fact(record: &Record) -> [u8; 16] {
    let about = &record.about;
    let namespace = about.namespace.as_deref().unwrap_or_default();
    let parts = [
        record.kind.word(),
        &about.kind,
        namespace,
        &about.name,
        &record.source,
    ];
    let parts = parts.map(str::as_bytes);
    // A zero byte ends each: names of Kubernetes have none.
    let ended: Vec<&[u8]> = parts.iter().flat_map(|part| [*part, &b"\0"[..]]).collect();
    let whole = Hash::of(FACT, &ended).0;
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}
