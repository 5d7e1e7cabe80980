//! Which stores a request was begun in, by the suppression store: rules and Regions change while it is under way.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::super::fault::Fault;
use super::error::{Error, failed};
use super::suppress::Suppression;
use crate::contract::{EraseReport, ErasedStore};

/// The stores that a request was begun in, each with what was told of it last.
pub(super) type Began = BTreeMap<String, Option<ErasedStore>>;

impl Suppression {
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

    /// Remembers what is told of a request's stores, and passes it on.
    pub(super) async fn remember(
        &mut self,
        reference: &str,
        body: Result<EraseReport, Error>,
    ) -> Result<EraseReport, Error> {
        let body = body?;
        let (mut names, mut told) = (Vec::new(), Vec::new());
        for store in &body.stores {
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
