//! Where a restriction has hidden rows, by the books: what shows them again has to come to all of it.
//!
//! In: the suppression store, the stores of a task, the request's reference. Out: nothing, or the first store or table that the
//! task lacks. Reads only.

use sqlx::Row as _;

use super::super::catalog;
use super::super::error::Error as RunError;
use super::super::fault::Fault;
use super::super::settings::Rule;
use super::super::store::Store;
use super::error::{Error, failed};
use super::settings::Scope;
use super::suppress::Suppression;
use super::{began, suppress};
use crate::contract::RequestKind;

/// The first table in which a request has hidden rows and that is none of a task's. Its shape begins with its number: a rule may
/// have got another name, or a name stand for another table. By its name it goes where that number is of no such table, as after
/// a restore.
const BEYOND: &str = "
SELECT t.name FROM tradewind.request AS q JOIN tradewind.request_table AS t USING (run, store)
LEFT JOIN pg_attribute AS a ON a.attrelid = split_part(t.shape, ' ', 1)::oid AND a.attname = 'restricted_by' AND NOT a.attisdropped
WHERE q.store = $1 AND q.reference = $2 AND q.kind = $3
  AND NOT CASE WHEN a.attrelid IS NULL THEN t.name = ANY ($4::text[]) ELSE a.attrelid::bigint = ANY ($5::bigint[]) END
  AND EXISTS (SELECT FROM tradewind.request_row AS r
    WHERE r.run = t.run AND r.store = t.store AND r.name = t.name AND r.fate = 'Erased')
ORDER BY t.name LIMIT 1";

/// Whether all that a restriction has hidden is in the task. One that was lifted before hides nothing any more.
pub(super) async fn is_all_there(
    suppression: &mut Suppression,
    (scopes, stores): (&[Scope], &mut [Store]),
    reference: &str,
) -> Result<(), Error> {
    let known = suppression.find(reference).await?;
    if known.is_some_and(|known| known.is_lifted && !known.run.is_empty()) {
        return Ok(());
    }
    let noted = suppression.began_in(reference).await?;
    for (store, told) in noted {
        let is_there = scopes.iter().any(|scope| scope.name == store);
        if !is_there && !told.as_ref().is_some_and(began::hides_nothing) {
            return Err(Error::StoreHides { store });
        }
    }
    for (scope, store) in scopes.iter().zip(stores) {
        if let Some(table) = beyond(store, &scope.rules.rules, reference).await? {
            let store = store.name.clone();
            return Err(Error::TableHides { store, table });
        }
    }
    Ok(())
}

async fn beyond(
    store: &mut Store,
    rules: &[Rule],
    reference: &str,
) -> Result<Option<String>, Error> {
    if !suppress::has(store, "tradewind.request_row").await? {
        return Ok(None);
    }
    let fault = Fault::of("read where the request has hidden rows");
    let (mut names, mut oids) = (Vec::new(), Vec::new());
    for rule in rules {
        let found = catalog::found(store, rule).await.map_err(failed(store))?;
        let row = found.map_err(|refusal| RunError::Refused(vec![refusal]))?;
        oids.push(
            row.try_get::<i64, _>(0)
                .map_err(&fault)
                .map_err(failed(store))?,
        );
        names.push(rule.name.clone());
    }
    let query = sqlx::query(BEYOND).bind(&store.name).bind(reference);
    let query = query
        .bind(RequestKind::Restriction.name())
        .bind(names)
        .bind(oids);
    let row = query.fetch_optional(&mut store.connection).await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(fault)
        .map_err(failed(store))
}
