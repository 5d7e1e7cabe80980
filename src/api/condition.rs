//! Conditions: their types, and how one is set.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Condition types. Each is set on the first visit of the kinds that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// All that the spec asks for is there and works (kstatus).
    Ready,
    /// Work towards the spec is under way (kstatus; present only while true).
    Reconciling,
    /// No progress without somebody's act (kstatus; present only while true).
    Stalled,
    /// The spec makes sense and is permitted.
    Accepted,
    /// All that the spec names was found.
    ReferencesResolved,
    /// The regional cluster answers.
    Reachable,
    /// The platform sells in every chosen region in the way that was asked for.
    MarketSupported,
    /// A lawful policy covers the channel in every chosen region.
    PolicyCovered,
    /// No event crosses a border without an instrument that is valid today.
    TransfersLawful,
    /// The connectors run.
    ConnectorAvailable,
    /// Every feed's last run succeeded and is not older than its schedule allows.
    FeedsCurrent,
    /// The policy erases (mode `Enforce`, and runs end well).
    Enforced,
    /// Every data set of the matched stores has a rule.
    CoverageComplete,
    /// The policy's runs are recorded in every region, and the records signed there.
    EvidenceFresh,
    /// Every database that the hold is for says that it holds.
    InForce,
    /// The hold's review date lies ahead, or it is released.
    ReviewCurrent,
    /// Somebody saw that the person who asks is who they say they are.
    Verified,
    /// No deadline of the request has passed without being met.
    OnTime,
    /// Nothing that its regimes ask for is seen not to be so.
    BaselineMet,
    /// Paused by `spec.suspend`.
    Suspended,
    /// Being deleted; the message says what is left where. Present only while deleting.
    Deleting,
}

impl ConditionType {
    /// The word in `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Accepted => "Accepted",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::Reachable => "Reachable",
            Self::MarketSupported => "MarketSupported",
            Self::PolicyCovered => "PolicyCovered",
            Self::TransfersLawful => "TransfersLawful",
            Self::ConnectorAvailable => "ConnectorAvailable",
            Self::FeedsCurrent => "FeedsCurrent",
            Self::Enforced => "Enforced",
            Self::CoverageComplete => "CoverageComplete",
            Self::EvidenceFresh => "EvidenceFresh",
            Self::InForce => "InForce",
            Self::ReviewCurrent => "ReviewCurrent",
            Self::Verified => "Verified",
            Self::OnTime => "OnTime",
            Self::BaselineMet => "BaselineMet",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
        }
    }
}

/// `True`, `False` or `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It is not known.
    Unknown,
}

impl Truth {
    /// The word in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// A condition as it should be, before the old one is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub kind: ConditionType,
    /// Whether it is so.
    pub status: Truth,
    /// Why, one CamelCase word from an enum of its room.
    pub reason: String,
    /// Why, for a person, with what would change it. Cut at 1,024 characters.
    pub message: String,
}

/// Merges wanted conditions with the old ones: `lastTransitionTime` is kept while the status stays the same.
#[must_use]
pub fn merge(
    old: &[Condition],
    wanted: Vec<Wanted>,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut out: Vec<Condition> = wanted
        .into_iter()
        .map(|w| {
            let before = old.iter().find(|c| c.type_ == w.kind.as_str());
            let since = before
                .filter(|c| c.status == w.status.as_str())
                .map_or_else(|| Time(now), |c| c.last_transition_time.clone());
            Condition {
                last_transition_time: since,
                message: w.message.chars().take(1024).collect(),
                observed_generation: Some(generation),
                reason: w.reason,
                status: w.status.as_str().to_owned(),
                type_: w.kind.as_str().to_owned(),
            }
        })
        .collect();
    out.sort_by(|a, b| a.type_.cmp(&b.type_));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(status: Truth) -> Vec<Wanted> {
        vec![Wanted {
            kind: ConditionType::Ready,
            status,
            reason: "Running".into(),
            message: String::new(),
        }]
    }

    #[test]
    fn transition_time_is_kept_while_the_status_stays() {
        let first = merge(&[], wanted(Truth::True), 1, Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(60).unwrap();
        let second = merge(&first, wanted(Truth::True), 2, later);
        assert_eq!(second[0].last_transition_time.0, Timestamp::UNIX_EPOCH);
        assert_eq!(second[0].observed_generation, Some(2));
        let third = merge(&second, wanted(Truth::False), 2, later);
        assert_eq!(third[0].last_transition_time.0, later);
    }
}
