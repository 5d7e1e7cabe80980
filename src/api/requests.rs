//! What a region needs to answer data subjects, and the key that is made there.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KeyRef;
use crate::contract::{Count, ErasedStore, RequestState};

/// What a region needs to answer data subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// The kinds of values by which persons are known here, such as `email`: rules of DataPolicies say which columns have
    /// them, and an identity is a list of values for each. Values of one kind mean one person in every store.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("oldSelf.all(old, self.exists(kind, kind.name == old.name && (has(kind.ignoreCase) && kind.ignoreCase) == (has(old.ignoreCase) && old.ignoreCase)))").message("identities: a kind stays, and its ignoreCase with it: whoever was erased by it would not be found after a restore; add one under another name"))]
    pub identities: Vec<PersonKind>,
    /// Most rows of one person in a table: with more, what was given is no single person's, and nothing is done. 10000
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_rows: Option<i32>,
    /// When whoever was erased is looked for and erased again, in five cron fields and the region's zone: `0 4 * * *` is every
    /// night at four. Rows of theirs that an import brought back go then; rows whose `clock` is later than the erasure are
    /// spared, and a store that was restored waits for you. It reads every subject column once: choose a quiet hour. Absent:
    /// only when you ask by the annotation `tradewind.dev/reapply`, and what an import brings back stays until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100))]
    pub reapply: Option<String>,
    /// Who was erased, by keyed hashes, so that no restore and no import brings them back.
    pub suppression: SuppressionStore,
}

/// A kind of value by which persons are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonKind {
    /// The kind's name, `email`, `customerId`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub name: String,
    /// Whether the letters A to Z are the same as a to z. They are not when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// The suppression store: a PostgreSQL database of its own, better on a server of its own, and none of `dataStores`: a
/// restore of what it protects must not take it back too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionStore {
    /// A Secret in the region's `runNamespace` with the connection URL. It is mounted there and never read by the hub.
    pub secret_ref: KeyRef,
}

/// The key of a region to which identities of data subjects are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestsStatus {
    /// The public half, an `age` recipient, `age1...`. The private half is in a Secret of the region that the hub cannot
    /// read. Absent: no key is known yet, and no request can be sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// Why the last attempt to make or find the key failed, in one CamelCase word: `KeyForbidden`, `KeyUnreadable`.
    /// Absent: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What erasing again did that the annotation `tradewind.dev/reapply` or the schedule asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reapplied: Option<Reapplied>,
    /// The value of the annotation `tradewind.dev/reapply` that was last carried out, to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reapply: Option<String>,
    /// How `spec.requests.reapply` stands; absent where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reapply_schedule: Option<ReapplySchedule>,
}

/// How the schedule stands by which whoever was erased is erased again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReapplySchedule {
    /// When it is due next, RFC 3339. A moment that has passed was due and is not done yet: `reapplied` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
    /// When one last ended that looked for everybody, RFC 3339; one that the annotation asked for counts too. Absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ended_at: Option<String>,
    /// Rows that it erased in all stores; a few are told as `<5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_erased: Option<Count>,
    /// `ReapplyOverdue`: it was due twice, and was not done. Absent: it is in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What erasing again did in a region whose stores were restored or imported into, in rows of everybody who was erased before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reapplied {
    /// The value of the annotation, or `schedule` and the moment that was due.
    pub asked: String,
    /// In one CamelCase word: `Verified` (nobody is left), `Kept`, `Held` (it is made again, until holds are released), or why
    /// it goes on or cannot begin.
    pub reason: String,
    /// The same for a person.
    pub message: String,
    /// When the agent last reported, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<String>,
    /// How far its stores are, by their own books; the least of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RequestState>,
    /// Values of everybody who was erased, in the suppression store: how many, not which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Count>,
    /// A data store on whose server the suppression store is, too: a restore of that whole server takes both back, and nothing finds
    /// that out. Absent: none is, or nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_server: Option<String>,
    /// Each store's tables with their rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stores: Vec<ErasedStore>,
}
