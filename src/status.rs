//! Pure: what a resource's status should say. `(plan, observed, old status) -> new status`.
//!
//! In: the plan, what was observed in each region, the old status, the time. Out: the new status.
//! It must never do I/O, never let a counter fall to zero because a line broke, and never speak of a wish as a fact.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod asked;
mod behind;
mod chain;
mod channel;
mod dates;
mod evidence;
mod feeds;
mod findings;
mod fleet;
mod fresh;
mod gone_by;
mod held;
mod intent;
mod keeper;
mod legal_hold;
mod open_report;
mod policy;
mod read_back;
mod reapplied;
pub mod reason;
mod resource;
mod review;
mod run;
mod said;
mod sight;
mod signing;
mod subject_request;
mod timing;
mod uncarried;
mod unread;
mod unseen;

pub use asked::request_statements;
pub use behind::{Missed, catching_up};
pub use chain::{Chain, Expiring, Lie, Rule, Sealing, Statement, When};
pub use channel::channel;
pub use evidence::{
    Statements, expired, key_in_use, packs_in_force, sealed, statements, transfers_in_force,
};
pub use fleet::region;
pub use fresh::{Recorded, stop_unrecorded};
pub use held::hold_statements;
pub use intent::{Announce, Intent};
pub use legal_hold::{hold_alarms, legal_hold, still_in_force};
pub use open_report::{OPEN_REPORT, OPEN_REPORT_API, open_report, open_report_name};
pub use policy::{policy, stale};
pub use signing::{Signed, signing};
pub use subject_request::subject_request;
pub use uncarried::channel_statements;
pub use unseen::ask_unseen;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::InventoryEntry;
use crate::contract::{
    AttestReport, EraseReport, FeedReport, HoldReport, KeepKeyReport, Report, RetainMode,
    RetainReport,
};

/// A new status, and what the driver does with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<S> {
    /// The status to write, if it differs from the old one.
    pub status: S,
    /// When it will change by itself (a run becomes overdue, values of a lost region turn unknown), at the latest.
    /// The driver wakes at the earlier of this and the plan's.
    pub wake_at: Option<Timestamp>,
    /// The resource is being deleted and nothing of it is left (or all of it was orphaned): its finalizer may go.
    pub finished: bool,
}

/// What is known of a Region's own cluster while it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterObserved {
    /// UID of its `kube-system` namespace.
    pub cluster_id: Option<String>,
    /// Its Kubernetes version.
    pub version: Option<String>,
}

/// What was seen in one region after the plan was applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<O> {
    /// The region answered.
    Known {
        /// What the children report.
        children: O,
        /// Everything of ours that is there now.
        inventory: Vec<InventoryEntry>,
        /// What could not be applied or removed, with its reason; empty when all was.
        troubles: Vec<Trouble>,
    },
    /// The region did not answer: the last status stands.
    Unknown {
        /// Since when.
        since: Timestamp,
        /// Why, CamelCase.
        reason: String,
        /// Why, for a person.
        message: String,
    },
}

/// Something that could not be applied or removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// The object, `Deployment.apps aurora/aurora-instagram-connector`.
    pub object: String,
    /// CamelCase: `Conflict`, `Forbidden`, `Invalid`, `Timeout`.
    pub reason: String,
    /// For a person: what is wrong, whose the object is, what would mend it.
    pub message: String,
}

/// What a channel's children report in one region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelObserved {
    /// The connector's pods: (desired, ready with the present template); absent when there is no Deployment.
    pub connector: Option<(i32, i32)>,
    /// Why the connector's pods are not ready, when Kubernetes says (a waiting container's reason).
    pub connector_waits: Option<String>,
    /// Each feed's newest finished run, and whether one is under way.
    pub feeds: BTreeMap<String, RunObserved<FeedReport>>,
}

/// What a policy's children report in one region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyObserved {
    /// The newest run.
    pub run: RunObserved<RetainReport>,
}

/// What a hold's children report in one region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HoldObserved {
    /// The Jobs that are there, by name.
    pub jobs: BTreeMap<String, HoldJob>,
}

/// What a request's children report in one region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestObserved {
    /// The Jobs that are there, by name.
    pub jobs: BTreeMap<String, OneJob<EraseReport>>,
}

/// A Job that opens or releases a hold.
pub type HoldJob = OneJob<HoldReport>;

/// A Job that no schedule made.
#[derive(Clone, Debug, PartialEq)]
pub struct OneJob<B> {
    /// It ended: whether Kubernetes calls it complete. Absent: it is under way.
    pub succeeded: Option<bool>,
    /// The newest report of its pods; of one under way that of an attempt before.
    pub report: Option<Report<B>>,
    /// Why its pod has not started, when Kubernetes says.
    pub waits: Option<String>,
}

impl<B> Default for OneJob<B> {
    fn default() -> Self {
        Self {
            succeeded: None,
            report: None,
            waits: None,
        }
    }
}

/// What signs a region's evidence reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SigningObserved {
    /// Its runs.
    pub run: RunObserved<AttestReport>,
    /// The Jobs that keep the region's key for requests, by name.
    pub keeper: BTreeMap<String, OneJob<KeepKeyReport>>,
    /// The Jobs that do all erasures over again, by name.
    pub reapply: BTreeMap<String, OneJob<EraseReport>>,
}

/// Runs of one CronJob (and of Jobs made of its template).
#[derive(Clone, Debug, PartialEq)]
pub struct RunObserved<B> {
    /// The Job that is under way.
    pub running: Option<Running>,
    /// The newest Job that ended.
    pub last: Option<RunEnd<B>>,
    /// Every Job that ended, the newest last; what read a ledger back is none.
    pub ended: Vec<RunEnd<B>>,
    /// Every Job that read a ledger back, and ended, the newest last.
    pub read_back: Vec<RunEnd<B>>,
    /// Names of all its Jobs that are there, whatever their state: the run that an annotation asked for was made once
    /// its Job is among them.
    pub jobs: BTreeSet<String>,
    /// Of those that say so, whether they count or erase.
    pub modes: BTreeMap<String, RetainMode>,
    /// Of those that say so, what they were made under.
    pub marks: BTreeMap<String, RunMarks>,
}

/// What a retention run was made under, by its own Job: what is in force by now may be something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunMarks {
    /// The hash of what bound the policy there.
    pub spec_hash: String,
    /// The hash of the preview that was approved.
    pub approved: Option<String>,
}

impl<B> Default for RunObserved<B> {
    fn default() -> Self {
        Self {
            running: None,
            last: None,
            ended: Vec::new(),
            read_back: Vec::new(),
            jobs: BTreeSet::new(),
            modes: BTreeMap::new(),
            marks: BTreeMap::new(),
        }
    }
}

/// A Job that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The Job's name.
    pub job: String,
    /// The Job's UID.
    pub uid: String,
    /// Since when.
    pub started: Timestamp,
}

/// A Job that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd<B> {
    /// The Job's name.
    pub job: String,
    /// The Job's UID.
    pub uid: String,
    /// The start that its schedule asked for; absent for a run that somebody asked for.
    pub scheduled: Option<Timestamp>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub at: Timestamp,
    /// Whether Kubernetes calls it complete.
    pub succeeded: bool,
    /// The agent's report; absent when its pod vanished unseen.
    pub report: Option<Report<B>>,
}
