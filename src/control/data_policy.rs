//! One look at a DataPolicy.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::apply::Applied;
use crate::evidence::Kind;
use crate::metrics;
use crate::resolve::{Look, Looks};
use crate::status::{Chain, PolicyObserved, Recorded, Seen};
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
    let mut plan = plan::policy(&facts, now);
    let uid = policy.uid().unwrap_or_default();
    if guard::is_early(&context, &uid, &looks, &plan) {
        return Ok(guard::later(&context));
    }
    // First what happened is written down: what is taken away below, or shown in status, is the only other place that
    // knows of it.
    let before = seen(&looks);
    let known = recorded(&facts, &before, &BTreeMap::new(), &context);
    status::ask_unseen(&mut plan, &policy, &before, &known, now);
    let stated = status::statements(&facts, &plan, &before, now);
    let Some(unwritten) = context.ledger.record(&stated.regions, now).await else {
        return Ok(guard::soon());
    };
    status::stop_unrecorded(
        &mut plan,
        unwritten.iter().map(|(name, why)| (name, why.told())),
    );
    let intent = everywhere::intent(&plan, &looks, &remembered(&policy));
    let store = &context.reader.policies;
    let Some(policy) = announce(&policy, store, &intent, &context).await? else {
        return Ok(guard::soon());
    };
    let old = remembered(&policy);
    let outcome = everywhere(&context.applier, &plan, &looks, &old, observe::policy).await;
    let recorded = recorded(&facts, &before, &unwritten, &context);
    let stale = status::stale(&plan, &policy, &recorded, now);
    plan::stale_evidence(&facts, &mut plan, &stale, now);
    let written = status::policy(&plan, &outcome.seen, &policy, &recorded, now);
    context.report.orphaned(policy.as_ref(), &outcome.orphaned);
    if written.finished {
        finish(&policy, &context).await?;
        return Ok(forget(&policy, &context));
    }
    tell(&policy, &written.status, &context).await?;
    if !going {
        context.open_reports.tell(&policy, &plan.baseline).await?;
    }
    if let Some((_, error)) = unwritten.into_iter().next() {
        return Err(error);
    }
    let wake_at = guard::earlier(plan.wake_at, stated.wake_at);
    Ok(Next {
        again: outcome.again,
        wake_at: guard::earlier(wake_at, written.wake_at),
    })
}

/// What is there before anything is changed.
fn seen(looks: &Looks) -> BTreeMap<String, Seen<PolicyObserved>> {
    let of = |(region, look): (&String, &Look)| {
        let Look::Known(view) = look else {
            return None;
        };
        let seen = Seen::Known {
            children: observe::policy(view, &Applied::default()),
            inventory: Vec::new(),
            troubles: Vec::new(),
        };
        Some((region.clone(), seen))
    };
    looks.iter().filter_map(of).collect()
}

/// What is known of the policy's evidence in each region.
fn recorded(
    facts: &plan::PolicyFacts,
    seen: &BTreeMap<String, Seen<PolicyObserved>>,
    unwritten: &BTreeMap<String, Error>,
    context: &Context,
) -> BTreeMap<String, Recorded> {
    let policy = facts.policy.name_any();
    let regions = context.reader.regions.state();
    let of = |(name, region): (&String, &plan::RegionFacts)| {
        let spec = &region.region.spec;
        let told = region.region.status.as_ref();
        let told = told.and_then(|status| status.evidence.as_ref());
        let unsigned = told.and_then(|told| {
            Some(plan::Reason {
                word: told.reason.clone()?,
                message: told.message.clone().unwrap_or_default(),
            })
        });
        let asked = asked(facts, name, seen.get(name));
        let stands = |chain: &Chain| {
            let there = asked.iter().filter(|uid| chain.has(Kind::Run, uid));
            there.map(|uid| (*uid).to_owned()).collect()
        };
        let mut recorded = context.ledger.chains().read(name, |chain| Recorded {
            runs: stands(chain),
            zone: spec.locale.time_zone.clone(),
            signing: spec.signing_schedule().to_owned(),
            last_run: chain.last_run(&policy),
            signed_at: chain.signed().map(|signed| signed.at),
            unsigned_since: chain.unsigned_since(),
            fault: chain.fault(),
            unwritten: unwritten.get(name).map(Error::told),
            unsigned_because: unsigned,
            untrusted_key: told.and_then(|told| told.untrusted_key.clone()),
            ..Recorded::default()
        });
        recorded.seen_by(name, regions.iter().map(AsRef::as_ref));
        (name.clone(), recorded)
    };
    facts.regions.iter().map(of).collect()
}

/// The UIDs of the runs in a region of which it matters whether they are recorded.
fn asked<'a>(
    facts: &'a plan::PolicyFacts,
    region: &str,
    seen: Option<&'a Seen<PolicyObserved>>,
) -> BTreeSet<&'a str> {
    let entries = facts
        .policy
        .status
        .iter()
        .flat_map(|status| &status.regions);
    let entries = entries.filter(|entry| entry.name == region);
    let told = entries.flat_map(|entry| {
        let last = entry.last_run.iter().filter_map(|run| run.uid.as_deref());
        last.chain(entry.unread.iter().map(|run| run.uid.as_str()))
    });
    let ended = match seen {
        Some(Seen::Known { children, .. }) => children.run.ended.as_slice(),
        Some(Seen::Unknown { .. }) | None => &[],
    };
    told.chain(ended.iter().map(|end| end.uid.as_str()))
        .collect()
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
    metrics.fresh(&policy.name_any(), &new.regions);
    let next = new.next_run.as_ref().and_then(|at| at.parse().ok());
    metrics.next_run(&policy.name_any(), next);
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
    context.open_reports.forget(policy);
    context.attempts.reset(&policy.uid().unwrap_or_default());
    Next::default()
}
