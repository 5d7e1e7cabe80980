//! Where a person's opt-out of a sale or a sharing is to be written: the stores of the connectors whose sinks are one; and
//! who is told of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;

use super::job;
use super::recipients::Recipients;
use crate::api::{Region, RequestAction, RequestRegionStatus, SealedIdentity, SocialChannel};
use crate::contract::{OptOutChannel, OptOutStore, SEVERAL};
use crate::plan::pod::Mount;
use crate::plan::reason::Word;
use crate::plan::{
    Reason, RequestFacts, RequestWorkloads, gates, meta, opt_out, placement, retention, suppression,
};

/// The connectors' stores of a region, and how they are reached.
#[derive(Default)]
pub(super) struct OptOuts {
    stores: BTreeMap<String, OptOutStore>,
    mounts: Vec<Mount>,
}

impl OptOuts {
    /// For what is to be done. What was told before is told again when it is lifted, whatever has become of the channel.
    pub(super) fn of(
        facts: &RequestFacts,
        (name, region): (&str, &Region),
        (action, entry): (RequestAction, Option<&RequestRegionStatus>),
    ) -> Result<Self, Reason> {
        let mut all = Self::default();
        let channels = facts.channels.iter();
        for channel in channels.filter(|channel| is_there(channel, name, region)) {
            let sinks = opt_out::sold(&channel.spec);
            if sinks.is_empty() {
                continue;
            }
            let own = own_name(channel);
            let at = format!("SocialChannel {own}: ");
            let (store, identity) = opt_out::means(&channel.spec, (name, region), &at)?;
            let told = OptOutChannel {
                channel: own,
                identity: identity.to_owned(),
                sinks: sinks.into_iter().map(str::to_owned).collect(),
            };
            all.enter(region, &store.name, told)?;
        }
        let before = entry.iter().flat_map(|entry| &entry.opted_out);
        let before =
            before.filter(|told| action == RequestAction::Lift && !told.subjects.is_zero());
        for told in before {
            if told.channel == SEVERAL {
                all.enter_several(region, &told.store)?;
                continue;
            }
            let told_channel = OptOutChannel {
                channel: told.channel.clone(),
                identity: String::new(),
                sinks: told.sinks.clone(),
            };
            all.enter(region, &told.store, told_channel)?;
        }
        Ok(all)
    }

    /// Why there is nothing to do, if that is so: nothing is to be stopped, and nobody to be told.
    pub(super) fn nothing(
        &self,
        facts: &RequestFacts,
        (name, region): (&str, &Region),
        (action, entry): (RequestAction, Option<&RequestRegionStatus>),
        now: Timestamp,
    ) -> Option<Reason> {
        // Of an end those are told who may have been told of the beginning.
        let was_told = |entry: &RequestRegionStatus| {
            // Once lifting has begun the entry has the recipients of the beginning no more.
            entry.action == Some(RequestAction::Lift)
                || !(entry.recipients.is_empty() && entry.inventory.is_empty())
        };
        let concerns = action != RequestAction::Lift || entry.is_some_and(was_told);
        let tells = || match Recipients::of(facts, region, action, now) {
            Ok(recipients) => !recipients.are_none(),
            Err(_) => true,
        };
        if !self.stores.is_empty() || concerns && tells() {
            return None;
        }
        let why = format!(
            "no channel in Region {name} has a sink with saleOrSharing: nothing of anybody is sold or shared there, as far as \
             the channels say"
        );
        Some(Word::NothingToStop.because(why))
    }

    /// Channels that a report had no room for are lifted by the request's name, in their store; where it had no room for that
    /// either, in whichever of the Region's stores it is.
    fn enter_several(&mut self, region: &Region, name: &str) -> Result<(), Reason> {
        if name != SEVERAL {
            return self.enter_store(region, name, SEVERAL);
        }
        for store in &region.spec.data_stores {
            self.enter_store(region, &store.name, SEVERAL)?;
        }
        Ok(())
    }

    fn enter_store(&mut self, region: &Region, name: &str, channel: &str) -> Result<(), Reason> {
        if self.stores.contains_key(name) {
            return Ok(());
        }
        let mut stores = region.spec.data_stores.iter();
        let store = stores.find(|store| store.name == name).ok_or_else(|| {
            Word::StoreNotFound.because(format!(
                "SocialChannel {channel}: Region {} has no data store {name} any more, in which the opt-out was written; give it \
                 back for as long as that is to be lifted",
                region.name_any()
            ))
        })?;
        let (mount, secret) = (retention::mount(store), &store.postgres.secret_ref);
        let url = meta::secret_file(&mount, &secret.key);
        self.mounts
            .push(Mount::key(mount, &secret.name, &secret.key));
        let entry = OptOutStore {
            name: name.to_owned(),
            url,
            channels: Vec::new(),
        };
        self.stores.insert(name.to_owned(), entry);
        Ok(())
    }

    fn enter(&mut self, region: &Region, name: &str, told: OptOutChannel) -> Result<(), Reason> {
        self.enter_store(region, name, &told.channel)?;
        let known = self.stores.values();
        let mut known = known.flat_map(|store| store.channels.iter().map(move |it| (store, it)));
        let is_known = known.any(|(store, it)| store.name == name && it.channel == told.channel);
        if let Some(entry) = self.stores.get_mut(name).filter(|_| !is_known) {
            entry.channels.push(told);
            entry.channels.sort_by(|a, b| a.channel.cmp(&b.channel));
        }
        Ok(())
    }
}

/// Whether a channel sends from a region: it is to run there, or something of it is there still.
fn is_there(channel: &SocialChannel, name: &str, region: &Region) -> bool {
    let namespace = channel.namespace().unwrap_or_default();
    let old = channel.status.iter().flat_map(|status| &status.regions);
    let mut old = old.filter(|entry| entry.name == name);
    let is_chosen = channel.metadata.deletion_timestamp.is_none()
        && placement::channel_chooses(channel, region)
        && gates::tenant(&namespace, region).is_ok();
    is_chosen || old.any(|entry| !entry.inventory.is_empty())
}

pub(super) fn own_name(channel: &SocialChannel) -> String {
    let namespace = channel.namespace().unwrap_or_default();
    format!("{namespace}/{}", channel.name_any())
}

/// What is made for it there.
pub(super) fn workloads(
    facts: &RequestFacts,
    at: (&str, &Region),
    (action, identity): (RequestAction, Option<&SealedIdentity>),
    (mut all, recipients): (OptOuts, &Recipients),
) -> RequestWorkloads {
    all.mounts.push(job::keys());
    // It is noted there who was told.
    if !recipients.told.is_empty() {
        all.mounts.extend(suppression::mount(&at.1.spec));
    }
    let task = crate::contract::Erase {
        stores: Vec::new(),
        opt_outs: all.stores.into_values().collect(),
        recipients: recipients.told.clone(),
        held_recipients: recipients.held.clone(),
        coming_recipients: recipients.coming.clone(),
        ..job::task(facts, at, action, None)
    };
    let made = (all.mounts, task, recipients.mounts.as_slice());
    job::made(facts, at, (action, identity), made)
}
