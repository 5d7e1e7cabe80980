//! Counting: how many rows, how many due, how many without a clock, the oldest; and what a run would do.
//!
//! In: a target within one snapshot. Out: [`Counts`], or a forecast. Reads only.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{PgConnection, Row};

use super::catalog::Table;
use super::change;
use super::cutoff::ClockKind;
use super::fault::Fault;
use super::predicate::{self, Target};
use super::statement::Statement;
use super::store::MOMENT;

/// A table's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All rows.
    pub(super) rows: i64,
    /// Due rows.
    pub(super) due: i64,
    /// Rows without a clock that hold something to erase.
    pub(super) null_clock: i64,
    /// Rows that wait for a notice alone: none of them is due, nor without a clock. 0 where the rule asks for no notice.
    pub(super) untold: i64,
    /// The oldest clock of a row that holds something to erase, a date in the region.
    pub(super) oldest: Option<String>,
}

/// What a run would meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forecast {
    /// Due rows that a hold keeps.
    pub(super) held: i64,
    /// Due rows that would stay because another row that stays refers to them.
    pub(super) blocked: i64,
    /// Due rows that would go.
    pub(super) free: i64,
}

/// All figures in one statement: in one pass over the table, or, where an index on the clock answers the others at once,
/// with nothing but a count for the rows.
pub(super) async fn counts(
    connection: &mut PgConnection,
    target: Target<'_>,
    zone: &TimeZone,
) -> Result<Counts, Fault> {
    // Asked only where somebody has to be told: it costs as much as to count the due rows.
    let mut sql = Statement::default();
    let untold = predicate::untold(&mut sql, "t", target);
    let is_told = untold.is_none();
    if is_told && goes_by_clock(target) && is_ordered(connection, target.table).await? {
        sql = figures(target);
    } else {
        one_pass(&mut sql, target, untold);
    }
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
            untold: if is_told { 0 } else { row.try_get(4)? },
            oldest: row
                .try_get::<Option<String>, _>(3)?
                .map(|text| in_region(text, zone)),
        })
    };
    read().map_err(fault)
}

/// Whether the clock alone says of a row whether it is due.
pub(super) fn goes_by_clock(target: Target<'_>) -> bool {
    let Table {
        clock,
        changes,
        contacts,
        ..
    } = target.table;
    changes.is_empty() && contacts.is_empty() && target.table.clocks() == [clock.as_str()]
}

/// Each figure for itself.
fn figures(target: Target<'_>) -> Statement {
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    let Table {
        clock, name, kind, ..
    } = target.table;
    let kind = kind.as_sql();
    let ends = ["-infinity", "infinity"]
        .map(|end| format!("t.{clock} OPERATOR(pg_catalog.=) '{end}'::{kind}"));
    sql.push(&format!(
        "SELECT (SELECT count(*) FROM {name}), (SELECT count(*) FROM {name} AS t WHERE {due}),
  (SELECT count(*) FROM {name} AS t WHERE t.{clock} IS NULL OR {}), (SELECT {} FROM {name} AS t WHERE isfinite(t.{clock}))",
        ends.join(" OR "),
        as_text(target, &format!("min(t.{clock})")),
    ));
    sql
}

/// All figures of each row at once.
fn one_pass(sql: &mut Statement, target: Target<'_>, untold: Option<String>) {
    let due = predicate::due(sql, "t", target);
    let clockless = predicate::clockless(sql, "t", target);
    let pending = change::pending(sql, "t", target.table);
    let waiting = untold.map(|untold| format!(", count(*) FILTER (WHERE {untold})"));
    sql.push(&format!(
        "SELECT count(*), count(*) FILTER (WHERE {due}), count(*) FILTER (WHERE {clockless} AND {pending}), {}{} FROM {} AS t",
        oldest_sql(target, &pending),
        waiting.unwrap_or_default(),
        target.table.name,
    ));
}

/// Whether a B-tree of all rows of table `$1` begins with its column `$2`.
const ORDERED: &str = "
SELECT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = $1::bigint::oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' AND quote_ident(a.attname) = $2)";

/// Whether an index on the clock finds rows by it.
pub(super) async fn is_ordered(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<bool, Fault> {
    let ordered = sqlx::query(ORDERED).bind(table.oid).bind(&table.clock);
    let ordered = ordered.fetch_one(connection).await;
    ordered
        .and_then(|row| row.try_get(0))
        .map_err(Fault::of("look for an index on the clock"))
}

/// The due rows that are in the table now, of which there are few after a run. By an index on the clock they are looked for
/// from the youngest to the oldest: the pages that were written last are still in the server's memory then, and need not make
/// room for those that were written first.
pub(super) async fn due(connection: &mut PgConnection, target: Target<'_>) -> Result<i64, Fault> {
    let fault = Fault::of("count the due rows");
    let Table { clock, name, .. } = target.table;
    let ordered = is_ordered(connection, target.table).await?;
    let mut sql = Statement::default();
    let due = predicate::due(&mut sql, "t", target);
    sql.push(&if ordered {
        format!(
            "SELECT count(*) FROM (SELECT FROM {name} AS t WHERE {due} ORDER BY t.{clock} DESC OFFSET 0) AS found"
        )
    } else {
        format!("SELECT count(*) FROM {name} AS t WHERE {due}")
    });
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(fault)
}

/// The oldest clock that is in the table now, of a row that holds something to erase.
pub(super) async fn oldest(
    connection: &mut PgConnection,
    target: Target<'_>,
    zone: &TimeZone,
) -> Result<Option<String>, Fault> {
    let mut sql = Statement::default();
    let pending = change::pending(&mut sql, "t", target.table);
    // Not `FILTER`: an index on the clock answers this at once.
    let clock = format!("t.{}", target.table.clock);
    sql.push(&format!(
        "SELECT {} FROM {} AS t WHERE isfinite({clock}) AND {pending}",
        as_text(target, &format!("min({clock})")),
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

fn oldest_sql(target: Target<'_>, pending: &str) -> String {
    let clock = format!("t.{}", target.table.clock);
    as_text(
        target,
        &format!("min({clock}) FILTER (WHERE isfinite({clock}) AND {pending})"),
    )
}

fn as_text(target: Target<'_>, oldest: &str) -> String {
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
/// would stay, because it has no rule, is not due, or is blocked itself. In the order of erasing; each target with its due
/// rows as they were counted in the same snapshot. Where nothing is held and nothing refers to the table they are not
/// counted again: all of them would go.
pub(super) async fn forecast(
    connection: &mut PgConnection,
    targets: &[(Target<'_>, i64)],
) -> Result<Vec<Forecast>, Fault> {
    let free = |(target, due): &(Target<'_>, i64)| Forecast {
        free: if all_go(*target) { *due } else { 0 },
        ..Forecast::default()
    };
    let mut forecasts: Vec<Forecast> = targets.iter().map(free).collect();
    let targets: Vec<Target<'_>> = targets.iter().map(|(target, _)| *target).collect();
    let open = forecasts.iter_mut().zip(&targets);
    let open: Vec<&mut Forecast> = open
        .filter_map(|(forecast, target)| (!all_go(*target)).then_some(forecast))
        .collect();
    if open.is_empty() {
        return Ok(forecasts);
    }
    let sql = forecast_sql(&targets);
    let fault = Fault::of("forecast the run");
    let row = sql.query().map_err(&fault)?.fetch_one(connection).await;
    let row = row.map_err(&fault)?;
    for (at, forecast) in open.into_iter().enumerate() {
        let figure = |place: usize| row.try_get(3 * at + place).map_err(&fault);
        *forecast = Forecast {
            held: figure(0)?,
            blocked: figure(1)?,
            free: figure(2)?,
        };
    }
    Ok(forecasts)
}

/// Whether nothing can keep a due row: no hold, and no row of another.
fn all_go(target: Target<'_>) -> bool {
    target.holds.are_none() && target.table.references.is_empty()
}

/// A common table expression for each rule: the keys of its due rows that would stay, held or blocked, built on
/// those of its children. Three figures for each rule that some may stay of.
fn forecast_sql(targets: &[Target<'_>]) -> Statement {
    let mut sql = Statement::default();
    let mut figures = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let table = target.table;
        let due = predicate::due(&mut sql, "t", *target);
        let held = predicate::held(&mut sql, "t", *target);
        let stays = stays(&mut sql, targets, at);
        let keys = predicate::key_of("t", table);
        let name = &table.name;
        sql.push(if at == 0 { "WITH RECURSIVE " } else { ", " });
        sql.push(&format!(
            "stuck{at} ({}) AS (SELECT {keys} FROM {name} AS t WHERE {due} AND ({held} OR {stays})",
            numbered(table.key.len())
        ));
        if table.refers_to_itself() {
            // What a row that stays refers to is blocked.
            let on = climbs(table);
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
        if !all_go(*target) {
            figures.push(format!(
                "(SELECT count(*) FILTER (WHERE {held}), count(*) FILTER (WHERE NOT {held} AND {stuck}), count(*) FILTER (WHERE NOT {stuck})
  FROM {name} AS t WHERE {due}) AS figures{at}"
            ));
        }
    }
    sql.push(&format!("\nSELECT * FROM {}", figures.join(",\n  ")));
    sql
}

/// Whether a row that would stay refers to `t`.
fn stays(sql: &mut Statement, targets: &[Target<'_>], at: usize) -> String {
    let Some(target) = targets.get(at) else {
        return "false".to_owned();
    };
    let mut ways = vec!["false".to_owned()];
    for reference in &target.table.references {
        let on = reference.on("r", "t");
        let child = targets
            .iter()
            .position(|child| child.table.oid == reference.oid);
        let kept = match child.and_then(|place| Some((place, targets.get(place)?))) {
            None => String::new(),
            // It stays, and refers to `t` still.
            Some((_, child)) if !change::ends(child.table, reference) => String::new(),
            Some((place, child)) => {
                let due = predicate::due(sql, "r", *child);
                let held = predicate::held(sql, "r", *child);
                let key = predicate::key_of("r", child.table);
                if place == at {
                    let same = predicate::same_key("r", "t", child.table);
                    format!(" AND (NOT {due} OR {held}) AND NOT ({same})")
                } else {
                    let columns = numbered(child.table.key.len());
                    format!(" AND (NOT {due} OR ({key}) IN (SELECT {columns} FROM stuck{place}))")
                }
            }
        };
        ways.push(format!(
            "EXISTS (SELECT FROM {} AS r WHERE {on}{kept})",
            reference.name
        ));
    }
    format!("({})", ways.join(" OR "))
}

/// `r` refers to `t`, by any of the table's references to itself, and is not `t`.
fn climbs(table: &Table) -> String {
    let own = table
        .references
        .iter()
        .filter(|reference| reference.oid == table.oid);
    let ways = own.map(|reference| reference.on("r", "t"));
    let ways = ways.collect::<Vec<_>>().join(" OR ");
    format!(
        "(({ways}) AND NOT ({}))",
        predicate::same_key("r", "t", table)
    )
}

/// `k1, k2`
fn numbered(count: usize) -> String {
    (1..=count)
        .map(|place| format!("k{place}"))
        .collect::<Vec<_>>()
        .join(", ")
}
