//! One look at a DataPolicy.

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
use crate::api::{DataPolicy, DataPolicyStatus, InventoryEntry};
use crate::metrics;
use crate::{observe, plan, status};

/// Facts, plan, apply, observe, status.
pub(super) async fn reconcile(
    policy: Arc<DataPolicy>,
    context: Arc<Context>,
) -> Result<Next, Error> {
    let going = policy.metadata.deletion_timestamp.is_some();
    if !finalizer::is_on(policy.as_ref()) {
        if going {
            return Ok(forget(&policy, &context));
        }
        finalizer::add(&context.hub, policy.as_ref()).await?;
    }
    let (facts, looks) = context.reader.policy(&policy);
    let now = (context.clock)();
    let plan = plan::policy(&facts, now);
    let uid = policy.uid().unwrap_or_default();
    if guard::is_early(&context, &uid, &looks, &plan) {
        return Ok(guard::later(&context));
    }
    let intent = everywhere::intent(&plan, &looks, &remembered(&policy));
    let store = &context.reader.policies;
    let Some(policy) = announce(&policy, store, &intent, &context).await? else {
        return Ok(guard::soon());
    };
    let old = remembered(&policy);
    let outcome = everywhere(&context.applier, &plan, &looks, &old, observe::policy).await;
    let written = status::policy(&plan, &outcome.seen, &policy, now);
    context.report.orphaned(policy.as_ref(), &outcome.orphaned);
    if written.finished {
        finish(&policy, &context).await?;
        return Ok(forget(&policy, &context));
    }
    tell(&policy, &written.status, &context).await?;
    Ok(Next {
        again: outcome.again,
        wake_at: guard::earlier(plan.wake_at, written.wake_at),
    })
}

/// What status remembers of each region.
fn remembered(policy: &DataPolicy) -> BTreeMap<&str, &[InventoryEntry]> {
    let regions = policy.status.iter().flat_map(|s| &s.regions);
    regions
        .map(|r| (r.name.as_str(), r.inventory.as_slice()))
        .collect()
}

async fn tell(policy: &DataPolicy, new: &DataPolicyStatus, context: &Context) -> Result<(), Error> {
    let metrics = context.report.metrics();
    metrics.conditions(
        metrics::Kind::DataPolicy,
        None,
        &policy.name_any(),
        &new.conditions,
    );
    if let Some(totals) = &new.finding_totals {
        metrics.findings(&policy.name_any(), totals);
    }
    let old = policy.status.as_ref();
    if publish(&context.hub, &context.reader.policies, policy, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(policy, before, &new.conditions);
    }
    Ok(())
}

async fn finish(policy: &DataPolicy, context: &Context) -> Result<(), Error> {
    let seen = context.reader.policies.get(&ObjectRef::from_obj(policy));
    let latest = seen.filter(|now| now.uid() == policy.uid());
    finalizer::remove(&context.hub, latest.as_deref().unwrap_or(policy)).await
}

fn forget(policy: &DataPolicy, context: &Context) -> Next {
    context.attempts.reset(&policy.uid().unwrap_or_default());
    Next::default()
}
