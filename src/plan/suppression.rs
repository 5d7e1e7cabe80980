//! Where a region's pods find the suppression store, when the Region names one.

use std::path::PathBuf;

use super::Reason;
use super::meta;
use super::pod::Mount;
use super::reason::Word;
use crate::api::{RegionSpec, SuppressionStore};

/// No store's mount has this name: theirs begin with `store-`.
const NAME: &str = "suppression";

fn store(region: &RegionSpec) -> Option<&SuppressionStore> {
    region
        .requests
        .as_ref()
        .map(|requests| &requests.suppression)
}

/// The file with its URL.
pub(super) fn url(region: &RegionSpec) -> Option<PathBuf> {
    let store = store(region)?;
    Some(meta::secret_file(NAME, &store.secret_ref.key))
}

/// Its Secret.
pub(super) fn mount(region: &RegionSpec) -> Option<Mount> {
    let secret = &store(region)?.secret_ref;
    Some(Mount::key(NAME, &secret.name, &secret.key))
}

/// Why the store cannot be one: what it protects would take it along when it is restored.
pub(super) fn problem(region: &RegionSpec) -> Option<Reason> {
    let own = &store(region)?.secret_ref;
    let mut stores = region.data_stores.iter();
    let same = stores.find(|store| store.postgres.secret_ref == *own)?;
    Some(Word::SuppressionNotApart.because(format!(
        "spec.requests.suppression: it is the data store {}; a restore of that would take the suppression list back too, so \
         name a database of its own",
        same.name
    )))
}
