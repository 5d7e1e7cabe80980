//! The clock columns of a rule's table, as the catalogue has them.
//!
//! In: names as the task wrote them, bound as values. Out: columns that the server quoted, each with its type; or why the
//! rule cannot run. Reads only.

use sqlx::{PgConnection, Row};

use super::cutoff::ClockKind;
use super::fault::Fault;
use super::refusal::Refusal;
use super::settings::Rule;
use super::subjects::Subject;

/// A clock column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Its name, quoted.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: ClockKind,
}

const CLOCK: &str = "
SELECT quote_ident(a.attname), a.atttypid::bigint, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a
WHERE a.attrelid = $1::bigint::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/// A column by its name as the task wrote it.
struct Column {
    name: String,
    /// None for a type that is no clock's; then as SQL writes it.
    kind: Result<ClockKind, String>,
}

/// The rule's clock, and the column that each of its keeps counts from, in their order. A request's table needs no clock of
/// its own: the first column that tells whose a row is stands in its place among what is watched.
pub(super) async fn clocks(
    connection: &mut PgConnection,
    oid: i64,
    (table, subjects): (&str, &[Subject]),
    rule: &Rule,
) -> Result<Result<(Clock, Vec<Clock>), Refusal>, Fault> {
    let own = match subjects {
        [first, ..] if rule.clock.is_empty() => Clock {
            name: first.name.clone(),
            kind: ClockKind::Date,
        },
        _ => match one(connection, oid, (&rule.name, table), &rule.clock).await? {
            Ok(clock) => clock,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let mut keeps: Vec<Clock> = Vec::new();
    for keep in &rule.keeps {
        let found = column(connection, oid, &keep.clock).await?;
        let Some((name, Ok(kind))) = found.map(|column| (column.name, column.kind)) else {
            return Ok(Err(Refusal::KeepUnreadable {
                rule: rule.name.clone(),
                table: table.to_owned(),
                clock: keep.clock.clone(),
                ground: keep.ground.clone(),
            }));
        };
        keeps.push(Clock { name, kind });
    }
    Ok(Ok((own, keeps)))
}

/// A clock column by its name.
pub(super) async fn one(
    connection: &mut PgConnection,
    oid: i64,
    (rule, table): (&str, &str),
    clock: &str,
) -> Result<Result<Clock, Refusal>, Fault> {
    let (rule, table) = (rule.to_owned(), table.to_owned());
    Ok(match column(connection, oid, clock).await? {
        None => Err(Refusal::ClockMissing {
            rule,
            table,
            clock: clock.to_owned(),
        }),
        Some(Column { name, kind }) => match kind {
            Ok(kind) => Ok(Clock { name, kind }),
            Err(found) => Err(Refusal::ClockWrongType {
                rule,
                table,
                clock: name,
                found,
            }),
        },
    })
}

async fn column(
    connection: &mut PgConnection,
    oid: i64,
    name: &str,
) -> Result<Option<Column>, Fault> {
    let fault = Fault::of("read the catalogue");
    let query = sqlx::query(CLOCK).bind(oid).bind(name);
    let row = query.fetch_optional(connection).await.map_err(&fault)?;
    let read = |row: sqlx::postgres::PgRow| {
        // The types' numbers are the same in every PostgreSQL.
        let kind = match row.try_get::<i64, _>(1)? {
            1082 => Ok(ClockKind::Date),
            1114 => Ok(ClockKind::Timestamp),
            1184 => Ok(ClockKind::Timestamptz),
            _ => Err(row.try_get(2)?),
        };
        Ok(Column {
            name: row.try_get(0)?,
            kind,
        })
    };
    row.map(read).transpose().map_err(fault)
}
