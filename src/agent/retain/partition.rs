//! Which partitions of a table may go whole, and what the books say of them.
//!
//! In: a table as the catalogue has it, a snapshot in which its rows were counted. Out: a strategy with its reason, and
//! the partitions in which every row is due and none is held. Writes in the books only.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::catalog::Table;
use super::cutoff::Cutoffs;
use super::error::Error;
use super::fault::Fault;
use super::holds::Holds;
use super::pins::Place;
use super::predicate::{self, Target};
use super::statement::{Statement, Value};
use super::store::Store;
use crate::contract::Strategy;

/// What a table that is partitioned by ranges of column `$2` brings with it; no row for any other.
const WAY: &str = "
WITH family AS (SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
SELECT current_setting('server_version_num')::int >= 140000 AND pg_has_role(current_user, c.relowner, 'USAGE'),
  p.partdefid <> 0,
  EXISTS (SELECT FROM pg_trigger t JOIN family f ON f.relid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 8 <> 0),
  EXISTS (SELECT FROM pg_publication_tables u JOIN pg_namespace n ON n.nspname = u.schemaname
    JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = u.tablename JOIN family f ON f.relid = r.oid),
  format('GRANT %I TO %I;', pg_get_userbyid(c.relowner), current_user)
FROM pg_class c JOIN pg_partitioned_table p ON p.partrelid = c.oid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
JOIN pg_opclass o ON o.oid = p.partclass[0]
WHERE c.oid = $1::bigint::oid AND p.partstrat = 'r' AND p.partnatts = 1 AND quote_ident(a.attname) = $2
  AND o.opcdefault AND NOT c.relispartition";

/// How a rule's rows go from a table, and the SQL that would change it.
pub(super) async fn strategy(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<(Strategy, Option<String>), Fault> {
    if !table.changes.is_empty() {
        return Ok((Strategy::Rows, None));
    }
    let fault = Fault::of("read the catalogue");
    let query = sqlx::query(WAY).bind(table.oid).bind(&table.clock);
    let row = query.fetch_optional(connection).await.map_err(&fault)?;
    let Some(row) = row else {
        return Ok((Strategy::Rows, None));
    };
    let has = |place: usize| row.try_get::<bool, _>(place).map_err(&fault);
    Ok(if has(1)? {
        (Strategy::RowsDefaultPartition, None)
    } else if !table.references.is_empty() {
        (Strategy::RowsReferenced, None)
    } else if has(2)? {
        (Strategy::RowsTrigger, None)
    } else if has(3)? {
        (Strategy::RowsPublished, None)
    } else if !has(0)? {
        (
            Strategy::RowsNotOwner,
            Some(row.try_get(4).map_err(&fault)?),
        )
    } else {
        (Strategy::Partitions, None)
    })
}

/// A partition, by its number and its name at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its identity.
    pub(super) oid: i64,
    /// `schema.table`, quoted.
    pub(super) name: String,
}

impl Part {
    /// The partition as a table of its own, with the columns of the whole.
    pub(super) fn table(&self, whole: &Table) -> Table {
        Table {
            oid: self.oid,
            name: self.name.clone(),
            ..whole.clone()
        }
    }
}

/// Plain partitions whose range ends at `$2` or before, that the role owns, and that nothing else is made from. The bound
/// and the value cast from it are written and read with the same settings.
const CANDIDATES: &str = "
SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = $1::bigint::oid AND NOT i.inhdetachpending AND c.relkind = 'r'
  AND pg_has_role(current_user, c.relowner, 'USAGE')
  AND substring(pg_get_expr(c.relpartbound, c.oid) FROM ' TO \\(''([^'']+)''\\)$')::";

const UNUSED: &str = "
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'n'
    AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
    AND (d.refclassid, d.refobjid) IN (('pg_class'::regclass, c.oid), ('pg_type'::regclass, c.reltype)))
ORDER BY c.oid";

/// The partitions of a table in which there are rows, every row is due, and none is held.
pub(super) async fn whole(
    connection: &mut PgConnection,
    target: Target<'_>,
) -> Result<Vec<Part>, Fault> {
    let fault = Fault::of("look for partitions that are due");
    let table = target.table;
    let mut sql = Statement::default();
    sql.bind(Value::Number(table.oid));
    let Cutoffs { own, .. } = target.due;
    let latest = sql.bind(Value::Clock(table.kind, own.latest.clone()));
    let kind = table.kind.as_sql();
    sql.push(&format!("{CANDIDATES}{kind} <= {latest}{UNUSED}"));
    let query = sql.query().map_err(&fault)?;
    let rows = query.fetch_all(&mut *connection).await.map_err(&fault)?;
    let mut whole = Vec::new();
    for row in &rows {
        let part = Part {
            oid: row.try_get(0).map_err(&fault)?,
            name: row.try_get(1).map_err(&fault)?,
        };
        if is_whole(connection, &part, target).await? {
            whole.push(part);
        }
    }
    Ok(whole)
}

async fn is_whole(
    connection: &mut PgConnection,
    part: &Part,
    target: Target<'_>,
) -> Result<bool, Fault> {
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    let held = predicate::held(&mut sql, "t", target);
    let name = &part.name;
    sql.push(&format!(
        "SELECT EXISTS (SELECT FROM {name}) AND NOT EXISTS (SELECT FROM {name} AS t WHERE NOT {due} OR {held})"
    ));
    let fault = Fault::of("look for partitions that are due");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// Whether some row of a partition is held: by a hold on the whole table, or on the partition's own name.
pub(super) async fn is_held(
    connection: &mut PgConnection,
    part: &Part,
    whole: (&Table, &Holds),
    own: &Holds,
) -> Result<bool, Fault> {
    let mut sql = Statement::default();
    let (table, holds) = whole;
    let ways = [
        holds.condition(&mut sql, "t", table),
        own.condition(&mut sql, "t", &part.table(table)),
    ];
    let name = &part.name;
    let ways = ways.join(" OR ");
    sql.push(&format!(
        "SELECT EXISTS (SELECT FROM {name} AS t WHERE {ways})"
    ));
    let fault = Fault::of("look for held rows");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// Writes down which partitions are to go whole.
pub(super) async fn plan(
    connection: &mut PgConnection,
    place: &Place,
    table: &Table,
    parts: &[Part],
) -> Result<(), Fault> {
    let sql = "INSERT INTO tradewind.partition (run, store, rule, oid, parent)
        SELECT $1, $2, $3, oid::oid, $4::bigint::oid FROM unnest($5::bigint[]) AS p (oid)";
    let oids: Vec<i64> = parts.iter().map(|part| part.oid).collect();
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(table.oid).bind(oids).execute(connection).await;
    done.map(drop)
        .map_err(Fault::of("write down the partitions"))
}

/// How far a partition is, by the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has been done.
    Planned,
    /// It was, or was about to be, detached.
    Detaching,
}

/// The partitions of a rule's run that have neither been dropped nor been left to the batches.
pub(super) async fn open(store: &mut Store, place: &Place) -> Result<Vec<(i64, State)>, Error> {
    let sql = "SELECT oid::bigint, state FROM tradewind.partition
        WHERE run = $1 AND store = $2 AND rule = $3 AND state IN ('Planned', 'Detaching') ORDER BY oid";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let rows = query.fetch_all(&mut store.connection).await;
    let read = |row: &PgRow| {
        let state: String = row.try_get(1)?;
        let state = match state.as_str() {
            "Planned" => State::Planned,
            _ => State::Detaching,
        };
        Ok((row.try_get(0)?, state))
    };
    let open = rows.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
    open.map_err(Fault::of("read the partitions"))
        .map_err(|fault| store.failed(fault))
}

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A partition of the table, of these names.
    Attached(Part, String),
    /// On its way out: not seen by queries of the table any more.
    Pending(Part, String),
    /// A table of its own.
    Alone(Part, String),
    /// Not there, or part of something else.
    Elsewhere,
}

const STANDING: &str = "
SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', m.nspname, p.relname), i.inhparent = p.oid, i.inhdetachpending
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid,
  pg_class p JOIN pg_namespace m ON m.oid = p.relnamespace
WHERE c.oid = $1::bigint::oid AND p.oid = $2::bigint::oid AND c.relkind = 'r'";

/// Where a partition stands now, by number; with its name and the whole table's.
pub(super) async fn standing(
    connection: &mut PgConnection,
    oid: i64,
    parent: i64,
) -> Result<Standing, Fault> {
    let fault = Fault::of("look where a partition stands");
    let query = sqlx::query(STANDING).bind(oid).bind(parent);
    let row = query.fetch_optional(connection).await.map_err(&fault)?;
    let Some(row) = row else {
        return Ok(Standing::Elsewhere);
    };
    let name = row.try_get(0).map_err(&fault)?;
    let (part, whole) = (Part { oid, name }, row.try_get(1).map_err(&fault)?);
    let ours: Option<bool> = row.try_get(2).map_err(&fault)?;
    let pending: Option<bool> = row.try_get(3).map_err(&fault)?;
    Ok(match (ours, pending) {
        (None, _) => Standing::Alone(part, whole),
        (Some(true), Some(true)) => Standing::Pending(part, whole),
        (Some(true), _) => Standing::Attached(part, whole),
        (Some(false), _) => Standing::Elsewhere,
    })
}

/// What becomes of a partition that is a part of its table again.
#[derive(Clone, Copy, Debug)]
pub(super) enum After {
    /// Its rows go in batches.
    Batches,
    /// Whoever goes on with the run may try again.
    Again,
}

/// Writes down that a partition is a part of its table again, if the run is still this process's.
pub(super) async fn settle(
    connection: &mut PgConnection,
    books: (&Place, i64),
    oid: i64,
    after: After,
) -> Result<(), Fault> {
    match after {
        After::Batches => leave(connection, books, oid).await,
        After::Again => again(connection, books, oid).await,
    }
}

async fn again(
    connection: &mut PgConnection,
    (place, token): (&Place, i64),
    oid: i64,
) -> Result<(), Fault> {
    let sql = "WITH ours AS (SELECT FROM tradewind.run
          WHERE id = $1 AND store = $2 AND token = $5 AND ended_at IS NULL FOR SHARE)
        UPDATE tradewind.partition SET state = 'Planned' WHERE EXISTS (SELECT FROM ours)
          AND run = $1 AND store = $2 AND rule = $3 AND oid = $4::bigint::oid AND state = 'Detaching'";
    let query = sqlx::query(sql).bind(&place.run).bind(&place.store);
    let query = query.bind(&place.rule).bind(oid).bind(token);
    let done = query.execute(connection).await;
    done.map(drop)
        .map_err(Fault::of("write down the partitions"))
}

/// Leaves a partition's rows to the batches, if the run is still this process's.
async fn leave(
    connection: &mut PgConnection,
    (place, token): (&Place, i64),
    oid: i64,
) -> Result<(), Fault> {
    let sql = "WITH ours AS (SELECT FROM tradewind.run
          WHERE id = $1 AND store = $2 AND token = $5 AND ended_at IS NULL FOR SHARE),
        kept AS (UPDATE tradewind.partition SET state = 'Kept' WHERE EXISTS (SELECT FROM ours)
          AND run = $1 AND store = $2 AND rule = $3 AND oid = $4::bigint::oid AND state <> 'Dropped')
        UPDATE tradewind.pin SET partition = NULL WHERE EXISTS (SELECT FROM ours)
          AND run = $1 AND store = $2 AND rule = $3 AND partition = $4::bigint::oid";
    let query = sqlx::query(sql)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(oid).bind(token).execute(connection).await;
    done.map(drop)
        .map_err(Fault::of("leave a partition to the batches"))
}
