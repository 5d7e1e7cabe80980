//! Whether other programs write in the database, known within a tenth of a second.
//!
//! In: a session, looked at now and then, and what this process itself did. Out: yes or no. Reads only. What the server
//! counts of a session's transactions is known a second later or two, when a short run is over.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row};

use super::fault::Fault;

/// How often it is looked: a look takes a tenth of a millisecond or two.
const EVERY: Duration = Duration::from_millis(100);

/// How long others count as there that are not seen any more.
const STAYS: Duration = Duration::from_secs(2);

/// Transactions a second from which on others are spared, and how many they must be.
const RATE: f64 = 20.0;
const LEAST: i64 = 2;

/// The next transaction's number, which only those take that write, anywhere on the server; and whether another session
/// with this database began or ended a statement just now. Runs of retention do not spare each other.
const LOOK: &str = "
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
  EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend' AND application_name <> current_setting('application_name')
    AND state_change > clock_timestamp() - interval '100 milliseconds')";

/// Looks, and remembers.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// When it was looked at last, and the next transaction's number then.
    last: Option<(Instant, i64)>,
    /// Transactions of this process since.
    own: i64,
    /// When others were seen to write last.
    wrote: Option<Instant>,
}

impl Company {
    /// This process wrote in a transaction.
    pub(super) fn went(&mut self) {
        self.own = self.own.saturating_add(1);
    }

    /// Whether others are there and write.
    pub(super) fn writes(&self) -> bool {
        self.wrote.is_some_and(|at| at.elapsed() < STAYS)
    }

    /// Looks, if it is time to.
    pub(super) async fn look(&mut self, connection: &mut PgConnection) -> Result<(), Fault> {
        let now = Instant::now();
        if self.last.is_some_and(|(at, _)| now - at < EVERY) {
            return Ok(());
        }
        self.look_now(connection).await
    }

    /// Looks, however short a time after the last look.
    pub(super) async fn look_now(&mut self, connection: &mut PgConnection) -> Result<(), Fault> {
        let fault = Fault::of("look who else writes");
        let row = sqlx::query(LOOK).fetch_one(connection).await;
        let row = row.map_err(&fault)?;
        let next = row.try_get(0).map_err(&fault)?;
        self.mark(Instant::now(), next, row.try_get(1).map_err(&fault)?);
        Ok(())
    }

    fn mark(&mut self, now: Instant, next: i64, is_busy: bool) {
        if let Some((at, before)) = self.last {
            let others = next - before - self.own;
            let counted = f64::from(i32::try_from(others.max(0)).unwrap_or(i32::MAX));
            if is_busy && others >= LEAST && counted >= RATE * (now - at).as_secs_f64() {
                self.wrote = Some(now);
            }
        }
        self.last = Some((now, next));
        self.own = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_seen_at_the_second_look_and_for_a_while() {
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        let mut company = Company::default();
        company.mark(begun, 1000, true);
        assert!(!company.writes(), "one look tells no rate");
        company.mark(after(100), 1020, true);
        assert!(company.writes());
        company.mark(after(200), 1020, false);
        assert!(company.writes(), "they may be back at once");
    }

    #[test]
    fn own_work_other_databases_and_mere_looks_are_no_company() {
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        let mut company = Company::default();
        company.mark(begun, 1000, false);
        for _ in 0..20 {
            company.went();
        }
        company.mark(after(100), 1021, true);
        assert!(!company.writes(), "one transaction is not many");
        company.mark(after(200), 1321, false);
        assert!(!company.writes(), "nobody else is in this database");
        company.mark(after(300), 1321, true);
        assert!(!company.writes(), "who is there writes nothing");
        company.mark(after(1300), 1331, true);
        assert!(!company.writes(), "ten a second are few");
    }
}
