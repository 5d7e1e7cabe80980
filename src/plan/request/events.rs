//! From which connectors' stores a person's events go with an erasure: those of channels that say how their platform knows
//! persons and which data store of the region is the connector's own. What a channel left there that is withdrawn is looked
//! for too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::opt_out::own_name;
use crate::api::{Region, RequestAction, SocialChannel};
use crate::contract::{EventChannel, EventStore};
use crate::plan::pod::Mount;
use crate::plan::{Reason, RequestFacts, meta, opt_out, retention};

/// The connectors' stores of a region, and how they are reached.
#[derive(Default)]
pub(super) struct Events {
    stores: BTreeMap<String, EventStore>,
    mounts: Vec<Mount>,
}

/// The stores of what is to be done. An erasure that is ended in its midst goes on without those that it cannot reach.
pub(super) fn taken(
    facts: &RequestFacts,
    at: (&str, &Region),
    action: RequestAction,
) -> Result<Events, Reason> {
    match action {
        RequestAction::Erase => Events::of(&facts.channels, at),
        RequestAction::Forget => Ok(Events::of(&facts.channels, at).unwrap_or_default()),
        _ => Ok(Events::default()),
    }
}

/// Whether something of a channel is in a region: a connector that never began there has no events, and no tables.
fn has_begun(channel: &SocialChannel, region: &str) -> bool {
    let entries = channel.status.iter().flat_map(|it| &it.regions);
    let mut own = entries.filter(|entry| entry.name == region);
    own.any(|entry| !entry.inventory.is_empty())
}

/// Which data store a channel says is its connector's own.
fn own_store(channel: &SocialChannel) -> Option<&str> {
    let connector = channel.spec.connector.as_ref()?;
    Some(connector.opt_out.as_ref()?.data_store.as_str())
}

/// Whether a store of a region is the connector's own of a channel that an action asks, or that is told by its name.
pub(super) fn is_of_a_channel(
    channels: &[Arc<SocialChannel>],
    (name, region): (&str, &Region),
    (store, action): (&str, RequestAction),
) -> bool {
    let mut own = channels.iter().filter(|it| own_store(it) == Some(store));
    own.any(|channel| {
        let is_asked = || opt_out::means(&channel.spec, (name, region), "").is_ok();
        has_begun(channel, name) || (action == RequestAction::Erase && is_asked())
    })
}

/// The channels of which something is in a region and whose connector may keep events there; and whether a person's can be
/// found among them.
pub(super) fn channels<'a>(
    channels: &'a [Arc<SocialChannel>],
    region: &str,
) -> impl Iterator<Item = (&'a SocialChannel, bool)> {
    let there = channels.iter().filter(move |it| has_begun(it, region));
    there.filter_map(|channel| {
        let connector = channel.spec.connector.as_ref()?;
        Some((channel.as_ref(), connector.opt_out.is_some()))
    })
}

impl Events {
    /// Of a region.
    pub(super) fn of(
        channels: &[Arc<SocialChannel>],
        (name, region): (&str, &Region),
    ) -> Result<Self, Reason> {
        let mut all = Self::default();
        let channels = channels.iter();
        for channel in channels.filter(|channel| own_store(channel).is_some()) {
            let own = own_name(channel);
            let at = format!("SocialChannel {own}: ");
            let withdrawn = !has_begun(channel, name);
            let means = opt_out::means(&channel.spec, (name, region), &at);
            let (store, identity) = match means {
                // It may never have been here.
                Err(_) if withdrawn => continue,
                means => means?,
            };
            let (mount, secret) = (retention::mount(store), &store.postgres.secret_ref);
            let entry = all.stores.entry(store.name.clone()).or_insert_with(|| {
                all.mounts
                    .push(Mount::key(mount.clone(), &secret.name, &secret.key));
                EventStore {
                    name: store.name.clone(),
                    url: meta::secret_file(&mount, &secret.key),
                    channels: Vec::new(),
                }
            });
            entry.channels.push(EventChannel {
                channel: own,
                identity: identity.to_owned(),
                withdrawn,
            });
            entry.channels.sort_by(|a, b| a.channel.cmp(&b.channel));
        }
        Ok(all)
    }

    /// The stores, as the agent takes them.
    pub(super) fn stores(&self) -> Vec<EventStore> {
        self.stores.values().cloned().collect()
    }

    /// The names of those that are not among others.
    pub(super) fn apart_from(&self, others: &BTreeSet<&str>) -> BTreeSet<&str> {
        let names = self.stores.keys().map(String::as_str);
        names.filter(|name| !others.contains(name)).collect()
    }

    /// The Secrets of those that are not mounted already.
    pub(super) fn mounts_beside(&self, others: &[Mount]) -> impl Iterator<Item = Mount> {
        let is_new = |mount: &&Mount| others.iter().all(|other| other.name != mount.name);
        self.mounts.iter().filter(is_new).cloned()
    }
}
