//! `SocialChannel`: one sales channel on one platform, in every chosen region.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConnectorOptOut, DeletionPolicy, HeldFlow, InventoryEntry, KeyRef, NameRef, RegionState,
    Setting, Suspend,
};
use crate::contract::{EventKind, FeedMode, SourceFormat};

/// One sales channel: its platform, its catalogue, its feeds, its events, its regions.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "SocialChannel",
    namespaced,
    status = "SocialChannelStatus",
    shortname = "sch",
    category = "tradewind",
    derive = "PartialEq",
    doc = "One sales channel on one social platform: connectors that take its webhooks and feeds that bring its catalogue, in every chosen region.",
    selectable = ".spec.platform.name",
    validation = Rule::new("!self.metadata.name.contains('.')").message("metadata.name: no dots, because a Service is named after it; write a hyphen"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]')").message("metadata.name: begin with a letter, because a Service is named after it; write one before the digit"),
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name: at most 40 characters, because names in the regions are made from it"),
    printcolumn(name = "Platform", type_ = "string", json_path = ".spec.platform.name"),
    printcolumn(name = "Regions", type_ = "string", json_path = ".status.regionsReady", description = "Regions in which it is ready, of those chosen"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "LastFeed", type_ = "date", json_path = ".status.lastFeed", description = "Since the last successful feed in any region"),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.connector) || has(self.sinks) && size(self.sinks) > 0").message("sinks: a connector needs at least one sink to deliver events to"))]
#[x_kube(validation = Rule::new("!has(self.connector) || has(self.connector.optOut) || !has(self.sinks) || !self.sinks.exists(sink, has(sink.saleOrSharing) && sink.saleOrSharing)").message("connector.optOut: a sink with saleOrSharing needs it, so that persons can opt out; name the Region's data store that is the connector's database, and the kind of identity by which the platform knows persons"))]
#[x_kube(validation = Rule::new("!has(self.connector) || has(self.credentialsRef)").message("credentialsRef: a connector checks webhooks with the platform's keys; name the Secret that holds them"))]
#[x_kube(validation = Rule::new("!has(self.feeds) || size(self.feeds) == 0 || has(self.catalog)").message("catalog: feeds need a source; set catalog.source"))]
#[serde(rename_all = "camelCase")]
pub struct SocialChannelSpec {
    /// The platform and what it needs to know.
    pub platform: Platform,

    /// The platform's credentials, which a connector needs and nothing else reads. Which keys must be there is the
    /// platform's fact; the condition names those missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<Credentials>,

    /// Where the channel runs: exactly one of `selector` and `names`.
    #[x_kube(validation = Rule::new("has(self.selector) != has(self.names)").message("regions: set exactly one of selector and names"))]
    pub regions: ChannelSelector,

    /// Where the feeds' items come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<Catalog>,

    /// The files that bring the catalogue to the platform. One CronJob each, in every region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub feeds: Vec<FeedSpec>,

    /// What takes the platform's webhooks. Absent: no connector runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<Connector>,

    /// Where a buyer pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.mode != 'Redirect' || has(self.url)").message("checkout.url: Redirect needs the https address of the shop's own checkout"))]
    pub checkout: Option<Checkout>,

    /// Where the connector sends events; each sink gets each event. Without a connector nothing is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sinks: Vec<SinkSpec>,

    /// Leaves the channel as it is in all regions: nothing is changed, started or removed. Connectors and feeds that are
    /// there go on; to stop a feed, remove it. The law comes first: where a flow of personal data has lost its instrument, the
    /// channel is changed so that it stops, or taken away where it cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,

    /// What happens in the regions when the channel is deleted. `Delete`, also when absent: everything that was made for it
    /// is removed, and the channel stays until that is done; the condition `Deleting` says what is left where. `Orphan`:
    /// everything stays, goes on, and is nobody's from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,
}

impl SocialChannelSpec {
    /// The Secret on the hub that holds the platform's credentials, when it is there.
    #[must_use]
    pub fn hub_credentials(&self) -> Option<&str> {
        let credentials = self.credentials_ref.as_ref()?;
        let location = credentials.location.unwrap_or_default();
        (location == CredentialsLocation::Hub).then_some(credentials.name.as_str())
    }
}

/// The platform and what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Platform {
    /// A platform that the installed pack knows: `Facebook`, `Instagram`, `Messenger`, `WhatsApp` or `Generic`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[A-Za-z][A-Za-z0-9]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("platform.name cannot be changed: make a new channel for the other platform and delete this one"))]
    pub name: String,
    /// What the platform knows the channel by and is no secret, `catalogId` for example. Checked against the platform's
    /// pack, written into each feed's manifest and sent with each event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub settings: Vec<Setting>,
}

/// The platform's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret's name, in the channel's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Where the Secret is. `Hub`, also when absent: on the hub, in the channel's namespace; the platform's keys, and no
    /// other, are copied to each region. `Region`: in each region already, in the namespace of the same name; the hub
    /// never sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CredentialsLocation")]
    pub location: Option<CredentialsLocation>,
}

/// Where the platform's Secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialsLocation {
    /// On the hub, in the channel's namespace; the platform's keys, and no other, are copied to each region.
    #[default]
    Hub,
    /// In each region already, in the namespace of the same name; the hub never sees it.
    Region,
}

/// Where the channel runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelSelector {
    /// Regions by their labels: every label must be there with its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<RegionSelector>,
    /// Regions by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Option<Vec<String>>,
}

/// Regions by their labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionSelector {
    /// Labels of Regions with the values they must have; one at least.
    #[schemars(extend("maxProperties" = 10, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("size(self) > 0").message("regions.selector.matchLabels: name at least one label; an empty selector would choose every region"))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) > 0 && size(key) <= 317)").message("regions.selector.matchLabels: a label's key has 1 to 317 characters, as Kubernetes allows no others"))]
    pub match_labels: BTreeMap<String, String>,
}

/// Where items come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Exactly one of `http` and `postgres`.
    #[x_kube(validation = Rule::new("has(self.http) != has(self.postgres)").message("catalog.source: set exactly one of http and postgres"))]
    pub source: CatalogSource,
    /// Whether items say something of living persons, as a private seller's name does. Then a feed whose destination is
    /// outside of a region's jurisdictions needs an instrument like a sink. `false`: goods are nobody's data. Absent: it is as
    /// if `true` for a destination whose `country` a law of the region wants an instrument for, and as if `false` for others;
    /// a `Low` finding asks you to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_data: Option<bool>,
}

/// Where items come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogSource {
    /// Where it is, an ISO 3166-1 code, quoted. Absent: unknown, which is a finding of the policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// A JSON or CSV document, read from inside each region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// A table or view of a PostgreSQL database in each region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSource>,
}

/// A JSON or CSV document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSource {
    /// The document's address. `{region}` stands for the region's name.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub url: String,
    /// The document's format.
    pub format: SourceFormat,
    /// A Secret with a bearer token, in the region, in the channel's namespace. Absent: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_ref: Option<KeyRef>,
}

/// A table or view of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresSource {
    /// A Secret with the connection URL, in the region, in the channel's namespace.
    pub secret_ref: KeyRef,
    /// `items` or `shop.items`; its columns carry the names of the catalogue's fields.
    #[schemars(
        length(min = 1, max = 127),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$")
    )]
    pub table: String,
}

/// A file that brings the catalogue to the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.mode == 'Replace' || !has(self.maxShrinkPercent)").message("maxShrinkPercent: only a Replace feed can shrink the catalogue; remove it from a Delta feed"))]
#[serde(rename_all = "camelCase")]
pub struct FeedSpec {
    /// The feed's name.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// `Replace`: the file is the whole catalogue. `Delta`: it brings prices and stock up to date.
    pub mode: FeedMode,
    /// Five cron fields in the region's time zone, `0 3 * * *`: what a CronJob takes, and not more often than the platform reads.
    #[schemars(length(min = 9, max = 100))]
    pub schedule: String,
    /// The feed is refused when it has this much fewer items than the last one, in percent. 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_shrink_percent: Option<i32>,
    /// Where the file goes.
    pub destination: FeedDestinationSpec,
}

/// Where a feed's file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedDestinationSpec {
    /// Where it is, an ISO 3166-1 code, quoted. Absent: unknown, which is a finding of the policies; where the catalogue's
    /// items speak of persons and a law of the region asks for an instrument, the feed is not written until it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// A bucket from which the platform fetches the file.
    pub object_store: ObjectStoreDestination,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreDestination {
    /// `s3://bucket`.
    #[schemars(
        length(min = 8, max = 128),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]$")
    )]
    pub url: String,
    /// Folder of the file; `{region}` stands for the region's name, and is needed where more than one region is chosen.
    /// The file is `<prefix>/<channel>.csv`: channels of one name in two namespaces need folders of their own.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[A-Za-z0-9{][A-Za-z0-9._\-/{}]*$")
    )]
    pub prefix: String,
    /// A Secret in the region, in the channel's namespace, with `accessKeyId`, `secretAccessKey` and, where the
    /// store needs them, `region`, `endpoint`, `sessionToken`.
    pub credentials_ref: NameRef,
}

/// What takes the platform's webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// How many pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// The events that are kept and delivered; others are acknowledged and dropped.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub events: Vec<EventKind>,
    /// The PostgreSQL database in which events are kept until they are delivered, one per region.
    pub store: ConnectorStore,
    /// How the connector is told of persons who opt out of a sale or a sharing, and how an erasure takes a person's events from
    /// its database. A sink with `saleOrSharing` needs it; without it an erasure leaves the events, which end by their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<ConnectorOptOut>,
    /// Makes an Ingress below the Region's domain and puts the callback URL into status. Absent: none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<ConnectorIngress>,
}

/// How many pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Pods that always run. 2 when absent.
    #[schemars(range(min = 1, max = 50))]
    pub min: i32,
}

/// The connector's own database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorStore {
    /// A Secret with the connection URL, in the region, in the channel's namespace.
    pub secret_ref: KeyRef,
    /// Where the database is, an ISO 3166-1 code, quoted, or `Region`: in each chosen region itself. A country outside of a
    /// region's jurisdictions needs an instrument in `Region.spec.transfers` that is valid today: without one no connector runs
    /// there. Absent: as the Region says of the data store that `optOut` names; without that it is taken to be in the region,
    /// and a `Low` finding asks you to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 6), regex(pattern = r"^([A-Z]{2}|Region)$"))]
    pub country: Option<String>,
    /// Days after which a delivered event is purged. 7 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub keep_delivered_days: Option<i32>,
    /// Days from when it came after which an event that was not delivered is purged too: a dead letter, or an event for a
    /// sink that was removed or is held, however often it was tried since. 90 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub keep_undelivered_days: Option<i32>,
}

/// Asks for an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorIngress {}

/// Where a buyer pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// Which way; the platform's pack says which are possible in which market.
    pub mode: CheckoutMode,
    /// Base of the shop's own checkout link, https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 512), regex(pattern = r"^https://[^\s@]+$"))]
    pub url: Option<String>,
}

/// Which way a buyer pays.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum CheckoutMode {
    /// On the shop's own site, behind a link.
    Redirect,
    /// Inside the platform's app.
    InApp,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkSpec {
    /// The sink's name.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Where events are received, an ISO 3166-1 code, quoted. Outside of a region's jurisdictions it needs an instrument in
    /// `Region.spec.transfers` that is valid today: without one the connector keeps events and sends this sink none.
    /// Absent: unknown, which counts as outside and as without one wherever a law of the region asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// Whether what is sent there is a sale or a sharing in a law's sense (California Civil Code 1798.120): then it is sent no
    /// event about a person who opted out. `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_or_sharing: Option<bool>,
    /// A signed HTTP POST (Standard Webhooks).
    pub http: HttpSink,
}

/// A signed HTTP POST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSink {
    /// The receiver's address.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub url: String,
    /// A Secret with the signing key (`whsec_<base64>`), in the region, in the channel's namespace.
    pub secret_ref: KeyRef,
}

/// What Tradewind sees of the channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocialChannelStatus {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Accepted`, `ReferencesResolved`, `MarketSupported`, `PolicyCovered`,
    /// `TransfersLawful`, `ConnectorAvailable`, `FeedsCurrent`, `Suspended`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// `2/3`: regions in which it is ready, of those chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions_ready: Option<String>,
    /// When a feed last succeeded in any region, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_feed: Option<String>,
    /// One entry per region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<ChannelRegionStatus>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on; of one with more than 128
    /// characters its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `tradewind.dev/run-at` that was last acted on in any region: one that joins later is
    /// not asked for that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
}

/// The channel in one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRegionStatus {
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
    /// Since when the channel has been without a lawful policy here, while what runs may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncovered_since: Option<String>,
    /// Where the platform sends webhooks, when an Ingress was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// What is not made here, because it would take personal data over a border without an instrument. The connector
    /// keeps a held sink's events until there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["flow".into()]))]
    pub held: Vec<HeldFlow>,
    /// The connector's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorStatus>,
    /// The feeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub feeds: Vec<FeedStatus>,
    /// The value of the annotation `tradewind.dev/run-at` whose Jobs were last made here, or that had been acted on before the
    /// region joined; of one with more than 128 characters its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Every object that was made here, or is being made, and was not yet seen gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

/// The connector's pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorStatus {
    /// Pods that should run.
    pub desired: i32,
    /// Pods that are ready with the present configuration.
    pub ready: i32,
}

/// A feed's last run in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedStatus {
    /// The feed's name.
    pub name: String,
    /// When the last run ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When the last run that succeeded ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// When the next run starts, RFC 3339; in the past while a run that was due has not been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// How the last run ended: `Done`, or the agent's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent's sentence, when the last run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Items in the file.
    #[serde(default)]
    pub items: i64,
    /// Items that the platform would not take.
    #[serde(default)]
    pub rejected: i64,
    /// `sha256-<hex>` of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}
