//! Is this evidence whole, in order, unchanged and signed by whom it should be?
//!
//! Lines go in one by one and only hashes stay, so that a chain of millions fits into memory. Keys come from [`Trust`],
//! which is made from anything but the export.

mod earlier;
mod given;
mod links;
mod seals;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::canonical;
use super::chain::{Tip, link};
use super::checkpoint::Countersignature;
use super::commitment::Standing;
use super::expired::Keep;
use super::fault::{Fault, Faults, Name};
use super::hash::Hash;
use super::key::KeyId;
use super::line::Line;
use super::record::{Record, digest};
use super::untold::{astray, blurred, must_add_up};
use given::{Chain, Link, Rotations};

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
    /// Its public key when its chain began, or a later one. Keys that rotations name follow from these; what one before them
    /// signed is no fault where these signed it as well.
    pub keys: Vec<KeyId>,
    /// How far its chain went when somebody last looked; absent at the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<Tip>,
    /// For how long its evidence is to be kept at least, by whoever verifies: `P6Y`. Absent: that is the hub's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// When the region was given up, by whoever verifies: its key is to sign no longer than until then. Absent: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
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
    /// For how long those were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The record that the trust file notes, where it went with them: the note proves nothing of what is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noted_gone: Option<u64>,
    /// The first record that was looked at, where others went before it.
    #[serde(skip)]
    pub begins: u64,
}

/// For how long evidence was kept that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// What the record says that tells of it: `P6Y`.
    pub period: String,
    /// Whether signatures of the region show by their times that so much time went by. Else that is the hub's word.
    pub by_region: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_none(sums: &u64) -> bool {
    *sums == 0
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
        let chain = self.chain(&record.region);
        chain.links.push(Link::of(&record, hash));
        chain.note(&record, hash);
        self.sums(&record);
        Some(record)
    }

    /// Numbers must add up, those that are not told by what stands for them.
    fn sums(&mut self, record: &Record) {
        for one in blurred(record) {
            let chain = self.chain(&record.region);
            match one.standing {
                Standing::Committed | Standing::Told => chain.committed += 1,
                Standing::Open => chain.uncommitted += 1,
                // A copy's rows, and a preview's, are parts of nothing.
                Standing::Alone if !must_add_up(record) => {}
                Standing::Alone | Standing::Broken => {
                    let says = format!(
                        "{}: what is told and what is committed to do not add up",
                        one.of
                    );
                    self.sum(record, says);
                }
            }
        }
        for (of, whole, parts) in astray(record) {
            self.sum(
                record,
                format!("{of}: {whole} rows, and what became of them is told of {parts}"),
            );
        }
    }

    fn sum(&mut self, record: &Record, says: String) {
        let (region, sequence) = (&record.region, Some(record.sequence));
        self.faults.add(Name::SumBroken, region, sequence, says);
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

    /// Tells. `as_of` and `bound` decide whether records after the last signature have waited for too long.
    #[must_use]
    pub fn finish(mut self, as_of: AsOf, bound: SignedDuration) -> Report {
        let mut seen = BTreeMap::new();
        let chains = std::mem::take(&mut self.chains);
        let named = self.trust.regions.keys().chain(chains.keys());
        for region in named.cloned().collect::<BTreeSet<String>>() {
            let given = chains.get(&region).cloned().unwrap_or_default();
            let one = self.own(&region, given, (as_of, bound));
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
    fn own(
        &mut self,
        region: &str,
        mut given: Chain,
        (as_of, bound): (AsOf, SignedDuration),
    ) -> Seen {
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
                expired: begin.map(|begin| begin.expired.sequence),
                begins: begin.map_or(0, |begin| begin.first),
                committed: given.committed,
                uncommitted: given.uncommitted,
                ..Checked::of(&line)
            },
            line,
            broken,
            keys: trusted.map(|t| t.keys.clone()).unwrap_or_default(),
            earlier: Vec::new(),
            rotations: std::mem::take(&mut given.rotations),
            countersignatures: std::mem::take(&mut given.countersignatures),
            signatures: Vec::new(),
            replaced: BTreeMap::new(),
        };
        let mut view = signatures::View {
            region,
            faults: &mut self.faults,
        };
        view.checkpoints(&mut seen, std::mem::take(&mut given.checkpoints));
        view.seals(&mut seen, &given.seals);
        let keep = trusted.and_then(|trusted| trusted.keep.as_ref());
        view.expired(&mut seen, &given, (begin, keep));
        if let Some(noted) = trusted.and_then(|trusted| trusted.noted) {
            view.noted(&mut seen, &noted, begin);
        }
        view.later(&seen, as_of.at());
        let ended = trusted.and_then(|trusted| trusted.ended);
        view.tail(&mut seen, (as_of, bound), ended);
        seen
    }
}

/// As of when evidence is verified.
#[derive(Clone, Copy, Debug)]
pub enum AsOf {
    /// A moment: silence since then is a fault.
    Moment(Timestamp),
    /// The last record of all regions: the same evidence, the same answer, whenever it is asked for. Each region's signatures are
    /// asked to reach its own latest record, and nothing is said of the time after that.
    Latest(Timestamp),
}

impl AsOf {
    /// The moment.
    #[must_use]
    pub const fn at(self) -> Timestamp {
        match self {
            Self::Moment(at) | Self::Latest(at) => at,
        }
    }

    /// Up to when the signatures of a region are asked to reach: its latest record or signature, wherever in the chain that stands, as
    /// whoever goes on with a chain writes the dates.
    fn within(self, seen: &Seen) -> Timestamp {
        let records = seen.line.iter().map(|link| link.at);
        let signatures = seen.signatures.iter().map(|(_, at)| *at);
        match self {
            Self::Moment(at) => at,
            Self::Latest(at) => records.chain(signatures).max().unwrap_or(at),
        }
    }
}

impl Checked {
    /// Of the records that are there.
    fn of(line: &[Link]) -> Self {
        Self {
            records: line.len() as u64,
            tip: line.last().map(|last| Tip {
                head: last.hash,
                sequence: last.sequence,
            }),
            first: line.first().map(|first| first.at),
            last: line.last().map(|last| last.at),
            ..Self::default()
        }
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
    /// Those that may have been before them.
    earlier: Vec<KeyId>,
    rotations: Rotations,
    countersignatures: Vec<Countersignature>,
    /// Its own signatures that hold: up to which record, and when, in the order of the records.
    signatures: Vec<(u64, Timestamp)>,
    /// Keys that another one replaced, each with when it signed that.
    replaced: BTreeMap<KeyId, Timestamp>,
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

    /// The index of the first record from which on each one up to this one follows the one before it.
    fn unbroken(&self, at: usize) -> usize {
        let begins = self.broken.partition_point(|broken| *broken <= at);
        begins.checked_sub(1).map_or(0, |nth| self.broken[nth])
    }

    /// The last place; 0 when there is none.
    fn end(&self) -> u64 {
        self.line.last().map_or(0, |last| last.sequence)
    }
}

#[cfg(test)]
mod tests;
