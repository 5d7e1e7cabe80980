//! Where a resource is to be: which regions it chooses, which it has left, and what a region says to both.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::horizon::Horizons;
use super::reason::Word;
use super::suspension;
use super::{Finding, Plan, Reach, Reason, RegionFacts, RegionNote, RegionPlan, fleet, gates};
use crate::api::condition::ConditionType;
use crate::api::{
    DataPolicy, DeletionPolicy, InventoryEntry, KeyRef, LegalHold, PolicySelector, Region,
    RegionSpec, SocialChannel,
};
use crate::packs::Jurisdiction;

/// The Secret with a data store's URL: two stores with one Secret are one database.
pub(super) fn secret_of<'a>(region: &'a RegionSpec, store: &str) -> Option<&'a KeyRef> {
    let mut stores = region.data_stores.iter();
    stores
        .find(|found| found.name == store)
        .map(|found| &found.postgres.secret_ref)
}

/// Whether a channel chooses a Region.
#[must_use]
pub fn channel_chooses(channel: &SocialChannel, region: &Region) -> bool {
    let regions = &channel.spec.regions;
    let by_name = regions
        .names
        .iter()
        .flatten()
        .any(|name| *name == region.name_any());
    let by_label = regions
        .selector
        .as_ref()
        .is_some_and(|selector| has_labels(region.labels(), &selector.match_labels));
    by_name || by_label
}

/// Whether a policy is for a Region. `namespaces` alone means their tenancy: retention goes on when a tenant's last
/// channel is gone. With `channelLabels` there must be such a channel that chooses the Region.
#[must_use]
pub fn policy_chooses(
    policy: &DataPolicy,
    region: &Region,
    channels: &[std::sync::Arc<SocialChannel>],
) -> bool {
    let selector = &policy.spec.selector;
    if selector.channel_labels.is_some() {
        return channels.iter().any(|channel| {
            gates::selects(policy, channel, region) && channel_chooses(channel, region)
        });
    }
    by_place(selector, region).unwrap_or(false)
}

/// Whether what a policy keeps is kept in a Region: also where no channel of its `channelLabels` is any more. A channel is
/// closed, and what a law wants kept stays; so the selector's other members suffice, and without another it is kept in every
/// Region unless there are channels with the labels and each of them chooses some Region: of any other nobody knows where it was.
pub(super) fn policy_keeps_in(
    policy: &DataPolicy,
    region: &Region,
    (channels, regions): (
        &[std::sync::Arc<SocialChannel>],
        &BTreeMap<String, RegionFacts>,
    ),
) -> bool {
    if policy_chooses(policy, region, channels) {
        return true;
    }
    let selector = &policy.spec.selector;
    let Some(labels) = &selector.channel_labels else {
        return false;
    };
    by_place(selector, region).unwrap_or_else(|| {
        let all = channels.iter();
        let mut labelled = all
            .filter(|channel| has_labels(channel.labels(), labels))
            .peekable();
        let is_somewhere = |channel: &SocialChannel| {
            let mut regions = regions.values();
            regions.any(|at| channel_chooses(channel, &at.region))
        };
        labelled.peek().is_none() || !labelled.all(|channel| is_somewhere(channel))
    })
}

/// What the members of a selector but `channelLabels` say of a Region; nothing where there is none.
fn by_place(selector: &PolicySelector, region: &Region) -> Option<bool> {
    let (regions, codes) = (selector.regions.as_ref(), selector.jurisdictions.as_ref());
    let members = [
        regions.map(|names| names.contains(&region.name_any())),
        codes.map(|codes| in_jurisdiction(codes, region)),
        selector
            .namespaces
            .as_ref()
            .map(|names| has_tenant(names, region)),
    ];
    let mut said = members.iter().flatten().peekable();
    said.peek()?;
    Some(said.all(|member| *member))
}

/// Whether a hold's selector chooses a Region: by its name or by a jurisdiction, so that more is held rather than less.
#[must_use]
pub fn hold_chooses(hold: &LegalHold, region: &Region) -> bool {
    let selector = &hold.spec.selector;
    let mut names = selector.regions.iter().flatten();
    let codes = selector.jurisdictions.as_deref().unwrap_or_default();
    names.any(|name| *name == region.name_any()) || in_jurisdiction(codes, region)
}

fn has_tenant(namespaces: &[String], region: &Region) -> bool {
    let tenants = region.spec.tenants.iter().map(|tenant| &tenant.namespace);
    let users = region.spec.data_stores.iter().flat_map(|s| &s.namespaces);
    tenants.chain(users).any(|name| namespaces.contains(name))
}

fn in_jurisdiction(codes: &[String], region: &Region) -> bool {
    let wanted: Vec<_> = codes
        .iter()
        .filter_map(|c| Jurisdiction::parse(c))
        .collect();
    region
        .spec
        .jurisdictions
        .iter()
        .filter_map(|code| Jurisdiction::parse(code))
        .any(|code| wanted.iter().any(|wanted| wanted.holds(&code)))
}

fn has_labels(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    !wanted.is_empty()
        && wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

/// A region that a resource chooses, or in which something of it may be left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// Absent: no such Region is on the hub.
    pub(super) facts: Option<&'a RegionFacts>,
    pub(super) chosen: bool,
    /// Something was made there: the old status says so, or it was seen.
    pub(super) had: bool,
}

/// Every place that matters: the chosen ones by their names, and those where something is or was.
pub(super) fn places<'a>(
    regions: &'a BTreeMap<String, RegionFacts>,
    chosen: &BTreeSet<&'a str>,
    old: impl Iterator<Item = (&'a str, &'a [InventoryEntry])>,
) -> Vec<Place<'a>> {
    let had: BTreeSet<&str> = old
        .filter(|(_, inventory)| !inventory.is_empty())
        .map(|(name, _)| name)
        .chain(
            regions
                .iter()
                .filter(|(_, facts)| facts.remains)
                .map(|(name, _)| name.as_str()),
        )
        .collect();
    chosen
        .union(&had)
        .map(|name| Place {
            name,
            facts: regions.get(*name),
            chosen: chosen.contains(name),
            had: had.contains(name),
        })
        .collect()
}

/// What was decided for a place, and what goes with it.
pub(super) struct Decision<W> {
    pub(super) plan: RegionPlan<W>,
    /// What the spec names, and isn't there.
    pub(super) missing: Option<Reason>,
    /// When it may change by itself.
    pub(super) wake_at: Option<Timestamp>,
}

impl<W> From<RegionPlan<W>> for Decision<W> {
    fn from(plan: RegionPlan<W>) -> Self {
        Self {
            plan,
            missing: None,
            wake_at: None,
        }
    }
}

impl<W> Plan<W> {
    /// Enters what was decided for a place.
    pub(super) fn enter(&mut self, place: &Place<'_>, mut note: RegionNote, decision: Decision<W>) {
        note.chosen = place.chosen && self.deleting.is_none();
        note.reach = place.facts.map(|facts| facts.reach.clone());
        let spec = place.facts.map(|facts| &facts.region.spec);
        note.horizons = spec.map(Horizons::of).unwrap_or_default();
        self.findings.extend(decision.missing.map(|reason| Finding {
            condition: ConditionType::ReferencesResolved,
            region: Some(place.name.to_owned()),
            holds: Some(false),
            reason,
        }));
        self.wake_at = earlier(self.wake_at, decision.wake_at);
        self.regions.insert(place.name.to_owned(), decision.plan);
        self.notes.insert(place.name.to_owned(), note);
    }
}

/// What a region says before the resource's own spec is looked at.
pub(super) enum Ground<'a, W> {
    /// It is decided.
    Decided(Decision<W>),
    /// The Region is suspended: a channel is held, a policy paused.
    Suspended(Reason, Option<Timestamp>),
    /// The resource decides.
    Open(&'a RegionFacts),
}

impl<W> Ground<'_, W> {
    fn decided(plan: RegionPlan<W>) -> Self {
        Self::Decided(plan.into())
    }
}

/// Deletion comes before suspension of the resource, and the region's word before the resource's.
pub(super) fn ground<'a, W>(
    place: &Place<'a>,
    regions: &BTreeMap<String, RegionFacts>,
    deleting: Option<DeletionPolicy>,
    now: Timestamp,
) -> Ground<'a, W> {
    if deleting == Some(DeletionPolicy::Orphan) {
        return Ground::decided(RegionPlan::Leave(Word::Orphaned.because(
            "deletionPolicy is Orphan: what runs here stays, and is nobody's from now on",
        )));
    }
    let Some(facts) = place.facts else {
        return Ground::Decided(Decision {
            missing: place.chosen.then(|| absent(place)),
            ..RegionPlan::Hold(absent(place)).into()
        });
    };
    let going = facts.region.metadata.deletion_timestamp.is_some();
    let orphaning = facts.region.spec.deletion_policy == Some(DeletionPolicy::Orphan);
    if going && orphaning {
        return Ground::decided(RegionPlan::Leave(Word::RegionOrphaned.because(format!(
            "Region {} is being deleted with deletionPolicy Orphan: what runs there stays",
            place.name
        ))));
    }
    if let Some(reason) = fleet::shared_cluster(place.name, regions) {
        // What is there is the older Region's: nothing of it is touched, counted or waited for here.
        return Ground::decided(RegionPlan::Leave(reason));
    }
    if let Reach::Unreachable { message, .. } = &facts.reach {
        return Ground::decided(RegionPlan::Hold(
            Word::RegionUnreachable
                .because(format!("Region {} does not answer: {message}", place.name)),
        ));
    }
    if facts
        .region
        .status
        .as_ref()
        .is_none_or(|status| status.cluster_id.is_none())
    {
        // Until then nobody can tell whether it is another Region's cluster.
        return Ground::decided(RegionPlan::Hold(Word::RegionUnidentified.because(format!(
            "Region {} has just been connected; which cluster it is, is written into its status first",
            place.name
        ))));
    }
    if going {
        return Ground::decided(RegionPlan::Withdraw(
            Word::RegionDeleting.because(format!("Region {} is being deleted", place.name)),
        ));
    }
    if let Some(pause) = suspension::in_force(facts.region.spec.suspend.as_ref(), now) {
        // Also while the resource is being deleted: what is there waits, stopped as for any other.
        let why = format!("Region {} is {}", place.name, pause.told);
        return Ground::Suspended(Word::RegionSuspended.because(why), pause.until);
    }
    if deleting.is_some() {
        return Ground::decided(RegionPlan::Withdraw(
            Word::Deleted.because("the resource is being deleted"),
        ));
    }
    Ground::Open(facts)
}

/// The reason of a place without a Region.
fn absent(place: &Place<'_>) -> Reason {
    if place.had {
        return Word::RegionGone.because(format!(
            "Region {0} is no longer on the hub, but objects were made there; create Region {0} again for the same \
             cluster so that they can be removed (all but requests can forget them instead: deletionPolicy: Orphan)",
            place.name
        ));
    }
    Word::RegionNotFound.because(format!(
        "there is no Region {}; create it, or choose another where the kind lets that be changed",
        place.name
    ))
}

/// Why nothing new may be made in a region that the resource chose, if so: the Region is wrong, or a namespace is missing.
pub(super) fn unready(facts: &RegionFacts, name: &str, namespace: &str) -> Option<Reason> {
    if let Some(problem) = fleet::problems(&facts.region).into_iter().next() {
        return Some(Word::RegionNotAccepted.because(format!(
            "Region {name} is not accepted: {}",
            problem.message
        )));
    }
    let there = facts
        .namespaces
        .as_ref()
        .is_none_or(|names| names.contains(namespace));
    (!there).then(|| {
        Word::NamespaceMissing.because(format!(
            "namespace {namespace} is not in the cluster of Region {name}; make it there with: \
             kubectl create namespace {namespace}"
        ))
    })
}

/// The earlier of two times, either of which may be none.
pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn chooses(selector: &Value) -> bool {
        let region = json!({
            "metadata": {"name": "eu"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "tenants": [{"namespace": "a"}],
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
                "dataStores": [{"name": "s", "namespaces": ["b"], "datasets": ["t"], "postgres": {"secretRef": {"name": "x", "key": "url"}}}]},
        });
        let policy = json!({
            "metadata": {"name": "p"},
            "spec": {"regimes": ["eu-gdpr"], "selector": selector, "rules": [], "retention": {"schedule": "0 2 * * *"}},
        });
        let region = serde_json::from_value(region).unwrap();
        policy_chooses(&serde_json::from_value(policy).unwrap(), &region, &[])
    }

    #[test]
    fn either_member_of_a_holds_selector_chooses() {
        let region = json!({
            "metadata": {"name": "eu"},
            "spec": {"jurisdictions": ["DE", "US-CA"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        });
        let region: Region = serde_json::from_value(region).unwrap();
        for (selector, expected) in [
            (json!({}), false),
            (json!({"regions": ["eu"]}), true),
            (json!({"regions": ["us"]}), false),
            (json!({"jurisdictions": ["FR", "DE"]}), true),
            (json!({"jurisdictions": ["US"]}), true),
            (json!({"jurisdictions": ["FR"], "regions": ["eu"]}), true),
            (json!({"jurisdictions": ["DE"], "regions": ["us"]}), true),
            (json!({"jurisdictions": ["FR"], "regions": ["us"]}), false),
        ] {
            let hold = json!({
                "metadata": {"name": "h"},
                "spec": {"ground": "g", "openedBy": "b", "reviewOn": "2027-01-01", "selector": selector, "scopes": []},
            });
            let hold: LegalHold = serde_json::from_value(hold).unwrap();
            assert_eq!(hold_chooses(&hold, &region), expected, "{selector}");
        }
    }

    #[test]
    fn every_member_of_a_selector_must_hold() {
        for (selector, expected) in [
            (json!({}), false),
            (json!({"jurisdictions": ["DE"]}), true),
            (json!({"jurisdictions": ["DE"], "regions": ["us"]}), false),
            (json!({"jurisdictions": ["FR"], "regions": ["eu"]}), false),
            (json!({"namespaces": ["a"]}), true),
            (json!({"namespaces": ["c", "b"]}), true),
            (json!({"namespaces": ["c"]}), false),
            (json!({"jurisdictions": ["DE"], "namespaces": ["c"]}), false),
        ] {
            assert_eq!(chooses(&selector), expected, "{selector}");
        }
    }
}
