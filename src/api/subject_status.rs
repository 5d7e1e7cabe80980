//! What status tells of a data subject's request.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InventoryEntry, ReceiptRecipient, RegionState};
use crate::contract::{
    Count, Delivered, ErasedStore, OptedOut, RecipientState, RequestState, ToldRecipient,
};

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequestStage {
    /// It was received; nobody has seen yet who the person is.
    Received,
    /// Something must happen before the regions begin: a notice and its time, or another request of the same.
    Waiting,
    /// Regions are at work.
    Working,
    /// Of an objection: the person's rows are hidden everywhere; nobody has decided yet.
    Restricted,
    /// It is done in every region.
    Done,
    /// It was refused.
    Refused,
    /// It was taken back.
    Cancelled,
    /// A restriction has ended: the rows read as before.
    Lifted,
}

impl RequestStage {
    /// Whether nothing of it is left to do.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Refused | Self::Cancelled | Self::Lifted
        )
    }
}

/// What the regions do for a request as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequestAction {
    /// The person's rows go.
    Erase,
    /// A copy of them is delivered.
    Copy,
    /// They are hidden.
    Restrict,
    /// They read as before; an opt-out holds no more.
    Lift,
    /// Connectors are told to send nothing of the person to sinks that are a sale or a sharing.
    OptOut,
    /// An erasure was ended in its midst: no more rows go, and who the person is is kept no longer.
    Forget,
}

/// One deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestDeadline {
    /// The regime's id.
    pub regime: String,
    /// What must be done: `acknowledgement`, `response`, `extended response`, `extension notice`, `refusal notice`.
    pub step: String,
    /// The whole time from receipt as the law has it, `P1M`, `10BD`; a word where it has no number.
    pub within: String,
    /// The first moment that is too late, RFC 3339. Absent: the law has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The law and its article; `(unconfirmed)` where nobody confirmed the pack's fact.
    pub law: String,
    /// When it was done, as the spec says. Absent: it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_at: Option<String>,
    /// `OnTime`, `DueSoon` or `Overdue`; of one that was met, as it was then. Absent: the law has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
}

/// A request in one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestRegionStatus {
    /// The Region's name.
    pub name: String,
    /// What the plan decided.
    pub state: RegionState,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence, with what would change it.
    #[serde(default)]
    pub message: String,
    /// Whether it is done there. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Since when the region has not answered; the rest of the entry is what was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// What `progress` is of. Absent: nothing was begun there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RequestAction>,
    /// How far its stores are, by their own books; the least of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RequestState>,
    /// When the agent last reported, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<String>,
    /// Values of the person in the suppression store: how many, not which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Count>,
    /// The copy that was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// What each recipient was told, and its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub recipients: Vec<ToldRecipient>,
    /// Rows that read as before, since a restriction was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Count>,
    /// Each store's tables with their rows, of what was last done to them:
    /// `found = erased + restricted + kept + held + blocked + failed + gone + remaining`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stores: Vec<ErasedStore>,
    /// The channels whose sinks are sent nothing of the person, as the connectors' own stores say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["store".into(), "channel".into()]))]
    pub opted_out: Vec<OptedOut>,
    /// Personal data that was not looked at, since nothing says how the person is found there: `STORE/TABLE` of tables without
    /// `dataset.subjects`, and `events of NAMESPACE/CHANNEL`. Of more than 100 the last stand as one, `...`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub unasked: Vec<String>,
    /// The value of the annotation `tradewind.dev/run-at` whose Job was last made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Everything that was made for the request there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

impl RequestRegionStatus {
    /// Whether nothing is left to do there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_done = matches!(
            self.progress,
            Some(
                RequestState::Verified
                    | RequestState::Kept
                    | RequestState::Lifted
                    | RequestState::Forgotten
            )
        );
        let mut recipients = self.recipients.iter();
        is_done && recipients.all(|told| told.state != RecipientState::Pending)
    }

    /// Whether that is done there, and not what was to be done before.
    #[must_use]
    pub fn has_done(&self, action: RequestAction) -> bool {
        self.is_done() && self.action.is_none_or(|own| own == action)
    }

    /// Whether the person's rows are gone there, as far as they may go, and a recipient is still to be told of it.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.is_gone() && !self.is_done()
    }

    /// Whether an erasure has come to its end in the stores there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let is_gone = matches!(
            self.progress,
            Some(RequestState::Verified | RequestState::Kept)
        );
        is_gone && self.action == Some(RequestAction::Erase)
    }

    /// Whether an erasure was ended there in its midst, and who the person is may still be kept.
    #[must_use]
    pub fn is_forgetting(&self) -> bool {
        self.action == Some(RequestAction::Forget) && !self.is_done()
    }

    /// Since when an opt-out is in force there, in the last of its channels; where there was nothing to stop, since that was
    /// seen. None while a channel would know the person by no value that was given: what it sends goes on.
    #[must_use]
    pub fn in_force_since(&self) -> Option<&str> {
        let is_lifted = self.action == Some(RequestAction::Lift);
        if !is_lifted && self.opted_out.iter().any(OptedOut::lets_pass) {
            return None;
        }
        let told = self.opted_out.iter();
        let last = told.filter_map(|told| told.in_force_since.as_deref()).max();
        last.or(self.reported_at.as_deref())
    }

    /// Whether anything was begun there.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.action.is_some() || !self.inventory.is_empty()
    }
}

/// What came of a request, in rows over all regions:
/// `found = erased + restricted + kept + held + blocked + failed + gone + remaining`. A sum says no more than its terms do: `<5`, `11-14`, `11+`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestReceipt {
    /// When it was first told, RFC 3339.
    pub at: String,
    /// `Done`, `Refused`, `Cancelled` or `Lifted`.
    pub outcome: String,
    /// Rows of the person; of a copy, the rows in it.
    pub found: Count,
    /// Rows that were deleted, or changed.
    pub erased: Count,
    /// Rows that were hidden, and not erased.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub restricted: Count,
    /// Rows that read as before, since a restriction was lifted.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub lifted: Count,
    /// Sinks that are sent nothing of the person any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub opted_out: i64,
    /// Rows that a law keeps; each table has the ground.
    pub kept: Count,
    /// Rows that a hold keeps.
    pub held: Count,
    /// Rows that another row still refers to.
    pub blocked: Count,
    /// Rows that a database refused to delete or change.
    pub failed: Count,
    /// Rows that somebody else deleted meanwhile.
    pub gone: Count,
    /// Rows that nobody came to.
    pub remaining: Count,
    /// Tables and channels with personal data that were not looked at: `unasked` of each region names them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unasked: i64,
    /// How each recipient stands, in each region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<ReceiptRecipient>,
    /// By when no region's backup is left from which what was erased could be restored, RFC 3339: each region's end and the
    /// longest `backups.keep` of its stores. Absent: nothing was erased, or a Region does not say it of one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
    /// `sha256-<hex>` over what each region reported and what was attested, as JSON with sorted keys.
    pub hash: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(rows: &i64) -> bool {
    *rows == 0
}
