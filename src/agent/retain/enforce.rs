//! A run that erases: take the locks, go on with what was begun or begin anew, erase, close, answer.
//!
//! In: a task in mode Enforce. Out: an [`Answer`] from the ledger.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use super::answer::{self, Answer};
use super::begin::{self, Snapshot};
use super::books::{self, Run};
use super::bound::{Terms, Verdict};
use super::close;
use super::erase::{self, Ended, Limits};
use super::error::Error;
use super::fault::Fault;
use super::fence;
use super::forsaken;
use super::holds;
use super::last_owner;
use super::settings::Settings;
use super::site::{self, Site, Work};
use super::stages;
use super::store::{Purpose, Store};
use crate::agent::Stop;
use crate::contract::{Retain, Task};

/// What all steps of a run need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    /// The task.
    pub(super) task: &'a Task<Retain>,
    /// The task's words, parsed.
    pub(super) settings: &'a Settings,
    /// The Job that this is a pod of, where it was told.
    pub(super) own: Option<&'a str>,
    /// Whether to leave the rest to the next pod.
    pub(super) stop: &'a Stop,
}

/// A run's identity over all its stores.
#[derive(Clone, Debug)]
struct Identity {
    id: String,
    now: Timestamp,
    window_ends: Timestamp,
}

/// Runs a policy over its stores.
pub(super) async fn run(job: Job<'_>, sites: &mut [Site]) -> Result<Answer, Error> {
    let (now, over) = ready(job, sites).await?;
    if let Some(run) = over.first() {
        return Answer::of(sites, &run.id, &answer::word(over.iter())).await;
    }
    held(job, sites).await?;
    let going_on = resume(job, sites, now).await?;
    let identity = match going_on {
        Some(identity) => identity,
        None => anew(job, sites, now).await?,
    };
    if let Some(awaiting) = start(job, sites, &identity).await? {
        return Ok(awaiting);
    }
    if let Some(own) = job.own {
        for site in &mut *sites {
            last_owner::note(&mut site.store, &identity.id, own).await?;
        }
    }
    let left = identity
        .window_ends
        .duration_since(now)
        .max(SignedDuration::ZERO);
    let limits = Limits {
        until: Instant::now() + left.unsigned_abs(),
        batch_rows: job.settings.batch_rows,
        throttle: job.settings.throttle,
        hold_list: job.settings.hold_list.clone(),
        stop: job.stop.clone(),
    };
    match work(job, sites, &limits).await {
        Ok(word) => {
            for site in &mut *sites {
                let name = site.store.name.clone();
                let connection = &mut site.store.connection;
                let judged = stages::judge(connection, &job.task.spec.policy, &name);
                if let Err(fault) = judged.await {
                    tracing::warn!(store = name, %fault, "the space of erased rows is not known");
                }
                forsaken::end(&mut site.store, &job.task.spec.policy).await;
            }
            Answer::of(sites, &identity.id, word).await
        }
        Err(error) => Ok(Answer::broken(sites, &identity.id, &error).await),
    }
}

/// Locks and books in every store; answers the earliest of the databases' clocks, and the run that ended while
/// this one waited for its lock, or that this very Job has ended, store by store, if it was the same: a Job's second pod
/// repeats its first one's answer, which may be lost with it.
async fn ready(job: Job<'_>, sites: &mut [Site]) -> Result<(Timestamp, Vec<Run>), Error> {
    let mut now: Option<Timestamp> = None;
    let mut over: Vec<Run> = Vec::new();
    for site in &mut *sites {
        let asked = site.store.now().await?;
        site.store.lock(&job.task.spec.policy).await?;
        books::prepare(&mut site.store).await?;
        if fence::is_stopped(&mut site.store, &job.task.spec.policy).await? {
            let store = site.store.name.clone();
            return Err(Error::Switched { store });
        }
        let last = books::last_run(&mut site.store, &job.task.spec.policy).await?;
        over.extend(last.filter(|run| {
            let is_own = job.own.is_some() && run.job.as_deref() == job.own;
            let mut ended = run.ended.iter();
            let is_over = ended.any(|(at, _)| is_own || *at >= asked);
            is_over && run.spec_hash == job.task.spec.spec_hash && run.region == job.task.region
        }));
        let clock = site.store.now().await?;
        now = Some(now.map_or(clock, |now| now.min(clock)));
    }
    let whole = over.len() == sites.len() && over.windows(2).all(|pair| pair[0].id == pair[1].id);
    Ok((
        now.unwrap_or_default(),
        if whole { over } else { Vec::new() },
    ))
}

/// Why the list of holds is too old to erase by, if it is.
pub(super) async fn stale(settings: &Settings, store: &mut Store) -> Result<Option<Error>, Error> {
    let Some(list) = &settings.hold_list else {
        return Ok(None);
    };
    match list.check(store).await {
        Ok(()) => Ok(None),
        Err(stale @ Error::HoldsStale { .. }) => Ok(Some(stale)),
        Err(other) => Err(other),
    }
}

/// Nothing is erased anywhere while a hold that the hub knows is missing somewhere, or nobody knows what it knows.
async fn held(job: Job<'_>, sites: &mut [Site]) -> Result<(), Error> {
    let list = job.settings.hold_list.as_ref();
    for Site { store, .. } in sites {
        holds::are_in_force(store, &job.task.spec.holds, list).await?;
    }
    Ok(())
}

/// An open run of a store, as it was found.
struct Found {
    work: Work,
    /// Why it must not go on.
    outdated: Option<&'static str>,
    /// The rule whose table is another by now, of one that is not outdated.
    drifted: Option<String>,
}

/// Goes on with the open run, if it is still wanted; ends every open run that is not. One that is gone on with is
/// this Job's from then on: whoever reads for the last one finds it no more, and takes no token of it. One that is ended keeps the name
/// of the last, whose report tells of it.
async fn resume(
    job: Job<'_>,
    sites: &mut [Site],
    now: Timestamp,
) -> Result<Option<Identity>, Error> {
    let mut all = Vec::new();
    for site in sites.iter_mut() {
        all.push(found(job, site, now).await?);
    }
    let kept = all
        .iter()
        .flatten()
        .filter(|found| found.outdated.is_none());
    let kept = kept.map(|found| &found.work.run).reduce(|kept, run| {
        let is_newer = kept.now < run.now;
        if is_newer { run } else { kept }
    });
    let kept = kept.map(|run| Identity {
        id: run.id.clone(),
        now: run.now,
        window_ends: run.window_ends,
    });
    let is_drifted = all.iter().flatten().any(|found| found.drifted.is_some());
    for (site, found) in sites.iter_mut().zip(all) {
        let Some(mut found) = found else {
            continue;
        };
        let is_kept = kept
            .as_ref()
            .is_some_and(|kept| kept.id == found.work.run.id);
        let own = job.own.filter(|_| is_kept && !is_drifted);
        books::take_over(&mut site.store, &mut found.work.run, own).await?;
        site.work = Some(found.work);
        let zone = &job.settings.zone;
        if let Some(rule) = found.drifted {
            close::close(site, zone, job.stop, answer::SCHEMA_DRIFT).await?;
            return Err(Error::Drift { rule });
        }
        if let Some(reason) = found.outdated.or((!is_kept).then_some(answer::SUPERSEDED)) {
            close::close(site, zone, job.stop, reason).await?;
        }
    }
    Ok(kept)
}

/// The open run of a store, if there is one. Nothing is taken yet.
async fn found(job: Job<'_>, site: &mut Site, now: Timestamp) -> Result<Option<Found>, Error> {
    let store = &mut site.store;
    let Some(run) = books::open_run(store, &job.task.spec.policy).await? else {
        return Ok(None);
    };
    let pinned = books::pinned(store, &run).await?;
    let outdated = outdated(job.task, &run, now);
    let (store, id) = (&store.name, &run.id);
    tracing::info!(store, run = id, outdated, "found a run that has not ended");
    let work = Work { run, pinned };
    let mut steps = site.plan.steps.iter();
    let changed = steps.find(|step| work.due(step).is_none());
    let changed = changed.filter(|_| outdated.is_none());
    let drifted = changed.map(|step| step.rule.name.clone());
    Ok(Some(Found {
        work,
        outdated,
        drifted,
    }))
}

/// Why an open run must not go on.
fn outdated(task: &Task<Retain>, run: &Run, now: Timestamp) -> Option<&'static str> {
    let approval = task.spec.approval.as_ref().map(|approval| &approval.hash);
    if run.region != task.region || run.spec_hash != task.spec.spec_hash {
        Some(answer::SUPERSEDED)
    } else if run.approval.is_some() && run.approval.as_ref() != approval {
        Some(answer::APPROVAL_WITHDRAWN)
    } else if now >= run.window_ends {
        Some(answer::WINDOW_ELAPSED)
    } else {
        None
    }
}

/// The identity of a run that begins now.
async fn anew(job: Job<'_>, sites: &mut [Site], now: Timestamp) -> Result<Identity, Error> {
    let mut id = String::new();
    if let Some(Site { store, .. }) = sites.first_mut() {
        let sql = "SELECT gen_random_uuid()::text";
        let row = sqlx::query(sql).fetch_one(&mut store.connection).await;
        let made = row
            .and_then(|row| row.try_get(0))
            .map_err(Fault::of("name the run"));
        id = made.map_err(|fault| store.failed(fault))?;
    }
    let window = SignedDuration::try_from(job.settings.window).unwrap_or(SignedDuration::MAX);
    let window_ends = now.saturating_add(window).unwrap_or(Timestamp::MAX);
    Ok(Identity {
        id,
        now,
        window_ends,
    })
}

/// The stores that have not begun the run; and what an approval has been used for there, by store and rule.
async fn waiting<'a>(
    job: Job<'_>,
    sites: &'a mut [Site],
    run: &str,
) -> Result<(Vec<&'a mut Site>, BTreeMap<(String, String), i64>), Error> {
    let Retain {
        policy, approval, ..
    } = &job.task.spec;
    let mut used = BTreeMap::new();
    let mut waiting = Vec::new();
    for site in sites {
        if site.work.is_some() || books::has_run(&mut site.store, run).await? {
            continue;
        }
        if let Some(approval) = approval {
            let rules = books::used(&mut site.store, policy, &approval.hash).await?;
            let name = &site.store.name;
            let rules = rules.into_iter();
            used.extend(rules.map(|(rule, rows)| ((name.clone(), rule), rows)));
        }
        waiting.push(site);
    }
    Ok((waiting, used))
}

/// Begins the run in every store that has not begun it, or answers with what must be approved first.
async fn start(
    job: Job<'_>,
    sites: &mut [Site],
    identity: &Identity,
) -> Result<Option<Answer>, Error> {
    let Retain {
        policy,
        spec_hash,
        approval,
        ..
    } = &job.task.spec;
    let shape = site::shape(sites);
    let (waiting, used) = waiting(job, sites, &identity.id).await?;
    let zone = &job.settings.zone;
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for site in waiting {
        site.store.look_around().await?;
        let snapshot = begin::snapshot(site, zone, identity.now, Purpose::Write);
        snapshots.push(stoppable(job.stop, snapshot).await?);
    }
    let settings = job.settings;
    let (region, approval) = (job.task.region.as_str(), approval.as_ref());
    let terms = Terms {
        region,
        spec_hash,
        max_percent: settings.max_percent,
        small_counts: settings.small_counts,
        approval,
        shape: &shape,
    };
    let used = |store: &str, rule: &str| {
        let rule = (store.to_owned(), rule.to_owned());
        used.get(&rule).copied().unwrap_or_default()
    };
    let approval = match begin::judge(&snapshots, terms, used) {
        Verdict::Within => None,
        Verdict::Approved => approval.map(|approval| approval.hash.clone()),
        Verdict::Needed(why) => {
            return Answer::forecast(job, identity.now, (snapshots, shape), Some(why))
                .await
                .map(Some);
        }
    };
    let run = Run {
        id: identity.id.clone(),
        region: region.to_owned(),
        spec_hash: spec_hash.clone(),
        approval,
        now: identity.now,
        window_ends: identity.window_ends,
        token: 1,
        ended: None,
        job: job.own.map(str::to_owned),
    };
    for snapshot in snapshots {
        let pinned = snapshot.pin(&run, (policy, settings.small_counts), settings.batch_rows);
        stoppable(job.stop, pinned).await?;
    }
    Ok(None)
}

/// Erases in every store, then closes its run. Answers the word that they ended with.
async fn work(job: Job<'_>, sites: &mut [Site], limits: &Limits) -> Result<&'static str, Error> {
    let mut word = answer::DONE;
    for site in sites {
        let (zone, stop) = (&job.settings.zone, job.stop);
        let ended = match erase::erase(site, limits).await {
            Ok(Ended::Finished) => answer::DONE,
            Ok(Ended::WindowElapsed) => answer::WINDOW_ELAPSED,
            Ok(Ended::Throttled(wait)) => wait.word(),
            Err(error @ Error::Drift { .. }) => {
                // The tables are not what was pinned: nobody goes on with this run.
                site.plan.steps.clear();
                close::close(site, zone, stop, answer::SCHEMA_DRIFT).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let ended = close::close(site, zone, stop, ended).await?;
        word = if word == answer::DONE { ended } else { word };
    }
    Ok(word)
}

/// Ends at once when asked to stop: what has not committed has not happened.
pub(super) async fn stoppable<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = stop.requested() => Err(Error::Stopped),
        done = work => done,
    }
}
