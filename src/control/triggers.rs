//! The controllers' queues, and who puts into them: what a change means for others is `watch`'s to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use super::hub::Change;
use crate::api::{DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel};
use crate::clusters::{Identity, OwnerKind, Wake};
use crate::plan::{self, identity_hash};
use crate::resolve::{SecretChanged, Turn};
use crate::watch::{self, Key};

/// The queues' ends that put in. Nobody waits here: the controllers keep each object once.
#[derive(Clone)]
pub(super) struct Triggers {
    channels: UnboundedSender<ObjectRef<SocialChannel>>,
    policies: UnboundedSender<ObjectRef<DataPolicy>>,
    holds: UnboundedSender<ObjectRef<LegalHold>>,
    requests: UnboundedSender<ObjectRef<DataSubjectRequest>>,
    regions: UnboundedSender<ObjectRef<Region>>,
}

/// The queues' ends that take out.
pub(super) struct Queues {
    pub(super) channels: UnboundedReceiver<ObjectRef<SocialChannel>>,
    pub(super) policies: UnboundedReceiver<ObjectRef<DataPolicy>>,
    pub(super) holds: UnboundedReceiver<ObjectRef<LegalHold>>,
    pub(super) requests: UnboundedReceiver<ObjectRef<DataSubjectRequest>>,
    pub(super) regions: UnboundedReceiver<ObjectRef<Region>>,
}

impl Triggers {
    /// A queue for each kind.
    pub(super) fn new() -> (Self, Queues) {
        let (channels, of_channels) = unbounded();
        let (policies, of_policies) = unbounded();
        let (holds, of_holds) = unbounded();
        let (requests, of_requests) = unbounded();
        let (regions, of_regions) = unbounded();
        let triggers = Self {
            channels,
            policies,
            holds,
            requests,
            regions,
        };
        let queues = Queues {
            channels: of_channels,
            policies: of_policies,
            holds: of_holds,
            requests: of_requests,
            regions: of_regions,
        };
        (triggers, queues)
    }

    /// Has each looked at.
    pub(super) fn send(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            // A queue is gone only when the process ends: then nobody needs waking.
            let _ = match key {
                Key::Region(name) => self.regions.unbounded_send(ObjectRef::new(&name)).is_ok(),
                Key::Policy(name) => self.policies.unbounded_send(ObjectRef::new(&name)).is_ok(),
                Key::Hold(name) => self.holds.unbounded_send(ObjectRef::new(&name)).is_ok(),
                Key::Request(name) => {
                    let request = ObjectRef::new(&name);
                    self.requests.unbounded_send(request).is_ok()
                }
                Key::Channel { namespace, name } => {
                    let channel = ObjectRef::new(&name).within(&namespace);
                    self.channels.unbounded_send(channel).is_ok()
                }
            };
        }
    }
}

/// What is known of the hub when somebody is to be found.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) channels: Store<SocialChannel>,
    pub(super) policies: Store<DataPolicy>,
    pub(super) holds: Store<LegalHold>,
    pub(super) requests: Store<DataSubjectRequest>,
    pub(super) regions: Store<Region>,
}

impl Known {
    fn region_names(&self) -> Vec<String> {
        self.regions.state().iter().map(|r| r.name_any()).collect()
    }

    /// Whom a hold is for depends on Regions: each is looked at when one changes.
    fn hold_keys(&self) -> Vec<Key> {
        let holds = self.holds.state();
        holds.iter().map(|h| Key::Hold(h.name_any())).collect()
    }

    /// What holds by category mean depends on what policies say of tables, and on the channels by which these choose
    /// regions.
    fn category_hold_keys(&self) -> Vec<Key> {
        let holds = self.holds.state();
        let by_category = |hold: &&Arc<LegalHold>| {
            let mut scopes = hold.spec.scopes.iter();
            scopes.any(|scope| scope.category.is_some())
        };
        let holds = holds.iter().filter(by_category);
        holds.map(|h| Key::Hold(h.name_any())).collect()
    }

    /// What a request does depends on Regions, on what policies say of tables, and on holds, for as long as it does
    /// anything.
    fn request_keys(&self) -> Vec<Key> {
        let requests = self.requests.state();
        let open = requests.iter().filter(|r| !watch::is_settled(r));
        open.map(|r| Key::Request(r.name_any())).collect()
    }

    /// Everything: the packs changed, and every verdict may.
    pub(super) fn all(&self) -> BTreeSet<Key> {
        let channels = self.channels.state();
        let channels = channels.iter().map(|c| Key::channel(c));
        let policies = self.policies.state();
        let policies = policies.iter().map(|p| Key::Policy(p.name_any()));
        let regions = self.region_names().into_iter().map(Key::Region);
        let requests = self.requests.state();
        let requests = requests.iter().map(|r| Key::Request(r.name_any()));
        let all = channels.chain(policies).chain(regions);
        all.chain(self.hold_keys()).chain(requests).collect()
    }

    /// Whom a change of a region's chain concerns: the Region, whose key is to sign it, and unless it only grew, which
    /// its writer knows, the Regions that countersign what is signed, and the policies that say whether their evidence
    /// there is fresh.
    pub(super) fn of_evidence(&self, region: &str, turn: Turn) -> BTreeSet<Key> {
        let mut keys = BTreeSet::from([Key::Region(region.to_owned())]);
        if turn == Turn::Grew {
            return keys;
        }
        let speaks = |policy: &Arc<DataPolicy>| {
            let mut told = policy.status.iter().flat_map(|status| &status.regions);
            told.any(|entry| entry.name == region)
        };
        let names = self.region_names();
        let others = plan::countersigners(region, names.iter().map(String::as_str));
        keys.extend(others.into_iter().map(|by| Key::Region(by.to_owned())));
        let policies = self.policies.state();
        let policies = policies.iter().filter(|policy| speaks(policy));
        keys.extend(policies.map(|policy| Key::Policy(policy.name_any())));
        keys
    }

    /// Whom a change of a Region concerns.
    pub(super) fn of_region(&self, change: &Change<'_, Region>) -> BTreeSet<Key> {
        let (region, is_there) = match change {
            Change::Meant(region) | Change::Told(region) => (region, true),
            Change::Gone(region) => (region, false),
        };
        let now = is_there.then_some(*region);
        let (channels, policies) = (self.channels.state(), self.policies.state());
        // Also the Region itself when its own controller wrote that: only now is it known to be the same cluster as an
        // older one.
        let name = region.name_any();
        let mut keys =
            watch::region_changed(&name, now, &channels, &policies, &self.region_names());
        // What only a Region's own controller wrote is nothing of its law.
        if !matches!(change, Change::Told(_)) {
            let regions = self.regions.state();
            keys.extend(watch::transfer_goal_changed(&name, &channels, &regions));
        }
        keys.extend(self.hold_keys());
        keys.extend(self.request_keys());
        keys
    }

    /// Whom a change of a policy concerns, beside the Regions in which it holds or held something: they count it.
    pub(super) fn of_policy(
        &self,
        change: &Change<'_, DataPolicy>,
        held_in: BTreeSet<String>,
    ) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = held_in.into_iter().map(Key::Region).collect();
        if let Change::Meant(policy) | Change::Gone(policy) = change {
            keys.extend(watch::policy_changed(
                &policy.name_any(),
                &self.channels.state(),
                &self.policies.state(),
            ));
            keys.extend(self.request_keys());
            keys.extend(self.category_hold_keys());
        }
        keys
    }

    /// Whom a change of a hold concerns, beside the Regions in which it has or had something. What databases said of it
    /// matters too: to policies, which must find it where it is in force, and to itself, when nothing is left to do.
    pub(super) fn of_hold(
        &self,
        change: &Change<'_, LegalHold>,
        held_in: BTreeSet<String>,
    ) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = held_in.into_iter().map(Key::Region).collect();
        let (Change::Meant(hold) | Change::Told(hold) | Change::Gone(hold)) = change;
        keys.extend(watch::hold_changed(
            &hold.name_any(),
            &self.policies.state(),
        ));
        keys.extend(self.request_keys());
        keys
    }

    /// Whom a change of a request concerns, beside the Regions in which it has or had something: itself, as what is done
    /// somewhere leaves nothing to do there, and those with the same ciphertexts.
    pub(super) fn of_request(
        &self,
        change: &Change<'_, DataSubjectRequest>,
        held_in: BTreeSet<String>,
    ) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = held_in.into_iter().map(Key::Region).collect();
        let (Change::Meant(request) | Change::Told(request) | Change::Gone(request)) = change;
        keys.insert(Key::Request(request.name_any()));
        let Some(hash) = identity_hash(request) else {
            return keys;
        };
        let others = self.requests.state();
        let same = others
            .iter()
            .filter(|other| identity_hash(other).as_ref() == Some(&hash));
        keys.extend(same.map(|other| Key::Request(other.name_any())));
        keys
    }

    /// Whom a change of a channel concerns, beside the Regions in which it holds or held something: they count it.
    pub(super) fn of_channel(
        &self,
        change: &Change<'_, SocialChannel>,
        held_in: BTreeSet<String>,
    ) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = held_in.into_iter().map(Key::Region).collect();
        // Its own controller wrote what was told, and only Regions count what channels hold.
        if let Change::Meant(channel) | Change::Gone(channel) = change {
            keys.extend(watch::channel_changed(channel, &self.policies.state()));
            // Policies may choose regions by channels.
            keys.extend(self.request_keys());
            keys.extend(self.category_hold_keys());
        }
        keys
    }

    /// Whom a change of a Secret concerns; one of our own namespace may be a kubeconfig.
    pub(super) fn of_secret(&self, changed: &SecretChanged, own_namespace: &str) -> BTreeSet<Key> {
        let channels = self.channels.state();
        let regions = self.regions.state();
        let of_name = |name: &str| {
            let mut keys = watch::secret_changed(&changed.namespace, name, &channels);
            if changed.namespace == own_namespace {
                keys.extend(watch::kubeconfig_changed(name, &regions));
            }
            keys
        };
        match &changed.name {
            Some(name) => of_name(name),
            None => self
                .secret_names()
                .iter()
                .flat_map(|name| of_name(name))
                .collect(),
        }
    }

    /// Every Secret's name that somebody refers to.
    fn secret_names(&self) -> BTreeSet<String> {
        let channels = self.channels.state();
        let channels = channels
            .iter()
            .filter_map(|c| Some(c.spec.credentials_ref.as_ref()?.name.clone()));
        let regions = self.regions.state();
        let of_region =
            |r: &Arc<Region>| Some(r.spec.cluster.kubeconfig_secret_ref.as_ref()?.name.clone());
        channels
            .chain(regions.iter().filter_map(of_region))
            .collect()
    }

    /// Whom something in a regional cluster concerns; of a region as a whole also `owners`, whom something there was made
    /// for. A region writes its objects' labels itself: whom they name is only looked at, never believed.
    pub(super) fn of_wake(&self, wake: &Wake, owners: &BTreeSet<Identity>) -> BTreeSet<Key> {
        match wake {
            Wake::Region(name) => {
                let Some(region) = self.regions.get(&ObjectRef::new(name)) else {
                    return BTreeSet::new();
                };
                let (channels, policies) = (self.channels.state(), self.policies.state());
                let mut keys = watch::reach_changed(&region, &channels, &policies);
                keys.extend(self.hold_keys());
                keys.extend(self.request_keys());
                keys.extend(owners.iter().filter_map(|owner| self.owner(owner)));
                keys
            }
            Wake::Object { identity, region } => {
                let region = self.regions.get(&ObjectRef::new(region));
                // It waits until nothing is left.
                let going = region.filter(|r| r.metadata.deletion_timestamp.is_some());
                let going = going.map(|region| Key::Region(region.name_any()));
                self.owner(identity).into_iter().chain(going).collect()
            }
        }
    }

    /// Whom an object was made for, when there is such a resource.
    fn owner(&self, identity: &Identity) -> Option<Key> {
        let name = identity.name.clone();
        match (identity.kind, &identity.namespace) {
            (OwnerKind::SocialChannel, Some(namespace)) => {
                let channel = ObjectRef::new(&name).within(namespace);
                self.channels.get(&channel).map(|c| Key::channel(&c))
            }
            (OwnerKind::DataPolicy, None) => {
                let policy = self.policies.get(&ObjectRef::new(&name));
                policy.map(|_| Key::Policy(name))
            }
            (OwnerKind::LegalHold, None) => {
                let hold = self.holds.get(&ObjectRef::new(&name));
                hold.map(|_| Key::Hold(name))
            }
            (OwnerKind::DataSubjectRequest, None) => {
                let request = self.requests.get(&ObjectRef::new(&name));
                request.map(|_| Key::Request(name))
            }
            (OwnerKind::Region, None) => {
                let region = self.regions.get(&ObjectRef::new(&name));
                region.map(|_| Key::Region(name))
            }
            (OwnerKind::SocialChannel, None)
            | (
                OwnerKind::DataPolicy
                | OwnerKind::LegalHold
                | OwnerKind::DataSubjectRequest
                | OwnerKind::Region,
                Some(_),
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;

    use super::*;

    #[test]
    fn a_region_whose_cluster_became_known_is_looked_at_again_with_all_others() {
        let region = |name: &str| -> Region {
            serde_json::from_value(serde_json::json!({
                "metadata": {"name": name, "uid": name},
                "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                    "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            }))
            .unwrap()
        };
        let mut regions = Writer::<Region>::default();
        regions.apply_watcher_event(&Event::Apply(region("older")));
        regions.apply_watcher_event(&Event::Apply(region("younger")));
        let known = Known {
            channels: Writer::default().as_reader(),
            policies: Writer::default().as_reader(),
            holds: Writer::default().as_reader(),
            requests: Writer::default().as_reader(),
            regions: regions.as_reader(),
        };
        // Which of the two is to go is seen only once both ids are there.
        let woken = known.of_region(&Change::Told(&region("younger")));
        let of = |name: &str| Key::Region(name.to_owned());
        assert_eq!(woken, BTreeSet::from([of("older"), of("younger")]));
    }
}
