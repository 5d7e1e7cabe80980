//! One look at a LegalHold.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::everywhere::{self, everywhere};
use super::guard::{self, Next};
use super::intent::announce;
use super::publish::publish;
use super::retry::Error;
use super::{Context, finalizer};
use crate::api::{InventoryEntry, LegalHold, LegalHoldStatus};
use crate::metrics;
use crate::{observe, plan, status};

/// Facts, plan, apply, observe, status.
pub(super) async fn reconcile(hold: Arc<LegalHold>, context: Arc<Context>) -> Result<Next, Error> {
    let going = hold.metadata.deletion_timestamp.is_some();
    if !finalizer::is_on(hold.as_ref()) {
        if going {
            return Ok(forget(&hold, &context));
        }
        finalizer::add(&context.hub, hold.as_ref()).await?;
    }
    let (facts, looks) = context.reader.hold(&hold);
    let now = (context.clock)();
    let plan = plan::legal_hold(&facts, now);
    let uid = hold.uid().unwrap_or_default();
    if guard::is_early(&context, &uid, &looks, &plan) {
        return Ok(guard::later(&context));
    }
    let intent = everywhere::intent(&plan, &looks, &remembered(&hold));
    let store = &context.reader.holds;
    let Some(hold) = announce(&hold, store, &intent, &context).await? else {
        return Ok(guard::soon());
    };
    let old = remembered(&hold);
    let applier = &context.applier;
    let outcome = everywhere(applier, &plan, &looks, &old, observe::legal_hold).await;
    let written = status::legal_hold(&plan, &outcome.seen, &hold, now);
    context.report.orphaned(hold.as_ref(), &outcome.orphaned);
    // Before the status, by which a Job may go whose report is told here.
    let mut stated = status::hold_statements(&plan, &hold, &written.status);
    stated.retain(|region, _| facts.regions.contains_key(region));
    let Some(unwritten) = context.ledger.record(&stated, now).await else {
        return Ok(guard::soon());
    };
    let unwritten = unwritten.into_values().next();
    if written.finished {
        if let Some(error) = unwritten {
            return Err(error);
        }
        // Nothing remembers it after this.
        if let Some(note) = status::still_in_force(&hold) {
            context.report.warn(hold.as_ref(), "StillInForce", &note);
        }
        finish(&hold, &context).await?;
        return Ok(forget(&hold, &context));
    }
    // Counsel reads here whether rows are safe: that is not held up.
    tell(&hold, &written.status, &context).await?;
    if let Some(error) = unwritten {
        return Err(error);
    }
    Ok(Next {
        again: outcome.again,
        wake_at: guard::earlier(plan.wake_at, written.wake_at),
    })
}

/// What status remembers of each region.
fn remembered(hold: &LegalHold) -> BTreeMap<&str, &[InventoryEntry]> {
    let regions = hold.status.iter().flat_map(|s| &s.regions);
    regions
        .map(|r| (r.name.as_str(), r.inventory.as_slice()))
        .collect()
}

async fn tell(hold: &LegalHold, new: &LegalHoldStatus, context: &Context) -> Result<(), Error> {
    let metrics = context.report.metrics();
    let name = hold.name_any();
    metrics.conditions(
        metrics::Kind::LegalHold,
        None,
        &name,
        &status::hold_alarms(hold, new),
    );
    let old = hold.status.as_ref();
    if publish(&context.hub, &context.reader.holds, hold, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(hold, before, &new.conditions);
    }
    Ok(())
}

async fn finish(hold: &LegalHold, context: &Context) -> Result<(), Error> {
    let seen = context.reader.holds.get(&ObjectRef::from_obj(hold));
    let latest = seen.filter(|now| now.uid() == hold.uid());
    finalizer::remove(&context.hub, latest.as_deref().unwrap_or(hold)).await
}

fn forget(hold: &LegalHold, context: &Context) -> Next {
    context.attempts.reset(&hold.uid().unwrap_or_default());
    Next::default()
}
