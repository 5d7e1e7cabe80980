//! The kinds that are followed in a region, and one namespace's caches of them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;

use super::cache::{Filler, Slot};
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

    /// Drops what nobody reads, before it is kept.
    #[doc(hidden)]
    fn prune(&mut self);
}

/// From one list of kinds: their caches, and what is done to each of them.
macro_rules! children {
    ($($kind:ty, $name:literal, $slot:ident, runs: $runs:literal, prune: $prune:ident;)*) => {
        /// One namespace's caches.
        #[derive(Debug)]
        pub struct Scope {
            $($slot: Slot<$kind>,)*
        }

        impl Scope {
            /// Opens one namespace's caches and has each followed.
            pub(super) fn open(is_run: bool, by: &mut impl Follow) -> Self {
                Self {
                    $($slot: opened(is_run, by),)*
                }
            }

            /// Whether each cache is read, or known to be forbidden.
            pub(super) fn is_settled(&self) -> bool {
                true $(&& self.$slot.is_settled())*
            }

            /// Adds to the count of objects of each resource.
            pub(super) fn count(&self, holders: &mut Holders) {
                $(count(&self.$slot, holders);)*
            }
        }

        $(impl Child for $kind {
            const KIND: &'static str = $name;
            const RUNS: bool = $runs;

            fn slot(scope: &Scope) -> &Slot<Self> {
                &scope.$slot
            }

            fn prune(&mut self) {
                $prune(self);
            }
        })*
    };
}

children! {
    Deployment, "Deployment", deployments, runs: false, prune: managed_fields;
    CronJob, "CronJob", cron_jobs, runs: true, prune: managed_fields;
    Job, "Job", jobs, runs: true, prune: managed_fields;
    Pod, "Pod", pods, runs: true, prune: spec;
    ConfigMap, "ConfigMap", config_maps, runs: true, prune: managed_fields;
    Service, "Service", services, runs: false, prune: managed_fields;
    ServiceAccount, "ServiceAccount", service_accounts, runs: true, prune: managed_fields;
    Ingress, "Ingress", ingresses, runs: false, prune: managed_fields;
    PodDisruptionBudget, "PodDisruptionBudget", disruption_budgets, runs: false, prune: managed_fields;
    PartialObjectMeta<Secret>, "Secret", secrets, runs: false, prune: others_fields;
}

/// Managed fields are most of an object's bytes.
fn managed_fields<K: Child>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// What a pod reports is in its status; its spec is its owner's template again.
fn spec(pod: &mut Pod) {
    managed_fields(pod);
    pod.spec = None;
}

/// A Secret's values are never read: which of them we wrote last is told by our own managed fields alone.
fn others_fields(secret: &mut PartialObjectMeta<Secret>) {
    let ours = |field: &ManagedFieldsEntry| field.manager.as_deref() == Some(FIELD_MANAGER);
    if let Some(fields) = secret.meta_mut().managed_fields.as_mut() {
        fields.retain(ours);
    }
}

/// Starts the watch that fills a cache.
pub(super) trait Follow {
    fn follow<K: Child>(&mut self, filler: Filler<K>);
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

fn count<K: Child>(slot: &Slot<K>, holders: &mut Holders) {
    for object in slot.store.state() {
        let labels = object.meta().labels.as_ref();
        if let Some(owner) = labels.and_then(Identity::from_labels) {
            *holders.entry(owner).or_default() += 1;
        }
    }
}
