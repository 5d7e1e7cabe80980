//! `attest`: sign how far the region's chain of evidence goes, with a key that the region alone has.
//!
//! In: a task with the hashes of the records since the last signature. Out: a report with the new one. The key is made
//! here and stays in a Secret that nobody else has a right to read; beside it stands what it signed last. It must never
//! sign what is not proven to be an extension of that.

mod error;
mod extension;
mod kept;
mod succession;
mod witness;

use jiff::Timestamp;

pub use super::custody::Options;
use super::custody::{Custody, Place};
use super::report::Shrink;
use super::{Begun, Stop};
use crate::contract::{Attest, AttestReport, Outcome, Report, Task};
use crate::evidence::{self, Tip};
use error::Error;
use kept::Kept;

impl Shrink for AttestReport {
    fn shrink(&mut self) -> bool {
        false
    }
}

/// Signs once.
pub async fn run(task: Task<Attest>, options: Options, stop: Stop) -> Report<AttestReport> {
    let begun = Begun::now("attest");
    let signing = attest(&task, &options);
    let signed = tokio::select! {
        signed = signing => signed,
        () = stop.requested() => Err(Error::Stopped),
    };
    match signed {
        Ok(report) => {
            let sequence = report.checkpoint.as_ref().map(|made| made.tip.sequence);
            let message = format!("signed up to record {}", sequence.unwrap_or_default());
            begun.ended(Outcome::Done, "Done", &message, Some(report))
        }
        Err(error) => {
            let message = super::error_chain(&error);
            begun.ended(error.outcome(), error.reason(), &message, None)
        }
    }
}

/// What is signed is written down before it is: killed between the two, the next run signs the same or what extends it.
async fn attest(task: &Task<Attest>, options: &Options) -> Result<AttestReport, Error> {
    let spec = &task.spec;
    let custody = Custody::open(&Place {
        credentials: &options.credentials,
        api_server: spec.api_server.as_deref(),
        secret: &spec.secret,
    })?;
    let (mut kept, is_new) = match kept::kept(&custody, &task.region).await? {
        Some(kept) => (kept, false),
        None => (Kept::made(&task.region)?, true),
    };
    let tip = match kept.signed() {
        Some(last) => extension::prove(last, spec.from, &spec.digests)?,
        None => evidence::extend(spec.from, &spec.digests),
    };
    if tip.sequence == 0 {
        return Err(Error::Nothing);
    }
    let is_turned = if is_new {
        kept.is_asked(spec.rotate.as_deref());
        false
    } else {
        kept.turn(spec, tip)?
    };
    let seen = kept.witness(&spec.witness);
    let is_changed = is_turned || seen.is_further();
    keep(&custody, &kept, tip, (is_new, is_changed)).await?;
    let now = Timestamp::now();
    let checkpoint = evidence::checkpoint(kept.signer(), &task.region, tip, now)?;
    Ok(AttestReport {
        checkpoint: Some(checkpoint),
        is_new,
        next: kept.named(),
        rotated: kept.rotated().map(str::to_owned),
        countersignatures: seen.sign(&kept, now)?,
        unproven: seen.unproven,
        behind: seen.behind,
    })
}

async fn keep(
    custody: &Custody,
    kept: &Kept,
    tip: Tip,
    (is_new, is_changed): (bool, bool),
) -> Result<(), Error> {
    if is_new {
        tracing::info!(key = %kept.signer().key(), "a key was made for the region's evidence");
        return kept::create(custody, kept, tip).await;
    }
    if kept.signed() == Some(tip) && !is_changed {
        return Ok(());
    }
    kept::update(custody, kept, tip).await
}
