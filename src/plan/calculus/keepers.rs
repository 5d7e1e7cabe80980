//! Whose keeps are in force in a region.

use kube::ResourceExt;

use crate::api::{DataPolicy, Region};
use crate::plan::{PolicyFacts, placement};

/// The policies whose keeps are in force in a region: this one, and every other whose keeps are for the region and that isn't
/// being deleted. One that only counts, is suspended or is not accepted keeps all the same, and one whose last channel is
/// gone: a keep ends because somebody takes it away, never because something else is wrong or over; of one whose law cannot be
/// looked up any more, everything is kept.
pub(super) fn keepers<'a>(
    facts: &'a PolicyFacts,
    region: &'a Region,
) -> impl Iterator<Item = &'a DataPolicy> {
    let keeps = move |policy: &&DataPolicy| {
        placement::policy_keeps_in(policy, region, (&facts.channels, &facts.regions))
    };
    strangers(facts)
        .filter(keeps)
        .chain([facts.policy.as_ref()])
}

/// Every policy that selects the region and isn't being deleted, and this one.
pub(super) fn choosing<'a>(
    facts: &'a PolicyFacts,
    region: &'a Region,
) -> impl Iterator<Item = &'a DataPolicy> {
    others(facts, region).chain([facts.policy.as_ref()])
}

/// Every other policy that selects the region and isn't being deleted.
pub(super) fn others<'a>(
    facts: &'a PolicyFacts,
    region: &'a Region,
) -> impl Iterator<Item = &'a DataPolicy> {
    strangers(facts)
        .filter(move |policy| placement::policy_chooses(policy, region, &facts.channels))
}

fn strangers(facts: &PolicyFacts) -> impl Iterator<Item = &DataPolicy> {
    let own = facts.policy.name_any();
    let others = facts.policies.values().map(AsRef::as_ref);
    others.filter(move |policy: &&DataPolicy| {
        policy.name_any() != own && policy.metadata.deletion_timestamp.is_none()
    })
}
