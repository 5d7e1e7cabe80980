//! What a rule sets a column to, as it stands in a DataPolicy.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{ColumnSet, Grain};

/// A column that loses what it says of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.set) && self.set == 'Constant') == has(self.value)").message("columns[].value: set: Constant needs it (an empty text will do), and nothing else takes it"))]
#[x_kube(validation = Rule::new("(has(self.set) && self.set == 'Truncate') == has(self.length)").message("columns[].length: set: Truncate needs it, and nothing else takes it"))]
#[x_kube(validation = Rule::new("(has(self.set) && self.set == 'Generalise') ? has(self.to) != has(self.step) : !has(self.to) && !has(self.step)").message("columns[].to, columns[].step: set: Generalise needs one of them, to for a date or step for a number, and nothing else takes them"))]
pub struct ErasedColumn {
    /// The column. Not one of the primary key, not the clock, not generated, not referred to by another table; the
    /// agent looks before it changes anything, and says what is in the way.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub name: String,
    /// What the column is set to; the parameters below go with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<ColumnSet>,
    /// For `Constant`: the value as PostgreSQL reads it for the column's type, `deleted`, `1900-01-01`, `{}`. Say
    /// nothing of a person here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
    /// For `Truncate`: how many characters stay, from the first. 3 leaves `SW1` of a postcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub length: Option<i32>,
    /// For `Generalise` of a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Grain>,
    /// For `Generalise` of a `smallint`, `integer`, `bigint` or `numeric`: it becomes the next multiple of this towards
    /// zero. 10 makes 30 of 37.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub step: Option<i32>,
}
