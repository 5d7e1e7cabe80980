//! What lifting a restriction did.

use serde::{Deserialize, Serialize};

use super::Count;

/// The answer of `retain --lift` and `erase --lift`: how many rows read as before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiftReport {
    /// The tables that were looked through.
    pub tables: Vec<LiftedTable>,
}

/// One table's number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiftedTable {
    /// The store's name.
    pub store: String,
    /// The rule's name; of a request, the table's in its task.
    pub name: String,
    /// Rows that this call lifted: 0, when it had been done before.
    pub rows: Count,
}
