//! `Region`: one regional cluster, its law, its locale, its stores, and who may run there.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Backups, DeletionPolicy, HoldList, KeyRef, Requests, RequestsStatus, Signing, SigningStatus,
    Suspend, Transfer,
};
use crate::contract::{SMALL_COUNTS, TaxDisplay};

/// One regional cluster: where it is in law, who may run there, how prices and texts look, which stores it has.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "Region",
    status = "RegionStatus",
    shortname = "rgn",
    category = "tradewind",
    derive = "PartialEq",
    doc = "A regional cluster that channels and policies may run in, with its jurisdictions, locale, stores and tenants.",
    selectable = ".spec.runNamespace",
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name: at most 40 characters, because names in the region are made from it"),
    validation = Rule::new("!has(oldSelf.spec.requests) || has(self.spec.requests)").message("spec.requests: it stays once it is there, else no run would see that a store was restored to before an erasure; to move the suppression store, copy its database and change spec.requests.suppression"),
    validation = Rule::new("!has(oldSelf.spec.requests) || !has(oldSelf.spec.dataStores) || !has(self.spec.dataStores) || self.spec.dataStores.all(now, oldSelf.spec.dataStores.exists(old, old.name == now.name) || !oldSelf.spec.dataStores.exists(old, old.postgres.secretRef.name == now.postgres.secretRef.name && old.postgres.secretRef.key == now.postgres.secretRef.key))").message("spec.dataStores: a store keeps its name while its postgres.secretRef stays: by that name the region knows how far its erasures have come, and under another no run would see that it was restored; write the name of before"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".status.clusterVersion", description = "The regional cluster's Kubernetes version"),
    printcolumn(name = "Channels", type_ = "integer", json_path = ".status.channels", description = "Channels that run there"),
    printcolumn(name = "Unreachable-Since", type_ = "string", json_path = ".status.unreachableSince"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RegionSpec {
    /// ISO 3166-1 codes (`DE`) or ISO 3166-2 codes (`US-CA`) of the law that applies here. They decide which privacy
    /// regimes a policy must carry before a channel may run. Quote them: `NO` is a boolean to YAML 1.1.
    #[schemars(
        length(min = 1, max = 60),
        inner(length(max = 6), regex(pattern = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub jurisdictions: Vec<String>,

    /// How the cluster is reached: exactly one of `local` and `kubeconfigSecretRef`.
    #[x_kube(validation = Rule::new("has(self.local) != has(self.kubeconfigSecretRef)").message("cluster: set exactly one of local (the cluster that Tradewind runs in) and kubeconfigSecretRef"))]
    pub cluster: Cluster,

    /// Namespaces of the hub whose channels may run here, each in the namespace of the same name. None when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into()]))]
    pub tenants: Vec<Tenant>,

    /// Language, currency and time zone of the shops in this region.
    pub locale: LocaleSpec,

    /// How prices are taxed and shown. Absent: source prices are passed on as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxSpec>,

    /// How platforms reach connectors from outside. Absent: no Ingress is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressTarget>,

    /// Databases of this region that hold personal data. Their credentials stay in the region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub data_stores: Vec<DataStore>,

    /// On which grounds personal data of this region may leave its jurisdictions, to where, until when. Without one that
    /// is valid today, what would take it over the border is not made. Whether an instrument binds the recipient is for
    /// you to judge: its country and its days are looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub transfers: Vec<Transfer>,

    /// The namespace of the regional cluster in which retention Jobs run, beside the stores' Secrets. It must exist,
    /// and tenants must have no rights in it.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-') && self != 'default'").message("runNamespace: use a namespace of its own, not default or kube-*"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("runNamespace cannot be changed: make a new Region, move the channels, delete this one"))]
    pub run_namespace: String,

    /// What every pod in this region gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Workloads>,

    /// What happens to a channel that no lawful DataPolicy covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,

    /// How the region's own key signs what is recorded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Signing>,

    /// How data subjects are answered here. Absent: the region takes no requests of theirs, and retention runs do not see
    /// that a store was restored to before an erasure. Once it is there it stays: to move the suppression store, copy its
    /// database and change `suppression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
    /// How old this region's list of legal holds may be before nothing is erased here any more. Absent: three days,
    /// `maxAge: P3D`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<HoldList>,

    /// Leaves this region as it is: nothing is made, changed or removed, and connectors, feeds and what signs its evidence
    /// go on where they are there. Only what erases is stopped: the policies' CronJobs are suspended, and a retention run
    /// under way is ended (what it did is in the ledger; the next goes on from there); the Jobs of requests are taken away,
    /// and made anew after the pause. The law comes first: a flow of personal data that has lost its instrument is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,

    /// What happens in this region when the Region is deleted. `Delete`, also when absent: everything that was made there is
    /// removed, and the Region stays until that is done; the condition `Deleting` says what is left. `Orphan`: everything
    /// stays, goes on, and is nobody's from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// How the cluster is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The cluster that Tradewind itself runs in: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Local>,
    /// A Secret in Tradewind's own namespace with a kubeconfig: an https server with its CA data, and a token or
    /// client certificate data. Commands, file paths, proxies, TLS switches and impersonation are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret_ref: Option<KubeconfigRef>,
}

/// The cluster that Tradewind itself runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Local {}

/// A Secret in Tradewind's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigRef {
    /// The Secret's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The key that holds the kubeconfig; `value` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

impl KubeconfigRef {
    /// The key that holds the kubeconfig.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("value")
    }
}

/// A namespace of the hub whose channels may run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// The namespace's name, on the hub and in the region.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-')").message("tenants: kube-* namespaces belong to Kubernetes; name the brand's own namespace"))]
    pub namespace: String,
}

/// Language, currency and time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocaleSpec {
    /// BCP 47 tag with a country, `de-DE`: the language of feeds, and the country whose tax applies.
    #[schemars(
        length(min = 5, max = 16),
        regex(pattern = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}$")
    )]
    pub default: String,
    /// ISO 4217 code of the prices in feeds, `EUR`.
    #[schemars(length(min = 3, max = 3), regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
    /// IANA time zone of schedules and retention periods, `Europe/Berlin`.
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+)*$")
    )]
    pub time_zone: String,
}

/// How prices are taxed and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxSpec {
    /// Whether prices in feeds include tax (most of the world) or not (US, CA).
    pub display: TaxDisplay,
    /// The rates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["country".into(), "class".into()]))]
    pub rates: Vec<TaxRateSpec>,
}

/// One tax rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxRateSpec {
    /// ISO 3166-1 code, quoted.
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// The class that items name; `Standard` is what an item without a class gets.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Za-z][A-Za-z0-9]*$"))]
    pub class: String,
    /// Percent as a quoted decimal, `"19"` or `"7.7"`.
    #[schemars(length(min = 1, max = 8), regex(pattern = r"^\d{1,3}(\.\d{1,4})?$"))]
    pub percent: String,
}

/// How platforms reach connectors from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressTarget {
    /// The IngressClass of the regional cluster.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub class_name: String,
    /// The domain under which each channel gets a host of its own: `<channel>-<namespace>-<hash>.<domain>`.
    #[schemars(
        length(min = 3, max = 180),
        regex(
            pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$"
        )
    )]
    pub domain: String,
    /// Name of a TLS Secret for the domain in each tenant's namespace of the region. Absent: the controller's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
}

/// A database that holds personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStore {
    /// The name that rules of DataPolicies use. In a region that takes requests it stays as long as `postgres.secretRef` does: by it
    /// the region knows how far the store's erasures have come.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Tenants whose channels write to it: such a channel needs a policy with a rule for each data set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    /// Tables that hold personal data, `orders` or `shop.orders`. A policy covers the store when a rule of it
    /// erases from each, by a method that the law takes for an erasure: `Restrict` seldom is one.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 127)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub datasets: Vec<String>,
    /// Where the database is, an ISO 3166-1 code, quoted. Outside of the region's jurisdictions it needs an instrument in
    /// `transfers`, else it is a finding of the policies, and a connector whose own database it is does not run. Absent: it
    /// is in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// Its backups. Absent: how long what was erased is still in them is unknown, which is a finding of the policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<Backups>,
    /// A PostgreSQL database.
    pub postgres: PostgresStore,
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresStore {
    /// A Secret in the region's `runNamespace` with the connection URL. It is mounted there and never read by the hub.
    pub secret_ref: KeyRef,
}

/// What every pod in this region gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// Registry that replaces the agent image's own, `registry.eu.aurora.example`. Absent: the image as the operator was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([-a-z0-9._]*[a-z0-9])?)*$"
        )
    )]
    pub registry: Option<String>,
    /// Names of pull secrets in every namespace of the region in which pods run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub image_pull_secrets: Vec<String>,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub tolerations: Vec<Toleration>,
}

/// A taint that pods tolerate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// The taint's value; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 20),
        regex(pattern = r"^(NoSchedule|PreferNoSchedule|NoExecute)$")
    )]
    pub effect: Option<String>,
}

/// What happens to a channel that no lawful DataPolicy covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enforcement {
    /// `Enforce`, also when absent: an uncovered channel starts nothing, and what runs is taken away after the grace.
    /// `Warn`: it runs, and the condition says what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EnforcementMode")]
    pub mode: Option<EnforcementMode>,
    /// How long what runs may go on once it is uncovered: an ISO 8601 duration of days and time, `PT24H`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 20),
        regex(pattern = r"^P(\d{1,3}D)?(T(\d{1,4}H)?(\d{1,5}M)?(\d{1,6}S)?)?$")
    )]
    pub grace: Option<String>,
}

/// Whether an uncovered channel is stopped or only flagged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EnforcementMode {
    /// Nothing starts, and what runs is taken away after the grace.
    #[default]
    Enforce,
    /// It runs, and the condition says what is missing.
    Warn,
}

/// What Tradewind sees of the region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Accepted`, `ReferencesResolved`, `Reachable`, `Suspended`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// UID of the regional cluster's `kube-system` namespace: another cluster under the same name is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The regional cluster's Kubernetes version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_version: Option<String>,
    /// Since when the cluster has not answered; absent while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// Channels that run there.
    #[serde(default)]
    pub channels: i32,
    /// Policies that run there.
    #[serde(default)]
    pub policies: i32,
    /// What the region's key signed of its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<SigningStatus>,
    /// The key to which identities of data subjects are encrypted for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestsStatus>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on; of one with more than 128
    /// characters its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl RegionSpec {
    /// When the region's key signs, five cron fields.
    #[must_use]
    pub fn signing_schedule(&self) -> &str {
        let signing = self.evidence.as_ref();
        let schedule = signing.and_then(|signing| signing.schedule.as_deref());
        schedule.unwrap_or(Signing::SCHEDULE)
    }

    /// How old its list of legal holds may be.
    #[must_use]
    pub fn hold_list(&self) -> HoldList {
        self.holds.clone().unwrap_or_default()
    }

    /// Counts of persons' rows from 1 to below this are not told.
    #[must_use]
    pub fn small_counts(&self) -> u32 {
        let told = self.evidence.as_ref().and_then(|it| it.small_counts);
        let told = told.and_then(|bound| u32::try_from(bound).ok());
        told.unwrap_or(SMALL_COUNTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_where_cluster_api_puts_it_unless_said_otherwise() {
        let key = |key: Option<&str>| {
            let reference = KubeconfigRef {
                name: "eu".into(),
                key: key.map(str::to_owned),
            };
            reference.key().to_owned()
        };
        assert_eq!(
            [key(None), key(Some("kubeconfig"))],
            ["value", "kubeconfig"]
        );
    }
}
