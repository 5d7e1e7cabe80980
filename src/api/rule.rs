//! A rule of a `DataPolicy`: which rows go when, which law keeps them, and what decides where both speak.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ErasedColumn, LastContact, LegalBasis, Recipient};
use crate::contract::{Method, RetainMode};

/// One rule over one data set: how it goes (`erase`), that it must stay (`keep`, or `dataset.records` that a law keeps), or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.erase) || has(self.keep) || has(self.dataset.records) && size(self.dataset.records) > 0").message("rules: a rule needs erase, keep or dataset.records: say when its rows go, or which law keeps them"))]
#[x_kube(validation = Rule::new("!has(self.keep) || !has(self.keep.columns) || size(self.keep.columns) == 0 || has(self.keep.others) && size(self.keep.others) > 0 || has(self.erase) && self.erase.method in ['Nullify', 'Anonymise'] && has(self.erase.columns) && self.erase.columns.exists(column, !(column.name in self.keep.columns))").message("keep.others: say what goes of a row of which the law keeps some columns"))]
#[x_kube(validation = Rule::new("!has(self.keep) || !has(self.keep.columns) || size(self.keep.columns) == 0 || !has(self.dataset.subjects) || self.dataset.subjects.all(subject, subject.column in self.keep.columns)").message("keep.columns: name the columns of dataset.subjects too; a row that stays is found again by them"))]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// The rule's name.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// What the rows say of a person, by a key of the fideslang taxonomy or one of your own below it: `user.financial`,
    /// `user.contact.email`. One that the regime pack does not know is a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 120),
        regex(pattern = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")
    )]
    pub category: Option<String>,
    /// What they are kept for, in a few words for the register of processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub purpose: Option<String>,
    /// The same in a word that can be compared, a key of the fideslang taxonomy or one of your own below it: `sales`,
    /// `essential.legal_obligation`. The register of processing has it beside `purpose`. One that the regime pack does not know is
    /// a finding.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 120),
        regex(pattern = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")
    )]
    pub data_use: Option<String>,
    /// Why they may be processed at all: `Consent`, `Contract`, `LegalObligation` and the others of GDPR Article 6(1). Absent: not
    /// stated, which is a finding where a regime's register asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LegalBasis")]
    pub legal_basis: Option<LegalBasis>,
    /// Whom they are about: `customers`, `newsletter subscribers`. The register of processing has it, findings look for it. A word that
    /// the regime pack does not know is a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 80)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub subjects: Vec<String>,
    /// To whom they are disclosed beside the channels' sinks. None when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub recipients: Vec<Recipient>,
    /// Which rows.
    pub dataset: Dataset,
    /// A law that keeps them: no policy that selects the region erases them before. A rule with a `keep` alone erases
    /// nothing itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// When and how they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<Erase>,
}

/// A table of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.subjects) || self.subjects.all(one, !has(one.foundBy) || self.subjects.exists(by, by.identity == one.foundBy && by.identity != one.identity))").message("dataset.subjects[].foundBy: name the identity of another subject of this table"))]
#[x_kube(validation = Rule::new("!has(self.portable) || !self.portable || has(self.subjects)").message("dataset.portable: say in subjects whose the rows are"))]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// The store's name in `Region.spec.dataStores`.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub store: String,
    /// The table, `invoices` or `shop.invoices`. It needs a primary key.
    #[schemars(
        length(min = 1, max = 127),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$")
    )]
    pub table: String,
    /// The column that starts the period: `date`, `timestamp` or `timestamptz`. Rows without a value are never due
    /// and are reported.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub clock: String,
    /// What kinds of records the table has, all of them, in the words of the regime packs: `invoice`, `contract`. Where a law in
    /// `regimes` obliges to keep such records, no policy that selects the region erases them before its period from `clock`
    /// is over, as with a `keep` that states it. A word that none of them knows ends in `Accepted=False`. `none`: of those
    /// that a law keeps it has no records. Not stated when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub records: Vec<String>,
    /// Whose a row is, for requests of data subjects: it is a person's if any of these columns has any of their values.
    /// Such a request erases the person's rows by the rule's method, whatever their age, but for what a `keep` keeps. A rule
    /// without `erase` deletes what its keep has let go. None when absent: requests leave the table alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["column".into()]))]
    pub subjects: Vec<DatasetSubject>,
    /// Whether the person provided these rows: a request for `Portability` delivers them. They did not when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub portable: bool,
}

/// A column that tells whose a row is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetSubject {
    /// The column, `customer_id`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub column: String,
    /// What kind of value it has: one of `Region.spec.requests.identities`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub identity: String,
    /// The identity of another subject of this table by which the person is found first: with `foundBy: email`, a row with
    /// the person's e-mail address tells their value in this column, which then is theirs in every table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub found_by: Option<String>,
}

/// When and how rows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.method != 'Pseudonymise'").message("erase.method: Pseudonymise is no erasure, and nothing does it: with the key, or by trying, the value comes back; choose Delete, Nullify, Anonymise or Shred, or Restrict to hide rows"))]
#[x_kube(validation = Rule::new("!(self.method in ['Delete', 'Restrict']) || !has(self.columns) || size(self.columns) == 0").message("erase.columns: Delete and Restrict take whole rows; remove columns, or choose Nullify or Anonymise"))]
#[x_kube(validation = Rule::new("self.method in ['Delete', 'Restrict', 'Pseudonymise'] || has(self.columns) && size(self.columns) > 0").message("erase.columns: Nullify, Anonymise and Shred change columns; name at least one"))]
#[x_kube(validation = Rule::new("self.method != 'Shred' || !has(self.columns) || size(self.columns) <= 1 && self.columns.all(column, !has(column.set))").message("erase.columns: Shred destroys one key; name its column, without set"))]
#[x_kube(validation = Rule::new("self.method != 'Nullify' || !has(self.columns) || self.columns.all(column, !has(column.set) || column.set == 'Null')").message("erase.columns[].set: Nullify makes every column null; remove set, or choose Anonymise"))]
#[x_kube(validation = Rule::new("has(self.after) != has(self.byLaw)").message("erase.after: say after which period rows go, or byLaw: Shortest for the shortest that a law or terms of spec.regimes set; one of the two"))]
#[x_kube(validation = Rule::new("!has(self.byLaw) || !has(self.from)").message("erase.from: the law that sets the period says from when it runs; take from out beside byLaw"))]
pub struct Erase {
    /// ISO 8601 duration in calendar units, `P8Y`, `P6M`, `P90D`: a row is due once its clock and this lie in the past,
    /// counted in the region's time zone. Absent: see `byLaw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub after: Option<String>,
    /// `Shortest`, instead of `after`: the shortest of the periods within which laws and terms of `spec.regimes` want these rows gone
    /// in the region, by `dataset.records` and, with `lastContact`, by `controller.classes`. Where none of them sets one, or it is
    /// unconfirmed, nothing goes and `Accepted=False` says what is missing. What keeps rows goes before it, as before `after`,
    /// which says the period when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ByLaw")]
    pub by_law: Option<ByLaw>,
    /// What the period runs from. Beside `byLaw` the law says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RunsFrom>,
    /// Contacts from the newest of which the period runs, where they are younger than the row's own clock: orders of a
    /// customer. The clock alone counts when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<LastContact>,
    /// Persons are told before their rows go: a row stays whose person was not told early enough, or was in touch since. Nobody need be
    /// told when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// How rows go. `Delete` takes the whole row. `Nullify` keeps it and makes `columns` null; `Anonymise` keeps it and
    /// sets each of `columns` as it says. What is left is only anonymous if nothing in the row, or beside it, still
    /// leads to a person: that is for you to judge. `Restrict` erases nothing: the row stays, and the application's roles
    /// read it as absent until that is lifted, once an administrator has prepared the table as the agent's refusal says.
    /// `Shred` destroys the key in the one of `columns`, a `bytea`, and keeps a receipt: what it encrypted is as
    /// unreadable as that key is gone everywhere. `Pseudonymise` is refused: hashing and masking are no erasure.
    pub method: Method,
    /// For `Nullify` and `Anonymise`: the columns that change; for `Shred` the one with the key. A row that holds all of it
    /// already is not due.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub columns: Vec<ErasedColumn>,
}

/// When a person was told that their rows will go. The application tells them and writes it down; a row that says nothing stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The column of the rule's table that says when, a `timestamptz`: `notified_at`. A notice that is older than the row's own clock or
    /// than a contact of `lastContact` counts no more: whoever was in touch since is told anew.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub column: String,
    /// How many hours ago it has to be, at least: 48.
    #[schemars(range(min = 1, max = 8760))]
    pub hours: i32,
}

/// Which of the periods that laws and terms set is the rule's own; absent: none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ByLaw {
    /// The shortest.
    Shortest,
}

/// A law that keeps rows. It binds every policy that selects the same region, also while the policy that states it only
/// counts or is suspended. Names that may be one table, `invoices` and `shop.invoices`, count as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.others) || size(self.others) == 0 || has(self.columns) && size(self.columns) > 0").message("keep.columns: name what the law keeps of a row; others go only beside these"))]
#[x_kube(validation = Rule::new("!has(self.columns) || !has(self.others) || self.others.all(other, !(other.name in self.columns))").message("keep.others[].name: a column that keep.columns keeps cannot go; take it out of one"))]
#[serde(rename_all = "camelCase")]
pub struct Keep {
    /// ISO 8601 duration in calendar units, `P8Y`: no row goes before its clock and this lie in the past, counted in the
    /// region's time zone. A row whose clock has no value stays.
    #[serde(rename = "for")]
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub period: String,
    /// What the period runs from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RunsFrom>,
    /// The law and its article, `AO 147(3)`: the ground on which the rows stay.
    #[schemars(length(min = 1, max = 120), regex(pattern = r"^\S(.*\S)?$"))]
    pub reference: String,
    /// The columns that the law keeps, `total`, where it does not keep whole rows: a row that it keeps loses `others`, and these
    /// stay, with those that `others` does not name. An erasure by request takes `others` at once, a run of retention once the
    /// period of the rule that erases is over. `dataset.subjects` stay too, so name them. Whole rows when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 63),
            regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub columns: Vec<String>,
    /// With `columns`: what a kept row loses, and how, as `erase.columns` of `Anonymise` says it. When absent, those of the rule's
    /// own `erase.columns` that are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub others: Vec<ErasedColumn>,
}

/// What a period runs from: the clock itself (`EventDate`, also when absent), the end of the calendar year that the clock
/// is in, by the region's time zone, or the end of the fiscal year that it is in (`spec.fiscalYearEnd`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum RunsFrom {
    /// The clock itself.
    #[default]
    EventDate,
    /// The end of the calendar year that the clock is in, in the region's time zone.
    EndOfCalendarYear,
    /// The end of the fiscal year that the clock is in: see `fiscalYearEnd`.
    EndOfFiscalYear,
}

/// What decides when the rows of a rule may go. A row goes once the rule's own period and every keep have ended, or those of a
/// rule of another policy before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleDecision {
    /// The rule of this policy that erases.
    pub rule: String,
    /// The store's name.
    pub store: String,
    /// The table, as the rule names it.
    pub table: String,
    /// Who decides.
    pub decides: Decides,
    /// The whole of it in one sentence, with the losing period and its article.
    pub message: String,
    /// The keeps that bind the rule, the deciding one first; at most four.
    pub keeps: Vec<BindingKeep>,
    /// How many further keeps bind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_keeps: Option<i32>,
    /// Rules of other policies that erase from the same table, the one that matters most first; at most four. Each policy goes
    /// by its own rule, so what ends first takes the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_erases: Vec<OtherErase>,
    /// How many further rules of other policies do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_erases: Option<i32>,
    /// Legal holds over the table, by name; at most four. They keep rows until they are released, whatever periods say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub holds: Vec<BindingHold>,
    /// How many further holds are over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_holds: Option<i32>,
}

/// Whose period ends last: for every row the rule's own (`Erase`) or that of the first of the keeps (`Keep`); or it differs
/// from row to row (`LatestOfAll`). `OtherErase`: a rule of another policy takes every row before the rule's own period ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decides {
    /// The rule's own period, for every row: the keeps end no later.
    Erase,
    /// The first of the keeps, for every row: the rule's own period gives way.
    Keep,
    /// It differs from row to row: other clocks, or periods of months and of days.
    LatestOfAll,
    /// The first of `alsoErases`, for every row: the rule's own period gives way.
    OtherErase,
}

/// A rule of another policy that erases from the same table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherErase {
    /// The other DataPolicy.
    pub policy: String,
    /// Its rule there.
    pub rule: String,
    /// The articles by which its regimes ask for a period; `(unconfirmed)` where a pack's fact is remembered or from one weak
    /// source. Empty: none of them does here.
    pub law: String,
    /// How rows go: after `Delete` no other rule finds them.
    pub method: Method,
    /// The period.
    pub after: String,
    /// What the period runs from.
    pub from: RunsFrom,
    /// The clock column that it counts from.
    pub clock: String,
    /// Whether that policy erases, or only counts so far.
    pub mode: RetainMode,
    /// Why that policy erases nothing now, whatever its mode: `NotAccepted` or `Suspended`. Absent: nothing stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

/// Why that policy erases nothing now, whatever its mode; nothing stops it when absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Stopped {
    /// Something in its spec has to be mended: its `Accepted` says what.
    NotAccepted,
    /// Its `spec.suspend` is in force.
    Suspended,
}

/// A legal hold over a rule's table: one that is not released, or whose release a database has yet to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingHold {
    /// The LegalHold's name. Its ground is for whoever may read holds.
    pub hold: String,
    /// When somebody looks again whether it is still needed. It holds on after that day.
    pub review_on: String,
    /// Whether it keeps every row of the table. Absent: those with some values in a column.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_row: bool,
}

/// A keep that binds a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingKeep {
    /// The DataPolicy that states it, or that says what records the table has.
    pub policy: String,
    /// Its rule there.
    pub rule: String,
    /// The law and its article; `(unconfirmed)` where a pack's fact is remembered or from one weak source.
    pub reference: String,
    /// The id of the regime or statute whose pack has it: `de-tax`. Absent: the rule itself states the keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub law: Option<String>,
    /// The kind of records that this law keeps: `invoice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The period.
    #[serde(rename = "for")]
    pub period: String,
    /// What the period runs from.
    pub from: RunsFrom,
    /// The clock column that it counts from.
    pub clock: String,
    /// The columns that it keeps of a row; `message` says when the others go. Absent: whole rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub columns: Vec<String>,
}
