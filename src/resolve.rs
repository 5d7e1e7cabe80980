//! Reads all that a resource refers to, once: from the hub's caches, from Secrets that changed, from the regions' caches.
//!
//! In: a resource. Out: its facts for the plan, and the [`View`] of each region for apply. It must never read a Secret
//! in a namespace that did not opt in, never say 'absent' of what it could not read, and never write.

mod chains;
mod packs;
mod secrets;
mod signed;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::watch;

pub use chains::{Chains, Turn};
pub use packs::{InForce, Place, builtin, chain, follow};
pub use secrets::{SecretChanged, SecretWatch, Secrets, SecretsError, Value};
pub use view::{Look, Scope, View};

use crate::api::{
    CredentialsLocation, DataPolicy, DataSubjectRequest, InventoryEntry, LegalHold, Region,
    SocialChannel,
};
use crate::clusters::{Clusters, Identity, OwnerKind};
use crate::plan::{
    ChannelFacts, FleetFacts, HoldFacts, Holdings, PolicyFacts, Reach, RegionFacts, RequestFacts,
    SecretFact, Settings,
};

/// The hub's caches and the regions', behind one door.
pub struct Reader {
    /// Every Region of the hub.
    pub regions: Store<Region>,
    /// Every SocialChannel of the hub.
    pub channels: Store<SocialChannel>,
    /// Every DataPolicy of the hub.
    pub policies: Store<DataPolicy>,
    /// Every LegalHold of the hub.
    pub holds: Store<LegalHold>,
    /// Every DataSubjectRequest of the hub.
    pub requests: Store<DataSubjectRequest>,
    /// The packs in force.
    pub packs: watch::Receiver<InForce>,
    /// Secrets on the hub.
    pub secrets: SecretWatch,
    /// The regional clusters.
    pub clusters: Clusters,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// What a region looked like when the facts were read, by name.
pub type Looks = BTreeMap<String, Look>;

impl Reader {
    /// Whom a channel's children are made for.
    #[must_use]
    pub fn channel_identity(channel: &SocialChannel) -> Identity {
        Identity {
            kind: OwnerKind::SocialChannel,
            namespace: channel.namespace(),
            name: channel.name_any(),
        }
    }

    /// Whom a policy's children are made for.
    #[must_use]
    pub fn policy_identity(policy: &DataPolicy) -> Identity {
        Identity {
            kind: OwnerKind::DataPolicy,
            namespace: None,
            name: policy.name_any(),
        }
    }

    /// Whom a hold's children are made for.
    #[must_use]
    pub fn hold_identity(hold: &LegalHold) -> Identity {
        Identity {
            kind: OwnerKind::LegalHold,
            namespace: None,
            name: hold.name_any(),
        }
    }

    /// All that a channel refers to.
    pub async fn channel(
        &self,
        channel: &Arc<SocialChannel>,
        holds_seen: Option<Timestamp>,
    ) -> (ChannelFacts, Looks) {
        let namespace = channel.namespace().unwrap_or_default();
        let status = channel.status.iter().flat_map(|s| &s.regions);
        let had: Vec<(&str, &[InventoryEntry])> = status
            .map(|e| (e.name.as_str(), e.inventory.as_slice()))
            .collect();
        let looks = self.looks(&Self::channel_identity(channel), &had, |_| {
            namespace.clone()
        });
        let facts = ChannelFacts {
            channel: channel.clone(),
            regions: self.region_facts(&looks),
            policies: self.policies_by_name(),
            credentials: self.credentials(channel).await,
            holds_seen,
            packs: self.packs.borrow().packs.clone(),
            settings: self.settings.clone(),
        };
        (facts, looks)
    }

    async fn credentials(&self, channel: &SocialChannel) -> SecretFact {
        // Without a connector nobody reads them; the schema has a connector name them.
        let Some(credentials) = &channel.spec.credentials_ref else {
            return SecretFact::Absent;
        };
        let namespace = channel.namespace().unwrap_or_default();
        // Of a resource that is going nothing is written any more: its namespace may have no readable Secret left.
        if channel.metadata.deletion_timestamp.is_some() {
            return SecretFact::Absent;
        }
        match credentials.location.unwrap_or_default() {
            CredentialsLocation::Region => SecretFact::InRegion,
            CredentialsLocation::Hub => self.secrets.fact(&namespace, &credentials.name).await,
        }
    }

    /// All that a policy refers to.
    #[must_use]
    pub fn policy(&self, policy: &Arc<DataPolicy>) -> (PolicyFacts, Looks) {
        let status = policy.status.iter().flat_map(|s| &s.regions);
        let had: Vec<(&str, &[InventoryEntry])> = status
            .map(|e| (e.name.as_str(), e.inventory.as_slice()))
            .collect();
        let looks = self.looks(&Self::policy_identity(policy), &had, |region| {
            region.spec.run_namespace.clone()
        });
        let facts = PolicyFacts {
            policy: policy.clone(),
            regions: self.region_facts(&looks),
            channels: self.sorted_channels(),
            policies: self.policies_by_name(),
            holds: self.holds_by_name(),
            packs: self.packs.borrow().packs.clone(),
            settings: self.settings.clone(),
        };
        (facts, looks)
    }

    /// All that a hold refers to.
    #[must_use]
    pub fn hold(&self, hold: &Arc<LegalHold>) -> (HoldFacts, Looks) {
        let status = hold.status.iter().flat_map(|s| &s.regions);
        let had: Vec<(&str, &[InventoryEntry])> = status
            .map(|e| (e.name.as_str(), e.inventory.as_slice()))
            .collect();
        let looks = self.looks(&Self::hold_identity(hold), &had, |region| {
            region.spec.run_namespace.clone()
        });
        let facts = HoldFacts {
            hold: hold.clone(),
            regions: self.region_facts(&looks),
            channels: self.sorted_channels(),
            policies: self.policies_by_name(),
            settings: self.settings.clone(),
        };
        (facts, looks)
    }

    /// Whom a request's children are made for.
    #[must_use]
    pub fn request_identity(request: &DataSubjectRequest) -> Identity {
        Identity {
            kind: OwnerKind::DataSubjectRequest,
            namespace: None,
            name: request.name_any(),
        }
    }

    /// All that a request refers to.
    #[must_use]
    pub fn request(&self, request: &Arc<DataSubjectRequest>) -> (RequestFacts, Looks) {
        let status = request.status.iter().flat_map(|s| &s.regions);
        let had: Vec<(&str, &[InventoryEntry])> = status
            .map(|e| (e.name.as_str(), e.inventory.as_slice()))
            .collect();
        let looks = self.looks(&Self::request_identity(request), &had, |region| {
            region.spec.run_namespace.clone()
        });
        let facts = RequestFacts {
            request: request.clone(),
            regions: self.region_facts(&looks),
            channels: self.sorted_channels(),
            policies: self.policies_by_name(),
            holds: self.holds_by_name(),
            requests: self.sorted_requests(),
            packs: self.packs.borrow().packs.clone(),
            settings: self.settings.clone(),
        };
        (facts, looks)
    }

    /// Whom what signs a region's evidence is made for.
    #[must_use]
    pub fn region_identity(region: &Region) -> Identity {
        Identity {
            kind: OwnerKind::Region,
            namespace: None,
            name: region.name_any(),
        }
    }

    /// All that signing in a region needs, but for its chain.
    #[must_use]
    pub fn signing(&self, region: &Arc<Region>) -> (BTreeMap<String, RegionFacts>, Looks) {
        let run = region.spec.run_namespace.clone();
        // `runNamespace` cannot be changed: nothing of it was ever made elsewhere.
        let scope = Scope {
            identity: Self::region_identity(region),
            namespaces: BTreeSet::from([run.clone()]),
            followed: BTreeSet::from([run]),
        };
        let name = region.name_any();
        let look = view::look(&self.clusters, &name, scope);
        let looks = Looks::from([(name, look)]);
        (self.region_facts(&looks), looks)
    }

    /// All that a Region's own verdict needs.
    #[must_use]
    pub fn fleet(&self, region: &Arc<Region>) -> FleetFacts {
        let mut policies = self.policies.state();
        policies.sort_by_key(|p| p.name_any());
        let regions = self.regions.state().into_iter().map(|region| {
            let reach = match self.clusters.get(&region.name_any()) {
                Ok(_) => Reach::Ready,
                Err(unreachable) => unreachable.into(),
            };
            let facts = RegionFacts {
                region: region.clone(),
                reach,
                namespaces: None,
                remains: false,
            };
            (region.name_any(), facts)
        });
        // Counted only when it decides something.
        let going = region.metadata.deletion_timestamp.is_some();
        let holdings = going.then(|| self.holdings(&region.name_any()));
        FleetFacts {
            region: region.clone(),
            regions: regions.collect(),
            channels: self.sorted_channels(),
            policies,
            holds: self.sorted_holds(),
            requests: self.sorted_requests(),
            holdings: holdings.unwrap_or_default(),
        }
    }

    /// What a region is seen to hold of resources that are there: an orphan is nobody's.
    fn holdings(&self, region: &str) -> Holdings {
        let client = match self.clusters.get(region) {
            Ok(client) => client,
            Err(unreachable) => {
                return Holdings {
                    reading: unreachable.cause.is_first_contact(),
                    ..Holdings::default()
                };
            }
        };
        let (holders, is_read) = client.holdings();
        let named = |(owner, count): (Identity, usize)| {
            let name = match (owner.kind, &owner.namespace) {
                (OwnerKind::SocialChannel, Some(namespace)) => {
                    let channel = ObjectRef::new(&owner.name).within(namespace);
                    self.channels.get(&channel)?;
                    format!("{namespace}/{}", owner.name)
                }
                (OwnerKind::DataPolicy, None) => {
                    self.policies.get(&ObjectRef::new(&owner.name))?;
                    owner.name.clone()
                }
                (OwnerKind::LegalHold, None) => {
                    self.holds.get(&ObjectRef::new(&owner.name))?;
                    owner.name.clone()
                }
                (OwnerKind::DataSubjectRequest, None) => {
                    self.requests.get(&ObjectRef::new(&owner.name))?;
                    owner.name.clone()
                }
                // What signs its evidence is looked at by its own look.
                (OwnerKind::SocialChannel, None)
                | (
                    OwnerKind::DataPolicy | OwnerKind::LegalHold | OwnerKind::DataSubjectRequest,
                    Some(_),
                )
                | (OwnerKind::Region, _) => return None,
            };
            Some((format!("{} {name}", owner.kind.as_str()), count))
        };
        Holdings {
            objects: holders.into_iter().filter_map(named).collect(),
            reading: !is_read,
        }
    }

    /// Every DataPolicy of the hub.
    #[must_use]
    pub fn policies_by_name(&self) -> BTreeMap<String, Arc<DataPolicy>> {
        let policies = self.policies.state().into_iter();
        policies.map(|p| (p.name_any(), p)).collect()
    }

    /// Every SocialChannel of the hub, in an order that stays.
    #[must_use]
    pub fn sorted_channels(&self) -> Vec<Arc<SocialChannel>> {
        let mut channels = self.channels.state();
        channels.sort_by_key(|c| (c.namespace(), c.name_any()));
        channels
    }

    /// Every LegalHold of the hub.
    #[must_use]
    pub fn holds_by_name(&self) -> BTreeMap<String, Arc<LegalHold>> {
        self.sorted_holds().into_iter().map(named).collect()
    }

    fn sorted_holds(&self) -> Vec<Arc<LegalHold>> {
        let mut holds = self.holds.state();
        holds.sort_by_key(|h| h.name_any());
        holds
    }

    fn sorted_requests(&self) -> Vec<Arc<DataSubjectRequest>> {
        let mut requests = self.requests.state();
        requests.sort_by_key(|r| r.name_any());
        requests
    }

    /// Looks at each region, for one resource. `home` is the namespace in which its children live.
    fn looks(
        &self,
        identity: &Identity,
        had: &[(&str, &[InventoryEntry])],
        home: impl Fn(&Region) -> String,
    ) -> Looks {
        let look = |region: Arc<Region>| {
            let name = region.name_any();
            let old = had.iter().find(|(of, _)| *of == name);
            let old = old.iter().flat_map(|(_, entries)| *entries);
            let mut namespaces: BTreeSet<String> = old.map(|e| e.namespace.clone()).collect();
            let tenants = region.spec.tenants.iter().map(|t| t.namespace.clone());
            let mut followed: BTreeSet<String> =
                tenants.chain(namespaces.iter().cloned()).collect();
            followed.insert(region.spec.run_namespace.clone());
            namespaces.insert(home(&region));
            let scope = Scope {
                identity: identity.clone(),
                namespaces,
                followed,
            };
            (name.clone(), view::look(&self.clusters, &name, scope))
        };
        self.regions.state().into_iter().map(look).collect()
    }

    fn region_facts(&self, looks: &Looks) -> BTreeMap<String, RegionFacts> {
        let facts = |region: Arc<Region>| {
            let name = region.name_any();
            let (reach, namespaces, remains) = match looks.get(&name) {
                Some(Look::Known(view)) => (
                    Reach::Ready,
                    view.client.namespaces(),
                    !view.ours.is_empty(),
                ),
                Some(Look::Unknown(unreachable)) => (unreachable.clone().into(), None, false),
                // It came between two looks at the same cache.
                None => (connecting(), None, false),
            };
            let facts = RegionFacts {
                region,
                reach,
                namespaces,
                remains,
            };
            (name, facts)
        };
        self.regions.state().into_iter().map(facts).collect()
    }
}

fn named(hold: Arc<LegalHold>) -> (String, Arc<LegalHold>) {
    (hold.name_any(), hold)
}

fn connecting() -> Reach {
    Reach::Unreachable {
        since: Timestamp::now(),
        reason: "Connecting".to_owned(),
        message: "it isn't connected yet".to_owned(),
    }
}
