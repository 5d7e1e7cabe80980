//! Pure: what should be where. Facts and the time in, a plan out; total, no client, no clock, no randomness.
//!
//! In: [`ChannelFacts`], [`PolicyFacts`] or [`HoldFacts`], and now. Out: [`Plan`]. It must never do I/O, and never hold a secret:
//! only the names of keys and hashes of their values. Same facts, same bytes.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod baseline;
mod calculus;
mod channel;
mod connector;
mod cron;
mod feed;
mod fleet;
mod flows;
mod gated;
pub mod gates;
mod hold_list;
mod horizon;
mod keeper;
mod kept;
mod legal_hold;
mod meta;
mod opt_out;
mod placement;
mod platform;
mod pod;
mod policy;
pub mod reason;
mod request;
mod retention;
mod signing;
mod suppression;
mod suspension;

pub use baseline::{Baseline, stale_evidence};
pub use calculus::{DateTerms, DatesTold, RuleTerms, dates, kept_by_law, may_be_one};
pub use channel::channel;
pub use cron::read_back;
pub use fleet::region;
pub use horizon::Horizons;
pub use kept::{KeptFor, evidence_keep};
pub use legal_hold::{legal_hold, review_on};
pub use meta::Identity;
pub use placement::{channel_chooses, hold_chooses, policy_chooses};
pub use policy::{lost, policy};
pub use request::{
    Clocks, ReapplyAsked, ReapplyTimes, as_ended, clocks, identity_hash, is_spent, is_undecided,
    is_verified, leaves, precedes, request_action, request_action_in, request_reference,
    subject_request,
};
pub use retention::{hash as canonical_hash, spec_hash};
pub use signing::{SigningFacts, countersigners, rotation, signing, witnesses};
pub use suspension::paused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use crate::api::{DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel, names};
use crate::contract::RetainMode;

/// What every plan is told by the operator's own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The fleet's id: with kind, namespace and name it is the identity of what is made.
    pub fleet: String,
    /// The agent's image, `registry/name:tag` or by digest.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`; absent: Kubernetes' own default.
    pub image_pull_policy: Option<String>,
}

/// A Region and what is known of its cluster.
#[derive(Clone, Debug)]
pub struct RegionFacts {
    /// The resource.
    pub region: Arc<Region>,
    /// Whether its cluster answers.
    pub reach: Reach,
    /// The namespaces that are known to exist there; empty knowledge is `None`, and then nothing is concluded.
    pub namespaces: Option<BTreeSet<String>>,
    /// Whether objects of the resource in question were seen there, whatever its status remembers: an operator that
    /// was killed between a write and its status must not forget them.
    pub remains: bool,
}

/// Whether a regional cluster answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answers, and it is the cluster that it was before.
    Ready,
    /// It isn't connected yet, or no more: nothing is known of it. Since when, and why.
    Unreachable {
        /// Since when.
        since: Timestamp,
        /// Why: a CamelCase word such as `Connecting`, `ConnectionRefused`, `Unauthorized`, `KubeconfigRefused`,
        /// `KubeconfigMissing`, `IdentityChanged`.
        reason: String,
        /// Why, for a person.
        message: String,
    },
}

/// A Secret on the hub as the plan may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFact {
    /// It isn't there.
    Absent,
    /// It could not be read: forbidden, or the read failed. Never the same as absent.
    Unreadable(String),
    /// It is there: SHA-256 of each value by key.
    Present(BTreeMap<String, String>),
    /// It needn't be on the hub (`location: Region`).
    InRegion,
}

/// All that a SocialChannel refers to.
#[derive(Clone, Debug)]
pub struct ChannelFacts {
    /// The resource, with its old status.
    pub channel: Arc<SocialChannel>,
    /// Every Region of the hub by name, chosen or not; plus nothing else.
    pub regions: BTreeMap<String, RegionFacts>,
    /// Every DataPolicy of the hub by name.
    pub policies: BTreeMap<String, Arc<DataPolicy>>,
    /// The platform's credentials.
    pub credentials: SecretFact,
    /// When the hub last gave a sign that all LegalHolds are known.
    pub holds_seen: Option<Timestamp>,
    /// The platform and regime packs in force.
    pub packs: Arc<crate::packs::Packs>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// All that a DataPolicy refers to.
#[derive(Clone, Debug)]
pub struct PolicyFacts {
    /// The resource, with its old status.
    pub policy: Arc<DataPolicy>,
    /// Every Region of the hub by name.
    pub regions: BTreeMap<String, RegionFacts>,
    /// Every SocialChannel of the hub.
    pub channels: Vec<Arc<SocialChannel>>,
    /// Every DataPolicy of the hub by name: their keeps bind this one where they select the same region.
    pub policies: BTreeMap<String, Arc<DataPolicy>>,
    /// Every LegalHold of the hub by name: without those that are for a region nothing is erased there.
    pub holds: BTreeMap<String, Arc<LegalHold>>,
    /// The platform and regime packs in force.
    pub packs: Arc<crate::packs::Packs>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// All that a LegalHold refers to.
#[derive(Clone, Debug)]
pub struct HoldFacts {
    /// The resource, with its old status.
    pub hold: Arc<LegalHold>,
    /// Every Region of the hub by name.
    pub regions: BTreeMap<String, RegionFacts>,
    /// Every SocialChannel of the hub: policies may choose regions by them.
    pub channels: Vec<Arc<SocialChannel>>,
    /// Every DataPolicy of the hub by name: their rules say which table has data of which category.
    pub policies: BTreeMap<String, Arc<DataPolicy>>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// All that a DataSubjectRequest refers to.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// The resource, with its old status.
    pub request: Arc<DataSubjectRequest>,
    /// Every Region of the hub by name.
    pub regions: BTreeMap<String, RegionFacts>,
    /// Every SocialChannel of the hub: policies may choose regions by them.
    pub channels: Vec<Arc<SocialChannel>>,
    /// Every DataPolicy of the hub by name: their rules say where persons are, and what a law keeps.
    pub policies: BTreeMap<String, Arc<DataPolicy>>,
    /// Every LegalHold of the hub by name: one that is not in force yet is waited for.
    pub holds: BTreeMap<String, Arc<LegalHold>>,
    /// Every DataSubjectRequest of the hub, this one too: one of them may be the same.
    pub requests: Vec<Arc<DataSubjectRequest>>,
    /// The platform and regime packs in force.
    pub packs: Arc<crate::packs::Packs>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// All that a Region's own verdict and status need.
#[derive(Clone, Debug)]
pub struct FleetFacts {
    /// The resource, with its old status.
    pub region: Arc<Region>,
    /// Every Region of the hub by name, this one too: its `reach` is what is known of its cluster.
    pub regions: BTreeMap<String, RegionFacts>,
    /// Every SocialChannel of the hub, with its status.
    pub channels: Vec<Arc<SocialChannel>>,
    /// Every DataPolicy of the hub, with its status.
    pub policies: Vec<Arc<DataPolicy>>,
    /// Every LegalHold of the hub, with its status.
    pub holds: Vec<Arc<LegalHold>>,
    /// Every DataSubjectRequest of the hub, with its status.
    pub requests: Vec<Arc<DataSubjectRequest>>,
    /// What its cluster is seen to hold, whatever statuses say of it; read when it is being deleted.
    pub holdings: Holdings,
}

/// What of ours a regional cluster is seen to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// How many objects by whom they were made for, `SocialChannel aurora/aurora-instagram`: resources that are there.
    pub objects: BTreeMap<String, usize>,
    /// The cluster is still being connected or read for the first time: more may be there.
    pub reading: bool,
}

/// What a Region's status says of itself, and whether it may go.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPlan {
    /// Whether the spec is sound.
    pub verdict: Verdict,
    /// Whether the cluster answers.
    pub reach: Reach,
    /// Channels that run there.
    pub channels: i32,
    /// Policies that run there.
    pub policies: i32,
    /// What still has objects there, `SocialChannel aurora/aurora-instagram (9 objects)`: a Region that is being
    /// deleted waits until this is empty, with `Orphan` too (there it empties without the cluster's help).
    pub left: Vec<String>,
    /// When the plan will change by itself (a suspension ends), at the latest.
    pub wake_at: Option<Timestamp>,
    /// Whether the Region is being deleted.
    pub deleting: Option<crate::api::DeletionPolicy>,
}

/// What should be where.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<W> {
    /// Whether the spec as a whole is sound and permitted.
    pub verdict: Verdict,
    /// What should be in each region: every chosen one, and every one in which the old status says something was made.
    pub regions: BTreeMap<String, RegionPlan<W>>,
    /// What status shows of a region beside the decision.
    pub notes: BTreeMap<String, RegionNote>,
    /// What was found, for the typed conditions: the resource's own in the order of its fields, then the regions' in the
    /// order of their names.
    pub findings: Vec<Finding>,
    /// Data sets of the matched regions that no rule erases from (policies only).
    pub uncovered: Vec<crate::api::Uncovered>,
    /// What the policy's regimes ask for and is missing (policies only).
    pub baseline: Baseline,
    /// When the plan will change by itself (a suspension or grace ends), at the latest.
    pub wake_at: Option<Timestamp>,
    /// Whether the resource is being deleted: everything is withdrawn (or, with `Orphan`, left).
    pub deleting: Option<crate::api::DeletionPolicy>,
}

/// What status shows of a region beside the decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionNote {
    /// Whether the spec chooses the region now; others are only being cleaned.
    pub chosen: bool,
    /// Whether the regional cluster answers; absent when there is no such Region.
    pub reach: Option<Reach>,
    /// Since when no lawful policy has covered the channel here.
    pub uncovered_since: Option<Timestamp>,
    /// Which regimes no policy carries for it here (channels only).
    pub lacking: Option<Lacking>,
    /// What is not made here, because it would take personal data over a border without an instrument (channels only).
    pub held: Vec<crate::api::HeldFlow>,
    /// How old the list of holds is, for a connector that is otherwise left as it is (channels only).
    pub hold_list: Option<ConfigMap>,
    /// The preview that the approval of this region names, kept while the approval stands (policies only).
    pub approved: Option<crate::contract::Preview>,
    /// What decides for each rule whose table has keeps (policies only).
    pub decisions: Vec<crate::api::RuleDecision>,
    /// What the days of each rule's oldest row follow from (policies only).
    pub dates: Option<DateTerms>,
    /// What there is to be of the spec here: of a policy the hash of its spec and of what binds it, of a hold the name
    /// of the ConfigMap with its task.
    pub spec_hash: Option<String>,
    /// The stores of a hold's task (holds only).
    pub held_stores: BTreeSet<String>,
    /// The tables that its scopes with a category mean (holds only).
    pub held_tables: Vec<crate::api::HeldTable>,
    /// How long backups of its stores stay.
    pub horizons: Horizons,
    /// What a request does not look at (requests only).
    pub unasked: Option<Unasked>,
    /// What is read back from the region's ledger here, while it runs and while it is paused (policies only). Absent: nothing
    /// is made here now.
    pub untold: Option<Untold>,
    /// Since when a withdrawal has waited for that here, or did until its time was over (policies only).
    pub waits_since: Option<Timestamp>,
}

/// What the law of a Region calls for and no policy carries for a channel there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Each regime.
    pub missing: Vec<gates::Missing>,
    /// What the Region does about it.
    pub sanction: gates::Sanction,
}

/// Runs of a policy of which nobody has read what they did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// The Jobs whose ledgers are asked, the oldest first.
    pub lost: Vec<String>,
    /// A run under way is ended, and may be waited for.
    pub under_way: bool,
}

/// What a request does not look at in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unasked {
    /// Tables, `STORE/TABLE`, and channels, `events of NAMESPACE/NAME`, by which no person can be found.
    pub all: Vec<String>,
    /// Channels that are asked where the person has a value of their kind: those that then tell nothing belong to the others.
    pub events: Vec<String>,
}

/// Whether the spec as a whole is sound and permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Accepted,
    /// Somebody must edit it (`Accepted=False`): what runs stays, but for what erases, which is stopped.
    Invalid(Reason),
    /// Something that it names is missing (`ReferencesResolved=False`): what runs stays, but for what erases; a watch wakes us.
    Waiting(Reason),
    /// `spec.suspend` is in force.
    Suspended(Reason),
}

/// Why: one CamelCase word and one sentence that says what would change it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// `UnknownPlatform`, `ScheduleTooOften`.
    pub word: String,
    /// For a person: the field, what is wrong, what would be right.
    pub message: String,
}

/// What should be in one region.
#[derive(Clone, Debug, PartialEq)]
pub enum RegionPlan<W> {
    /// This runs there, and nothing else of ours.
    Run(Box<W>),
    /// As `Hold`, but what works by itself is stopped, so that a policy that is paused or wrong erases nothing: its CronJobs are
    /// suspended and a run under way is ended. Nothing else is written, but for what reads a policy's ledger back; status
    /// calls it a hold, with this reason.
    Pause(Reason),
    /// What runs there stays as it is; nothing new.
    Keep(Reason),
    /// Touch nothing: it isn't known what is there, or somebody said so.
    Hold(Reason),
    /// Nothing of ours may be there: take away what is.
    Withdraw(Reason),
    /// `deletionPolicy: Orphan`: what is there stays and is forgotten. No request is made.
    Leave(Reason),
}

impl<W> RegionPlan<W> {
    /// What is to be applied, when anything is.
    #[must_use]
    pub fn workloads(&self) -> Option<&W> {
        match self {
            Self::Run(workloads) => Some(workloads),
            Self::Pause(_) | Self::Keep(_) | Self::Hold(_) | Self::Withdraw(_) | Self::Leave(_) => {
                None
            }
        }
    }

    /// Why it isn't simply running.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Run(_) => None,
            Self::Pause(reason)
            | Self::Keep(reason)
            | Self::Hold(reason)
            | Self::Withdraw(reason)
            | Self::Leave(reason) => Some(reason),
        }
    }
}

/// An answer of a gate, for one region or for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The condition that it speaks for.
    pub condition: crate::api::condition::ConditionType,
    /// The region, when it is about one.
    pub region: Option<String>,
    /// `Some(true)` fulfilled, `Some(false)` not, `None` not known.
    pub holds: Option<bool>,
    /// Why.
    pub reason: Reason,
}

/// What a channel has in a region. `apply` takes it apart without `..`: a new field that nobody applies does not compile.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelWorkloads {
    /// The pods' identity; no token.
    pub service_account: ServiceAccount,
    /// The copy of the platform's keys, when they live on the hub.
    pub credentials: Option<SecretCopy>,
    /// What takes webhooks; absent for a platform or channel without.
    pub connector: Option<ConnectorWorkloads>,
    /// One per feed, by the feed's name.
    pub feeds: BTreeMap<String, FeedWorkloads>,
}

/// What takes webhooks.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorWorkloads {
    /// When the hub last saw all LegalHolds: it gets older while the pods run, and rolls none.
    pub hold_list: Option<ConfigMap>,
    /// The task.
    pub config_map: ConfigMap,
    /// The pods.
    pub deployment: Deployment,
    /// Their address.
    pub service: Service,
    /// The way in from outside.
    pub ingress: Option<Ingress>,
    /// One pod at a time.
    pub disruption_budget: PodDisruptionBudget,
    /// Where the platform sends webhooks, when there is an Ingress.
    pub callback_url: Option<String>,
}

/// What writes a feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedWorkloads {
    /// The task.
    pub config_map: ConfigMap,
    /// The schedule.
    pub cron_job: CronJob,
    /// The run that an annotation asked for and that was not made yet (create only; never changed).
    pub run_now: Option<Job>,
}

/// What a policy has in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyWorkloads {
    /// The pods' identity; no token.
    pub service_account: ServiceAccount,
    /// The task.
    pub config_map: ConfigMap,
    /// The schedule.
    pub cron_job: CronJob,
    /// The run that an annotation asked for and that was not made yet (create only; never changed).
    pub run_now: Option<Job>,
    /// What reads the ledger back after runs that left no report (create only; never changed).
    pub read_back: Vec<Job>,
    /// What runs may do by now: one under way that does more is ended.
    pub permit: Permit,
}

/// What a policy's runs may do in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Whether they count or erase.
    pub mode: RetainMode,
    /// The hash of what binds the policy there.
    pub spec_hash: String,
    /// The hash of the preview that is approved.
    pub approved: Option<String>,
}

impl Permit {
    /// What a run is marked with, so that it can be told later what it was made to do.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<String, String> {
        let approved = self.approved.clone();
        [
            (names::ANNOTATION_MODE, Some(self.mode.as_str().to_owned())),
            (names::ANNOTATION_SPEC_HASH, Some(self.spec_hash.clone())),
            (names::ANNOTATION_APPROVED, approved),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }

    /// Whether a run with these marks may go on. One that only counts may; one that erases may while the policy still
    /// erases, by the same rules and, if it had an approval, by the same. An approval that it did not have takes nothing
    /// from it.
    #[must_use]
    pub fn allows<'a>(&self, mark: impl Fn(&str) -> Option<&'a str>) -> bool {
        let erases = mark(names::ANNOTATION_MODE) == Some(RetainMode::Enforce.as_str());
        let had = mark(names::ANNOTATION_APPROVED);
        !erases
            || self.mode == RetainMode::Enforce
                && mark(names::ANNOTATION_SPEC_HASH) == Some(&self.spec_hash)
                && had.is_none_or(|had| self.approved.as_deref() == Some(had))
    }
}

/// What a hold has in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldWorkloads {
    /// The pods' identity; no token.
    pub service_account: ServiceAccount,
    /// The task; its name follows from it.
    pub config_map: ConfigMap,
    /// What opens or releases the hold in each store (create only; never changed).
    pub job: Job,
}

/// What a request has in a region: the same three, and the ciphertext beside the task.
pub type RequestWorkloads = HoldWorkloads;

/// What signs a region's evidence. The pods' identity is the chart's to make: the operator gives nobody rights.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningWorkloads {
    /// When the hub last saw all LegalHolds, where the Region bounds how old that may be.
    pub hold_list: Option<ConfigMap>,
    /// The task.
    pub config_map: ConfigMap,
    /// The schedule.
    pub cron_job: CronJob,
    /// The run that an annotation asked for and that was not made yet (create only; never changed).
    pub run_now: Option<Job>,
    /// What keeps the key to which identities of data subjects are encrypted, where the region takes requests.
    pub keeper: Option<KeyWorkloads>,
    /// What asks that all erasures are done over again, and was not carried out yet.
    pub reapply_asked: Option<ReapplyAsked>,
    /// How the schedule for that stands.
    pub reapply_times: Option<ReapplyTimes>,
    /// What does it, while it is asked for.
    pub reapply: Option<ReapplyWorkloads>,
    /// Why that cannot be made.
    pub reapply_problem: Option<Reason>,
}

/// What does all erasures over again: the same three as a request's, without a ciphertext.
pub type ReapplyWorkloads = HoldWorkloads;

/// What keeps a region's key for requests. The pods' identity is the chart's to make here too.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyWorkloads {
    /// The task; its name follows from it.
    pub config_map: ConfigMap,
    /// What finds the key, or makes it (create only; never changed).
    pub job: Job,
}

/// A Secret that is to be copied from the hub: names and hashes only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCopy {
    /// The copy's namespace in the region, and the original's on the hub.
    pub namespace: String,
    /// The original's name on the hub.
    pub from: String,
    /// The copy's name in the region.
    pub name: String,
    /// The keys that are copied, with the SHA-256 of the values that the plan saw.
    pub keys: BTreeMap<String, String>,
    /// The copy's labels.
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(mode: RetainMode, hash: &str, approved: Option<&str>) -> Permit {
        Permit {
            mode,
            spec_hash: hash.to_owned(),
            approved: approved.map(str::to_owned),
        }
    }

    #[test]
    fn a_run_goes_on_while_it_may() {
        use RetainMode::{DryRun, Enforce};
        let approved = permit(Enforce, "h", Some("p"));
        for (run, now, goes_on) in [
            (approved.clone(), approved.clone(), true),
            (approved.clone(), permit(DryRun, "h", Some("p")), false),
            (approved.clone(), permit(Enforce, "h", None), false),
            (approved.clone(), permit(Enforce, "h", Some("q")), false),
            (approved.clone(), permit(Enforce, "other", Some("p")), false),
            (permit(Enforce, "h", None), approved.clone(), true),
            // What only counts does no harm by any rules.
            (
                permit(DryRun, "h", None),
                permit(Enforce, "other", Some("p")),
                true,
            ),
        ] {
            let marks = run.marks();
            let mark = |key: &str| marks.get(key).map(String::as_str);
            assert_eq!(now.allows(mark), goes_on, "{run:?} under {now:?}");
        }
        assert!(
            permit(DryRun, "h", None).allows(|_| None),
            "it says nothing"
        );
    }
}
