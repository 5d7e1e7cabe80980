//! The statements over a connector's own tables: events, what sinks are owed of them, lanes, and the book of erasures.
//!
//! In: a session, subjects by their keyed hashes. Out: batches, each one transaction with its line in the book.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::super::super::fault::Fault;
use super::super::super::fence;
use super::super::super::holds;
use super::super::super::store::{MOMENT, Purpose, Store};
use super::super::connector::{self, Lack};
use super::super::error::{Error as RequestError, failed};
use super::super::suppress::Suppression;
use super::{Error, Noted, Target};
use crate::agent::blur::{Blur, Seed};
use crate::agent::connect::HELD;

/// Most events that one transaction takes.
const BATCH: i64 = 500;

/// What a batch begins with, each time: behind a pooler no session setting outlasts a transaction. Each statement sees what has
/// been committed by then: the first waits for locks.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off; SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '1min';
SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = error";

/// What each table needs.
const NEEDED: &str = "
SELECT n.oid IS NOT NULL AND count(c.oid) = 5,
  coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AND coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
    AND (c.relname NOT IN ('event', 'outbox', 'lane') OR has_table_privilege(c.oid, 'DELETE'))
    AND (c.relname <> 'erasure' OR has_table_privilege(c.oid, 'INSERT'))
    AND (c.relname NOT IN ('erasure', 'lane') OR has_table_privilege(c.oid, 'UPDATE'))), false),
  quote_ident(current_user)
FROM (SELECT 1) AS one LEFT JOIN pg_namespace AS n ON n.nspname = 'tradewind_connect'
LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname IN ('event', 'outbox', 'lane', 'opt_out_key', 'erasure')
GROUP BY n.oid";

/// The lanes are locked in the order of a connector that takes events in; then nothing is claimed and nothing settled. Until when an
/// attempt of now may be under way is noted.
const LANES: &str = "
WITH lanes AS (
  SELECT lane.lease, lane.ready_at FROM tradewind_connect.lane AS lane
  WHERE lane.channel = $1 AND lane.subject = ANY ($2) ORDER BY lane.sink, lane.subject FOR UPDATE)
UPDATE tradewind_connect.erasure AS book SET clear_at = greatest(book.clear_at,
  (SELECT max(ready_at) FROM lanes WHERE lease IS NOT NULL AND ready_at > clock_timestamp()))
WHERE book.run = $3 AND book.channel = $1";

/// What sinks are owed of events goes.
const OUTBOX: &str = "
DELETE FROM tradewind_connect.outbox AS o WHERE o.event = ANY ($1) RETURNING o.channel, o.sink, o.subject, o.state = 'Pending'";

/// What the lanes where some of it waited owe yet, counted: a number that was wrong before is right then, and none gets below
/// zero. A statement of its own, which sees what a replay has written meanwhile. A lane loses its lease: whoever has it finds no
/// head any more, and may not write its result.
const LESS: &str = "
UPDATE tradewind_connect.lane AS lane SET lease = NULL, pending = (
  SELECT count(*) FROM tradewind_connect.outbox AS o
  WHERE o.channel = lane.channel AND o.sink = lane.sink AND o.subject = lane.subject AND o.state = 'Pending')
FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS gone (channel, sink, subject)) AS fewer
WHERE lane.channel = fewer.channel AND lane.sink = fewer.sink AND lane.subject = fewer.subject";

/// Whether the store has the tables and a key, and the role may use them.
pub(super) async fn is_prepared(store: &mut Store) -> Result<(), RequestError> {
    let lack = connector::lack(store, NEEDED, "look for the tables of events").await?;
    let store = store.name.clone();
    let error = match lack {
        None => return Ok(()),
        Some(Lack::Tables) => Error::Unprepared { store },
        Some(Lack::Rights(role)) => {
            let sql = format!(
                "GRANT USAGE ON SCHEMA tradewind_connect TO {role}; GRANT SELECT ON tradewind_connect.opt_out_key TO {role}; \
                     GRANT SELECT, DELETE ON tradewind_connect.event, tradewind_connect.outbox TO {role}; \
                     GRANT SELECT, UPDATE, DELETE ON tradewind_connect.lane TO {role}; \
                     GRANT SELECT, INSERT, UPDATE ON tradewind_connect.erasure TO {role};"
            );
            Error::Grants { store, sql }
        }
        Some(Lack::Key) => Error::NoKey { store },
    };
    Err(error.into())
}

/// What the store calls these subjects.
pub(super) async fn named(
    store: &mut Store,
    subjects: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, RequestError> {
    let sql = "SELECT tradewind_connect.lane_subject(subject) FROM unnest($1::bytea[]) AS subject";
    let query = sqlx::query_scalar(sql).bind(subjects);
    let named = query.fetch_all(&mut store.connection).await;
    named
        .map_err(Fault::of("name the person's events"))
        .map_err(failed(store))
}

/// The key of a store's subjects, by what tells it from others: the number before each hash, and a hash of the key.
pub(super) async fn key(store: &mut Store) -> Result<(i32, String), RequestError> {
    let sql = "SELECT number, encode(sha256('tradewind subjects'::bytea || inner_pad || outer_pad), 'hex')
        FROM tradewind_connect.opt_out_key";
    let row = sqlx::query_as(sql).fetch_one(&mut store.connection).await;
    row.map_err(Fault::of("tell the key of subjects"))
        .map_err(failed(store))
}

/// Opens the book of a run and a channel; what was seen before is seen anew.
pub(super) async fn begin(
    store: &mut Store,
    (run, channel): (&str, &str),
    bound: u32,
) -> Result<(), RequestError> {
    let sql = "INSERT INTO tradewind_connect.erasure (run, channel, bound) VALUES ($1, $2, $3)
        ON CONFLICT (run, channel) DO UPDATE SET held = 0, remaining = 0, late = 0, looked = false";
    let bound = i32::try_from(bound).unwrap_or(i32::MAX);
    let query = sqlx::query(sql).bind(run).bind(channel).bind(bound);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("open the book of events"))
        .map_err(failed(store))
}

/// Whether there are events of a channel, or a run has come to it before.
pub(super) async fn is_any(
    store: &mut Store,
    (run, channel): (&str, &str),
) -> Result<bool, RequestError> {
    let sql = "SELECT EXISTS (SELECT FROM tradewind_connect.event WHERE channel = $2)
        OR EXISTS (SELECT FROM tradewind_connect.erasure WHERE run = $1 AND channel = $2)";
    let query = sqlx::query(sql).bind(run).bind(channel);
    let row = query.fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("look for a channel's events"))
        .map_err(failed(store))
}

/// Takes one batch, if no hold keeps it; answers whether there may be more.
pub(super) async fn batch(store: &mut Store, target: &Target<'_>) -> Result<bool, RequestError> {
    let failed = failed(store);
    let doing = Fault::of("erase the person's events");
    let begun = store.connection.begin_with(BEGIN).await;
    let mut transaction = begun.map_err(&doing).map_err(&failed)?;
    // In the batch's own transaction: books, and a hold in them, may have come since the last.
    let held = held(&mut transaction).await.map_err(&failed)?;
    if held != "false" {
        // A hold that is being opened waits, or is waited for.
        let locked = fence::lock_holds(&mut transaction).await;
        locked.map_err(&failed)?;
    }
    let taken = taken(&mut transaction, target, held).await;
    let taken = taken.map_err(&doing).map_err(&failed)?;
    let committed = transaction.commit().await;
    committed.map_err(doing).map_err(failed)?;
    Ok(taken >= BATCH)
}

async fn taken(
    connection: &mut PgConnection,
    target: &Target<'_>,
    held: &str,
) -> sqlx::Result<i64> {
    let lanes = sqlx::query(LANES).bind(target.channel);
    let lanes = lanes.bind(&target.subjects).bind(target.run);
    lanes.execute(&mut *connection).await?;
    let sql = format!(
        "SELECT e.id FROM tradewind_connect.event AS e WHERE e.channel = $1 AND e.subject = ANY ($2)
           AND e.received_at <= $3::text::timestamptz AND NOT {held} ORDER BY e.id LIMIT {BATCH}"
    );
    let events: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(target.channel)
        .bind(&target.subjects)
        .bind(target.until.to_string())
        .fetch_all(&mut *connection)
        .await?;
    no_longer_owed(connection, &events).await?;
    let sql = "DELETE FROM tradewind_connect.lane WHERE channel = $1 AND subject = ANY ($2) AND pending = 0";
    let empty = sqlx::query(sql).bind(target.channel).bind(&target.subjects);
    empty.execute(&mut *connection).await?;
    // Not in one statement with what took them out of the outbox: the foreign key would still see that.
    let sql = "DELETE FROM tradewind_connect.event WHERE id = ANY ($1)";
    let gone = sqlx::query(sql).bind(&events);
    let gone = gone.execute(&mut *connection).await?.rows_affected();
    let sql =
        "UPDATE tradewind_connect.erasure SET erased = erased + $3 WHERE run = $1 AND channel = $2";
    let book = sqlx::query(sql).bind(target.run).bind(target.channel);
    let book = book.bind(i64::try_from(gone).unwrap_or(i64::MAX));
    book.execute(connection).await?;
    Ok(i64::try_from(events.len()).unwrap_or(BATCH))
}

/// Takes events out of the outbox and off the lanes.
async fn no_longer_owed(connection: &mut PgConnection, events: &[i64]) -> sqlx::Result<()> {
    let gone: Vec<(String, String, Vec<u8>, bool)> = sqlx::query_as(OUTBOX)
        .bind(events)
        .fetch_all(&mut *connection)
        .await?;
    let (mut channels, mut sinks, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
    for (channel, sink, subject, has_waited) in gone {
        if has_waited {
            channels.push(channel);
            sinks.push(sink);
            subjects.push(subject);
        }
    }
    let less = sqlx::query(LESS).bind(channels).bind(sinks).bind(subjects);
    less.execute(connection).await.map(drop)
}

/// The condition by which holds keep events: none where the database has no books of holds.
async fn held(connection: &mut PgConnection) -> Result<&'static str, Fault> {
    let is_there = holds::is_there(connection).await?;
    Ok(if is_there { HELD } else { "false" })
}

/// Whether an attempt that had begun before may still deliver one of them. A claim that was taken away has an end.
pub(super) async fn is_under_way(
    store: &mut Store,
    target: &Target<'_>,
) -> Result<bool, RequestError> {
    let sql = "SELECT clear_at > clock_timestamp() FROM tradewind_connect.erasure WHERE run = $1 AND channel = $2";
    let query = sqlx::query(sql).bind(target.run).bind(target.channel);
    let row = query.fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("look for deliveries under way"))
        .map_err(failed(store))
}

/// Counts from a fresh snapshot what is there yet, and notes it.
pub(super) async fn look(store: &mut Store, target: &Target<'_>) -> Result<(), RequestError> {
    let failed = failed(store);
    let doing = Fault::of("look for the person's events again");
    let begun = store.begin_snapshot(Purpose::Read).await;
    let mut snapshot = begun.map_err(&failed)?;
    let held = held(&mut snapshot).await.map_err(&failed)?;
    let sql = format!(
        "SELECT count(*) FILTER (WHERE is_old AND is_held), count(*) FILTER (WHERE is_old AND NOT is_held),
           count(*) FILTER (WHERE NOT is_old)
         FROM (SELECT e.received_at <= $3::text::timestamptz AS is_old, {held} AS is_held
               FROM tradewind_connect.event AS e WHERE e.channel = $1 AND e.subject = ANY ($2)) AS found"
    );
    let found = sqlx::query_as(AssertSqlSafe(sql))
        .bind(target.channel)
        .bind(&target.subjects)
        .bind(target.until.to_string())
        .fetch_one(&mut *snapshot)
        .await;
    let found: (i64, i64, i64) = found.map_err(&doing).map_err(&failed)?;
    drop(snapshot);
    let sql = "UPDATE tradewind_connect.erasure SET held = held + $3, remaining = remaining + $4, late = late + $5, looked = true
        WHERE run = $1 AND channel = $2";
    let query = sqlx::query(sql).bind(target.run).bind(target.channel);
    let query = query.bind(found.0).bind(found.1).bind(found.2);
    let done = query.execute(&mut store.connection).await;
    done.map(drop).map_err(doing).map_err(failed)
}

/// What the book has of a run.
pub(super) async fn read(store: &mut Store, run: &str) -> Result<Vec<Noted>, RequestError> {
    let sql = "SELECT channel, erased, held, remaining, late, looked, bound, salt FROM tradewind_connect.erasure
        WHERE run = $1 ORDER BY channel";
    let doing = Fault::of("read the book of events");
    let rows = sqlx::query(sql)
        .bind(run)
        .fetch_all(&mut store.connection)
        .await;
    let read = |row: &sqlx::postgres::PgRow| {
        let bound: i32 = row.try_get(6)?;
        let salt: Vec<u8> = row.try_get(7)?;
        let seed = salt.try_into().map(Seed);
        let seed = seed.map_err(|_| sqlx::Error::Decode("a salt has 32 bytes".into()))?;
        let bound = u32::try_from(bound).unwrap_or(1);
        Ok(Noted {
            channel: row.try_get(0)?,
            erased: row.try_get(1)?,
            held: row.try_get(2)?,
            remaining: row.try_get(3)?,
            late: row.try_get(4)?,
            has_looked: row.try_get(5)?,
            blur: Blur { bound, seed },
        })
    };
    rows.and_then(|rows| rows.iter().map(read).collect())
        .map_err(doing)
        .map_err(failed(store))
}

impl Suppression {
    /// Notes whose events a request erases, before the first goes.
    pub(super) async fn note_subjects(
        &mut self,
        (reference, store, channel): (&str, &str, &str),
        (subjects, key): (&[Vec<u8>], &str),
        at: Timestamp,
    ) -> Result<(), RequestError> {
        let sql = "INSERT INTO tradewind.suppressed_subject AS s (region, reference, store, channel, subject, erased_at, key_id)
            SELECT $1, $2, $3, $4, subject, $6::text::timestamptz, $7 FROM unnest($5::bytea[]) AS subject
            ON CONFLICT (region, reference, store, channel, subject)
            DO UPDATE SET erased_at = greatest(s.erased_at, excluded.erased_at), key_id = excluded.key_id";
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(reference).bind(store).bind(channel);
        let query = query.bind(subjects).bind(at.to_string()).bind(key);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("suppress the person's events"))
            .map_err(failed(&self.store))
    }

    /// Whether somebody's events were erased from a store under another key than it has now: nobody is found by these.
    pub(super) async fn has_other_key(
        &mut self,
        store: &str,
        (number, key): &(i32, String),
    ) -> Result<bool, RequestError> {
        let sql = "SELECT EXISTS (SELECT FROM tradewind.suppressed_subject WHERE region = $1 AND store = $2 AND (key_id <> $3
            OR key_id IS NULL AND octet_length(subject) = 33 AND get_byte(subject, 0) <> $4))";
        let query = sqlx::query(sql).bind(self.region().to_owned());
        let query = query.bind(store).bind(key).bind(number);
        let row = query.fetch_one(&mut self.store.connection).await;
        row.and_then(|row| row.try_get(0))
            .map_err(Fault::of("read whose events were erased"))
            .map_err(failed(&self.store))
    }

    /// The stores and channels from which a request may have erased events.
    pub(super) async fn channels(
        &mut self,
        reference: &str,
    ) -> Result<Vec<(String, String)>, RequestError> {
        let sql = "SELECT DISTINCT store, channel FROM tradewind.suppressed_subject WHERE region = $1 AND reference = $2";
        let query = sqlx::query_as(sql).bind(self.region().to_owned());
        let rows = query.bind(reference);
        let rows = rows.fetch_all(&mut self.store.connection).await;
        rows.map_err(Fault::of("read where events were erased"))
            .map_err(failed(&self.store))
    }

    /// Whose events were erased from a store, by whatever requests: channel, subject and when last.
    pub(super) async fn subjects(
        &mut self,
        store: &str,
    ) -> Result<Vec<(String, Vec<u8>, Timestamp)>, RequestError> {
        let sql = format!(
            "SELECT channel, subject, to_char(max(erased_at) AT TIME ZONE 'UTC', {MOMENT}) FROM tradewind.suppressed_subject
             WHERE region = $1 AND store = $2 GROUP BY channel, subject"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.region().to_owned());
        let rows = query
            .bind(store)
            .fetch_all(&mut self.store.connection)
            .await;
        let read = |row: &sqlx::postgres::PgRow| {
            let moment: String = row.try_get(2)?;
            let moment = moment
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((row.try_get(0)?, row.try_get(1)?, moment))
        };
        rows.and_then(|rows| rows.iter().map(read).collect())
            .map_err(Fault::of("read whose events were erased"))
            .map_err(failed(&self.store))
    }
}
