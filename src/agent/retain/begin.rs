//! How a run begins: one snapshot is counted, judged against the bound, and pinned key by key.
//!
//! In: stores without a run, the clock. Out: either a run in each of them, or a preview that somebody must
//! approve. Counting, judging and pinning see the same snapshot, so what is pinned is what was counted; rows
//! that arrive later with old dates are the next run's.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

use super::books::{Pinned, Run};
use super::bound::{self, Counted, Terms, Verdict};
use super::count::{self, Counts};
use super::cutoff::{self, Cutoffs, Ended};
use super::error::Error;
use super::exact::Exact;
use super::fault::Fault;
use super::holds::{self, Holds, NONE};
use super::notice::Told;
use super::outside;
use super::partition::{self, Part};
use super::pinning;
use super::pins::Place;
use super::predicate::Target;
use super::preflight::{Plan, Step};
use super::site::{Site, Work};
use super::stages;
use super::store::Purpose;
use super::versions;
use crate::contract::{RetainedRule, Strategy};

/// A store's snapshot with its figures; everything in the order of erasing.
pub(super) struct Snapshot<'a> {
    store: String,
    transaction: Transaction<'a, Postgres>,
    plan: &'a Plan,
    dues: Vec<Cutoffs>,
    counts: Vec<Counts>,
    holds: Vec<Holds>,
    /// Partitions that are due as a whole, by rule.
    parts: Vec<Vec<Part>>,
    work: &'a mut Option<Work>,
}

/// Opens a snapshot of a store and counts. The server refuses every write in a snapshot to read.
pub(super) async fn snapshot<'a>(
    site: &'a mut Site,
    zone: &TimeZone,
    now: Timestamp,
    purpose: Purpose,
) -> Result<Snapshot<'a>, Error> {
    let Site { store, plan, work } = site;
    let dues = plan
        .steps
        .iter()
        .map(|step| due(step, zone, now))
        .collect::<Result<Vec<_>, _>>()?;
    let name = store.name.clone();
    let failed = |fault| Error::Statement {
        store: name.clone(),
        fault,
    };
    let begun = store.begin_snapshot(purpose).await;
    let mut transaction = begun.map_err(failed)?;
    let mut counts = Vec::new();
    let mut held = Vec::new();
    let mut parts = Vec::new();
    for (step, due) in plan.steps.iter().zip(&dues) {
        let target = Target {
            table: &step.table,
            due,
            holds: &NONE,
        };
        let holds = holds::on(&mut transaction, &step.table).await;
        let holds = holds.map_err(failed)?.map_err(|_| Error::HoldUnclear {
            rule: step.rule.name.clone(),
        })?;
        let whole = match step.strategy {
            Strategy::Partitions => {
                let holds = &holds;
                partition::whole(&mut transaction, Target { holds, ..target }).await
            }
            _ => Ok(Vec::new()),
        };
        parts.push(whole.map_err(failed)?);
        held.push(holds);
        counts.push(
            count::counts(&mut transaction, target, zone)
                .await
                .map_err(failed)?,
        );
    }
    let oids: Vec<i64> = plan.steps.iter().map(|step| step.table.oid).collect();
    outside::check(&mut transaction, &name, &oids).await?;
    Ok(Snapshot {
        store: name.clone(),
        transaction,
        plan,
        dues,
        counts,
        holds: held,
        parts,
        work,
    })
}

fn due(step: &Step, zone: &TimeZone, now: Timestamp) -> Result<Cutoffs, Error> {
    let Step { rule, table, .. } = step;
    let over = |(kind, period, from), ground: Option<&str>| {
        let due = match ground {
            None => cutoff::due_from(from, kind, period, zone, now),
            Some(_) => cutoff::kept_from(from, kind, period, zone, now),
        };
        due.map_err(|source| Error::Cutoff {
            rule: match ground {
                None => rule.name.clone(),
                Some(ground) => format!("{}, kept by {ground}", rule.name),
            },
            source,
        })
    };
    let keeps = rule.keeps.iter().zip(&table.keeps);
    let keeps = keeps.map(|(keep, clock)| {
        Ok(Ended {
            clock: clock.name.clone(),
            due: over((clock.kind, keep.period, keep.from), Some(&keep.ground))?,
            lasts: keep.lasts,
        })
    });
    let contacts = table.contacts.iter().map(|contact| {
        Ok(Ended {
            clock: contact.column(),
            due: over((contact.clock.kind, rule.after, rule.from), None)?,
            lasts: false,
        })
    });
    let most = rule.contacts.as_ref().and_then(|wanted| wanted.most);
    let most = most.map(|most| over((table.kind, most, rule.from), None));
    let most = most.transpose()?;
    let told = rule.notice.as_ref().map(|notice| {
        let zone = zone.iana_name().unwrap_or("UTC");
        // A moment before all moments: nobody was told before it.
        Told::before(now, notice.hours, zone).ok_or_else(|| Error::Cutoff {
            rule: rule.name.clone(),
            source: cutoff::Error::TooLong,
        })
    });
    Ok(Cutoffs {
        notice: told.transpose()?,
        own: over((table.kind, rule.after, rule.from), None)?,
        keeps: keeps.collect::<Result<_, Error>>()?,
        contacts: contacts.collect::<Result<_, Error>>()?,
        most,
    })
}

impl Snapshot<'_> {
    /// What a run would do, with each rule's place in the policy. Ends the snapshot.
    pub(super) async fn forecast(mut self) -> Result<Vec<(usize, Exact<RetainedRule>)>, Error> {
        let steps = self.plan.steps.iter().zip(&self.dues).zip(&self.holds);
        let target = |((step, due), holds)| -> Target<'_> {
            let step: &Step = step;
            Target {
                table: &step.table,
                due,
                holds,
            }
        };
        let dues = self.counts.iter().map(|counts| counts.due);
        let targets: Vec<(Target<'_>, i64)> = steps.map(target).zip(dues).collect();
        let forecasts = count::forecast(&mut self.transaction, &targets).await;
        let forecasts = forecasts.map_err(|fault| self.failed(fault))?;
        let rules = self.plan.steps.iter().zip(&self.counts).zip(forecasts);
        let rules = rules.zip(&self.parts);
        let rules = rules.map(|(((step, counts), forecast), parts)| {
            let rule = RetainedRule {
                strategy: step.strategy,
                partitions: i64::try_from(parts.len()).unwrap_or(i64::MAX),
                name: step.rule.name.clone(),
                method: step.rule.method,
                rows: counts.rows.into(),
                due: counts.due.into(),
                held: forecast.held.into(),
                blocked: forecast.blocked.into(),
                remaining: forecast.free.into(),
                null_clock: counts.null_clock.into(),
                untold: counts.untold.into(),
                oldest_kept: counts.oldest.clone(),
                ..RetainedRule::default()
            };
            (step.rule.position, Exact::new(&self.store, rule))
        });
        Ok(rules.collect())
    }

    /// The figures that the bound is about. `used` says what earlier runs under the same approval took.
    fn counted(&self, used: impl Fn(&str) -> i64) -> Vec<Counted<'_>> {
        let rules = self.plan.steps.iter().zip(&self.counts);
        let rules = rules.map(|(step, counts)| Counted {
            rule: &step.rule.name,
            rows: counts.rows,
            due: counts.due,
            null_clock: counts.null_clock,
            untold: counts.untold,
            used: used(&step.rule.name),
        });
        rules.collect()
    }

    /// Writes the run and pins its rows, all or nothing.
    pub(super) async fn pin(
        mut self,
        run: &Run,
        (policy, small_counts): (&str, u32),
        chunk: u32,
    ) -> Result<(), Error> {
        let failed = |fault| Error::Statement {
            store: self.store.clone(),
            fault,
        };
        let mut work = Work {
            run: run.clone(),
            pinned: std::collections::BTreeMap::new(),
        };
        work.run.token = 1;
        let transaction = &mut *self.transaction;
        write_run(transaction, &self.store, run, (policy, small_counts))
            .await
            .map_err(failed)?;
        let steps = self.plan.steps.iter().zip(&self.dues).zip(&self.counts);
        for (((step, due), counts), parts) in steps.zip(&self.parts) {
            let place = Place::new(&run.id, &self.store, &step.rule.name);
            write_rule(transaction, &place, step, due, counts)
                .await
                .map_err(failed)?;
            let target = Target {
                table: &step.table,
                due,
                holds: &NONE,
            };
            let pinned = pinning::pin(transaction, &place, (target, parts), (counts.due, chunk));
            if pinned.await.map_err(failed)? != counts.due {
                let (store, rule) = (self.store.clone(), step.rule.name.clone());
                return Err(Error::Unbalanced { store, rule });
            }
            stages::place(transaction, &place, target)
                .await
                .map_err(failed)?;
            let pinned = Pinned {
                due: due.clone(),
                shape: step.table.bound_to(),
            };
            work.pinned.insert(step.rule.name.clone(), pinned);
        }
        let committed = self.transaction.commit().await;
        committed
            .map_err(Fault::of("begin the run"))
            .map_err(failed)?;
        *self.work = Some(work);
        Ok(())
    }

    fn failed(&self, fault: Fault) -> Error {
        Error::Statement {
            store: self.store.clone(),
            fault,
        }
    }
}

/// Judges all snapshots together. `used` answers for a store and a rule.
pub(super) fn judge(
    snapshots: &[Snapshot<'_>],
    terms: Terms<'_>,
    used: impl Fn(&str, &str) -> i64,
) -> Verdict {
    let counted = snapshots
        .iter()
        .flat_map(|snapshot| snapshot.counted(|rule| used(&snapshot.store, rule)));
    bound::judge(terms, &counted.collect::<Vec<_>>())
}

pub(super) async fn write_run(
    connection: &mut PgConnection,
    store: &str,
    run: &Run,
    (policy, small_counts): (&str, u32),
) -> Result<(), Fault> {
    let sql = "INSERT INTO tradewind.run (id, store, policy, region, spec_hash, approval, now, window_ends, small_counts)
        VALUES ($1, $2, $3, $4, $5, $6, $7::text::timestamptz, $8::text::timestamptz, $9)";
    let query = sqlx::query(sql)
        .bind(&run.id)
        .bind(store)
        .bind(policy)
        .bind(&run.region);
    let query = query.bind(&run.spec_hash).bind(&run.approval);
    let query = query
        .bind(run.now.to_string())
        .bind(run.window_ends.to_string())
        .bind(i32::try_from(small_counts).unwrap_or(i32::MAX));
    query
        .execute(connection)
        .await
        .map(drop)
        .map_err(Fault::of("write the run"))
}

async fn write_rule(
    connection: &mut PgConnection,
    place: &Place,
    step: &Step,
    due: &Cutoffs,
    counts: &Counts,
) -> Result<(), Fault> {
    let sql = format!(
        "INSERT INTO tradewind.rule
          (run, store, name, position, due_set, shape, rows, due, null_clock, oldest_kept, method, strategy, untold, pinned_before, pinned_file)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, {})",
        versions::remembered("$14")
    );
    let position = i32::try_from(step.rule.position).unwrap_or(i32::MAX);
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule)
        .bind(position);
    let query = query
        .bind(sqlx::types::Json(due))
        .bind(step.table.bound_to())
        .bind(counts.rows);
    let query = query
        .bind(counts.due)
        .bind(counts.null_clock)
        .bind(&counts.oldest)
        .bind(step.rule.method.name())
        .bind(step.strategy.name())
        .bind(counts.untold)
        .bind(step.table.oid);
    query
        .execute(connection)
        .await
        .map(drop)
        .map_err(Fault::of("write the run"))
}
