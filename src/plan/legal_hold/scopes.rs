//! Which stores and tables of a Region a hold's scopes mean.
//!
//! A category means every table of which a rule of a policy that chooses the Region says that it has such data, or data
//! below it in the taxonomy: what a rule does not say, nobody knows here. It is asked anew with each plan; what a database
//! holds already it holds until the release, whatever rules say by then. A subject means, in the same way, every table of which
//! a rule says which column has that kind of value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{
    DataPolicy, DataStore, HeldScope, LegalHold, PolicyRule, Region, SocialChannel, ValuesRef,
};
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
    /// The rules of the policies that choose a Region.
    fn rules(&self, region: &Region) -> impl Iterator<Item = &'a PolicyRule> {
        let policies = self.policies.values().filter(|policy| {
            policy.metadata.deletion_timestamp.is_none()
                && placement::policy_chooses(policy, region, self.channels)
        });
        policies.flat_map(|policy| &policy.spec.rules)
    }

    /// The tables of a category in a Region, with their stores, as rules write them.
    fn tables(&self, region: &Region, category: &str) -> BTreeSet<Place<'a>> {
        let is_of = |told: &String| is_under(told, category);
        let rules = self.rules(region);
        let rules = rules.filter(|rule| rule.category.as_ref().is_some_and(is_of));
        let tables = rules.map(|rule| &rule.dataset);
        tables
            .map(|dataset| (dataset.store.as_str(), dataset.table.as_str(), None))
            .collect()
    }

    /// The columns of a Region that tell whose rows are by a kind of value, with their tables and stores.
    fn columns(&self, region: &Region, identity: &str) -> BTreeSet<Place<'a>> {
        let datasets = self.rules(region).map(|rule| &rule.dataset);
        let columns = datasets.flat_map(|dataset| {
            let own = dataset.subjects.iter();
            let own = own.filter(|subject| subject.identity == identity);
            let (store, table) = (dataset.store.as_str(), dataset.table.as_str());
            own.map(move |subject| (store, table, Some(subject.column.as_str())))
        });
        columns.collect()
    }
}

/// A table in a store, and of a subject its column.
type Place<'a> = (&'a str, &'a str, Option<&'a str>);

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
    /// The table; of a category or a subject as rules write it, with its schema or without. Absent: everything in the store.
    pub(in crate::plan) table: Option<&'a str>,
    /// The column by whose values rows are held. Absent: every row.
    pub(in crate::plan) column: Option<&'a str>,
    /// Where the values are.
    pub(in crate::plan) values: Option<&'a ValuesRef>,
    /// Whether letters A to Z are the same as a to z.
    pub(in crate::plan) ignore_case: bool,
}

/// Whether requests find a kind of value whatever the case of its letters: who is erased so must be held so.
fn ignores_case(region: &Region, identity: &str) -> bool {
    let requests = region.spec.requests.iter();
    let mut kinds = requests.flat_map(|requests| &requests.identities);
    kinds.any(|kind| kind.name == identity && kind.ignore_case)
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
        let places = match (&scope.category, &scope.subject) {
            (Some(category), _) => said.tables(region, category),
            (None, Some(subject)) => said.columns(region, &subject.identity),
            (None, None) => {
                let part = own.and_then(store).map(|store| Part {
                    scope,
                    store,
                    table: scope.table.as_deref(),
                    column: scope.column.as_deref(),
                    values: scope.values_secret_ref.as_ref(),
                    ignore_case: false,
                });
                return part.into_iter().collect();
            }
        };
        let subject = scope.subject.as_ref();
        let values = subject.map(|it| &it.values_secret_ref);
        let ignore_case = subject.is_some_and(|it| ignores_case(region, &it.identity));
        let places = places.into_iter();
        let places = places.filter(|(of, ..)| own.is_none_or(|own| own == *of));
        let part = |(of, table, column)| {
            Some(Part {
                scope,
                store: store(of)?,
                table: Some(table),
                column,
                values,
                ignore_case,
            })
        };
        places.filter_map(part).collect()
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
