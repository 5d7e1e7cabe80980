//! What a DataSubjectRequest's status should say: what is done is done where the region's books say so, and nowhere else.

mod clock;
mod leaving;
mod opt_out;
mod receipt;
mod removal;
mod stage;
mod unasked;
mod untold;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::reason::Word;
use super::resource::{self, Standing};
use super::said::{self, Said};
use super::timing::earliest;
use super::{OneJob, RequestObserved, Seen, Written};
use crate::api::condition::{self, ConditionType, Truth, Wanted};
use crate::api::{
    AskedFor, DataSubjectRequest, DataSubjectRequestStatus, RegionState, RequestAction,
    RequestRegionStatus, names,
};
use crate::contract::{EraseReport, Outcome, RecipientState, Report, RequestState, ToldRecipient};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{
    Clocks, Horizons, Plan, Reason, RequestWorkloads, as_ended, identity_hash, is_undecided,
    request_action, request_action_in, request_reference,
};

/// One region: its entry, and what it says for the conditions.
struct Region<'a> {
    standing: Standing<'a, RequestObserved>,
    entry: RequestRegionStatus,
    ready: Said,
}

/// The new status.
#[must_use]
pub fn subject_request(
    plan: &Plan<RequestWorkloads>,
    clocks: &Clocks,
    seen: &BTreeMap<String, Seen<RequestObserved>>,
    request: &DataSubjectRequest,
    now: Timestamp,
) -> Written<DataSubjectRequestStatus> {
    let none = DataSubjectRequestStatus::default();
    let old = request.status.as_ref().unwrap_or(&none);
    let regions: Vec<Region<'_>> = plan
        .regions
        .keys()
        .filter_map(|name| region(plan, name, seen.get(name), request, now))
        .collect();
    let ready: Vec<Said> = regions
        .iter()
        .filter(|region| region.standing.note.chosen)
        .map(|region| region.ready.clone())
        .collect();
    let sights = regions.iter().map(|r| r.standing.sight.wake_at());
    let wake_at = earliest(sights.chain([clocks.wake_at]), now);
    let (standings, entries): (Vec<_>, Vec<_>) = regions
        .into_iter()
        .map(|region| (region.standing, region.entry))
        .unzip();
    let mut conditions = resource::conditions(plan, None, &standings, &ready, now);
    conditions.retain(|condition| condition.kind != ConditionType::Suspended);
    for condition in &mut conditions {
        ended(condition, &ready);
    }
    conditions.extend(of_person_and_clock(request, clocks, &entries, now));
    let is_settled = standings.iter().all(|it| it.inventory.is_empty());
    let is_going = plan.deleting.is_some();
    let entries = kept(entries, &standings, old, is_going);
    let stage = if is_going {
        old.state
    } else {
        Some(stage::stage(request, &entries, now))
    };
    let generation = request.metadata.generation.unwrap_or_default();
    let (word, due) = clock::pressing(clocks);
    Written {
        status: DataSubjectRequestStatus {
            observed_generation: generation,
            conditions: condition::merge(&old.conditions, conditions, generation, now),
            state: stage,
            clock: word,
            due,
            deadlines: clocks.deadlines.clone(),
            regions_done: Some(format!(
                "{}/{}",
                entries.iter().filter(|entry| entry.is_done()).count(),
                request.spec.regions.len()
            )),
            receipt: if is_settled && !is_going {
                let told = receipt::receipt(request, stage, (&entries, &horizons(plan)), now);
                told.or_else(|| until_ended(request, &entries))
            } else {
                old.receipt.clone()
            },
            regions: entries,
            identity_hash: identity_hash(request),
            last_handled_reconcile_at: resource::handled_reconcile(&request.metadata),
        },
        wake_at,
        finished: resource::is_finished(plan, &standings) && !leaving::waits(plan, request),
    }
}

/// How long each region's backups stay.
fn horizons(plan: &Plan<RequestWorkloads>) -> BTreeMap<&str, &Horizons> {
    let notes = plan.notes.iter();
    let horizons = notes.map(|(region, note)| (region.as_str(), &note.horizons));
    horizons.collect()
}

/// A restriction that is being lifted has its receipt until there is the next; so has an erasure of which an earlier release
/// left behind who the person is.
fn until_ended(
    request: &DataSubjectRequest,
    entries: &[RequestRegionStatus],
) -> Option<crate::api::RequestReceipt> {
    let is_ending = request_action(&request.spec) == RequestAction::Lift
        || entries.iter().any(RequestRegionStatus::is_forgetting);
    let old = request.status.as_ref().filter(|_| is_ending);
    old.and_then(|old| old.receipt.clone())
}

/// A request is never running well: once all is well it has ended, and how, the regions say.
fn ended(condition: &mut Wanted, ready: &[Said]) {
    if condition.kind != ConditionType::Ready || condition.status != Truth::True {
        return;
    }
    // Who was found somewhere is known.
    let mut ready = ready.to_vec();
    ready.sort_by_key(|said| said.reason.word == PlanWord::NobodyFound.as_str());
    if let Some((_, reason)) = said::worst(&ready) {
        condition.reason = reason.word;
        condition.message = reason.message;
    }
}

/// Whether it is known who the person is, and how the clocks stand.
fn of_person_and_clock(
    request: &DataSubjectRequest,
    clocks: &Clocks,
    entries: &[RequestRegionStatus],
    now: Timestamp,
) -> [Wanted; 2] {
    let on_time = clock::on_time(clocks, &undone(request, entries));
    [stage::verified(request, now), on_time]
}

/// The regions that have not done yet what was asked, unless nobody asks for it any more.
fn undone<'a>(request: &DataSubjectRequest, entries: &'a [RequestRegionStatus]) -> Vec<&'a str> {
    let spec = &request.spec;
    let is_over = spec.cancelled.is_some() || spec.refusal.is_some() || spec.lifted.is_some();
    let open = entries.iter().filter(|it| !is_over && !it.is_done());
    open.map(|entry| entry.name.as_str()).collect()
}

/// The entries that stay in status; of a request that is being deleted every region's numbers, to the end.
fn kept(
    entries: Vec<RequestRegionStatus>,
    standings: &[Standing<'_, RequestObserved>],
    old: &DataSubjectRequestStatus,
    is_going: bool,
) -> Vec<RequestRegionStatus> {
    let shown = standings.iter().map(Standing::is_shown);
    let entries = entries.into_iter().zip(shown);
    let mut entries: Vec<_> = entries
        .filter_map(|(entry, shown)| shown.then_some(entry))
        .collect();
    for entry in old.regions.iter().filter(|_| is_going) {
        if entries.iter().all(|other| other.name != entry.name) {
            entries.push(RequestRegionStatus {
                inventory: Vec::new(),
                ..entry.clone()
            });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

fn region<'a>(
    plan: &'a Plan<RequestWorkloads>,
    name: &'a str,
    seen: Option<&'a Seen<RequestObserved>>,
    request: &DataSubjectRequest,
    now: Timestamp,
) -> Option<Region<'a>> {
    let request = &*as_ended(request);
    let (name, decision) = plan.regions.get_key_value(name)?;
    let entries = request.status.iter().flat_map(|status| &status.regions);
    let old = entries.into_iter().find(|entry| entry.name == *name);
    let memory = (
        old.and_then(|entry| entry.unreachable_since.as_deref()),
        old.map_or(&[][..], |entry| entry.inventory.as_slice()),
    );
    let standing = Standing::of((name, decision), plan.notes.get(name), seen, memory, now);
    let known = standing.sight.known.map(|known| known.children);
    let job = decision
        .workloads()
        .and_then(|w| w.job.metadata.name.as_ref());
    let job = known.and_then(|known| Some((job?, known.jobs.get(job?)?)));
    // What was withdrawn may have reported in its last moment: the newest of all Jobs counts.
    let all = known.iter().flat_map(|known| known.jobs.values());
    let reports = all.filter_map(|job| job.report.as_ref());
    let action = request_action_in(&request.spec, old);
    let reference = request_reference(request, action);
    let own = reports.filter(|report| {
        let body = report.body.as_ref();
        body.is_some_and(|body| body.request == reference && is_of(action, body.state))
    });
    let report = own.max_by(|a, b| a.finished_at.cmp(&b.finished_at));
    let body = report.and_then(|report| Some((report, report.body.as_ref()?)));
    let mut entry = RequestRegionStatus {
        unreachable_since: standing.sight.lost_since.map(|since| since.to_string()),
        inventory: standing.inventory.clone(),
        ..remembered(name, standing.state, old, action)
    };
    if job.is_some() {
        let asked = resource::annotation(&request.metadata, names::ANNOTATION_RUN_AT);
        entry.last_handled_run_at = asked;
    }
    if let Some((report, body)) = body.filter(|_| !entry.is_done()) {
        heed(&mut entry, action, report, body);
    }
    let reports = known.iter().flat_map(|known| known.jobs.values());
    let reports = reports.filter_map(|job| job.report.as_ref());
    removal::settle(&mut entry, (&reference, standing.state), reports);
    opt_out::settle(&mut entry, standing.planned, action, now);
    unasked::settle(&mut entry, old, standing.note.unasked.as_ref());
    let ready = if let Some(fails) = removal::fails(&entry, job.map(|(_, job)| job)) {
        fails
    } else if let Some(done) = done(request, action, &entry) {
        done
    } else if let Some(ended) = standing.planned.filter(|why| has_ended(why)) {
        (Truth::from(standing.inventory.is_empty()), ended.clone())
    } else {
        let was = old.and_then(|entry| entry.ready);
        standing.ready(was, |_| told(job.map(|(name, job)| (name.as_str(), job))))
    };
    entry.reason.clone_from(&ready.1.word);
    entry.message.clone_from(&ready.1.message);
    entry.ready = resource::ready_field(ready.0);
    Some(Region {
        ready: Said::of(name, ready.0, ready.1),
        standing,
        entry,
    })
}

/// What a report says, as far as it says all.
fn heed(
    entry: &mut RequestRegionStatus,
    action: RequestAction,
    report: &Report<EraseReport>,
    body: &EraseReport,
) {
    take(entry, action, &report.finished_at, body);
    if !is_whole(report, body) {
        entry.progress = Some(RequestState::LogicallyGone);
    }
}

/// Whether a report that says that the stores are done says so of all: one that ended in an error before any recipient was told,
/// as of a release before this one, does not.
fn is_whole(report: &Report<EraseReport>, body: &EraseReport) -> bool {
    let is_open = |told: &ToldRecipient| told.state == RecipientState::Pending;
    report.outcome == Outcome::Done
        || !matches!(body.state, RequestState::Verified | RequestState::Kept)
        || body.recipients.iter().any(is_open)
}

/// It is done, and whether that says anything of a person: a value that was mistyped is known nowhere either.
fn fulfilled(entry: &RequestRegionStatus) -> Reason {
    let mut tables = entry.stores.iter().flat_map(|store| &store.tables);
    if tables.any(|table| !table.found.is_zero()) {
        let why = "done here, by the books of every store that was asked, and looked for again";
        let why = untold::with(why, entry);
        return PlanWord::Fulfilled.because(unasked::with(&why, entry));
    }
    let why = "looked for in every store here that was asked, and no row was found: see that the values and their kinds are the person's before they are told";
    let why = untold::with(why, entry);
    PlanWord::NobodyFound.because(unasked::with(&why, entry))
}

/// What a report says of what is to be done.
fn take(
    entry: &mut RequestRegionStatus,
    action: RequestAction,
    finished_at: &str,
    body: &EraseReport,
) {
    entry.action = Some(action);
    entry.progress = Some(body.state);
    entry.reported_at = Some(finished_at.to_owned());
    entry.suppressed = Some(body.suppressed).filter(|count| !count.is_zero());
    entry.delivered.clone_from(&body.delivered);
    entry.recipients.clone_from(&body.recipients);
    if action == RequestAction::Lift {
        entry.lifted = Some(body.lifted.iter().map(|table| table.rows).sum());
    } else if action == RequestAction::Forget && body.stores.is_empty() {
        // No rule says any more where the person was looked for: what was told of that stays.
    } else {
        entry.stores.clone_from(&body.stores);
        entry.opted_out = opt_out::stopped(&entry.opted_out, &body.opted_out);
    }
}

/// What it means that a region has done it all; an objection goes on when it is decided.
fn done(
    request: &DataSubjectRequest,
    action: RequestAction,
    entry: &RequestRegionStatus,
) -> Option<(Truth, Reason)> {
    if !is_settled(request, entry) {
        return None;
    }
    if action == RequestAction::Forget {
        return Some((Truth::True, forgotten(request, entry)));
    }
    if is_undecided(&request.spec) {
        let why = "the person's rows are hidden; record whether the objection holds in spec.upheld, or spec.refusal, which \
                   shows them again";
        return Some((Truth::False, PlanWord::Undecided.because(why)));
    }
    if action == RequestAction::Lift {
        let why = match request.spec.kind {
            AskedFor::OptOut => {
                "the opt-out holds no more: events about the person are sent as before"
            }
            _ => "what was hidden here reads as before",
        };
        let why = untold::with(why, entry);
        return Some((Truth::True, PlanWord::Lifted.because(why)));
    }
    if action == RequestAction::OptOut {
        return Some((Truth::True, opt_out::fulfilled(entry)));
    }
    Some((Truth::True, fulfilled(entry)))
}

/// Whether a region is done, and nothing else is to be done there next.
fn is_settled(request: &DataSubjectRequest, entry: &RequestRegionStatus) -> bool {
    let next = request_action_in(&request.spec, Some(entry));
    entry.is_done() && entry.action.is_none_or(|own| own == next)
}

/// It was ended in its midst: what that leaves.
fn forgotten(request: &DataSubjectRequest, entry: &RequestRegionStatus) -> Reason {
    let why =
        "what was erased here by then stays erased, and who the person is is kept here no longer";
    let why = untold::with(why, entry);
    if request.spec.cancelled.is_some() {
        PlanWord::Cancelled.because(why)
    } else {
        PlanWord::RequestRefused.because(why)
    }
}

/// Whether a report can be of that: a Job that hides rows may have its last word after another began to show them, and one
/// that erases after another began to forget whom.
fn is_of(action: RequestAction, state: RequestState) -> bool {
    match state {
        RequestState::Lifted => action == RequestAction::Lift,
        RequestState::Forgotten => action == RequestAction::Forget,
        RequestState::Removed => false,
        _ => !matches!(action, RequestAction::Lift | RequestAction::Forget),
    }
}

/// What the entry said before; how far it was with something else says nothing any more.
fn remembered(
    name: &str,
    state: RegionState,
    old: Option<&RequestRegionStatus>,
    action: RequestAction,
) -> RequestRegionStatus {
    let same = old.filter(|entry| entry.action.is_none_or(|own| own == action));
    RequestRegionStatus {
        name: name.to_owned(),
        state,
        reason: String::new(),
        message: String::new(),
        ready: None,
        unreachable_since: None,
        action: old.filter(|entry| entry.has_begun()).map(|_| action),
        progress: same.and_then(|entry| entry.progress),
        reported_at: same.and_then(|entry| entry.reported_at.clone()),
        recipients: same
            .map(|entry| entry.recipients.clone())
            .unwrap_or_default(),
        lifted: old.and_then(|entry| entry.lifted),
        suppressed: old.and_then(|entry| entry.suppressed),
        delivered: old.and_then(|entry| entry.delivered.clone()),
        stores: old.map(|entry| entry.stores.clone()).unwrap_or_default(),
        opted_out: old.map(|entry| entry.opted_out.clone()).unwrap_or_default(),
        unasked: old.map(|entry| entry.unasked.clone()).unwrap_or_default(),
        last_handled_run_at: old.and_then(|entry| entry.last_handled_run_at.clone()),
        inventory: Vec::new(),
    }
}

/// Somebody ended it: there is nothing to do any more.
fn has_ended(why: &Reason) -> bool {
    [
        PlanWord::RequestRefused,
        PlanWord::Cancelled,
        PlanWord::Lifted,
    ]
    .iter()
    .any(|word| word.as_str() == why.word)
}

/// What the Job says while it is not done.
fn told(job: Option<(&str, &OneJob<EraseReport>)>) -> (Truth, Reason) {
    let why = match job {
        Some((_, OneJob { report: Some(report), .. })) => Reason {
            word: report.reason.clone(),
            message: report.message.clone(),
        },
        Some((name, job)) if job.succeeded == Some(false) => Word::RequestJobFailed.because(format!(
            "Job {name} failed and left no report; look at its events. It is made again once it has been cleared away"
        )),
        Some((name, OneJob { waits: Some(why), .. })) => Word::Progressing.because(format!(
            "the pod of Job {name} waits ({why}); see that the Secrets that the Region names are in its runNamespace"
        )),
        Some((name, _)) => Word::Progressing.because(format!("Job {name} has not reported yet")),
        None => Word::Progressing.because("its Job is being made"),
    };
    (Truth::False, why)
}
