//! What a region that countersigns missed of another one's chain while it was no witness: read from the archive, hashes alone, as much
//! as one task has room for. Where to begin is the region's own word, which stands in its Region's status; so each run goes on from
//! the one before, whoever leads by then.
//!
//! It must never show what is not proven to be the chain that the hub has: a region that notes another one refuses the true one for
//! ever. And what it shows from a place must never end earlier than it did before, or the region takes it for a chain that was cut.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{Context, guard};
use crate::api::{CountersignedTo, Region};
use crate::archive::{self, Archive};
use crate::contract::Witnessed;
use crate::evidence::{Hash, Segment, Tip, extend};
use crate::plan::{self, SigningFacts};
use crate::resolve::{self, Chains};
use crate::status::{Lie, Missed};

/// An archive that did not give what it should is asked again after that.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// So long one may take to give a thousand records' digests: the region's key, its task and its status wait meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a chain stood, and the digests of the records after that.
type Part = (Tip, Vec<Hash>);

/// Why a region is not shown what it missed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unread {
    /// The operator has none.
    #[error(
        "the hub has the next records no more, and the operator has no archive: give it the one that they went into \
         (chart value evidence.archive)"
    )]
    NoArchive,
    /// It does not do what it is asked.
    #[error("{0}")]
    Archive(String),
    /// What it gives is something else.
    #[error(
        "segment {segment} in the archive is not what was sealed: look who changed it, and put the original in its place; \
         audit verify names what differs"
    )]
    Other { segment: String },
    /// They went by rule.
    #[error(
        "records up to {to} went by the rule on how long evidence is kept, so nothing ties what comes next to what was \
         countersigned: verify by an older copy, if there is one, then let the region begin anew"
    )]
    Expired { to: u64 },
}

impl Unread {
    /// Whether it may be otherwise soon, without anything that the hub would hear of.
    fn may_pass(&self) -> bool {
        match self {
            Self::Archive(_) | Self::Other { .. } => true,
            Self::NoArchive | Self::Expired { .. } => false,
        }
    }

    fn of(error: &archive::Error) -> Self {
        Self::Archive(resolve::chain(error))
    }
}

/// What was read for each region of each other one, so that not every look reads it anew.
#[derive(Default)]
pub(super) struct Reads(Mutex<HashMap<(String, String), Read>>);

#[derive(Clone)]
struct Read {
    /// From which record on.
    place: u64,
    /// How far the archive had the chain.
    sealed: u64,
    /// None of it where the hub has all that comes next.
    found: Result<Option<Part>, Unread>,
    again_at: Option<Timestamp>,
}

/// What a region is shown of other regions' chains.
#[derive(Default)]
pub(super) struct Shown {
    /// For its task.
    pub(super) witness: Vec<Witnessed>,
    /// Of those of which it missed something, what was found.
    pub(super) missed: BTreeMap<String, Missed>,
    /// When what could not be read is tried again.
    pub(super) wake_at: Option<Timestamp>,
}

/// Other regions' chains, as far as their own keys have signed them, from where this one has come.
pub(super) async fn shown(by: &Region, context: &Context, now: Timestamp) -> Shown {
    let name = by.name_any();
    let regions = context.reader.regions.state();
    let names: Vec<String> = regions.iter().map(|region| region.name_any()).collect();
    let told = by.status.as_ref().and_then(|told| told.evidence.as_ref());
    let behind = told.map_or(&[][..], |told| told.behind.as_slice());
    let chains = context.ledger.chains();
    let most = SigningFacts::MOST_OF_OTHERS;
    let archive = context.archive.as_ref().map(|(archive, _)| archive);
    let mut shown = Shown::default();
    for region in plan::witnesses(&name, names.iter().map(String::as_str)) {
        let key = (name.clone(), region.to_owned());
        let mut part = None;
        if let Some(said) = behind.iter().find(|one| one.region == region) {
            let source = Source {
                archive,
                chains,
                region,
            };
            let place = u64::try_from(said.sequence).unwrap_or_default();
            let read = context.reads.read(key, &source, (place, most), now).await;
            shown.wake_at = guard::earlier(shown.wake_at, read.again_at);
            let found = read.found.map(|part| source.on(part, (place, most)));
            let missed = missed(said, &found);
            shown.missed.insert(region.to_owned(), missed);
            part = found.ok().flatten();
        } else {
            context.reads.forget(&key);
        }
        let part = part.or_else(|| chains.read(region, |chain| chain.to_witness(&name, most)));
        shown.witness.extend(part.map(|(from, digests)| Witnessed {
            region: region.to_owned(),
            from,
            digests,
        }));
    }
    shown
}

/// What status says of that.
fn missed(said: &CountersignedTo, found: &Result<Option<Part>, Unread>) -> Missed {
    match found {
        Err(why) => Missed {
            problem: Some(why.to_string()),
            is_other: matches!(why, Unread::Other { .. }),
        },
        // The region refuses it, and is shown it all the same: that it did is its own word.
        Ok(Some((from, _))) if from.head.to_string() != said.head => Missed {
            problem: Some(format!(
                "record {} is another by now than the one that was countersigned: compare an export from before with the \
                 archive and the hub, and look for who changed it",
                said.sequence
            )),
            is_other: true,
        },
        Ok(_) => Missed::default(),
    }
}

impl Reads {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, key: &(String, String)) {
        self.lock().remove(key);
    }

    /// What follows a place, as it was read before, or read now.
    async fn read(
        &self,
        key: (String, String),
        source: &Source<'_>,
        (place, most): (u64, usize),
        now: Timestamp,
    ) -> Read {
        let chains = source.chains;
        let sealed = chains.read(source.region, |chain| chain.sealed_to().sequence);
        let known = self.lock().get(&key).cloned();
        let is_known = |read: &Read| {
            (read.place, read.sealed) == (place, sealed)
                && read.again_at.is_none_or(|at| now < at)
                && source.goes_on(read, most)
        };
        if let Some(read) = known.filter(is_known) {
            return read;
        }
        // The region's own signing waits for this.
        let archived = tokio::time::timeout(PATIENCE, source.archived(place, most));
        let found = archived.await.unwrap_or_else(|_| {
            let secs = PATIENCE.as_secs();
            Err(Unread::Archive(format!(
                "it did not answer within {secs} s"
            )))
        });
        let may_pass = found.as_ref().is_err_and(Unread::may_pass);
        let read = Read {
            place,
            sealed,
            found,
            again_at: may_pass.then(|| now.checked_add(AGAIN).unwrap_or(now)),
        };
        self.lock().insert(key, read.clone());
        read
    }
}

/// A region's chain: in the archive, and on the hub.
struct Source<'a> {
    archive: Option<&'a Archive>,
    chains: &'a Chains,
    region: &'a str,
}

impl Source<'_> {
    /// Whether the hub still has what comes after a part that was read, or nothing is to come after it. Records leave the hub once
    /// they are in the archive, and what is shown must not end earlier for that.
    fn goes_on(&self, read: &Read, most: usize) -> bool {
        let end = match &read.found {
            Ok(None) => read.place,
            Ok(Some((_, all))) if all.len() >= most => return true,
            Ok(Some((from, all))) => from.sequence + all.len() as u64,
            Err(_) => return true,
        };
        self.chains
            .read(self.region, |chain| matches!(chain.lie(end), Lie::Here))
    }

    /// What follows a place as far as the hub has it no more: all that there is room for, or nothing.
    async fn archived(&self, place: u64, most: usize) -> Result<Option<Part>, Unread> {
        let mut part: Option<Part> = None;
        let mut tip = None;
        let mut at = place;
        while part.as_ref().is_none_or(|(_, all)| all.len() < most) {
            let (segment, end) = match self.chains.read(self.region, |chain| chain.lie(at)) {
                Lie::Here => break,
                Lie::Archived { segment, end } => (segment, end),
                Lie::Expired(to) => return Err(Unread::Expired { to }),
            };
            let (from, digests) = self.segment(&segment, at, end).await?;
            // Two seals that do not go together.
            if tip.is_some_and(|tip| tip != from) {
                return Err(Unread::Other { segment });
            }
            tip = Some(end);
            at = end.sequence;
            let (_, all) = part.get_or_insert((from, Vec::new()));
            all.extend(digests);
        }
        if let Some((_, all)) = &mut part {
            all.truncate(most);
        }
        Ok(part)
    }

    async fn segment(&self, name: &str, place: u64, end: Tip) -> Result<Part, Unread> {
        let archive = self.archive.ok_or(Unread::NoArchive)?;
        let text = archive.get(name).await;
        let text = text.map_err(|error| Unread::of(&error))?;
        let part = Segment::parse(&text).and_then(|read| read.after(self.region, place, end));
        part.map_err(|_| Unread::Other {
            segment: name.to_owned(),
        })
    }

    /// The same with what follows that on the hub. None where nothing follows yet.
    fn on(&self, part: Option<Part>, (place, most): (u64, usize)) -> Option<Part> {
        self.chains.read(self.region, |chain| {
            let (from, mut digests) = match part {
                Some(part) => part,
                None => (chain.stood(place)?, Vec::new()),
            };
            let tip = extend(from, &digests);
            let room = most.saturating_sub(digests.len());
            digests.extend(chain.signed_after(tip, room));
            (!digests.is_empty()).then_some((from, digests))
        })
    }
}

#[cfg(test)]
mod tests;
