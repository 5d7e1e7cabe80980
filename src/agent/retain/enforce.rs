//! A run that erases: take the locks, go on with what was begun or begin anew, erase, close, answer.
//!
//! In: a task in mode Enforce. Out: an [`Answer`] from the ledger.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use super::answer::{Answer, Ending};
use super::begin::{self, Snapshot};
use super::books::{self, Run};
use super::bound::{Terms, Verdict};
use super::close;
use super::erase::{self, Ended, Limits};
use super::error::Error;
use super::fault::Fault;
use super::settings::Settings;
use super::site::{Site, Work};
use super::store::Purpose;
use crate::agent::Stop;
use crate::contract::{Retain, Task};

/// What all steps of a run need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    /// The task.
    pub(super) task: &'a Task<Retain>,
    /// The task's words, parsed.
    pub(super) settings: &'a Settings,
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
    let now = ready(job, sites).await?;
    let going_on = resume(job, sites, now).await?;
    let identity = match going_on {
        Some(identity) => identity,
        None => anew(job, sites, now).await?,
    };
    if let Some(awaiting) = start(job, sites, &identity).await? {
        return Ok(awaiting);
    }
    let left = identity
        .window_ends
        .duration_since(now)
        .max(SignedDuration::ZERO);
    let limits = Limits {
        until: Instant::now() + left.unsigned_abs(),
        batch_rows: job.settings.batch_rows,
        stop: job.stop.clone(),
    };
    let worked = work(job, sites, &limits).await;
    let ending = match worked {
        Ok(ending) => ending,
        // What was done stands in the ledger: the answer carries it as far as it can be read.
        Err(error) => Ending::Error(error),
    };
    Answer::from_books(sites, &identity.id, ending).await
}

/// Locks and books in every store; answers the earliest of the databases' clocks.
async fn ready(job: Job<'_>, sites: &mut [Site]) -> Result<Timestamp, Error> {
    let mut now: Option<Timestamp> = None;
    for site in sites {
        site.store.lock(&job.task.spec.policy).await?;
        books::prepare(&mut site.store).await?;
        let clock = site.store.now().await?;
        now = Some(now.map_or(clock, |now| now.min(clock)));
    }
    Ok(now.unwrap_or_default())
}

/// Goes on with the open run, if it is still wanted; ends every open run that is not.
async fn resume(
    job: Job<'_>,
    sites: &mut [Site],
    now: Timestamp,
) -> Result<Option<Identity>, Error> {
    let mut kept: Option<Identity> = None;
    for site in sites.iter_mut() {
        let Some(mut run) = books::open_run(&mut site.store, &job.task.spec.policy).await? else {
            continue;
        };
        books::take_over(&mut site.store, &mut run).await?;
        let pinned = books::pinned(&mut site.store, &run).await?;
        let outdated = outdated(job.task, &run, now);
        tracing::info!(
            store = site.store.name,
            run = run.id,
            outdated,
            "found a run that has not ended"
        );
        let work = site.work.insert(Work { run, pinned });
        if outdated.is_none() {
            let changed = site.plan.steps.iter().find(|step| work.due(step).is_none());
            if let Some(step) = changed {
                let rule = step.rule.name.clone();
                close::close(site, &job.settings.zone, job.stop, "SchemaDrift").await?;
                return Err(Error::Drift { rule });
            }
            let identity = Identity {
                id: work.run.id.clone(),
                now: work.run.now,
                window_ends: work.run.window_ends,
            };
            let newer = kept.as_ref().is_none_or(|kept| kept.now < identity.now);
            kept = if newer { Some(identity) } else { kept };
        }
        if let Some(reason) = outdated {
            close::close(site, &job.settings.zone, job.stop, reason).await?;
        }
    }
    for site in sites {
        let id = site.work.as_ref().map(|work| &work.run.id);
        if id.is_some() && id != kept.as_ref().map(|kept| &kept.id) {
            close::close(site, &job.settings.zone, job.stop, "Superseded").await?;
        }
    }
    Ok(kept)
}

/// Why an open run must not go on.
fn outdated(task: &Task<Retain>, run: &Run, now: Timestamp) -> Option<&'static str> {
    let approval = task.spec.approval.as_ref().map(|approval| &approval.hash);
    if run.region != task.region || run.spec_hash != task.spec.spec_hash {
        Some("Superseded")
    } else if run.approval.is_some() && run.approval.as_ref() != approval {
        Some("ApprovalWithdrawn")
    } else if now >= run.window_ends {
        Some("WindowElapsed")
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
    let mut used: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for site in &mut *sites {
        if site.work.is_some() || books::has_run(&mut site.store, &identity.id).await? {
            continue;
        }
        if let Some(approval) = approval {
            let rules = books::used(&mut site.store, policy, &approval.hash).await?;
            used.insert(site.store.name.clone(), rules);
        }
        waiting.push(site);
    }
    let zone = &job.settings.zone;
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for site in waiting {
        let snapshot = begin::snapshot(site, zone, identity.now, Purpose::Write);
        snapshots.push(stoppable(job.stop, snapshot).await?);
    }
    let max_percent = job.settings.max_percent;
    let (region, approval) = (job.task.region.as_str(), approval.as_ref());
    let terms = Terms {
        region,
        spec_hash,
        max_percent,
        approval,
    };
    let used = |store: &str, rule: &str| {
        used.get(store)
            .and_then(|rules| rules.get(rule))
            .copied()
            .unwrap_or_default()
    };
    let approval = match begin::judge(&snapshots, terms, used) {
        Verdict::Within => None,
        Verdict::Approved => approval.map(|approval| approval.hash.clone()),
        Verdict::Needed(why) => {
            return Answer::forecast(job, identity.now, snapshots, Some(why))
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
        reason: None,
    };
    for snapshot in snapshots {
        stoppable(
            job.stop,
            snapshot.pin(&run, policy, job.settings.batch_rows),
        )
        .await?;
    }
    Ok(None)
}

/// Erases in every store, then closes its run.
async fn work(job: Job<'_>, sites: &mut [Site], limits: &Limits) -> Result<Ending, Error> {
    let mut elapsed = false;
    let mut returned = 0;
    for site in sites {
        let reason = match erase::erase(site, limits).await {
            Ok(Ended::Finished) => "Done",
            Ok(Ended::WindowElapsed) => "WindowElapsed",
            Err(error @ Error::Drift { .. }) => {
                // The tables are not what was pinned: nobody goes on with this run.
                let plan = std::mem::take(&mut site.plan.steps);
                close::close(site, &job.settings.zone, job.stop, "SchemaDrift").await?;
                site.plan.steps = plan;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        elapsed |= reason == "WindowElapsed";
        returned += close::close(site, &job.settings.zone, job.stop, reason).await?;
    }
    Ok(if returned > 0 {
        Ending::Returned(returned)
    } else if elapsed {
        Ending::WindowElapsed
    } else {
        Ending::Finished
    })
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
