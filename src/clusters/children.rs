//! What a region is known to hold: one cache per kind and namespace, each of which knows whether it may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::reflector::{ObjectRef, Store};

use super::Namespaces;
use super::cache::NotKnown;
use super::scope::{Child, Holders, Scope};
use super::wake::Identity;

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
