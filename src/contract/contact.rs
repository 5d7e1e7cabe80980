//! Periods that run from the last contact, and notices before they are over.

use serde::{Deserialize, Serialize};

/// The newest of a row's own clock and of the rows that refer to it: what the period of a rule runs from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastContact {
    /// The tables whose rows are contacts: by foreign keys they refer to the rule's table.
    pub tables: Vec<ContactTable>,
    /// ISO 8601 calendar duration from the row's own clock, before which it is not due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// ISO 8601 calendar duration from the row's own clock, after which contacts do not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
}

/// A table whose rows are contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContactTable {
    /// `table` or `schema.table`, in the rule's store.
    pub table: String,
    /// When the contact was: `date`, `timestamp` or `timestamptz`. A contact without a value there is never over.
    pub clock: String,
}

/// When a person was told that their row will go: no row goes without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notice {
    /// The column of the rule's table, a `timestamptz`. A notice counts that is no older than the row's own clock and every contact.
    pub column: String,
    /// How many hours ago it has to be, at least.
    pub hours: u32,
}
