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

use super::{DeletionPolicy, ErasedColumn, InventoryEntry, RegionState, Suspend};
use crate::contract::{Method, Preview, RetainMode, RetainedRule};

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
    printcolumn(name = "Regimes", type_ = "string", json_path = ".spec.regimes"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Empty means DryRun"),
    printcolumn(name = "Enforced", type_ = "string", json_path = r#".status.conditions[?(@.type=="Enforced")].status"#),
    printcolumn(name = "Due", type_ = "integer", json_path = ".status.totals.due", description = "Rows due at the last runs, over all regions"),
    printcolumn(name = "Erased", type_ = "integer", json_path = ".status.totals.erased", description = "Rows erased by the last runs, over all regions"),
    printcolumn(name = "LastRun", type_ = "date", json_path = ".status.lastRun"),
    printcolumn(name = "NextRun", type_ = "string", json_path = ".status.nextRun"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DataPolicySpec {
    /// Privacy regimes that this policy carries, by their pack's ids: `eu-gdpr`, `us-ca-ccpa`. An unknown one ends in
    /// `Accepted=False` with the list of those there are.
    #[schemars(
        length(min = 1, max = 20),
        inner(
            length(min = 1, max = 40),
            regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regimes: Vec<String>,

    /// Which regions and channels the policy is for: one member at least. Members are ANDed, their values ORed.
    #[x_kube(validation = Rule::new("has(self.jurisdictions) || has(self.regions) || has(self.namespaces) || has(self.channelLabels)").message("selector: set at least one of jurisdictions, regions, namespaces, channelLabels; an empty selector would choose everything"))]
    pub selector: PolicySelector,

    /// `DryRun` counts what would go; `Enforce` erases it. `DryRun` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetainMode>,

    /// Previews that somebody has seen and approved, one per region. Needed when a rule would erase more than
    /// `retention.maxPercent` of its table at once, as the first backlog does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["region".into()]))]
    pub approvals: Vec<ApprovalSpec>,

    /// What goes when; at most 16, so that a run's report fits a termination message.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<PolicyRule>,

    /// When and how runs are made.
    pub retention: Retention,

    /// Pauses all runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,

    /// What happens in the regions when the policy is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Channels in any of these namespaces of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Option<Vec<String>>,
    /// Channels with all of these labels.
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
    /// Who approved it.
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
}

/// One rule over one data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// The rule's name.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Which rows.
    pub dataset: Dataset,
    /// When and how they go.
    pub erase: Erase,
}

/// A table of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
}

/// When and how rows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.method != 'Delete' || !has(self.columns) || size(self.columns) == 0").message("erase.columns: Delete takes whole rows; remove columns, or choose Nullify or Anonymise"))]
#[x_kube(validation = Rule::new("self.method == 'Delete' || has(self.columns) && size(self.columns) > 0").message("erase.columns: Nullify and Anonymise change columns; name at least one"))]
#[x_kube(validation = Rule::new("self.method != 'Nullify' || !has(self.columns) || self.columns.all(column, !has(column.set) || column.set == 'Null')").message("erase.columns[].set: Nullify makes every column null; remove set, or choose Anonymise"))]
pub struct Erase {
    /// ISO 8601 duration in calendar units, `P8Y`, `P6M`, `P90D`: a row is due once its clock and this lie in the past,
    /// counted in the region's time zone.
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub after: String,
    /// How rows go. `Delete` takes the whole row. `Nullify` keeps it and makes `columns` null; `Anonymise` keeps it and
    /// sets each of `columns` as it says. What is left is only anonymous if nothing in the row, or beside it, still
    /// leads to a person: that is for you to judge. Hashing and masking are pseudonymisation, which is not erasure:
    /// there is no method for them.
    pub method: Method,
    /// For `Nullify` and `Anonymise`: the columns that change. A row that holds all of it already is not due.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub columns: Vec<ErasedColumn>,
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
    /// Most rows in one transaction. 5000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 10000))]
    pub batch_rows: Option<i32>,
    /// The share of a rule's table, in percent, that a run may erase without an approval. 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<i32>,
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
    /// `Suspended`, `Deleting`.
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
    /// Data sets of the matched regions' stores that no rule of this policy names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<Uncovered>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// Sums over rules or regions, in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryTotals {
    /// Rows that were due.
    pub due: i64,
    /// Rows that were erased: deleted, or changed where the rule's method is `Nullify` or `Anonymise`.
    pub erased: i64,
    /// Rows that another table's rows still refer to.
    pub blocked: i64,
    /// Rows that the database refused to delete or change.
    pub failed: i64,
    /// Rows that are left for the next run.
    pub remaining: i64,
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
    /// The last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunStatus>,
    /// When the next run starts, RFC 3339; in the past while a run that was due has not been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// Sums of the last run over its rules, in rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<CategoryTotals>,
    /// What the last preview counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The preview's hash: what an approval names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_hash: Option<String>,
    /// The preview that was approved, kept while the approval stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Preview>,
    /// The value of the annotation `tradewind.dev/run-at` whose Job was last made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Every object that was made here, or is being made, and was not yet seen gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

/// A retention run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// The Job's name.
    pub job: String,
    /// How far it is.
    pub phase: RunPhase,
    /// Whether it counted or erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetainMode>,
    /// The agent's reason: `Done`, `AwaitingApproval`, `GrantsMissing`.
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
    /// One entry per rule; while a run is under way, those of the run before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RetainedRule>,
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
