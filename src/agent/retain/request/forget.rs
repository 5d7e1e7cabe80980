//! An erasure is ended in its midst: the same task, with `--lift`.
//!
//! In: a task whose request is an `Erasure`, without the person, and with whatever stores the region has by now. Out: who the
//! person is stands nowhere any more, the runs have ended in every store that the erasure was begun in, and what was erased by
//! then stays erased. Where all is gone already recipients are told of it first. Killed anywhere, the same call goes on.

use super::super::fault::Fault;
use super::super::store::{Purpose, Store};
use super::answer::{self, Answer};
use super::began::Began;
use super::error::{Error, failed};
use super::events::Events;
use super::hash::HashKey;
use super::person::{self, Person};
use super::recipients::{self, News, Telling};
use super::suppress::{self, FORGOTTEN, Known, Suppression};
use super::{begin, books, runs, settings};
use crate::agent::Stop;
use crate::contract::{
    Count, Erase, EraseReport, RequestState, SubjectRequest, Task, ToldRecipient,
};

/// Ends the task's erasure.
pub(super) async fn erasure(
    task: &Task<Erase>,
    request: &SubjectRequest,
    stop: &Stop,
) -> Result<Answer, Error> {
    settings::small_counts(&task.spec)?;
    let key = HashKey::read(&task.spec.suppression.key)?;
    let mut suppression = Suppression::open(&task.spec.suppression.url, key, &task.region).await?;
    if !suppression.is_prepared().await? {
        is_apart(task, &mut suppression).await?;
    }
    suppression.prepare().await?;
    let reference = &request.reference;
    suppression.prevent(reference, FORGOTTEN).await?;
    let mut body = EraseReport {
        request: reference.clone(),
        state: RequestState::Forgotten,
        ..EraseReport::default()
    };
    let Some(run) = suppression.begun(reference).await?.map(|known| known.run) else {
        return Ok(Answer::of(body));
    };
    let began = suppression.began_in(reference).await?;
    let mut erased = has_erased_beyond(task, &began);
    let mut stores = open(task, &mut suppression, (&began, &run)).await?;
    // No pod erases any more: what it may have done until now is seen.
    if let Some(known) = suppression.begun(reference).await? {
        let suppressed = (known.suppressed, task.spec.small_counts);
        body = answer::numbers(stores.iter_mut(), (&run, reference), suppressed).await?;
        answer::beyond(&mut body, began);
        erased |= Events::glance(&task.spec, &mut suppression, (&run, &mut body)).await?;
        if matches!(body.state, RequestState::Verified | RequestState::Kept) {
            erased = true;
            body.recipients = tell(&mut suppression, task, (request, &known), stop).await?;
        }
    }
    body.state = RequestState::Forgotten;
    if recipients::is_open(&body.recipients) {
        return Ok(Answer::untold(body));
    }
    erased |= has_erased(&mut suppression, &mut stores, (&run, &body)).await?;
    suppression.forget(reference, erased).await?;
    if !erased {
        body.suppressed = Count::ZERO;
    }
    for store in &mut stores {
        if let Some(mut open) = runs::open_run(store, &begin::policy_of(reference)).await? {
            runs::take_over(store, &mut open, None).await?;
            suppression.keep_up(store).await?;
            runs::end(store, &open, FORGOTTEN).await?;
        }
    }
    Ok(Answer::of(body))
}

/// Whether a store that the task does not name any more may have lost rows to the erasure: some were found, or nobody knows.
fn has_erased_beyond(task: &Task<Erase>, began: &Began) -> bool {
    let is_named = |name: &str| task.spec.stores.iter().any(|scope| scope.name == name);
    let mut beyond = began.iter().filter(|(name, _)| !is_named(name));
    began.is_empty()
        || beyond.any(|(_, told)| {
            let mut tables = told.iter().flat_map(|store| &store.tables);
            told.is_none() || tables.any(|table| !table.found.is_zero())
        })
}

/// Whether a store has lost rows to the erasure, or may have: one that was restored since has lost its books too.
async fn has_erased(
    suppression: &mut Suppression,
    stores: &mut [Store],
    (run, body): (&str, &EraseReport),
) -> Result<bool, Error> {
    let mut tables = body.stores.iter().flat_map(|store| &store.tables);
    if tables.any(|table| !table.erased.is_zero()) {
        return Ok(true);
    }
    for store in stores {
        let acknowledged = suppression.acknowledged(&store.name).await?;
        if books::has_erased(store, run).await? || suppress::head(store).await? < acknowledged {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Before anything is written into the suppression store for the first time: that it is no store's database.
async fn is_apart(task: &Task<Erase>, suppression: &mut Suppression) -> Result<(), Error> {
    for scope in &task.spec.stores {
        let mut store = Store::open(&scope.name, &scope.url, Purpose::Write).await?;
        suppression.is_apart(&mut store).await?;
    }
    Ok(())
}

/// Opens the stores that the erasure was begun in and the task still names, with their books, and keeps a pod out that still
/// erases. Of one that an earlier release began only the stores' books know it.
async fn open(
    task: &Task<Erase>,
    suppression: &mut Suppression,
    (began, run): (&Began, &str),
) -> Result<Vec<Store>, Error> {
    let mut stores = Vec::new();
    for scope in &task.spec.stores {
        let is_noted = began.contains_key(&scope.name);
        if !is_noted && !began.is_empty() {
            continue;
        }
        let mut store = Store::open(&scope.name, &scope.url, Purpose::Write).await?;
        if !is_noted && !books::has_run(&mut store, run).await? {
            continue;
        }
        suppression.is_apart(&mut store).await?;
        store.lock(begin::LOCK).await?;
        books::prepare(&mut store).await?;
        stores.push(store);
    }
    Ok(stores)
}

/// All is gone, by the books of every store: who has the same data is told before nobody knows the person any more.
async fn tell(
    suppression: &mut Suppression,
    task: &Task<Erase>,
    (request, known): (&SubjectRequest, &Known),
    stop: &Stop,
) -> Result<Vec<ToldRecipient>, Error> {
    let Some(person) = &known.person else {
        return recipients::told(suppression, &task.spec, request).await;
    };
    let person = Person::decrypt(person, &person::key(&request.key)?)?;
    let telling = Telling {
        reference: &request.reference,
        news: News::Erased,
        person: Some(&person),
    };
    recipients::tell(suppression, &task.spec, telling, stop).await
}

impl Suppression {
    /// The request, if it was begun and not only prevented.
    async fn begun(&mut self, reference: &str) -> Result<Option<Known>, Error> {
        let known = self.find(reference).await?;
        Ok(known.filter(|known| !known.run.is_empty()))
    }

    /// Of a request that has not begun it is noted that it never will.
    pub(super) async fn prevent(&mut self, reference: &str, word: &str) -> Result<(), Error> {
        let sql = "INSERT INTO tradewind.request (region, reference, run, given, person, suppressed, began_at, state)
            VALUES ($1, $2, '', '', NULL, 0, clock_timestamp(), $3) ON CONFLICT (region, reference) DO NOTHING";
        self.write(sql, (reference, word)).await
    }

    /// Keeps no longer who the person is; where nothing was erased, nothing is to be erased again either, and the person is
    /// suppressed no more by this request.
    async fn forget(&mut self, reference: &str, erased: bool) -> Result<(), Error> {
        let keeping = "UPDATE tradewind.request SET person = NULL, state = coalesce(state, $3) WHERE region = $1 AND reference = $2";
        let freeing = "WITH freed AS (DELETE FROM tradewind.suppressed WHERE region = $1 AND reference = $2),
              subjects AS (DELETE FROM tradewind.suppressed_subject WHERE region = $1 AND reference = $2)
            UPDATE tradewind.request SET person = NULL, state = coalesce(state, $3), suppressed = 0 WHERE region = $1 AND reference = $2";
        let sql = if erased { keeping } else { freeing };
        self.write(sql, (reference, FORGOTTEN)).await
    }

    async fn write(
        &mut self,
        sql: &'static str,
        (reference, word): (&str, &str),
    ) -> Result<(), Error> {
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(reference).bind(word);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("end the request"))
            .map_err(failed(&self.store))
    }
}
