//! What a restore has undone: erasures, of which a store's books know fewer than were acknowledged; and restrictions, of which the
//! suppression store has in which stores each that is in force hid rows, and the books of such a store have not its run.
//!
//! In: both stores. Out: the first store that is behind, or the references of the restrictions that are lost. Reads only. Whose
//! rows those hid nobody knows here any more: who a person is goes with the end of the request.

use sqlx::Row;

use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::store::Store;
use super::ahead;
use super::error::Error;
use super::site::Site;
use super::suppress::{Suppression, has, is_current};

/// Of restrictions, by which no value is suppressed, those that have ended as they should, and were not lifted since. An
/// opt-out has no run. One whose person is erased, or is being erased, hides nothing any more, though an earlier release left its
/// word: the erasure goes by its name with a suffix that no other request can have.
const IN_FORCE: &str = "
SELECT r.reference, r.run FROM tradewind.request AS r JOIN tradewind.request_store AS s USING (region, reference)
WHERE r.region = $1 AND s.store = $2 AND r.run <> '' AND r.suppressed = 0 AND r.state IN ('Verified', 'Kept')
  AND NOT EXISTS (SELECT FROM tradewind.request AS e WHERE e.region = r.region AND e.reference = r.reference || '_erasure' AND e.run <> '')
ORDER BY r.reference";

/// Which of some runs a store's books have not, or not to their end.
const MISSING: &str = "
SELECT coalesce(array_agg(asked.place), '{}') FROM unnest($2::text[]) WITH ORDINALITY AS asked (run, place)
WHERE NOT EXISTS (SELECT FROM tradewind.run AS n WHERE n.id = asked.run AND n.store = $1 AND n.ended_at IS NOT NULL)";

/// No store was restored: only a person knows when a restore is complete, and what a schedule asks for ends nobody's wait.
pub(super) async fn none(suppression: &mut Suppression, sites: &mut [Site]) -> Result<(), Error> {
    none_behind(suppression, sites).await?;
    let region = suppression.region().to_owned();
    let stores = sites.iter_mut().map(|site| &mut site.store);
    Ok(none_undone(&mut suppression.store, &region, stores).await?)
}

/// Whether every store is as new as the erasures that were acknowledged, and no newer.
pub(super) async fn none_behind(
    suppression: &mut Suppression,
    sites: &mut [Site],
) -> Result<(), Error> {
    let region = suppression.region().to_owned();
    for site in sites {
        suppression.knows(&mut site.store).await?;
        let acknowledged = suppression.acknowledged(&site.store.name).await?;
        is_current(&mut site.store, acknowledged).await?;
        let at = (region.as_str(), acknowledged);
        ahead::is_not(&mut suppression.store, at, &mut site.store).await?;
    }
    Ok(())
}

/// Whether all restrictions that are in force are in the stores' books; the first store where they are not is the error. Requests
/// do not ask: they are the way out, and a copy is of hidden rows too.
pub(in super::super) async fn none_undone(
    suppression: &mut Store,
    region: &str,
    stores: impl Iterator<Item = &mut Store>,
) -> Result<(), Run> {
    for store in stores {
        none_lost(suppression, region, store).await?;
    }
    Ok(())
}

/// Whether all restrictions that are in force in a store are in its books; those that are not are the error.
async fn none_lost(suppression: &mut Store, region: &str, store: &mut Store) -> Result<(), Run> {
    // A suppression store of an earlier release has not noted where a request was.
    if !has(suppression, "tradewind.request_store").await? {
        return Ok(());
    }
    let query = sqlx::query_as(IN_FORCE).bind(region).bind(&store.name);
    let rows = query.fetch_all(&mut suppression.connection).await;
    let rows = rows.map_err(Fault::of("read which restrictions are in force"));
    let in_force: Vec<(String, String)> = rows.map_err(|fault| suppression.failed(fault))?;
    if in_force.is_empty() {
        return Ok(());
    }
    let (references, runs): (Vec<String>, Vec<String>) = in_force.into_iter().unzip();
    let lost = if has(store, "tradewind.run").await? {
        let query = sqlx::query(MISSING).bind(&store.name).bind(runs);
        let row = query.fetch_one(&mut store.connection).await;
        let places: Result<Vec<i64>, _> = row.and_then(|row| row.try_get(0));
        let places = places.map_err(Fault::of("read which restrictions the books have"));
        let places = places.map_err(|fault| store.failed(fault))?;
        let at = |place: i64| references.get(usize::try_from(place - 1).ok()?).cloned();
        places.into_iter().filter_map(at).collect()
    } else {
        references
    };
    if lost.is_empty() {
        return Ok(());
    }
    let store = store.name.clone();
    Err(Run::RestrictionLost { store, lost })
}
