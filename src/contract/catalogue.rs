//! What of a database's catalogue looks as if it held persons, though no rule speaks of it: names, never rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What to look for, beside the task's own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalogue {
    /// Words in a table's name that speak of persons, small and in the singular.
    pub table_words: BTreeSet<String>,
    /// The same in a column's name.
    pub column_words: BTreeSet<String>,
    /// By store, tables that somebody has a rule for, or lists as a data set: `orders` or `shop.orders`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, BTreeSet<String>>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CatalogueLook {
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<UnruledTable>,
    /// Tables that the list has no room for.
    #[serde(default)]
    pub more: i64,
}

/// A table that looks as if it held persons, and what no rule takes away of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnruledTable {
    /// The store.
    pub store: String,
    /// `schema.table`, as the catalogue has it.
    pub table: String,
    /// The rule that changes other columns of it, and leaves these. Absent: no rule speaks of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Columns whose names speak of persons; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl CatalogueLook {
    /// Most tables in a list.
    pub const TABLES: usize = 20;
    /// Most columns of a table.
    pub const COLUMNS: usize = 6;

    /// Gives up the last table of the list; false when there is none.
    pub fn shrink(&mut self) -> bool {
        let gone = self.tables.pop().is_some();
        self.more = self.more.saturating_add(i64::from(gone));
        gone
    }
}

/// Whether `schema.table` is what somebody names as `table` or `schema.table`.
#[must_use]
pub fn names_table(told: &str, found: &str) -> bool {
    told == found
        || found
            .split_once('.')
            .is_some_and(|(_, table)| table == told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_gives_up_a_table_counts_it() {
        let mut look = CatalogueLook {
            tables: vec![UnruledTable::default(); 2],
            ..CatalogueLook::default()
        };
        assert_eq!(
            [look.shrink(), look.shrink(), look.shrink()],
            [true, true, false]
        );
        assert_eq!((look.tables.len(), look.more), (0, 2));
    }
}
