//! A Region's own verdict: is its spec sound, does its cluster answer, and may it go.

use std::collections::BTreeMap;

use iso_currency::Currency;
use jiff::Timestamp;
use kube::ResourceExt;

use super::reason::Word;
use super::{
    FleetFacts, FleetPlan, Reach, Reason, RegionFacts, Verdict, gates, request, signing,
    suppression, suspension,
};
use crate::api::{DeletionPolicy, InventoryEntry, Region, RegionSpec};

/// What a Region's status says of itself, and whether it may go.
#[must_use]
pub fn region(facts: &FleetFacts, now: Timestamp) -> FleetPlan {
    let name = facts.region.name_any();
    let pause = suspension::in_force(facts.region.spec.suspend.as_ref(), now);
    let mut found: Vec<Reason> = shared_cluster(&name, &facts.regions).into_iter().collect();
    found.extend(problems(&facts.region));
    found.extend(
        pause
            .as_ref()
            .and_then(suspension::Suspension::problem)
            .map(|finding| finding.reason),
    );
    let verdict = match (found.into_iter().next(), &pause) {
        (Some(problem), _) => Verdict::Invalid(problem),
        (None, Some(pause)) => Verdict::Suspended(pause.reason(Word::Suspended)),
        (None, None) => Verdict::Accepted,
    };
    let reach = facts.regions.get(&name).map_or_else(
        || Reach::Unreachable {
            since: now,
            reason: "Connecting".to_owned(),
            message: "it isn't connected yet".to_owned(),
        },
        |own| own.reach.clone(),
    );
    let channels = holders(facts, &name, Kind::Channel);
    let policies = holders(facts, &name, Kind::Policy);
    let holds = holders(facts, &name, Kind::Hold);
    let requests = holders(facts, &name, Kind::Request);
    let count = |list: &[String]| i32::try_from(list.len()).unwrap_or(i32::MAX);
    let deleting = facts.region.metadata.deletion_timestamp.as_ref();
    let deleting = deleting.map(|_| facts.region.spec.deletion_policy.unwrap_or_default());
    let untold = match deleting {
        Some(DeletionPolicy::Delete) if shared_cluster(&name, &facts.regions).is_none() => {
            untold(facts, [&channels, &policies, &holds, &requests])
        }
        _ => Vec::new(),
    };
    FleetPlan {
        verdict,
        reach,
        channels: count(&channels),
        policies: count(&policies),
        left: [channels, policies, holds, requests, untold].concat(),
        wake_at: pause.and_then(|pause| pause.until),
        deleting,
    }
}

/// What is seen there, and no status tells: whoever wrote it was killed before saying so.
fn untold(facts: &FleetFacts, told: [&Vec<String>; 4]) -> Vec<String> {
    let told = |owner: &String| {
        let mut all = told.into_iter().flatten();
        all.any(|told| {
            told.strip_prefix(owner)
                .is_some_and(|rest| rest.starts_with(" ("))
        })
    };
    let seen = facts.holdings.objects.iter();
    let mut left: Vec<String> = seen
        .filter(|(owner, count)| **count > 0 && !told(owner))
        .map(|(owner, count)| holds(owner, *count))
        .collect();
    if facts.holdings.reading {
        left.push("what has not been read yet".to_owned());
    }
    left
}

fn holds(owner: &str, count: usize) -> String {
    match count {
        1 => format!("{owner} (1 object)"),
        more => format!("{owner} ({more} objects)"),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Channel,
    Policy,
    Hold,
    Request,
}

/// The resources that have objects in a region, by what their status says of them: never by asking a cluster that
/// may be silent.
fn holders(facts: &FleetFacts, region: &str, kind: Kind) -> Vec<String> {
    let told = |kind: &str, name: String, inventory: &[InventoryEntry]| {
        holds(&format!("{kind} {name}"), inventory.len())
    };
    let mut list: Vec<String> = match kind {
        Kind::Channel => facts
            .channels
            .iter()
            .filter_map(|channel| {
                let regions = &channel.status.as_ref()?.regions;
                let entry = regions.iter().find(|entry| entry.name == region)?;
                let name = format!(
                    "{}/{}",
                    channel.namespace().unwrap_or_default(),
                    channel.name_any()
                );
                (!entry.inventory.is_empty()).then(|| told("SocialChannel", name, &entry.inventory))
            })
            .collect(),
        Kind::Policy => facts
            .policies
            .iter()
            .filter_map(|policy| {
                let regions = &policy.status.as_ref()?.regions;
                let entry = regions.iter().find(|entry| entry.name == region)?;
                (!entry.inventory.is_empty())
                    .then(|| told("DataPolicy", policy.name_any(), &entry.inventory))
            })
            .collect(),
        Kind::Hold => facts
            .holds
            .iter()
            .filter_map(|hold| {
                let regions = &hold.status.as_ref()?.regions;
                let entry = regions.iter().find(|entry| entry.name == region)?;
                (!entry.inventory.is_empty())
                    .then(|| told("LegalHold", hold.name_any(), &entry.inventory))
            })
            .collect(),
        Kind::Request => facts
            .requests
            .iter()
            .filter_map(|request| {
                let regions = &request.status.as_ref()?.regions;
                let entry = regions.iter().find(|entry| entry.name == region)?;
                (!entry.inventory.is_empty())
                    .then(|| told("DataSubjectRequest", request.name_any(), &entry.inventory))
            })
            .collect(),
    };
    list.sort();
    list
}

/// What somebody must mend in a Region's spec: rules that CEL cannot state.
pub(super) fn problems(region: &Region) -> Vec<Reason> {
    let spec = &region.spec;
    let mut problems = Vec::new();
    problems.extend(gates::codes("spec.jurisdictions", &spec.jurisdictions).err());
    problems.extend(time_zone(&spec.locale.time_zone));
    problems.extend(countries(spec));
    problems.extend(signing::schedule_problem(region));
    problems.extend(request::schedule_problem(region));
    problems.extend(suppression::problem(spec));
    if Currency::from_code(&spec.locale.currency).is_none_or(|it| it.exponent().is_none()) {
        problems.push(Word::CurrencyUnknown.because(format!(
            "spec.locale.currency: {} is no currency of ISO 4217 that prices can be in; write one such as EUR",
            spec.locale.currency
        )));
    }
    if let Some(grace) = spec.enforcement.as_ref().and_then(|e| e.grace.as_deref())
        && grace.parse::<jiff::Span>().is_err()
    {
        problems.push(Word::GraceInvalid.because(format!(
            "spec.enforcement.grace: {grace} is no duration; write one such as PT24H or P2D"
        )));
    }
    if spec
        .tenants
        .iter()
        .any(|tenant| tenant.namespace == spec.run_namespace)
    {
        problems.push(Word::TenantIsRunNamespace.because(format!(
            "spec.tenants: {} is the runNamespace, beside whose Secrets no tenant may run; give the tenant a \
             namespace of its own",
            spec.run_namespace
        )));
    }
    problems
}

/// Countries that are none. A transfer's goal in small letters is a Region's name.
fn countries(spec: &RegionSpec) -> Vec<Reason> {
    let of_transfer = |to: &&str| to.chars().all(|letter| letter.is_ascii_uppercase());
    let transfers = spec.transfers.iter().map(|transfer| {
        let goal = Some(transfer.to.as_str()).filter(of_transfer);
        (format!("spec.transfers[{}].to", transfer.name), goal)
    });
    let stores = spec.data_stores.iter().map(|store| {
        let field = format!("spec.dataStores[{}].country", store.name);
        (field, store.country.as_deref())
    });
    transfers
        .chain(stores)
        .filter_map(|(field, code)| gates::codes(&field, &[code?.to_owned()]).err())
        .collect()
}

/// Kubernetes reads a zone by the letters as they stand, which the database here does not.
fn time_zone(name: &str) -> Option<Reason> {
    let found = jiff::tz::TimeZone::get(name).ok();
    let known = found.as_ref().and_then(jiff::tz::TimeZone::iana_name);
    if known == Some(name) {
        return None;
    }
    let right = known.unwrap_or("one such as Europe/Berlin");
    Some(Word::TimeZoneUnknown.because(format!(
        "spec.locale.timeZone: {name} is no zone of the IANA database; write {right}"
    )))
}

/// Two Regions of one cluster would make and remove the same objects: the older one keeps it.
pub(super) fn shared_cluster(
    name: &str,
    regions: &BTreeMap<String, RegionFacts>,
) -> Option<Reason> {
    let own = regions.get(name)?;
    let id = cluster_id(&own.region)?;
    let rank = |facts: &RegionFacts, name: &str| {
        let born = facts.region.metadata.creation_timestamp.as_ref();
        (born.map(|time| time.0), name.to_owned())
    };
    let mine = rank(own, name);
    let older = regions.iter().find(|(other, facts)| {
        other.as_str() != name && cluster_id(&facts.region) == Some(id) && rank(facts, other) < mine
    })?;
    Some(Word::SharedCluster.because(format!(
        "Region {} is the same cluster as the older Region {}; delete one of them",
        name, older.0
    )))
}

fn cluster_id(region: &Region) -> Option<&str> {
    region.status.as_ref()?.cluster_id.as_deref()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::plan::Holdings;

    fn deleting(policy: &str) -> FleetFacts {
        let region: Region = serde_json::from_value(json!({
            "metadata": {"name": "eu", "uid": "u", "deletionTimestamp": "2026-11-22T09:59:00Z"},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "deletionPolicy": policy,
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        }))
        .unwrap();
        let channel = serde_json::from_value(json!({
            "metadata": {"name": "shop", "namespace": "a"},
            "spec": {"platform": {"name": "Generic"}, "credentialsRef": {"name": "c"}, "regions": {"names": ["eu"]}},
            "status": {"regions": [{"name": "eu", "state": "Withdraw", "reason": "RegionDeleting", "inventory": [
                {"kind": "ConfigMap", "namespace": "a", "name": "x", "uid": ""}]}]},
        }))
        .unwrap();
        let objects = [
            ("SocialChannel a/shop", 3),
            ("SocialChannel a/sho", 2),
            ("DataPolicy eu", 1),
            ("DataPolicy gone", 0),
        ];
        FleetFacts {
            region: Arc::new(region),
            regions: BTreeMap::new(),
            channels: vec![Arc::new(channel)],
            policies: Vec::new(),
            holds: Vec::new(),
            requests: Vec::new(),
            holdings: Holdings {
                objects: objects
                    .map(|(owner, count)| (owner.to_owned(), count))
                    .into(),
                reading: true,
            },
        }
    }

    #[test]
    fn a_region_waits_for_what_is_seen_and_not_told() {
        let left = region(&deleting("Delete"), Timestamp::UNIX_EPOCH).left;
        let told = "SocialChannel a/shop (1 object)";
        let untold = [
            "DataPolicy eu (1 object)",
            "SocialChannel a/sho (2 objects)",
        ];
        assert_eq!(
            left,
            [told, untold[0], untold[1], "what has not been read yet"]
        );
    }

    /// What is seen there belongs to the older Region of the cluster too: this one waits only for what statuses tell.
    #[test]
    fn the_younger_region_of_a_cluster_waits_for_statuses_alone() {
        let mut facts = deleting("Delete");
        let of = |name: &str, born: &str| {
            let mut region = (*facts.region).clone();
            region.metadata.name = Some(name.into());
            region.metadata.creation_timestamp = serde_json::from_value(json!(born)).unwrap();
            region.status = serde_json::from_value(json!({"clusterId": "one"})).unwrap();
            RegionFacts {
                region: Arc::new(region),
                reach: Reach::Ready,
                namespaces: None,
                remains: false,
            }
        };
        let pair = [
            ("eu", of("eu", "2026-02-01T00:00:00Z")),
            ("old", of("old", "2026-01-01T00:00:00Z")),
        ];
        facts.regions = pair.map(|(name, facts)| (name.to_owned(), facts)).into();
        let left = region(&facts, Timestamp::UNIX_EPOCH).left;
        assert_eq!(left, ["SocialChannel a/shop (1 object)"]);
    }

    /// What a resource has elsewhere, or no longer has, keeps no Region.
    #[test]
    fn a_region_waits_for_every_kind_that_has_something_in_it() {
        let status = |region: &str, objects: usize| {
            let object = json!({"kind": "ConfigMap", "namespace": "a", "name": "x", "uid": ""});
            let inventory = vec![object; objects];
            json!({"regions": [{"name": "other", "state": "Run", "reason": "r", "inventory": []},
                {"name": region, "state": "Run", "reason": "r", "inventory": inventory}]})
        };
        let named = |name: &str, spec: serde_json::Value, status: serde_json::Value| json!({"metadata": {"name": name}, "spec": spec, "status": status});
        let channel = json!({"platform": {"name": "Generic"}, "credentialsRef": {"name": "c"}, "regions": {"names": ["eu"]}});
        let policy = json!({"regimes": [], "selector": {}, "mode": "DryRun", "rules": [], "retention": {"schedule": "0 2 * * *"}});
        let hold = json!({"ground": "g", "openedBy": "c", "reviewOn": "2027-06-01", "selector": {}, "scopes": []});
        let request = json!({"kind": "Erasure", "received": "2026-11-01T09:00:00Z", "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": ["eu"]});
        let left = |region: &str, objects: usize| {
            let at = || status(region, objects);
            let read = |spec: &serde_json::Value| named("one", spec.clone(), at());
            let facts = FleetFacts {
                channels: vec![Arc::new(serde_json::from_value(read(&channel)).unwrap())],
                policies: vec![Arc::new(serde_json::from_value(read(&policy)).unwrap())],
                holds: vec![Arc::new(serde_json::from_value(read(&hold)).unwrap())],
                requests: vec![Arc::new(serde_json::from_value(read(&request)).unwrap())],
                holdings: Holdings::default(),
                ..deleting("Delete")
            };
            super::region(&facts, Timestamp::UNIX_EPOCH)
        };
        let all = [
            "SocialChannel /one (2 objects)",
            "DataPolicy one (2 objects)",
            "LegalHold one (2 objects)",
            "DataSubjectRequest one (2 objects)",
        ];
        let here = left("eu", 2);
        assert_eq!(
            (here.left.as_slice(), here.channels, here.policies),
            (&all.map(str::to_owned)[..], 1, 1)
        );
        for (region, objects) in [("us", 2), ("eu", 0)] {
            let elsewhere = left(region, objects);
            assert_eq!(
                (
                    elsewhere.left.as_slice(),
                    elsewhere.channels,
                    elsewhere.policies
                ),
                (&[][..], 0, 0),
                "{region}"
            );
        }
    }

    /// In capitals it is a country, and one that is none is told with its field; in small letters it is a Region.
    #[test]
    fn a_country_that_is_none_is_told_with_its_field() {
        let words = |to: &str, country: Option<&str>| -> Vec<String> {
            let store = json!({"name": "s", "datasets": [], "country": country, "postgres": {"secretRef": {"name": "x", "key": "url"}}});
            let region = json!({
                "metadata": {"name": "eu"},
                "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "dataStores": [store],
                    "transfers": [{"name": "t", "to": to, "instrument": "Scc", "reference": "r"}],
                    "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            });
            let found = problems(&serde_json::from_value(region).unwrap());
            found.into_iter().map(|problem| problem.message).collect()
        };
        assert!(words("US", Some("FR")).is_empty());
        assert!(words("us-east", None).is_empty());
        for (to, country, field) in [
            ("XX", None, "spec.transfers[t].to"),
            ("US", Some("XX"), "spec.dataStores[s].country"),
        ] {
            let told = words(to, country);
            assert!(told.len() == 1 && told[0].starts_with(field), "{told:?}");
        }
    }

    #[test]
    fn a_region_that_orphans_waits_for_statuses_alone() {
        let left = region(&deleting("Orphan"), Timestamp::UNIX_EPOCH).left;
        assert_eq!(left, ["SocialChannel a/shop (1 object)"]);
    }
}
