//! Dead rows of the rules' tables, where the policy says how many are too many: while there are more, a run waits for a vacuum
//! to take them away.
//!
//! In: a session that has no transaction open. Out: whether to wait. A run's own dead rows count as everybody's do: it is they
//! that a vacuum falls behind with, and while the run waits nothing of it is in a vacuum's way. That is not for ever, as a
//! vacuum may be switched off, or begin at more than what is too many here.

use std::time::{Duration, Instant};

use sqlx::Row;

use super::error::Error;
use super::fault::Fault;
use super::store::Store;

/// The largest share of a table's rows that are dead, in percent, a table of partitions taken as one; null where the server does
/// not count. What a session wrote is counted a second after its transaction, or ten if it does nothing more.
const DEAD: &str = "
SELECT CASE WHEN current_setting('track_counts')::boolean THEN coalesce((
  SELECT max(100 * t.dead / (t.dead + t.live)) FROM (
    SELECT sum(pg_stat_get_dead_tuples(p.relid)) AS dead, sum(pg_stat_get_live_tuples(p.relid)) AS live
    FROM unnest($1::bigint[]) AS r (oid), LATERAL (SELECT r.oid::oid AS relid
      UNION SELECT relid::oid FROM pg_partition_tree(r.oid::oid::regclass)) AS p
    GROUP BY r.oid) AS t WHERE t.dead >= $2::bigint), 0)::double precision END";

/// So many are dead at least: fewer are no burden, and the server's own vacuum does not come for them.
const FEW: i64 = 1000;

/// The longest that they are waited for, once: a vacuum of the server's own begins within a minute or two.
const PATIENCE: Duration = Duration::from_mins(10);

/// Looks, and remembers since when there are too many.
#[derive(Debug)]
pub(super) struct DeadRows {
    /// How many are not; 0: nobody asked.
    percent: u32,
    patience: Duration,
    since: Option<Instant>,
}

impl DeadRows {
    /// For a run that has so long left.
    pub(super) fn new(percent: u32, left: Duration) -> Self {
        Self {
            percent,
            patience: PATIENCE.min(left / 4),
            since: None,
        }
    }

    /// Looks, if anybody asked. What is not counted is an error, never a zero.
    pub(super) async fn look(
        &mut self,
        store: &mut Store,
        tables: &[i64],
        now: Instant,
    ) -> Result<(), Error> {
        if self.percent == 0 {
            return Ok(());
        }
        let query = sqlx::query(DEAD).bind(tables).bind(FEW);
        let row = query.fetch_one(&mut store.connection).await;
        let dead: Result<Option<f64>, _> = row.and_then(|row| row.try_get(0));
        let dead = dead.map_err(Fault::of("read how many rows are dead"));
        let dead = dead.map_err(|fault| Error::Signals {
            store: store.name.clone(),
            source: Some(fault),
        })?;
        let dead = dead.ok_or_else(|| Error::Uncounted {
            store: store.name.clone(),
        })?;
        self.mark(now, dead);
        Ok(())
    }

    /// Remembers a look.
    fn mark(&mut self, now: Instant, dead: f64) {
        let too_many = dead > f64::from(self.percent);
        self.since = too_many.then(|| self.since.unwrap_or(now));
    }

    /// Whether there are too many, and have not been for too long.
    pub(super) fn hold_back(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.duration_since(since) < self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_waited_for_once_and_not_for_ever() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        for (window, patience) in [(4 * 3600, 600), (120, 30)] {
            let mut rows = DeadRows::new(30, Duration::from_secs(window));
            rows.mark(begun, 30.0);
            assert!(!rows.hold_back(begun), "as many as may be");
            rows.mark(after(1), 31.0);
            assert!(rows.hold_back(after(1)));
            // They grow fewer, but too many are left: it is the same wait.
            rows.mark(after(10), 30.5);
            assert!(rows.hold_back(after(patience)));
            assert!(!rows.hold_back(after(1 + patience)), "nobody vacuums");
            rows.mark(after(2 + patience), 90.0);
            assert!(!rows.hold_back(after(2 + patience)), "nor now");
            // A vacuum has come: the next is worth another wait.
            rows.mark(after(3 + patience), 10.0);
            rows.mark(after(4 + patience), 31.0);
            assert!(rows.hold_back(after(4 + patience)));
        }
    }
}
