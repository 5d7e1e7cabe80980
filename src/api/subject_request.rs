//! `DataSubjectRequest`: what a person asks for, by when it must be answered, and what came of it.
//!
//! Whoever the person is, is here as ciphertext only, and only until it is done.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NameRef;
use super::subject_status::{RequestDeadline, RequestReceipt, RequestRegionStatus, RequestStage};

/// What a person asks for: erasure, a copy of their data, or that it is used, sold or shared no more.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "DataSubjectRequest",
    status = "DataSubjectRequestStatus",
    shortname = "dsr",
    category = "tradewind",
    derive = "PartialEq",
    doc = "What one person asks for under a privacy law: by when it must be answered, what was done for it in each region, and the receipt. Its name is its reference and says nothing of the person.",
    selectable = ".spec.kind",
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name: at most 40 characters, because names in the regions are made from it"),
    validation = crate::api::free_text::is_called_by_reference(),
    validation = Rule::new("(self.spec.kind in ['Access', 'Portability']) == has(self.spec.delivery)").message("spec.delivery: Access and Portability need it, to say where the copy goes, and nothing else takes one"),
    validation = Rule::new("self.spec.kind in ['Erasure', 'Objection'] || !has(self.spec.notice)").message("spec.notice: a notice before erasure is for Erasure and Objection only"),
    validation = Rule::new("self.spec.kind == 'Objection' || !has(self.spec.upheld)").message("spec.upheld: only an Objection is upheld"),
    validation = Rule::new("!has(self.spec.upheld) || !has(self.spec.refusal)").message("spec.upheld, spec.refusal: an objection is upheld or refused, not both"),
    validation = Rule::new("!has(self.spec.lifted) || self.spec.kind in ['Restriction', 'OptOut'] || (has(self.spec.upheld) && self.spec.upheld.measure == 'Restrict')").message("spec.lifted: it ends a Restriction, an OptOut, or an Objection that was upheld with the measure Restrict; refuse an objection that is not upheld"),
    validation = Rule::new("(!has(oldSelf.spec.verified) || has(self.spec.verified)) && (!has(oldSelf.spec.refusal) || has(self.spec.refusal)) && (!has(oldSelf.spec.cancelled) || has(self.spec.cancelled)) && (!has(oldSelf.spec.upheld) || has(self.spec.upheld)) && (!has(oldSelf.spec.lifted) || has(self.spec.lifted))").message("spec.verified, spec.refusal, spec.cancelled, spec.upheld, spec.lifted: each is recorded once and stays"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Clock", type_ = "string", json_path = ".status.clock", description = "How the next deadline stands"),
    printcolumn(name = "Due", type_ = "string", json_path = ".status.due", description = "The next deadline: the first moment that is too late"),
    printcolumn(name = "Regions", type_ = "string", json_path = ".status.regionsDone", description = "Regions in which it is done, of those that it is for"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DataSubjectRequestSpec {
    /// What is asked for.
    #[x_kube(validation = Rule::new("self == oldSelf").message("kind cannot be changed: make another request under another name"))]
    pub kind: AskedFor,

    /// When it was received, RFC 3339 with the offset of that place, `2026-03-31T23:30:00+02:00`: every clock runs from here.
    #[schemars(
        length(max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("received cannot be changed: every clock runs from it; make another request under another name"))]
    pub received: String,

    /// ISO 3166-1 codes (`DE`) or ISO 3166-2 codes (`US-CA`) of the law that the person may call upon: they decide which
    /// regimes' clocks run, and whether a notice is waited for before erasure. One may be added, never removed. Quote them:
    /// `NO` is a boolean to YAML 1.1.
    #[schemars(
        length(min = 1, max = 20),
        inner(length(max = 6), regex(pattern = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("oldSelf.all(old, old in self)").message("jurisdictions: one may be added, never removed, as its law may ask that something is waited for; where one is wrong make another request under another name, and cancel this one"))]
    pub jurisdictions: Vec<String>,

    /// IANA time zone of the place where it is answered, in which days are counted, `Europe/Berlin`.
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+)*$")
    )]
    pub time_zone: String,

    /// Days on which offices rest there, besides the weekly ones: `2026-05-01`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 60),
        inner(length(min = 10, max = 10), regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub holidays: Vec<String>,

    /// Regions by name in which the person may be known: each does its part by itself. One may be added, never removed.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("oldSelf.all(old, old in self)").message("regions: one may be added, never removed, as the person may be known there"))]
    pub regions: Vec<String>,

    /// Who the person is, encrypted to each region's own key: `tradewind request create` writes it. Never write it in clear
    /// here or anywhere else. Tradewind removes it once the request has ended, and it is the one thing that it ever removes
    /// from a spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["region".into()]))]
    pub identity: Vec<SealedIdentity>,

    /// Who saw that the person is who they say they are, and when. Absent: nobody did, and nothing runs in any region. It is
    /// set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("verified: it is recorded once and stays"))]
    pub verified: Option<Done>,

    /// Who confirmed the receipt to the person, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Done>,

    /// Who told the person that the answer takes longer, when and why. It counts where the law has an extension, and only if
    /// it was told in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Reasoned>,

    /// Days on which the clock stands still where the law says so: the person was asked for something, and answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub pauses: Vec<ClockPause>,

    /// The notice before erasure, where a law of the request asks for one. Absent: none was sent, and there nothing is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<ErasureNotice>,

    /// Who told the person that the request is refused, when, and on which ground: `GDPR Article 17(3)(b)`. What runs ends,
    /// and rows that a Restriction or an Objection has hidden read as before; an `OptOut` is lifted. It is set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("refusal: it is recorded once and stays"))]
    pub refusal: Option<Reasoned>,

    /// Who took the request back, when and why. What runs ends; what was erased by then stays erased, what was hidden reads
    /// as before, and an `OptOut` is lifted. It is set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("cancelled: it is recorded once and stays"))]
    pub cancelled: Option<Reasoned>,

    /// Who found that an Objection holds, when, on which ground, and what follows. Absent: nobody decided yet, and the
    /// person's rows stay hidden. It is set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("upheld: it is recorded once and stays"))]
    pub upheld: Option<Upheld>,

    /// Who told the person that the restriction ends, when and why: `GDPR Article 18(3)`, which asks that they are told
    /// before. The rows read as before. Of an `OptOut`: who recorded that the person opts in again; events about them are sent
    /// as before. It is set once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("lifted: it is recorded once and stays"))]
    pub lifted: Option<Reasoned>,

    /// Who told the person what came of it, and when. The clock of the answer runs until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Done>,

    /// What only a person can attest, such as that a paper file was destroyed: the receipt's hash covers it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub attestations: Vec<Reasoned>,

    /// For `Access` and `Portability`: where the copy goes, and who can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<CopyDelivery>,
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AskedFor {
    /// The person's rows go, as far as no law and no hold keeps them.
    Erasure,
    /// The person gets a copy of all rows.
    Access,
    /// The person gets a copy of the rows that they provided.
    Portability,
    /// The person's rows stay, and applications read them as absent until `lifted` is recorded.
    Restriction,
    /// The person does not want to be processed: rows are hidden until it is decided (`upheld`, or `refusal`).
    Objection,
    /// The person wants no sale or sharing: sinks with `saleOrSharing` are sent no event about them until `lifted` is recorded.
    OptOut,
}

/// What follows from an objection that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Measure {
    /// The person's rows go, as far as no law and no hold keeps them; what is kept stays hidden.
    Erase,
    /// The person's rows stay hidden, until `lifted` is recorded.
    Restrict,
}

/// That an objection holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upheld {
    /// Who found that, when, and why.
    #[serde(flatten)]
    pub found: Reasoned,
    /// What follows for the person's rows.
    pub measure: Measure,
}

/// Who the person is, for one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("identity: it cannot be changed, only taken away; make another request under another name"))]
pub struct SealedIdentity {
    /// The Region's name.
    #[schemars(length(min = 1, max = 40))]
    pub region: String,
    /// The region's public key that it is encrypted to, `age1...`, as `Region.status.requests.recipient` had it.
    #[schemars(length(min = 10, max = 200), regex(pattern = r"^age1[0-9a-z]+$"))]
    pub recipient: String,
    /// `age` ciphertext in base64.
    #[schemars(
        length(min = 100, max = 16384),
        regex(pattern = r"^[A-Za-z0-9+/]+={0,2}$")
    )]
    pub ciphertext: String,
}

/// Who did it, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Who: an office or an account, `privacy@aurora.example`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S(.*\S)?$"))]
    pub by: String,
    /// When, RFC 3339 with an offset.
    #[schemars(
        length(max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$")
    )]
    pub at: String,
}

/// Who did it, when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reasoned {
    /// Who: an office or an account, `privacy@aurora.example`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S(.*\S)?$"))]
    pub by: String,
    /// When, RFC 3339 with an offset.
    #[schemars(
        length(max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$")
    )]
    pub at: String,
    /// What or why, without names of persons: `GDPR Article 17(3)(b)`, `paper file 12 shredded`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S(.*\S)?$"))]
    #[x_kube(validation = crate::api::free_text::says_nobody("ground"))]
    pub ground: String,
}

/// From the day of a question to the day of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockPause {
    /// The day on which the person was asked.
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub from: String,
    /// The day on which the answer came. Absent: it has not come yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub to: Option<String>,
}

/// The notice before erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasureNotice {
    /// When the person was told that their data will go, RFC 3339 with an offset: the law's time runs from here.
    #[schemars(
        length(max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$")
    )]
    pub sent_at: String,
    /// Who saw that the notice arrived and nobody objected, and when. Absent: nobody did, and nothing is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Done>,
}

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyDelivery {
    /// A bucket that the regions reach.
    pub object_store: CopyStore,
    /// The `age` recipient that can read it, `age1...`: the person's, or of whoever hands it over.
    #[schemars(length(min = 10, max = 200), regex(pattern = r"^age1[0-9a-z]+$"))]
    pub recipient: String,
    /// ISO 8601 duration after which the copy is to be removed, `P30D`; the manifest has the day. Then a Job of the
    /// region takes it out of the bucket, with the same credentials.
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub expires_after: String,
}

/// A bucket for copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyStore {
    /// Where it is, an ISO 3166-1 code, quoted. Outside of a Region's jurisdictions it needs an instrument in
    /// `Region.spec.transfers` that is valid today: without one no copy leaves that Region.
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// `s3://bucket`.
    #[schemars(
        length(min = 8, max = 128),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]$")
    )]
    pub url: String,
    /// Folder of the copy; `{region}` stands for the region's name. The objects are `<prefix>/<request>/<region>`
    /// with an ending.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[A-Za-z0-9{][A-Za-z0-9._\-/{}]*$")
    )]
    pub prefix: String,
    /// A Secret in each region's `runNamespace` with `accessKeyId`, `secretAccessKey` and, where the store needs them,
    /// `region`, `endpoint`, `sessionToken`.
    pub credentials_ref: NameRef,
}

/// What Tradewind sees of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataSubjectRequestStatus {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Accepted`, `ReferencesResolved`, `Verified`, `OnTime`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RequestStage>,
    /// How the most pressing deadline stands: `OnTime`, `DueSoon` (seven days before its end) or `Overdue`. Absent: no law
    /// has a number, or nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// The end of the next deadline, RFC 3339: the first moment that is too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Every deadline with its law.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<RequestDeadline>,
    /// Regions in which it is done, of all that it is for: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions_done: Option<String>,
    /// One entry per region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RequestRegionStatus>,
    /// What came of it, once it is done in every region, is refused or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<RequestReceipt>,
    /// `sha256-<hex>` of the ciphertexts: another request with the same ones is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_hash: Option<String>,
    /// The value of the annotation `tradewind.dev/reconcile-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
