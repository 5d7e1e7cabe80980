//! What a regime asks a policy and its regions to show, and what a country's law is taken to be worth.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Country, Fact};
use crate::api::Severity;

/// Something that a regime asks for, and how much it matters when it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Demand {
    /// What is looked at.
    pub check: Check,
    /// How much a finding matters.
    pub severity: Severity,
    /// For `NotErasure`: the methods that erase. One that this release does not have may be named already.
    #[serde(default)]
    pub methods: BTreeSet<MethodName>,
    /// For `RegisterIncomplete`: what the register needs.
    #[serde(default)]
    pub fields: BTreeSet<RegisterField>,
}

/// What is looked at. The word is the finding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Check {
    /// A data set of which no policy says when its rows go.
    NoPeriod,
    /// A data set whose name speaks of persons and that no policy names at all.
    PersonalTableWithoutRule,
    /// A data set, or a rule's table, in a region that takes requests, of which no rule says whose its rows are.
    PersonalTableWithoutSubjects,
    /// A rule whose method does not erase under the regime.
    NotErasure,
    /// A flow over a border without an instrument that is valid today.
    TransferWithoutInstrument,
    /// An instrument that ends within ninety days, or a decision that is to be reviewed.
    TransferEnding,
    /// A flow of which nobody said where it goes.
    CountryUnknown,
    /// A database of which nobody said how long its backups stay.
    BackupHorizonUnknown,
    /// A rule, or the policy, that lacks what the regime's register needs.
    RegisterIncomplete,
    /// A policy that names no controller.
    ControllerMissing,
    /// A rule without a legal basis.
    LegalBasisMissing,
    /// Columns that look as if they spoke of persons, in a table whose rule changes others and keeps the rows.
    PersonalColumnWithoutRule,
    /// A legal hold whose review date has passed.
    HoldPastReview,
    /// A region whose evidence is not fresh.
    EvidenceStale,
    /// Whoever was erased was not looked for again for two periods of the Region's schedule.
    ReapplyOverdue,
    /// An instrument for few persons, without a count of them.
    ExportedPersonsUncounted,
    /// A category that the taxonomy of this pack does not have.
    CategoryUnknown,
    /// A use that it does not have.
    UseUnknown,
    /// Whom data is about, in words that it does not have.
    SubjectsUnknown,
    /// A rule erases earlier than a law keeps, and no rule states that keep.
    KeepNotStated,
    /// A rule only keeps, and nothing else names its table, or the database does not have it.
    KeepMeetsNothing,
    /// Rows with nothing in the clock of their rule: they are never due.
    RowsWithoutClock,
    /// Rows that wait for a notice, of which for long no run found one whose person was told.
    NoticeOverdue,
    /// A foreign key to rows that a rule erases, without an index.
    IndexMissing,
    /// A trigger that fires on rows that a rule erases.
    TriggerOnErasure,
    /// Two stores of a region that may be one database, by two Secrets.
    StoresMayBeOne,
    /// A policy erases where nobody bounded how old the list of legal holds may be.
    HoldListUnbounded,
    /// A rule, or a keep, has rows for longer than a platform's terms or a law allow.
    HeldTooLong,
    /// A law erases the data of persons who were not heard of, of some controllers, and the policy does not say what its own is.
    InactivityClassUnstated,
}

impl Check {
    /// Every check, for tests that look for one that no case reaches or no page explains.
    pub const ALL: &'static [Self] = &[
        Self::NoPeriod,
        Self::PersonalTableWithoutRule,
        Self::PersonalTableWithoutSubjects,
        Self::NotErasure,
        Self::TransferWithoutInstrument,
        Self::TransferEnding,
        Self::CountryUnknown,
        Self::BackupHorizonUnknown,
        Self::RegisterIncomplete,
        Self::ControllerMissing,
        Self::LegalBasisMissing,
        Self::PersonalColumnWithoutRule,
        Self::HoldPastReview,
        Self::EvidenceStale,
        Self::ReapplyOverdue,
        Self::ExportedPersonsUncounted,
        Self::CategoryUnknown,
        Self::UseUnknown,
        Self::SubjectsUnknown,
        Self::KeepNotStated,
        Self::KeepMeetsNothing,
        Self::RowsWithoutClock,
        Self::NoticeOverdue,
        Self::IndexMissing,
        Self::TriggerOnErasure,
        Self::StoresMayBeOne,
        Self::HoldListUnbounded,
        Self::HeldTooLong,
        Self::InactivityClassUnstated,
    ];

    /// Whether it is about what leaves a country.
    #[must_use]
    pub fn is_of_transfers(self) -> bool {
        matches!(
            self,
            Self::TransferWithoutInstrument | Self::TransferEnding | Self::CountryUnknown
        )
    }

    /// Whether it is about what erases, and what may keep that from being so, whichever law a policy is under: also one that only
    /// keeps, or terms.
    #[must_use]
    pub fn is_of_erasing(self) -> bool {
        matches!(
            self,
            Self::NotErasure
                | Self::RowsWithoutClock
                | Self::NoticeOverdue
                | Self::IndexMissing
                | Self::TriggerOnErasure
                | Self::StoresMayBeOne
                | Self::PersonalColumnWithoutRule
                | Self::HoldPastReview
                | Self::BackupHorizonUnknown
                | Self::EvidenceStale
                | Self::ReapplyOverdue
        )
    }

    /// The word in a finding.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPeriod => "NoPeriod",
            Self::PersonalTableWithoutRule => "PersonalTableWithoutRule",
            Self::PersonalTableWithoutSubjects => "PersonalTableWithoutSubjects",
            Self::NotErasure => "NotErasure",
            Self::TransferWithoutInstrument => "TransferWithoutInstrument",
            Self::TransferEnding => "TransferEnding",
            Self::CountryUnknown => "CountryUnknown",
            Self::BackupHorizonUnknown => "BackupHorizonUnknown",
            Self::RegisterIncomplete => "RegisterIncomplete",
            Self::ControllerMissing => "ControllerMissing",
            Self::LegalBasisMissing => "LegalBasisMissing",
            Self::PersonalColumnWithoutRule => "PersonalColumnWithoutRule",
            Self::HoldPastReview => "HoldPastReview",
            Self::EvidenceStale => "EvidenceStale",
            Self::ReapplyOverdue => "ReapplyOverdue",
            Self::ExportedPersonsUncounted => "ExportedPersonsUncounted",
            Self::CategoryUnknown => "CategoryUnknown",
            Self::UseUnknown => "UseUnknown",
            Self::SubjectsUnknown => "SubjectsUnknown",
            Self::KeepNotStated => "KeepNotStated",
            Self::KeepMeetsNothing => "KeepMeetsNothing",
            Self::RowsWithoutClock => "RowsWithoutClock",
            Self::NoticeOverdue => "NoticeOverdue",
            Self::IndexMissing => "IndexMissing",
            Self::TriggerOnErasure => "TriggerOnErasure",
            Self::StoresMayBeOne => "StoresMayBeOne",
            Self::HoldListUnbounded => "HoldListUnbounded",
            Self::HeldTooLong => "HeldTooLong",
            Self::InactivityClassUnstated => "InactivityClassUnstated",
        }
    }
}

/// A method as policies write it, or will once a release has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum MethodName {
    /// The row goes.
    Delete,
    /// Columns become null.
    Nullify,
    /// Columns are set so that nobody is known by them.
    Anonymise,
    /// The row stays and is used for nothing.
    Restrict,
    /// The key goes.
    Shred,
    /// Columns become a pseudonym.
    Pseudonymise,
}

impl MethodName {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "Delete",
            Self::Nullify => "Nullify",
            Self::Anonymise => "Anonymise",
            Self::Restrict => "Restrict",
            Self::Shred => "Shred",
            Self::Pseudonymise => "Pseudonymise",
        }
    }
}

/// What a register needs of a rule, or of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegisterField {
    /// `rules[].purpose`.
    Purposes,
    /// `rules[].subjects`.
    SubjectCategories,
    /// `rules[].category`.
    DataCategories,
    /// `securityMeasures`.
    SecurityMeasures,
}

/// Countries whose law a regime's authority takes to be good enough.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adequacy {
    /// The instrument that rests on them, one of the regime's `transfers`.
    pub instrument: String,
    /// The decisions.
    pub decisions: Vec<Fact<Decision>>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The countries.
    pub countries: BTreeSet<Country>,
    /// To whom there it is limited. Absent: to nobody, and no Region need name it. With a limit somebody must say, by a
    /// transfer of the Region, that the recipient is within it.
    #[serde(default)]
    pub scope: Option<String>,
    /// The first day on which it holds. Absent: it holds already.
    #[serde(default)]
    pub valid_from: Option<Date>,
    /// The day by which it is to be reviewed. It does not end then by itself; somebody must look.
    #[serde(default)]
    pub review_by: Option<Date>,
}
