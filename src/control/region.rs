//! One look at a Region: how its cluster is reached, what is followed there, what its status says, whether it may go.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use sha2::{Digest, Sha256};

use super::guard::{self, Next};
use super::publish::publish;
use super::retry::Error;
use super::{Context, finalizer};
use crate::api::{InventoryEntry, Region, RegionStatus};
use crate::clusters::{Desired, Namespaces, Target};
use crate::metrics;
use crate::plan;
use crate::resolve::Value;
use crate::status::{self, ClusterObserved};

/// Facts, plan, status; what is done is the clusters' room's to do.
pub(super) async fn reconcile(region: Arc<Region>, context: Arc<Context>) -> Result<Next, Error> {
    let going = region.metadata.deletion_timestamp.is_some();
    if !finalizer::is_on(region.as_ref()) {
        if going {
            return Ok(forget(&region, &context));
        }
        finalizer::add(&context.hub, region.as_ref()).await?;
    }
    let name = region.name_any();
    let facts = context.reader.fleet(&region);
    let desired = Desired {
        target: target(&region, &context).await,
        namespaces: namespaces(&region, &facts),
        expected_id: region.status.as_ref().and_then(|s| s.cluster_id.clone()),
    };
    context.reader.clusters.ensure(&name, desired);
    let now = (context.clock)();
    // Once more: what `ensure` changed is in it.
    let facts = context.reader.fleet(&region);
    let plan = plan::region(&facts, now);
    let way = context.reader.clusters.get(&name);
    // After a restart every region is connected anew: that is no news worth a write, unless it takes long.
    let is_known = region.status.iter().any(|s| !s.conditions.is_empty());
    let first = matches!(&way, Err(unreachable) if unreachable.cause.is_first_contact());
    let uid = region.uid().unwrap_or_default();
    if guard::is_waiting(&context, &uid, is_known && first) {
        return Ok(guard::later(&context));
    }
    let seen = way.map_or_else(
        |_| ClusterObserved::default(),
        |client| ClusterObserved {
            cluster_id: Some(client.cluster_id().to_owned()),
            version: Some(client.version().to_owned()),
        },
    );
    let written = status::region(&plan, &seen, &region, now);
    if written.finished {
        let stored = context
            .reader
            .regions
            .get(&ObjectRef::from_obj(region.as_ref()));
        let latest = stored.filter(|now| now.uid() == region.uid());
        finalizer::remove(&context.hub, latest.as_deref().unwrap_or(&region)).await?;
        return Ok(forget(&region, &context));
    }
    tell(&region, &written.status, &context).await?;
    Ok(Next {
        again: None,
        wake_at: guard::earlier(plan.wake_at, written.wake_at),
    })
}

async fn tell(region: &Region, new: &RegionStatus, context: &Context) -> Result<(), Error> {
    let metrics = context.report.metrics();
    metrics.conditions(
        metrics::Kind::Region,
        None,
        &region.name_any(),
        &new.conditions,
    );
    let old = region.status.as_ref();
    if publish(&context.hub, &context.reader.regions, region, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(region, before, &new.conditions);
    }
    Ok(())
}

/// How the cluster is reached. A kubeconfig that cannot be read just now is no reason to drop a connection that works;
/// one that is gone is.
async fn target(region: &Region, context: &Context) -> Target {
    let cluster = &region.spec.cluster;
    let Some(secret) = &cluster.kubeconfig_secret_ref else {
        return Target::Local(context.hub.clone());
    };
    let name = region.name_any();
    let kubeconfigs = || {
        context
            .kubeconfigs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let old = kubeconfigs().get(&name).cloned();
    let read =
        context
            .reader
            .secrets
            .value(&context.namespace, &secret.name, secret.key(), old.as_ref());
    let value = match (read.await, old) {
        (Value::Unreadable(_), Some(old @ Value::Present(..))) => old,
        (value, _) => value,
    };
    kubeconfigs().insert(name, value.clone());
    match value {
        Value::Present(bytes, _) => {
            let hash = hex::encode(Sha256::digest(&bytes));
            Target::Kubeconfig { bytes, hash }
        }
        Value::Absent(why) | Value::Unreadable(why) => Target::Unusable(why),
    }
}

/// Where something of ours may be: the tenants' namespaces, the runs', and those that held something when last seen.
fn namespaces(region: &Region, facts: &plan::FleetFacts) -> Namespaces {
    let name = region.name_any();
    let run = region.spec.run_namespace.clone();
    let of_channels = facts
        .channels
        .iter()
        .flat_map(|c| c.status.iter().flat_map(|s| &s.regions));
    let of_channels = of_channels
        .filter(|r| r.name == name)
        .flat_map(|r| &r.inventory);
    let of_policies = facts
        .policies
        .iter()
        .flat_map(|p| p.status.iter().flat_map(|s| &s.regions));
    let of_policies = of_policies
        .filter(|r| r.name == name)
        .flat_map(|r| &r.inventory);
    let held = of_channels
        .chain(of_policies)
        .map(|e: &InventoryEntry| e.namespace.clone());
    let tenants = region.spec.tenants.iter().map(|t| t.namespace.clone());
    let mut tenants: BTreeSet<String> = tenants.chain(held).collect();
    tenants.remove(&run);
    Namespaces { run, tenants }
}

fn forget(region: &Region, context: &Context) -> Next {
    let name = region.name_any();
    context.reader.clusters.remove(&name);
    context.applier.forget_region(&name);
    context
        .kubeconfigs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&name);
    context.attempts.reset(&region.uid().unwrap_or_default());
    Next::default()
}
