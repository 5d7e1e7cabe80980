//! The Secrets of a region that a hold's Job reads, and where it finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Held;
use super::scopes::Part;
use crate::api::{DataStore, HeldScope, LegalHold, RegionSpec, ValuesRef, names};
use crate::contract::SEALED;
use crate::plan::meta;
use crate::plan::pod::Mount;

/// Folder of the region's key.
const KEY: &str = "region-key";

/// Where a store's URL is.
pub(super) fn url(store: &DataStore) -> PathBuf {
    meta::secret_file(&store_mount(store), &store.postgres.secret_ref.key)
}

/// Where a scope's values are.
pub(super) fn values(scope: &HeldScope, values: &ValuesRef) -> PathBuf {
    meta::secret_file(&values_mount(scope), &values.key)
}

/// Where the region's key is, if some values are encrypted to it, and the Region has one. No other hold's pod gets it.
pub(super) fn key(hold: &LegalHold, spec: &RegionSpec, parts: &[Part<'_>]) -> Option<PathBuf> {
    let mut values = parts.iter().filter_map(|part| part.values);
    let reads = hold.spec.release.is_none() && values.any(|values| values.key.ends_with(SEALED));
    let has_key = reads && spec.requests.is_some();
    has_key.then(|| meta::secret_file(KEY, names::REQUESTS_IDENTITY))
}

impl Held<'_> {
    /// Each store's URL, the values of each scope that has some, and the key to read them by. To release, no value is needed.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let mut mounts = BTreeMap::new();
        let names: BTreeSet<String> = self.stores().collect();
        let stores = self.spec.data_stores.iter();
        for store in stores.filter(|store| names.contains(&store.name)) {
            let secret = &store.postgres.secret_ref;
            let name = store_mount(store);
            let mount = Mount::key(name.clone(), &secret.name, &secret.key);
            mounts.insert(name, mount);
        }
        for part in &self.parts {
            if let Some(values) = part.values.filter(|_| self.hold.spec.release.is_none()) {
                let name = values_mount(part.scope);
                let mount = Mount::key(name.clone(), &values.name, &values.key);
                mounts.insert(name, mount);
            }
        }
        if self.task.key.is_some() {
            // A pod that waits for it would say nothing.
            let mount = Mount {
                name: KEY.to_owned(),
                secret: names::REQUESTS.to_owned(),
                required: Vec::new(),
                optional: vec![names::REQUESTS_IDENTITY.to_owned()],
            };
            mounts.insert(KEY.to_owned(), mount);
        }
        mounts.into_values().collect()
    }
}

fn store_mount(store: &DataStore) -> String {
    format!("store-{}", store.name)
}

fn values_mount(scope: &HeldScope) -> String {
    format!("values-{}", scope.name)
}
