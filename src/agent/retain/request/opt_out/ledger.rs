//! The rows of opt-outs in a connector's own schema.
//!
//! In: a session, hashes. Out: rows in force from their commit, and whether attempts that had begun before have ended.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::super::fault::Fault;
use super::super::super::store::{MOMENT, Purpose, Store};
use super::super::connector::{self, Lack};
use super::super::error::{Error as RequestError, failed};
use super::{Error, Known};
use crate::contract::OptedOut;

/// What each table needs.
const NEEDED: &str = "
SELECT n.oid IS NOT NULL AND count(c.oid) = 4,
  coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AND coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
    AND (c.relname IN ('lane', 'opt_out_key') OR has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'DELETE'))
    AND (c.relname <> 'opt_out_sink' OR has_table_privilege(c.oid, 'UPDATE'))), false),
  quote_ident(current_user)
FROM (SELECT 1) AS one LEFT JOIN pg_namespace AS n ON n.nspname = 'tradewind_connect'
LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname IN ('lane', 'opt_out', 'opt_out_key', 'opt_out_sink')
GROUP BY n.oid";

/// An attempt that had begun before it was looked: its lane, its claim and until when that holds.
pub(super) type Attempt = (String, String, Vec<u8>, i64, String);

/// Whether the store has the tables and a key, and the role may use them.
pub(super) async fn is_prepared(store: &mut Store) -> Result<(), RequestError> {
    let lack = connector::lack(store, NEEDED, "look for the tables of opt-outs").await?;
    let store = store.name.clone();
    let error = match lack {
        None => return Ok(()),
        Some(Lack::Tables) => Error::Unprepared { store },
        Some(Lack::Rights(role)) => {
            let sql = format!(
                "GRANT USAGE ON SCHEMA tradewind_connect TO {role}; \
                     GRANT SELECT ON tradewind_connect.lane, tradewind_connect.opt_out_key TO {role}; \
                     GRANT SELECT, INSERT, UPDATE, DELETE ON tradewind_connect.opt_out, tradewind_connect.opt_out_sink TO {role};"
            );
            Error::Grants { store, sql }
        }
        Some(Lack::Key) => Error::NoKey { store },
    };
    Err(error.into())
}

/// Writes the opt-out of a person at a channel. Again is no mistake; for somebody else it is.
pub(super) async fn write(
    store: &mut Store,
    known: &Known<'_>,
    reference: &str,
) -> Result<(), RequestError> {
    if known.subjects.is_empty() {
        return Ok(());
    }
    let failed = failed(store);
    let doing = Fault::of("write the opt-out");
    let begun = store.begin_snapshot(Purpose::Write).await;
    let mut transaction = begun.map_err(&failed)?;
    let channel = known.channel.channel.as_str();
    let others: Result<bool, _> = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM tradewind_connect.opt_out AS opted
           WHERE opted.request = $1 AND opted.channel = $2 AND NOT EXISTS (
             SELECT FROM unnest($3::bytea[]) AS subject WHERE tradewind_connect.opted_out_as(subject) = opted.person))",
    )
    .bind(reference)
    .bind(channel)
    .bind(&known.subjects)
    .fetch_one(&mut *transaction)
    .await;
    if others.map_err(&doing).map_err(&failed)? {
        return Err(RequestError::ReferenceReused);
    }
    let written = sqlx::query(
        "INSERT INTO tradewind_connect.opt_out (channel, person, request)
         SELECT $1, tradewind_connect.opted_out_as(subject), $2 FROM unnest($3::bytea[]) AS subject ON CONFLICT DO NOTHING",
    )
    .bind(channel)
    .bind(reference)
    .bind(&known.subjects)
    .execute(&mut *transaction)
    .await;
    written.map_err(&doing).map_err(&failed)?;
    let named = sqlx::query(
        "INSERT INTO tradewind_connect.opt_out_sink (channel, sink, request)
         SELECT $1, sink, $2 FROM unnest($3::text[]) AS sink ON CONFLICT DO NOTHING",
    )
    .bind(channel)
    .bind(reference)
    .bind(&known.channel.sinks)
    .execute(&mut *transaction)
    .await;
    named.map_err(&doing).map_err(&failed)?;
    transaction.commit().await.map_err(doing).map_err(failed)
}

/// Attempts to deliver to the sinks about the person, by the claims on their lanes. An attempt never outlasts its claim,
/// and whoever ends one writes another end to its claim; so one that is not among a later answer has ended.
pub(super) async fn under_way(
    store: &mut Store,
    known: &[Known<'_>],
) -> Result<Vec<Attempt>, RequestError> {
    let failed = failed(store);
    let mut all = Vec::new();
    for one in known {
        let found = sqlx::query_as(
            "SELECT lane.channel, lane.sink, lane.subject, lane.lease, lane.ready_at::text FROM tradewind_connect.lane
             WHERE lane.channel = $1 AND lane.sink = ANY($2)
               AND lane.subject = ANY (ARRAY(SELECT tradewind_connect.lane_subject(subject) FROM unnest($3::bytea[]) AS subject))
               AND lane.lease IS NOT NULL AND lane.ready_at > clock_timestamp()",
        )
        .bind(&one.channel.channel)
        .bind(&one.channel.sinks)
        .bind(&one.subjects)
        .fetch_all(&mut store.connection)
        .await;
        let found: Vec<Attempt> = found
            .map_err(Fault::of("look for deliveries under way"))
            .map_err(&failed)?;
        all.extend(found);
    }
    Ok(all)
}

/// Notes since when it is in force, and reads all of it again from a fresh snapshot.
pub(super) async fn verify(
    store: &mut Store,
    known: &Known<'_>,
    reference: &str,
) -> Result<OptedOut, RequestError> {
    let failed = failed(store);
    let channel = known.channel;
    let mut told = OptedOut {
        store: store.name.clone(),
        channel: channel.channel.clone(),
        sinks: channel.sinks.clone(),
        ..OptedOut::default()
    };
    if known.subjects.is_empty() {
        return Ok(told);
    }
    let noted = sqlx::query(
        "UPDATE tradewind_connect.opt_out_sink SET in_force_since = clock_timestamp()
         WHERE channel = $1 AND request = $2 AND in_force_since IS NULL",
    )
    .bind(&channel.channel)
    .bind(reference)
    .execute(&mut store.connection)
    .await;
    noted
        .map_err(Fault::of("note since when the opt-out is in force"))
        .map_err(&failed)?;
    let begun = store.begin_snapshot(Purpose::Read).await;
    let mut snapshot = begun.map_err(&failed)?;
    let read = read(&mut snapshot, known, reference).await;
    let (persons, sinks, since) = read
        .map_err(Fault::of("read the opt-out again"))
        .map_err(failed)?;
    drop(snapshot);
    let wanted = [known.subjects.len(), channel.sinks.len()];
    if [persons, sinks].map(|count| usize::try_from(count).ok()) != wanted.map(Some) {
        let store = store.name.clone();
        return Err(Error::Vanished { store }.into());
    }
    told.subjects = persons.into();
    told.in_force_since = since;
    Ok(told)
}

/// The person's rows, the sinks' rows, and since when the last of these is in force.
async fn read(
    connection: &mut PgConnection,
    known: &Known<'_>,
    reference: &str,
) -> sqlx::Result<(i64, i64, Option<String>)> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM tradewind_connect.opt_out AS opted WHERE opted.channel = $1 AND opted.request = $2
                   AND opted.person IN (SELECT tradewind_connect.opted_out_as(subject) FROM unnest($3::bytea[]) AS subject)),
                count(*), to_char(max(in_force_since) AT TIME ZONE 'UTC', {MOMENT})
         FROM tradewind_connect.opt_out_sink AS named
         WHERE named.channel = $1 AND named.request = $2 AND named.sink = ANY($4) AND named.in_force_since IS NOT NULL"
    );
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(&known.channel.channel)
        .bind(reference)
        .bind(&known.subjects)
        .bind(&known.channel.sinks)
        .fetch_one(connection)
        .await
}

/// Takes the request's rows away, of whatever channels: its name is enough, as nobody else has it. Answers how many values of a
/// person went, by channel.
pub(super) async fn lift(
    store: &mut Store,
    reference: &str,
) -> Result<BTreeMap<String, i64>, RequestError> {
    let failed = failed(store);
    let rows: Result<Vec<(String, i64)>, _> = sqlx::query_as(
        "WITH gone AS (DELETE FROM tradewind_connect.opt_out WHERE request = $1 RETURNING channel),
           unnamed AS (DELETE FROM tradewind_connect.opt_out_sink WHERE request = $1)
         SELECT channel, count(*) FROM gone GROUP BY channel",
    )
    .bind(reference)
    .fetch_all(&mut store.connection)
    .await;
    let rows = rows
        .map_err(Fault::of("lift the opt-out"))
        .map_err(failed)?;
    Ok(rows.into_iter().collect())
}

/// Whether the store has opt-outs at all.
pub(super) async fn is_there(store: &mut Store) -> Result<bool, RequestError> {
    let sql = "SELECT to_regclass('tradewind_connect.opt_out') IS NOT NULL";
    let row = sqlx::query_scalar(sql)
        .fetch_one(&mut store.connection)
        .await;
    row.map_err(Fault::of("look for the tables of opt-outs"))
        .map_err(failed(store))
}
