//! One look at a Region: how its cluster is reached, what is followed there, what its status says, whether it may go.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use sha2::{Digest, Sha256};

use super::guard::{self, Next};
use super::publish::publish;
use super::retry::{self, Error};
use super::{Context, finalizer, signing};
use crate::api::{InventoryEntry, Region, RegionStatus, Transfer};
use crate::apply::Again;
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
    let (target, again) = target(&region, &context).await;
    let desired = Desired {
        target,
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
    let mut plan = plan;
    let in_use = !plan.left.is_empty() || plan.channels > 0 || plan.policies > 0;
    let Some(signing) = signing::attend(&region, in_use, &context, now).await? else {
        return Ok(guard::soon());
    };
    if plan.deleting.is_some() {
        plan.left.extend(signing.left);
    }
    let region = signing.region;
    let keys = (Some(signing.status), signing.requests);
    let written = status::region(&plan, &seen, &region, keys, now);
    if written.finished {
        finish(&region, &context).await?;
        return Ok(forget(&region, &context));
    }
    tell(&region, &written.status, &context).await?;
    if let Some(error) = signing.unwritten {
        return Err(error);
    }
    let wake_at = guard::earlier(plan.wake_at, signing.wake_at);
    Ok(Next {
        again: again.max(signing.again),
        wake_at: guard::earlier(wake_at, written.wake_at),
    })
}

async fn finish(region: &Region, context: &Context) -> Result<(), Error> {
    let seen = context.reader.regions.get(&ObjectRef::from_obj(region));
    let latest = seen.filter(|now| now.uid() == region.uid());
    finalizer::remove(&context.hub, latest.as_deref().unwrap_or(region)).await
}

async fn tell(region: &Region, new: &RegionStatus, context: &Context) -> Result<(), Error> {
    let metrics = context.report.metrics();
    metrics.conditions(
        metrics::Kind::Region,
        None,
        &region.name_any(),
        &new.conditions,
    );
    metrics.transfers(&region.name_any(), &transfer_ends(region));
    let old = region.status.as_ref();
    if publish(&context.hub, &context.reader.regions, region, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(region, before, &new.conditions);
    }
    Ok(())
}

/// When the last day of each transfer that has one is over.
fn transfer_ends(region: &Region) -> Vec<(String, Timestamp)> {
    let zone = TimeZone::get(&region.spec.locale.time_zone).unwrap_or(TimeZone::UTC);
    let end = |transfer: &Transfer| {
        let last: Date = transfer.valid_until.as_ref()?.parse().ok()?;
        let over = last.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
        Some((transfer.name.clone(), over.timestamp()))
    };
    region.spec.transfers.iter().filter_map(end).collect()
}

/// A kubeconfig as it was last read, and the Secret and key that it was read from.
pub(super) struct Kept {
    from: (String, String),
    value: Value,
}

impl Kept {
    /// What was read from this Secret and key.
    fn of(&self, from: &(String, String)) -> Option<Value> {
        (self.from == *from).then(|| self.value.clone())
    }
}

/// A kubeconfig that cannot be read just now is no reason to drop a connection that works; one that is gone is, and so is
/// one that is to be read from somewhere else now.
fn kept(read: Value, old: Option<Value>) -> Value {
    match (read, old) {
        (Value::Unreadable(_), Some(old @ Value::Present(..))) => old,
        (read, _) => read,
    }
}

/// How the cluster is reached, and whether to look again.
async fn target(region: &Region, context: &Context) -> (Target, Option<Again>) {
    let name = region.name_any();
    let kubeconfigs = || {
        context
            .kubeconfigs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let Some(secret) = &region.spec.cluster.kubeconfig_secret_ref else {
        kubeconfigs().remove(&name);
        return (Target::Local(context.hub.client.clone()), None);
    };
    let from = (secret.name.clone(), secret.key().to_owned());
    let old = kubeconfigs().get(&name).and_then(|kept| kept.of(&from));
    let secrets = &context.reader.secrets;
    let read = secrets.value(&context.namespace, &secret.name, secret.key(), old.as_ref());
    let read = read.await;
    let again = retry::unread(matches!(read, Value::Unreadable(_)));
    let value = kept(read, old);
    let now = Kept {
        from,
        value: value.clone(),
    };
    kubeconfigs().insert(name, now);
    let target = match value {
        Value::Present(bytes, _) => {
            let hash = hex::encode(Sha256::digest(&bytes));
            Target::Kubeconfig { bytes, hash }
        }
        Value::Absent(why) | Value::Unreadable(why) => Target::Unusable(why),
    };
    (target, again)
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
    let of_holds = facts
        .holds
        .iter()
        .flat_map(|h| h.status.iter().flat_map(|s| &s.regions));
    let of_holds = of_holds
        .filter(|r| r.name == name)
        .flat_map(|r| &r.inventory);
    let of_requests = facts
        .requests
        .iter()
        .flat_map(|r| r.status.iter().flat_map(|s| &s.regions));
    let of_requests = of_requests
        .filter(|r| r.name == name)
        .flat_map(|r| &r.inventory);
    let held = of_channels
        .chain(of_policies)
        .chain(of_holds)
        .chain(of_requests)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn present(version: &str) -> Value {
        Value::Present(Arc::from(version.as_bytes()), version.to_owned())
    }

    fn unreadable() -> Value {
        Value::Unreadable("no".to_owned())
    }

    #[test]
    fn what_was_read_stays_only_while_it_cannot_be_read() {
        let absent = || Value::Absent("gone".to_owned());
        assert!(kept(unreadable(), Some(present("1"))) == present("1"));
        assert!(kept(present("2"), Some(present("1"))) == present("2"));
        assert!(kept(absent(), Some(present("1"))) == absent());
        assert!(kept(unreadable(), Some(absent())) == unreadable());
        assert!(kept(unreadable(), None) == unreadable());
    }

    #[test]
    fn what_was_read_elsewhere_is_nothing() {
        let from = |name: &str, key: &str| (name.to_owned(), key.to_owned());
        let one = Kept {
            from: from("a", "value"),
            value: present("1"),
        };
        assert!(one.of(&from("a", "value")) == Some(present("1")));
        assert!(one.of(&from("b", "value")).is_none());
        assert!(one.of(&from("a", "other")).is_none());
    }
}
