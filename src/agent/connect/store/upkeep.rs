//! Looking after the store: figures, purge, replay of dead letters.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

use super::Store;
use super::held::{Held, Unpurged};

/// Rows that one transaction deletes or revives: short locks, bounded work.
pub(super) const BATCH: i64 = 1000;

/// How long a key is remembered at least: the longest that a platform is known to retry (WhatsApp, seven
/// days) and one more. Only the hash stays that long, never the event.
const REMEMBERED: &str = "P8D";

/// The database's clock, in microseconds since 1970, and whether it is this replica that purges until the transaction ends.
const TURN: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    pg_try_advisory_xact_lock(hashtextextended('tradewind_connect ' || $1, 0))";

/// What one sink is owed.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub(in crate::agent::connect) struct Backlog {
    /// The sink.
    pub(in crate::agent::connect) sink: String,
    /// Events that wait for it.
    pub(in crate::agent::connect) pending: i64,
    /// Age of the first of them, in seconds; 0 when none waits.
    pub(in crate::agent::connect) oldest_seconds: f64,
    /// Events that were given up.
    pub(in crate::agent::connect) dead: i64,
}

impl Store {
    /// What each sink is owed, also sinks that the task no longer names. Fails when the store is away.
    pub(in crate::agent::connect) async fn backlog(&self) -> sqlx::Result<Vec<Backlog>> {
        sqlx::query_as(
            "SELECT sink, sum(pending)::bigint AS pending, sum(dead)::bigint AS dead,
                    coalesce((SELECT extract(epoch FROM now() - event.received_at)::float8
                              FROM tradewind_connect.outbox JOIN tradewind_connect.event ON event.id = outbox.event
                              WHERE outbox.channel = $1 AND outbox.sink = owed.sink AND outbox.state = 'Pending'
                              ORDER BY outbox.position LIMIT 1), 0) AS oldest_seconds
             FROM (SELECT sink, pending, 0 AS dead FROM tradewind_connect.lane WHERE channel = $1
                   UNION ALL
                   SELECT sink, 0, count(*) FROM tradewind_connect.outbox
                   WHERE channel = $1 AND state = 'Dead' GROUP BY sink) AS owed
             GROUP BY sink",
        )
        .bind(&self.channel)
        .fetch_all(&self.delivery)
        .await
    }

    /// Deletes one batch of what was delivered, or withheld, longer than `keep` ago (an ISO 8601 duration), unless a hold keeps
    /// it. `true`: there may be more. One replica at a time; another's turn is no work for us.
    pub(in crate::agent::connect) async fn purge(&self, keep: &str) -> Result<bool, Unpurged> {
        let Some((mut transaction, held)) = self.turn().await? else {
            return Ok(false);
        };
        let old = |state: &str| {
            format!(
                "(SELECT o.position FROM tradewind_connect.outbox AS o
                  WHERE o.channel = $1 AND o.state = '{state}' AND o.at < now() - $2::text::interval
                    AND NOT EXISTS (SELECT FROM tradewind_connect.event AS e WHERE e.id = o.event AND {})
                  ORDER BY o.at LIMIT $3)",
                held.condition()
            )
        };
        let sql = format!(
            "DELETE FROM tradewind_connect.outbox WHERE position IN ({} UNION ALL {}) RETURNING event",
            old("Delivered"),
            old("OptedOut")
        );
        let events: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&self.channel)
            .bind(keep)
            .bind(BATCH)
            .fetch_all(&mut *transaction)
            .await?;
        Self::drop_events(&mut transaction, &events, held).await?;
        let forgotten = sqlx::query(
            "DELETE FROM tradewind_connect.seen WHERE channel = $1 AND key IN (
                 SELECT key FROM tradewind_connect.seen
                 WHERE channel = $1 AND at < now() - greatest($2::text::interval, $4::text::interval)
                 ORDER BY at LIMIT $3)",
        )
        .bind(&self.channel)
        .bind(keep)
        .bind(BATCH)
        .bind(REMEMBERED)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
        Ok(events.len() >= batch || forgotten == BATCH.unsigned_abs())
    }

    /// A transaction of whoever purges now, and what it must spare; none while another replica purges, or a hold keeps all. Where
    /// the list of holds is too old, each replica says so: what the hub holds meanwhile is not in this database yet.
    pub(super) async fn turn(
        &self,
    ) -> Result<Option<(Transaction<'static, Postgres>, Held)>, Unpurged> {
        let mut transaction = self.delivery.begin().await?;
        let turn = sqlx::query_as(TURN).bind(&self.channel);
        let (micros, mine): (i64, bool) = turn.fetch_one(&mut *transaction).await?;
        if let Some(list) = &self.hold_list {
            // By a clock of no year that there is, no list is young.
            let now = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN);
            list.judge(now).map_err(|seen| Unpurged::Stale {
                seen,
                max_age: list.told.clone(),
            })?;
        }
        if !mine {
            return Ok(None);
        }
        let held = Held::locked(&mut transaction).await?;
        Ok((held != Held::All).then_some((transaction, held)))
    }

    /// Drops those of these events that no sink is owed any more. Not in one statement with what took them out of the
    /// outbox: it would still see the rows that are gone.
    pub(super) async fn drop_events(
        connection: &mut PgConnection,
        events: &[i64],
        held: Held,
    ) -> sqlx::Result<()> {
        let sql = format!(
            "DELETE FROM tradewind_connect.event AS e WHERE e.id = ANY($1) AND NOT {}
             AND NOT EXISTS (SELECT FROM tradewind_connect.outbox WHERE outbox.event = e.id)",
            held.condition()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(events)
            .execute(connection)
            .await
            .map(drop)
    }

    /// Puts one batch of dead letters, of one sink or of all, behind what their subjects wait for. Returns
    /// how many; 0 when none is left.
    pub(in crate::agent::connect) async fn replay(&self, sink: Option<&str>) -> sqlx::Result<u64> {
        let mut transaction = self.delivery.begin().await?;
        // Locked, so that two replays do not count the same letters into the lanes twice.
        let letters: Vec<i64> = sqlx::query_scalar(
            "SELECT position FROM tradewind_connect.outbox
             WHERE channel = $1 AND state = 'Dead' AND ($2::text IS NULL OR sink = $2)
             ORDER BY position LIMIT $3 FOR UPDATE SKIP LOCKED",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO tradewind_connect.lane AS lane (channel, sink, subject, pending)
             SELECT channel, sink, subject, count(*) FROM tradewind_connect.outbox
             WHERE position = ANY($1) GROUP BY channel, sink, subject ORDER BY sink, subject
             ON CONFLICT (channel, sink, subject) DO UPDATE SET pending = lane.pending + excluded.pending",
        )
        .bind(&letters)
        .execute(&mut *transaction)
        .await?;
        // A new position, given while the lane is locked: an old one could overtake what is in flight.
        let revived = sqlx::query(
            "UPDATE tradewind_connect.outbox
             SET state = 'Pending', attempts = 0, at = now(), position = new.position
             FROM (SELECT old, nextval(pg_get_serial_sequence('tradewind_connect.outbox', 'position')) AS position
                   FROM unnest($1::bigint[]) WITH ORDINALITY AS letter (old, n) ORDER BY n) AS new
             WHERE outbox.position = new.old",
        )
        .bind(&letters)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(revived)
    }
}
