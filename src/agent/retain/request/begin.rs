//! How a request begins in a store, and how it is gone on with.
//!
//! In: a store, who is looked for. Out: a run, with every row of theirs in the books by its keyed hash, found in one
//! snapshot; or the run that a killed pod left, or a hold, by the keeps of the task as it is now.

use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;

use super::super::begin::write_run;
use super::super::books::{self as runs, Run};
use super::super::cutoff::{self, Ended};
use super::super::error::Error as RunError;
use super::super::fault::Fault;
use super::super::fence;
use super::super::outside;
use super::super::preflight::Step;
use super::super::store::Purpose;
use super::books::{self, Pinned};
use super::error::{Error, failed};
use super::rows::{self, Keys};
use super::select::Who;
use super::settings::Settings;
use super::site::{Site, whose};
use super::work::Job;

/// A request is given up by nobody's clock.
const WINDOW: SignedDuration = SignedDuration::from_hours(24 * 365 * 100);

/// The word that keeps two requests over one store apart.
pub(super) const LOCK: &str = "request";

/// The kind of all erasures done over again.
pub(super) const REAPPLY: &str = "Reapply";

/// What stands for a policy in the run rows of all erasures done over again.
pub(super) const REAPPLIED: &str = "reapply";

/// What a request is in every store.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Its run.
    pub(super) run: String,
    /// The region.
    pub(super) region: String,
    /// The request's reference.
    pub(super) reference: String,
    /// Its kind, as the books write it.
    pub(super) kind: &'static str,
    /// What the task says of the stores: `sha256-<hex>`.
    pub(super) spec_hash: String,
    /// When it began: its keeps count from there.
    pub(super) now: Timestamp,
}

impl Identity {
    /// What stands for a policy in the run row.
    pub(super) fn policy(&self) -> String {
        if self.kind == REAPPLY {
            return REAPPLIED.to_owned();
        }
        policy_of(&self.reference)
    }
}

/// What stands for a policy in the run rows of a request.
pub(super) fn policy_of(reference: &str) -> String {
    format!("request/{reference}")
}

/// Keeps other requests out, and makes the books.
pub(super) async fn ready(site: &mut Site) -> Result<(), Error> {
    site.store.lock(LOCK).await?;
    books::prepare(&mut site.store).await
}

/// Whether no table has more rows of the person than a person has: asked before anybody is suppressed.
pub(super) async fn is_one_person(
    site: &mut Site,
    settings: &Settings,
    who: &Who,
) -> Result<(), Error> {
    let failed = failed(&site.store);
    let steps = site.plan.steps.clone();
    let snapshot = site.store.begin_snapshot(Purpose::Read).await;
    let mut snapshot = snapshot.map_err(&failed)?;
    let most = settings.max_rows;
    for step in &steps {
        let whose = whose(step, who, &settings.kinds);
        let found = rows::count(&mut snapshot, whose, most.saturating_add(1)).await;
        if found.map_err(&failed)? > most {
            let table = step.rule.name.clone();
            return Err(Error::TooMany { table, most });
        }
    }
    Ok(())
}

/// Whether a request that the suppression store does not know is open in no store either. If it is, that store was restored to a state
/// of before the request: by the values that are given alone not all may be found any more that the run is about.
pub(super) async fn is_new(sites: &mut [Site], reference: &str) -> Result<(), Error> {
    for site in sites {
        let open = runs::open_run(&mut site.store, &policy_of(reference)).await?;
        if open.is_some() {
            let store = site.store.name.clone();
            return Err(RunError::SuppressionBehind { store }.into());
        }
    }
    Ok(())
}

/// Goes on with the run in a store, or begins it. Where it has ended there is none.
pub(super) async fn enter(site: &mut Site, job: Job<'_>, identity: &Identity) -> Result<(), Error> {
    let policy = identity.policy();
    if fence::is_stopped(&mut site.store, &policy).await? {
        let store = site.store.name.clone();
        return Err(RunError::Switched { store }.into());
    }
    if let Some(mut run) = runs::open_run(&mut site.store, &policy).await? {
        runs::take_over(&mut site.store, &mut run, None).await?;
        return go_on(site, job, run).await;
    }
    if runs::has_run(&mut site.store, &identity.run).await? {
        return Ok(());
    }
    begin(site, job, identity).await
}

/// Whether a run can be gone on with: every table that it was begun with is in the task, and is the same.
pub(super) async fn fits(site: &mut Site, run: &str) -> Result<bool, Error> {
    let pinned = books::pinned(&mut site.store, run).await?;
    Ok(are_there(&pinned, &site.plan.steps))
}

fn are_there(pinned: &Pinned, steps: &[Step]) -> bool {
    let is_there = |(name, shape): (&String, &String)| {
        let mut steps = steps.iter();
        steps.any(|step| step.rule.name == *name && step.table.bound_to() == *shape)
    };
    pinned.iter().all(is_there)
}

/// Rows that stayed are come to again, and by the keeps that the task has now: a law may have come while a hold lasted. A
/// table that came to the task is begun.
async fn go_on(site: &mut Site, job: Job<'_>, run: Run) -> Result<(), Error> {
    let store = site.store.name.clone();
    tracing::info!(store, run = run.id, "found a request that has not ended");
    let pinned = books::pinned(&mut site.store, &run.id).await?;
    if !are_there(&pinned, &site.plan.steps) {
        return Err(Error::OtherTables { store });
    }
    // What a person is called by was looked up when the run began: a table that leads to more came too late for the others.
    let leads = |step: &Step| {
        let mut lookups = site.scope.lookups.iter();
        !pinned.contains_key(&step.rule.name)
            && lookups.any(|lookup| lookup.table == step.rule.table)
    };
    if matches!(job.who, Who::Person(_)) && site.plan.steps.iter().any(leads) {
        return Err(Error::OtherTables { store });
    }
    books::reopen(&mut site.store, &run.id).await?;
    let failed = failed(&site.store);
    let steps = site.plan.steps.clone();
    let snapshot = site.store.begin_snapshot(Purpose::Write).await;
    let mut transaction = snapshot.map_err(&failed)?;
    let at = (run.id.as_str(), store.as_str());
    let mut came = Vec::new();
    for step in &steps {
        let ends = ends(step, job, run.now)?;
        if pinned.contains_key(&step.rule.name) {
            let written = books::repin(&mut transaction, at, step, &ends).await;
            written.map_err(&failed)?;
        } else {
            pin(&mut transaction, at, (step, &ends), job).await?;
            came.push(step.table.oid);
        }
        site.ends.insert(step.rule.name.clone(), ends);
    }
    if !came.is_empty() {
        outside::check(&mut transaction, &store, &came).await?;
    }
    let committed = transaction.commit().await;
    committed
        .map_err(Fault::of("go on with the request"))
        .map_err(failed)?;
    site.run = Some(run);
    Ok(())
}

/// Finds the rows of a table, and writes them down with it.
async fn pin(
    connection: &mut PgConnection,
    (run, store): (&str, &str),
    (step, ends): (&Step, &[Ended]),
    job: Job<'_>,
) -> Result<(), Error> {
    let failed = Error::at(store);
    let table = &step.rule.name;
    let keys = Keys {
        with: job.key,
        store,
        table,
    };
    let whose = whose(step, job.who, &job.settings.kinds);
    let found = rows::to_erase(connection, whose, keys, job.most().saturating_add(1));
    let found = found.await.map_err(&failed)?;
    if i64::try_from(found.len()).is_ok_and(|count| count > job.most()) {
        let (table, most) = (table.clone(), job.settings.max_rows);
        return Err(Error::TooMany { table, most });
    }
    let hashes = found.iter().map(|key| key.hash.clone()).collect();
    let written = books::write_table(connection, (run, store), step, ends, hashes).await;
    written.map_err(failed)
}

async fn begin(site: &mut Site, job: Job<'_>, identity: &Identity) -> Result<(), Error> {
    let window_ends = identity.now.saturating_add(WINDOW);
    let run = Run {
        id: identity.run.clone(),
        region: identity.region.clone(),
        spec_hash: identity.spec_hash.clone(),
        approval: None,
        now: identity.now,
        window_ends: window_ends.unwrap_or(Timestamp::MAX),
        token: 1,
        ended: None,
        job: None,
    };
    let failed = failed(&site.store);
    let store = site.store.name.clone();
    let steps = site.plan.steps.clone();
    let snapshot = site.store.begin_snapshot(Purpose::Write).await;
    let mut transaction = snapshot.map_err(&failed)?;
    let written = write_run(
        &mut transaction,
        &store,
        &run,
        (&identity.policy(), job.settings.small_counts),
    )
    .await;
    written.map_err(&failed)?;
    let words = (identity.reference.as_str(), identity.kind);
    let written = books::write_request(&mut transaction, &store, &run, words).await;
    written.map_err(&failed)?;
    let at = (run.id.as_str(), store.as_str());
    for step in &steps {
        let ends = ends(step, job, identity.now)?;
        pin(&mut transaction, at, (step, &ends), job).await?;
        site.ends.insert(step.rule.name.clone(), ends);
    }
    let oids: Vec<i64> = steps.iter().map(|step| step.table.oid).collect();
    outside::check(&mut transaction, &store, &oids).await?;
    let committed = transaction.commit().await;
    committed
        .map_err(Fault::of("begin the request"))
        .map_err(failed)?;
    site.run = Some(run);
    Ok(())
}

/// The clocks for which each keep has ended.
fn ends(step: &Step, job: Job<'_>, now: Timestamp) -> Result<Vec<Ended>, Error> {
    let keeps = step.rule.keeps.iter().zip(&step.table.keeps);
    let ends = keeps.map(|(keep, clock)| {
        let zone = &job.settings.zone;
        let due = cutoff::kept_from(keep.from, clock.kind, keep.period, zone, now);
        let due = due.map_err(|source| RunError::Cutoff {
            rule: format!("{}, kept by {}", step.rule.name, keep.ground),
            source,
        })?;
        let clock = clock.name.clone();
        Ok(Ended {
            clock,
            due,
            lasts: false,
        })
    });
    ends.collect()
}
