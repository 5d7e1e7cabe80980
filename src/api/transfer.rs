//! What leaves a region, and on which ground it may.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ground on which personal data of this region may leave its jurisdictions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.validFrom) || !has(self.validUntil) || self.validFrom <= self.validUntil").message("transfers[]: validUntil is before validFrom; write the last day on which the instrument is valid"))]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// The transfer's name.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Where to: an ISO 3166-1 code, quoted (`"US"`), or the name of a Region, which stands for the countries of its
    /// jurisdictions.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^([A-Z]{2}|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")
    )]
    pub to: String,
    /// The instrument, by the word that the regime's pack has for it: `Scc`, `Adequacy`, `Bcr`, `AnpdClauses`. Capital and
    /// small letters are one. One that no regime of this region knows opens nothing.
    #[schemars(length(min = 2, max = 40), regex(pattern = r"^[A-Za-z][A-Za-z0-9]*$"))]
    pub instrument: String,
    /// What the instrument is, so that it can be found: a contract, a decision, a file number.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^\S(.*\S)?$"))]
    pub reference: String,
    /// The first day on which it is valid, in the region's time zone. Absent: it is valid already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
    )]
    pub valid_from: Option<String>,
    /// The last day on which it is valid, in the region's time zone. What rests on it stops when that day ends. Absent: it
    /// has no end of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
    )]
    pub valid_until: Option<String>,
    /// For an instrument that is for few persons, such as `ExemptVolume` under Chinese law: how many there were. Nothing here
    /// counts persons, so somebody counts and says so. Absent: such a transfer opens nothing, and is a finding of the policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_persons: Option<ExportedPersons>,
}

/// A count of persons whose data left, as somebody attests it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedPersons {
    /// How many different persons there were from 1 January to the day of the count.
    #[schemars(range(min = 0, max = 9_000_000_000_i64))]
    pub persons: i64,
    /// The last day that was counted, in the region's time zone; one that has not come counts nothing. It is believed for three months,
    /// and is then asked for anew; from 1 April on one of the year before opens nothing. One of too many opens nothing until there is a
    /// count of a later year.
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
    )]
    pub counted_on: String,
    /// Who attests it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^\S(.*\S)?$"))]
    pub by: String,
}

/// Copies of a database beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backups {
    /// How long the oldest copy stays, ISO 8601 in calendar units, `P35D`: what was erased from the database is in its
    /// backups for so long.
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub keep: String,
}

/// What is not made in a region, because it would take personal data over a border without an instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldFlow {
    /// `sink erp`, `feed full`.
    pub flow: String,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence, with what would change it.
    pub message: String,
}
