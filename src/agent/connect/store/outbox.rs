//! Delivering: claim lanes, read their heads, write what became of them.

use std::time::Duration;

use super::Store;

/// A claimed lane: for the lease's time nobody else works on its subject.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(in crate::agent::connect) struct Lane {
    /// The subject's hash.
    pub(in crate::agent::connect) subject: Vec<u8>,
    /// The claim's number; a lane claimed again has another.
    pub(in crate::agent::connect) lease: i64,
    /// Events that the sink was owed when the lane was claimed.
    pub(in crate::agent::connect) pending: i64,
}

/// The event at the head of a lane. Without `Debug`: its body is nobody's to print.
#[derive(sqlx::FromRow)]
pub(in crate::agent::connect) struct Head {
    /// Its place in the outbox.
    pub(in crate::agent::connect) position: i64,
    /// Attempts that failed so far.
    pub(in crate::agent::connect) attempts: i32,
    /// The `webhook-id`.
    pub(in crate::agent::connect) webhook_id: String,
    /// What is sent.
    pub(in crate::agent::connect) body: Vec<u8>,
    /// Whether its person opted out of what the sink is: it is not sent.
    pub(in crate::agent::connect) opted_out: bool,
}

/// What becomes of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent::connect) enum State {
    /// It stays the head; the next attempt comes later.
    Pending,
    /// The sink took it.
    Delivered,
    /// Given up until somebody replays it.
    Dead,
    /// Not sent, and never will be: its person opted out.
    OptedOut,
}

/// The result of one attempt, to be written.
#[derive(Clone, Debug)]
pub(in crate::agent::connect) struct Settlement {
    /// What becomes of the head.
    pub(in crate::agent::connect) state: State,
    /// What the sink said: an HTTP status or a word of ours.
    pub(in crate::agent::connect) answer: String,
    /// When the lane is free, for anybody, from now: the delay of a retry, or the rest of a lease.
    pub(in crate::agent::connect) free_in: Duration,
    /// Spreads `free_in` by up to half, so that retries do not come in herds.
    pub(in crate::agent::connect) jitter: bool,
    /// Whether the lane stays claimed by the same lease.
    pub(in crate::agent::connect) hold: bool,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Delivered => "Delivered",
            Self::Dead => "Dead",
            Self::OptedOut => "OptedOut",
        }
    }
}

impl Store {
    /// Claims at most `limit` lanes of `sink` that are free, the longest waiting first, for `lease`.
    pub(in crate::agent::connect) async fn claim(
        &self,
        sink: &str,
        limit: usize,
        lease: Duration,
    ) -> sqlx::Result<Vec<Lane>> {
        sqlx::query_as(
            "WITH free AS (
                 SELECT channel, sink, subject FROM tradewind_connect.lane
                 WHERE channel = $1 AND sink = $2 AND ready_at <= now() AND pending > 0
                 ORDER BY ready_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             UPDATE tradewind_connect.lane AS lane
             SET lease = nextval('tradewind_connect.lease'), ready_at = now() + $4 * interval '1 ms'
             FROM free
             WHERE lane.channel = free.channel AND lane.sink = free.sink AND lane.subject = free.subject
             RETURNING lane.subject, lane.lease, lane.pending",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(milliseconds(lease))
        .fetch_all(&self.delivery)
        .await
    }

    /// The first event that `sink` is owed about `subject`. A statement of its own, after the claim: the
    /// claim's own snapshot may be older than the result that freed the lane. It is also what asks whether the
    /// person opted out, where the sink is a sale or a sharing by the task (`sells`) or by a request: whoever
    /// opts somebody out waits for the lanes that were claimed by then, and any later look sees it. The hash is a query of
    /// its own: the planner would try the function for its estimate, and without a key that fails for every sink.
    pub(in crate::agent::connect) async fn head(
        &self,
        (sink, sells): (&str, bool),
        subject: &[u8],
    ) -> sqlx::Result<Option<Head>> {
        sqlx::query_as(
            "SELECT outbox.position, outbox.attempts, event.webhook_id, event.body,
               CASE WHEN $4 OR EXISTS (SELECT FROM tradewind_connect.opt_out_sink AS named
                                       WHERE named.channel = $1 AND named.sink = $2)
                    THEN (SELECT tradewind_connect.is_opted_out($1, $3)) ELSE false END AS opted_out
             FROM tradewind_connect.outbox JOIN tradewind_connect.event ON event.id = outbox.event
             WHERE outbox.channel = $1 AND outbox.sink = $2 AND outbox.subject = $3
               AND outbox.state = 'Pending'
             ORDER BY outbox.position LIMIT 1",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(subject)
        .bind(sells)
        .fetch_optional(&self.delivery)
        .await
    }

    /// Writes what became of a head. `false`: the lease was lost to another replica, nothing was written.
    /// One statement, so all or nothing; the lane is changed first, because its lease decides.
    pub(in crate::agent::connect) async fn settle(
        &self,
        sink: &str,
        lane: &Lane,
        position: i64,
        settlement: &Settlement,
    ) -> sqlx::Result<bool> {
        let left: Option<i64> = sqlx::query_scalar(
            "WITH mine AS (
                 UPDATE tradewind_connect.lane
                 SET pending = pending - $6,
                     ready_at = now() + $7 * (CASE WHEN $8 THEN 0.5 + random() / 2 ELSE 1 END) * interval '1 ms',
                     lease = CASE WHEN $9 THEN lease END
                 WHERE channel = $1 AND sink = $2 AND subject = $3 AND lease = $4
                   AND EXISTS (SELECT FROM tradewind_connect.outbox WHERE position = $5 AND state = 'Pending')
                 RETURNING pending),
             moved AS (
                 UPDATE tradewind_connect.outbox
                 SET state = $10, attempts = attempts + CASE WHEN $10 = 'OptedOut' THEN 0 ELSE 1 END, answer = $11, at = now()
                 WHERE position = $5 AND EXISTS (SELECT FROM mine))
             SELECT pending FROM mine",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(&lane.subject)
        .bind(lane.lease)
        .bind(position)
        .bind(i64::from(settlement.state != State::Pending))
        .bind(milliseconds(settlement.free_in))
        .bind(settlement.jitter)
        .bind(settlement.hold)
        .bind(settlement.state.as_str())
        .bind(&settlement.answer)
        .fetch_optional(&self.delivery)
        .await?;
        if left == Some(0) {
            self.drop_lane(sink, &lane.subject).await?;
        }
        Ok(left.is_some())
    }

    /// Gives a lane back untouched, for anybody to claim at once.
    pub(in crate::agent::connect) async fn release(
        &self,
        sink: &str,
        lane: &Lane,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE tradewind_connect.lane SET lease = NULL, ready_at = now()
             WHERE channel = $1 AND sink = $2 AND subject = $3 AND lease = $4",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(&lane.subject)
        .bind(lane.lease)
        .execute(&self.delivery)
        .await?;
        Ok(())
    }

    /// Removes a lane that owes nothing. An event that is being stored for it meanwhile makes it stay.
    async fn drop_lane(&self, sink: &str, subject: &[u8]) -> sqlx::Result<()> {
        sqlx::query(
            "DELETE FROM tradewind_connect.lane
             WHERE channel = $1 AND sink = $2 AND subject = $3 AND pending = 0",
        )
        .bind(&self.channel)
        .bind(sink)
        .bind(subject)
        .execute(&self.delivery)
        .await?;
        Ok(())
    }
}

/// As a float, which PostgreSQL multiplies with an interval.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
