//! A period that runs from a person's last contact.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Contacts: rows of other tables that refer to a row by a foreign key. The period then runs from the newest of the row's
/// own clock and theirs. It is not due while one of them has no value in its clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastContact {
    /// The tables whose rows are contacts, in the rule's store. Each needs a foreign key to the rule's table.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["table".into()]))]
    pub tables: Vec<ContactTable>,
    /// ISO 8601 duration in calendar units, `P3Y`: whatever `after` and contacts say, no row goes before its own clock and
    /// this lie in the past. No minimum beside `after` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub at_least: Option<String>,
    /// ISO 8601 duration in calendar units, `P10Y`: once a row's own clock and this lie in the past, contacts do not keep
    /// it. They keep it as long as they go on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub at_most: Option<String>,
}

/// A table whose rows are contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactTable {
    /// The table, `orders` or `shop.orders`.
    #[schemars(
        length(min = 1, max = 127),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$")
    )]
    pub table: String,
    /// When the contact was: a column of type `date`, `timestamp` or `timestamptz`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub clock: String,
}
