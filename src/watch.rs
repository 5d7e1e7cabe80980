//! Pure: whom a change wakes.
//!
//! In: a changed object (or its labels) and what the hub's caches hold. Out: the resources to look at again.
//! It must never miss one: waking somebody for nothing costs a comparison, not waking costs a day.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{DataPolicy, DataSubjectRequest, Region, RequestStage, SocialChannel, names};
use crate::plan::channel_chooses;

/// A resource to look at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A Region by its name.
    Region(String),
    /// A SocialChannel.
    Channel {
        /// `metadata.namespace`.
        namespace: String,
        /// `metadata.name`.
        name: String,
    },
    /// A DataPolicy by its name.
    Policy(String),
    /// A LegalHold by its name.
    Hold(String),
    /// A DataSubjectRequest by its name.
    Request(String),
}

impl Key {
    /// The key of a channel.
    #[must_use]
    pub fn channel(channel: &SocialChannel) -> Self {
        Self::Channel {
            namespace: channel.namespace().unwrap_or_default(),
            name: channel.name_any(),
        }
    }
}

/// A Region changed, came, went, or its cluster's state did: every channel that chooses it, by its labels before or
/// after, or has something there; every policy, because whom a policy is for depends on Regions in many ways; and the
/// Regions, one of which may be the same cluster.
#[must_use]
pub fn region_changed(
    name: &str,
    now: Option<&Region>,
    channels: &[Arc<SocialChannel>],
    policies: &[Arc<DataPolicy>],
    regions: &[String],
) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = regions.iter().cloned().map(Key::Region).collect();
    keys.insert(Key::Region(name.to_owned()));
    keys.extend(
        channels
            .iter()
            .filter(|channel| {
                knows(channel, name) || now.is_some_and(|region| channel_chooses(channel, region))
            })
            .map(|channel| Key::channel(channel)),
    );
    keys.extend(policies.iter().map(|policy| Key::Policy(policy.name_any())));
    keys
}

/// A Region's law changed, came or went: the channels of every Region with a transfer to it, which is worth what that law
/// says.
#[must_use]
pub fn transfer_goal_changed(
    name: &str,
    channels: &[Arc<SocialChannel>],
    regions: &[Arc<Region>],
) -> BTreeSet<Key> {
    let leads_there = |region: &&Arc<Region>| region.spec.transfers.iter().any(|it| it.to == name);
    let from = regions.iter().filter(leads_there);
    from.flat_map(|region| {
        let name = region.name_any();
        let there = channels
            .iter()
            .filter(move |channel| knows(channel, &name) || channel_chooses(channel, region));
        there.map(|channel| Key::channel(channel))
    })
    .collect()
}

/// A Region's cluster was lost or came back, or a namespace there came or went.
#[must_use]
pub fn reach_changed(
    region: &Region,
    channels: &[Arc<SocialChannel>],
    policies: &[Arc<DataPolicy>],
) -> BTreeSet<Key> {
    region_changed(&region.name_any(), Some(region), channels, policies, &[])
}

/// Whether a channel names a Region, or its status speaks of it: labels may have gone, the entry has not.
fn knows(channel: &SocialChannel, region: &str) -> bool {
    let named = channel.spec.regions.names.iter().flatten();
    let told = channel.status.iter().flat_map(|status| &status.regions);
    named.map(String::as_str).any(|name| name == region)
        || told
            .map(|entry| entry.name.as_str())
            .any(|name| name == region)
}

/// A DataPolicy changed, came or went: every channel, each of which it may cover or may have covered before; and every
/// policy, which its keeps may bind or may have bound before.
#[must_use]
pub fn policy_changed(
    name: &str,
    channels: &[Arc<SocialChannel>],
    policies: &[Arc<DataPolicy>],
) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = channels
        .iter()
        .map(|channel| Key::channel(channel))
        .collect();
    keys.extend(policies.iter().map(|policy| Key::Policy(policy.name_any())));
    keys.insert(Key::Policy(name.to_owned()));
    keys
}

/// A LegalHold changed, came or went: every policy, each of which it may bind or may have bound before. A policy whose
/// task does not know of a hold would erase what the hold is for.
#[must_use]
pub fn hold_changed(name: &str, policies: &[Arc<DataPolicy>]) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = policies
        .iter()
        .map(|policy| Key::Policy(policy.name_any()))
        .collect();
    keys.insert(Key::Hold(name.to_owned()));
    keys
}

/// Whether no change of anything else can matter to a request any more: it has ended, its person was answered, nobody knows
/// any more who it was, and nothing is left of it in any region, no copy in its bucket either. Ended requests stay for years, and are not read at each
/// change of a policy. One that is to be lifted has not ended, though it has the receipt of what is lifted.
#[must_use]
pub fn is_settled(request: &DataSubjectRequest) -> bool {
    let Some(status) = &request.status else {
        return false;
    };
    request.metadata.deletion_timestamp.is_none()
        && request.spec.answered.is_some()
        && request.spec.identity.is_empty()
        && status.receipt.is_some()
        && status.state.is_some_and(RequestStage::has_ended)
        && status.regions.iter().all(|it| {
            let mut copies = it.delivered.iter();
            it.inventory.is_empty() && copies.all(|copy| copy.removed_at.is_some())
        })
}

/// A SocialChannel changed, came or went: itself, and every policy, whose selector may speak of it, which another's keep
/// may bind by it, and whose findings are about where it sends what.
#[must_use]
pub fn channel_changed(channel: &SocialChannel, policies: &[Arc<DataPolicy>]) -> BTreeSet<Key> {
    let mut keys = BTreeSet::from([Key::channel(channel)]);
    keys.extend(policies.iter().map(|policy| Key::Policy(policy.name_any())));
    keys
}

/// A Secret of the hub changed, came or went: the channels of its namespace whose platform credentials it holds.
#[must_use]
pub fn secret_changed(
    namespace: &str,
    name: &str,
    channels: &[Arc<SocialChannel>],
) -> BTreeSet<Key> {
    channels
        .iter()
        .filter(|channel| {
            channel.namespace().as_deref() == Some(namespace)
                && channel.spec.hub_credentials() == Some(name)
        })
        .map(|channel| Key::channel(channel))
        .collect()
}

/// A Secret of the operator's own namespace changed: the Regions whose kubeconfig it holds.
#[must_use]
pub fn kubeconfig_changed(name: &str, regions: &[Arc<Region>]) -> BTreeSet<Key> {
    regions
        .iter()
        .filter(|region| {
            let kubeconfig = region.spec.cluster.kubeconfig_secret_ref.as_ref();
            kubeconfig.is_some_and(|kubeconfig| kubeconfig.name == name)
        })
        .map(|region| Key::Region(region.name_any()))
        .collect()
}

/// An object of a regional cluster changed: whose it is, by its labels; nobody's when they are not this fleet's, or
/// name what no resource can be called.
#[must_use]
pub fn child_changed(fleet: &str, labels: &BTreeMap<String, String>) -> Option<Key> {
    let label = |key: &str| labels.get(key).map(String::as_str);
    if label(names::LABEL_FLEET) != Some(fleet) || fleet.is_empty() {
        return None;
    }
    let name = label(names::LABEL_NAME).filter(|name| !name.is_empty())?;
    let namespace = label(names::LABEL_NAMESPACE).unwrap_or_default();
    match label(names::LABEL_KIND)? {
        "SocialChannel" if !namespace.is_empty() => Some(Key::Channel {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        "DataPolicy" if namespace.is_empty() => Some(Key::Policy(name.to_owned())),
        "LegalHold" if namespace.is_empty() => Some(Key::Hold(name.to_owned())),
        "DataSubjectRequest" if namespace.is_empty() => Some(Key::Request(name.to_owned())),
        "Region" if namespace.is_empty() => Some(Key::Region(name.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
