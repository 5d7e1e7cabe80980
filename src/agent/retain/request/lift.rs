//! A restriction that a request asked for is lifted, or an opt-out, or an erasure ended in its midst, or a copy taken away that
//! has expired: the same task, with `--lift`.
//!
//! In: a task whose request is a Restriction. Out: the person's rows read as before, but for those that something else
//! restricts. No value of the person is needed: rows are marked with the request's reference.

use jiff::Timestamp;

use super::super::lift;
use super::super::restrict;
use super::super::store::{Purpose, Store};
use super::answer::Answer;
use super::books;
use super::error::Error;
use super::hash::HashKey;
use super::recipients::{self, News, Telling};
use super::settings::{self, Scope, Settings};
use super::suppress::{LIFTED, Suppression};
use super::{begin, expire, forget, hidden, opt_out, runs, stoppable};
use crate::agent::{Begun, Stop, blur};
use crate::contract::{
    Erase, EraseReport, LiftedTable, Report, RequestKind, RequestState, SubjectRequest, Task,
};

/// Lifts what the task's request restricted.
pub async fn run(task: Task<Erase>, stop: Stop) -> Report<EraseReport> {
    let begun = Begun::now("erase");
    let answer = answer(&task, &stop).await;
    answer
        .unwrap_or_else(|error| Answer::error(&error, None))
        .report(begun)
}

async fn answer(task: &Task<Erase>, stop: &Stop) -> Result<Answer, Error> {
    let request = settings::request(&task.spec)?;
    match request.kind {
        RequestKind::OptOut => return opt_out::lift(task, request, stop).await,
        RequestKind::Erasure => return forget::erasure(task, request, stop).await,
        RequestKind::Access | RequestKind::Portability => {
            return stoppable(stop, expire::remove(request, Timestamp::now())).await;
        }
        RequestKind::Restriction => {}
    }
    let body = restriction(task, request, stop).await?;
    if recipients::is_open(&body.recipients) {
        Ok(Answer::untold(body))
    } else {
        Ok(Answer::of(body))
    }
}

async fn restriction(
    task: &Task<Erase>,
    request: &SubjectRequest,
    stop: &Stop,
) -> Result<EraseReport, Error> {
    let settings = Settings::parse(&task.spec, false)?;
    let key = HashKey::read(&task.spec.suppression.key)?;
    let mut suppression = Suppression::open(&task.spec.suppression.url, key, &task.region).await?;
    let (reference, policy) = (&request.reference, begin::policy_of(&request.reference));
    let by = restrict::by_request(reference);
    let mut body = EraseReport {
        request: reference.clone(),
        state: RequestState::Lifted,
        ..EraseReport::default()
    };
    let mut stores = open(&mut suppression, &settings.stores).await?;
    // A pod that comes late waits for the stores, or finds this before it.
    suppression.prevent(reference, LIFTED).await?;
    let all = (settings.stores.as_slice(), stores.as_mut_slice());
    hidden::is_all_there(&mut suppression, all, reference).await?;
    for (scope, store) in settings.stores.iter().zip(&mut stores) {
        // A pod that was killed in the midst left a run; nobody goes on with it.
        if let Some(mut open) = runs::open_run(store, &policy).await? {
            runs::take_over(store, &mut open, None).await?;
            runs::end(store, &open, LIFTED).await?;
        }
        for rule in &scope.rules.rules {
            let lifted = lift::lift(store, rule, &by, (&policy, stop)).await;
            body.lifted.push(LiftedTable {
                store: scope.name.clone(),
                name: rule.name.clone(),
                rows: blur::alone(settings.small_counts, lifted?),
            });
        }
    }
    let telling = Telling {
        reference,
        news: News::Lifted,
        person: None,
    };
    body.recipients = recipients::tell(&mut suppression, &task.spec, telling, stop).await?;
    suppression.end(reference, LIFTED).await?;
    Ok(body)
}

/// Opens the stores with their books, and keeps requests out of all of them until this has ended: one that comes late sees then
/// that it has.
async fn open(suppression: &mut Suppression, scopes: &[Scope]) -> Result<Vec<Store>, Error> {
    let mut stores = Vec::new();
    for scope in scopes {
        let mut store = Store::open(&scope.name, &scope.rules.url, Purpose::Write).await?;
        suppression.is_apart(&mut store).await?;
        store.lock(begin::LOCK).await?;
        books::prepare(&mut store).await?;
        stores.push(store);
    }
    suppression.prepare().await?;
    Ok(stores)
}
