//! A suppression store that was restored to a state of before an erasure: whoever was erased since is in it no more, and a restore
//! of a store would bring them back unseen.
//!
//! In: both stores. Out: the first store whose books are ahead. A run's numbers are acknowledged before it ends, however it ends: what
//! a run that has ended took, and nobody acknowledged, was acknowledged once.

use sqlx::Row;

use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::store::Store;
use super::error::Error;
use super::suppress::{Suppression, acknowledged, has, head};

/// The newest number after one that was acknowledged, of the region's runs that have ended. One that is open may have been killed
/// between a batch and its acknowledgement. Numbers of an earlier release say nothing, nor do books that have no word of these yet; and
/// a store that is behind itself has other numbers than it had.
const SETTLED: &str = "
SELECT max(e.number) FROM tradewind.erasure AS e JOIN tradewind.erasure_head AS h USING (store)
JOIN tradewind.run AS n ON n.id = e.run AND n.store = e.store
WHERE e.store = $1 AND n.region = $2 AND n.ended_at IS NOT NULL AND e.number > $3
  AND NOT h.behind AND e.number > (to_jsonb(h) ->> 'compared_from')::bigint";

/// Whether the suppression store has all erasures that have ended in a store, of which it had acknowledged so many when it was asked.
pub(super) async fn is_not(
    suppression: &mut Store,
    (region, number): (&str, i64),
    store: &mut Store,
) -> Result<(), Run> {
    let Some(settled) = settled(store, (region, number)).await? else {
        return Ok(());
    };
    // An erasure may have ended meanwhile: it was acknowledged before, so it is by now.
    if settled <= acknowledged(suppression, region, &store.name).await? {
        return Ok(());
    }
    let store = store.name.clone();
    Err(Run::SuppressionBehind { store })
}

async fn settled(store: &mut Store, (region, number): (&str, i64)) -> Result<Option<i64>, Run> {
    if !has(store, "tradewind.erasure_head").await? {
        return Ok(None);
    }
    let query = sqlx::query(SETTLED).bind(&store.name).bind(region);
    let row = query.bind(number).fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the erasures' numbers"))
        .map_err(|fault| store.failed(fault))
}

impl Suppression {
    /// Whether erasures that have ended in a store are missing here.
    pub(super) async fn lacks_erasures(&mut self, store: &mut Store) -> Result<bool, Error> {
        let number = self.acknowledged(&store.name).await?;
        let region = self.region().to_owned();
        match is_not(&mut self.store, (region.as_str(), number), store).await {
            Ok(()) => Ok(false),
            Err(Run::SuppressionBehind { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Acknowledges what a run has erased that somebody else ends: its own pod was killed before it did. Where erasures of others are
    /// missing here that stays in sight.
    pub(super) async fn keep_up(&mut self, store: &mut Store) -> Result<(), Error> {
        if self.lacks_erasures(store).await? {
            return Ok(());
        }
        let number = self.acknowledged(&store.name).await?;
        let head = head(store).await?;
        if head > number {
            self.acknowledge(&store.name, head).await?;
        }
        Ok(())
    }
}
