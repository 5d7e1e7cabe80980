//! `LegalHold`: what must not be erased, whoever says it is due, until counsel releases it.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeletionPolicy, InventoryEntry, RegionState};

/// What must not be erased, in which regions, on which ground, until it is released.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "LegalHold",
    status = "LegalHoldStatus",
    shortname = "lhold",
    category = "tradewind",
    derive = "PartialEq",
    doc = "What must not be erased from the regions' databases, whatever is due, until counsel releases it. It ends by `spec.release` alone: deleting the object releases nothing.",
    selectable = ".spec.openedBy",
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name: at most 40 characters, because names in the regions are made from it"),
    validation = crate::api::free_text::is_called_by_reference(),
    validation = Rule::new("!has(oldSelf.spec.release) || has(self.spec.release)").message("spec.release: a release is recorded once and stays; open another hold under another name"),
    validation = Rule::new("!has(oldSelf.spec.release) || size(self.spec.scopes) == size(oldSelf.spec.scopes)").message("spec.scopes: a released hold takes no more scopes; open another hold under another name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Regions", type_ = "string", json_path = ".status.regionsInForce", description = "Regions in which it is in force, of those that it is for"),
    printcolumn(name = "Review", type_ = "string", json_path = ".spec.reviewOn"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.openedBy"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="InForce")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct LegalHoldSpec {
    /// Why: the matter and its file number, `Regional Court Cologne, 28 O 117/26: orders of the plaintiff`. No names of
    /// persons: it is copied into every region's database and is shown to whoever may read holds.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S(.*\S)?$"))]
    #[x_kube(validation = crate::api::free_text::says_nobody("ground"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("ground cannot be changed: it is recorded in the databases; release the hold, and open another"))]
    pub ground: String,

    /// Who opened it: an office or an account, `counsel@aurora.example`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S(.*\S)?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("openedBy cannot be changed: it is recorded in the databases; release the hold, and open another"))]
    pub opened_by: String,

    /// When somebody looks again whether it is still needed: a date, `2027-06-01`. It may be moved. Once it has passed
    /// the hold holds on, and `ReviewCurrent` says so.
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub review_on: String,

    /// Which regions it is for.
    pub selector: HoldSelector,

    /// What is held: any row of these. A scope may be added, never changed or removed.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("oldSelf.all(old, self.exists(new, new.name == old.name))").message("scopes: a scope may be added, never removed, as that would narrow the hold; release it, and open another"))]
    pub scopes: Vec<HeldScope>,

    /// Ends the hold, in every region. It is set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("release: a release is recorded once and stays; open another hold under another name"))]
    pub release: Option<HoldRelease>,

    /// What happens to the Jobs in the regions when the object is deleted. `Delete`, also when absent: they are removed.
    /// `Orphan`: they stay, and are nobody's from then on. Neither releases anything: in the databases the hold stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Which regions a hold is for. A region is chosen when either member names it: more is held rather than less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.regions) || has(self.jurisdictions)").message("selector: set regions, jurisdictions or both; an empty selector would choose nothing"))]
#[x_kube(validation = Rule::new("!has(oldSelf.regions) || has(self.regions)").message("selector.regions: a region may be added, never removed, as that would narrow the hold; release it, and open another"))]
#[x_kube(validation = Rule::new("!has(oldSelf.jurisdictions) || has(self.jurisdictions)").message("selector.jurisdictions: one may be added, never removed, as that would narrow the hold; release it, and open another"))]
#[serde(rename_all = "camelCase")]
pub struct HoldSelector {
    /// Regions by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("oldSelf.all(old, old in self)").message("selector.regions: a region may be added, never removed, as that would narrow the hold; release it, and open another"))]
    pub regions: Option<Vec<String>>,
    /// Regions with any of these jurisdictions (`DE`, `US-CA`); a country chooses its subdivisions too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 60),
        inner(length(max = 6), regex(pattern = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("oldSelf.all(old, old in self)").message("selector.jurisdictions: one may be added, never removed, as that would narrow the hold; release it, and open another"))]
    pub jurisdictions: Option<Vec<String>>,
}

/// What is held: all of a store, a table, the rows of a table with some values in a column, every table with data of a
/// category, or the rows of persons wherever rules say whose rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.column) == has(self.valuesSecretRef)").message("scopes[]: column and valuesSecretRef go together; set both, or neither for every row"))]
#[x_kube(validation = Rule::new("!has(self.subject) || !has(self.category) && !has(self.table) && !has(self.column) && !has(self.valuesSecretRef)").message("scopes[].subject: rules of policies say which tables and columns have it; remove category, table, column and valuesSecretRef, or subject"))]
#[x_kube(validation = Rule::new("!has(self.column) || has(self.table)").message("scopes[].column: name its table too"))]
#[x_kube(validation = Rule::new("has(self.store) || has(self.category) || has(self.subject)").message("scopes[]: say what is held; set store, category or subject"))]
#[x_kube(validation = Rule::new("!has(self.category) || !has(self.table)").message("scopes[].category: rules of policies say which tables have it; remove table, or category"))]
#[x_kube(validation = Rule::new("self == oldSelf").message("scopes[]: a scope cannot be changed, as that could narrow the hold; add another scope"))]
#[serde(rename_all = "camelCase")]
pub struct HeldScope {
    /// The scope's name.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The store's name in `Region.spec.dataStores`. With neither table, category nor subject, everything in it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub store: Option<String>,
    /// A category of data, by a key of the fideslang taxonomy: `user.contact`. Every table is held, whole, of which a rule of
    /// a policy for the region says that it has such data or data below it, as `user.contact.email`; with a store, those in
    /// it. A table whose rule says no category, or only a wider one, is not held. Rules that come later add their tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 120),
        regex(pattern = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")
    )]
    pub category: Option<String>,
    /// Persons, by a reference: the rows are held of every table of which a rule of a policy for the region says, in
    /// `dataset.subjects`, which column has that kind of value; with a store, those in it. Rules that come later add their
    /// tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<HeldSubject>,
    /// The table with its schema, `public.customers`, as the database spells them. Without a column, every row is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 127),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*\.[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub table: Option<String>,
    /// The column that tells which rows are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*$")
    )]
    pub column: Option<String>,
    /// The column's values, one a line or as a JSON array: identifiers of persons, so they never stand here, but in a
    /// Secret in the region's `runNamespace`. It is mounted there and never read by the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_secret_ref: Option<ValuesRef>,
}

/// Persons, as a region's tables know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldSubject {
    /// What kind of value it is, `customerId`: as rules name it in `dataset.subjects`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub identity: String,
    /// The values, one a line or as a JSON array, as the columns have them, letter by letter; of a kind with `ignoreCase` in
    /// the Region in either case. They never stand here, but in a Secret in the region's `runNamespace`. It is mounted there
    /// and never read by the hub.
    pub values_secret_ref: ValuesRef,
}

/// A Secret's key in the region, in its `runNamespace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValuesRef {
    /// The Secret's name. The Job waits until it is there.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The key in the Secret's data. One that ends in `.age` has the values as `age` ciphertext to the region's key, as
    /// `tradewind hold values` writes it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Who released a hold, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldRelease {
    /// Who released it.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S(.*\S)?$"))]
    pub by: String,
    /// Why, without names of persons: `settled on 2027-03-02`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S(.*\S)?$"))]
    #[x_kube(validation = crate::api::free_text::says_nobody("release.ground"))]
    pub ground: String,
}

/// What Tradewind sees of the hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalHoldStatus {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Accepted`, `ReferencesResolved`, `InForce`, `ReviewCurrent`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How far it is, over all regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HoldState>,
    /// Regions in which every scope is in force, of all that it is for: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions_in_force: Option<String>,
    /// One entry per region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<HoldRegionStatus>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// How far a hold is, over all regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HoldState {
    /// It is in force nowhere yet.
    Opening,
    /// It is in force in some of its regions, or with some of its scopes.
    PartlyInForce,
    /// It is in force in every region, with every scope.
    InForce,
    /// It is released, and some database has not said so yet.
    Releasing,
    /// It is released in every region.
    Released,
}

/// The hold in one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldRegionStatus {
    /// The Region's name.
    pub name: String,
    /// What the plan decided.
    pub state: RegionState,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence, with what would change it.
    #[serde(default)]
    pub message: String,
    /// Whether every store there has said what the spec asks for. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Since when the region has not answered; the rest of the entry is what was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// The ConfigMap whose task the stores below have answered. Another one is planned: they have yet to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What each database says of the hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stores: Vec<HeldStoreStatus>,
    /// The tables that scopes with a category or a subject mean here, by what the policies' rules say now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<HeldTable>,
    /// The value of the annotation `tradewind.dev/run-at` whose Job was last made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Everything that was made for the hold there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

/// A table that a scope with a category or a subject means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldTable {
    /// The scope's name.
    pub scope: String,
    /// The store's name.
    pub store: String,
    /// The table, as the rule writes it.
    pub table: String,
    /// The column that tells whose rows they are, of a scope with a subject. Absent: every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// What one database says of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldStoreStatus {
    /// The store's name.
    pub name: String,
    /// Since when it is in force there, by the database's clock, RFC 3339. Absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<String>,
    /// When something was added to it there last, its opening included, by the database's clock, RFC 3339. A database that
    /// says an earlier moment than this was restored to before that: nothing is erased there until the hold's Job has
    /// opened it again. Absent: its agent does not say it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widened_at: Option<String>,
    /// When it was released there, by the database's clock, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<String>,
    /// Why the last attempt failed there, in one CamelCase word. Absent: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HeldStoreStatus {
    /// Whether the database said that it holds.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.in_force_since.is_some() && self.released_at.is_none()
    }
}
