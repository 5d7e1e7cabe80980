//! The look at the end: from one fresh snapshot, every row of the person that is there still, and why.
//!
//! In: a store whose erasing has ended. Out: each pinned row with one fate. Each table is looked at and written down in
//! one transaction.

use std::collections::BTreeMap;

use super::super::books as runs;
use super::super::catalog;
use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::holds;
use super::super::outside;
use super::super::preflight::Step;
use super::super::site::Work;
use super::super::store::Purpose;
use super::books;
use super::error::{Error, failed};
use super::reduce;
use super::referred::{self, Around, Stayed};
use super::rows::{self, Keys};
use super::site::{Site, whose};
use super::work::Job;

/// A look that something was in the way of is taken again.
const TRIES: u32 = 5;

/// Looks at every table of a store.
pub(super) async fn look(site: &mut Site, job: Job<'_>) -> Result<(), Error> {
    let Some(work) = site.work() else {
        return Ok(());
    };
    let steps = site.plan.steps.clone();
    let mut stayed = BTreeMap::new();
    for step in &steps {
        let mut tries = 1;
        let found = loop {
            match look_once(site, &work, (step, &steps, &stayed), job).await {
                Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
                other => break other?,
            }
        };
        stayed.insert(step.rule.name.clone(), found);
    }
    Ok(())
}

/// Answers the rows that stay rightly: rows of the tables that come later may have to stay with them.
async fn look_once(
    site: &mut Site,
    work: &Work,
    (step, steps, stayed): (&Step, &[Step], &BTreeMap<String, Stayed>),
    job: Job<'_>,
) -> Result<Stayed, Error> {
    let failed = failed(&site.store);
    let name = site.store.name.clone();
    let rule = step.rule.name.clone();
    let ends = site.ends_of(&rule).to_vec();
    let opened = site.store.begin_snapshot(Purpose::Write).await;
    let mut transaction = opened.map_err(&failed)?;
    let table = &step.table;
    let shape = catalog::shape(&mut transaction, table.oid, &table.name, &table.watched()).await;
    if shape.map_err(&failed)?.as_ref() != Some(&table.shape) {
        return Err(Run::Drift { rule }.into());
    }
    let held = holds::on(&mut transaction, table).await;
    let Ok(held) = held.map_err(&failed)? else {
        return Err(Run::HoldUnclear { rule }.into());
    };
    let whose = whose(step, job.who, &job.settings.kinds);
    let keys = Keys {
        with: job.key,
        store: &name,
        table: &rule,
    };
    let held = step.held(&held);
    let fates = rows::fates(&mut transaction, whose, keys, (&ends, held)).await;
    let mut fates = fates.map_err(&failed)?;
    let run = (work.run.id.as_str(), name.as_str());
    let grounds = referred::own_grounds(&mut transaction, run, &rule, ends.len()).await;
    let mut grounds = reduce::grounds(grounds.map_err(&failed)?, table);
    let around = Around {
        store: &name,
        steps,
        stayed,
    };
    let found = (fates.as_mut_slice(), &mut grounds);
    let stays = referred::settle(&mut transaction, around, (step, job), found).await;
    let stays = stays.map_err(&failed)?;
    let beside = rows::beside(&mut transaction, whose).await;
    let beside = beside.map_err(&failed)?;
    // What is not seen may be out of its table, and come back.
    outside::check(&mut transaction, &name, &[table.oid]).await?;
    let noted = books::note_look(&mut transaction, run, &rule, (fates, grounds), beside).await;
    noted.map_err(&failed)?;
    let ours = runs::is_ours(&mut transaction, &name, &work.run).await;
    if !ours.map_err(&failed)? {
        return Err(Run::AnotherRun { store: name }.into());
    }
    let committed = transaction.commit().await;
    committed
        .map_err(Fault::of("write down what stays"))
        .map_err(failed)?;
    Ok(stays)
}
