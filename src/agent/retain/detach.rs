//! Takes whole partitions away: detaches them beside live traffic, looks at them for the last time, drops them; or
//! puts them back.
//!
//! In: a run whose books name partitions. Out: each is dropped with its rows in the ledger, or a part of its table again
//! whose rows go with the batches. Nothing is erased before the drop, and the drop is one transaction with the books:
//! see docs/design/0011-partitions.md.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row};

use super::books;
use super::erase::Limits;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::last_look::{Look, last_look, lock, own_holds};
use super::partition::{self, After, Part, Standing, State};
use super::pins::Place;
use super::predicate::Target;
use super::preflight::Step;
use super::site::{Site, Work};
use super::store::Store;
use super::throttle::Gauge;
use super::transact::{Obstacle, passed};

/// How often something that is in the way is waited for, and how long each time.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// How long one attempt to detach waits for the transactions that use the table. It locks nobody out meanwhile.
const DETACH_WITHIN: &str = "3s";

/// Dates and moments as they are read again whatever the session's settings are.
const PLAIN: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'";

/// What became of a step.
enum Next {
    /// The partition is dropped, or its rows are the batches'.
    Settled,
    /// Look where it stands.
    Look,
    /// Somebody is in the way: wait, and look.
    Wait,
    /// It must be put back; what then.
    Back(Option<Error>),
}

/// What the fences say before anything is detached.
enum Announced {
    /// It is written down.
    Yes,
    /// A row of it is held.
    Held,
    /// Somebody is in the way.
    Wait,
}

/// A partition at work.
struct Leaving<'a> {
    store: &'a mut Store,
    work: &'a Work,
    place: &'a Place,
    oid: i64,
    parent: i64,
    /// What becomes of it once it is back.
    after: After,
}

/// Takes a rule's partitions away, one after the other, until the window ends. What is left of them is the batches'.
pub(super) async fn erase(
    site: &mut Site,
    work: &Work,
    (step, target): (&Step, Target<'_>),
    (limits, gauge): (&Limits, &mut Gauge),
) -> Result<(), Error> {
    let place = Place::new(&work.run.id, &site.store.name, &step.rule.name);
    for (oid, state) in partition::open(&mut site.store, &place).await? {
        let mut state = state;
        let mut leaving = Leaving {
            store: &mut site.store,
            work,
            place: &place,
            oid,
            parent: step.table.oid,
            after: After::Batches,
        };
        let mut tries = 0;
        loop {
            if limits.stop.is_requested() {
                if state == State::Detaching {
                    leaving.back().await?;
                }
                return Err(Error::Stopped);
            }
            if let Err(stale) = limits.holds_known(leaving.store).await {
                if state == State::Detaching {
                    leaving.back().await?;
                }
                return Err(stale);
            }
            // What is detached by then is put back when the run is closed.
            if Instant::now() >= limits.until {
                return Ok(());
            }
            // What is on its way is brought to its end, whatever the database has to carry.
            if state == State::Planned && gauge.look(leaving.store).await?.is_some() {
                pause(limits).await;
                continue;
            }
            match leaving.go(step, target, &mut state).await? {
                Next::Settled => break,
                Next::Look => {}
                Next::Wait => {
                    tries += 1;
                    if tries >= TRIES {
                        leaving.give_up(state).await?;
                        break;
                    }
                    pause(limits).await;
                }
                Next::Back(then) => {
                    leaving.back().await?;
                    match then {
                        Some(error) => return Err(error),
                        None => break,
                    }
                }
            }
        }
    }
    Ok(())
}

async fn pause(limits: &Limits) {
    tokio::select! {
        () = limits.stop.requested() => {}
        () = tokio::time::sleep(PAUSE) => {}
    }
}

/// Puts back what a run detached and did not drop: before its end, so that nothing is out of its table for good.
pub(super) async fn put_back(store: &mut Store, work: &Work) -> Result<(), Error> {
    attach_all(store, work, After::Batches).await?;
    // What was not begun has no part in anything any more.
    let sql = "UPDATE tradewind.partition SET state = 'Kept' WHERE run = $1 AND store = $2 AND state = 'Planned'";
    let query = sqlx::query(sql).bind(&work.run.id).bind(&store.name);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("write down the partitions"))
        .map_err(|fault| store.failed(fault))
}

/// Puts back what a killed process of a run detached: whoever goes on with the run may detach it again.
pub(super) async fn restore(store: &mut Store, work: &Work) -> Result<(), Error> {
    attach_all(store, work, After::Again).await
}

async fn attach_all(store: &mut Store, work: &Work, after: After) -> Result<(), Error> {
    let sql = "SELECT rule, oid::bigint, parent::bigint FROM tradewind.partition
        WHERE run = $1 AND store = $2 AND state = 'Detaching'";
    let rows = sqlx::query(sql).bind(&work.run.id).bind(&store.name);
    let rows = rows.fetch_all(&mut store.connection).await;
    let read = |row: &PgRow| {
        Ok::<(String, i64, i64), sqlx::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let open = rows.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
    let open = open.map_err(Fault::of("read the partitions"));
    for (rule, oid, parent) in open.map_err(|fault| store.failed(fault))? {
        let place = Place::new(&work.run.id, &store.name.clone(), &rule);
        let mut leaving = Leaving {
            store,
            work,
            place: &place,
            oid,
            parent,
            after,
        };
        leaving.back().await?;
    }
    Ok(())
}

impl Leaving<'_> {
    /// The next step, by what the books and the catalogue say.
    async fn go(
        &mut self,
        step: &Step,
        target: Target<'_>,
        state: &mut State,
    ) -> Result<Next, Error> {
        match (*state, self.standing().await?) {
            (_, Standing::Attached(part, _)) => {
                match self.announce(step, &part).await? {
                    Announced::Yes => {}
                    Announced::Held => return self.leave().await,
                    Announced::Wait => return Ok(Next::Wait),
                }
                *state = State::Detaching;
                let name = &step.table.name;
                let sql = format!(
                    "ALTER TABLE {name} DETACH PARTITION {} CONCURRENTLY",
                    part.name
                );
                self.detach(&sql).await
            }
            (State::Detaching, Standing::Pending(part, whole)) => {
                let sql = format!(
                    "ALTER TABLE {whole} DETACH PARTITION {} FINALIZE",
                    part.name
                );
                self.detach(&sql).await
            }
            (State::Detaching, Standing::Alone(part, _)) => {
                let books = (self.work, self.place);
                match last_look(self.store, books, (step, target), &part).await {
                    Ok(Look::Dropped) => Ok(Next::Settled),
                    Ok(Look::Again) => Ok(Next::Look),
                    Ok(Look::Back(then)) => Ok(Next::Back(then)),
                    Err(fault) => self.trouble(fault),
                }
            }
            // Somebody else's work.
            _ => self.leave().await,
        }
    }

    async fn standing(&mut self) -> Result<Standing, Error> {
        let found = partition::standing(&mut self.store.connection, self.oid, self.parent).await;
        found.map_err(|fault| self.store.failed(fault))
    }

    /// What a failed step means while nothing has been erased.
    fn trouble(&self, fault: Fault) -> Result<Next, Error> {
        match fault.trouble() {
            Trouble::Conflict | Trouble::Busy => {
                tracing::debug!(rule = self.place.rule, %fault, "a partition waits");
                Ok(Next::Wait)
            }
            Trouble::Lost | Trouble::Login => Err(self.store.failed(fault)),
            _ => {
                let rule = &self.place.rule;
                tracing::warn!(rule, %fault, "a partition does not go whole: its rows go in batches");
                Ok(Next::Back(None))
            }
        }
    }

    /// Passes all fences and writes down that the partition is about to be detached, and how it is put back.
    async fn announce(&mut self, step: &Step, part: &Part) -> Result<Announced, Error> {
        let (store, work) = (&mut *self.store, self.work);
        let name = store.name.clone();
        let failed = |fault| Error::Statement {
            store: name.clone(),
            fault,
        };
        let (mut transaction, holds) = match passed(store, work, step).await {
            Ok(passed) => passed,
            Err(Obstacle::Fatal(error)) => return Err(error),
            Err(Obstacle::Locked(_) | Obstacle::Batch(_)) => return Ok(Announced::Wait),
        };
        let own = own_holds(&mut transaction, step, part)
            .await
            .map_err(failed)?;
        let Some(own) = own else {
            let rule = self.place.rule.clone();
            return Err(Error::HoldUnclear { rule });
        };
        let held = partition::is_held(&mut transaction, part, (&step.table, &holds), &own).await;
        if held.map_err(failed)? {
            return Ok(Announced::Held);
        }
        let fault = Fault::of("write down what is detached");
        let plain = sqlx::raw_sql(PLAIN).execute(&mut *transaction).await;
        plain.map_err(&fault).map_err(failed)?;
        let sql = "UPDATE tradewind.partition AS p SET state = 'Detaching', bound = pg_get_expr(c.relpartbound, c.oid),
              checks = ARRAY(SELECT k.oid FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
            FROM pg_class c WHERE p.run = $1 AND p.store = $2 AND p.rule = $3 AND p.oid = $4::bigint::oid AND c.oid = p.oid";
        let query = bound(sql, self.place, self.oid);
        let done = query.execute(&mut *transaction).await;
        done.map_err(&fault).map_err(failed)?;
        transaction.commit().await.map_err(fault).map_err(failed)?;
        Ok(Announced::Yes)
    }

    /// Outside any transaction. What it did, even when it failed, the catalogue says.
    async fn detach(&mut self, sql: &str) -> Result<Next, Error> {
        self.store.set("lock_timeout", DETACH_WITHIN).await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.store.connection)
            .await;
        let next = match done.map_err(Fault::of("detach a partition")) {
            Ok(_) => Next::Look,
            Err(fault) => self.trouble(fault)?,
        };
        self.store.set("lock_timeout", "200ms").await?;
        Ok(next)
    }

    /// The rows are the batches'.
    async fn leave(&mut self) -> Result<Next, Error> {
        let left = self.write_down(After::Batches).await;
        left.map_err(|fault| self.store.failed(fault))?;
        Ok(Next::Settled)
    }

    /// Writes down what becomes of the partition, in a transaction of its own: each of its pins is written, in whatever time.
    async fn write_down(&mut self, after: After) -> Result<(), Fault> {
        let books = (self.place, self.work.run.token);
        let mut transaction = self.store.begin_look().await?;
        partition::settle(&mut transaction, books, self.oid, after).await?;
        let done = transaction.commit().await;
        done.map_err(Fault::of("write down the partitions"))
    }

    /// Waited long enough.
    async fn give_up(&mut self, state: State) -> Result<(), Error> {
        match (state, self.standing().await?) {
            (State::Detaching, Standing::Pending(..) | Standing::Alone(..)) => self.back().await,
            _ => self.leave().await.map(drop),
        }
    }

    /// Makes the partition a part of its table again, whatever stage it is in. Somebody in the way is waited for.
    async fn back(&mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let tried = match self.standing().await? {
                Standing::Pending(part, whole) => {
                    let sql = format!(
                        "ALTER TABLE {whole} DETACH PARTITION {} FINALIZE",
                        part.name
                    );
                    match self.detach(&sql).await? {
                        Next::Look => continue,
                        _ => Ok(false),
                    }
                }
                Standing::Alone(part, whole) => self.attach(&part, &whole).await.map(|()| true),
                Standing::Attached(..) | Standing::Elsewhere => {
                    self.write_down(self.after).await.map(|()| true)
                }
            };
            let rule = self.place.rule.clone();
            match tried {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(fault) => match fault.trouble() {
                    Trouble::Conflict | Trouble::Busy => {}
                    Trouble::Lost | Trouble::Login => return Err(self.store.failed(fault)),
                    _ => return Err(Error::Stranded { rule, fault }),
                },
            }
            tries += 1;
            if tries >= TRIES {
                return Err(Error::Detaching { rule });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One transaction: attached with the bound that it had, without the check that detaching added.
    async fn attach(&mut self, part: &Part, whole: &str) -> Result<(), Fault> {
        let fault = Fault::of("put a partition back");
        let (place, work, oid) = (self.place, self.work, self.oid);
        let sql = "SELECT bound, ARRAY(SELECT quote_ident(k.conname) FROM pg_constraint k
              WHERE k.conrelid = p.oid AND k.contype = 'c' AND k.oid <> ALL (p.checks))
            FROM tradewind.partition AS p
            WHERE run = $1 AND store = $2 AND rule = $3 AND p.oid = $4::bigint::oid AND state = 'Detaching'";
        let query = bound(sql, place, oid);
        let mut transaction = self.store.begin_look().await?;
        let plain = sqlx::raw_sql(PLAIN).execute(&mut *transaction).await;
        plain.map_err(&fault)?;
        // The other process that has the run by now does this.
        if !books::is_ours(&mut transaction, &place.store, &work.run).await? {
            return Ok(());
        }
        lock(&mut transaction, &part.name).await?;
        let row = query.fetch_optional(&mut *transaction).await;
        let Some(row) = row.map_err(&fault)? else {
            return Ok(());
        };
        let bound: String = row.try_get(0).map_err(&fault)?;
        let added: Vec<String> = row.try_get(1).map_err(&fault)?;
        let name = &part.name;
        let mut ddl = vec![format!(
            "ALTER TABLE {whole} ATTACH PARTITION {name} {bound}"
        )];
        let drops = added
            .iter()
            .map(|check| format!("ALTER TABLE {name} DROP CONSTRAINT {check}"));
        ddl.extend(drops);
        for sql in ddl {
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction);
            done.await.map_err(&fault)?;
        }
        let books = (place, work.run.token);
        partition::settle(&mut transaction, books, oid, self.after).await?;
        transaction.commit().await.map_err(&fault)?;
        let rule = &place.rule;
        tracing::info!(rule, partition = name, "put a partition back");
        Ok(())
    }
}

/// A statement about a partition in the books: run, store, rule, number.
fn bound<'q>(sql: &'static str, place: &'q Place, oid: i64) -> Query<'q, Postgres, PgArguments> {
    let query = sqlx::query(sql).bind(&place.run).bind(&place.store);
    query.bind(&place.rule).bind(oid)
}
