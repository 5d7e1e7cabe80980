//! Recipients are told of an opt-out, and of its end, as they are of an erasure.
//!
//! In: a task with recipients. Out: how each stands, by the books of the suppression store; and a row for the request there,
//! so that a message under its name is about one person. Who the person is stays in the task: nothing of it is kept there but
//! a keyed hash.

use super::super::super::fault::Fault;
use super::super::super::store::{Purpose, Store};
use super::super::error::{Error, failed};
use super::super::hash::HashKey;
use super::super::person::Person;
use super::super::recipients::{self, News, Telling};
use super::super::suppress::{LIFTED, Suppression};
use crate::agent::Stop;
use crate::contract::{Erase, SubjectRequest, Task, ToldRecipient};

/// How an opt-out has ended that everybody was told of.
const VERIFIED: &str = "Verified";

/// Whether a task names recipients, those too that may not be told.
pub(super) fn is_asked(spec: &Erase) -> bool {
    !(spec.recipients.is_empty()
        && spec.held_recipients.is_empty()
        && spec.coming_recipients.is_empty())
}

/// Opens the store in which it is noted who was told; none where nobody is to be told anything.
pub(super) async fn open(task: &Task<Erase>) -> Result<Option<Suppression>, Error> {
    if task.spec.recipients.is_empty() {
        return Ok(None);
    }
    let key = HashKey::read(&task.spec.suppression.key)?;
    let mut suppression = Suppression::open(&task.spec.suppression.url, key, &task.region).await?;
    if !suppression.is_prepared().await? {
        for at in &task.spec.opt_outs {
            let mut store = Store::open(&at.name, &at.url, Purpose::Write).await?;
            suppression.is_apart(&mut store).await?;
        }
    }
    suppression.prepare().await?;
    Ok(Some(suppression))
}

/// Notes whose opt-out it is, before anything is written elsewhere. For somebody else it needs another name, and so it does
/// once it was lifted: recipients would take it for what they were told before.
pub(super) async fn begin(
    suppression: &mut Suppression,
    request: &SubjectRequest,
    person: &Person,
) -> Result<(), Error> {
    let kind = [("", request.kind.name())].into_iter();
    let given = suppression.key.given(kind.chain(person.all()));
    match suppression.find(&request.reference).await? {
        Some(known) if known.is_lifted => Err(Error::Lifted),
        Some(known) if known.given != given => Err(Error::ReferenceReused),
        Some(_) => Ok(()),
        None => suppression.opt_out(&request.reference, &given, None).await,
    }
}

/// Notes that it is lifted, before anybody is told: a pod that is late tells nobody of what has ended.
pub(super) async fn lift(
    suppression: &mut Suppression,
    request: &SubjectRequest,
) -> Result<(), Error> {
    let reference = &request.reference;
    suppression.opt_out(reference, &[], Some(LIFTED)).await
}

/// Tells whoever has not been told: of the opt-out by the person, of its end by nobody's name.
pub(super) async fn tell(
    suppression: Option<&mut Suppression>,
    task: &Task<Erase>,
    (request, person): (&SubjectRequest, Option<&Person>),
    stop: &Stop,
) -> Result<Vec<ToldRecipient>, Error> {
    let Some(suppression) = suppression else {
        return Ok(recipients::held(&task.spec));
    };
    let telling = Telling {
        reference: &request.reference,
        news: match person {
            Some(_) => News::OptedOut,
            None => News::OptedIn,
        },
        person,
    };
    let told = recipients::tell(suppression, &task.spec, telling, stop).await?;
    if person.is_some() && !recipients::is_open(&told) {
        let reference = &request.reference;
        suppression.opt_out(reference, &[], Some(VERIFIED)).await?;
    }
    Ok(told)
}

impl Suppression {
    /// Notes whose an opt-out is, or how it has ended: one that was lifted stays so.
    async fn opt_out(
        &mut self,
        reference: &str,
        given: &[u8],
        state: Option<&str>,
    ) -> Result<(), Error> {
        // A run it has in no store: nothing of anybody is erased by it.
        let sql = "INSERT INTO tradewind.request AS r (region, reference, run, given, person, suppressed, began_at, state)
            VALUES ($1, $2, '', $3, NULL, 0, clock_timestamp(), $4)
            ON CONFLICT (region, reference) DO UPDATE SET state = CASE WHEN r.state = $5 THEN r.state ELSE coalesce(excluded.state, r.state) END
            WHERE r.run = ''";
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(reference).bind(given).bind(state).bind(LIFTED);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("note the opt-out"))
            .map_err(failed(&self.store))
    }
}
