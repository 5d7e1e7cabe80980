//! What a policy covers in a region, and what its laws ask for and is missing there.

use serde::{Deserialize, Serialize};

/// Of a `Coverage`: which tables no rule of a policy erases from, and its findings, whenever either is another than before.
/// `about` is the policy, `source` its uid and generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Tables of the region's stores that no rule erases from.
    #[serde(default)]
    pub uncovered: Vec<UncoveredTable>,
    /// How many more of them there are than the record has room for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more_uncovered: u32,
    /// What the policy's regimes ask for and is missing, the most severe first: the policy's own and those about the region.
    /// Absent: the record is of a release that did not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<OpenFinding>>,
    /// How many more of them there are than the record has room for; none of them is more severe.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more_findings: u32,
    /// The policy is not for the region any more, or is deleted: nothing is looked at here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

/// Part of a [`Coverage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UncoveredTable {
    /// The store.
    pub store: String,
    /// The table.
    pub table: String,
}

/// A finding as long as it is open. What may change from look to look while it is about the same thing (a number, a date, the
/// condition that tells more) is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenFinding {
    /// Stable while it is about the same thing, as in the policy's status.
    pub id: String,
    /// What was looked at: `NoPeriod`.
    pub check: String,
    /// `High`, `Medium`, `Low`.
    pub severity: String,
    /// The law with its article, of each regime that asks for it.
    pub law: String,
    /// The resource and field.
    pub place: String,
}

/// Of a `Coverage` about a channel: which regimes the law of the region calls for and no policy carries for it, as long as that
/// is so, whenever it is another than before. `about` is the channel, `source` its uid and generation. A channel without such
/// a record was covered for as long as it was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelCoverage {
    /// Each regime that no policy carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<UncarriedRegime>,
    /// What the Region does about it: `Warn`, it runs all the same; `Grace`, nothing new starts, and what runs goes when the
    /// grace is over; `Withdraw`, nothing may run. Absent once that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<String>,
    /// Policies carry all of them, or the channel is not for the region any more, or is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

/// Part of a [`ChannelCoverage`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UncarriedRegime {
    /// Its id: `eu-gdpr`.
    pub regime: String,
    /// The provisions, as the pack in force has them.
    pub law: String,
    /// The policy that comes nearest: it carries the regime and does not count, since it only counts rows, is suspended or not
    /// accepted, or lacks rules. Absent: none carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// Data sets, `store/table`, that no rule of that policy erases from; without one, all that the channel's namespace writes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// How many more of them there are than the record has room for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more_datasets: u32,
}

impl ChannelCoverage {
    /// That it is covered, or that nobody asks any more.
    #[must_use]
    pub fn ended() -> Self {
        Self {
            ended: true,
            ..Self::default()
        }
    }
}

impl Coverage {
    /// That the policy is for the region no more.
    #[must_use]
    pub fn ended() -> Self {
        Self {
            findings: Some(Vec::new()),
            ended: true,
            ..Self::default()
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_none(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::canonical;

    /// What older releases wrote says as much as it did, and one without a finding is not one that tells none.
    #[test]
    fn a_record_of_before_is_read_as_one_that_tells_no_findings() {
        let read = |text: &str| {
            let object = canonical::parse(text.as_bytes()).unwrap();
            let coverage: Coverage = canonical::read(&object).unwrap();
            coverage
        };
        let before = read(r#"{"uncovered":[{"store":"shop","table":"notes"}]}"#);
        assert_eq!(
            (before.uncovered.len(), &before.findings, before.ended),
            (1, &None, false)
        );
        assert_eq!(read("{}"), Coverage::default());
        let none = read(r#"{"findings":[],"uncovered":[]}"#);
        assert_eq!(none.findings, Some(Vec::new()));
        // Written again, each is what it was.
        for told in [before, none, Coverage::ended()] {
            let object = canonical::object(&told).unwrap();
            let text = String::from_utf8(canonical::encode(&object)).unwrap();
            assert_eq!(read(&text), told);
        }
    }
}
