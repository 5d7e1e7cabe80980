//! Which stores and tables of a Region a hold's scopes mean.
//!
//! A category means every table of which a rule of a policy that chooses the Region says that it has such data, or data
//! below it in the taxonomy: what a rule does not say, nobody knows here. It is asked anew with each plan; what a database
//! holds already it holds until the release, whatever rules say by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{DataPolicy, DataStore, HeldScope, LegalHold, Region, SocialChannel};
use crate::plan::placement;

/// Who says which table has data of which category.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Said<'a> {
    /// Every DataPolicy of the hub by name.
    pub(in crate::plan) policies: &'a BTreeMap<String, Arc<DataPolicy>>,
    /// Every SocialChannel of the hub: policies may choose regions by them.
    pub(in crate::plan) channels: &'a [Arc<SocialChannel>],
}

impl<'a> Said<'a> {
    /// The tables of a category in a Region, with their stores, as rules write them.
    fn tables(&self, region: &Region, category: &str) -> BTreeSet<(&'a str, &'a str)> {
        let policies = self.policies.values().filter(|policy| {
            policy.metadata.deletion_timestamp.is_none()
                && placement::policy_chooses(policy, region, self.channels)
        });
        let rules = policies.flat_map(|policy| &policy.spec.rules);
        let is_of = |told: &String| is_under(told, category);
        let rules = rules.filter(|rule| rule.category.as_ref().is_some_and(is_of));
        let tables = rules.map(|rule| &rule.dataset);
        tables
            .map(|dataset| (dataset.store.as_str(), dataset.table.as_str()))
            .collect()
    }
}

/// Whether a category is another, or below it: `user.contact.email` is below `user.contact`.
fn is_under(told: &str, category: &str) -> bool {
    let rest = told.strip_prefix(category);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a scope means in one store of a Region.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Part<'a> {
    /// The scope.
    pub(in crate::plan) scope: &'a HeldScope,
    /// The store.
    pub(in crate::plan) store: &'a DataStore,
    /// The table; of a category as rules write it, with its schema or without. Absent: everything in the store.
    pub(in crate::plan) table: Option<&'a str>,
}

/// Each scope with its stores and tables, where the Region has the store.
pub(in crate::plan) fn parts<'a>(
    hold: &'a LegalHold,
    region: &'a Region,
    said: Said<'a>,
) -> Vec<Part<'a>> {
    let store = |name: &str| {
        let mut stores = region.spec.data_stores.iter();
        stores.find(|store| store.name == name)
    };
    let of_scope = |scope: &'a HeldScope| -> Vec<Part<'a>> {
        let own = scope.store.as_deref();
        let Some(category) = &scope.category else {
            let part = own.and_then(store).map(|store| Part {
                scope,
                store,
                table: scope.table.as_deref(),
            });
            return part.into_iter().collect();
        };
        let tables = said.tables(region, category).into_iter();
        let tables = tables.filter(|(of, _)| own.is_none_or(|own| own == *of));
        let part = |(of, table)| {
            Some(Part {
                scope,
                store: store(of)?,
                table: Some(table),
            })
        };
        tables.filter_map(part).collect()
    };
    hold.spec.scopes.iter().flat_map(of_scope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_under_itself_and_under_those_that_it_begins_with_word_by_word() {
        for (told, category, wanted) in [
            ("user.contact", "user.contact", true),
            ("user.contact.email", "user.contact", true),
            ("user.contacts", "user.contact", false),
            ("user", "user.contact", false),
            ("system.operations", "user", false),
        ] {
            assert_eq!(is_under(told, category), wanted, "{told} {category}");
        }
    }
}
