//! A restriction that a request asked for is lifted: the same task, with `--lift`.
//!
//! In: a task whose request is a Restriction. Out: the person's rows read as before, but for those that something else
//! restricts. No value of the person is needed: rows are marked with the request's reference.

use super::super::lift;
use super::super::restrict;
use super::super::store::{Purpose, Store};
use super::books;
use super::error::Error;
use super::hash::HashKey;
use super::settings::{self, Settings};
use super::suppress::{LIFTED, Suppression};
use super::{begin, runs};
use crate::agent::{Begun, Stop, error_chain};
use crate::contract::{Erase, LiftReport, LiftedTable, Report, RequestKind, Task};

/// Lifts what the task's request restricted.
pub async fn run(task: Task<Erase>, stop: Stop) -> Report<LiftReport> {
    let begun = Begun::now("erase");
    match request(&task, &stop).await {
        Ok(body) => lift::told(begun, Ok(body)),
        Err(error) => begun.ended(error.outcome(), error.reason(), &error_chain(&error), None),
    }
}

async fn request(task: &Task<Erase>, stop: &Stop) -> Result<LiftReport, Error> {
    let request = settings::request(&task.spec)?;
    if request.kind != RequestKind::Restriction {
        let kind = request.kind.name();
        return Err(settings::Error::Lift { kind }.into());
    }
    let settings = Settings::parse(&task.spec, false)?;
    let key = HashKey::read(&task.spec.suppression.key)?;
    let mut suppression = Suppression::open(&task.spec.suppression.url, key, &task.region).await?;
    let (reference, policy) = (&request.reference, begin::policy_of(&request.reference));
    let by = restrict::by_request(reference);
    let mut body = LiftReport::default();
    for scope in &settings.stores {
        let mut store = Store::open(&scope.name, &scope.rules.url, Purpose::Write).await?;
        suppression.is_apart(&mut store).await?;
        store.lock(begin::LOCK).await?;
        books::prepare(&mut store).await?;
        // A pod that was killed in the midst left a run; nobody goes on with it.
        if let Some(mut open) = runs::open_run(&mut store, &policy).await? {
            runs::take_over(&mut store, &mut open).await?;
            runs::end(&mut store, &open, LIFTED).await?;
        }
        for rule in &scope.rules.rules {
            let lifted = lift::lift(&mut store, rule, &by, (&policy, stop)).await;
            body.tables.push(LiftedTable {
                store: scope.name.clone(),
                name: rule.name.clone(),
                rows: lifted?,
            });
        }
    }
    suppression.prepare().await?;
    suppression.end(reference, LIFTED).await?;
    Ok(body)
}
