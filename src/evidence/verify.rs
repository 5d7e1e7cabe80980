//! Is this evidence whole, in order, unchanged and signed by whom it should be?
//!
//! Lines go in one by one and only hashes stay, so that a chain of millions fits into memory. Keys come from [`Trust`],
//! which is made from anything but the export.

mod links;
mod seals;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::body;
use super::canonical;
use super::chain::{Tip, link};
use super::checkpoint::{Checkpoint, Countersignature};
use super::commitment::Standing;
use super::expired::{self, Begin};
use super::fault::{Fault, Faults, Name};
use super::hash::Hash;
use super::key::KeyId;
use super::line::Line;
use super::record::{Kind, Record, digest};
use super::untold::blurred;

const FACT: &str = "tradewind.dev/evidence/fact/v1\n";

/// What is known before an export is opened, from anywhere but the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The fleet's id.
    pub fleet: String,
    /// Each region whose evidence is to be there.
    pub regions: BTreeMap<String, Trusted>,
}

/// What is known of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// Its public key when its chain began, or a later one. Keys that rotations name follow from these.
    pub keys: Vec<KeyId>,
    /// How far its chain went when somebody last looked; absent at the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<Tip>,
}

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Region by region.
    pub regions: BTreeMap<String, Checked>,
    /// What is wrong; empty when all is well.
    pub faults: Vec<Fault>,
    /// How many further faults there are.
    pub more: u64,
}

/// What was looked at of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Records.
    pub records: u64,
    /// The last one's place and hash: what to note for the next time. Absent when there is none.
    pub tip: Option<Tip>,
    /// When the first one was recorded.
    pub first: Option<Timestamp>,
    /// When the last one was recorded.
    pub last: Option<Timestamp>,
    /// Signatures of the region that hold.
    pub checkpoints: u64,
    /// Up to which record a trusted signature reaches.
    pub signed: u64,
    /// When that was signed.
    pub signed_at: Option<Timestamp>,
    /// Records behind it.
    pub unsigned: u64,
    /// Signatures of other regions that hold, by region: up to which record.
    pub witnesses: BTreeMap<String, u64>,
    /// How often the key changed.
    pub rotations: u64,
    /// Segments of the archive whose records are all here, and are those that were sealed.
    pub segments: u64,
    /// Sums with numbers that are not told, and that hold by commitments to these.
    #[serde(skip_serializing_if = "is_none")]
    pub committed: u64,
    /// Sums with numbers that are not told and that nothing stands for: nobody can tell whether they hold.
    #[serde(skip_serializing_if = "is_none")]
    pub uncommitted: u64,
    /// Up to which record they went, by the rule on how long evidence is kept, and are not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<u64>,
    /// The first record that was looked at, where others went before it.
    #[serde(skip)]
    pub begins: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_none(sums: &u64) -> bool {
    *sums == 0
}

/// Records that say up to which others went, by their place.
type Expiries = BTreeMap<u64, Vec<(Hash, body::Expiry)>>;

/// Records that tell of a segment, by their place.
type Seals = BTreeMap<u64, Vec<(Hash, body::Seal)>>;

/// Records that name a key, by their place.
type Rotations = BTreeMap<u64, Vec<(Hash, body::KeyRotation)>>;

/// A record without its content.
#[derive(Clone, Copy, Debug)]
struct Link {
    sequence: u64,
    previous: Hash,
    hash: Hash,
    at: Timestamp,
    fact: [u8; 16],
}

/// What came in of one region, in its order.
#[derive(Clone, Debug, Default)]
struct Chain {
    links: Vec<Link>,
    rotations: Rotations,
    seals: Seals,
    expiries: Expiries,
    checkpoints: Vec<Checkpoint>,
    countersignatures: Vec<Countersignature>,
    committed: u64,
    uncommitted: u64,
}

impl Chain {
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
    fn expired(&self, line: &[Link]) -> u64 {
        let all = self.told(line).map(|(_, tip)| tip.sequence);
        all.max().unwrap_or_default()
    }

    /// Where its records begin, when others went before them.
    fn begin(&self, line: &[Link]) -> Option<Begin> {
        let places: Vec<u64> = line.iter().map(|link| link.sequence).collect();
        expired::begin(&places, self.told(line))
    }

    /// Leaves out what hangs together with nothing any more; says what the first record is to follow.
    fn begin_with(&mut self, line: &mut Vec<Link>, begin: Begin) -> Tip {
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

/// Takes lines, then tells.
#[derive(Clone, Debug)]
pub struct Verifier<'a> {
    trust: &'a Trust,
    chains: BTreeMap<String, Chain>,
    faults: Faults,
    lines: u64,
}

impl<'a> Verifier<'a> {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(trust: &'a Trust) -> Self {
        Self {
            trust,
            chains: BTreeMap::new(),
            faults: Faults::default(),
            lines: 0,
        }
    }

    /// Takes a text of lines, each ended by a line feed; hands each record on to `each`.
    pub fn text(&mut self, text: &[u8], mut each: impl FnMut(Record)) {
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() {
                self.line(line).into_iter().for_each(&mut each);
            } else if !line.is_empty() {
                self.lines += 1;
                let says = format!("line {} is not ended: it was cut off", self.lines);
                self.faults.add(Name::NonCanonical, "", None, says);
            }
        }
    }

    /// Takes a line without its line feed; hands a record back for whoever reads on.
    pub fn line(&mut self, line: &[u8]) -> Option<Record> {
        self.lines += 1;
        let record = match Line::parse(line) {
            Ok(Line::Record(record)) => record,
            Ok(Line::Checkpoint(signed)) => {
                self.chain(&signed.region.clone()).checkpoints.push(signed);
                return None;
            }
            Ok(Line::Countersignature(signed)) => {
                let chain = self.chain(&signed.region.clone());
                chain.countersignatures.push(signed);
                return None;
            }
            Err(error) => {
                self.unreadable(line, &error);
                return None;
            }
        };
        let bytes = super::line::record(line).unwrap_or_default();
        let hash = link(&record.previous, &digest(bytes));
        let made = Link {
            sequence: record.sequence,
            previous: record.previous,
            hash,
            at: record.at,
            fact: fact(&record),
        };
        let chain = self.chain(&record.region);
        chain.links.push(made);
        if record.kind == Kind::KeyRotation
            && let Ok(rotation) = canonical::read::<body::KeyRotation>(&record.body)
        {
            let named = chain.rotations.entry(record.sequence).or_default();
            named.push((hash, rotation));
        }
        if record.kind == Kind::Seal
            && let Ok(seal) = canonical::read::<body::Seal>(&record.body)
        {
            let told = chain.seals.entry(record.sequence).or_default();
            told.push((hash, seal));
        }
        if record.kind == Kind::Seal
            && let Ok(expiry) = canonical::read::<body::Expiry>(&record.body)
        {
            let told = chain.expiries.entry(record.sequence).or_default();
            told.push((hash, expiry));
        }
        self.sums(&record);
        Some(record)
    }

    /// Numbers that are not told must add up by what stands for them.
    fn sums(&mut self, record: &Record) {
        for one in blurred(record) {
            let chain = self.chain(&record.region);
            match one.standing {
                Standing::Committed | Standing::Told => chain.committed += 1,
                Standing::Open => chain.uncommitted += 1,
                // A copy's rows are parts of nothing.
                Standing::Alone => {}
                Standing::Broken => {
                    let says = format!(
                        "{}: what is told and what is committed to do not add up",
                        one.of
                    );
                    let (region, sequence) = (&record.region, Some(record.sequence));
                    self.faults.add(Name::SumBroken, region, sequence, says);
                }
            }
        }
    }

    fn chain(&mut self, region: &str) -> &mut Chain {
        // A look first: a name is copied once a region, not once a record.
        if !self.chains.contains_key(region) {
            self.chains.insert(region.to_owned(), Chain::default());
        }
        self.chains.entry(region.to_owned()).or_default()
    }

    /// A line that is none. It may still say which record it wants to be.
    fn unreadable(&mut self, line: &[u8], error: &canonical::Error) {
        let json: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let of = ["record", "checkpoint", "countersignature"];
        let inner = of.iter().find_map(|key| json.get(key)).unwrap_or(&json);
        let region = inner["region"].as_str().unwrap_or_default();
        let sequence = inner["sequence"].as_u64();
        let mut says = format!("line {}: {error}", self.lines);
        if let Some(cause) = std::error::Error::source(error) {
            says = format!("{says}: {cause}");
        }
        self.faults.add(Name::NonCanonical, region, sequence, says);
    }

    /// Tells. `now` and `bound` decide whether records after the last signature have waited for too long.
    #[must_use]
    pub fn finish(mut self, now: Timestamp, bound: SignedDuration) -> Report {
        let mut seen = BTreeMap::new();
        let chains = std::mem::take(&mut self.chains);
        let named = self.trust.regions.keys().chain(chains.keys());
        for region in named.cloned().collect::<BTreeSet<String>>() {
            let given = chains.get(&region).cloned().unwrap_or_default();
            let one = self.own(&region, given, (now, bound));
            seen.insert(region, one);
        }
        signatures::others(&mut seen, &mut self.faults);
        let order = |fault: &Fault| (fault.region.clone(), fault.sequence, fault.name);
        self.faults.told.sort_by_key(order);
        Report {
            regions: seen
                .into_iter()
                .map(|(region, one)| (region, one.checked))
                .collect(),
            faults: self.faults.told,
            more: self.faults.more,
        }
    }

    /// What a region's own lines say.
    fn own(&mut self, region: &str, mut given: Chain, bound: (Timestamp, SignedDuration)) -> Seen {
        let trusted = self.trust.regions.get(region);
        if trusted.is_none() {
            let says = "no key of this region is trusted: name it in the trust file".to_owned();
            self.faults.add(Name::UntrustedKey, region, None, says);
        }
        if trusted.is_some() && given.links.is_empty() {
            let says = "the trust file names the region, and there is no record of it".to_owned();
            self.faults.add(Name::Missing, region, Some(1), says);
        }
        let tips: BTreeSet<(u64, Hash)> = given
            .checkpoints
            .iter()
            .map(|signed| (signed.tip.sequence, signed.tip.head))
            .collect();
        let mut view = links::View {
            region,
            faults: &mut self.faults,
        };
        let mut line = view.line(std::mem::take(&mut given.links), &tips);
        let begin = given.begin(&line);
        let begins = match begin {
            None => Tip::genesis(&self.trust.fleet, region),
            Some(begin) => given.begin_with(&mut line, begin),
        };
        view.facts(&line, given.expired(&line));
        let broken = view.breaks(&line, &begins, &tips);
        let mut seen = Seen {
            checked: Checked {
                records: line.len() as u64,
                tip: line.last().map(|last| Tip {
                    head: last.hash,
                    sequence: last.sequence,
                }),
                first: line.first().map(|first| first.at),
                last: line.last().map(|last| last.at),
                expired: begin.map(|begin| begin.expired.sequence),
                begins: begin.map_or(0, |begin| begin.first),
                committed: given.committed,
                uncommitted: given.uncommitted,
                ..Checked::default()
            },
            line,
            broken,
            keys: trusted.map(|t| t.keys.clone()).unwrap_or_default(),
            rotations: given.rotations,
            countersignatures: given.countersignatures,
        };
        let mut view = signatures::View {
            region,
            faults: &mut self.faults,
        };
        view.checkpoints(&mut seen, given.checkpoints);
        view.seals(&mut seen, &given.seals);
        view.expired(&seen, &given.expiries, begin);
        if let Some(noted) = trusted.and_then(|trusted| trusted.noted) {
            view.noted(&seen, &noted);
        }
        view.later(&seen, bound.0);
        view.tail(&mut seen, bound);
        seen
    }
}

/// What stands of a region after its own lines were looked at.
struct Seen {
    checked: Checked,
    /// Its records, one for each place that there is.
    line: Vec<Link>,
    /// Indexes in `line` that do not follow the one before.
    broken: Vec<usize>,
    /// Every key that was ever trusted.
    keys: Vec<KeyId>,
    rotations: Rotations,
    countersignatures: Vec<Countersignature>,
}

impl Seen {
    /// The hash of a record; absent when the record is.
    fn hash(&self, sequence: u64) -> Option<Hash> {
        let at = self.index(sequence)?;
        Some(self.line[at].hash)
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        self.line
            .binary_search_by_key(&sequence, |link| link.sequence)
            .ok()
    }

    /// The last place; 0 when there is none.
    fn end(&self) -> u64 {
        self.line.last().map_or(0, |last| last.sequence)
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

#[cfg(test)]
mod tests;
