//! The end of what nobody took: dead letters, and events for sinks that nobody delivers to. Their bodies speak of persons,
//! so they have an age too.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use super::Store;
use super::held::{Held, Unpurged};
use super::upkeep::BATCH;

/// What nobody took.
#[derive(Clone, Copy, Debug)]
pub(in crate::agent::connect) enum Untaken<'a> {
    /// Dead letters.
    Dead,
    /// Events that wait for a sink which is not among these.
    Waiting(&'a [String]),
}

/// What one batch purged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::agent::connect) struct Expired {
    /// How many deliveries were given up for good, by sink.
    pub(in crate::agent::connect) by_sink: BTreeMap<String, u64>,
    /// Whether there may be more.
    pub(in crate::agent::connect) more: bool,
}

/// Dead letters about events that came too long ago: an event that is replayed again and again has an end as well.
/// `SKIP LOCKED`: what is being replayed is no dead letter any more.
fn letters(held: Held) -> String {
    format!(
        "WITH old AS (
  SELECT outbox.position FROM tradewind_connect.outbox JOIN tradewind_connect.event AS e ON e.id = outbox.event
  WHERE outbox.channel = $1 AND outbox.state = 'Dead' AND e.received_at < now() - $2::text::interval AND NOT {}
  ORDER BY outbox.position LIMIT $3 FOR UPDATE OF outbox SKIP LOCKED)
DELETE FROM tradewind_connect.outbox AS outbox USING old WHERE outbox.position = old.position
RETURNING outbox.event, outbox.sink, outbox.subject",
        held.condition()
    )
}

/// Events that wait for a sink which is not among the open ones (`$4`). Only of lanes that nobody has claimed, and a lane
/// loses its lease with its events: a replica whose task does name the sink finds neither half done.
fn waiting(held: Held) -> String {
    format!(
        "WITH old AS (
  SELECT outbox.position, outbox.sink, outbox.subject
  FROM tradewind_connect.outbox JOIN tradewind_connect.event AS e ON e.id = outbox.event
  WHERE outbox.channel = $1 AND outbox.state = 'Pending' AND e.received_at < now() - $2::text::interval AND NOT {}
    AND outbox.sink = ANY (ARRAY(SELECT DISTINCT sink FROM tradewind_connect.lane WHERE channel = $1 AND sink <> ALL ($4)))
  ORDER BY outbox.position LIMIT $3
), lanes AS (
  SELECT lane.sink, lane.subject FROM tradewind_connect.lane AS lane
  WHERE lane.channel = $1 AND lane.ready_at <= now() AND (lane.sink, lane.subject) IN (SELECT sink, subject FROM old)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM tradewind_connect.outbox AS outbox USING old, lanes
WHERE outbox.position = old.position AND outbox.state = 'Pending'
  AND old.sink = lanes.sink AND old.subject = lanes.subject
RETURNING outbox.event, outbox.sink, outbox.subject",
        held.condition()
    )
}

/// What those lanes still owe, counted: a number that was wrong before is right then, and none gets below zero. A statement of
/// its own, which sees what the locked lanes have by now.
const LESS: &str = "
UPDATE tradewind_connect.lane AS lane SET lease = NULL, pending = (
  SELECT count(*) FROM tradewind_connect.outbox
  WHERE outbox.channel = $1 AND outbox.sink = lane.sink AND outbox.subject = lane.subject AND outbox.state = 'Pending')
FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::bytea[]) AS gone (sink, subject)) AS fewer
WHERE lane.channel = $1 AND lane.sink = fewer.sink AND lane.subject = fewer.subject";

/// Lanes that owe nothing, as they are dropped after a delivery.
const EMPTY: &str = "DELETE FROM tradewind_connect.lane AS lane
  WHERE channel = $1 AND sink <> ALL ($2) AND pending = 0 AND lease IS NULL AND NOT EXISTS (
    SELECT FROM tradewind_connect.outbox WHERE outbox.channel = $1 AND outbox.sink = lane.sink
      AND outbox.subject = lane.subject AND outbox.state = 'Pending')";

/// An outbox row that went: its event, sink and subject.
type Gone = (i64, String, Vec<u8>);

impl Store {
    /// Purges one batch of what nobody took, about events that came longer than `keep` ago (an ISO 8601 duration), unless a
    /// hold keeps them. One replica at a time; another's turn is no work for us.
    pub(in crate::agent::connect) async fn expire(
        &self,
        untaken: Untaken<'_>,
        keep: &str,
    ) -> Result<Expired, Unpurged> {
        let Some((mut transaction, held)) = self.turn().await? else {
            return Ok(Expired::default());
        };
        let sql = match untaken {
            Untaken::Dead => letters(held),
            Untaken::Waiting(_) => waiting(held),
        };
        let old = sqlx::query_as(AssertSqlSafe(sql));
        let old = old.bind(&self.channel).bind(keep).bind(BATCH);
        let old = match untaken {
            Untaken::Dead => old,
            Untaken::Waiting(open) => old.bind(open),
        };
        let gone: Vec<Gone> = old.fetch_all(&mut *transaction).await?;
        if let Untaken::Waiting(open) = untaken
            && !gone.is_empty()
        {
            let (sinks, subjects): (Vec<&str>, Vec<&[u8]>) = gone
                .iter()
                .map(|(_, sink, subject)| (sink.as_str(), subject.as_slice()))
                .unzip();
            let less = sqlx::query(LESS).bind(&self.channel);
            let less = less.bind(sinks).bind(subjects);
            less.execute(&mut *transaction).await?;
            let empty = sqlx::query(EMPTY).bind(&self.channel).bind(open);
            empty.execute(&mut *transaction).await?;
        }
        let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
        let mut expired = Expired {
            more: gone.len() >= batch,
            ..Expired::default()
        };
        let mut events = Vec::new();
        for (event, sink, _) in gone {
            events.push(event);
            *expired.by_sink.entry(sink).or_default() += 1;
        }
        Self::drop_events(&mut transaction, &events, held).await?;
        transaction.commit().await?;
        Ok(expired)
    }
}
