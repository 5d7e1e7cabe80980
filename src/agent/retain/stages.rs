//! What has become of erased rows after they were gone from every query: who may still see them, and whether their
//! space was vacuumed since.
//!
//! In: the books of ended runs, and what the server shows of transactions and vacuums. Out: a word for each rule in the
//! books. It never says that rows are gone from the disk.

use sqlx::{PgConnection, Row};

use super::fault::Fault;
use super::pins::Place;
use super::predicate::{self, Target};
use super::statement::Statement;
use crate::contract::Space;

/// The next transaction's number, and how far back the oldest of each kind reaches. A vacuum of a table asks the same, of
/// this database alone.
const HOLDERS: &str = "
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
  (SELECT max(greatest(age(backend_xid), age(backend_xmin))) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid())::bigint,
  (SELECT max(age(transaction)) FROM pg_prepared_xacts WHERE database = current_database())::bigint,
  (SELECT max(age(xmin)) FROM pg_replication_slots)::bigint,
  (SELECT max(age(backend_xmin)) FROM pg_stat_replication)::bigint";

/// The word of each rule that erased something and whose space is not known to be released. `$3` is the number before
/// which all is over, by kind. A table's last vacuum is known by its end: it began late enough if none was at work when
/// everybody was gone. A table that is not there any more has no file.
const JUDGE: &str = "
WITH open AS (
  SELECT r.run, r.store, r.name, r.relations, r.horizon::text::bigint AS horizon, r.passed_at FROM tradewind.rule AS r
  JOIN tradewind.run AS n ON n.id = r.run AND n.store = r.store
  WHERE n.policy = $1 AND r.store = $2 AND n.ended_at IS NOT NULL AND r.space IS DISTINCT FROM 'Released'
    AND r.method <> 'Restrict' -- takes no row's space
    AND (SELECT sum(l.erased) FROM tradewind.ledger AS l WHERE l.run = r.run AND l.store = r.store AND l.rule = r.name) > 0
), seen AS MATERIALIZED (
  SELECT open.*, CASE WHEN relations IS NULL OR horizon IS NULL THEN 'Unknown'
    WHEN passed_at IS NOT NULL THEN NULL
    WHEN horizon > ($3::bigint[])[1] THEN 'WaitsForTransaction' WHEN horizon > ($3::bigint[])[2] THEN 'WaitsForPrepared'
    WHEN horizon > ($3::bigint[])[3] THEN 'WaitsForSlot' WHEN horizon > ($3::bigint[])[4] THEN 'WaitsForStandby' END AS waits FROM open
), passed AS MATERIALIZED (
  SELECT seen.*, EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.relid = ANY (relations)) AS vacuuming FROM seen
)
UPDATE tradewind.rule AS r SET
  passed_at = CASE WHEN p.waits IS NULL AND NOT p.vacuuming THEN coalesce(p.passed_at, clock_timestamp()) ELSE p.passed_at END,
  space = coalesce(p.waits, CASE WHEN NOT EXISTS (
      SELECT FROM unnest(p.relations) AS o (oid) JOIN pg_class AS c ON c.oid = o.oid
      LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
      WHERE (greatest(s.last_vacuum, s.last_autovacuum) > p.passed_at) IS NOT TRUE)
    THEN 'Released' ELSE 'WaitsForVacuum' END)
FROM passed AS p WHERE (r.run, r.store, r.name) = (p.run, p.store, p.name)";

/// Looks how far the erased rows of a policy's runs are, and writes it down.
pub(super) async fn judge(
    connection: &mut PgConnection,
    policy: &str,
    store: &str,
) -> Result<(), Fault> {
    let fault = Fault::of("look who may still see erased rows");
    let row = sqlx::query(HOLDERS).fetch_one(&mut *connection).await;
    let row = row.map_err(&fault)?;
    let next: i64 = row.try_get(0).map_err(&fault)?;
    let mut over = Vec::new();
    for kind in 1..=4 {
        let age: Option<i64> = row.try_get(kind).map_err(&fault)?;
        over.push(age.map_or(i64::MAX, |age| next - age));
    }
    let query = sqlx::query(JUDGE).bind(policy).bind(store).bind(over);
    query.execute(connection).await.map(drop).map_err(fault)
}

/// The tables `$4`, and what each keeps its long values in, unless that is empty: it has dead rows of its own, and a vacuum
/// may leave it out.
const RELATIONS: &str = "
UPDATE tradewind.rule SET relations = CASE WHEN $4::bigint[] IS NOT NULL THEN (
  SELECT coalesce(array_agg(o.oid), '{}') FROM (
    SELECT unnest($4::bigint[])::oid AS oid
    UNION ALL SELECT c.reltoastrelid FROM pg_class AS c
    WHERE c.oid = ANY ($4::bigint[]::oid[]) AND c.reltoastrelid <> 0 AND pg_relation_size(c.reltoastrelid) > 0
  ) AS o) END
WHERE run = $1 AND store = $2 AND name = $3";

/// Writes down in which tables' files the pinned rows of a rule lie, long values included. Those of a partitioned table are asked for their
/// place, which needs a right to the whole table.
pub(super) async fn place(
    connection: &mut PgConnection,
    place: &Place,
    target: Target<'_>,
) -> Result<(), Fault> {
    let fault = Fault::of("look where the due rows lie");
    let sql = "SELECT relkind = 'r', has_table_privilege(oid, 'SELECT') FROM pg_class WHERE oid = $1::bigint::oid";
    let table = target.table;
    let row = sqlx::query(sql).bind(table.oid).fetch_one(&mut *connection);
    let row = row.await.map_err(&fault)?;
    let plain: bool = row.try_get(0).map_err(&fault)?;
    let relations: Option<Vec<i64>> = if plain {
        Some(vec![table.oid])
    } else if row.try_get(1).map_err(&fault)? {
        let mut sql = Statement::default();
        let due = predicate::due(&mut sql, "t", target);
        let name = &table.name;
        sql.push(&format!(
            "SELECT coalesce(pg_catalog.array_agg(DISTINCT t.tableoid::bigint), '{{}}') FROM {name} AS t WHERE {due}"
        ));
        let row = sql.query().map_err(&fault)?.fetch_one(&mut *connection);
        Some(row.await.and_then(|row| row.try_get(0)).map_err(&fault)?)
    } else {
        None
    };
    let query = sqlx::query(RELATIONS)
        .bind(&place.run)
        .bind(&place.store)
        .bind(&place.rule);
    let done = query.bind(relations).execute(connection).await;
    done.map(drop).map_err(fault)
}

/// From the books.
pub(super) fn read(word: Option<String>) -> Option<Space> {
    word.map(|word| Space::named(&word).unwrap_or(Space::Unknown))
}
