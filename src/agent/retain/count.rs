//! Counting: how many rows, how many due, how many without a clock, the oldest; and what a run would do.
//!
//! In: a target within one snapshot. Out: [`Counts`], or a forecast. Reads only.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{PgConnection, Row};

use super::cutoff::{ClockKind, Due};
use super::fault::Fault;
use super::predicate::{self, Target};
use super::preflight::Step;
use super::statement::Statement;
use super::store::MOMENT;

/// A table's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All rows.
    pub(super) rows: i64,
    /// Due rows.
    pub(super) due: i64,
    /// Rows without a clock.
    pub(super) null_clock: i64,
    /// The oldest clock, a date in the region.
    pub(super) oldest: Option<String>,
}

/// What a run would meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forecast {
    /// Due rows that would stay because another row that stays refers to them.
    pub(super) blocked: i64,
    /// Due rows that would go.
    pub(super) free: i64,
}

/// One pass over the table.
pub(super) async fn counts(
    connection: &mut PgConnection,
    target: Target<'_>,
    zone: &TimeZone,
) -> Result<Counts, Fault> {
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    let clockless = predicate::clockless("t", target.table);
    sql.push(&format!(
        "SELECT count(*), count(*) FILTER (WHERE {due}), count(*) FILTER (WHERE {clockless}), {} FROM {} AS t",
        oldest_sql(target),
        target.table.name,
    ));
    let fault = Fault::of("count the due rows");
    let row = sql
        .query()
        .map_err(&fault)?
        .fetch_one(connection)
        .await
        .map_err(&fault)?;
    let read = || {
        Ok(Counts {
            rows: row.try_get(0)?,
            due: row.try_get(1)?,
            null_clock: row.try_get(2)?,
            oldest: row
                .try_get::<Option<String>, _>(3)?
                .map(|text| in_region(text, zone)),
        })
    };
    read().map_err(fault)
}

/// The due rows that are in the table now.
pub(super) async fn due(connection: &mut PgConnection, target: Target<'_>) -> Result<i64, Fault> {
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    sql.push(&format!(
        "SELECT count(*) FROM {} AS t WHERE {due}",
        target.table.name
    ));
    let fault = Fault::of("count the due rows");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// The oldest clock that is in the table now.
pub(super) async fn oldest(
    connection: &mut PgConnection,
    target: Target<'_>,
    zone: &TimeZone,
) -> Result<Option<String>, Fault> {
    let mut sql = Statement::default();
    sql.push(&format!(
        "SELECT {} FROM {} AS t",
        oldest_sql(target),
        target.table.name
    ));
    let fault = Fault::of("find the oldest row");
    let row = sql
        .query()
        .map_err(&fault)?
        .fetch_one(connection)
        .await
        .map_err(&fault)?;
    let text: Option<String> = row.try_get(0).map_err(fault)?;
    Ok(text.map(|text| in_region(text, zone)))
}

fn oldest_sql(target: Target<'_>) -> String {
    let clock = format!("t.{}", target.table.clock);
    let oldest = format!("min({clock}) FILTER (WHERE isfinite({clock}))");
    match target.table.kind {
        ClockKind::Date | ClockKind::Timestamp => format!("to_char({oldest}, 'YYYY-MM-DD')"),
        ClockKind::Timestamptz => format!("to_char({oldest} AT TIME ZONE 'UTC', {MOMENT})"),
    }
}

/// A moment's date in the region; a date stays as it is.
fn in_region(text: String, zone: &TimeZone) -> String {
    match text.parse::<Timestamp>() {
        Ok(moment) => zone.to_datetime(moment).date().to_string(),
        Err(_) => text,
    }
}

/// What a run over these rules would find blocked and free: a due row is blocked when a row refers to it that
/// would stay, because it has no rule, is not due, or is blocked itself. In the order of erasing.
pub(super) async fn forecast(
    connection: &mut PgConnection,
    steps: &[(&Step, &Due)],
) -> Result<Vec<Forecast>, Fault> {
    let sql = forecast_sql(steps);
    let fault = Fault::of("forecast the run");
    let row = sql
        .query()
        .map_err(&fault)?
        .fetch_one(connection)
        .await
        .map_err(&fault)?;
    let read = |at: usize| {
        Ok(Forecast {
            blocked: row.try_get(2 * at)?,
            free: row.try_get(2 * at + 1)?,
        })
    };
    (0..steps.len())
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fault)
}

/// A common table expression for each rule: the keys of its blocked rows, built on those of its children.
fn forecast_sql(steps: &[(&Step, &Due)]) -> Statement {
    let mut sql = Statement::default();
    let mut figures = Vec::new();
    for (at, (step, due)) in steps.iter().enumerate() {
        let table = &step.table;
        let due = predicate::due(&mut sql, "t", Target { table, due });
        let stays = stays(&mut sql, steps, at);
        let keys = predicate::key_of("t", table);
        let name = &table.name;
        sql.push(if at == 0 { "WITH RECURSIVE " } else { ", " });
        sql.push(&format!(
            "stuck{at} ({}) AS (SELECT {keys} FROM {name} AS t WHERE {due} AND {stays}",
            numbered(table.key.len())
        ));
        if table.refers_to_itself() {
            // What a blocked row refers to is blocked as well.
            let on = climbs(step);
            sql.push(&format!(
                " UNION SELECT {keys} FROM stuck{at} AS s JOIN {name} AS r ON {} JOIN {name} AS t ON {on} WHERE {due}",
                predicate::is_key("r", "s", table),
            ));
        }
        sql.push(")");
        let stuck = format!(
            "({keys}) IN (SELECT {} FROM stuck{at})",
            numbered(table.key.len())
        );
        figures.push(format!(
            "(SELECT count(*) FROM {name} AS t WHERE {due} AND {stuck}), (SELECT count(*) FROM {name} AS t WHERE {due} AND NOT {stuck})"
        ));
    }
    sql.push(&format!("\nSELECT {}", figures.join(",\n  ")));
    sql
}

/// Whether a row that would stay refers to `t`.
fn stays(sql: &mut Statement, steps: &[(&Step, &Due)], at: usize) -> String {
    let Some((step, _)) = steps.get(at) else {
        return "false".to_owned();
    };
    let mut ways = vec!["false".to_owned()];
    for reference in &step.table.references {
        let on = reference.on("r", "t");
        let child = steps
            .iter()
            .position(|(child, _)| child.table.oid == reference.oid);
        let kept = match child.and_then(|place| Some((place, steps.get(place)?))) {
            None => String::new(),
            Some((place, (child, due))) => {
                let table = &child.table;
                let due = predicate::due(sql, "r", Target { table, due });
                let key = predicate::key_of("r", table);
                if place == at {
                    format!(
                        " AND NOT {due} AND NOT ({})",
                        predicate::same_key("r", "t", table)
                    )
                } else {
                    let columns = numbered(table.key.len());
                    format!(" AND (NOT {due} OR ({key}) IN (SELECT {columns} FROM stuck{place}))")
                }
            }
        };
        ways.push(format!(
            "EXISTS (SELECT FROM {} AS r WHERE {}{kept})",
            reference.name, on
        ));
    }
    format!("({})", ways.join(" OR "))
}

/// `r` refers to `t`, by any of the table's references to itself, and is not `t`.
fn climbs(step: &Step) -> String {
    let own = step
        .table
        .references
        .iter()
        .filter(|reference| reference.oid == step.table.oid);
    let ways = own.map(|reference| reference.on("r", "t"));
    let ways = ways.collect::<Vec<_>>().join(" OR ");
    format!(
        "(({ways}) AND NOT ({}))",
        predicate::same_key("r", "t", &step.table)
    )
}

/// `k1, k2`
fn numbered(count: usize) -> String {
    (1..=count)
        .map(|place| format!("k{place}"))
        .collect::<Vec<_>>()
        .join(", ")
}
