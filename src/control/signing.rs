//! What a Region's look does for its evidence: what signs it is made there, what it signed is written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::Context;
use super::everywhere::{self, everywhere};
use super::guard;
use super::intent::announce;
use super::missed;
use super::retry::Error;
use super::sealing;
use crate::api::{InventoryEntry, Region, RequestsStatus, SigningStatus};
use crate::apply::Again;
use crate::contract::Witnessed;
use crate::evidence::body::KeyRotation;
use crate::evidence::{Countersignature, KeyId};
use crate::observe;
use crate::plan::{self, KeptFor, SigningFacts};
use crate::resolve::Looks;
use crate::status::{self, Missed, Signed};

/// What came of it.
pub(super) struct Signing {
    /// The Region, with what was announced in its status.
    pub(super) region: Arc<Region>,
    /// For its status.
    pub(super) status: SigningStatus,
    /// For its status too.
    pub(super) requests: Option<RequestsStatus>,
    /// What is left of it in the region.
    pub(super) left: Option<String>,
    pub(super) again: Option<Again>,
    pub(super) wake_at: Option<Timestamp>,
    /// What could not be written to the chain.
    pub(super) unwritten: Option<Error>,
}

/// Looks after a Region's evidence. None when the look is to begin anew.
pub(super) async fn attend(
    region: &Arc<Region>,
    in_use: bool,
    context: &Context,
    now: Timestamp,
) -> Result<Option<Signing>, Error> {
    let name = region.name_any();
    let packs = context.reader.packs.borrow().packs.clone();
    let mut unwritten = None;
    if region.metadata.deletion_timestamp.is_none() {
        let told = [
            status::packs_in_force(&packs),
            status::transfers_in_force(region),
        ];
        match context.ledger.append(&name, &told, now).await {
            Err(error) if error.is_behind() => return Ok(None),
            written => unwritten = written.err(),
        }
    }
    let shown = missed::shown(region, context, now).await;
    let (facts, looks) = facts(region, shown.witness, in_use, context);
    let plan = plan::signing(&facts, now);
    let intent = everywhere::intent(&plan, &looks, &remembered(region));
    let store = &context.reader.regions;
    let Some(region) = announce(region, store, &intent, context).await? else {
        return Ok(None);
    };
    let old = remembered(&region);
    let outcome = everywhere(&context.applier, &plan, &looks, &old, observe::signing).await;
    context.report.orphaned(region.as_ref(), &outcome.orphaned);
    let mut told = context.ledger.chains().read(&name, |chain| {
        status::signing(&plan, outcome.seen.get(&name), chain, &region)
    });
    match record_reapply(&region, &mut told, context, now).await {
        Err(error) if error.is_behind() => return Ok(None),
        written => unwritten = unwritten.or(written.err()),
    }
    let written = write_down(&region, &told, context, now).await;
    unwritten = unwritten.or(written.err());
    catching_up(&region, &mut told, &shown.missed, context);
    let kept = kept(&region, context, now);
    let sealed = sealing::attend(&name, kept.as_ref(), context, now).await;
    let mut status = told.status;
    status.kept_for = kept.as_ref().map(ToString::to_string);
    status.sealing_problem = sealed.problem.as_ref().map(Error::told);
    unwritten = unwritten.or(sealed.problem);
    Ok(Some(Signing {
        status,
        requests: told.requests,
        left: told.left,
        again: outcome.again.max(sealed.again),
        wake_at: [sealed.wake_at, shown.wake_at]
            .into_iter()
            .fold(plan.wake_at, guard::earlier),
        unwritten,
        region: region.clone(),
    }))
}

/// All that the plan needs to know.
fn facts(
    region: &Arc<Region>,
    witness: Vec<Witnessed>,
    in_use: bool,
    context: &Context,
) -> (SigningFacts, Looks) {
    let name = region.name_any();
    let (regions, looks) = context.reader.signing(region);
    let most = SigningFacts::MOST;
    let ((from, digests), successor) = context.ledger.chains().read(&name, |chain| {
        (chain.unsigned(most), chain.successor(&name))
    });
    let successor = successor.and_then(|record| String::from_utf8(record.canonical()).ok());
    let facts = SigningFacts {
        region: region.clone(),
        regions,
        from,
        digests,
        holds_seen: context.holds_heard.at(),
        successor,
        witness,
        in_use,
        policies: context.reader.policies_by_name(),
        channels: context.reader.sorted_channels(),
        holds: context.reader.holds_by_name(),
        packs: context.reader.packs.borrow().packs.clone(),
        settings: context.reader.settings.clone(),
    };
    (facts, looks)
}

/// For how long the region's evidence is kept.
fn kept(region: &Region, context: &Context, now: Timestamp) -> Option<KeptFor> {
    let packs = context.reader.packs.borrow().packs.clone();
    let policies = context.reader.policies.state();
    let policies = policies.iter().map(AsRef::as_ref);
    plan::evidence_keep(region, policies, &packs, now)
}

/// Writes down what was signed, and by which key; also what follows once something of it could not be.
async fn write_down(
    region: &Region,
    told: &Signed,
    context: &Context,
    now: Timestamp,
) -> Result<(), Error> {
    let name = region.name_any();
    let mut written = Ok(());
    if let Some(checkpoint) = &told.checkpoint {
        written = written.and(context.ledger.sign(checkpoint).await);
    }
    let signs = told.status.key.as_deref();
    let signs = signs.and_then(|key| key.parse().ok());
    for made in &told.countersignatures {
        written = written.and(countersign(made, signs, context).await);
    }
    let next = told.next.iter();
    let next = next.filter(|_| plan::rotation(region).is_some());
    let keys = key(&told.status).into_iter().chain(next.cloned());
    for key in keys {
        let told = [status::key_in_use(&name, &key)];
        match context.ledger.append(&name, &told, now).await {
            // What is behind is written at the next look, which the chain's growth brings.
            Err(error) if !error.is_behind() => written = written.and(Err(error)),
            _ => {}
        }
    }
    written
}

/// Writes down what erasing again did. It is not called done before: what is done goes from the region.
async fn record_reapply(
    region: &Region,
    told: &mut Signed,
    context: &Context,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(statement) = told.reapplied.take() else {
        return Ok(());
    };
    let name = region.name_any();
    let written = context.ledger.append(&name, &[statement], now).await;
    if written.is_err()
        && let Some(requests) = &mut told.requests
    {
        let old = region.status.as_ref().and_then(|s| s.requests.as_ref());
        requests.last_handled_reapply = old.and_then(|old| old.last_handled_reapply.clone());
        requests.reapply_schedule = old.and_then(|old| old.reapply_schedule.clone());
    }
    written.map(drop)
}

/// What status says of other regions' chains of which this one missed something.
fn catching_up(
    region: &Region,
    told: &mut Signed,
    missed: &BTreeMap<String, Missed>,
    context: &Context,
) {
    let name = region.name_any();
    let old = region.status.as_ref().and_then(|s| s.evidence.as_ref());
    let old = old.map_or(&[][..], |old| old.behind.as_slice());
    let chains = context.ledger.chains();
    let begins = |of: &str| chains.read(of, |chain| chain.shown_from(&name).sequence);
    status::catching_up(&mut told.status, (&told.came, old), missed, begins);
}

/// Writes down a signature over another region's chain, by the key that signs in this one, over what the hub has.
async fn countersign(
    made: &Countersignature,
    signs: Option<KeyId>,
    context: &Context,
) -> Result<(), Error> {
    let is_new = context.ledger.chains().read(&made.region, |chain| {
        let known = chain.witnessed(&made.by);
        chain.holds(&made.tip) && known.is_none_or(|known| known.sequence < made.tip.sequence)
    });
    if is_new && signs == Some(made.key) {
        context.ledger.countersign(made).await?;
    }
    Ok(())
}

/// The key that signs. One that was named is in the chain already.
fn key(status: &SigningStatus) -> Option<KeyRotation> {
    let key = status.key.as_deref()?.parse().ok()?;
    Some(KeyRotation { key, named: None })
}

/// What its status remembers.
fn remembered(region: &Arc<Region>) -> BTreeMap<&str, &[InventoryEntry]> {
    let told = region.status.as_ref().and_then(|s| s.evidence.as_ref());
    let inventory = told.map_or(&[][..], |told| told.inventory.as_slice());
    let name = region.metadata.name.as_deref().unwrap_or_default();
    BTreeMap::from([(name, inventory)])
}
