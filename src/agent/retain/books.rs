//! The run rows and the ledger, in the schema `tradewind` of the store's own database.
//!
//! In: what a run pins, and what it asks. Out: rows and totals. Every total is a count that some transaction
//! wrote down together with its work; none is a difference.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::cutoff::Cutoffs;
use super::erase::PAUSE;
use super::error::Error;
use super::exact::{self, Exact};
use super::fault::{Fault, Trouble};
use super::pins::Place;
use super::stages;
use super::store::{MOMENT, Store};
use crate::agent::blur::{Blur, Seed};
use crate::contract::{Count, Method, RetainedRule, SMALL_COUNTS, Strategy};

/// How long another's setting up is waited for.
const SETS_UP_WITHIN: &str = "4s";

/// How often it is tried to take a run over while a batch of its last owner is under way: some fifteen seconds.
const TAKES: u32 = 50;

/// More runs than lose their reports one after the other, by far: of each the hub asks within days.
pub(super) const RECENT: i64 = 100;

/// A run of a policy over one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// One id for all stores.
    pub(super) id: String,
    /// The region that ran it.
    pub(super) region: String,
    /// The spec that ran.
    pub(super) spec_hash: String,
    /// The approval it needed.
    pub(super) approval: Option<String>,
    /// The clock that its cut-offs count from.
    pub(super) now: Timestamp,
    /// When it has to end.
    pub(super) window_ends: Timestamp,
    /// Who may write.
    pub(super) token: i64,
    /// When and how it ended, if it did.
    pub(super) ended: Option<(Timestamp, String)>,
    /// By which Job it was last begun or gone on with, where that was noted.
    pub(super) job: Option<String>,
}

/// What a run pinned of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// The due clocks, and those whose keeps have ended.
    pub(super) due: Cutoffs,
    /// The table's identity.
    pub(super) shape: String,
}

/// Makes the schema and its tables, or brings them up to date.
pub(super) async fn prepare(store: &mut Store) -> Result<(), Error> {
    let migrations = sqlx::migrate!("migrations/retain");
    migrate(store, migrations, "tradewind.retain_migration").await
}

/// Makes the schema, and in it what some migrations make; `noted` is where those are noted that were run.
pub(super) async fn migrate(
    store: &mut Store,
    mut migrator: Migrator,
    noted: &'static str,
) -> Result<(), Error> {
    // `IF NOT EXISTS` alone would need the right to create schemas even where there is one.
    let exists = "SELECT FROM pg_namespace WHERE nspname = 'tradewind'";
    let found = sqlx::query(exists)
        .fetch_optional(&mut store.connection)
        .await;
    let found = found.map_err(Fault::of("look for the schema of the books"));
    if found.map_err(|fault| store.failed(fault))?.is_none() {
        let create = sqlx::query("CREATE SCHEMA IF NOT EXISTS tradewind");
        let done = create.execute(&mut store.connection).await;
        done.map_err(Fault::of("create the schema of the books"))
            .map_err(|f| store.failed(f))?;
    }
    migrator.dangerous_set_table_name(noted);
    // One pod at a time looks whether anything is to be made: that is waited for.
    store.set("lock_timeout", SETS_UP_WITHIN).await?;
    let done = migrator.run(&mut store.connection).await;
    done.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
            store.failed(Fault::of("set up the books")(error))
        }
        _ => Error::Books {
            store: store.name.clone(),
        },
    })?;
    store.set("lock_timeout", "200ms").await
}

/// The run that has not ended, if any.
pub(super) async fn open_run(store: &mut Store, policy: &str) -> Result<Option<Run>, Error> {
    let open = find(store, policy, "AND ended_at IS NULL", 1).await?;
    Ok(open.into_iter().next())
}

/// The run that began last, if any. None, too, where no run has ever been.
pub(super) async fn last_run(store: &mut Store, policy: &str) -> Result<Option<Run>, Error> {
    Ok(recent(store, policy, 1).await?.into_iter().next())
}

/// The runs that began last, the newest first. None, too, where no run has ever been.
pub(super) async fn recent(store: &mut Store, policy: &str, most: i64) -> Result<Vec<Run>, Error> {
    match find(store, policy, "", most).await {
        Err(Error::Statement { fault, .. }) if fault.trouble() == Trouble::Drifted => {
            Ok(Vec::new())
        }
        other => other,
    }
}

async fn find(
    store: &mut Store,
    policy: &str,
    which: &'static str,
    most: i64,
) -> Result<Vec<Run>, Error> {
    // Books that are only read may have no column for the Job yet.
    let sql = format!(
        "SELECT id, region, spec_hash, approval, to_char(now AT TIME ZONE 'UTC', {MOMENT}),
          to_char(window_ends AT TIME ZONE 'UTC', {MOMENT}), token,
          to_char(ended_at AT TIME ZONE 'UTC', {MOMENT}), reason, to_jsonb(run) ->> 'job'
        FROM tradewind.run AS run WHERE policy = $1 AND store = $2 {which} ORDER BY began_at DESC LIMIT $3"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(policy)
        .bind(&store.name)
        .bind(most);
    let found = query.fetch_all(&mut store.connection).await;
    let runs = found.and_then(|rows| rows.iter().map(run).collect());
    runs.map_err(Fault::of("read the run"))
        .map_err(|fault| store.failed(fault))
}

fn run(row: &PgRow) -> Result<Run, sqlx::Error> {
    let moment = |text: String| {
        text.parse::<Timestamp>()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    let ended_at: Option<String> = row.try_get(7)?;
    let reason: Option<String> = row.try_get(8)?;
    Ok(Run {
        id: row.try_get(0)?,
        region: row.try_get(1)?,
        spec_hash: row.try_get(2)?,
        approval: row.try_get(3)?,
        now: moment(row.try_get(4)?)?,
        window_ends: moment(row.try_get(5)?)?,
        token: row.try_get(6)?,
        ended: ended_at.map(moment).transpose()?.zip(reason),
        job: row.try_get(9)?,
    })
}

/// Whether the run was begun here, ended or not.
pub(super) async fn has_run(store: &mut Store, run: &str) -> Result<bool, Error> {
    let sql = "SELECT FROM tradewind.run WHERE id = $1 AND store = $2";
    let query = sqlx::query(sql).bind(run).bind(&store.name);
    let found = query.fetch_optional(&mut store.connection).await;
    let found = found
        .map_err(Fault::of("read the run"))
        .map_err(|fault| store.failed(fault))?;
    Ok(found.is_some())
}

/// What a run pinned, by rule.
pub(super) async fn pinned(
    store: &mut Store,
    run: &Run,
) -> Result<BTreeMap<String, Pinned>, Error> {
    let sql = "SELECT name, due_set, shape FROM tradewind.rule WHERE run = $1 AND store = $2";
    let rows = sqlx::query(sql).bind(&run.id).bind(&store.name);
    let rows = rows.fetch_all(&mut store.connection).await;
    let read = |row: &PgRow| {
        let due: sqlx::types::Json<Cutoffs> = row.try_get(1)?;
        Ok((
            row.try_get(0)?,
            Pinned {
                due: due.0,
                shape: row.try_get(2)?,
            },
        ))
    };
    let pinned = rows.and_then(|rows| rows.iter().map(read).collect());
    pinned
        .map_err(Fault::of("read what the run pinned"))
        .map_err(|fault| store.failed(fault))
}

/// Rows that earlier runs under an approval erased or found gone, by rule: of each run at most, by what was told of it.
pub(super) async fn used(
    store: &mut Store,
    policy: &str,
    approval: &str,
) -> Result<BTreeMap<String, i64>, Error> {
    let sql = "SELECT l.rule, r.small_counts, u.due, u.method, sum(l.erased)::bigint, sum(l.held)::bigint, sum(l.gone)::bigint,
          sum(l.blocked)::bigint, sum(l.failed)::bigint
        FROM tradewind.ledger AS l JOIN tradewind.run AS r ON r.id = l.run AND r.store = l.store
        JOIN tradewind.rule AS u ON u.run = l.run AND u.store = l.store AND u.name = l.rule
        WHERE r.policy = $1 AND r.store = $2 AND r.approval = $3 GROUP BY l.rule, r.id, r.small_counts, u.due, u.method";
    let rows = sqlx::query(sql)
        .bind(policy)
        .bind(&store.name)
        .bind(approval);
    let rows = rows.fetch_all(&mut store.connection).await;
    let taken = rows.and_then(|rows| rows.iter().map(taken).collect::<Result<Vec<_>, _>>());
    let taken = taken
        .map_err(Fault::of("read what the approval covered"))
        .map_err(|fault| store.failed(fault))?;
    let mut used: BTreeMap<String, i64> = BTreeMap::new();
    for (rule, rows) in taken {
        let sum = used.entry(rule).or_default();
        *sum = sum.saturating_add(rows);
    }
    Ok(used)
}

/// What a run took of a rule's rows.
fn taken(row: &PgRow) -> Result<(String, i64), sqlx::Error> {
    let number = |place: usize| row.try_get::<i64, _>(place);
    let bound: i32 = row.try_get(1)?;
    let method: String = row.try_get(3)?;
    let (due, done, held, gone) = (number(2)?, number(4)?, number(5)?, number(6)?);
    let (blocked, failed) = (number(7)?, number(8)?);
    let (erased, restricted) = if Method::named(&method) == Some(Method::Restrict) {
        (0, done)
    } else {
        (done, 0)
    };
    let remaining = (due - done - held - gone - blocked - failed).max(0);
    let parts = [erased, held, restricted, gone, blocked, failed, remaining];
    let bound = u32::try_from(bound).unwrap_or(SMALL_COUNTS);
    Ok((row.try_get(0)?, exact::taken(bound, due, &parts)))
}

const TAKE: &str =
    "UPDATE tradewind.run SET token = token + 1 WHERE id = $1 AND store = $2 RETURNING token";

/// Books of an earlier release, in which a run only puts partitions back, name no Job.
const TAKE_AS: &str = "UPDATE tradewind.run SET token = token + 1, job = $3 WHERE id = $1 AND store = $2 RETURNING token";

/// Takes the run over from whoever had it: from here on nobody else's batch commits, and it is the run of Job `own`, where that is
/// told. What a killed process left in a session of its own may still be at a batch: that is waited for.
pub(super) async fn take_over(
    store: &mut Store,
    run: &mut Run,
    own: Option<&str>,
) -> Result<(), Error> {
    let sql = if own.is_some() { TAKE_AS } else { TAKE };
    for tries in 1.. {
        let query = sqlx::query(sql).bind(&run.id).bind(&store.name);
        let query = own.iter().fold(query, |query, own| query.bind(*own));
        let row = query.fetch_one(&mut store.connection).await;
        let token = row.and_then(|row| row.try_get(0));
        match token.map_err(Fault::of("take the run over")) {
            Err(fault) if fault.trouble() == Trouble::Busy && tries < TAKES => {
                tokio::time::sleep(PAUSE).await;
            }
            token => {
                run.token = token.map_err(|fault| store.failed(fault))?;
                break;
            }
        }
    }
    Ok(())
}

/// Whether this process may still write in the run's books. Holds the answer true until the transaction ends.
pub(super) async fn is_ours(
    connection: &mut PgConnection,
    store: &str,
    run: &Run,
) -> Result<bool, Fault> {
    let sql = "SELECT FROM tradewind.run
        WHERE id = $1 AND store = $2 AND token = $3 AND ended_at IS NULL FOR SHARE";
    let row = sqlx::query(sql).bind(&run.id).bind(store).bind(run.token);
    let row = row.fetch_optional(connection).await;
    row.map(|row| row.is_some())
        .map_err(Fault::of("check whose run it is"))
}

/// Waits until the disk has all that was committed: batches themselves do not wait for it, and nothing that a
/// crash could undo may be told.
pub(super) async fn keep(store: &mut Store, run: &str) -> Result<(), Error> {
    let sql = "UPDATE tradewind.run SET token = token WHERE id = $1 AND store = $2";
    let query = sqlx::query(sql).bind(run).bind(&store.name);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("keep what was committed"))
        .map_err(|fault| store.failed(fault))
}

/// Writes that the run has ended, and how. Pins that are left go with it, however many there are and however long that takes.
pub(super) async fn end(store: &mut Store, run: &Run, reason: &str) -> Result<(), Error> {
    let sql = "WITH ended AS (UPDATE tradewind.run SET ended_at = clock_timestamp(), reason = $4
          WHERE id = $1 AND store = $2 AND token = $3 AND ended_at IS NULL RETURNING id)
        DELETE FROM tradewind.pin WHERE run IN (SELECT id FROM ended) AND store = $2";
    let name = store.name.clone();
    let failed = |fault| Error::Statement {
        store: name.clone(),
        fault,
    };
    let fault = Fault::of("end the run");
    let mut transaction = store.begin_look().await.map_err(failed)?;
    let query = sqlx::query(sql).bind(&run.id).bind(&name);
    let query = query.bind(run.token).bind(reason);
    let done = query.execute(&mut *transaction).await;
    done.map_err(&fault).map_err(failed)?;
    transaction.commit().await.map_err(fault).map_err(failed)
}

/// Whether a rule has been looked at for the last time.
pub(super) async fn is_closed(connection: &mut PgConnection, place: &Place) -> Result<bool, Fault> {
    let sql =
        "SELECT late IS NOT NULL FROM tradewind.rule WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let row = query.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the rule"))
}

/// Writes down the oldest clock that is still there, and when and as of which transaction it was looked at; lets the rule's pins go.
pub(super) async fn close_rule(
    connection: &mut PgConnection,
    place: &Place,
    oldest: Option<String>,
) -> Result<(), Fault> {
    let sql =
        "WITH freed AS (DELETE FROM tradewind.pin WHERE run = $1 AND store = $2 AND rule = $3)
        UPDATE tradewind.rule SET oldest_kept = $4, verified_at = clock_timestamp(),
          horizon = pg_snapshot_xmax(pg_current_snapshot()) WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(oldest).execute(connection).await;
    done.map(drop).map_err(Fault::of("close the rule"))
}

/// A run's figures, with each rule's place in the policy. Rows whose pins are still open are `remaining`.
pub(super) async fn totals(
    store: &mut Store,
    run: &str,
) -> Result<Vec<(i32, Exact<RetainedRule>)>, Error> {
    let sql = r#"SELECT r.position, r.name, r.rows, r.due, coalesce(l.erased, 0), coalesce(l.gone, 0),
          coalesce(l.blocked, 0), coalesce(l.failed, 0), coalesce(l.remaining, 0) + coalesce(p.rows, 0),
          r.null_clock, r.oldest_kept, coalesce(r.late, 0), coalesce(l.held, 0), r.method, r.strategy,
          (SELECT count(*) FROM tradewind.partition WHERE run = r.run AND store = r.store AND rule = r.name AND state = 'Dropped'),
          CASE WHEN l.erased > 0 AND r.method <> 'Restrict' THEN coalesce(r.space, 'Unknown') END,
          (SELECT to_char(max(n.ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            FROM tradewind.run AS n JOIN tradewind.rule AS o ON o.run = n.id AND o.store = n.store
            WHERE n.policy = u.policy AND o.store = r.store AND o.name = r.name AND o.space = 'Released'
              AND NOT EXISTS (SELECT FROM tradewind.run AS e JOIN tradewind.rule AS w ON w.run = e.id AND w.store = e.store
                WHERE e.policy = u.policy AND w.store = r.store AND w.name = r.name AND e.began_at < n.began_at
                  AND w.space <> 'Released')),
          coalesce((to_jsonb(r) ->> 'untold')::bigint, 0) -- books that are only read may have no such column yet
        FROM tradewind.rule AS r JOIN tradewind.run AS u ON u.id = r.run AND u.store = r.store
        LEFT JOIN LATERAL (SELECT sum(erased)::bigint AS erased, sum(gone)::bigint AS gone,
            sum(blocked)::bigint AS blocked, sum(failed)::bigint AS failed, sum(remaining)::bigint AS remaining, sum(held)::bigint AS held
          FROM tradewind.ledger WHERE run = r.run AND store = r.store AND rule = r.name) AS l ON true
        LEFT JOIN LATERAL (SELECT sum(rows)::bigint AS rows
          FROM tradewind.pin WHERE run = r.run AND store = r.store AND rule = r.name AND NOT erased AND NOT settled) AS p ON true
        WHERE r.run = $1 AND r.store = $2 ORDER BY r.position"#;
    let rows = sqlx::query(sql)
        .bind(run)
        .bind(&store.name)
        .fetch_all(&mut store.connection)
        .await;
    let totals = rows.and_then(|rows| rows.iter().map(total).collect::<Result<Vec<_>, _>>());
    let totals = totals
        .map_err(Fault::of("add up the ledger"))
        .map_err(|fault| store.failed(fault))?;
    let mut exact = Vec::new();
    for (position, rule) in totals {
        if rule.parts().into_iter().sum::<Count>() != rule.due {
            return Err(Error::Unbalanced {
                store: store.name.clone(),
                rule: rule.name,
            });
        }
        exact.push((position, Exact::new(&store.name, rule)));
    }
    Ok(exact)
}

/// How a run's numbers are told: in the same way each time. Of a run whose books are older than blurring nobody keeps salts.
pub(super) async fn blur(store: &mut Store, run: &str) -> Result<Blur, Error> {
    // Books that are only read may have no such columns yet.
    let sql = "SELECT r.j ->> 'salt', (r.j ->> 'small_counts')::int8
        FROM (SELECT to_jsonb(run) AS j FROM tradewind.run AS run WHERE id = $1 AND store = $2) AS r";
    let query = sqlx::query_as(sql).bind(run).bind(&store.name);
    let row = query.fetch_optional(&mut store.connection).await;
    let row: Option<(Option<String>, Option<i64>)> = row
        .map_err(Fault::of("read how the run's numbers are told"))
        .map_err(|fault| store.failed(fault))?;
    let (salt, bound) = row.unwrap_or_default();
    let seed = salt.and_then(|salt| hex::decode(salt).ok()?.try_into().ok());
    let seed = seed.map(Seed);
    let bound = bound.and_then(|bound| u32::try_from(bound).ok());
    Ok(Blur {
        bound: bound.unwrap_or(SMALL_COUNTS),
        seed: match seed {
            Some(seed) => seed,
            None => Seed::random()?,
        },
    })
}

/// The runs of a policy, the first first.
pub(super) async fn runs(store: &mut Store, policy: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT id FROM tradewind.run WHERE policy = $1 AND store = $2 ORDER BY began_at, id";
    let query = sqlx::query_scalar(sql).bind(policy).bind(&store.name);
    let runs = query.fetch_all(&mut store.connection).await;
    runs.map_err(Fault::of("read the runs"))
        .map_err(|fault| store.failed(fault))
}

fn total(row: &PgRow) -> Result<(i32, RetainedRule), sqlx::Error> {
    let method: String = row.try_get(13)?;
    let unknown = || sqlx::Error::Decode("a rule's method is none that there is".into());
    let method = Method::named(&method).ok_or_else(unknown)?;
    let strategy: String = row.try_get(14)?;
    // What the ledger has as done is by its method what was done.
    let number = |place: usize| row.try_get::<i64, _>(place).map(Count::exact);
    let done = number(4)?;
    let (erased, restricted) = match method {
        Method::Restrict => (Count::ZERO, done),
        _ => (done, Count::ZERO),
    };
    let rule = RetainedRule {
        name: row.try_get(1)?,
        method,
        strategy: Strategy::named(&strategy).unwrap_or_default(),
        partitions: row.try_get(15)?,
        rows: number(2)?,
        due: number(3)?,
        erased,
        held: number(12)?,
        restricted,
        gone: number(5)?,
        blocked: number(6)?,
        failed: number(7)?,
        remaining: number(8)?,
        null_clock: number(9)?,
        untold: number(18)?,
        commitments: Vec::new(),
        oldest_kept: row.try_get(10)?,
        late: number(11)?,
        space: stages::read(row.try_get(16)?),
        released_until: row.try_get(17)?,
    };
    Ok((row.try_get(0)?, rule))
}
