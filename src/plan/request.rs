//! What a DataSubjectRequest should have in each region: nothing before the person is known for who they are, one Job
//! while something is left to do, nothing after.

mod clocks;
mod people;
pub(super) mod reapply;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{KeyToPath, PodTemplateSpec};
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use super::cron::{self, Once};
use super::meta::{self, Identity, Role};
use super::placement::{self, Decision, Ground, Place};
use super::pod::{Agent, Mount, Size};
use super::reason::Word;
use super::{
    Baseline, Finding, Plan, Reason, RegionFacts, RegionNote, RegionPlan, RequestFacts,
    RequestWorkloads, Verdict, gates, hold_list, legal_hold, suppression,
};
use crate::api::condition::ConditionType;
use crate::api::{
    AskedFor, CopyDelivery, DataSubjectRequest, DeletionPolicy, Region, RequestRegionStatus,
    SealedIdentity, names,
};
use crate::contract::{Delivery, Erase, FeedDestination, RequestKind, SubjectRequest, Suppression};
pub use clocks::{Clocks, clocks};
use people::People;

/// The command, and the component label.
const COMMAND: &str = "erase";
const COMPONENT: &str = "request";
/// A copy is put together in memory; an erasure has one person's keys.
const SIZE: Size = Size {
    cpu: "50m",
    memory: "64Mi",
    memory_limit: "512Mi",
    scratch: "16Mi",
};
/// Seconds to finish the batch under way.
const GRACE: i64 = 60;
/// Attempts after the first.
const RETRIES: i32 = 6;
/// What a Job may take over all attempts, in seconds: also to wait for a Secret that is not there yet.
const DEADLINE: i64 = 14_400;
/// How long a Job stays once it ended, in seconds. It is made anew then, while something is left to do: a hold that was
/// released, a row that was mended.
const TTL: i32 = 1_800;
/// Most rows in one transaction.
const BATCH_ROWS: u32 = 500;
/// Most rows of one person in a table where the Region does not say.
const MAX_ROWS: u32 = 10_000;
/// Folders of the mounts.
const KEYS: &str = "keys";
const DESTINATION: &str = "destination";
/// The ciphertext beside the task.
const CIPHERTEXT: &str = "identity.age";

/// What should be where.
#[must_use]
pub fn subject_request(facts: &RequestFacts, now: Timestamp) -> Plan<RequestWorkloads> {
    let request = facts.request.as_ref();
    let going = request.metadata.deletion_timestamp.as_ref();
    let deleting = going.map(|_| DeletionPolicy::Delete);
    let clocks = clocks(request, &facts.packs, now);
    let mut problems = clocks.problems.clone();
    let codes = gates::codes("spec.jurisdictions", &request.spec.jurisdictions);
    problems.extend(codes.err());
    let chosen: BTreeSet<&str> = request.spec.regions.iter().map(String::as_str).collect();
    let old = request.status.iter().flat_map(|s| &s.regions);
    let places = placement::places(
        &facts.regions,
        &chosen,
        old.map(|entry| (entry.name.as_str(), entry.inventory.as_slice())),
    );
    let stop = stop(facts, &clocks, now);
    let mut plan = Plan {
        verdict: problems
            .first()
            .cloned()
            .map_or(Verdict::Accepted, Verdict::Invalid),
        regions: BTreeMap::new(),
        notes: BTreeMap::new(),
        findings: problems
            .iter()
            .map(|problem| finding(ConditionType::Accepted, problem))
            .collect(),
        uncovered: Vec::new(),
        baseline: Baseline::default(),
        wake_at: stop.as_ref().and_then(|(_, wake_at)| *wake_at),
        deleting,
    };
    let stop = stop.map(|(reason, _)| reason);
    for place in &places {
        if deleting.is_some() && !place.had {
            continue;
        }
        let decision = match placement::ground(place, &facts.regions, deleting, now) {
            Ground::Decided(decision) => decision,
            // What erases is stopped in a region that somebody suspended.
            Ground::Suspended(reason, wake_at) => Decision {
                wake_at,
                ..RegionPlan::Withdraw(reason).into()
            },
            Ground::Open(region) => decide(facts, (place, region), (&problems, stop.as_ref())),
        };
        plan.enter(place, RegionNote::default(), decision);
    }
    plan
}

fn finding(condition: ConditionType, reason: &Reason) -> Finding {
    Finding {
        condition,
        region: None,
        holds: Some(false),
        reason: reason.clone(),
    }
}

/// Why nothing may run anywhere, and when that may change by itself.
fn stop(
    facts: &RequestFacts,
    clocks: &Clocks,
    now: Timestamp,
) -> Option<(Reason, Option<Timestamp>)> {
    let spec = &facts.request.spec;
    if let Some(told) = &spec.cancelled {
        let why = format!("it was taken back by {}: {}", told.by, told.ground);
        return Some((Word::Cancelled.because(why), None));
    }
    if let Some(told) = &spec.refusal {
        let why = format!("it was refused by {}: {}", told.by, told.ground);
        return Some((Word::RequestRefused.because(why), None));
    }
    if spec.verified.is_none() {
        let why = "spec.verified: nobody has recorded yet that the person is who they say they are; nothing runs before";
        return Some((Word::NotVerified.because(why), None));
    }
    if let Some(other) = original(facts) {
        let why = format!(
            "DataSubjectRequest {other} has the same ciphertexts and was there before: it is done there, once"
        );
        return Some((Word::Duplicate.because(why), None));
    }
    clocks.notice(&facts.request, now)
}

/// An older request for the same with the same ciphertexts.
fn original(facts: &RequestFacts) -> Option<String> {
    let own = facts.request.as_ref();
    let hash = identity_hash(own)?;
    let age = |request: &DataSubjectRequest| {
        let made = request.metadata.creation_timestamp.as_ref().map(|at| at.0);
        (made, request.name_any())
    };
    let mut others = facts.requests.iter().filter(|other| {
        other.name_any() != own.name_any()
            && other.spec.kind == own.spec.kind
            && other.spec.cancelled.is_none()
            && age(other) < age(own)
            && identity_hash(other).as_ref() == Some(&hash)
    });
    others.next().map(|other| other.name_any())
}

/// `sha256-<hex>` of a request's ciphertexts; remembered by status when they are gone.
#[must_use]
pub fn identity_hash(request: &DataSubjectRequest) -> Option<String> {
    if request.spec.identity.is_empty() {
        return request.status.as_ref()?.identity_hash.clone();
    }
    let mut all: Vec<(&str, &str)> = request
        .spec
        .identity
        .iter()
        .map(|one| (one.region.as_str(), one.ciphertext.as_str()))
        .collect();
    all.sort_unstable();
    let mut hash = Sha256::new();
    for (region, ciphertext) in all {
        hash.update(region);
        hash.update([0]);
        hash.update(ciphertext);
        hash.update([0]);
    }
    Some(format!("sha256-{}", hex::encode(hash.finalize())))
}

fn decide(
    facts: &RequestFacts,
    (place, region): (&Place<'_>, &RegionFacts),
    (problems, stop): (&[Reason], Option<&Reason>),
) -> Decision<RequestWorkloads> {
    if !place.chosen {
        let reason = Word::Deselected.because("spec.regions no longer names this region");
        return RegionPlan::Withdraw(reason).into();
    }
    let entries = facts
        .request
        .status
        .iter()
        .flat_map(|status| &status.regions);
    let mut entries = entries.filter(|entry| entry.name == place.name);
    if entries.any(RequestRegionStatus::is_done) {
        let why = "it is done here, by the books of every store";
        return RegionPlan::Withdraw(Word::Fulfilled.because(why)).into();
    }
    if let Some(stop) = stop {
        return RegionPlan::Withdraw(stop.clone()).into();
    }
    if let Some(problem) = problems.first() {
        return RegionPlan::Keep(problem.clone()).into();
    }
    match build(facts, place.name, region) {
        Ok(workloads) => RegionPlan::Run(Box::new(workloads)).into(),
        Err(reason) => Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        },
    }
}

fn build(
    facts: &RequestFacts,
    name: &str,
    region: &RegionFacts,
) -> Result<RequestWorkloads, Reason> {
    let spec = &region.region.spec;
    if let Some(reason) = placement::unready(region, name, &spec.run_namespace) {
        return Err(reason);
    }
    if spec.requests.is_none() {
        return Err(Word::RequestsNotTaken.because(format!(
            "Region {name} takes no requests: give it spec.requests with a suppression store"
        )));
    }
    let identity = identity(facts, name, region)?;
    let people = People::of(facts, &region.region)?;
    if let Some(hold) = legal_hold::not_in_force(facts, &region.region, &people.stores()) {
        return Err(Word::HoldNotInForce.because(format!(
            "LegalHold {hold} is for a store of Region {name} and is not in force there yet; nothing is erased before"
        )));
    }
    Ok(workloads(facts, (name, &region.region), identity, &people))
}

/// The ciphertext for the region, when it can be read there.
fn identity<'a>(
    facts: &'a RequestFacts,
    name: &str,
    region: &RegionFacts,
) -> Result<&'a SealedIdentity, Reason> {
    let mut all = facts.request.spec.identity.iter();
    let identity = all.find(|one| one.region == name).ok_or_else(|| {
        Word::IdentityMissing.because(format!(
            "spec.identity: there is none for Region {name}; make it with: tradewind request create"
        ))
    })?;
    let status = region.region.status.as_ref();
    let key = status.and_then(|status| status.requests.as_ref()?.recipient.as_ref());
    match key {
        None => Err(Word::KeyUnknown.because(format!(
            "Region {name} has told no key yet: see its status.requests"
        ))),
        Some(key) if *key != identity.recipient => Err(Word::KeyChanged.because(format!(
            "spec.identity: it is encrypted to another key than Region {name} has by now; make another request under another \
             name, encrypted to the present key"
        ))),
        Some(_) => Ok(identity),
    }
}

fn workloads(
    facts: &RequestFacts,
    (region, at): (&str, &Region),
    identity: &SealedIdentity,
    people: &People,
) -> RequestWorkloads {
    let spec = &at.spec;
    let name = facts.request.name_any();
    let role = Role {
        identity: Identity {
            fleet: &facts.settings.fleet,
            kind: "DataSubjectRequest",
            namespace: "",
            name: &name,
        },
        component: COMPONENT,
        feed: None,
    };
    let delivery = facts.request.spec.delivery.as_ref();
    let text = meta::task(COMMAND, region, task(facts, (region, at), people));
    let config_map = names::request_task(&name, &text, &identity.ciphertext);
    let namespace = spec.run_namespace.as_str();
    let account = names::request(&name);
    let mut mounts = people.mounts.clone();
    mounts.extend(suppression::mount(spec));
    mounts.push(keys());
    mounts.extend(delivery.map(destination));
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &config_map,
        hash: meta::config_hash(&text, &BTreeMap::new()),
        service_account: account.clone(),
        mounts,
        size: SIZE,
        grace: GRACE,
    };
    let requested = facts.request.annotations().get(names::ANNOTATION_RUN_AT);
    let job = match requested {
        None => config_map.clone(),
        Some(requested) => names::run_job(&config_map, requested),
    };
    let once = Once {
        retries: RETRIES,
        deadline: DEADLINE,
        ttl: TTL,
    };
    let mut template = agent.template(&facts.settings, spec);
    with_ciphertext(&mut template);
    if spec.holds.is_some() && erases(facts) {
        hold_list::mount(&mut template);
    }
    let mut map = meta::config_map(&role, namespace, &config_map, text);
    map.data
        .get_or_insert_default()
        .insert(CIPHERTEXT.to_owned(), identity.ciphertext.clone());
    RequestWorkloads {
        service_account: meta::service_account(&role, namespace, &account),
        config_map: map,
        job: cron::once(&role, (namespace, &job), &template, once),
    }
}

/// The task's folder has the ciphertext too.
fn with_ciphertext(template: &mut PodTemplateSpec) {
    let volumes = template.spec.iter_mut().flat_map(|pod| &mut pod.volumes);
    for items in volumes
        .flatten()
        .filter_map(|volume| volume.config_map.as_mut()?.items.as_mut())
    {
        items.push(KeyToPath {
            key: CIPHERTEXT.to_owned(),
            path: CIPHERTEXT.to_owned(),
            ..KeyToPath::default()
        });
    }
}

fn keys() -> Mount {
    Mount {
        name: KEYS.to_owned(),
        secret: names::REQUESTS.to_owned(),
        required: vec![
            names::REQUESTS_IDENTITY.to_owned(),
            names::REQUESTS_HASHES.to_owned(),
        ],
        optional: Vec::new(),
    }
}

fn destination(delivery: &CopyDelivery) -> Mount {
    let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    Mount {
        name: DESTINATION.to_owned(),
        secret: delivery.object_store.credentials_ref.name.clone(),
        required: own(&["accessKeyId", "secretAccessKey"]),
        optional: own(&["endpoint", "region", "sessionToken"]),
    }
}

/// Whether rows go, so that what is held must be known.
fn erases(facts: &RequestFacts) -> bool {
    facts.request.spec.kind == AskedFor::Erasure
}

fn task(facts: &RequestFacts, (region, at): (&str, &Region), people: &People) -> Erase {
    let (request, spec) = (&facts.request, &at.spec);
    let name = request.name_any();
    let delivery = request.spec.delivery.as_ref().map(|delivery| {
        let store = &delivery.object_store;
        let folder = store.prefix.replace("{region}", region);
        Delivery {
            destination: FeedDestination {
                url: store.url.clone(),
                object: format!("{}/{name}-{region}", folder.trim_end_matches('/')),
                credentials: meta::secret_folder(DESTINATION),
            },
            recipient: delivery.recipient.clone(),
            expires_after: delivery.expires_after.clone(),
        }
    });
    let requests = spec.requests.as_ref();
    let most = requests.and_then(|requests| u32::try_from(requests.max_rows?).ok());
    let holds = (facts.settings.fleet.as_str(), &facts.holds);
    let bound = spec.holds.as_ref().filter(|_| erases(facts));
    Erase {
        request: Some(SubjectRequest {
            reference: name,
            kind: match request.spec.kind {
                AskedFor::Erasure => RequestKind::Erasure,
                AskedFor::Access => RequestKind::Access,
                AskedFor::Portability => RequestKind::Portability,
            },
            identity: std::path::Path::new(meta::task_folder()).join(CIPHERTEXT),
            key: meta::secret_file(KEYS, names::REQUESTS_IDENTITY),
            delivery,
        }),
        time_zone: spec.locale.time_zone.clone(),
        batch_rows: BATCH_ROWS,
        max_rows: most.unwrap_or(MAX_ROWS),
        identities: people.kinds.clone(),
        stores: people.tables(),
        suppression: Suppression {
            url: suppression::url(spec).unwrap_or_default(),
            key: meta::secret_file(KEYS, names::REQUESTS_HASHES),
        },
        holds: if erases(facts) {
            legal_hold::required(holds, at, &people.stores())
        } else {
            Vec::new()
        },
        hold_list: bound.map(hold_list::bound),
    }
}
