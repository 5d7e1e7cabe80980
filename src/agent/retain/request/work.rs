//! The erasing itself: batch after batch, children before parents, each behind the fences of retention's batches.
//!
//! In: a store with a begun request. Out: rows that are gone, and books that say so, by one transaction each. Whoever is
//! killed here leaves open rows, which the next finds again by the person's values.

use sqlx::Row;

use super::super::catalog;
use super::super::change;
use super::super::erase::{PAUSE, ROW_TRIES, TABLE_PAUSE, TABLE_TRIES};
use super::super::error::Error as Run;
use super::super::fault::{Fault, Trouble};
use super::super::lesser::Lesser;
use super::super::pins::Place;
use super::super::predicate;
use super::super::preflight::Step;
use super::super::shred;
use super::super::site::Work;
use super::super::statement::Statement;
use super::super::store::Purpose;
use super::super::transact::{Obstacle, passed};
use super::books;
use super::error::{Error, failed};
use super::hash::HashKey;
use super::reduce;
use super::rows::{self, Key, Keys};
use super::select::{self, Who};
use super::settings::Settings;
use super::site::{Site, whose};
use crate::agent::Stop;
use crate::contract::Method;

/// What all steps of a request need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    /// The task's words, parsed.
    pub(super) settings: &'a Settings,
    /// Who is looked for in this store.
    pub(super) who: &'a Who,
    /// The key of hashes.
    pub(super) key: &'a HashKey,
    /// Whether to leave the rest to the next pod.
    pub(super) stop: &'a Stop,
}

impl Job<'_> {
    /// Most rows of a table: one person has so many; of all who are back there may be any number.
    pub(super) fn most(&self) -> i64 {
        match self.who {
            Who::Person(_) => self.settings.max_rows,
            Who::Erased(_) => i64::MAX - 1,
        }
    }
}

/// Erases what may go of a store.
pub(super) async fn erase(site: &mut Site, job: Job<'_>) -> Result<(), Error> {
    let Some(work) = site.work() else {
        return Ok(());
    };
    for step in site.plan.steps.clone() {
        let mut table = Working {
            site,
            work: &work,
            step: &step,
            job,
        };
        table.erase(None).await?;
        // What a law keeps of a row, it need not keep whole.
        for lesser in &step.table.lesser {
            table.erase(Some(lesser)).await?;
        }
    }
    Ok(())
}

/// A table at work.
pub(super) struct Working<'a> {
    /// The store.
    pub(super) site: &'a mut Site,
    /// The run.
    pub(super) work: &'a Work,
    /// The table.
    pub(super) step: &'a Step,
    /// What all steps need.
    pub(super) job: Job<'a>,
}

impl Working<'_> {
    /// One pass is enough unless rows of the table refer to each other: then each pass erases what nothing refers to
    /// any more, until a pass erases nothing.
    async fn erase(&mut self, lesser: Option<&Lesser>) -> Result<(), Error> {
        loop {
            let mut erased = 0;
            let mut batches = self.batches(lesser).await?;
            while let Some(batch) = batches.pop() {
                if self.job.stop.is_requested() {
                    return Err(Run::Stopped.into());
                }
                if let Some(list) = &self.job.settings.hold_list {
                    list.check_again(&mut self.site.store).await?;
                }
                match self.attempt(lesser, &batch).await? {
                    Some(rows) => erased += rows,
                    None => batches.extend(halves(batch)),
                }
            }
            if erased == 0 || lesser.is_some() || !self.step.table.refers_to_itself() {
                return Ok(());
            }
        }
    }

    /// The rows that nobody has come to, in batches. Rows that came after the request began are none of them.
    async fn batches(&mut self, lesser: Option<&Lesser>) -> Result<Vec<Vec<Key>>, Error> {
        let (name, run) = (&self.step.rule.name, &self.work.run.id);
        let open = books::open_rows(&mut self.site.store, run, name).await?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let Job {
            settings, who, key, ..
        } = self.job;
        let store = self.site.store.name.clone();
        let ends = self.site.ends_of(name).to_vec();
        let keys = Keys {
            with: key,
            store: &store,
            table: name,
        };
        let failed = failed(&self.site.store);
        let snapshot = self.site.store.begin_snapshot(Purpose::Read).await;
        let mut snapshot = snapshot.map_err(&failed)?;
        let whose = whose(self.step, who, &settings.kinds);
        let found = match lesser {
            None => rows::to_erase(&mut snapshot, whose, keys, i64::MAX).await,
            Some(lesser) => rows::to_reduce(&mut snapshot, whose, keys, (lesser, &ends)).await,
        };
        let mut batches: Vec<Vec<Key>> = Vec::new();
        for key in found.map_err(failed)? {
            if !open.contains(&key.hash) {
                continue;
            }
            match batches.last_mut() {
                Some(batch) if batch.len() < settings.batch_rows => batch.push(key),
                _ => batches.push(vec![key]),
            }
        }
        Ok(batches)
    }

    /// Tries a batch until it is through; answers how many rows are gone. `None`: it is to be tried in halves. A single
    /// row that does not go is left to the look at the end.
    async fn attempt(
        &mut self,
        lesser: Option<&Lesser>,
        batch: &[Key],
    ) -> Result<Option<i64>, Error> {
        let (mut row_tries, mut table_tries) = (0, 0);
        loop {
            let done = match lesser {
                None => self.transact(batch).await,
                Some(lesser) => reduce::transact(self, lesser, batch).await,
            };
            let obstacle = match done {
                Ok(rows) => return Ok(Some(rows)),
                Err(obstacle) => obstacle,
            };
            if self.job.stop.is_requested() {
                return Err(Run::Stopped.into());
            }
            match obstacle {
                Obstacle::Fatal(error) => return Err(error.into()),
                Obstacle::Locked(error) => {
                    table_tries += 1;
                    if table_tries >= TABLE_TRIES {
                        return Err(error.into());
                    }
                    tokio::time::sleep(TABLE_PAUSE).await;
                }
                Obstacle::Batch(fault) => {
                    row_tries += 1;
                    let again = self.gave_way(&fault).await?;
                    if batch.len() > 1 {
                        tokio::time::sleep(PAUSE).await;
                        return Ok(None);
                    }
                    if !again || row_tries >= ROW_TRIES {
                        let table = &self.step.rule.name;
                        tracing::warn!(table, %fault, "the database refuses to erase a row");
                        return Ok(Some(0));
                    }
                    tokio::time::sleep(PAUSE * row_tries).await;
                }
            }
        }
    }

    /// Whether the same may succeed later; an error when nothing of the table can.
    async fn gave_way(&mut self, fault: &Fault) -> Result<bool, Error> {
        match fault.trouble() {
            Trouble::Conflict | Trouble::Busy | Trouble::Referenced => Ok(true),
            Trouble::Other => Ok(false),
            Trouble::Drifted => {
                let failed = failed(&self.site.store);
                let drifted = catalog::has_drifted(&mut self.site.store, &self.step.table).await;
                if drifted.map_err(failed)? {
                    let rule = self.step.rule.name.clone();
                    return Err(Run::Drift { rule }.into());
                }
                Ok(false)
            }
            Trouble::Lost | Trouble::Login | Trouble::Denied | Trouble::RunOpen => {
                let fault = Fault::clone(fault);
                Err(failed(&self.site.store)(fault))
            }
        }
    }

    /// One transaction: the run is ours, the table is the same, the rows go, the books say so.
    async fn transact(&mut self, batch: &[Key]) -> Result<i64, Obstacle> {
        let fault = Fault::of("erase a batch");
        let broken = |error| Obstacle::Batch(fault(error));
        let name = self.site.store.name.clone();
        let ends = self.site.ends_of(&self.step.rule.name).to_vec();
        let (mut transaction, holds) = passed(&mut self.site.store, self.work, self.step).await?;
        // Unlike retention's: what is acknowledged must be on the disk.
        let durable = sqlx::raw_sql("SET LOCAL synchronous_commit = on");
        durable.execute(&mut *transaction).await.map_err(broken)?;
        let whose = whose(self.step, self.job.who, &self.job.settings.kinds);
        let table = whose.table;
        let mut sql = Statement::default();
        rows::taken(&mut sql, table, batch);
        let theirs = whose.to_erase(&mut sql, "t");
        let kept = select::kept(&mut sql, "t", table, &ends);
        let holds = self.step.held(&holds);
        let held = select::held(&mut sql, "t", table, holds);
        let erase = change::erase(&mut sql, table, Some("taken AS w"));
        sql.push(&format!(
            "erased AS ({erase} WHERE {} AND {theirs} AND {kept} IS NULL AND NOT {held} AND NOT {} AND {} RETURNING w.place), ",
            predicate::is_key("t", "w", table),
            predicate::referenced("t", table),
            shred::is_key("t", table),
        ));
        let place = Place::new(&self.work.run.id, &name, whose.name).bind(&mut sql);
        shred::receipts(&mut sql, table, "place", &place);
        sql.push("places AS (SELECT coalesce(pg_catalog.array_agg(place), '{}') AS all FROM erased) SELECT \"all\" FROM places");
        let query = sql.query().map_err(broken)?;
        let row = query.fetch_one(&mut *transaction).await;
        let places: Vec<i64> = row.and_then(|row| row.try_get(0)).map_err(broken)?;
        if places.is_empty() {
            transaction.rollback().await.map_err(broken)?;
            return Ok(0);
        }
        let hashes = rows::hashes_at(batch, &places);
        let run = (&self.work.run, name.as_str());
        let noted = if self.step.rule.method == Method::Restrict {
            books::note_restricted(&mut transaction, run, whose.name, &hashes).await
        } else {
            books::note_erased(&mut transaction, run, whose.name, &hashes).await
        };
        let noted = noted.map_err(Obstacle::Batch)?;
        if usize::try_from(noted) != Ok(hashes.len()) {
            let rule = self.step.rule.name.clone();
            return Err(Obstacle::Fatal(Run::Unbalanced { store: name, rule }));
        }
        transaction.commit().await.map_err(broken)?;
        tracing::debug!(table = whose.name, "batch");
        Ok(noted)
    }
}

fn halves(mut batch: Vec<Key>) -> [Vec<Key>; 2] {
    let rest = batch.split_off(batch.len() / 2);
    [batch, rest]
}
