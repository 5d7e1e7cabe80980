//! Which stores a request was begun in, by the suppression store: rules and Regions change while it is under way.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::super::fault::Fault;
use super::error::{Error, failed};
use super::events;
use super::site::Site;
use super::suppress::Suppression;
use crate::contract::{EraseReport, ErasedStore, RequestKind, RequestState};

/// The stores that a request was begun in, each with what was told of it last.
pub(super) type Began = BTreeMap<String, Option<ErasedStore>>;

/// Goes on with a request, once every store that it was begun in and is not done in is in the task: one that left would end it
/// unseen. From here on it was begun in all of the task's stores, too. Answers what was told of those that are done and have left.
pub(super) async fn go_on(
    suppression: &mut Suppression,
    sites: &[Site],
    (reference, kind): (&str, RequestKind),
) -> Result<Vec<ErasedStore>, Error> {
    let began = suppression.began_in(reference).await?;
    if began.is_empty() {
        // An earlier release began it, in nobody knows which: to note some would say that it was in no others.
        return Ok(Vec::new());
    }
    for (store, told) in beyond(&began, sites).filter(|(_, told)| may_have_begun(told.as_ref())) {
        // What is hidden is to be shown again, in every store.
        if kind != RequestKind::Erasure || !told.as_ref().is_some_and(is_done) {
            let store = store.clone();
            return Err(Error::StoreLeft { store });
        }
    }
    // What a person is called by was looked up when the request began.
    let mut comes = sites
        .iter()
        .filter(|site| !began.contains_key(&site.store.name));
    if let Some(leads) = comes.find(|site| !site.scope.lookups.is_empty()) {
        let store = leads.store.name.clone();
        return Err(Error::OtherTables { store });
    }
    suppression.join(reference, sites, &began).await?;
    Ok(done_beyond(&began, sites))
}

/// What was told of the stores that a request was done in and that have left the task.
pub(super) fn done_beyond(began: &Began, sites: &[Site]) -> Vec<ErasedStore> {
    let left = beyond(began, sites).filter_map(|(_, told)| told.clone());
    let mut left: Vec<ErasedStore> = left.filter(is_done).collect();
    for store in &mut left {
        // Events are told by their own store's book.
        store.tables.retain(|table| !events::are_in(&table.name));
    }
    left
}

/// The stores that a request was begun in and that have left the task.
fn beyond<'a>(
    began: &'a Began,
    sites: &'a [Site],
) -> impl Iterator<Item = (&'a String, &'a Option<ErasedStore>)> {
    let is_there = |name: &str| sites.iter().any(|site| site.store.name == name);
    began.iter().filter(move |(name, _)| !is_there(name))
}

/// Whether the request may have come to rows of a store. What was refused before it began there was told without a table.
fn may_have_begun(told: Option<&ErasedStore>) -> bool {
    told.is_none_or(|told| !told.tables.is_empty())
}

/// Whether nothing more goes in a store: all of it was looked at again.
fn is_done(told: &ErasedStore) -> bool {
    let is_of_rows = |name: &str| !events::are_in(name);
    let mut states = told.tables.iter().filter(|table| is_of_rows(&table.name));
    let has_any = states.clone().next().is_some();
    has_any && states.all(|it| matches!(it.state, RequestState::Verified | RequestState::Kept))
}

/// Whether a request that is to hide rows found none in a store.
pub(super) fn hides_nothing(told: &ErasedStore) -> bool {
    told.tables.is_empty()
        || is_done(told) && told.tables.iter().all(|table| table.restricted.is_zero())
}

impl Suppression {
    /// Notes the stores that a request goes on in. What was told of one is not its end any more, until it is told anew: a pod may
    /// be killed in between.
    async fn join(&mut self, reference: &str, sites: &[Site], began: &Began) -> Result<(), Error> {
        let (mut names, mut told) = (Vec::new(), Vec::new());
        for site in sites {
            let last = began.get(&site.store.name).cloned().flatten();
            let mut last = last.filter(|told| !told.tables.is_empty());
            for table in last.iter_mut().flat_map(|store| &mut store.tables) {
                table.state = table.state.min(RequestState::Pending);
            }
            names.push(site.store.name.clone());
            told.push(last.map(Json));
        }
        let sql = "INSERT INTO tradewind.request_store (region, reference, store, told)
            SELECT $1, $2, p.store, p.told FROM unnest($3::text[], $4::jsonb[]) AS p (store, told)
            ON CONFLICT (region, reference, store) DO UPDATE SET told = excluded.told";
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(reference).bind(names).bind(told);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("note where the request goes on"))
            .map_err(failed(&self.store))
    }

    /// Where a request was begun; of one that an earlier release began nothing is known.
    pub(super) async fn began_in(&mut self, reference: &str) -> Result<Began, Error> {
        let sql =
            "SELECT store, told FROM tradewind.request_store WHERE region = $1 AND reference = $2";
        let query = sqlx::query(sql)
            .bind(self.region().to_owned())
            .bind(reference);
        let rows = query.fetch_all(&mut self.store.connection).await;
        let read = |row: &PgRow| {
            let told: Option<Json<ErasedStore>> = row.try_get(1)?;
            Ok((row.try_get(0)?, told.map(|told| told.0)))
        };
        rows.and_then(|rows| rows.iter().map(read).collect())
            .map_err(Fault::of("read where the request was begun"))
            .map_err(failed(&self.store))
    }

    /// Remembers what is told of the task's stores, and passes it on. Of one that has left, what was told last stays.
    pub(super) async fn remember(
        &mut self,
        reference: &str,
        sites: &[Site],
        body: Result<EraseReport, Error>,
    ) -> Result<EraseReport, Error> {
        let body = body?;
        let (mut names, mut told) = (Vec::new(), Vec::new());
        let is_there = |name: &str| sites.iter().any(|site| site.store.name == name);
        for store in body.stores.iter().filter(|told| is_there(&told.name)) {
            names.push(store.name.clone());
            told.push(Json(store));
        }
        let sql = "UPDATE tradewind.request_store AS s SET told = p.told FROM unnest($3::text[], $4::jsonb[]) AS p (store, told)
            WHERE s.region = $1 AND s.reference = $2 AND s.store = p.store";
        let query = sqlx::query(sql)
            .bind(self.region().to_owned())
            .bind(reference)
            .bind(names);
        let done = query.bind(told).execute(&mut self.store.connection).await;
        done.map_err(Fault::of("remember what is told of the request"))
            .map_err(failed(&self.store))?;
        Ok(body)
    }
}
