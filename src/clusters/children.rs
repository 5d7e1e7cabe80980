//! What a region is known to hold: one cache per kind and namespace, each of which knows whether it may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Resource;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use serde::de::DeserializeOwned;

use super::Namespaces;
use super::cache::{Filler, NotKnown, Slot};
use super::wake::Identity;
use crate::api::names::FIELD_MANAGER;

/// A kind of object that Tradewind makes in regions.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The kind's name.
    const KIND: &'static str;
    /// Whether it is followed in the run namespace too. Secrets are not: the hub has no right to them there.
    const RUNS: bool;

    #[doc(hidden)]
    fn slot(scope: &Scope) -> &Slot<Self>;

    /// Drops what nobody reads, before it is kept: managed fields are most of an object's bytes.
    #[doc(hidden)]
    fn prune(&mut self) {
        self.meta_mut().managed_fields = None;
    }
}

/// One namespace's caches.
#[derive(Debug)]
pub struct Scope {
    deployments: Slot<Deployment>,
    cron_jobs: Slot<CronJob>,
    jobs: Slot<Job>,
    pods: Slot<Pod>,
    config_maps: Slot<ConfigMap>,
    services: Slot<Service>,
    service_accounts: Slot<ServiceAccount>,
    ingresses: Slot<Ingress>,
    disruption_budgets: Slot<PodDisruptionBudget>,
    secrets: Slot<PartialObjectMeta<Secret>>,
}

macro_rules! children {
    ($($kind:ty, $name:literal, $slot:ident, runs: $runs:literal;)*) => {
        $(impl Child for $kind {
            const KIND: &'static str = $name;
            const RUNS: bool = $runs;
            fn slot(scope: &Scope) -> &Slot<Self> {
                &scope.$slot
            }
        })*
    };
}

children! {
    Deployment, "Deployment", deployments, runs: false;
    CronJob, "CronJob", cron_jobs, runs: true;
    Job, "Job", jobs, runs: true;
    ConfigMap, "ConfigMap", config_maps, runs: true;
    Service, "Service", services, runs: false;
    ServiceAccount, "ServiceAccount", service_accounts, runs: true;
    Ingress, "Ingress", ingresses, runs: false;
    PodDisruptionBudget, "PodDisruptionBudget", disruption_budgets, runs: false;
}

impl Child for PartialObjectMeta<Secret> {
    const KIND: &'static str = "Secret";
    const RUNS: bool = false;

    fn slot(scope: &Scope) -> &Slot<Self> {
        &scope.secrets
    }

    fn prune(&mut self) {
        // Its values are never read: which of them we wrote last is told by our own managed fields alone.
        let ours = |field: &ManagedFieldsEntry| field.manager.as_deref() == Some(FIELD_MANAGER);
        if let Some(fields) = self.meta_mut().managed_fields.as_mut() {
            fields.retain(ours);
        }
    }
}

impl Child for Pod {
    const KIND: &'static str = "Pod";
    const RUNS: bool = true;

    fn slot(scope: &Scope) -> &Slot<Self> {
        &scope.pods
    }

    fn prune(&mut self) {
        // What a pod reports is in its status; its spec is its owner's template again.
        self.meta_mut().managed_fields = None;
        self.spec = None;
    }
}

/// Starts the watch that fills a cache.
pub(super) trait Follow {
    fn follow<K: Child>(&mut self, filler: Filler<K>);
}

impl Scope {
    /// Opens one namespace's caches and has each followed.
    pub(super) fn open(is_run: bool, by: &mut impl Follow) -> Self {
        Self {
            deployments: opened(is_run, by),
            cron_jobs: opened(is_run, by),
            jobs: opened(is_run, by),
            pods: opened(is_run, by),
            config_maps: opened(is_run, by),
            services: opened(is_run, by),
            service_accounts: opened(is_run, by),
            ingresses: opened(is_run, by),
            disruption_budgets: opened(is_run, by),
            secrets: opened(is_run, by),
        }
    }

    /// Whether each cache is read, or known to be forbidden.
    pub(super) fn is_settled(&self) -> bool {
        let Self {
            deployments,
            cron_jobs,
            jobs,
            pods,
            config_maps,
            services,
            service_accounts,
            ingresses,
            disruption_budgets,
            secrets,
        } = self;
        deployments.is_settled()
            && cron_jobs.is_settled()
            && jobs.is_settled()
            && pods.is_settled()
            && config_maps.is_settled()
            && services.is_settled()
            && service_accounts.is_settled()
            && ingresses.is_settled()
            && disruption_budgets.is_settled()
            && secrets.is_settled()
    }
}

impl Scope {
    /// Adds to the count of objects of each resource.
    fn count(&self, holdings: &mut Holders) {
        let Self {
            deployments,
            cron_jobs,
            jobs,
            pods,
            config_maps,
            services,
            service_accounts,
            ingresses,
            disruption_budgets,
            secrets,
        } = self;
        count(deployments, holdings);
        count(cron_jobs, holdings);
        count(jobs, holdings);
        count(pods, holdings);
        count(config_maps, holdings);
        count(services, holdings);
        count(service_accounts, holdings);
        count(ingresses, holdings);
        count(disruption_budgets, holdings);
        count(secrets, holdings);
    }
}

fn count<K: Child>(slot: &Slot<K>, holdings: &mut Holders) {
    for object in slot.store.state() {
        let labels = object.meta().labels.as_ref();
        if let Some(owner) = labels.and_then(Identity::from_labels) {
            *holdings.entry(owner).or_default() += 1;
        }
    }
}

fn opened<K: Child>(is_run: bool, by: &mut impl Follow) -> Slot<K> {
    if is_run && !K::RUNS {
        return Slot::not_followed();
    }
    let (slot, filler) = Slot::open();
    by.follow(filler);
    slot
}

/// How many objects are there by whom they were made for.
pub(super) type Holders = BTreeMap<Identity, usize>;

/// All that a region is known to hold.
#[derive(Debug, Default)]
pub(super) struct Children {
    inner: RwLock<Holdings>,
}

#[derive(Debug, Default)]
struct Holdings {
    /// Name and UID of every namespace there; absent until the first list is complete.
    namespaces: Option<BTreeMap<String, String>>,
    /// Those of them that are being deleted.
    going: BTreeSet<String>,
    wanted: Namespaces,
    scopes: BTreeMap<String, Arc<Scope>>,
}

impl Children {
    fn read(&self) -> RwLockReadGuard<'_, Holdings> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Holdings> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespaces that are there now, each with its UID, and those of them that are being deleted.
    pub(super) fn set_namespaces(
        &self,
        namespaces: BTreeMap<String, String>,
        going: BTreeSet<String>,
    ) {
        let mut held = self.write();
        held.namespaces = Some(namespaces);
        held.going = going;
    }

    /// The UID of a namespace that is there.
    pub(super) fn uid(&self, namespace: &str) -> Option<String> {
        self.read().namespaces.as_ref()?.get(namespace).cloned()
    }

    /// The names of the namespaces in which something may be made.
    pub(super) fn namespaces(&self) -> Option<BTreeSet<String>> {
        let held = self.read();
        let stays = |name: &&String| !held.going.contains(*name);
        held.namespaces
            .as_ref()
            .map(|names| names.keys().filter(stays).cloned().collect())
    }

    /// Whether it is known that there is no such namespace; one that is being deleted is still there.
    pub(super) fn is_gone(&self, namespace: &str) -> bool {
        let held = self.read();
        let all = held.namespaces.as_ref();
        all.is_some_and(|all| !all.contains_key(namespace))
    }

    /// Drops the caches of namespaces that are gone or no longer ours, and names those that have none yet, with
    /// whether each is the run namespace.
    pub(super) fn rescope(&self, wanted: &Namespaces) -> (Vec<String>, Vec<(String, bool)>) {
        let mut held = self.write();
        held.wanted = wanted.clone();
        let there = |name: &str| {
            held.namespaces
                .as_ref()
                .is_some_and(|all| all.contains_key(name))
        };
        let mut due: BTreeMap<String, bool> = wanted
            .tenants
            .iter()
            .map(|name| (name.clone(), false))
            .collect();
        // Also when somebody made it a tenant's: no Secret is read where the stores' credentials are.
        due.insert(wanted.run.clone(), true);
        due.retain(|name, _| there(name));
        let gone: Vec<String> = held
            .scopes
            .keys()
            .filter(|name| !due.contains_key(*name))
            .cloned()
            .collect();
        for name in &gone {
            held.scopes.remove(name);
        }
        due.retain(|name, _| !held.scopes.contains_key(name));
        (gone, due.into_iter().collect())
    }

    pub(super) fn add(&self, namespace: &str, scope: Scope) {
        let scope = Arc::new(scope);
        self.write().scopes.insert(namespace.to_owned(), scope);
    }

    /// Whether all that is asked for is read, or known to be forbidden or absent.
    pub(super) fn is_settled(&self) -> bool {
        let held = self.read();
        held.namespaces.is_some() && held.scopes.values().all(|scope| scope.is_settled())
    }

    /// How many objects are there by whom they were made for, and whether all that may be read has been.
    pub(super) fn holdings(&self) -> (Holders, bool) {
        let held = self.read();
        let mut holdings = Holders::new();
        for scope in held.scopes.values() {
            scope.count(&mut holdings);
        }
        let there = |name: &&String| {
            let all = held.namespaces.as_ref();
            all.is_some_and(|all| all.contains_key(*name))
        };
        let wanted = held.wanted.tenants.iter().chain([&held.wanted.run]);
        let is_read = held.namespaces.is_some()
            && wanted.filter(there).all(|name| {
                let scope = held.scopes.get(name);
                scope.is_some_and(|scope| scope.is_settled())
            });
        (holdings, is_read)
    }

    fn with<K: Child, T: Default>(
        &self,
        namespace: &str,
        read: impl FnOnce(&Store<K>) -> T,
    ) -> Result<T, NotKnown> {
        let held = self.read();
        let (kind, place) = (K::KIND, namespace.to_owned());
        if held.wanted.run != namespace && !held.wanted.tenants.contains(namespace) {
            return Err(NotKnown::NotFollowed {
                kind,
                namespace: place,
            });
        }
        let Some(namespaces) = &held.namespaces else {
            return Err(NotKnown::NotRead {
                kind,
                namespace: place,
            });
        };
        // A namespace that isn't there holds nothing, and nobody has rights in it.
        if !namespaces.contains_key(namespace) {
            return Ok(T::default());
        }
        let Some(scope) = held.scopes.get(namespace) else {
            return Err(NotKnown::NotRead {
                kind,
                namespace: place,
            });
        };
        let slot = K::slot(scope);
        slot.check(namespace)?;
        Ok(read(&slot.store))
    }

    pub(super) fn get<K: Child>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<K>>, NotKnown> {
        self.with(namespace, |store| {
            store.get(&ObjectRef::new(name).within(namespace))
        })
    }

    pub(super) fn all<K: Child>(&self, namespace: &str) -> Result<Vec<Arc<K>>, NotKnown> {
        self.with(namespace, Store::state)
    }

    pub(super) fn owned<K: Child>(
        &self,
        namespace: &str,
        owner: &Identity,
    ) -> Result<Vec<Arc<K>>, NotKnown> {
        let is_owned = |object: &K| {
            let labels = object.meta().labels.as_ref();
            labels.is_some_and(|labels| owner.is_in(labels))
        };
        self.with(namespace, |store| store.state_filter(is_owned))
    }
}
