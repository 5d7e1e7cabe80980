//! Who is to be looked at, and who tells: each kind's queue, and what wakes whom.

use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{CredentialsLocation, DataPolicy, Region, SocialChannel};
use crate::clusters::{OwnerKind, Wake};
use crate::plan;
use crate::resolve::SecretChanged;

/// The three queues' ends that put in. Nobody waits here: the controllers keep each object once.
#[derive(Clone)]
pub(super) struct Triggers {
    channels: UnboundedSender<ObjectRef<SocialChannel>>,
    policies: UnboundedSender<ObjectRef<DataPolicy>>,
    regions: UnboundedSender<ObjectRef<Region>>,
}

/// The three queues' ends that take out.
pub(super) struct Queues {
    pub(super) channels: UnboundedReceiver<ObjectRef<SocialChannel>>,
    pub(super) policies: UnboundedReceiver<ObjectRef<DataPolicy>>,
    pub(super) regions: UnboundedReceiver<ObjectRef<Region>>,
}

/// What is known of the hub when somebody is to be found.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) channels: Store<SocialChannel>,
    pub(super) policies: Store<DataPolicy>,
    pub(super) regions: Store<Region>,
}

impl Triggers {
    /// Three queues.
    pub(super) fn new() -> (Self, Queues) {
        let (channels, of_channels) = unbounded();
        let (policies, of_policies) = unbounded();
        let (regions, of_regions) = unbounded();
        let triggers = Self {
            channels,
            policies,
            regions,
        };
        let queues = Queues {
            channels: of_channels,
            policies: of_policies,
            regions: of_regions,
        };
        (triggers, queues)
    }

    // A queue is gone only when the process ends: then nobody needs waking.

    pub(super) fn channel(&self, namespace: &str, name: &str) {
        let _ = self.channels.unbounded_send(ObjectRef::new(name).within(namespace));
    }

    pub(super) fn policy(&self, name: &str) {
        let _ = self.policies.unbounded_send(ObjectRef::new(name));
    }

    pub(super) fn region(&self, name: &str) {
        let _ = self.regions.unbounded_send(ObjectRef::new(name));
    }

    fn channels<'a>(&self, channels: impl IntoIterator<Item = &'a Arc<SocialChannel>>) {
        for channel in channels {
            self.channel(&channel.namespace().unwrap_or_default(), &channel.name_any());
        }
    }

    fn policies<'a>(&self, policies: impl IntoIterator<Item = &'a Arc<DataPolicy>>) {
        for policy in policies {
            self.policy(&policy.name_any());
        }
    }

    /// The packs changed: every verdict may.
    pub(super) fn all(&self, known: &Known) {
        self.channels(&known.channels.state());
        self.policies(&known.policies.state());
        for region in known.regions.state() {
            self.region(&region.name_any());
        }
    }

    /// A Region changed, came, went, became reachable or unreachable: who chooses it, and who has something there.
    pub(super) fn of_region(&self, name: &str, known: &Known) {
        let region = known.regions.get(&ObjectRef::new(name));
        let channels = known.channels.state();
        let chosen = |channel: &&Arc<SocialChannel>| {
            let had = channel.status.iter().flat_map(|s| &s.regions);
            let named = channel.spec.regions.names.iter().flatten();
            had.map(|r| &r.name).chain(named).any(|n| n == name)
                || region.as_ref().is_some_and(|r| plan::channel_chooses(channel, r))
        };
        self.channels(channels.iter().filter(chosen));
        let targeted = |policy: &&Arc<DataPolicy>| {
            let had = policy.status.iter().flat_map(|s| &s.regions);
            let named = policy.spec.selector.regions.iter().flatten();
            had.map(|r| &r.name).chain(named).any(|n| n == name)
                || region.as_ref().is_some_and(|r| plan::policy_chooses(policy, r, &channels))
        };
        self.policies(known.policies.state().iter().filter(targeted));
    }

    /// A Region's identity changed: another Region may be the same cluster.
    pub(super) fn other_regions(&self, name: &str, known: &Known) {
        let others = known.regions.state().into_iter().map(|r| r.name_any());
        for other in others.filter(|other| other != name) {
            self.region(&other);
            self.of_region(&other, known);
        }
    }

    /// A policy changed: it may cover a channel, or no longer.
    pub(super) fn of_policy(&self, known: &Known) {
        self.channels(&known.channels.state());
    }

    /// A channel changed: a policy may choose it, or no longer.
    pub(super) fn of_channel(&self, known: &Known) {
        let by_channel = |p: &&Arc<DataPolicy>| {
            let selector = &p.spec.selector;
            selector.channel_labels.is_some() || selector.namespaces.is_some()
        };
        self.policies(known.policies.state().iter().filter(by_channel));
    }

    /// What a resource has in the regions changed: their counts do, and one that is going may go.
    pub(super) fn holdings<'a>(&self, regions: impl IntoIterator<Item = &'a String>) {
        for region in regions {
            self.region(region);
        }
    }

    /// A Secret changed: channels with these credentials, and in our own namespace the Regions with this kubeconfig.
    pub(super) fn of_secret(&self, changed: &SecretChanged, own_namespace: &str, known: &Known) {
        let is_it = |name: &str| changed.name.as_deref().is_none_or(|n| n == name);
        let uses = |channel: &&Arc<SocialChannel>| {
            let credentials = &channel.spec.credentials_ref;
            channel.namespace().as_deref() == Some(&changed.namespace)
                && credentials.location.unwrap_or_default() == CredentialsLocation::Hub
                && is_it(&credentials.name)
        };
        self.channels(known.channels.state().iter().filter(uses));
        if changed.namespace == own_namespace {
            let of_region = |region: &Arc<Region>| {
                let secret = region.spec.cluster.kubeconfig_secret_ref.as_ref();
                secret.is_some_and(|s| is_it(&s.name))
            };
            for region in known.regions.state().into_iter().filter(of_region) {
                self.region(&region.name_any());
            }
        }
    }

    /// Something happened in a regional cluster. A region writes its objects' labels itself, so whom they name is only
    /// looked at, never believed.
    pub(super) fn of_wake(&self, wake: &Wake, known: &Known) {
        match wake {
            Wake::Region(name) => {
                self.region(name);
                self.of_region(name, known);
            }
            Wake::Object { identity, .. } => match (identity.kind, &identity.namespace) {
                (OwnerKind::SocialChannel, Some(namespace)) => self.channel(namespace, &identity.name),
                (OwnerKind::DataPolicy, None) => self.policy(&identity.name),
                (OwnerKind::SocialChannel, None) | (OwnerKind::DataPolicy, Some(_)) => {}
            },
        }
    }
}
