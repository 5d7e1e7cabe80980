//! What a DataSubjectRequest should have in each region: nothing before the person is known for who they are, one Job
//! while something is left to do, nothing after.

mod action;
mod asked;
mod clocks;
mod events;
mod gate;
mod job;
mod leaving;
mod moments;
mod opt_out;
mod people;
pub(super) mod reapply;
mod recipients;
mod removal;
mod unasked;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use super::placement::{self, Decision, Ground, Place};
use super::reason::Word;
use super::{
    Baseline, Finding, Plan, Reason, RegionFacts, RegionNote, RegionPlan, RequestFacts,
    RequestWorkloads, Verdict, gates, legal_hold,
};
use crate::api::condition::ConditionType;
use crate::api::{
    AskedFor, DataSubjectRequest, DeletionPolicy, RequestAction, RequestRegionStatus,
    SealedIdentity,
};
use action::{action, action_in};
pub use action::{
    action as request_action, action_in as request_action_in, is_undecided,
    reference as request_reference,
};
pub use asked::{ReapplyAsked, ReapplyTimes};
pub(super) use asked::{schedule_problem, times as reapply_times};
pub use clocks::{Clocks, clocks};
pub use leaving::{as_ended, leaves};
pub use moments::{is_verified, precedes};
use opt_out::OptOuts;
use people::People;
use recipients::Recipients;

/// Why nothing may begin anywhere, and when that may change by itself.
struct Stop {
    reason: Reason,
    wake_at: Option<Timestamp>,
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            wake_at: None,
        }
    }
}

/// What should be where.
#[must_use]
pub fn subject_request(facts: &RequestFacts, now: Timestamp) -> Plan<RequestWorkloads> {
    let ended = leaving::facts(facts);
    let facts = &*ended;
    let request = facts.request.as_ref();
    let going = request.metadata.deletion_timestamp.as_ref();
    let deleting = going.map(|_| DeletionPolicy::Delete);
    let clocks = clocks(request, &facts.packs, now);
    let mut problems = clocks.problems.clone();
    let codes = gates::codes("spec.jurisdictions", &request.spec.jurisdictions);
    problems.extend(codes.err());
    problems.extend(gate::misspelt(&request.spec));
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
        wake_at: stop.as_ref().and_then(|stop| stop.wake_at),
        deleting,
    };
    for place in &places {
        let is_left = place.facts.is_some() && leaves(request, place.name);
        if deleting.is_some() && !place.had && !is_left {
            continue;
        }
        let going = deleting.filter(|_| !is_left);
        let said = (problems.as_slice(), stop.as_ref());
        let (decision, note) = at(facts, place, said, going, now);
        plan.enter(place, note, decision);
    }
    plan
}

/// What is decided for one region.
fn at(
    facts: &RequestFacts,
    place: &Place<'_>,
    said: (&[Reason], Option<&Stop>),
    going: Option<DeletionPolicy>,
    now: Timestamp,
) -> (Decision<RequestWorkloads>, RegionNote) {
    let mut note = RegionNote::default();
    let decision = match placement::ground(place, &facts.regions, going, now) {
        Ground::Decided(decision) => decision,
        // What erases is stopped in a region that somebody suspended.
        Ground::Suspended(reason, wake_at) => Decision {
            wake_at,
            ..RegionPlan::Withdraw(reason).into()
        },
        Ground::Open(region) => {
            let spec = &facts.request.spec;
            let action = action_in(spec, entry(&facts.request, place.name));
            note.unasked = unasked::of(facts, (place.name, &region.region), action);
            let decision = if leaving::is_no_longer_copied(&facts.request) {
                let why = "the resource is being deleted";
                RegionPlan::Withdraw(Word::Deleted.because(why)).into()
            } else {
                decide(facts, (place, region), said, now)
            };
            let decision = gate::lawful(facts, region, now, decision);
            removal::when_expired(facts, (place, region), now, decision)
        }
    };
    (decision, note)
}

/// What status remembers of a region.
fn entry<'a>(request: &'a DataSubjectRequest, region: &str) -> Option<&'a RequestRegionStatus> {
    let mut entries = request.status.iter().flat_map(|it| &it.regions);
    entries.find(|entry| entry.name == region)
}

fn finding(condition: ConditionType, reason: &Reason) -> Finding {
    Finding {
        condition,
        region: None,
        holds: Some(false),
        reason: reason.clone(),
    }
}

/// Why nothing may begin.
fn stop(facts: &RequestFacts, clocks: &Clocks, now: Timestamp) -> Option<Stop> {
    let spec = &facts.request.spec;
    if let Some(told) = &spec.cancelled {
        let why = format!("it was taken back by {}: {}", told.by, told.ground);
        return Some(Word::Cancelled.because(why).into());
    }
    if let Some(told) = &spec.refusal {
        let why = format!("it was refused by {}: {}", told.by, told.ground);
        return Some(Word::RequestRefused.because(why).into());
    }
    if let Some(told) = &spec.lifted {
        let why = format!("it was lifted by {}: {}", told.by, told.ground);
        return Some(Word::Lifted.because(why).into());
    }
    let Some(verified) = &spec.verified else {
        let why = "spec.verified: nobody has recorded yet that the person is who they say they are; nothing runs before";
        return Some(Word::NotVerified.because(why).into());
    };
    if !is_verified(spec, now) {
        let why = format!(
            "spec.verified.at: {} has not come; nothing runs before",
            verified.at
        );
        return Some(Stop {
            reason: Word::NotVerified.because(why),
            wake_at: verified.at.parse().ok(),
        });
    }
    if let Some(other) = original(facts, now) {
        let why = if is_spent(facts, now) {
            format!(
                "DataSubjectRequest {other} had the same ciphertexts and has ended, its receipt is there: cancel this one, \
                 and answer the person"
            )
        } else {
            format!(
                "DataSubjectRequest {other} has the same ciphertexts and was there before: it is done there, once"
            )
        };
        return Some(Word::Duplicate.because(why).into());
    }
    let (reason, wake_at) = clocks.notice(&facts.request, now)?;
    Some(Stop { reason, wake_at })
}

/// An older request for the same with the same ciphertexts, that runs in every region of this one. What has begun goes on.
fn original(facts: &RequestFacts, now: Timestamp) -> Option<String> {
    let own = facts.request.as_ref();
    let hash = identity_hash(own)?;
    let mut entries = own.status.iter().flat_map(|status| &status.regions);
    if entries.any(RequestRegionStatus::has_begun) {
        return None;
    }
    let is_within = |other: &DataSubjectRequest| {
        let mut regions = own.spec.regions.iter();
        regions.all(|region| other.spec.regions.contains(region))
    };
    let age = |request: &DataSubjectRequest| {
        let made = request.metadata.creation_timestamp.as_ref().map(|at| at.0);
        (made, request.name_any())
    };
    let mut others = facts.requests.iter().filter(|other| {
        other.name_any() != own.name_any()
            && other.spec.kind == own.spec.kind
            && other.spec.cancelled.is_none()
            && other.spec.refusal.is_none()
            && is_verified(&other.spec, now)
            && is_within(other)
            && age(other) < age(own)
            && identity_hash(other).as_ref() == Some(&hash)
    });
    others.next().map(|other| other.name_any())
}

/// Whether who the person is is needed by nobody any more: the request is the same as one that has ended.
#[must_use]
pub fn is_spent(facts: &RequestFacts, now: Timestamp) -> bool {
    let original = original(facts, now);
    let mut all = facts.requests.iter();
    original.is_some_and(|name| {
        let has_ended = |other: &DataSubjectRequest| {
            let status = other.status.as_ref();
            status.is_some_and(|status| status.receipt.is_some())
        };
        all.any(|other| other.name_any() == name && has_ended(other))
    })
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
    (problems, stop): (&[Reason], Option<&Stop>),
    now: Timestamp,
) -> Decision<RequestWorkloads> {
    if !place.chosen {
        let reason = Word::Deselected.because("spec.regions no longer names this region");
        return RegionPlan::Withdraw(reason).into();
    }
    let entry = entry(&facts.request, place.name);
    if let Some(reason) = action::nothing_left(&facts.request.spec, entry, stop) {
        return RegionPlan::Withdraw(reason).into();
    }
    // What is wrong with the request keeps nothing from being ended.
    let forgets = action_in(&facts.request.spec, entry) == RequestAction::Forget;
    if let Some(problem) = problems.first().filter(|_| !forgets) {
        return RegionPlan::Keep(problem.clone()).into();
    }
    if let Some(reason) = nothing(facts, (place.name, region), entry, now) {
        return RegionPlan::Withdraw(reason).into();
    }
    match build(facts, (place.name, region), entry, now) {
        Ok((workloads, wake_at)) => Decision {
            wake_at,
            ..RegionPlan::Run(Box::new(workloads)).into()
        },
        Err(reason) => Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        },
    }
}

/// Why an opt-out has nothing to stop in a region, if that is so.
fn nothing(
    facts: &RequestFacts,
    (name, region): (&str, &RegionFacts),
    entry: Option<&RequestRegionStatus>,
    now: Timestamp,
) -> Option<Reason> {
    let spec = &facts.request.spec;
    if spec.kind != AskedFor::OptOut {
        return None;
    }
    let (at, asked) = ((name, region.region.as_ref()), (action(spec), entry));
    let all = OptOuts::of(facts, at, asked);
    all.ok()?.nothing(facts, at, asked, now)
}

fn build(
    facts: &RequestFacts,
    (name, region): (&str, &RegionFacts),
    entry: Option<&RequestRegionStatus>,
    now: Timestamp,
) -> Result<(RequestWorkloads, Option<Timestamp>), Reason> {
    let action = action_in(&facts.request.spec, entry);
    let spec = &region.region.spec;
    if let Some(reason) = placement::unready(region, name, &spec.run_namespace) {
        return Err(reason);
    }
    if spec.requests.is_none() {
        let untold = recipients::untold(facts, &region.region, action);
        return Err(Word::RequestsNotTaken.because(format!(
            "Region {name} takes no requests: give it spec.requests with a suppression store{untold}"
        )));
    }
    // Hidden rows are found by the request's name, and so is what the region keeps of the person.
    let identity = match action {
        RequestAction::Lift | RequestAction::Forget => None,
        _ => Some(identity(facts, name, region)?),
    };
    if facts.request.spec.kind == AskedFor::OptOut {
        let at = (name, region.region.as_ref());
        let all = OptOuts::of(facts, at, (action, entry))?;
        let recipients = Recipients::of(facts, &region.region, action, now)?;
        let found = (all, &recipients);
        let workloads = opt_out::workloads(facts, at, (action, identity), found);
        return Ok((workloads, recipients.wake_at));
    }
    // Who is forgotten need not be found: whatever rules say by now, the region knows where it was begun.
    let people = match action {
        RequestAction::Forget => People::anywhere(&region.region),
        _ => People::of(facts, &region.region, now)?,
    };
    if action == RequestAction::Lift
        && let Some(reason) = action::unmapped(entry, |store, table| people.has(store, table))
    {
        return Err(reason);
    }
    if action == RequestAction::Erase {
        people.erasable(name)?;
    }
    let events = events::taken(facts, (name, &region.region), action)?;
    let mut stores = people.stores();
    stores.extend(events.apart_from(&people.stores()));
    // What hides rows, shows them again or copies them takes nothing that a hold could keep.
    if action == RequestAction::Erase
        && let Some(hold) = legal_hold::not_in_force(facts, &region.region, &stores)
    {
        return Err(Word::HoldNotInForce.because(format!(
            "LegalHold {hold} is for a store of Region {name} and is not in force there yet; nothing is erased before"
        )));
    }
    let recipients = Recipients::of(facts, &region.region, action, now)?;
    let found = (&people, &recipients, &events);
    let workloads = job::workloads(facts, (name, &region.region), (action, identity), found);
    Ok((workloads, recipients.wake_at))
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
