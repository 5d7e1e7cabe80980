//! What an agent answers: one JSON object in the termination message.

use serde::{Deserialize, Serialize};

use super::{CatalogueLook, Count, Method, Preview, PreviewedRule, Space, Strategy, Sum};
use crate::evidence::Commitment;

/// The most bytes that Kubernetes keeps of a termination message.
pub const REPORT_BYTES: usize = 4096;

/// What an agent answers. Counts, hashes and reasons only; never data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<B> {
    /// [`super::VERSION`].
    pub version: u32,
    /// `feed`, `retain` or `hold`.
    pub command: String,
    /// How it ended.
    pub outcome: Outcome,
    /// CamelCase, for conditions: `Done`, `AwaitingApproval`, `SourceUnavailable`.
    pub reason: String,
    /// One sentence for a person: what is wrong and what would be right. At most 512 bytes, no data.
    pub message: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// What was done, as far as it got; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<B>,
}

/// How it ended; each maps to one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// All that could be done is done.
    Done,
    /// A passing fault: try again.
    Retry,
    /// A retry would end the same way: somebody must act.
    Refused,
}

impl Outcome {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => super::exit::DONE,
            Self::Retry => super::exit::RETRY,
            Self::Refused => super::exit::REFUSED,
        }
    }
}

/// What a feed run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedReport {
    /// Items in the file.
    pub items: i64,
    /// Items of the source that the platform would not take.
    pub rejected: i64,
    /// The first few of them, bounded so that the report fits.
    #[serde(default)]
    pub rejections: Vec<RejectedItem>,
    /// Items whose text fell back to another language.
    #[serde(default)]
    pub fallbacks: i64,
    /// The object that holds the file, written now or already there; empty when the run did not get so far.
    #[serde(default)]
    pub object: String,
    /// `sha256-<hex>` of the file.
    #[serde(default)]
    pub hash: String,
    /// The file's size.
    #[serde(default)]
    pub bytes: i64,
    /// False when the file was already there, byte for byte.
    #[serde(default)]
    pub written: bool,
}

/// An item that the platform would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedItem {
    /// The item's id (a product, not a person), cut to 64 characters.
    pub id: String,
    /// The column at fault.
    pub column: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What a retention run did. `due = erased + held + restricted + gone + blocked + failed + remaining` for every
/// rule, each term counted for itself. Cumulative over all attempts of the run, read back from the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainReport {
    /// The run's id in the region's run table; empty for a dry run.
    #[serde(default)]
    pub run: String,
    /// The database's clock at the count, when the report carries a preview (see [`RetainReport::preview`]):
    /// after a dry run, and while an approval is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_as_of: Option<String>,
    /// The preview's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_hash: Option<String>,
    /// Which tables the preview saw: see [`Preview::shape`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_shape: Option<String>,
    /// When the run ended by the database's clock, RFC 3339: told by a ledger that was read back, absent there while
    /// the run has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// What of the stores' catalogues looks as if it held persons, and has no rule; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<CatalogueLook>,
    /// A rule each.
    pub rules: Vec<RetainedRule>,
}

impl RetainReport {
    /// The run's id, when it has one. What cannot be one is not repeated: it comes from a pod.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let is_id = |id: &String| {
            let mut all = id.chars();
            (1..=64).contains(&id.len()) && all.all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        Some(self.run.clone()).filter(is_id)
    }

    /// The preview whose hash the report names, for the region and spec that the run was given; `None` when
    /// there is none, or when it was made for something else. Put together from the rules' counts, which a
    /// message of 4,096 bytes has no room to carry twice.
    #[must_use]
    pub fn preview(&self, region: &str, spec_hash: &str) -> Option<Preview> {
        let seen = |rule: &RetainedRule| PreviewedRule {
            name: rule.name.clone(),
            rows: rule.rows,
            due: rule.due,
        };
        let preview = Preview {
            region: region.to_owned(),
            as_of: self.preview_as_of.clone()?,
            spec_hash: spec_hash.to_owned(),
            rules: self.rules.iter().map(seen).collect(),
            shape: self.preview_shape.clone(),
        };
        (Some(preview.hash()) == self.preview_hash).then_some(preview)
    }
}

/// Numbers that are nearly always 0 are left out of a report, so that it fits; they read as 0.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(super) fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// One rule's numbers, in rows, few of them told as few, `<5`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RetainedRule {
    /// The rule's name.
    pub name: String,
    /// What `erased` means: `Delete` took the rows, `Nullify` and `Anonymise` changed their columns, `Shred` destroyed the
    /// key in them. `Restrict` hid them, which `restricted` counts. Absent: `Delete`.
    #[serde(default, skip_serializing_if = "Method::is_delete")]
    pub method: Method,
    /// How due rows are taken out of the table; absent: `Rows`.
    #[serde(default, skip_serializing_if = "Strategy::is_rows")]
    pub strategy: Strategy,
    /// Partitions that went whole; in a preview, that would.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partitions: i64,
    /// Rows of the table when the run began.
    pub rows: Count,
    /// Rows that were due at the run's cut-off; without those that hold what the rule sets already.
    pub due: Count,
    /// Rows that this run deleted, or changed: see `method`.
    #[serde(default)]
    pub erased: Count,
    /// Due rows that a hold keeps.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub held: Count,
    /// Due rows that this run hid, by the method `Restrict`: they were not erased.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub restricted: Count,
    /// Due rows that somebody else deleted, or whose clock moved, meanwhile.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub gone: Count,
    /// Due rows that a row of another table still refers to.
    #[serde(default)]
    pub blocked: Count,
    /// Due rows that the database refused to delete or change.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub failed: Count,
    /// Due rows that are left for the next run.
    #[serde(default)]
    pub remaining: Count,
    /// Rows that were due at the run's cut-off, but came after it had begun: the next run's.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub late: Count,
    /// Rows without a clock, the rule's or a keep's, that hold something to erase: never due, to be mended by somebody.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub null_clock: Count,
    /// Rows whose period is over, and that every keep and contact would let go, but whose person was not told early enough
    /// (`erase.notice`): they wait for that, and are no part of `due`. Counted when the run began.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub untold: Count,
    /// What stands for each number of the sum that is not told, in the order `due`, `erased`, `held`, `restricted`, `gone`,
    /// `blocked`, `failed`, `remaining`: with the numbers that are told they add up. None where a report has no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "plan", schemars(length(max = 8)))]
    pub commitments: Vec<Commitment>,
    /// The clock of the oldest row that still holds what the rule erases, RFC 3339 date; absent when there is none, and where
    /// `rows` is not told: the day of one of few rows may say whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_kept: Option<String>,
    /// What had become of the space of the rows that this run erased, when it ended; absent when it erased none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// Up to which of the rule's runs all space was seen released: when that one ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_until: Option<String>,
}

/// The policy's rule that a rule of a run belongs to: a part of it has a word of its own behind a slash, `invoices/others`.
#[must_use]
pub fn rule_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(rule, _)| rule)
}

impl RetainedRule {
    /// What the parts of `due` are called, in the order of [`RetainedRule::parts`].
    pub const PARTS: [&str; 7] = [
        "erased",
        "held",
        "restricted",
        "gone",
        "blocked",
        "failed",
        "remaining",
    ];

    /// The parts of `due`, in the order of [`RetainedRule::commitments`].
    #[must_use]
    pub fn parts(&self) -> [Count; 7] {
        [
            self.erased,
            self.held,
            self.restricted,
            self.gone,
            self.blocked,
            self.failed,
            self.remaining,
        ]
    }

    /// `due`, and what it is the sum of.
    #[must_use]
    pub fn sum(&self) -> Sum {
        Sum {
            whole: self.due,
            parts: self.parts().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::Strategy; // not the contract's

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Done),
            Just(Outcome::Retry),
            Just(Outcome::Refused)
        ]
    }

    fn round_trip<B>(report: &Report<B>) -> Result<(), TestCaseError>
    where
        B: Serialize + serde::de::DeserializeOwned + PartialEq + Default + std::fmt::Debug,
    {
        let text = serde_json::to_string(report).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Report<B>>(&text).unwrap(), report);
        Ok(())
    }

    fn report<B>(command: &str, outcome: Outcome, message: String, body: B) -> Report<B> {
        Report {
            version: super::super::VERSION,
            command: command.into(),
            outcome,
            reason: "Done".into(),
            message,
            started_at: "2026-01-01T00:00:00Z".into(),
            finished_at: "2026-01-01T00:00:01Z".into(),
            body: Some(body),
        }
    }

    #[test]
    fn each_outcome_has_its_exit_code() {
        let codes = [Outcome::Done, Outcome::Retry, Outcome::Refused].map(Outcome::exit_code);
        assert_eq!(codes, [0, 75, 64], "as sysexits and the CronJobs have them");
    }

    proptest! {
        #[test]
        fn the_operator_reads_what_the_agent_wrote(
            outcome in outcome(), message in ".{0,40}", numbers in prop::array::uniform8(any::<i64>()), hash in prop::option::of("[a-f0-9]{8}"),
        ) {
            let [items, rejected, fallbacks, bytes, due, erased, blocked, gone] = numbers;
            let rejections = vec![RejectedItem { id: message.clone(), column: "price".into(), reason: "none".into() }];
            let feed = FeedReport { items, rejected, rejections, fallbacks, bytes, written: items > 0, ..FeedReport::default() };
            round_trip(&report("feed", outcome, message.clone(), feed))?;
            let [due, erased, blocked, gone] = [due, erased, blocked, gone].map(Count::exact);
            let rule = RetainedRule { name: "r".into(), due, erased, blocked, gone, held: Count::below(5), ..RetainedRule::default() };
            let body = RetainReport { run: "1".into(), preview_hash: hash, rules: vec![rule], ..RetainReport::default() };
            round_trip(&report("retain", outcome, message, body))?;
        }
    }
}
