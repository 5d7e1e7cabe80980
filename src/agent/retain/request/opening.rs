//! What is behind the commitments of a request, for an auditor who was let into the region.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::opening::written;
use super::super::store::{Purpose, Store};
use super::begin::{REAPPLIED, policy_of};
use super::error::Error;
use super::events::Events;
use super::settings::{self, Settings};
use super::{books, runs, stoppable};
use crate::agent::{Begun, Stop, error_chain};
use crate::contract::{Erase, Report, Task};
use crate::evidence::Opening;

/// Opens what was told of the task's request, or of all erasures that were done over again, as the books of its stores have
/// it now.
pub async fn run(task: Task<Erase>, again: bool, out: &Path, stop: Stop) -> Report<()> {
    let begun = Begun::now("erase");
    match stoppable(&stop, openings(&task, again)).await {
        Ok(openings) => written(begun, out, &openings),
        Err(error) => begun.ended(error.outcome(), error.reason(), &error_chain(&error), None),
    }
}

async fn openings(task: &Task<Erase>, again: bool) -> Result<Vec<Opening>, Error> {
    let policy = if again {
        REAPPLIED.to_owned()
    } else {
        policy_of(&settings::request(&task.spec)?.reference)
    };
    let settings = Settings::parse(&task.spec, again)?;
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    for scope in &settings.stores {
        let mut store = Store::open(&scope.name, &scope.rules.url, Purpose::Read).await?;
        for run in runs::runs(&mut store, &policy).await? {
            let blur = runs::blur(&mut store, &run).await?;
            let exact = books::totals(&mut store, &run).await?.into_iter();
            all.extend(exact.flat_map(|table| table.blurred(&blur).1));
            known.insert(run);
        }
    }
    let mut events = Events::read(&task.spec).await?;
    all.extend(events.openings(&known).await?);
    Ok(all)
}
