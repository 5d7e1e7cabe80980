//! Which holds whatever erases must find in force, and which of them no database has told of yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::is_for;
use super::scopes::{Part, Said, parts};
use crate::api::{LegalHold, Region, names};
use crate::contract::{RequiredHold, RequiredScope};
use crate::plan::{RequestFacts, placement};

/// The holds that must be in force in these stores of a Region before a run erases there: every one that is there and
/// has no release, whether or not it is accepted, is being deleted or has had its Job. Two stores with one Secret are one.
pub(in crate::plan) fn required(
    (fleet, holds): (&str, &BTreeMap<String, Arc<LegalHold>>),
    said: Said<'_>,
    region: &Region,
    stores: &BTreeSet<&str>,
) -> Vec<RequiredHold> {
    let secret = |store: &str| placement::secret_of(&region.spec, store);
    let holds = holds.values();
    let holds = holds.filter(|hold| hold.spec.release.is_none() && is_for(hold, region));
    let in_store = |hold: &LegalHold, store: &str| {
        let held = parts(hold, region, said).into_iter();
        let held = held.filter(|part| secret(store) == Some(&part.store.postgres.secret_ref));
        let held: Vec<Part<'_>> = held.collect();
        let scope = |part: Part<'_>| RequiredScope {
            table: part.table.map(str::to_owned),
            column: part.column.map(str::to_owned),
            ignore_case: part.ignore_case,
        };
        RequiredHold {
            id: names::hold_id(fleet, &hold.name_any()),
            store: store.to_owned(),
            widened_at: widened(hold, region, &held),
            scopes: held.into_iter().map(scope).collect(),
        }
    };
    let required = holds.flat_map(|hold| stores.iter().map(move |store| in_store(hold, store)));
    required.filter(|hold| !hold.scopes.is_empty()).collect()
}

/// When the database of some parts of a hold was last heard to have widened it. Moments are all told in one form.
fn widened(hold: &LegalHold, region: &Region, parts: &[Part<'_>]) -> Option<String> {
    let name = region.name_any();
    let told = hold.status.iter().flat_map(|status| &status.regions);
    let told = told.filter(|entry| entry.name == name);
    let stores = told.flat_map(|entry| &entry.stores);
    let is_meant = |store: &str| parts.iter().any(|part| part.store.name == store);
    let stores = stores.filter(|store| store.is_in_force() && is_meant(&store.name));
    stores.filter_map(|store| store.widened_at.clone()).max()
}

/// A hold for one of these stores of a Region of which the database has not said yet that it holds.
pub(in crate::plan) fn not_in_force(
    facts: &RequestFacts,
    region: &Region,
    stores: &BTreeSet<&str>,
) -> Option<String> {
    let name = region.name_any();
    let is_open = |hold: &LegalHold| hold.spec.release.is_none() && is_for(hold, region);
    let secret = |store: &str| placement::secret_of(&region.spec, store);
    let secrets: Vec<_> = stores.iter().filter_map(|store| secret(store)).collect();
    let waits = |hold: &LegalHold| {
        let entries = hold.status.iter().flat_map(|status| &status.regions);
        let mut told = entries.filter(|entry| entry.name == name);
        let told = told.next();
        let is_held = |store: &str| {
            let mut stores = told.iter().flat_map(|entry| &entry.stores);
            stores.any(|told| told.name == store && told.is_in_force())
        };
        let said = Said {
            policies: &facts.policies,
            channels: &facts.channels,
        };
        parts(hold, region, said).iter().any(|part| {
            secrets.contains(&&part.store.postgres.secret_ref) && !is_held(&part.store.name)
        })
    };
    let mut holds = facts.holds.values().filter(|hold| is_open(hold));
    holds.find(|hold| waits(hold)).map(|hold| hold.name_any())
}
