//! What a Region's look does for its old records: into the archive, and then from the hub.
//!
//! Each step looks at what is there: a segment that a killed process wrote is found by its name and taken as it is, if it is
//! what the chain has; its record is found by its source; and a record that is marked is deleted, whoever marked it. So
//! nothing is remembered between two looks, and nothing goes that the archive has not given back and the region's key
//! has not signed for.

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::Context;
use super::guard;
use super::retry::Error;
use crate::apply::Again;
use crate::archive::Archive;
use crate::evidence::{Segment, Tip, canonical, segment};
use crate::plan::{self, KeptFor};
use crate::status::{self, Expiring, Sealing};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) again: Option<Again>,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) problem: Option<Error>,
}

impl Sealed {
    /// Of a step that was taken, or could not be.
    pub(super) fn of(done: Result<(), Error>) -> Self {
        match done {
            Ok(()) => Self {
                again: Some(Again::Soon),
                ..Self::default()
            },
            // Somebody else wrote meanwhile: that wakes this look anew.
            Err(error) if error.is_behind() => Self::default(),
            Err(problem) => Self {
                problem: Some(problem),
                ..Self::default()
            },
        }
    }
}

/// Takes one step.
pub(super) async fn attend(
    region: &str,
    kept: Option<&KeptFor>,
    context: &Context,
    now: Timestamp,
) -> Sealed {
    let Some((archive, rule)) = &context.archive else {
        return Sealed::default();
    };
    let chains = context.ledger.chains();
    let regions = context.reader.regions.state();
    let names: Vec<String> = regions.iter().map(|region| region.name_any()).collect();
    let others = plan::countersigners(region, names.iter().map(String::as_str));
    let next = chains.read(region, |chain| chain.sealing(*rule, &others, now));
    let done = match next {
        Sealing::Wait(wake_at) => {
            let mut expired = expire(region, (archive, kept, &others), context, now).await;
            expired.wake_at = guard::earlier(wake_at, expired.wake_at);
            return expired;
        }
        Sealing::Remove(gone) => context.ledger.remove(region, &gone).await,
        Sealing::Seal { after, last } => {
            let place = Place {
                region,
                after,
                last,
            };
            place.seal(archive, context, now).await
        }
    };
    Sealed::of(done)
}

/// The oldest segment goes, once it was kept for long enough: that is recorded, the region signs it, and then it is
/// deleted. A process that is killed leaves a segment whose deletion is recorded: it goes at the next look.
async fn expire(
    region: &str,
    (archive, kept, others): (&Archive, Option<&KeptFor>, &[&str]),
    context: &Context,
    now: Timestamp,
) -> Sealed {
    let chains = context.ledger.chains();
    let gone = chains.read(region, |chain| chain.gone().map(str::to_owned));
    if let Some(segment) = gone {
        match archive.remove(&segment).await {
            Ok(true) => {
                tracing::info!(segment, "old evidence was kept for as long as it had to be");
            }
            Ok(false) => {}
            Err(problem) => return Sealed::of(Err(Error::Archive(problem))),
        }
    }
    let Some(kept) = kept else {
        return Sealed::default();
    };
    match chains.read(region, |chain| chain.expiring(kept, others, now)) {
        Expiring::Wait(wake_at) => Sealed {
            wake_at,
            ..Sealed::default()
        },
        Expiring::Record(expiry) => {
            let told = [status::expired(region, &expiry)];
            let written = context.ledger.append(region, &told, now).await;
            Sealed::of(written.map(|_| ()))
        }
    }
}

/// The records that are next.
struct Place<'a> {
    region: &'a str,
    after: Tip,
    last: u64,
}

impl Place<'_> {
    async fn seal(
        &self,
        archive: &Archive,
        context: &Context,
        now: Timestamp,
    ) -> Result<(), Error> {
        let first = self.after.sequence + 1;
        let found = archive.beginning(self.region, first).await;
        let name = if let Some(name) = found.map_err(Error::Archive)? {
            name
        } else {
            let name = segment(self.region, first, self.last);
            let records = context.ledger.segment(self.region, (first, self.last));
            let text = records.await?.text().map_err(|_| Error::Unwritable)?;
            archive.put(&name, &text).await.map_err(Error::Archive)?;
            name
        };
        // What it gives back is what counts.
        let text = archive.get(&name).await.map_err(Error::Archive)?;
        let strange = || Error::StrangeSegment { name: name.clone() };
        let kept = Segment::parse(&text).map_err(|_| strange())?;
        let seal = kept.seal(self.region, self.after, archive.name());
        let seal = seal.map_err(|_| strange())?;
        let is_ours = kept.tip().is_some_and(|tip| {
            let chains = context.ledger.chains();
            chains.read(self.region, |chain| chain.holds(&tip))
        });
        if !is_ours || seal.segment != name {
            return Err(strange());
        }
        let body = canonical::object(&seal).map_err(|_| Error::Unwritable)?;
        let told = [status::sealed(self.region, seal.segment, body)];
        context.ledger.append(self.region, &told, now).await?;
        tracing::info!(segment = name, "old records of evidence are in the archive");
        Ok(())
    }
}
