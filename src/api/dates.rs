//! On which days the oldest row of a rule may go, as a policy's status tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On which days the oldest row that the last run saw of a rule may go: the periods' answer, and no promise. A policy that
/// only counts takes nothing, and another policy's rule may come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleDates {
    /// The rule of this policy that erases.
    pub rule: String,
    /// What the run counted by, store, table and clock column: `aurora-orders/shop.invoices.issued_on`.
    pub of: String,
    /// When the run that saw the row counted by the database's clock, RFC 3339, where its report says so: after a dry run,
    /// while an approval is awaited, and of a ledger that was read back. Else when that run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Since when every run counted rows whose persons nobody told early enough (`erase.notice`, `lastRun.rules[].untold`), and found
    /// none to take, RFC 3339. Absent: none waits, or some go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold_since: Option<String>,
    /// The clock of the oldest row that still holds what the rule erases, RFC 3339 date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// The first day by which that row is to be gone: due by the rule's own period, or earlier by terms or a law that somebody
    /// confirmed (`dataset.records`), which `loses` then names, for they take nothing themselves. With `unknown: LastContact` or
    /// `Notice` the earliest that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_by: Option<String>,
    /// The first day on which no keep binds that row. Absent: none binds the table, or `unknown` says why it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<String>,
    /// The first day on which a rule of any policy for the region hides that row (`method: Restrict`): no keep postpones it. Absent:
    /// none hides rows of the table by the same clock, or the day is not known for contacts, a notice or a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrict_from: Option<String>,
    /// The first day on which that row may go by what the policies say: once the rule's own period and every keep are over. Absent:
    /// `unknown` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_from: Option<String>,
    /// By what `goesFrom` is so: the keep's law and article, or the rule's own period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub ground: Option<String>,
    /// What ends earlier, or on the same day, and gives way. Absent: nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub loses: Option<String>,
    /// Keeps that name columns: until when each of these keeps them, and from when on a run takes what it lets go of the row; at
    /// most four. The row itself goes after all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub columns: Vec<KeptColumns>,
    /// Why a day is not told, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<NoDate>,
}

/// A keep of some columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptColumns {
    /// The columns that it keeps.
    pub names: Vec<String>,
    /// The first day on which it keeps them no more.
    pub keep_until: String,
    /// The law and its article.
    #[schemars(length(max = 120))]
    pub ground: String,
    /// The columns that a run takes of a row before. Absent: they go with the row, or nobody said which go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub others: Vec<String>,
    /// The first day on which these may go. Absent: not before `keepUntil`, or a day is not known, as `unknown` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_go_from: Option<String>,
}

/// Why a day is not told: `goesFrom`, and where the reason concerns them, the others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoDate {
    /// No run has told anything of the rule yet.
    NoRun,
    /// The run counted another table or by another clock column than the rule names by now, or the region has not answered for
    /// long: the next run's report tells it.
    Stale,
    /// The table has few rows: their days could speak of a person (`spec.evidence.smallCounts` of the Region).
    FewRows,
    /// The last run left no row that holds what the rule erases.
    NothingLeft,
    /// The rows that the last run saw have nothing in the clock column: none of them is ever due.
    NullClock,
    /// The last run told no oldest row: none holds what the rule erases, or its report had no room for it.
    NotTold,
    /// The rule's own period is none, or its law is not known: `Accepted` says what to mend.
    NoPeriod,
    /// A day lies beyond the calendar's last year.
    BeyondCalendar,
    /// A legal hold keeps rows of the table until it is released: see `decisions[].holds`.
    Held,
    /// What a rule says of the table no law is known to keep: everything stays until that is mended. `decisions` names it.
    LawUnread,
    /// A keep counts from another clock column, of which the run saw no date.
    ClockElsewhere,
    /// The period runs from the newest contact: `eraseBy` is the earliest day that is possible.
    LastContact,
    /// The row waits until a person was told (`erase.notice`), as those do that `lastRun.rules[].untold` counts: `eraseBy` is the
    /// earliest day that is possible.
    Notice,
}
