//! Periods that run from the last contact.

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
