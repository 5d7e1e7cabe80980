//! The end of what nobody took: dead letters, and events for sinks that nobody delivers to. Their bodies speak of persons,
//! so they have an age too.

use std::collections::BTreeMap;

use super::Store;
use super::upkeep::BATCH;

/// What one batch purged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::agent::connect) struct Expired {
    /// How many deliveries were given up for good, by sink.
    pub(in crate::agent::connect) by_sink: BTreeMap<String, u64>,
    /// Whether there may be more.
    pub(in crate::agent::connect) more: bool,
}

/// Dead letters that died too long ago. `SKIP LOCKED`: what is being replayed is no dead letter any more.
const LETTERS: &str = "
WITH old AS (
  SELECT position FROM tradewind_connect.outbox
  WHERE channel = $1 AND state = 'Dead' AND at < now() - $2::text::interval
  ORDER BY position LIMIT $3 FOR UPDATE SKIP LOCKED)
DELETE FROM tradewind_connect.outbox AS outbox USING old WHERE outbox.position = old.position
RETURNING outbox.event, outbox.sink";

/// Events that wait for a sink which is not among the open ones (`$4`). Only of lanes that nobody has claimed, and a lane
/// loses its lease with its events: a replica whose task does name the sink finds neither half done.
const WAITING: &str = "
WITH old AS (
  SELECT position, sink, subject FROM tradewind_connect.outbox
  WHERE channel = $1 AND state = 'Pending' AND at < now() - $2::text::interval
    AND sink = ANY (ARRAY(SELECT DISTINCT sink FROM tradewind_connect.lane WHERE channel = $1 AND sink <> ALL ($4)))
  ORDER BY position LIMIT $3
), lanes AS (
  SELECT lane.sink, lane.subject FROM tradewind_connect.lane AS lane
  WHERE lane.channel = $1 AND lane.ready_at <= now() AND (lane.sink, lane.subject) IN (SELECT sink, subject FROM old)
  FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM tradewind_connect.outbox AS outbox USING old, lanes
  WHERE outbox.position = old.position AND outbox.state = 'Pending'
    AND old.sink = lanes.sink AND old.subject = lanes.subject
  RETURNING outbox.event, outbox.sink, outbox.subject
), less AS (
  UPDATE tradewind_connect.lane AS lane SET pending = lane.pending - fewer.events, lease = NULL
  FROM (SELECT sink, subject, count(*) AS events FROM gone GROUP BY sink, subject) AS fewer
  WHERE lane.channel = $1 AND lane.sink = fewer.sink AND lane.subject = fewer.subject
)
SELECT event, sink FROM gone";

/// Lanes that owe nothing, as they are dropped after a delivery.
const EMPTY: &str = "DELETE FROM tradewind_connect.lane
  WHERE channel = $1 AND sink <> ALL ($2) AND pending = 0 AND lease IS NULL";

impl Store {
    /// Purges one batch of dead letters that were given up longer than `keep` ago (an ISO 8601 duration), and of events
    /// that came longer ago and wait for a sink which is not among `open`. One replica at a time; another's turn is no
    /// work for us.
    pub(in crate::agent::connect) async fn expire(
        &self,
        keep: &str,
        open: &[String],
    ) -> sqlx::Result<Expired> {
        let Some(mut transaction) = self.turn().await? else {
            return Ok(Expired::default());
        };
        let letters: Vec<(i64, String)> = sqlx::query_as(LETTERS)
            .bind(&self.channel)
            .bind(keep)
            .bind(BATCH)
            .fetch_all(&mut *transaction)
            .await?;
        let waiting: Vec<(i64, String)> = sqlx::query_as(WAITING)
            .bind(&self.channel)
            .bind(keep)
            .bind(BATCH)
            .bind(open)
            .fetch_all(&mut *transaction)
            .await?;
        if !waiting.is_empty() {
            let empty = sqlx::query(EMPTY).bind(&self.channel).bind(open);
            empty.execute(&mut *transaction).await?;
        }
        let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
        let mut expired = Expired {
            more: letters.len() >= batch || waiting.len() >= batch,
            ..Expired::default()
        };
        let mut events = Vec::new();
        for (event, sink) in letters.into_iter().chain(waiting) {
            events.push(event);
            *expired.by_sink.entry(sink).or_default() += 1;
        }
        Self::drop_events(&mut transaction, &events).await?;
        transaction.commit().await?;
        Ok(expired)
    }
}
