//! What a law obliges to keep, and what terms allow to have for a time only.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Clock, Fact, Period};
use crate::api::RunsFrom;

/// What a rule says of a table that has no records that any law keeps.
pub const NO_RECORDS: &str = "none";
/// What a policy says of a controller that is of none of a law's classes.
pub const NO_CLASS: &str = "none";

/// Records of a kind that a law obliges to keep.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepDuty {
    /// The kind, as `rules[].dataset.records` says it: `invoice`.
    pub records: String,
    /// For how long.
    #[serde(rename = "for")]
    pub period: Period,
    /// What the period runs from. Absent: the event itself.
    #[serde(default)]
    pub from: RunsFrom,
}

/// Records of a kind that may be had for a time only: a platform's terms, or a law, ask that they go by then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EraseDuty {
    /// The kind, as `rules[].dataset.records` says it: `youtubeApiData`.
    pub records: String,
    /// The longest time.
    pub within: Period,
    /// What it runs from. Absent: the event itself.
    #[serde(default)]
    pub from: RunsFrom,
}

/// Data of persons who were not heard of for a time: a law asks some controllers that it goes by then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InactivityDuty {
    /// Which controllers, as `controller.classes[].class` of a policy says it: `ecommerce`.
    pub class: String,
    /// From how many registered users on.
    pub from_users: u64,
    /// The longest time from the last contact.
    pub within: Period,
    /// How long before it the person is told, in hours. Absent: the law asks for no notice.
    #[serde(default)]
    pub notice: Option<Clock>,
    /// Kinds of records that it does not ask for, as `rules[].dataset.records` says them.
    #[serde(default)]
    pub except_records: BTreeSet<String>,
}

impl InactivityDuty {
    /// The hours of its notice.
    #[must_use]
    pub fn notice_hours(&self) -> Option<u32> {
        match self.notice {
            Some(Clock::Hours(hours)) => Some(hours),
            _ => None,
        }
    }
}

/// A law that obliges to keep, or a platform's terms by which data has to go, and that asks nothing else. It binds who is
/// under it wherever their data is, so no jurisdiction calls for it: a policy carries it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statute {
    /// Its name, for a person.
    pub name: String,
    /// The provisions.
    pub law: Fact<String>,
    /// Records that it obliges to keep.
    #[serde(default)]
    pub keep: Vec<Fact<KeepDuty>>,
    /// Records that it asks to be gone by a time.
    #[serde(default)]
    pub erase: Vec<Fact<EraseDuty>>,
}
