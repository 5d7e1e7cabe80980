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
    if written.finished {
        // Nothing remembers it after this.
        if let Some(note) = status::still_in_force(&hold) {
            context.report.warn(hold.as_ref(), "StillInForce", &note);
        }
        finish(&hold, &context).await?;
        return Ok(forget(&hold, &context));
    }
    tell(&hold, &written.status, &context).await?;
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
    metrics.conditions(metrics::Kind::LegalHold, None, &name, &new.conditions);
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
