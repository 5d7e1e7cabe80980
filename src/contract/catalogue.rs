//! What of a database's catalogue somebody should look at: what looks as if it held persons, though no rule speaks of it; what
//! makes erasing slow, what may copy as it erases, and which database a store leads to. Names, never rows.

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
    /// Columns of other tables that refer to rows of a rule, without an index; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<MissingIndex>,
    /// Triggers that fire on rows that a rule erases; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<FiringTrigger>,
    /// Tables that a rule or the Region names and that the store's database does not have, by name; the first of them. A view or a
    /// partition of that name is none: what keeps it keeps nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<AbsentTable>,
    /// Indexes, triggers and tables that are not there, for which these three lists have no room.
    #[serde(default, skip_serializing_if = "super::report::is_zero")]
    pub more_of_rules: i64,
    /// Which database each store of the rules leads to; without those whose server does not tell, and those that a report
    /// has no room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<StoreDatabase>,
}

/// Which database a store's Secret leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoreDatabase {
    /// The store.
    pub store: String,
    /// A word that stands for the database, made of what its server says of itself: two stores with one word may be one
    /// database, by two Secrets. It opens nothing and says no name.
    pub database: String,
}

/// A table that somebody names and that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AbsentTable {
    /// The store.
    pub store: String,
    /// The table, as the rule or the Region names it.
    pub table: String,
}

/// A foreign key without an index: to erase a row, the whole table that may refer to it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MissingIndex {
    /// The store.
    pub store: String,
    /// The rule whose rows are referred to.
    pub rule: String,
    /// The table that refers, `schema.table`, quoted as SQL needs it.
    pub table: String,
    /// Its columns that refer, quoted as SQL needs them.
    pub columns: Vec<String>,
}

/// A trigger of somebody's own that erasing fires: it may copy what is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FiringTrigger {
    /// The store.
    pub store: String,
    /// The rule that erases.
    pub rule: String,
    /// The table, or the partition, that has it: `schema.table`, quoted as SQL needs it.
    pub table: String,
    /// Its name, quoted as SQL needs it.
    pub trigger: String,
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

    /// Most indexes, most triggers, and most tables that are not there.
    pub const OF_RULES: usize = 10;

    /// Gives up the last table of the list, then the last index, then the last trigger, then the last table that is not there:
    /// a keep of it keeps nothing. False when there is none.
    pub fn shrink(&mut self) -> bool {
        let gone = self.tables.pop().is_some();
        self.more = self.more.saturating_add(i64::from(gone));
        if gone {
            return true;
        }
        let gone = self.indexes.pop().is_some()
            || self.triggers.pop().is_some()
            || self.absent.pop().is_some();
        self.more_of_rules = self.more_of_rules.saturating_add(i64::from(gone));
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

/// Whether a rule can write the name, of a column or of a table with its schema or without: English letters, digits, `_` and `$`, as
/// names are that SQL needs no quotes for but for capitals. PostgreSQL has others too.
#[must_use]
pub fn can_be_ruled(name: &str) -> bool {
    let is_plain = |part: &str| {
        let mut letters = part.bytes();
        let first = letters.next();
        first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte))
    };
    name.split('.').count() <= 2 && name.split('.').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the CRD's patterns have it: `tests/api` has a rule refused that names another.
    #[test]
    fn a_rule_writes_plain_names() {
        for name in ["orders", "_o$1", "Orders", "shop.orders", "Shop._2"] {
            assert!(can_be_ruled(name), "{name}");
        }
        let odd = [
            "order-items",
            "order items",
            "2024",
            "kündigungen",
            "a.b.c",
            "shop.",
            ".orders",
            "",
            "a\"b",
        ];
        for name in odd {
            assert!(!can_be_ruled(name), "{name}");
        }
    }

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

    #[test]
    fn what_is_not_there_is_given_up_last_and_a_trigger_before_it() {
        let mut look = CatalogueLook {
            tables: vec![UnruledTable::default()],
            indexes: vec![MissingIndex::default()],
            triggers: vec![FiringTrigger::default()],
            absent: vec![AbsentTable::default()],
            ..CatalogueLook::default()
        };
        assert!(look.shrink() && look.shrink());
        assert_eq!((look.triggers.len(), look.more_of_rules), (1, 1));
        assert!(look.shrink());
        assert_eq!((look.triggers.len(), look.absent.len()), (0, 1));
        assert!(look.shrink() && !look.shrink());
        assert_eq!((look.more, look.more_of_rules), (1, 3));
    }
}
