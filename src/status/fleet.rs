//! What a Region's status should say.

use jiff::Timestamp;
use kube::ResourceExt;

use super::reason::Word;
use super::resource;
use super::said::wanted;
use super::{ClusterObserved, Written};
use crate::api::condition::{self, ConditionType, Truth, Wanted};
use crate::api::{Region, RegionStatus, RequestsStatus, SigningStatus};
use crate::plan::{FleetPlan, Reach, Reason, Verdict};

/// Reasons of a region's owner for a first connection: it isn't lost, it was never there.
const CONNECTING: &str = "Connecting";
/// Reasons that say that something which the spec names is missing.
const MISSING: &str = "KubeconfigMissing";
/// So many objects of those that keep a Region are named: each that goes would rewrite the others' names.
const NAMED: usize = 3;
/// Reasons that no further attempt mends.
const STUCK: [&str; 2] = ["KubeconfigRefused", "IdentityChanged"];

/// The new status.
#[must_use]
pub fn region(
    plan: &FleetPlan,
    seen: &ClusterObserved,
    region: &Region,
    (evidence, requests): (Option<SigningStatus>, Option<RequestsStatus>),
    now: Timestamp,
) -> Written<RegionStatus> {
    let none = RegionStatus::default();
    let old = region.status.as_ref().unwrap_or(&none);
    let generation = region.metadata.generation.unwrap_or_default();
    let (reach_truth, reach_reason) = reach(plan);
    let ready = ready(plan, (reach_truth, &reach_reason), region, now);
    let mut conditions = vec![
        accepted(plan),
        resolved(plan),
        resource::suspended(region.spec.suspend.as_ref(), now),
    ];
    conditions.extend(progress(plan, region, (reach_truth, &reach_reason)));
    conditions.push(wanted(ConditionType::Reachable, reach_truth, reach_reason));
    conditions.push(ready);
    Written {
        status: RegionStatus {
            observed_generation: generation,
            conditions: condition::merge(&old.conditions, conditions, generation, now),
            // Once known it stays: whoever decides that a cluster is another one compares with this.
            cluster_id: old.cluster_id.clone().or_else(|| seen.cluster_id.clone()),
            cluster_version: seen.version.clone().or_else(|| old.cluster_version.clone()),
            unreachable_since: since(plan, old).map(|since| since.to_string()),
            channels: plan.channels,
            policies: plan.policies,
            evidence: evidence.filter(|told| *told != SigningStatus::default()),
            requests: requests.filter(|told| *told != RequestsStatus::default()),
            last_handled_reconcile_at: resource::handled_reconcile(&region.metadata),
        },
        wake_at: None,
        finished: plan.deleting.is_some() && plan.left.is_empty(),
    }
}

/// A silence has one beginning, however often this process is started anew.
fn since(plan: &FleetPlan, old: &RegionStatus) -> Option<Timestamp> {
    let told = old.unreachable_since.as_deref();
    let told = told.and_then(|since| since.parse::<Timestamp>().ok());
    match &plan.reach {
        Reach::Ready => None,
        Reach::Unreachable { since, .. } => Some(told.map_or(*since, |told| told.min(*since))),
    }
}

fn reach(plan: &FleetPlan) -> (Truth, Reason) {
    match &plan.reach {
        Reach::Ready => (
            Truth::True,
            Word::Connected.because("the regional cluster answers"),
        ),
        Reach::Unreachable {
            reason, message, ..
        } if reason == CONNECTING => (Truth::Unknown, Word::Connecting.because(message)),
        Reach::Unreachable {
            reason, message, ..
        } => (
            Truth::False,
            Reason {
                word: reason.clone(),
                message: message.clone(),
            },
        ),
    }
}

fn accepted(plan: &FleetPlan) -> Wanted {
    let (truth, reason) = match &plan.verdict {
        Verdict::Invalid(reason) => (Truth::False, reason.clone()),
        Verdict::Accepted | Verdict::Waiting(_) | Verdict::Suspended(_) => {
            (Truth::True, Word::Valid.because("the spec is sound"))
        }
    };
    wanted(ConditionType::Accepted, truth, reason)
}

fn resolved(plan: &FleetPlan) -> Wanted {
    let kind = ConditionType::ReferencesResolved;
    match &plan.reach {
        Reach::Unreachable {
            reason, message, ..
        } if reason == MISSING => wanted(
            kind,
            Truth::False,
            Reason {
                word: reason.clone(),
                message: message.clone(),
            },
        ),
        Reach::Ready | Reach::Unreachable { .. } => wanted(
            kind,
            Truth::True,
            Word::Resolved.because("everything that the spec names is there"),
        ),
    }
}

/// What keeps a Region that is being deleted.
fn left(plan: &FleetPlan, region: &Region) -> Reason {
    if plan.left.is_empty() {
        return Word::Deleted.because("nothing is left in the regional cluster");
    }
    let more = plan.left.len().saturating_sub(NAMED);
    let mut message = format!(
        "waits until these have left it: {}",
        plan.left
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    );
    if more > 0 {
        message = format!("{message} and {more} more");
    }
    if let Reach::Unreachable {
        message: silence, ..
    } = &plan.reach
    {
        message += "; but it does not answer (";
        message += silence;
        message += "): bring it back, or forget what is there with: kubectl patch region ";
        message += &region.name_any();
        message += " --type merge -p '{\"spec\":{\"deletionPolicy\":\"Orphan\"}}'";
    }
    Word::Deleting.because(message)
}

fn ready(
    plan: &FleetPlan,
    (reach, why): (Truth, &Reason),
    region: &Region,
    now: Timestamp,
) -> Wanted {
    let kind = ConditionType::Ready;
    if plan.deleting.is_some() {
        return wanted(kind, Truth::False, left(plan, region));
    }
    if let Verdict::Invalid(reason) = &plan.verdict {
        return wanted(kind, Truth::False, reason.clone());
    }
    if reach != Truth::True {
        return wanted(kind, reach, why.clone());
    }
    if let Some(pause) = crate::plan::paused(region.spec.suspend.as_ref(), now) {
        return wanted(kind, Truth::Unknown, pause);
    }
    let count = |number: i32, one: &str, more: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {more}"),
    };
    let message = format!(
        "{} and {} run there",
        count(plan.channels, "channel", "channels"),
        count(plan.policies, "policy", "policies")
    );
    wanted(kind, Truth::True, Word::Running.because(message))
}

fn progress(plan: &FleetPlan, region: &Region, (truth, why): (Truth, &Reason)) -> Vec<Wanted> {
    let mut conditions = Vec::new();
    if plan.deleting.is_some() {
        let left = left(plan, region);
        conditions.push(wanted(ConditionType::Deleting, Truth::True, left.clone()));
        if !plan.left.is_empty() {
            let removing = Word::Removing.because(left.message);
            conditions.push(wanted(ConditionType::Reconciling, Truth::True, removing));
        }
    } else if truth == Truth::Unknown {
        conditions.push(wanted(ConditionType::Reconciling, Truth::True, why.clone()));
    }
    let stuck = match (&plan.verdict, truth) {
        (Verdict::Invalid(reason), _) => Some(reason),
        (_, Truth::False) if STUCK.contains(&why.word.as_str()) => Some(why),
        _ => None,
    };
    conditions
        .extend(stuck.map(|reason| wanted(ConditionType::Stalled, Truth::True, reason.clone())));
    conditions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As many as are named are named; of more it is said how many.
    #[test]
    fn what_keeps_a_region_is_named_and_the_rest_is_counted() {
        let region: Region = serde_json::from_value(json!({
            "metadata": {"name": "eu"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        }))
        .unwrap();
        let told = |count: usize| {
            let plan = FleetPlan {
                verdict: Verdict::Accepted,
                reach: Reach::Ready,
                channels: 0,
                policies: 0,
                left: (0..count)
                    .map(|n| format!("DataPolicy p{n} (1 object)"))
                    .collect(),
                wake_at: None,
                deleting: None,
            };
            left(&plan, &region).message
        };
        assert_eq!(told(0), "nothing is left in the regional cluster");
        assert!(told(NAMED).ends_with("p2 (1 object)"), "{}", told(NAMED));
        assert!(
            told(NAMED + 2).ends_with("p2 (1 object) and 2 more"),
            "{}",
            told(NAMED + 2)
        );
    }
}
