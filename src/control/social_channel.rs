//! One look at a SocialChannel.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::everywhere::{self, everywhere};
use super::guard::{self, Next};
use super::intent::announce;
use super::publish::publish;
use super::retry::{self, Error};
use super::{Context, finalizer};
use crate::api::{InventoryEntry, SocialChannel};
use crate::metrics;
use crate::{observe, plan, status};

/// Facts, plan, apply, observe, status.
pub(super) async fn reconcile(
    channel: Arc<SocialChannel>,
    context: Arc<Context>,
) -> Result<Next, Error> {
    let going = channel.metadata.deletion_timestamp.is_some();
    if !finalizer::is_on(channel.as_ref()) {
        if going {
            return Ok(forget(&channel, &context));
        }
        finalizer::add(&context.hub, channel.as_ref()).await?;
    }
    let (facts, looks) = context
        .reader
        .channel(&channel, context.holds_heard.at())
        .await;
    let now = (context.clock)();
    let plan = plan::channel(&facts, now);
    let uid = channel.uid().unwrap_or_default();
    if guard::is_early(&context, &uid, &looks, &plan) {
        return Ok(guard::later(&context));
    }
    // Before anything changes: how long no policy covered it is known from nowhere else once it is covered, or is gone.
    let stated = status::channel_statements(&plan, &channel, facts.regions.keys());
    let Some(unwritten) = context.ledger.record(&stated, now).await else {
        return Ok(guard::soon());
    };
    let unwritten = unwritten.into_values().next();
    let intent = everywhere::intent(&plan, &looks, &remembered(&channel));
    let store = &context.reader.channels;
    let Some(channel) = announce(&channel, store, &intent, &context).await? else {
        return Ok(guard::soon());
    };
    let old = remembered(&channel);
    let feeds: Vec<&str> = channel.spec.feeds.iter().map(|f| f.name.as_str()).collect();
    let outcome = everywhere(&context.applier, &plan, &looks, &old, |view, applied| {
        observe::channel(view, &feeds, applied)
    })
    .await;
    let written = status::channel(&plan, &outcome.seen, &channel, now);
    context.report.orphaned(channel.as_ref(), &outcome.orphaned);
    // Its last record is written first: nobody else knows for how long it was without a policy.
    if written.finished && unwritten.is_none() {
        finish(&channel, &context).await?;
        return Ok(forget(&channel, &context));
    }
    // What runs, and what is held, is not held up.
    tell(&channel, &written.status, &context).await?;
    if let Some(error) = unwritten {
        return Err(error);
    }
    let unread = matches!(facts.credentials, plan::SecretFact::Unreadable(_));
    Ok(Next {
        again: outcome.again.max(retry::unread(unread)),
        wake_at: guard::earlier(plan.wake_at, written.wake_at),
    })
}

/// What status remembers of each region.
fn remembered(channel: &SocialChannel) -> BTreeMap<&str, &[InventoryEntry]> {
    let regions = channel.status.iter().flat_map(|s| &s.regions);
    regions
        .map(|r| (r.name.as_str(), r.inventory.as_slice()))
        .collect()
}

async fn tell(
    channel: &SocialChannel,
    new: &crate::api::SocialChannelStatus,
    context: &Context,
) -> Result<(), Error> {
    let metrics = context.report.metrics();
    let namespace = channel.namespace();
    metrics.conditions(
        metrics::Kind::SocialChannel,
        namespace.as_deref(),
        &channel.name_any(),
        &new.conditions,
    );
    let old = channel.status.as_ref();
    if publish(&context.hub, &context.reader.channels, channel, (old, new)).await? {
        let before = old.map(|s| s.conditions.as_slice()).unwrap_or_default();
        context.report.turned(channel, before, &new.conditions);
    }
    Ok(())
}

async fn finish(channel: &SocialChannel, context: &Context) -> Result<(), Error> {
    let seen = context.reader.channels.get(&ObjectRef::from_obj(channel));
    let latest = seen.filter(|now| now.uid() == channel.uid());
    finalizer::remove(&context.hub, latest.as_deref().unwrap_or(channel)).await
}

/// Nothing is left of it: nor in memory. A namespace in which no channel needs a Secret any more is no longer followed.
fn forget(channel: &SocialChannel, context: &Context) -> Next {
    context.attempts.reset(&channel.uid().unwrap_or_default());
    let others = context.reader.channels.state();
    context.reader.secrets.retain(|namespace| {
        let needs = |c: &Arc<SocialChannel>| {
            c.uid() != channel.uid()
                && c.namespace().as_deref() == Some(namespace)
                && c.spec.hub_credentials().is_some()
        };
        namespace == context.namespace || others.iter().any(needs)
    });
    Next::default()
}
