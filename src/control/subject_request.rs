//! One look at a DataSubjectRequest.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use serde_json::json;

use super::everywhere::{self, everywhere};
use super::guard::{self, Next};
use super::intent::announce;
use super::publish::publish;
use super::retry::Error;
use super::{Context, HUB_DEADLINE, finalizer};
use crate::api::names::FIELD_MANAGER;
use crate::api::{DataSubjectRequest, DataSubjectRequestStatus, InventoryEntry};
use crate::metrics;
use crate::{observe, plan, status};

/// What `kubectl apply` notes of what it applied: the ciphertext is in it too.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Facts, plan, apply, observe, status; and once there is a receipt, nobody needs the identity any more.
pub(super) async fn reconcile(
    request: Arc<DataSubjectRequest>,
    context: Arc<Context>,
) -> Result<Next, Error> {
    let going = request.metadata.deletion_timestamp.is_some();
    if !finalizer::is_on(request.as_ref()) {
        if going {
            return Ok(forget(&request, &context));
        }
        finalizer::add(&context.hub, request.as_ref()).await?;
    }
    let (facts, looks) = context.reader.request(&request);
    let now = (context.clock)();
    let plan = plan::subject_request(&facts, now);
    let uid = request.uid().unwrap_or_default();
    if guard::is_early(&context, &uid, &looks, &plan) {
        return Ok(guard::later(&context));
    }
    let intent = everywhere::intent(&plan, &looks, &remembered(&request));
    let store = &context.reader.requests;
    let Some(request) = announce(&request, store, &intent, &context).await? else {
        return Ok(guard::soon());
    };
    let old = remembered(&request);
    let applier = &context.applier;
    let outcome = everywhere(applier, &plan, &looks, &old, observe::subject_request).await;
    let clocks = plan::clocks(&request, &facts.packs, now);
    let written = status::subject_request(&plan, &clocks, &outcome.seen, &request, now);
    // Before the status, by which a Job may go whose report is told here, and before anything is forgotten.
    let count = |asked: &DataSubjectRequest| plan::clocks(asked, &facts.packs, now);
    let mut stated = status::request_statements(&request, count, &written.status);
    stated.retain(|region, _| facts.regions.contains_key(region));
    let Some(unwritten) = context.ledger.record(&stated, now).await else {
        return Ok(guard::soon());
    };
    let unwritten = unwritten.into_values().next();
    if written.finished {
        if let Some(error) = unwritten {
            return Err(error);
        }
        finish(&request, &context).await?;
        return Ok(forget(&request, &context));
    }
    // Whoever answers the person reads here how far it is: that is not held up.
    tell(&request, &written.status, &context).await?;
    if let Some(error) = unwritten {
        return Err(error);
    }
    // Told by an earlier look: what is forgotten now is not needed for anything that is still to be told.
    let is_told = request.status.iter().any(|status| status.receipt.is_some());
    let has_ended = is_told && written.status.receipt.is_some();
    // Its status remembers the ciphertexts' hash by then, so that it stays the same as the other.
    let is_spent =
        request.status.iter().any(|s| s.identity_hash.is_some()) && plan::is_spent(&facts, now);
    if (has_ended || is_spent) && !request.spec.identity.is_empty() {
        forget_identity(&request, &context).await?;
    }
    Ok(Next {
        again: outcome.again,
        wake_at: guard::earlier(plan.wake_at, written.wake_at),
    })
}

/// Takes the ciphertext out of the spec: the one write to a spec that there is.
async fn forget_identity(request: &DataSubjectRequest, context: &Context) -> Result<(), Error> {
    let body = json!({
        "metadata": {"uid": request.uid(), "annotations": {APPLIED: null}},
        "spec": {"identity": null},
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = context.hub.writing(request)?;
    let name = request.name_any();
    let patch = Patch::Merge(&body);
    match tokio::time::timeout(HUB_DEADLINE, api.patch(&name, &params, &patch)).await {
        Ok(Ok(_)) => {
            tracing::info!(
                request = name,
                "the identity was removed: the request has ended"
            );
            Ok(())
        }
        Ok(Err(error)) => Err(Error::Identity(error)),
        Err(_) => Err(Error::Timeout(HUB_DEADLINE)),
    }
}

/// What status remembers of each region.
fn remembered(request: &DataSubjectRequest) -> BTreeMap<&str, &[InventoryEntry]> {
    let regions = request.status.iter().flat_map(|s| &s.regions);
    regions
        .map(|r| (r.name.as_str(), r.inventory.as_slice()))
        .collect()
}

async fn tell(
    request: &DataSubjectRequest,
    new: &DataSubjectRequestStatus,
    context: &Context,
) -> Result<(), Error> {
    let metrics = context.report.metrics();
    let (kind, name) = (metrics::Kind::DataSubjectRequest, request.name_any());
    metrics.conditions(kind, None, &name, &new.conditions);
    let old = request.status.as_ref();
    let store = &context.reader.requests;
    if publish(&context.hub, store, request, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(request, before, &new.conditions);
    }
    Ok(())
}

async fn finish(request: &DataSubjectRequest, context: &Context) -> Result<(), Error> {
    let seen = context.reader.requests.get(&ObjectRef::from_obj(request));
    let latest = seen.filter(|now| now.uid() == request.uid());
    finalizer::remove(&context.hub, latest.as_deref().unwrap_or(request)).await
}

fn forget(request: &DataSubjectRequest, context: &Context) -> Next {
    context.attempts.reset(&request.uid().unwrap_or_default());
    Next::default()
}
