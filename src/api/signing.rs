//! How a region's key signs its evidence, and what it signed.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InventoryEntry;

/// How a region's key signs the region's evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// Five cron fields in the region's time zone: when the key signs what was recorded. `7 * * * *` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100))]
    pub schedule: Option<String>,
    /// Where pods of the region reach their own API server, in which the key lives: `https://10.0.0.1:6443`. Absent: the
    /// address that Kubernetes gives to every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 9, max = 253),
        regex(pattern = r"^https://[A-Za-z0-9.:\[\]-]+$")
    )]
    pub api_server: Option<String>,
    /// How long evidence of this region is kept, in calendar units: `P6Y`. Whole segments of the archive go once all their
    /// records are older and no legal hold is in force here; never before a regime that applies here lets them. Absent: for
    /// ever. Without an archive nothing goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 20),
        regex(pattern = r"^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$")
    )]
    pub keep: Option<String>,
    /// Counts of persons' rows from 1 to below this number leave the region as `<5`, and a number that would give one away as
    /// `-`; commitments stand for them, and their salts stay in the stores' books. 5 when absent; 1: every number is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    #[x_kube(validation = Rule::new("self != 2").message("evidence.smallCounts: below 2 there is only 1, which would be told by that; write 1 to tell every number, or 3 and more"))]
    pub small_counts: Option<i32>,
}

impl Signing {
    /// When the key signs where the Region doesn't say.
    pub const SCHEDULE: &str = "7 * * * *";
}

/// How far a region countersigned another region's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountersignedTo {
    /// The other region.
    pub region: String,
    /// The last record of its chain that was countersigned.
    pub sequence: i64,
    /// That record's hash.
    pub head: String,
    /// Why this region is not shown what came after that: the archive does not give it, it is not what was sealed or countersigned, or
    /// it went by the rule on how long evidence is kept. Absent: it is shown that, up to 1000 records at each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a region's key signed of its evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningStatus {
    /// The public key that signed last, `ed25519-` and 64 hexadecimal digits: what somebody writes down elsewhere, once is enough: the keys after it follow by what each signs for the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How far it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The hash of the record there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// When it signed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
    /// Why the last attempt signed nothing, in one CamelCase word: `NotAnExtension`, `KeyUnreadable`. Absent: it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The public key that is to sign next, once the present one has signed the record that names it. Absent: none was
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_key: Option<String>,
    /// Other regions whose chain this region did not countersign at its last run, since it is no extension of what it had
    /// countersigned: the hub shows another chain than before, or the archive has other records than were sealed or countersigned
    /// (`behind[].problem` says which).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub unproven: Vec<String>,
    /// Other regions of whose chain the hub has no more all that came after what this region had countersigned: it was no witness of
    /// theirs for a while, or one of the two was restored. It is shown what is between from the archive, run after run, until it has
    /// caught up; `problem` says why where it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["region".into()]))]
    pub behind: Vec<CountersignedTo>,
    /// Up to which record the archive has all. Absent: none is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<i64>,
    /// Up to which record they went by the rule on how long evidence is kept. Absent: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_to: Option<i64>,
    /// How long evidence is kept here, and the regimes that want as long where the Region says less: `P24M (us-ca-ccpa)`.
    /// Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<String>,
    /// Why old records could not be sealed at the last look. Absent: they could, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_problem: Option<String>,
    /// Why auditors do not trust the key that signs, and what to do: the one before it has not named it. Absent: it has,
    /// or there was none before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_key: Option<String>,
    /// The value of the annotation `tradewind.dev/rotate-key-at` by which the key that signs was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotate_at: Option<String>,
    /// The value of the annotation `tradewind.dev/run-at` whose Job was last made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_run_at: Option<String>,
    /// Every object that was made there for signing, or is being made, and was not yet seen gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}
