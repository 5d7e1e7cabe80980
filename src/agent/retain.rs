//! `retain`: erase what is due, and be able to say so.
//!
//! In: a task with rules over tables of PostgreSQL stores. Out: a report with a count for every due row, read
//! back from a ledger in the store's own database. It never decides from a task what now is, never erases a
//! row that another row needs, and takes no identity out of the database.
//!
//! ```text
//! settings -> store -> preflight -> begin (count, bound, pin) -> erase (batch by batch) -> close -> answer
//! ```

mod answer;
mod apart;
mod batch;
mod begin;
mod behind;
mod books;
mod bound;
mod catalog;
mod change;
mod clocks;
mod close;
mod columns;
mod company;
mod contact;
mod count;
mod cutoff;
mod dead_rows;
mod detach;
mod enforce;
mod erase;
mod error;
mod exact;
mod fault;
mod fence;
mod forsaken;
mod grants;
mod hold_list;
mod hold_values;
mod holds;
mod last_look;
mod last_owner;
mod legal_hold;
mod lesser;
mod lift;
mod loud;
mod method;
mod notice;
mod opening;
mod order;
mod outside;
mod pace;
mod packed;
mod partial;
mod partition;
mod pinning;
mod pins;
mod predicate;
mod preflight;
mod quiet;
mod references;
mod refusal;
pub mod request;
mod restrict;
mod round;
mod second;
mod settings;
mod shred;
mod site;
mod stages;
mod statement;
mod store;
mod subjects;
mod sweep;
mod throttle;
mod transact;
mod triggers;
mod unfit;
mod unruled;
mod versions;
mod which;

use jiff::Timestamp;

use super::{Begun, Stop};
use crate::contract::{CatalogueLook, Report, Retain, RetainMode, RetainReport, Task};
use answer::Answer;
use enforce::{Job, stoppable};
use error::Error;
pub(super) use hold_list::Freshness;
pub use legal_hold::run as hold;
pub use lift::run as lift;
pub use opening::run as open_sums;
use preflight::Plan;
use settings::Settings;
use site::Site;
use store::{Purpose, Store};

/// Runs one retention: counts only, or erases, as the task's mode says. `own` is the Job that it is a pod of.
pub async fn run(task: Task<Retain>, own: Option<String>, stop: Stop) -> Report<RetainReport> {
    let begun = Begun::now("retain");
    let own = own.as_deref().filter(|name| !name.is_empty());
    let answer = match task.spec.mode {
        RetainMode::DryRun => preview(&task, &stop).await,
        RetainMode::Enforce => erase(&task, own, &stop).await,
    };
    answer
        .unwrap_or_else(|error| Answer::error(&error))
        .report(begun)
}

/// Of which run the ledger is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The Job whose run it is; none: the last run, whoever's.
    pub run_of: Option<String>,
    /// Whether the run is taken from that Job's pod first, which may work on out of sight.
    pub take_over: bool,
}

/// Reads what the last run did, or the run of a Job, back from the ledger. Nothing is written, but that the Job's pod may write
/// no more where that is asked for.
pub async fn report(task: Task<Retain>, asked: Asked, stop: Stop) -> Report<RetainReport> {
    let begun = Begun::now("retain");
    let answer = stoppable(&stop, read_back(&task, &asked)).await;
    answer
        .unwrap_or_else(|error| Answer::error(&error))
        .report(begun)
}

/// Counts in one snapshot for each store, in which the server refuses to write.
async fn preview(task: &Task<Retain>, stop: &Stop) -> Result<Answer, Error> {
    let settings = Settings::parse(&task.spec)?;
    let job = Job {
        task,
        settings: &settings,
        own: None,
        stop,
    };
    let counting = async {
        let mut sites = sites(task, &settings, Purpose::Read).await?;
        let mut now: Option<Timestamp> = None;
        let mut unheld: Option<Error> = None;
        for site in &mut sites {
            let missing = holds::missing(&mut site.store, &task.spec.holds).await;
            let missing = missing.map_err(|fault| site.store.failed(fault))?;
            let store = site.store.name.clone();
            let missing = missing.map(|hold| Error::HoldNotInForce { store, hold });
            let stale = enforce::stale(&settings, &mut site.store).await?;
            unheld = unheld.or(missing).or(stale);
            let clock = site.store.now().await?;
            now = Some(now.map_or(clock, |now| now.min(clock)));
        }
        let now = now.unwrap_or_default();
        let looked = looked(task, &mut sites).await?;
        let shape = site::shape(&sites);
        let mut snapshots = Vec::new();
        for site in &mut sites {
            site.store.look_around().await?;
            snapshots.push(begin::snapshot(site, &settings.zone, now, Purpose::Read).await?);
        }
        let answer = Answer::forecast(job, now, (snapshots, shape), None).await?;
        let answer = answer.beside(looked);
        Ok(match unheld {
            Some(error) => answer.warned(&error),
            None => answer,
        })
    };
    stoppable(stop, counting).await
}

async fn erase(task: &Task<Retain>, own: Option<&str>, stop: &Stop) -> Result<Answer, Error> {
    let settings = Settings::parse(&task.spec)?;
    let job = Job {
        task,
        settings: &settings,
        own,
        stop,
    };
    let mut sites = stoppable(stop, sites(task, &settings, Purpose::Write)).await?;
    let looked = stoppable(stop, looked(task, &mut sites)).await?;
    let answer = enforce::run(job, &mut sites).await?;
    Ok(answer.beside(looked))
}

/// What the catalogues say, where the task asks.
async fn looked(task: &Task<Retain>, sites: &mut [Site]) -> Result<Option<CatalogueLook>, Error> {
    match &task.spec.catalogue {
        Some(asked) => unruled::look(sites, asked).await.map(Some),
        None => Ok(None),
    }
}

async fn read_back(task: &Task<Retain>, asked: &Asked) -> Result<Answer, Error> {
    let settings = Settings::parse(&task.spec)?;
    let run_of = asked.run_of.as_deref();
    let barred = run_of.filter(|_| asked.take_over);
    let purpose = if barred.is_some() {
        Purpose::Write
    } else {
        Purpose::Read
    };
    let mut sites = Vec::new();
    for (name, rules) in &settings.stores {
        let mut store = Store::open(name, &rules.url, purpose).await?;
        // In every store before any is read: in the last of them it could go on.
        if let Some(job) = barred {
            last_owner::bar(&mut store, &task.spec.policy, job).await?;
        }
        sites.push(Site {
            store,
            plan: Plan { steps: Vec::new() },
            work: None,
        });
    }
    Answer::read_back(&mut sites, &task.spec.policy, run_of).await
}

/// Opens every store and looks at every table: nothing is erased anywhere while anything is wrong somewhere.
async fn sites(
    task: &Task<Retain>,
    settings: &Settings,
    purpose: Purpose,
) -> Result<Vec<Site>, Error> {
    let mut sites = Vec::new();
    let mut refusals = Vec::new();
    for (name, rules) in &settings.stores {
        let mut store = Store::open(name, &rules.url, purpose).await?;
        store.look_around().await?;
        let own = (purpose == Purpose::Write).then_some(task.spec.policy.as_str());
        outside::put_back(&mut store, &rules.url, own).await?;
        match preflight::plan(&mut store, rules, purpose).await? {
            Ok(plan) => sites.push(Site {
                store,
                plan,
                work: None,
            }),
            Err(found) => refusals.extend(found),
        }
    }
    if !refusals.is_empty() {
        return Err(Error::Refused(refusals));
    }
    if let Some(url) = &task.spec.suppression {
        let stores = sites.iter_mut().map(|site| &mut site.store);
        let mut suppression = request::none_restored(url, &task.region, stores).await?;
        let stores = sites.iter_mut().map(|site| &mut site.store);
        request::none_undone(&mut suppression, &task.region, stores).await?;
    }
    Ok(sites)
}
