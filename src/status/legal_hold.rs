//! What a LegalHold's status should say: a hold is in force where the database says so, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::reason::Word;
use super::resource::{self, Standing};
use super::review;
use super::said::{self, Said};
use super::timing::earliest;
use super::{HoldJob, HoldObserved, Seen, Written};
use crate::api::condition::{self, ConditionType, Truth, Wanted};
use crate::api::{HeldStoreStatus, HoldRegionStatus, HoldState, LegalHold, LegalHoldStatus, names};
use crate::contract::{HoldReport, ReportedStore};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{HoldWorkloads, Plan, Reason, RegionNote};

/// What is said beside every deletion.
const STAYS: &str = "deleting a LegalHold releases nothing";

/// One region: its entry, and what it says for the conditions.
struct Region<'a> {
    standing: Standing<'a, HoldObserved>,
    entry: HoldRegionStatus,
    ready: Said,
    in_force: Said,
}

/// The new status.
#[must_use]
pub fn legal_hold(
    plan: &Plan<HoldWorkloads>,
    seen: &BTreeMap<String, Seen<HoldObserved>>,
    hold: &LegalHold,
    now: Timestamp,
) -> Written<LegalHoldStatus> {
    let none = LegalHoldStatus::default();
    let old = hold.status.as_ref().unwrap_or(&none);
    let regions: Vec<Region<'_>> = plan
        .regions
        .keys()
        .filter_map(|name| region(plan, name, seen.get(name), hold, now))
        .collect();
    let in_force = in_force(hold, &regions);
    let (state, count) = standing(plan, hold, &regions);
    let (review, review_at) = review::current(hold, now);
    let ready: Vec<Said> = chosen(&regions).map(|r| r.ready.clone()).collect();
    let sights = regions.iter().map(|r| r.standing.sight.wake_at());
    let wake_at = earliest(sights.chain([review_at]), now);
    let (standings, entries): (Vec<_>, Vec<_>) = regions
        .into_iter()
        .map(|region| (region.standing, region.entry))
        .unzip();
    let mut conditions = resource::conditions(plan, None, &standings, &ready, now);
    conditions.retain(|condition| condition.kind != ConditionType::Suspended);
    conditions.extend([in_force, review]);
    for condition in &mut conditions {
        word(condition, plan.deleting.is_some(), hold);
    }
    let shown = standings.iter().map(Standing::is_shown);
    let entries = entries.into_iter().zip(shown);
    let entries = entries.filter_map(|(entry, shown)| shown.then_some(entry));
    let entries = remembering(entries.collect(), old, plan.deleting.is_some());
    let generation = hold.metadata.generation.unwrap_or_default();
    let is_going = plan.deleting.is_some();
    Written {
        status: LegalHoldStatus {
            observed_generation: generation,
            conditions: condition::merge(&old.conditions, conditions, generation, now),
            state: if is_going { old.state } else { state },
            regions_in_force: if is_going {
                old.regions_in_force.clone()
            } else {
                count
            },
            regions: entries,
            last_handled_reconcile_at: resource::handled_reconcile(&hold.metadata),
        },
        wake_at,
        finished: resource::is_finished(plan, &standings),
    }
}

/// Of a hold that is being deleted every region is remembered in which it is in force, to the end.
fn remembering(
    mut entries: Vec<HoldRegionStatus>,
    old: &LegalHoldStatus,
    is_going: bool,
) -> Vec<HoldRegionStatus> {
    let is_held = |entry: &&HoldRegionStatus| entry.stores.iter().any(HeldStoreStatus::is_in_force);
    for entry in old.regions.iter().filter(|_| is_going).filter(is_held) {
        if entries.iter().all(|other| other.name != entry.name) {
            entries.push(HoldRegionStatus {
                inventory: Vec::new(),
                ..entry.clone()
            });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Where the databases hold on when the object goes, in one sentence; none when it is released, or was never in force.
#[must_use]
pub fn still_in_force(hold: &LegalHold) -> Option<String> {
    let regions = hold.status.iter().flat_map(|status| &status.regions);
    let held: Vec<&str> = regions
        .filter(|entry| entry.stores.iter().any(HeldStoreStatus::is_in_force))
        .map(|entry| entry.name.as_str())
        .collect();
    (!held.is_empty()).then(|| {
        format!(
            "it stays in force in the databases of {}: {STAYS}; to release it, apply a LegalHold of this name again, \
             with spec.release",
            held.join(", ")
        )
    })
}

fn chosen<'r, 'a>(regions: &'r [Region<'a>]) -> impl Iterator<Item = &'r Region<'a>> {
    regions.iter().filter(|region| region.standing.note.chosen)
}

fn region<'a>(
    plan: &'a Plan<HoldWorkloads>,
    name: &'a str,
    seen: Option<&'a Seen<HoldObserved>>,
    hold: &LegalHold,
    now: Timestamp,
) -> Option<Region<'a>> {
    let (name, decision) = plan.regions.get_key_value(name)?;
    let entries = hold.status.iter().flat_map(|status| &status.regions);
    let old = entries.into_iter().find(|entry| entry.name == *name);
    let memory = (
        old.and_then(|entry| entry.unreachable_since.as_deref()),
        old.map_or(&[][..], |entry| entry.inventory.as_slice()),
    );
    let standing = Standing::of((name, decision), plan.notes.get(name), seen, memory, now);
    let workloads = decision.workloads();
    let known = standing.sight.known.map(|known| known.children);
    let job = workloads.and_then(|w| w.job.metadata.name.as_ref());
    let job = known.and_then(|known| Some((job?, known.jobs.get(job?)?)));
    let report = job.and_then(|(_, job)| job.report.as_ref());
    let body = report.and_then(|report| report.body.as_ref());
    let mut entry = HoldRegionStatus {
        name: name.clone(),
        state: standing.state,
        reason: String::new(),
        message: String::new(),
        ready: None,
        unreachable_since: standing.sight.lost_since.map(|since| since.to_string()),
        task: old.and_then(|entry| entry.task.clone()),
        stores: stores(body, old, &asked(hold, Some(&standing.note))),
        tables: standing.note.held_tables.clone(),
        last_handled_run_at: match job {
            Some(_) => resource::annotation(&hold.metadata, names::ANNOTATION_RUN_AT),
            None => old.and_then(|entry| entry.last_handled_run_at.clone()),
        },
        inventory: standing.inventory.clone(),
    };
    // One that failed somewhere has answered nothing: what was asked before stands.
    if body.is_some_and(|body| body.stores.iter().all(|store| store.reason.is_none())) {
        entry.task.clone_from(&standing.note.spec_hash);
    }
    let is_over = decision
        .reason()
        .is_some_and(|r| r.word == PlanWord::Released.as_str());
    let (truth, why) = said(
        hold,
        (&standing, is_over),
        &entry,
        job.map(|(name, job)| (name.as_str(), job)),
    );
    let was = old.and_then(|entry| entry.ready);
    let ready = if is_over && standing.sight.silence().is_none() {
        works((truth, why.clone()))
    } else {
        standing.ready(was, |_| works((truth, why.clone())))
    };
    entry.reason.clone_from(&ready.1.word);
    entry.message.clone_from(&ready.1.message);
    entry.ready = resource::ready_field(ready.0);
    Some(Region {
        ready: Said::of(name, ready.0, ready.1),
        in_force: Said::of(name, truth, why),
        standing,
        entry,
    })
}

/// A hold works when it is in force, and when it is released for good.
fn works((truth, why): (Truth, Reason)) -> (Truth, Reason) {
    if why.word == PlanWord::Released.as_str() {
        return (Truth::True, why);
    }
    (truth, why)
}

/// What the databases said last. One that could not be asked keeps what it said before.
fn stores(
    body: Option<&HoldReport>,
    old: Option<&HoldRegionStatus>,
    wanted: &BTreeSet<&str>,
) -> Vec<HeldStoreStatus> {
    let before = old.map_or(&[][..], |entry| entry.stores.as_slice());
    let Some(body) = body else {
        return before.to_vec();
    };
    let told = body
        .stores
        .iter()
        .filter(|told| wanted.contains(told.store.as_str()));
    let store = |told: &ReportedStore| {
        let old = before.iter().find(|old| old.name == told.store);
        let old = old.filter(|_| told.unread);
        HeldStoreStatus {
            name: told.store.clone(),
            in_force_since: match old {
                Some(old) => old.in_force_since.clone(),
                None => told.in_force_since.clone(),
            },
            widened_at: match old {
                Some(old) => old.widened_at.clone(),
                None => told.widened_at.clone(),
            },
            released_at: match old {
                Some(old) => old.released_at.clone(),
                None => told.released_at.clone(),
            },
            reason: told.reason.clone(),
        }
    };
    let mut stores: BTreeMap<&str, HeldStoreStatus> = before
        .iter()
        .map(|old| (old.name.as_str(), old.clone()))
        .collect();
    stores.extend(told.map(|told| (told.store.as_str(), store(told))));
    stores.into_values().collect()
}

/// Whether the hold is in force in a region, and why it is not: the databases' own words, as they last were.
fn said(
    hold: &LegalHold,
    (standing, is_over): (&Standing<'_, HoldObserved>, bool),
    entry: &HoldRegionStatus,
    job: Option<(&str, &HoldJob)>,
) -> (Truth, Reason) {
    let is_told = entry.task.is_some() && entry.task == standing.note.spec_hash;
    let mut stores = entry.stores.iter();
    let is_open = stores.any(HeldStoreStatus::is_in_force);
    let missing = missing(asked(hold, Some(&standing.note)), entry);
    match &hold.spec.release {
        // Where nothing was to be held, nobody is asked.
        Some(_) if (is_told || is_over) && !is_open => {
            let why = "every database there has recorded the release, or never held";
            return (Truth::False, PlanWord::Released.because(why));
        }
        None if is_told && missing.is_empty() => {
            let since = entry
                .stores
                .iter()
                .filter_map(|told| told.in_force_since.as_deref());
            let message = format!("in force since {}", since.max().unwrap_or_default());
            return (Truth::True, Word::InForce.because(message));
        }
        _ => {}
    }
    let (word, what) = match (&hold.spec.release, is_open) {
        (Some(_), _) => (Word::Releasing, "not released there"),
        (None, true) => (Word::NotInForce, "not all of it is in force there"),
        (None, false) => (Word::NotInForce, "not in force there"),
    };
    let missing = (is_told && hold.spec.release.is_none()).then_some(missing);
    (
        Truth::False,
        open(standing, entry, (word, what, missing), job),
    )
}

/// The stores that a hold is for in a region: those that its scopes name, and those in which a table of a category or a subject is.
pub(super) fn asked<'a>(hold: &'a LegalHold, note: Option<&'a RegionNote>) -> BTreeSet<&'a str> {
    let scopes = hold.spec.scopes.iter();
    let named = scopes.filter(|scope| scope.category.is_none() && scope.subject.is_none());
    let named = named.filter_map(|scope| scope.store.as_deref());
    let meant = note.iter().flat_map(|note| &note.held_stores);
    named.chain(meant.map(String::as_str)).collect()
}

/// Stores of which no database has said that it holds.
fn missing<'a>(all: BTreeSet<&'a str>, entry: &HoldRegionStatus) -> BTreeSet<&'a str> {
    let is_held = |store: &&str| {
        let mut told = entry.stores.iter();
        told.any(|told| told.name == **store && told.is_in_force())
    };
    all.into_iter().filter(|store| !is_held(store)).collect()
}

/// What keeps a region's databases from being as the spec asks.
fn open(
    standing: &Standing<'_, HoldObserved>,
    entry: &HoldRegionStatus,
    (word, what, missing): (Word, &str, Option<BTreeSet<&str>>),
    job: Option<(&str, &HoldJob)>,
) -> Reason {
    if let Some(silence) = standing.sight.silence() {
        return word.because(format!("{what}, as far as is known: {}", silence.message));
    }
    if let Some(planned) = standing.planned {
        return word.because(format!("{what}: {}", planned.message));
    }
    let report = job.and_then(|(_, job)| job.report.as_ref());
    let failed = entry
        .stores
        .iter()
        .find_map(|told| Some((told, told.reason.clone()?)));
    if let Some((store, reason)) = failed {
        let log = || format!("store `{}`: see the Job's log", store.name);
        let why = report.map_or_else(log, |report| report.message.clone());
        return Reason {
            word: reason,
            message: format!("{what}: {why}"),
        };
    }
    if let Some(missing) = missing {
        let missing: Vec<&str> = missing.into_iter().collect();
        return word.because(format!(
            "{what}: the Region has no data store {}",
            missing.join(", ")
        ));
    }
    match job {
        Some((name, job)) if job.succeeded == Some(false) && job.report.is_none() => {
            Word::HoldJobFailed.because(format!(
                "{what}: Job {name} failed and left no report; look at its events. It is made again once it has been \
                 cleared away"
            ))
        }
        Some((name, HoldJob { waits: Some(why), report: None, .. })) => word.because(format!(
            "{what} yet: the pod of Job {name} waits ({why}); see that the Secrets that the Region and valuesSecretRef \
             name are in its namespace"
        )),
        Some((_, HoldJob { report: Some(report), .. })) => {
            word.because(format!("{what} yet: {}", report.message))
        }
        Some((name, _)) => word.because(format!("{what} yet: Job {name} has not reported")),
        None => word.because(format!("{what} yet: its Job has not reported")),
    }
}

fn in_force(hold: &LegalHold, regions: &[Region<'_>]) -> Wanted {
    let kind = ConditionType::InForce;
    let said: Vec<Said> = regions
        .iter()
        .filter(|region| region.standing.note.chosen || !region.entry.stores.is_empty())
        .map(|region| region.in_force.clone())
        .collect();
    let nowhere = Word::NotAsked.because("no region is chosen, so nothing is held");
    if hold.spec.release.is_none() {
        return said::condition(kind, &said, (Truth::False, nowhere));
    }
    // What is not released yet comes first.
    let open: Vec<Said> = said
        .iter()
        .filter(|said| said.reason.word != PlanWord::Released.as_str())
        .cloned()
        .collect();
    let told = if open.is_empty() { &said } else { &open };
    said::condition(kind, told, (Truth::False, nowhere))
}

/// The hold over all regions, and in how many it is in force.
fn standing(
    plan: &Plan<HoldWorkloads>,
    hold: &LegalHold,
    regions: &[Region<'_>],
) -> (Option<HoldState>, Option<String>) {
    let all: Vec<&Region<'_>> = chosen(regions).collect();
    let whole = all
        .iter()
        .filter(|region| region.in_force.truth == Truth::True)
        .count();
    let any = all.iter().any(|region| {
        let mut stores = region.entry.stores.iter();
        stores.any(HeldStoreStatus::is_in_force)
    });
    let is_over = |region: &&Region<'_>| region.in_force.reason.word == PlanWord::Released.as_str();
    let state = match hold.spec.release {
        Some(_) if all.iter().all(is_over) && !plan.regions.is_empty() => HoldState::Released,
        Some(_) => HoldState::Releasing,
        None if whole == all.len() && whole > 0 => HoldState::InForce,
        None if any => HoldState::PartlyInForce,
        None => HoldState::Opening,
    };
    (Some(state), Some(format!("{whole}/{}", all.len())))
}

/// A hold does not run, it is in force; and whoever deletes it is told what that does not do.
fn word(condition: &mut Wanted, is_going: bool, hold: &LegalHold) {
    let is_ready = condition.kind == ConditionType::Ready;
    if is_ready && condition.status == Truth::True {
        let (word, message) = match hold.spec.release {
            None => (
                Word::InForce.as_str(),
                "every database that it is for says that it holds",
            ),
            Some(_) => (
                PlanWord::Released.as_str(),
                "every database has recorded the release",
            ),
        };
        word.clone_into(&mut condition.reason);
        message.clone_into(&mut condition.message);
    }
    if is_going && (is_ready || condition.kind == ConditionType::Deleting) {
        let more = still_in_force(hold).unwrap_or_else(|| STAYS.to_owned());
        condition.message = format!("{}; {more}", condition.message);
    }
}

/// The conditions that alarms are made of: that a hold is in force nowhere is one, unless counsel has released it.
#[must_use]
pub fn hold_alarms(hold: &LegalHold, told: &LegalHoldStatus) -> Vec<Condition> {
    let in_force = ConditionType::InForce.as_str();
    let all = told.conditions.iter();
    all.filter(|told| hold.spec.release.is_none() || told.type_ != in_force)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::condition::merge;

    #[test]
    fn a_released_hold_is_no_alarm() {
        let wanted = [ConditionType::InForce, ConditionType::Ready].map(|kind| Wanted {
            kind,
            status: Truth::False,
            reason: "Any".into(),
            message: String::new(),
        });
        let status = LegalHoldStatus {
            conditions: merge(&[], wanted.to_vec(), 1, Timestamp::UNIX_EPOCH),
            ..LegalHoldStatus::default()
        };
        let spec = |release| {
            let mut spec = json!({"ground": "g", "openedBy": "c", "reviewOn": "2027-01-01",
                "selector": {"regions": ["eu"]}, "scopes": [{"name": "s", "store": "s", "table": "t"}]});
            spec["release"] = release;
            let spec = serde_json::from_value(spec).unwrap();
            let told = hold_alarms(&LegalHold::new("case", spec), &status).into_iter();
            told.map(|told| told.type_).collect::<Vec<_>>()
        };
        assert_eq!(spec(json!(null)), ["InForce", "Ready"]);
        assert_eq!(spec(json!({"by": "c", "ground": "settled"})), ["Ready"]);
    }

    /// A database that could not be asked keeps what it said before, and no other's word is taken for its.
    #[test]
    fn each_database_is_told_by_its_own_word() {
        let hold: LegalHold = serde_json::from_value(json!({"metadata": {"name": "h"}, "spec": {
            "ground": "g", "openedBy": "c", "reviewOn": "2027-01-01", "selector": {"regions": ["eu"]},
            "scopes": [{"name": "a", "store": "a"}, {"name": "b", "store": "b"}]}}))
        .unwrap();
        let old: HoldRegionStatus = serde_json::from_value(
            json!({"name": "eu", "state": "Run", "reason": "Any", "stores": [
            {"name": "a", "inForceSince": "2026-11-20T00:00:00Z"},
            {"name": "b", "inForceSince": "2026-11-21T00:00:00Z"},
            {"name": "gone", "inForceSince": "2026-11-19T00:00:00Z"}]}),
        )
        .unwrap();
        let told = |store: &str, unread: bool, since: Option<&str>| ReportedStore {
            store: store.to_owned(),
            unread,
            in_force_since: since.map(str::to_owned),
            reason: unread.then(|| "StoreUnavailable".to_owned()),
            ..ReportedStore::default()
        };
        let body = HoldReport {
            stores: vec![
                told("a", true, None),
                told("b", false, Some("2026-11-22T00:00:00Z")),
                told("stranger", false, Some("2026-11-22T00:00:00Z")),
            ],
        };
        let shown = |body: Option<&HoldReport>| -> Vec<String> {
            let stores = stores(body, Some(&old), &asked(&hold, None)).into_iter();
            stores
                .map(|it| {
                    format!(
                        "{} {} {}",
                        it.name,
                        &it.in_force_since.unwrap()[..10],
                        it.reason.unwrap_or_default()
                    )
                })
                .collect()
        };
        assert_eq!(
            shown(None),
            ["a 2026-11-20 ", "b 2026-11-21 ", "gone 2026-11-19 "]
        );
        assert_eq!(
            shown(Some(&body)),
            [
                "a 2026-11-20 StoreUnavailable",
                "b 2026-11-22 ",
                "gone 2026-11-19 "
            ]
        );
    }
}
