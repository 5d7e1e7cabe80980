//! What the bodies of records hold, where something reads them again. Counts, dates, hashes and names of resources:
//! never a row, an identity, a message or a secret.
//!
//! `canonical::object(&body)` makes a record's body of one, `canonical::read(&record.body)` one of a record's body.

mod coverage;

use serde::{Deserialize, Serialize};

use super::canonical::Object;
use super::chain::Tip;
use super::hash::Hash;
use super::key::{KeyId, Signature};
use crate::contract::{
    Count, Delivered, ErasedStore, OptedOut, RecipientState, RefusalGround, RequestState,
    RetainMode, RetainedRule,
};
pub use coverage::{ChannelCoverage, Coverage, OpenFinding, UncarriedRegime, UncoveredTable};

/// In the body of a `PackChange`: the rules by which the agent's own tables go, as the release that was in force has them; absent of
/// what an earlier release recorded.
pub const OWN_RULES: &str = "ownTables";

/// Of a `Run`: what a retention run did. `about` is the policy, `source` the Job's uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The Job's name.
    pub job: String,
    /// The run's own id: a later record with the same one tells all that this one does, and what was done since. Absent: it only
    /// counted, or nobody could read it; and of what an earlier release recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The start that the schedule asked for, RFC 3339 in UTC (Kubernetes' annotation
    /// `batch.kubernetes.io/cronjob-scheduled-timestamp`); absent for a run that somebody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<String>,
    /// Whether it counted or erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetainMode>,
    /// `Done`, `AwaitingApproval`, `GrantsMissing`; `ReportLost` when nobody could read what it did.
    pub reason: String,
    /// When it started, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// The hash of the preview that it counted or was approved by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_hash: Option<String>,
    /// By when what it erased is gone from backups too, RFC 3339, as the Region told of them when this was recorded. Absent: it
    /// erased nothing, or how long backups of a store stay was unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
    /// The numbers, rule by rule.
    pub rules: Vec<RetainedRule>,
}

/// Of a `PolicyChange`: what a policy asks for in the region from now on. `about` is the policy, `source` its uid and
/// generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The generation of the spec.
    pub generation: i64,
    /// Whether the schedule starts runs here: not while the policy is suspended, deleted, refused or meant for other
    /// regions.
    pub runs: bool,
    /// Five cron fields.
    pub schedule: String,
    /// The IANA zone that the schedule is read in.
    pub zone: String,
    /// How long a run may last, ISO 8601: `PT4H`.
    pub window: String,
    /// The policy's spec without approvals, as the resource has it.
    pub spec: Object,
    /// What laws of the regime pack oblige to keep of the records that its rules say their tables have. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub laws: Vec<KeptByLaw>,
}

/// Part of a [`Policy`]: a law's word on one rule's table, as the pack in force has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptByLaw {
    /// The rule.
    pub rule: String,
    /// The kind of records: `invoice`.
    pub records: String,
    /// The law's id in the pack: `de-tax`.
    pub law: String,
    /// The law and its article.
    pub reference: String,
    /// For how long, ISO 8601.
    #[serde(rename = "for")]
    pub period: String,
    /// What the period runs from: `EndOfCalendarYear`.
    pub from: String,
}

/// Of an `Approval`: which preview somebody approved. `about` is the policy, `source` its uid and the preview's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who approved it.
    pub by: String,
    /// The preview's hash.
    pub preview_hash: String,
}

/// Of a `Hold`: how a legal hold stands in the region, whenever that is another than before. `about` is the hold, `source`
/// its uid and generation. Which rows it holds is told by store and table; no value of an identifier is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// `Opening`, `PartlyInForce`, `InForce`, `Releasing`, `Released`.
    pub state: String,
    /// Why, as the hold has it.
    pub ground: String,
    /// Who opened it.
    pub opened_by: String,
    /// When somebody looks again whether it is needed.
    pub review_on: String,
    /// What is held.
    pub scopes: Vec<HeldScope>,
    /// What each database says.
    pub stores: Vec<HeldStore>,
    /// Who released it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<HoldRelease>,
    /// The object on the hub is being deleted, which releases nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Part of a [`Hold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldScope {
    /// Its name.
    pub name: String,
    /// The store; absent: none there has data of the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The category of data that it is for; the table is one that has it, by what a rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The kind of value by which persons are held; the column is one that has it, by what a rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The table; absent: the whole store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The column whose values tell which rows; absent: every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// What a database says of a [`Hold`], by its own clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStore {
    /// The store.
    pub name: String,
    /// Since when it holds, RFC 3339; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<String>,
    /// When it was released there, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<String>,
}

/// The end of a [`Hold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldRelease {
    /// Who.
    pub by: String,
    /// Why.
    pub ground: String,
}

/// Of a `Request`: how a data subject's request stands in the region, whenever that is another than before. `about` is the
/// request, `source` its uid and generation. Who asked is nowhere in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `Received`, `Working`, `Restricted` (rows are hidden until an objection is decided), `Done`, `Lifted` (they read as
    /// before), `Refused`, `Cancelled`: here, whatever other regions have done.
    pub state: String,
    /// What is asked for: `Erasure`.
    pub kind: String,
    /// When it was received, RFC 3339: every clock runs from here.
    pub received: String,
    /// Whose law the person may call upon.
    pub jurisdictions: Vec<String>,
    /// The IANA zone in which days are counted.
    pub zone: String,
    /// What people recorded so far, in the order of a request's life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<RequestStep>,
    /// Every deadline. While the person has not answered a question they are counted as if the answer had come at once, and say
    /// whether they stand still until it comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<RequestClock>,
    /// What the region's stores say of it; absent: nothing was done here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RequestOutcome>,
    /// What came of it in all regions, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<RequestReceipt>,
    /// The object on the hub is being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// What somebody recorded of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStep {
    /// `Verified`, `Acknowledged`, `Extended`, `Paused`, `NoticeSent`, `NoticeArrived`, `UpheldErase`, `UpheldRestrict`,
    /// `Refused`, `Cancelled`, `Lifted`, `Answered`, `Attested`.
    pub step: String,
    /// When, as it was recorded: RFC 3339, of a pause its first day.
    pub at: String,
    /// Of a pause: the day on which the answer came; absent: it has not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
}

/// A deadline of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestClock {
    /// The regime's id.
    pub regime: String,
    /// What must be done: `response`.
    pub step: String,
    /// The whole time as the law has it.
    pub within: String,
    /// The first moment that is too late, RFC 3339; absent: the law has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The law and its article.
    pub law: String,
    /// When it was done; absent: it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_at: Option<String>,
    /// A question to the person is open, and by the law time does not run until the answer comes: `ends` comes later by as many
    /// days. Absent: it runs, or the record is of a release that did not tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands_still: bool,
}

/// What the stores of the region say of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestOutcome {
    /// How far the least of them is.
    pub progress: RequestState,
    /// What was done last: `Erase`, `Copy`, `Restrict`, `OptOut`, `Lift`, `Forget`. Absent of an erasing again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Rows that read as before, since a restriction was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Count>,
    /// Values of the person in the suppression store: how many, not which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Count>,
    /// The copy that was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// The channels whose sinks are sent nothing of the person, as the connectors' own stores say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opted_out: Vec<OptedOut>,
    /// Each store's tables with their rows, by term, and the grounds of what was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<ErasedStore>,
    /// Tables and channels with personal data that were not looked at, since nothing says how the person is found there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
    /// How each recipient stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RequestRecipient>,
}

/// How a recipient stands that the region tells of the request. Not how often it was tried: that is no news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRecipient {
    /// `<policy>/<recipient>`.
    pub recipient: String,
    /// `Pending`, `Told`, `Done`, `NoData`, `Refused`, `Failed`, `Held`, `NotConcerned`.
    pub state: RecipientState,
    /// On which ground it keeps the person's data, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<RefusalGround>,
}

/// What came of a [`Request`] in all regions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestReceipt {
    /// `Done`, `Refused`, `Cancelled`.
    pub outcome: String,
    /// `sha256-<hex>` over what each region reported and what was attested.
    pub hash: String,
    /// By when what was erased is gone from the regions' backups too, RFC 3339. Absent: nothing was erased, or it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
}

/// Of a `Request` about a Region: everybody who was erased before was erased again, in stores that were restored or imported into. `source` is
/// the Region's uid, the Job and the moment of its report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reapplied {
    /// What was asked for: the annotation's value, or `schedule` and the moment that was due.
    pub asked: String,
    /// The Job's name.
    pub job: String,
    /// `Verified`, `Kept`, `Held`; or why it did not come to its end.
    pub reason: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub finished_at: String,
    /// What the stores' books say; absent: nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RequestOutcome>,
}

/// Of a `KeyRotation`: the key that signs from the next checkpoint on. The old key must have named it, and sign a
/// checkpoint of this record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The new public key.
    pub key: KeyId,
    /// Who named it; absent for a key that nobody named: the first of a region, or one that replaces a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
}

/// By which key a [`KeyRotation`] was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The key that signs until then.
    pub by: KeyId,
    /// Its signature over the region and the new key.
    pub signature: Signature,
}

/// Of a `Seal`: which records are in the archive. `about` is the Region, `source` the segment's name. Once the region has
/// signed it they may go from the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// The archive: `s3://bucket/folder`.
    pub archive: String,
    /// The segment's name in it.
    pub segment: String,
    /// Its first record.
    pub first: u64,
    /// Its last record.
    pub last: u64,
    /// The hash of its last record.
    pub head: Hash,
    /// The root of the Merkle tree (RFC 6962) over the hashes of its records.
    pub root: Hash,
    /// What each of its records is the only one of, hashed, 16 hexadecimal digits each: none is recorded again.
    pub sources: String,
}

/// Of a `Seal` too: up to which record evidence is no more, by the rule on how long it is kept. `about` is the Region,
/// `source` the name of the segment that went last, and `/expired`. Once the region has signed it the segment is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// The last record that went, and with it all before it.
    pub expired: Tip,
    /// The segment that went with it.
    pub segment: String,
    /// For how long evidence is kept: `P6Y`.
    pub kept: String,
    /// The regimes that want as long, where the Region says less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<String>,
}
