//! What the agent is told of a data subject's request, and what it answers.
//!
//! No task and no report has an identity: a task names files with its ciphertext, a report has counts and grounds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::task::{is_usual, small_counts};
use super::{
    ColumnChange, Count, EventStore, FeedDestination, HoldList, LiftedTable, Method, OptOutStore,
    OptedOut, Recipient, RequiredHold, RetentionKeep, Sum, ToldRecipient,
};
use crate::evidence::Commitment;

/// `erase`: one request of one person over the stores of a region; or, with `--reapply`, all erasures that there have
/// been, over stores that were restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Erase {
    /// What is asked for. `--reapply` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<SubjectRequest>,
    /// Of `--reapply`: nobody but a schedule asked. Where a store was restored, or the suppression store, nothing is erased then
    /// (`RestoreDetected`, `RestrictionLost`, `SuppressionBehind`): only a person knows when a restore is complete, and runs go on after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_schedule: bool,
    /// IANA zone in which keeps are counted, the region's.
    pub time_zone: String,
    /// Most rows in one transaction.
    pub batch_rows: u32,
    /// Most rows of a table that one request may find: with more, what was given is no single person's.
    pub max_rows: u32,
    /// Counts of rows and values from 1 to below this are not told. 1: all are.
    #[serde(default = "small_counts", skip_serializing_if = "is_usual")]
    pub small_counts: u32,
    /// The kinds of values by which a person is known.
    pub identities: Vec<IdentityKind>,
    /// Where the person may be.
    pub stores: Vec<SubjectStore>,
    /// Of an `OptOut`, and of nothing else: the connectors' stores that are told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opt_outs: Vec<OptOutStore>,
    /// Of an `Erasure` and of `--reapply`: the connectors' stores from which the person's events go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventStore>,
    /// Who was erased, apart from the stores.
    pub suppression: Suppression,
    /// The legal holds without which nothing is erased. A copy and a restriction do not ask for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<RequiredHold>,
    /// How old that list may be; absent: of any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_list: Option<HoldList>,
    /// Who is told once it is done in every store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Recipient>,
    /// Recipients by name that may not be told, because of the country that they are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_recipients: Vec<String>,
    /// Those who are told later, since an instrument for their country begins soon: the request stays open until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coming_recipients: Vec<String>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectRequest {
    /// Names the request, and never the person: 1 to 63 letters, digits, `.`, `-` and `_`.
    pub reference: String,
    /// What is asked for.
    pub kind: RequestKind,
    /// File with the person's identity: `age` ciphertext to the region's key, as it is or in base64, of a JSON object
    /// with a list of texts for each kind, `{"email": ["ann@mail.example"]}`.
    pub identity: PathBuf,
    /// File with the region's `age` identity, which decrypts it.
    pub key: PathBuf,
    /// Where an answer with data goes: for `Access` and `Portability`, and for these only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Of an `Erasure`: the reference of a `Restriction` of the same person whose place it takes. What the region keeps of the
    /// person for that one goes, and it is gone on with no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestKind {
    /// The person's rows go, as far as no law and no hold keeps them.
    Erasure,
    /// The person gets a copy of all rows.
    Access,
    /// The person gets a copy of what they provided.
    Portability,
    /// The person's rows stay, and the application's roles read them as absent until that is lifted.
    Restriction,
    /// Connectors send no event about the person to sinks that are a sale or a sharing, until that is lifted.
    OptOut,
}

impl RequestKind {
    /// As tasks and books write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Erasure => "Erasure",
            Self::Access => "Access",
            Self::Portability => "Portability",
            Self::Restriction => "Restriction",
            Self::OptOut => "OptOut",
        }
    }
}

/// Where a person's rows are delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// The bucket, and the key that every object begins with; `<object>.manifest.json` is written last.
    pub destination: FeedDestination,
    /// The `age` recipient that reads it, `age1...`: the person's, or of whoever hands it over.
    pub recipient: String,
    /// ISO 8601 duration after which it is to be removed, `P30D`; noted in the manifest.
    pub expires_after: String,
    /// Of `--lift`: the request has ended before its time, and what there is of the copy goes though it has not expired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// A kind of value by which a person is known, such as `email`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityKind {
    /// The kind. Values of one kind mean one person in every store.
    pub name: String,
    /// Whether the letters A to Z are the same as a to z.
    #[serde(default)]
    pub ignore_case: bool,
}

/// A store, and how a person is found in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectStore {
    /// The data store's name in the Region.
    pub name: String,
    /// File with the store's PostgreSQL URL.
    pub url: PathBuf,
    /// Where a value of one kind leads to one of another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Lookup>,
    /// Its tables with rows of persons.
    pub tables: Vec<SubjectTable>,
}

/// A table in which a value of one kind stands beside one of another: an e-mail address beside a customer's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookup {
    /// `table` or `schema.table`.
    pub table: String,
    /// What is known.
    pub by: SubjectColumn,
    /// What it leads to.
    pub gives: SubjectColumn,
}

/// A column that holds values of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectColumn {
    /// The column.
    pub column: String,
    /// The kind's name.
    pub identity: String,
}

/// A table with rows of persons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectTable {
    /// Its name in the report; unique in the store.
    pub name: String,
    /// `table` or `schema.table`.
    pub table: String,
    /// The columns by which a row is a person's: any of them.
    pub subjects: Vec<SubjectColumn>,
    /// The column that tells when a row came: `date`, `timestamp` or `timestamptz`. `--reapply` needs it, to spare rows
    /// that are newer than the erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// What keeps rows of the table, with the law: they stay, and are counted with their ground.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<RetentionKeep>,
    /// How rows go; absent: `Delete`.
    #[serde(default, skip_serializing_if = "Method::is_delete")]
    pub method: Method,
    /// What changes, unless rows are deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
    /// Whether the person provided these rows: `Portability` delivers them and no others.
    #[serde(default)]
    pub portable: bool,
}

/// The suppression store: keyed hashes of who was erased, in a database of its own, so that no restore of a store
/// takes them away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppression {
    /// File with its PostgreSQL URL.
    pub url: PathBuf,
    /// File with the key of the hashes: 64 hexadecimal digits. Without it they mean nothing.
    pub key: PathBuf,
}

/// How far a request has come; of several tables, the first of these that is true of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum RequestState {
    /// Rows stay that should go: the database refuses, or a row of somebody else refers to them.
    Failed,
    /// Not all was come to.
    #[default]
    Pending,
    /// All is gone that may go; nobody has looked again.
    LogicallyGone,
    /// A hold keeps rows.
    Held,
    /// A law keeps rows; all others are gone, and were looked for again.
    Kept,
    /// All are gone, and were looked for again.
    Verified,
    /// Of `--lift`: all read as before.
    Lifted,
    /// Of `--lift` of an `Erasure`: nobody knows here any more who the person is; what was erased by then stays erased.
    Forgotten,
    /// Of `--lift` of a copy: it has expired or was withdrawn, and nothing of it is at its destination any more.
    Removed,
}

/// What was done for a request. Cumulative over all attempts, read back from the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EraseReport {
    /// The request's reference; `reapply` for what no single request asked for.
    pub request: String,
    /// How far it has come.
    pub state: RequestState,
    /// Values of the person, or of all persons, in the suppression store: how many, not which.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub suppressed: Count,
    /// What was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// Of `--lift` of a copy: when nothing of it was at its destination any more, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
    /// The stores.
    pub stores: Vec<ErasedStore>,
    /// Of `--lift`: the tables that were looked through, with the rows that read as before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted: Vec<LiftedTable>,
    /// How each recipient stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<ToldRecipient>,
    /// Of an `OptOut`: the channels whose sinks are sent nothing of the person; when it is lifted, those that are again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opted_out: Vec<OptedOut>,
    /// Of `--reapply`: a store on whose server the suppression store is, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_server: Option<String>,
}

/// What was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// The manifest's key.
    pub manifest: String,
    /// Where the copy was put, `s3://bucket/prefix/name`, as its task had it. Absent: an earlier release reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// `sha256-<hex>` of the manifest.
    pub hash: String,
    /// When it is to be removed, RFC 3339.
    pub expires_at: String,
    /// When the region had taken it out of its bucket after that, RFC 3339. Absent: it is there still, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
}

/// One store's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErasedStore {
    /// The store's name.
    pub name: String,
    /// How far it is: the least of its tables. Absent: an earlier release reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RequestState>,
    /// Its tables.
    pub tables: Vec<ErasedTable>,
}

/// One table's numbers, in rows, few of them told as few, `<5`. `found = erased + restricted + kept + held + blocked + failed + gone + remaining`, each
/// counted for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErasedTable {
    /// The table's name in the task; `...` for several that a report has no room for.
    pub name: String,
    /// How far it has come.
    pub state: RequestState,
    /// Rows of the person when the request began, that held something to erase. Of a copy, the rows delivered.
    pub found: Count,
    /// Rows that were deleted, or changed.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub erased: Count,
    /// Of a restriction: rows that are hidden now. They were not erased.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub restricted: Count,
    /// Rows that a law keeps, and rows that such rows refer to.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub kept: Count,
    /// The same by their ground.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<KeptRows>,
    /// Rows that a hold keeps, and rows that such rows refer to.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub held: Count,
    /// Rows that another row still refers to, which neither a law nor a hold keeps.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub blocked: Count,
    /// Rows that the database refused to delete or change, or that are there again.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub failed: Count,
    /// Rows that somebody else deleted meanwhile.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub gone: Count,
    /// Rows that nobody has come to yet.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub remaining: Count,
    /// Rows of the person that came after the request had begun: not erased, no part of the sum.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub late: Count,
    /// Of `--reapply`: rows of erased persons without a clock, of which nobody can say whether they came later. They
    /// stay, and are no part of the sum.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub undated: Count,
    /// Of `--reapply`: rows with values of erased persons whose clock is after the erasure. They are taken for somebody who came
    /// back: they stay, and are no part of the sum. Where nobody can have, the clock is none that tells when a row came.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub spared: Count,
    /// What stands for each number of the sum that is not told, in the order `found`, `erased`, `restricted`, `kept`, `held`,
    /// `blocked`, `failed`, `gone`, `remaining`: with the numbers that are told they add up. None where a report has no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "plan", schemars(length(max = 9)))]
    pub commitments: Vec<Commitment>,
}

/// Rows that a law keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptRows {
    /// The law and its article, and the policy that states it.
    pub ground: String,
    /// The table whose rows the law keeps, where these stay because rows of it refer to them. Absent: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The columns that the law keeps, where the rows have lost the others that the keep names. Absent: whole rows stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "plan", schemars(length(max = 16)))]
    pub columns: Vec<String>,
    /// So many.
    pub rows: Count,
}

impl ErasedTable {
    /// Adds another table's numbers to these.
    fn add(&mut self, other: &Self) {
        self.state = self.state.min(other.state);
        // Of a sum of tables the books have no salts.
        self.commitments.clear();
        for (sum, term) in [
            (&mut self.found, other.found),
            (&mut self.erased, other.erased),
            (&mut self.restricted, other.restricted),
            (&mut self.kept, other.kept),
            (&mut self.held, other.held),
            (&mut self.blocked, other.blocked),
            (&mut self.failed, other.failed),
            (&mut self.gone, other.gone),
            (&mut self.remaining, other.remaining),
            (&mut self.late, other.late),
            (&mut self.undated, other.undated),
            (&mut self.spared, other.spared),
        ] {
            *sum = sum.plus(term);
        }
    }

    /// What the terms of `found` are called, in the order of [`ErasedTable::terms`].
    pub const TERMS: [&str; 8] = [
        "erased",
        "restricted",
        "kept",
        "held",
        "blocked",
        "failed",
        "gone",
        "remaining",
    ];

    /// The terms whose sum `found` is.
    #[must_use]
    pub fn terms(&self) -> [Count; 8] {
        [
            self.erased,
            self.restricted,
            self.kept,
            self.held,
            self.blocked,
            self.failed,
            self.gone,
            self.remaining,
        ]
    }

    /// `found`, and what it is the sum of; a copy finds, and takes nothing away.
    #[must_use]
    pub fn sum(&self) -> Sum {
        Sum {
            whole: self.found,
            parts: self.terms().to_vec(),
        }
    }
}

/// The name under which tables are summed up for which a report has no room.
pub const SEVERAL: &str = "...";

impl EraseReport {
    /// Gives up one piece of detail, least important first: grounds, which the books have; then commitments; then the last table of the
    /// store with most, whose numbers go into a sum. False when only sums are left.
    pub fn shrink(&mut self) -> bool {
        if let [.., last, _] = self.lifted.as_mut_slice() {
            SEVERAL.clone_into(&mut last.name);
            SEVERAL.clone_into(&mut last.store);
            let rows = self.lifted.pop().map_or(Count::ZERO, |table| table.rows);
            if let Some(sum) = self.lifted.last_mut() {
                sum.rows = sum.rows.plus(rows);
            }
            return true;
        }
        if OptedOut::shrink(&mut self.opted_out) {
            return true;
        }
        let mut tables = self.stores.iter_mut().flat_map(|store| &mut store.tables);
        if let Some(table) = tables.find(|table| !table.grounds.is_empty()) {
            table.grounds.pop();
            return true;
        }
        let mut tables = self.stores.iter_mut().flat_map(|store| &mut store.tables);
        if let Some(table) = tables.find(|table| !table.commitments.is_empty()) {
            table.commitments.clear();
            return true;
        }
        let most = self
            .stores
            .iter_mut()
            .max_by_key(|store| store.tables.len())
            .filter(|store| store.tables.len() > 1);
        let Some(store) = most else {
            return self.shrink_recipients();
        };
        let mut sum = store.tables.pop().unwrap_or_default();
        if let Some(last) = store.tables.pop() {
            sum.add(&last);
        }
        SEVERAL.clone_into(&mut sum.name);
        store.tables.push(sum);
        true
    }

    /// The last two recipients become one, which stands as the lesser does.
    fn shrink_recipients(&mut self) -> bool {
        let [.., last, other] = self.recipients.as_mut_slice() else {
            return false;
        };
        *last = ToldRecipient {
            name: SEVERAL.to_owned(),
            state: last.state.min(other.state),
            attempts: last.attempts.saturating_add(other.attempts),
            ..ToldRecipient::default()
        };
        self.recipients.pop();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::RecipientState;

    #[test]
    fn found_is_the_sum_of_its_terms() {
        let table = ErasedTable {
            erased: 1.into(),
            restricted: 2.into(),
            kept: 4.into(),
            held: 8.into(),
            blocked: 16.into(),
            failed: 32.into(),
            gone: 64.into(),
            remaining: 128.into(),
            late: 256.into(),
            undated: 512.into(),
            spared: 1024.into(),
            ..ErasedTable::default()
        };
        assert_eq!(table.terms().into_iter().sum::<Count>(), 255);
    }

    #[test]
    fn recipients_that_a_report_has_no_room_for_stand_as_the_least_of_them() {
        let told = |name: &str, state, attempts| ToldRecipient {
            name: name.to_owned(),
            state,
            attempts,
            ..ToldRecipient::default()
        };
        let mut report = EraseReport {
            recipients: vec![
                told("a", RecipientState::Done, 1),
                told("b", RecipientState::Pending, 2),
                told("c", RecipientState::Told, 3),
            ],
            ..EraseReport::default()
        };
        assert!(report.shrink());
        let least = told(SEVERAL, RecipientState::Pending, 5);
        assert_eq!(report.recipients[1..], [least]);
        assert!(report.shrink());
        let least = told(SEVERAL, RecipientState::Pending, 6);
        assert_eq!(report.recipients, [least]);
        assert!(!report.shrink());
    }

    #[test]
    fn a_kind_is_called_what_tasks_call_it() {
        for kind in [
            RequestKind::Erasure,
            RequestKind::Access,
            RequestKind::Portability,
            RequestKind::Restriction,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_report_that_shrinks_keeps_its_sums() {
        let table = |found: i64| ErasedTable {
            name: "t".into(),
            state: RequestState::Verified,
            found: found.into(),
            erased: found.into(),
            grounds: vec![KeptRows::default()],
            ..ErasedTable::default()
        };
        let store = |name: &str, tables| ErasedStore {
            name: name.into(),
            state: None,
            tables,
        };
        let mut kept = table(100);
        kept.state = RequestState::Kept;
        let mut report = EraseReport {
            stores: vec![
                store("a", vec![table(1), kept, table(10)]),
                store("b", vec![table(5)]),
            ],
            ..EraseReport::default()
        };
        let mut steps = 0;
        while report.shrink() {
            steps += 1;
        }
        assert_eq!(steps, 4 + 2);
        let [a, b] = &report.stores[..] else {
            panic!("{report:?}")
        };
        assert_eq!((a.tables.len(), a.tables[0].found), (1, 111.into()));
        assert_eq!(
            (a.tables[0].name.as_str(), a.tables[0].state),
            (SEVERAL, RequestState::Kept)
        );
        assert_eq!(
            (b.tables[0].name.as_str(), b.tables[0].found),
            ("t", 5.into())
        );
    }

    #[test]
    fn the_worst_of_several_states_is_told() {
        use RequestState::{Failed, Held, Kept, LogicallyGone, Pending, Verified};
        let order = [Failed, Pending, LogicallyGone, Held, Kept, Verified];
        assert!(order.is_sorted());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let task = r#"{"timeZone": "Europe/Berlin", "batchRows": 1, "maxRows": 1, "identities": [], "stores": [],
            "suppression": {"url": "/u", "key": "/k"}, "email": "x"}"#;
        let error = serde_json::from_str::<Erase>(task).unwrap_err().to_string();
        assert!(error.contains("unknown field `email`"), "{error}");
    }
}
