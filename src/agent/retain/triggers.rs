//! Triggers of somebody's own that an erased row fires, and rules that put another statement in an erasure's place.
//!
//! In: a table and its changes. Out: the triggers, each in the log too; whether there is such a rule. Reads only.

use sqlx::{PgConnection, Row};

use super::change::Change;
use super::fault::Fault;
use super::refusal::Refusal;

/// On the table or a partition of it: those of an event, and of one of some columns where it names columns.
const TRIGGERS: &str = "
SELECT quote_ident(t.tgname), format('%I.%I', n.nspname, c.relname), t.tgfoid::regprocedure::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgrelid IN (SELECT $1::bigint::oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
  AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & $2::int <> 0 AND t.tgparentid = 0
  AND (cardinality(t.tgattr::int2[]) = 0 OR EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[]) AND quote_ident(a.attname) = ANY ($3)))
ORDER BY t.tgrelid, t.tgname";

/// A trigger of somebody's own that erasing fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    /// Its name, quoted.
    pub(super) name: String,
    /// The table or partition that has it, quoted.
    pub(super) table: String,
}

/// Bits of `pg_trigger.tgtype`.
const ON_DELETE: i32 = 8;
const ON_UPDATE: i32 = 16;

/// What fires when rows go: a rule of the table that makes something else of the statement is refused, triggers are named.
pub(super) async fn fired(
    connection: &mut PgConnection,
    oid: i64,
    changes: &[Change],
    (rule, table): (&str, &str),
) -> Result<Result<Vec<Trigger>, Refusal>, Fault> {
    if rewrites(connection, oid, changes).await? {
        return Ok(Err(Refusal::Rewritten {
            rule: rule.to_owned(),
            table: table.to_owned(),
        }));
    }
    named(connection, oid, changes, rule).await.map(Ok)
}

/// Says which triggers erasing fires: one may copy what is to be erased.
async fn named(
    connection: &mut PgConnection,
    oid: i64,
    changes: &[Change],
    rule: &str,
) -> Result<Vec<Trigger>, Fault> {
    let fault = Fault::of("read the catalogue");
    let (event, finding) = if changes.is_empty() {
        (ON_DELETE, "TriggerOnDelete")
    } else {
        (ON_UPDATE, "TriggerOnUpdate")
    };
    let columns: Vec<&str> = changes.iter().map(|change| &*change.name).collect();
    let query = sqlx::query(TRIGGERS).bind(oid).bind(event).bind(columns);
    let rows = query.fetch_all(connection).await;
    let mut triggers = Vec::new();
    for row in rows.map_err(&fault)? {
        let name: String = row.try_get(0).map_err(&fault)?;
        let table: String = row.try_get(1).map_err(&fault)?;
        let calls: String = row.try_get(2).map_err(&fault)?;
        tracing::warn!(
            finding,
            rule,
            trigger = format!("{name} on {table} calls {calls}"),
            "a trigger fires on each erased row: see that it copies nothing that is to be erased"
        );
        triggers.push(Trigger { name, table });
    }
    Ok(triggers)
}

/// Rules (`CREATE RULE`) for a delete or an update. A partition's own are not asked: statements name the whole table.
const REWRITES: &str = "SELECT EXISTS (SELECT FROM pg_rewrite
  WHERE ev_class = $1::bigint::oid AND ev_type = ANY ($2::text[]::\"char\"[]) AND ev_enabled <> 'D')";

/// Whether a rule of the table's would make something else of what erases: the server refuses that statement as we need
/// it, or does not erase.
async fn rewrites(
    connection: &mut PgConnection,
    oid: i64,
    changes: &[Change],
) -> Result<bool, Fault> {
    let events: &[&str] = if changes.is_empty() { &["4"] } else { &["2"] };
    let query = sqlx::query(REWRITES).bind(oid).bind(events);
    let row = query.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the catalogue"))
}
