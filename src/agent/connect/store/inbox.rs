//! Taking events in: all of a webhook or nothing, each event once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Store;
use crate::agent::connect::envelope::Sealed;
use crate::agent::connect::normalise::Name;

/// An event that was never seen.
struct New<'a> {
    event: &'a Sealed,
    /// Its subject as the lanes have it.
    subject: &'a [u8],
}

impl Store {
    /// Stores those of `events` that were never seen, owed to each of `sinks`, and returns their keys.
    /// When this returns, they survive everything that the database survives.
    pub(in crate::agent::connect) async fn accept(
        &self,
        events: &[Sealed],
        sinks: &[String],
    ) -> sqlx::Result<HashSet<Name>> {
        let mut transaction = self.intake.begin().await?;
        let keys: Vec<&[u8]> = events.iter().map(|event| event.key.as_slice()).collect();
        let subjects: Vec<&[u8]> = events
            .iter()
            .map(|event| event.subject.as_slice())
            .collect();
        // A webhook that is being stored by another replica right now is waited for here: it counts as
        // seen only once it is safe. Sorted, so that two bodies never wait for each other. The subjects are called by
        // the store's key once, for all that is written: lanes and events must not differ by a key that comes meanwhile.
        let fresh: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "WITH fresh AS (
                 INSERT INTO tradewind_connect.seen (channel, key)
                 SELECT $1, key FROM unnest($2::bytea[]) AS key ORDER BY key
                 ON CONFLICT DO NOTHING RETURNING key)
             SELECT fresh.key, tradewind_connect.lane_subject(given.subject)
             FROM fresh JOIN unnest($2::bytea[], $3::bytea[]) AS given (key, subject) USING (key)",
        )
        .bind(&self.channel)
        .bind(&keys)
        .bind(&subjects)
        .fetch_all(&mut *transaction)
        .await?;
        let fresh: HashMap<Name, Vec<u8>> = fresh
            .into_iter()
            .filter_map(|(key, subject)| Some((Name::try_from(key.as_slice()).ok()?, subject)))
            .collect();
        let news: Vec<New<'_>> = events
            .iter()
            .filter_map(|event| {
                let subject = fresh.get(&event.key)?;
                Some(New { event, subject })
            })
            .collect();
        if !news.is_empty() {
            self.lengthen_lanes(&mut transaction, &news, sinks).await?;
            self.append(&mut transaction, &news, sinks).await?;
        }
        transaction.commit().await?;
        Ok(fresh.into_keys().collect())
    }

    /// Locks the lane of each subject and sink, in one order for all, and counts the events in.
    async fn lengthen_lanes(
        &self,
        connection: &mut sqlx::PgConnection,
        news: &[New<'_>],
        sinks: &[String],
    ) -> sqlx::Result<()> {
        let mut counts: BTreeMap<&[u8], i64> = BTreeMap::new();
        for new in news {
            *counts.entry(new.subject).or_default() += 1;
        }
        let (subjects, counts): (Vec<&[u8]>, Vec<i64>) = counts.into_iter().unzip();
        sqlx::query(
            "INSERT INTO tradewind_connect.lane AS lane (channel, sink, subject, pending)
             SELECT $1, sink, subject, n
             FROM unnest($2::bytea[], $3::bigint[]) AS new (subject, n), unnest($4::text[]) AS sink
             ORDER BY sink, subject
             ON CONFLICT (channel, sink, subject) DO UPDATE SET pending = lane.pending + excluded.pending",
        )
        .bind(&self.channel)
        .bind(&subjects)
        .bind(&counts)
        .bind(sinks)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Writes the events and what each sink is owed. The lanes are locked: positions follow commits.
    async fn append(
        &self,
        connection: &mut sqlx::PgConnection,
        news: &[New<'_>],
        sinks: &[String],
    ) -> sqlx::Result<()> {
        let kinds: Vec<&str> = news.iter().map(|new| new.event.kind).collect();
        let ids: Vec<&str> = news.iter().map(|new| new.event.id.as_str()).collect();
        let subjects: Vec<&[u8]> = news.iter().map(|new| new.subject).collect();
        let bodies: Vec<&[u8]> = news.iter().map(|new| new.event.body.as_slice()).collect();
        sqlx::query(
            "WITH stored AS (
                 INSERT INTO tradewind_connect.event (channel, kind, webhook_id, subject, body)
                 SELECT $1, kind, id, subject, body
                 FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[])
                      WITH ORDINALITY AS new (kind, id, subject, body, n)
                 ORDER BY n
                 RETURNING id, subject)
             INSERT INTO tradewind_connect.outbox (event, channel, sink, subject)
             SELECT stored.id, $1, sink, stored.subject
             FROM stored, unnest($6::text[]) AS sink ORDER BY stored.id, sink",
        )
        .bind(&self.channel)
        .bind(&kinds)
        .bind(&ids)
        .bind(&subjects)
        .bind(&bodies)
        .bind(sinks)
        .execute(connection)
        .await?;
        Ok(())
    }
}
