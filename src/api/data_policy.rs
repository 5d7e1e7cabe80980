//! `DataPolicy`: what personal data may be kept, how long, and how it goes.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dates::RuleDates;
use super::rule::{PolicyRule, RuleDecision};
use super::{
    Controller, DeletionPolicy, FindingTotals, InventoryEntry, PolicyFinding, PolicyRecipient,
    RegionState, Suspend, UnreadRun,
};
use crate::contract::{CatalogueLook, Count, Preview, RetainMode, RetainedRule};

/// What personal data may be kept, how long, under which regimes, and how it goes.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "DataPolicy",
    status = "DataPolicyStatus",
    shortname = "dpol",
    category = "tradewind",
    derive = "PartialEq",
    doc = "How long personal data is kept in the regions' databases, and how it goes: retention runs, their previews and approvals, and what is covered.",
    selectable = ".spec.mode",
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name: at most 40 characters, because names in the regions are made from it"),
    validation = Rule::new("has(self.spec.fiscalYearEnd) || self.spec.rules.all(rule, (!has(rule.erase) || !has(rule.erase.from) || rule.erase.from != 'EndOfFiscalYear') && (!has(rule.keep) || !has(rule.keep.from) || rule.keep.from != 'EndOfFiscalYear'))").message("spec.fiscalYearEnd: a rule counts from EndOfFiscalYear; write the year's last day, such as 09-30"),
    printcolumn(name = "Regimes", type_ = "string", json_path = ".spec.regimes"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Empty means DryRun"),
    printcolumn(name = "Enforced", type_ = "string", json_path = r#".status.conditions[?(@.type=="Enforced")].status"#),
    printcolumn(name = "Due", type_ = "string", json_path = ".status.totals.due", description = "Rows due at the last runs, over all regions"),
    printcolumn(name = "Erased", type_ = "string", json_path = ".status.totals.erased", description = "Rows erased by the last runs, over all regions"),
    printcolumn(name = "LastRun", type_ = "date", json_path = ".status.lastRun"),
    printcolumn(name = "NextRun", type_ = "string", json_path = ".status.nextRun"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Findings", type_ = "integer", json_path = ".status.findingTotals.all", description = "What the regimes ask for and is missing", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DataPolicySpec {
    /// Privacy regimes that this policy carries, by their pack's ids: `eu-gdpr`, `us-ca-ccpa`; and laws of the pack that only oblige
    /// to keep records: `de-tax`. An unknown one ends in `Accepted=False` with the list of those there are.
    #[schemars(
        length(min = 1, max = 20),
        inner(
            length(min = 1, max = 40),
            regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regimes: Vec<String>,

    /// Who is responsible for the processing, for the register that some regimes ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,

    /// How the data is secured, in general words, for the register that some regimes ask for: `encrypted at rest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 200)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub security_measures: Vec<String>,

    /// Who has data of the same persons from us, and is told when a data subject's request has erased or restricted it, or when
    /// the person opts out of its sale or sharing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub recipients: Vec<PolicyRecipient>,

    /// Which regions the policy is for: one member at least. Members are ANDed, their values ORed.
    #[x_kube(validation = Rule::new("has(self.jurisdictions) || has(self.regions) || has(self.namespaces) || has(self.channelLabels)").message("selector: set at least one of jurisdictions, regions, namespaces, channelLabels; an empty selector would choose everything"))]
    pub selector: PolicySelector,

    /// `DryRun`, also when absent: counts what would go, and writes nothing. `Enforce`: erases it. Going back to `DryRun`
    /// ends a run under way, as taking its approval back or changing the rules does: the next run goes by the new spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RetainMode")]
    pub mode: Option<RetainMode>,

    /// Previews that somebody has seen and approved, one per region. Needed when a rule would erase more than
    /// `retention.maxPercent` of its table at once, as the first backlog does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["region".into()]))]
    pub approvals: Vec<ApprovalSpec>,

    /// What goes when, and what must stay; at most 16, so that a run's report fits a termination message.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<PolicyRule>,

    /// The last day of the fiscal year, month and day: `09-30`. A day that the month does not have is its last: `02-31`.
    /// Needed when a rule counts from `EndOfFiscalYear`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 5, max = 5),
        regex(pattern = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    )]
    pub fiscal_year_end: Option<String>,

    /// When and how runs are made.
    pub retention: Retention,

    /// Pauses the policy in all regions: CronJobs that are there are suspended, a run under way is ended (what it did is in
    /// the ledger, and read back from there; the next goes on from there), and nothing else is made, changed or removed,
    /// whatever the rest of the spec says. Its keeps bind all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,

    /// What happens in the regions when the policy is deleted. `Delete`, also when absent: a run under way is
    /// ended, what runs did whose reports were lost is read back (for ten minutes at most), its CronJobs and tasks are
    /// removed, and the policy stays until that is done; the condition `Deleting` says what is left where. `Orphan`:
    /// everything stays, goes on erasing, and is nobody's from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Which regions and channels a policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySelector {
    /// Regions with any of these jurisdictions (`DE`, `US-CA`); a country chooses its subdivisions too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 60),
        inner(length(max = 6), regex(pattern = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub jurisdictions: Option<Vec<String>>,
    /// Regions by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Option<Vec<String>>,
    /// Regions of which any of these namespaces is a tenant, or uses a data store: also once its last channel is gone.
    /// Beside `channelLabels`: the channels' own namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Option<Vec<String>>,
    /// Regions that a channel with all of these labels chooses. What the rules keep outlives such channels: it binds wherever the
    /// other members choose, and without another in every Region once no channel has the labels. For a law, choose by
    /// `jurisdictions` or `regions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 10, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("size(self) > 0").message("selector.channelLabels: name at least one label, or remove it; no label would choose every channel"))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) > 0 && size(key) <= 317)").message("selector.channelLabels: a label's key has 1 to 317 characters, as Kubernetes allows no others"))]
    pub channel_labels: Option<BTreeMap<String, String>>,
}

/// A preview that somebody has seen and approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The Region's name.
    #[schemars(length(min = 1, max = 40))]
    pub region: String,
    /// The hash in `status.regions[].previewHash`.
    #[schemars(length(min = 71, max = 71), regex(pattern = r"^sha256-[0-9a-f]{64}$"))]
    pub preview_hash: String,
    /// Who approved it, by the name that the API server knows them by (`kubectl auth whoami`). The chart's admission policy
    /// refuses any other, and who has not the verb `approve` on the policy.
    #[schemars(length(min = 1, max = 340))]
    pub by: String,
}

/// When and how runs are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Five cron fields in the region's time zone, `0 2 * * *`: what a CronJob takes.
    #[schemars(length(min = 9, max = 100))]
    pub schedule: String,
    /// How long a run may last, ISO 8601: what is left is the next run's. `PT4H` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = r"^PT(\d{1,3}H)?(\d{1,4}M)?$"))]
    pub window: Option<String>,
    /// Most rows in one transaction; a batch has so many only while it is over within 20 ms. 10000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 10000))]
    pub batch_rows: Option<i32>,
    /// The share of a rule's table, in percent, that a run may erase without an approval. 5 when absent. To raise it
    /// needs the right to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<i32>,
    /// When a run waits between two batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<RetentionThrottle>,
}

/// What a run spares the database: while one of these is exceeded it erases nothing and waits, until its window ends. The
/// role needs `pg_read_all_stats` to see them; what it cannot see stops the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionThrottle {
    /// Seconds that a replica of the database may be behind. 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub replica_lag_seconds: Option<i32>,
    /// MiB of write-ahead log that a replication slot may keep on the database's disk. 10240 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub slot_mebibytes: Option<i32>,
    /// Minutes that another transaction may be open which keeps dead rows from being vacuumed, here or on a standby. 60 when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub transaction_minutes: Option<i32>,
    /// Minutes of its work for which a vacuum of a table of the rules is waited for, `30`; after them the run goes on beside
    /// it. 10 when absent, or a quarter of the window if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub vacuum_minutes: Option<i32>,
    /// Percent of a rule's table that may be dead rows, this run's own and everybody else's, before a vacuum is waited for,
    /// `30`: more than what the server's own vacuum waits for, 20 unless it was told otherwise. A run waits ten minutes at most,
    /// or a quarter of its window if that is less; then it goes on. Absent: dead rows are not looked at, as a server need not
    /// count them, and its own vacuum may begin at more than any bound. Set it for large tables whose vacuums are in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub dead_rows_percent: Option<i32>,
}

impl Retention {
    /// How long a run may last when the policy doesn't say.
    pub const WINDOW: &str = "PT4H";

    /// How long a run may last.
    #[must_use]
    pub fn window(&self) -> &str {
        self.window.as_deref().unwrap_or(Self::WINDOW)
    }
}

impl DataPolicySpec {
    /// The mode, `DryRun` when absent.
    #[must_use]
    pub fn mode(&self) -> RetainMode {
        self.mode.unwrap_or(RetainMode::DryRun)
    }
}

/// What Tradewind sees of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataPolicyStatus {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Accepted`, `ReferencesResolved`, `Enforced`, `CoverageComplete`,
    /// `BaselineMet`, `EvidenceFresh`, `Suspended`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Sums of the regions' last runs, in rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<CategoryTotals>,
    /// When a run last ended in any region, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When the next run starts in any region, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// One entry per region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<PolicyRegionStatus>,
    /// Data sets of the matched regions' stores that no rule of this policy erases from: one with a `keep` alone, or with
    /// the method `Restrict`, does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<Uncovered>,
    /// What the policy's regimes ask for and is missing, by what can be seen in the resources: the first 50, the most
    /// severe first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub findings: Vec<PolicyFinding>,
    /// How many findings there are, also those beyond the first 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_totals: Option<FindingTotals>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on; of one with more than 128
    /// characters its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `tradewind.dev/run-at` that was last acted on in any region: one that joins later is
    /// not asked for that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
}

/// Sums over rules or regions, in rows: `due = erased + held + restricted + gone + blocked + failed + remaining`. Of those
/// that were not always counted, one that is 0 is left out. A sum says no more than its terms do: `<5`, `11-14`, `11+`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryTotals {
    /// Rows that were due.
    pub due: Count,
    /// Rows that were erased: deleted, or changed where the rule's method is `Nullify`, `Anonymise` or `Shred`.
    pub erased: Count,
    /// Rows that a hold keeps.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub held: Count,
    /// Rows that were hidden, not erased: see the method `Restrict`.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub restricted: Count,
    /// Rows that somebody else deleted or changed meanwhile.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub gone: Count,
    /// Rows that another table's rows still refer to.
    pub blocked: Count,
    /// Rows that the database refused to delete or change.
    pub failed: Count,
    /// Rows that are left for the next run.
    pub remaining: Count,
}

impl CategoryTotals {
    /// Both together.
    #[must_use]
    pub fn plus(&self, more: &Self) -> Self {
        let sum = |term: fn(&Self) -> Count| term(self).plus(term(more));
        Self {
            due: sum(|it| it.due),
            erased: sum(|it| it.erased),
            held: sum(|it| it.held),
            restricted: sum(|it| it.restricted),
            gone: sum(|it| it.gone),
            blocked: sum(|it| it.blocked),
            failed: sum(|it| it.failed),
            remaining: sum(|it| it.remaining),
        }
    }
}

/// The policy in one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRegionStatus {
    /// The Region's name.
    pub name: String,
    /// What the plan decided.
    pub state: RegionState,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence, with what would change it.
    #[serde(default)]
    pub message: String,
    /// Whether everything that should run there does. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Since when the region has not answered; the rest of the entry is what was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// Whether what happens there is proven by now: silence is not. Absent: the policy is not for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<RegionEvidence>,
    /// The last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunStatus>,
    /// Runs that erase and whose reports were lost, the oldest first. Each is asked of its ledger, by a Job whose name ends in
    /// `-read-back`, and stays here until what it did is recorded; also while the policy is suspended or being deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub unread: Vec<UnreadRun>,
    /// Since when nothing is taken away here until the ledgers of `unread` and of a run under way have answered, RFC 3339: for
    /// ten minutes at most. Counted anew once a Region that was suspended or silent can be asked again. Absent: nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<String>,
    /// When the next run starts, RFC 3339; in the past while a run that was due has not been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// Sums of the last run over its rules, in rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<CategoryTotals>,
    /// What the last preview counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// What the last run that told it saw in the catalogues: tables and columns without a rule that look as if they held
    /// persons; tables that somebody names and that are not there; indexes that are missing, and triggers that fire, where rules
    /// erase; and which database each store leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<CatalogueLook>,
    /// The preview's hash: what an approval names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_hash: Option<String>,
    /// For each rule here that erases from a table with keeps or open holds, or from which another policy erases too: what
    /// decides when a row goes, and on which ground.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".into()]))]
    pub decisions: Vec<RuleDecision>,
    /// On which days the oldest row that the last run saw of a rule may go; none before a run has told anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".into()]))]
    pub dates: Vec<RuleDates>,
    /// For how many further rules the status had no room: it has some 200 kB for these, of all regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_dates: Option<i32>,
    /// The preview that was approved, kept while the approval stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Preview>,
    /// The value of the annotation `tradewind.dev/run-at` whose Job was last made here, or that had been acted on before the
    /// region joined; of one with more than 128 characters its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Every object that was made here, or is being made, and was not yet seen gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

/// How the evidence of a policy stands in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionEvidence {
    /// Whether no two runs in a row that were due are without a record, and the region's key signs what is recorded; `tradewind
    /// audit verify` names also a single one that is missing. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<bool>,
    /// Why, in one CamelCase word: `Fresh`, `RunNotRecorded`, `NotSigned`, `ChainBroken`, `ChainUnproven`, `KeyUntrusted`, `ChainNotShown`.
    pub reason: String,
    /// Since when it is so, RFC 3339.
    pub since: String,
}

/// A retention run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// The Job's name; of a run that was lost, that of the Job that read its ledger back.
    pub job: String,
    /// The UID of the run's own Job: what its evidence is told apart by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The run's own id in the books of its stores: a Job that goes on with what another began tells all of it, under the same
    /// one. Absent: it has none, as it only counted, or did not come to its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How far it is.
    pub phase: RunPhase,
    /// Whether it counts or erases. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RetainMode")]
    pub mode: Option<RetainMode>,
    /// The agent's reason: `Done`, `AwaitingApproval`, `GrantsMissing`; `ReportLost` until its ledger is read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it started, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// By when no backup is left from which what it erased could be restored, RFC 3339: its end and the longest
    /// `backups.keep` of the stores that it erased from. Absent: it erased nothing, or the Region does not say it of one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
    /// One entry per rule; while a run is under way or its ledger is read back, those of the run before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RetainedRule>,
}

impl RunStatus {
    /// The reason of a run that ended, or went away, before anybody read what it did.
    pub const REPORT_LOST: &str = "ReportLost";

    /// Whether nobody has read what it did, so that only its ledger can tell.
    #[must_use]
    pub fn is_report_lost(&self) -> bool {
        self.reason.as_deref() == Some(Self::REPORT_LOST)
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// It is under way.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended, and somebody must act.
    Failed,
}

/// A data set that no rule names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uncovered {
    /// The Region's name.
    pub region: String,
    /// The store's name.
    pub store: String,
    /// The table.
    pub table: String,
    /// Why nothing covers it, and what would.
    pub reason: String,
}

/// A privacy regime's id, as packs and policies spell it.
pub type Regime = String;
