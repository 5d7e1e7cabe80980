//! What the operator tells an agent: one versioned struct per command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cutoff::Anchor;
use super::{
    Catalogue, ColumnChange, Count, EventKind, EventRule, HoldList, LastContact, Method, Notice,
    RequiredHold, Throttle,
};

/// A task as it stands in the mounted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task<S> {
    /// [`super::VERSION`]; any other is refused.
    pub version: u32,
    /// `connect`, `feed`, `retain`, `hold` or `erase`: must be the command that the agent was started with.
    pub command: String,
    /// The region's name, for logs, reports and object names.
    pub region: String,
    /// What is to be done.
    pub spec: S,
}

/// A SocialChannel's name and namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channel {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// `connect`: take webhooks, keep them, deliver them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connect {
    /// Whose webhooks these are.
    pub channel: Channel,
    /// The platform's name, for metrics and for the sinks.
    pub platform: String,
    /// The platform's settings of the SocialChannel, such as `catalogId`: told to whoever takes the events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The URL path that takes webhooks, `/webhooks/<namespace>/<channel>`.
    pub path: String,
    /// How a webhook proves where it comes from.
    pub webhook: Webhook,
    /// How a body becomes events.
    pub rules: Vec<EventRule>,
    /// The kinds that are kept and delivered; others are acknowledged, counted and dropped.
    pub events: Vec<EventKind>,
    /// File with the PostgreSQL URL of the connector's own store.
    pub store: PathBuf,
    /// Where events go. Each sink gets each event.
    pub sinks: Vec<Sink>,
    /// Sinks that are owed each event and must be sent none: their events wait in the store until the task names them
    /// among `sinks`. Where they are, the task does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_sinks: Vec<String>,
    /// ISO 8601 duration after which delivered events are purged from the store, `P7D`.
    pub keep_delivered: String,
    /// ISO 8601 duration after which what was not delivered is purged: a dead letter from when it was given up, an event
    /// for a sink that is not among `sinks` from when it came. Absent: `P90D`.
    #[serde(default = "keep_undelivered", skip_serializing_if = "is_ninety_days")]
    pub keep_undelivered: String,
    /// How old the list of legal holds may be: with an older one nothing is purged. Absent: nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_list: Option<HoldList>,
}

/// How long what was not delivered stays, where nothing else is said.
pub const KEEP_UNDELIVERED: &str = "P90D";

fn keep_undelivered() -> String {
    KEEP_UNDELIVERED.to_owned()
}

fn is_ninety_days(text: &str) -> bool {
    text == KEEP_UNDELIVERED
}

/// How a webhook proves where it comes from. Verified on the raw bytes, before anything is parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Webhook {
    /// `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 by the app secret over the raw body,
    /// and the `hub.challenge` handshake.
    MetaHubSignature {
        /// File with the app secret.
        app_secret: PathBuf,
        /// File with the verify token of the handshake.
        verify_token: PathBuf,
    },
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` (standardwebhooks.com).
    StandardWebhooks {
        /// File with the signing secret, `whsec_<base64>`.
        secret: PathBuf,
    },
}

/// A receiver of events by signed HTTP POST (Standard Webhooks).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sink {
    /// The sink's name in the SocialChannel.
    pub name: String,
    /// Where to POST.
    pub url: String,
    /// File with the signing secret, `whsec_<base64>`.
    pub secret: PathBuf,
    /// Whether what goes there is a sale or a sharing in a law's sense: it is sent nothing of persons who opted out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sale_or_sharing: bool,
    /// From this moment on, RFC 3339, it is sent nothing, whatever the hub can or cannot tell by then. Absent: no end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// `feed`: read the catalogue, write the platform's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feed {
    /// Whose feed this is.
    pub channel: Channel,
    /// The feed's name in the SocialChannel.
    pub feed: String,
    /// The platform's settings of the SocialChannel, such as `catalogId`: told to whoever takes the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Whether the file replaces the catalogue or only updates what it names.
    pub mode: FeedMode,
    /// Where items come from.
    pub source: FeedSource,
    /// Language, money and tax of the region.
    pub locale: Locale,
    /// The file's columns, in order, with the platform's limits.
    pub columns: Vec<Column>,
    /// Where the file goes.
    pub destination: FeedDestination,
    /// A `Replace` feed with fewer items than the last by more than this is refused, in percent (0 to 100).
    pub max_shrink_percent: u32,
    /// Base of the checkout link, to which `?products=<id>:1` is added; absent: no such column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_url: Option<String>,
}

/// What the platform does with items that a file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum FeedMode {
    /// It removes them: the file is the whole catalogue.
    Replace,
    /// It keeps them: the file brings only prices and stock up to date.
    Delta,
}

/// Where items come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum FeedSource {
    /// A document at a URL.
    Http {
        /// The document's address; redirects are not followed.
        url: String,
        /// The document's format.
        format: SourceFormat,
        /// How to identify to the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auth: Option<SourceAuth>,
    },
    /// A table or view whose columns carry the canonical item's names.
    Postgres {
        /// File with the PostgreSQL URL.
        url: PathBuf,
        /// `table` or `schema.table`.
        table: String,
    },
}

/// A document's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum SourceFormat {
    /// An array of items, `{"items": [...]}`, or one item a line.
    Json,
    /// A header row with the canonical item's names, then an item a row.
    Csv,
}

/// How to identify to a source: the file's content goes into an `Authorization: Bearer` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceAuth {
    /// File with the token.
    pub bearer: PathBuf,
}

/// Language, money and tax of the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Locale {
    /// BCP 47 tag of the texts that are wanted, `de-DE`; falls back to the bare language, then to the item's own.
    pub language: String,
    /// The country whose tax applies.
    pub country: Country,
    /// ISO 4217 code of the prices that are wanted. An item without a price in it is rejected, never converted.
    pub currency: String,
    /// The region's tax.
    pub tax: Tax,
}

/// ISO 3166-1 alpha-2 code.
pub type Country = String;

/// How prices are shown, and the rates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tax {
    /// Whether prices in the feed include tax.
    pub display: TaxDisplay,
    /// Rates by country and class.
    pub rates: Vec<TaxRate>,
}

/// Whether shown prices include tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum TaxDisplay {
    /// Shown prices include tax: a net price of the source has tax added.
    Inclusive,
    /// Shown prices exclude tax: a gross price of the source has tax taken out.
    Exclusive,
}

/// One rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaxRate {
    /// ISO 3166-1 alpha-2 code.
    pub country: Country,
    /// The item's tax class, `Standard` when the item names none.
    pub class: String,
    /// Percent as a decimal, `19` or `7.7`.
    pub percent: String,
}

/// One column of the platform's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    /// The header's word.
    pub name: String,
    /// The canonical item's field that fills it, `title`.
    pub field: String,
    /// What the value is, and so how it is checked and written.
    pub kind: ColumnKind,
    /// An item without it is rejected.
    #[serde(default)]
    pub required: bool,
    /// Longest value in characters (grapheme clusters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<u32>,
    /// What happens to a longer text: cut on a character boundary, or the item is rejected.
    #[serde(default)]
    pub truncate: bool,
    /// Most values of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_values: Option<u32>,
    /// The values that the platform takes, by the canonical value; others reject the item.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// In a `Delta` file too.
    #[serde(default)]
    pub delta: bool,
}

/// What a column's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum ColumnKind {
    /// An identifier: taken as it is, unique in the file.
    Id,
    /// Text for people: localised, control characters and HTML removed.
    Text,
    /// An absolute http or https URL.
    Url,
    /// A list of URLs, joined by commas.
    Urls,
    /// Money: `9.99 EUR` with the currency's exponent, taxed as the region shows it.
    Price,
    /// A whole number, not negative.
    Integer,
    /// One of `values`.
    Choice,
    /// The item's checkout link.
    Checkout,
}

/// Where the file goes: an object and, beside it, its manifest (`<object>.manifest.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedDestination {
    /// `s3://bucket`.
    pub url: String,
    /// The object's key, `eu-west/full/aurora-instagram.csv`.
    pub object: String,
    /// Folder with `accessKeyId`, `secretAccessKey` and optionally `region`, `endpoint`, `sessionToken`.
    pub credentials: PathBuf,
}

impl FeedDestination {
    /// The bucket and the key in one, `s3://bucket/eu-west/full/aurora-instagram.csv`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), self.object)
    }
}

/// `retain`: erase what is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retain {
    /// The DataPolicy's name.
    pub policy: String,
    /// Count only, or erase.
    pub mode: RetainMode,
    /// `sha256-<hex>` over the policy's spec without `approvals`, `mode` and `suspend`, and over the keeps of other
    /// policies that bind it here.
    pub spec_hash: String,
    /// IANA zone in which periods are counted, the region's.
    pub time_zone: String,
    /// ISO 8601 duration after which a run stops and leaves the rest to the next.
    pub window: String,
    /// Most rows in one transaction.
    pub batch_rows: u32,
    /// A rule whose due rows are more than this share of its table needs an approval, in percent.
    pub max_percent: u32,
    /// What a run waits for between two batches.
    #[serde(default, skip_serializing_if = "Throttle::is_default")]
    pub throttle: Throttle,
    /// Counts of rows from 1 to below this are not told. 1: all are.
    #[serde(default = "small_counts", skip_serializing_if = "is_usual")]
    pub small_counts: u32,
    /// What was approved, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Holds that must be in force before anything is erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<RequiredHold>,
    /// How old that list may be. Absent: no matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_list: Option<HoldList>,
    /// What of the stores' catalogues is to be told. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Catalogue>,
    /// What goes when.
    pub rules: Vec<RetentionRule>,
    /// File with the URL of the suppression store: a store whose books are behind the erasures that were acknowledged
    /// there was restored, and is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<PathBuf>,
}

/// Counts of rows from 1 to below this are not told, where nothing else is said.
pub const SMALL_COUNTS: u32 = 5;

pub(super) fn small_counts() -> u32 {
    SMALL_COUNTS
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(super) fn is_usual(bound: &u32) -> bool {
    *bound == SMALL_COUNTS
}

/// Count only, or erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum RetainMode {
    /// Counts what would go and writes nothing.
    DryRun,
    /// Erases what is due.
    Enforce,
}

impl RetainMode {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DryRun => "DryRun",
            Self::Enforce => "Enforce",
        }
    }

    /// From how it is written.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::DryRun, Self::Enforce]
            .into_iter()
            .find(|mode| mode.as_str() == word)
    }
}

/// One rule over one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionRule {
    /// The rule's name in the policy.
    pub name: String,
    /// The data store's name in the Region.
    pub store: String,
    /// File with the store's PostgreSQL URL.
    pub url: PathBuf,
    /// `table` or `schema.table`.
    pub table: String,
    /// The column that starts the period: `date`, `timestamp` or `timestamptz`.
    pub clock: String,
    /// ISO 8601 calendar duration, `P8Y`: a row is due once clock + period is not after now.
    pub after: String,
    /// What the period runs from.
    #[serde(default, skip_serializing_if = "Anchor::is_event_date")]
    pub from: Anchor,
    /// Whose newest row it runs from, beside the row's own clock. Absent: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<LastContact>,
    /// Where it says that a person was told. Absent: nobody need be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// What keeps rows of the table: none is due before each of these has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<RetentionKeep>,
    /// How rows go; absent: `Delete`.
    #[serde(default, skip_serializing_if = "Method::is_delete")]
    pub method: Method,
    /// What changes, unless rows are deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
}

/// A law that keeps rows of a rule's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionKeep {
    /// The column that starts the period. A row without a value there is kept.
    pub clock: String,
    /// ISO 8601 calendar duration, `P8Y`: a row is kept until clock + period is not after now.
    #[serde(rename = "for")]
    pub period: String,
    /// What the period runs from.
    #[serde(default, skip_serializing_if = "Anchor::is_event_date")]
    pub from: Anchor,
    /// The law and its article; never empty.
    pub reference: String,
    /// The DataPolicy that states it.
    pub policy: String,
    /// The columns that the law keeps; none: all. For an erasure by request, and beside `lasts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Where it keeps some columns: what goes of a kept row in an erasure by request, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ColumnChange>,
    /// Turns it round: rows are due only while it lasts. For a rule of retention that takes of kept rows what the law need not
    /// keep; it must not change any of `columns`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasts: bool,
}

/// An approval: the preview that somebody saw, and its hash as they wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// `sha256-<hex>`, as [`Preview::hash`] gave it.
    pub hash: String,
    /// Who approved.
    pub by: String,
    /// What was seen.
    pub preview: Preview,
}

/// What a run would erase, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preview {
    /// The region's name.
    pub region: String,
    /// The database's clock at the count, RFC 3339.
    pub as_of: String,
    /// `sha256-<hex>` of the spec that was previewed.
    pub spec_hash: String,
    /// Counts per rule.
    pub rules: Vec<PreviewedRule>,
    /// Which tables these are, with their keys, clocks and foreign keys: `sha256-<hex>`. An approval of other
    /// tables under the same names is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
}

/// One rule's counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewedRule {
    /// The rule's name.
    pub name: String,
    /// Rows of the table.
    pub rows: Count,
    /// Rows that are due.
    pub due: Count,
}

impl Preview {
    /// The hash that an approval names: `sha256-<hex>` over the preview's canonical JSON (fields in the
    /// order of this struct, no white space).
    #[must_use]
    pub fn hash(&self) -> String {
        use sha2::{Digest, Sha256};
        // A struct of strings and integers always serialises; an empty input would still never equal a real hash.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        format!("sha256-{}", hex::encode(Sha256::digest(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_known_by_the_word_that_it_is_written_with() {
        for mode in [RetainMode::DryRun, RetainMode::Enforce] {
            assert_eq!(RetainMode::from_word(mode.as_str()), Some(mode));
        }
        assert_eq!(RetainMode::from_word("Warn"), None);
    }
}
