//! What the database has to carry already, looked at between batches: when it is too much the run waits, and when it
//! cannot be seen the run stops.
//!
//! In: a session that has no transaction open. Out: what to wait for. Reads only.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::dead_rows::DeadRows;
use super::error::Error;
use super::fault::Fault;
use super::store::Store;
use crate::contract::Throttle;
pub(super) use crate::contract::ended::Wait;

/// How often it is looked at: a look takes a millisecond.
const EVERY: Duration = Duration::from_secs(1);

/// The longest that a replica may be behind by a bound: older positions in the log are of no use.
const OLDEST: Duration = Duration::from_secs(3600);

/// Moments at which something was at a number, oldest first.
type Marks = VecDeque<(Instant, i64)>;

/// What a role without `pg_read_all_stats` sees of others' sessions and of replicas has nulls where it is of use. The
/// log's position is asked for only where somebody follows it. A vacuum of a partition, or of what a table keeps its long
/// values in, is one of the table; the one that began last counts.
const SIGNALS: &str = "
SELECT (SELECT count(*) FROM pg_stat_replication WHERE state IS NULL),
  (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type IS NULL),
  CASE WHEN r.followed OR s.kept IS NOT NULL THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END,
  r.replayed, r.lag, s.kept,
  greatest((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)),
    (SELECT extract(epoch FROM clock_timestamp() - min(prepared)) FROM pg_prepared_xacts
      WHERE database = current_database()))::double precision,
  (SELECT extract(epoch FROM clock_timestamp() - max(a.query_start)) FROM pg_stat_progress_vacuum AS p
    JOIN pg_stat_activity AS a USING (pid)
    WHERE p.datname = current_database() AND p.relid IN (SELECT unnest(ARRAY[c.oid, c.reltoastrelid]) FROM pg_class AS c
      WHERE c.oid::bigint = ANY ($1) OR c.oid IN (SELECT d.relid
        FROM unnest($1::bigint[]) AS t (oid), pg_partition_tree(t.oid::oid::regclass) AS d)))::double precision,
  x.next, x.next - x.age
FROM (SELECT count(*) > 0 AS followed, min(pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint AS replayed,
    extract(epoch FROM max(replay_lag))::double precision AS lag FROM pg_stat_replication) AS r,
  (SELECT min(pg_wal_lsn_diff(restart_lsn, '0/0'))::bigint AS kept FROM pg_replication_slots
    WHERE wal_status IS DISTINCT FROM 'lost') AS s,
  (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
    greatest((SELECT max(age(backend_xmin)) FROM pg_stat_replication), (SELECT max(age(xmin)) FROM pg_replication_slots
      WHERE wal_status IS DISTINCT FROM 'lost')) AS age) AS x";

/// What [`SIGNALS`] answers.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Where the log is.
    position: Option<i64>,
    /// Up to where the slowest replica has it.
    replayed: Option<i64>,
    /// What the server itself measured of that, in seconds.
    lag: Option<f64>,
    /// From where on a slot keeps it.
    kept: Option<i64>,
    /// How long the oldest transaction has been open, in seconds.
    oldest: Option<f64>,
    /// The next transaction's number.
    next: Option<i64>,
    /// The oldest transaction that a standby's reader, or a slot, keeps dead rows for.
    kept_for: Option<i64>,
    /// For how long the newest vacuum of a rule's table has been at work, in seconds.
    vacuum: Option<f64>,
}

/// Looks, and remembers.
#[derive(Debug)]
pub(super) struct Gauge {
    limits: Throttle,
    /// The rules' tables.
    tables: Vec<i64>,
    /// When it was looked at last, and what was seen.
    last: Option<(Instant, Seen)>,
    /// How long vacuums were waited for.
    vacuumed: Duration,
    /// Where the log was, and when.
    marks: Marks,
    /// What the next transaction's number was, and when.
    numbers: Marks,
    dead: DeadRows,
}

impl Gauge {
    /// Nothing seen yet, by a run that has so long left.
    pub(super) fn new(limits: Throttle, tables: Vec<i64>, left: Duration) -> Self {
        Self {
            dead: DeadRows::new(limits.dead_rows_percent, left),
            limits,
            tables,
            last: None,
            vacuumed: Duration::ZERO,
            marks: Marks::new(),
            numbers: Marks::new(),
        }
    }

    /// What to wait for, if anything. A signal that cannot be read is an error, never a zero.
    pub(super) async fn look(&mut self, store: &mut Store) -> Result<Option<Wait>, Error> {
        let now = Instant::now();
        if let Some((at, seen)) = self.last
            && now.duration_since(at) < EVERY
        {
            return Ok(self.judge(now, seen));
        }
        let query = sqlx::query(SIGNALS).bind(&self.tables);
        let row = query.fetch_one(&mut store.connection).await;
        let seen = row.and_then(|row| read(&row));
        let seen = seen.map_err(Fault::of("read what the database has to carry"));
        let unreadable = |source| Error::Signals {
            store: store.name.clone(),
            source,
        };
        let seen = seen.map_err(|fault| unreadable(Some(fault)))?;
        let seen = seen.ok_or_else(|| unreadable(None))?;
        self.dead.look(store, &self.tables, now).await?;
        self.mark(now, seen);
        Ok(self.judge(now, seen))
    }

    /// Remembers a look.
    fn mark(&mut self, now: Instant, seen: Seen) {
        if let Some((at, before)) = self.last
            && self.is_vacuumed(before)
        {
            self.vacuumed += now.duration_since(at);
        }
        let bound = Duration::from_secs(60 * u64::from(self.limits.transaction_minutes));
        let number = seen.next.filter(|_| seen.kept_for.is_some());
        remember(&mut self.marks, now, seen.position, OLDEST);
        remember(&mut self.numbers, now, number, 2 * bound);
        self.last = Some((now, seen));
    }

    fn judge(&self, now: Instant, seen: Seen) -> Option<Wait> {
        let Throttle {
            replica_lag_seconds,
            slot_mebibytes,
            transaction_minutes,
            vacuum_minutes: _,
            dead_rows_percent: _,
        } = self.limits;
        let behind = seen.position.zip(seen.kept).map(|(now, kept)| now - kept);
        if self.lag(now, seen) > f64::from(replica_lag_seconds) {
            Some(Wait::Replica)
        } else if behind.is_some_and(|bytes| bytes > i64::from(slot_mebibytes) << 20) {
            Some(Wait::Slot)
        } else if self.oldest(now, seen) > 60.0 * f64::from(transaction_minutes) {
            Some(Wait::Transaction)
        } else if self.is_vacuumed(seen) {
            Some(Wait::Vacuum)
        } else if self.dead.hold_back(now) {
            Some(Wait::DeadRows)
        } else {
            None
        }
    }

    /// Whether a vacuum is at work that is waited for: one that is younger than the bound, while no more than that was waited in
    /// sum. What a run deletes sets the next vacuum off: each by itself might take all of a window.
    fn is_vacuumed(&self, seen: Seen) -> bool {
        let spared = 60.0 * f64::from(self.limits.vacuum_minutes);
        seen.vacuum.is_some_and(|seconds| seconds < spared) && self.vacuumed.as_secs_f64() < spared
    }

    /// How long the oldest transaction has been open, in seconds: one here, or one on a standby, whose begin nobody tells but
    /// whose number was the next at some time. That counts from the first look on.
    fn oldest(&self, now: Instant, seen: Seen) -> f64 {
        let kept = seen.kept_for;
        let kept = kept.map_or(0.0, |number| passed(&self.numbers, now, number));
        kept.max(seen.oldest.unwrap_or_default())
    }

    /// How long ago the log was where the slowest replica is now. The server's own measure stands still while a
    /// replica replays nothing; this does not.
    fn lag(&self, now: Instant, seen: Seen) -> f64 {
        let Some(replayed) = seen.replayed else {
            return 0.0;
        };
        let ours = passed(&self.marks, now, replayed);
        let current = seen.position.is_none_or(|position| position > replayed);
        ours.max(seen.lag.filter(|_| current).unwrap_or_default())
    }
}

/// Adds a mark; those that are too old to be of use go.
fn remember(marks: &mut Marks, now: Instant, number: Option<i64>, oldest: Duration) {
    if let Some(number) = number {
        marks.push_back((now, number));
    }
    let is_old = |(at, _): &(Instant, i64)| now.duration_since(*at) > oldest;
    while marks.front().is_some_and(is_old) {
        marks.pop_front();
    }
}

/// How long ago what is marked was past a number for the first time, in seconds.
fn passed(marks: &Marks, now: Instant, number: i64) -> f64 {
    let past = marks.iter().find(|(_, mark)| *mark > number);
    past.map_or(0.0, |(at, _)| now.duration_since(*at).as_secs_f64())
}

/// `None` where something was hidden.
fn read(row: &PgRow) -> Result<Option<Seen>, sqlx::Error> {
    if row.try_get::<i64, _>(0)? > 0 || row.try_get::<i64, _>(1)? > 0 {
        return Ok(None);
    }
    Ok(Some(Seen {
        position: row.try_get(2)?,
        replayed: row.try_get(3)?,
        lag: row.try_get(4)?,
        kept: row.try_get(5)?,
        oldest: row.try_get(6)?,
        vacuum: row.try_get(7)?,
        next: row.try_get(8)?,
        kept_for: row.try_get(9)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;
    const LEFT: Duration = Duration::from_hours(4);

    fn at(position: i64, replayed: i64) -> Seen {
        Seen {
            position: Some(position),
            replayed: Some(replayed),
            ..Seen::default()
        }
    }

    #[test]
    fn a_replica_that_stands_still_falls_behind_by_the_clock() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut gauge = Gauge::new(Throttle::default(), Vec::new(), LEFT);
        // It was behind before the run began, nobody knows for how long: that is no reason yet.
        for second in 0..=10 {
            let seen = at(1000 + i64::try_from(second).unwrap(), 500);
            gauge.mark(after(second), seen);
            assert_eq!(gauge.judge(after(second), seen), None, "{second}");
        }
        let seen = at(1011, 500);
        gauge.mark(after(11), seen);
        let wait = gauge.judge(after(11), seen);
        assert_eq!(wait.map(Wait::word), Some("ThrottledByReplica"));
        // It has all but what came in the last second.
        let seen = at(1012, 1010);
        gauge.mark(after(12), seen);
        assert_eq!(gauge.judge(after(12), seen), None);
        // The server's own measure counts, until there is nothing left to replay.
        let measured = |seen| Seen {
            lag: Some(11.0),
            ..seen
        };
        assert_eq!(gauge.judge(after(12), measured(seen)), Some(Wait::Replica));
        assert_eq!(gauge.judge(after(12), measured(at(1012, 1012))), None);
    }

    #[test]
    fn slots_and_transactions_have_their_bounds() {
        let now = Instant::now();
        let limits = Throttle {
            slot_mebibytes: 2,
            transaction_minutes: 1,
            vacuum_minutes: 2,
            ..Throttle::default()
        };
        let gauge = Gauge::new(limits, Vec::new(), LEFT);
        let seen = |kept, oldest| Seen {
            position: Some(10 * MIB),
            kept: Some(kept),
            oldest: Some(oldest),
            ..Seen::default()
        };
        assert_eq!(gauge.judge(now, Seen::default()), None);
        assert_eq!(gauge.judge(now, seen(8 * MIB, 60.0)), None);
        assert_eq!(gauge.judge(now, seen(8 * MIB - 1, 0.0)), Some(Wait::Slot));
        assert_eq!(
            gauge.judge(now, seen(10 * MIB, 60.1)),
            Some(Wait::Transaction)
        );
        let vacuum = |seconds| Seen {
            vacuum: Some(seconds),
            ..Seen::default()
        };
        assert_eq!(gauge.judge(now, vacuum(119.0)), Some(Wait::Vacuum));
        assert_eq!(gauge.judge(now, vacuum(121.0)), None, "long enough");
        let usual = Gauge::new(Throttle::default(), Vec::new(), LEFT);
        assert_eq!(usual.judge(now, vacuum(0.0)), None, "nobody asked");
    }

    /// A reader on a standby has no transaction here: how long it has been reading is seen by how long ago its number was the
    /// next.
    #[test]
    fn a_standbys_reader_is_a_transaction_by_the_clock() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let limits = Throttle {
            transaction_minutes: 1,
            ..Throttle::default()
        };
        let mut gauge = Gauge::new(limits, Vec::new(), LEFT);
        let seen = |next, kept_for| Seen {
            next: Some(next),
            kept_for,
            ..Seen::default()
        };
        for second in 0..=60 {
            let now = seen(1001 + i64::try_from(second).unwrap(), Some(1000));
            gauge.mark(after(second), now);
            assert_eq!(gauge.judge(after(second), now), None, "{second}");
        }
        let stands = seen(1062, Some(1000));
        gauge.mark(after(61), stands);
        assert_eq!(gauge.judge(after(61), stands), Some(Wait::Transaction));
        let goes_on = seen(1062, Some(1060));
        assert_eq!(gauge.judge(after(61), goes_on), None);
        assert_eq!(gauge.judge(after(61), seen(1062, None)), None);
    }

    #[test]
    fn every_wait_is_found_by_its_word() {
        for wait in Wait::ALL {
            assert_eq!(Wait::named(wait.word()), Some(wait));
        }
        assert_eq!(Wait::named("Done"), None);
    }

    /// What a run deletes sets the next vacuum off: one after the other they are not waited for longer than one may be.
    #[test]
    fn vacuums_are_waited_for_in_sum() {
        let begun = Instant::now();
        let limits = Throttle {
            vacuum_minutes: 1,
            ..Throttle::default()
        };
        let mut gauge = Gauge::new(limits, Vec::new(), LEFT);
        let mut waited = 0;
        for second in 0..200_u32 {
            let now = begun + Duration::from_secs(second.into());
            let seen = Seen {
                // Each takes half a minute.
                vacuum: Some(f64::from(second % 30)),
                ..Seen::default()
            };
            gauge.mark(now, seen);
            waited += u32::from(gauge.judge(now, seen) == Some(Wait::Vacuum));
        }
        assert_eq!(waited, 60);
    }
}
