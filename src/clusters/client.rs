//! What callers hold while a region answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::{Api, Client, Resource};

use super::cache::NotKnown;
use super::children::Children;
use super::scope::Child;
use super::wake::Identity;

/// A region that answers: its API within our limits, and what it is known to hold.
///
/// It stays usable when the region goes down in the meantime: calls then fail at once.
#[derive(Clone)]
pub struct RegionClient {
    pub(super) region: Arc<str>,
    pub(super) cluster_id: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) client: Client,
    pub(super) children: Arc<Children>,
}

impl RegionClient {
    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The UID of the cluster's `kube-system` namespace.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The cluster's version, `v1.37.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The cluster's API: every call has a deadline, a bound on its answer, and one of few places. Not for watches.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The API of a kind in a namespace.
    #[must_use]
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The names of all namespaces there that are not being deleted; none when they are not known.
    #[must_use]
    pub fn namespaces(&self) -> Option<BTreeSet<String>> {
        self.children.namespaces()
    }

    /// Whether it is known that there is no such namespace, not even one that is being deleted.
    #[must_use]
    pub fn is_gone(&self, namespace: &str) -> bool {
        self.children.is_gone(namespace)
    }

    /// How many objects of ours are there by whom they were made for, and whether all that may be read has been.
    #[must_use]
    pub fn holdings(&self) -> (BTreeMap<Identity, usize>, bool) {
        self.children.holdings()
    }

    /// What is known of one object of ours. `None`: it is known not to be there (an object without our labels is
    /// never known).
    pub fn cached<K: Child>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<K>>, NotKnown> {
        self.children.get(namespace, name)
    }

    /// Everything of ours of a kind in a namespace.
    pub fn all<K: Child>(&self, namespace: &str) -> Result<Vec<Arc<K>>, NotKnown> {
        self.children.all(namespace)
    }

    /// Everything in a namespace that was made for one resource, by its labels.
    pub fn owned<K: Child>(
        &self,
        namespace: &str,
        owner: &Identity,
    ) -> Result<Vec<Arc<K>>, NotKnown> {
        self.children.owned(namespace, owner)
    }
}
