//! Rows of which a law keeps some columns: they stay, and lose the others that the keep names.
//!
//! In: a table of a begun request, and one of its keeps of some columns. Out: rows that hold no more than the law keeps. A
//! row is changed only while no other keep forbids it, and while no hold is on it.

use sqlx::Row;

use super::super::catalog::Table;
use super::super::change;
use super::super::cutoff::Ended;
use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::lesser::Lesser;
use super::super::predicate;
use super::super::preflight::Step;
use super::super::statement::Statement;
use super::super::transact::{Obstacle, passed};
use super::books;
use super::referred::Ground;
use super::rows::{self, Key};
use super::select;
use super::site::whose;
use super::work::Working;

/// Whether `alias`'s row is one of which a keep lets something go: the keep lasts, and none that forbids it does. Never null.
fn is_let_go(
    sql: &mut Statement,
    alias: &str,
    table: &Table,
    (lesser, ends): (&Lesser, &[Ended]),
) -> String {
    let Some(own) = ends.get(lesser.keep) else {
        return "false".to_owned();
    };
    let own = predicate::ended(sql, alias, table, own);
    let mut all = vec![format!("NOT {own}")];
    for at in &lesser.opposed {
        all.push(match ends.get(*at) {
            Some(other) => predicate::ended(sql, alias, table, other),
            None => "false".to_owned(),
        });
    }
    format!("({})", all.join(" AND "))
}

/// The same of a row that still holds some of it.
pub(super) fn is_open(
    sql: &mut Statement,
    alias: &str,
    table: &Table,
    (lesser, ends): (&Lesser, &[Ended]),
) -> String {
    let let_go = is_let_go(sql, alias, table, (lesser, ends));
    let pending = change::pending(sql, alias, &lesser.table);
    format!("({let_go} AND {pending})")
}

/// Of `alias`'s row: the place of the ground on which it keeps some columns, null where it has none; and whether it still
/// holds what is to go.
pub(super) fn told(sql: &mut Statement, alias: &str, table: &Table, ends: &[Ended]) -> [String; 2] {
    if table.lesser.is_empty() {
        return ["NULL::int", "false"].map(str::to_owned);
    }
    let (mut cases, mut open) = (Vec::new(), Vec::new());
    for (at, lesser) in table.lesser.iter().enumerate() {
        let let_go = is_let_go(sql, alias, table, (lesser, ends));
        // Behind the grounds of whole rows: see `grounds`.
        cases.push(format!("WHEN {let_go} THEN {}", ends.len() + at));
        open.push(is_open(sql, alias, table, (lesser, ends)));
    }
    [
        format!("(CASE {} END)", cases.join(" ")),
        format!("({})", open.join(" OR ")),
    ]
}

/// A table's own grounds, with those of which a row keeps some columns behind them.
pub(super) fn grounds(mut own: Vec<Ground>, table: &Table) -> Vec<Ground> {
    for lesser in &table.lesser {
        let law = own.get(lesser.keep).map(|whole| whole.law.clone());
        own.push(Ground {
            through: None,
            law: law.unwrap_or_default(),
            columns: lesser.columns.clone(),
        });
    }
    own
}

/// One transaction: the run is ours, the table is the same, the rows lose what they may, the number says so. Answers how
/// many rows lost something. A row of which nothing is left that its rule takes is erased, and noted so.
pub(super) async fn transact(
    at: &mut Working<'_>,
    lesser: &Lesser,
    batch: &[Key],
) -> Result<i64, Obstacle> {
    let fault = Fault::of("reduce a batch");
    let broken = |error| Obstacle::Batch(fault(error));
    let name = at.site.store.name.clone();
    let ends = at.site.ends_of(&at.step.rule.name).to_vec();
    let step = Step {
        table: lesser.table.clone(),
        ..at.step.clone()
    };
    let (mut transaction, holds) = passed(&mut at.site.store, at.work, &step).await?;
    let durable = sqlx::raw_sql("SET LOCAL synchronous_commit = on");
    durable.execute(&mut *transaction).await.map_err(broken)?;
    let whose = whose(at.step, at.job.who, &at.job.settings.kinds);
    let table = whose.table;
    let mut sql = Statement::default();
    rows::taken(&mut sql, table, batch);
    let theirs = whose.to_erase(&mut sql, "t");
    let open = is_open(&mut sql, "t", table, (lesser, &ends));
    let held = select::held(&mut sql, "t", table, &holds);
    let reduce = change::erase(&mut sql, &lesser.table, Some("taken AS w"));
    let left = match table.changes.as_slice() {
        [] => "true".to_owned(),
        _ => change::pending(&mut sql, "t", table),
    };
    sql.push(&format!(
        "reduced AS ({reduce} WHERE {} AND {theirs} AND {open} AND NOT {held} RETURNING w.place, {left} AS is_left)
        SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(place) FILTER (WHERE NOT is_left), '{{}}') FROM reduced",
        predicate::is_key("t", "w", table),
    ));
    let query = sql.query().map_err(broken)?;
    let row = query.fetch_one(&mut *transaction).await.map_err(broken)?;
    let count: i64 = row.try_get(0).map_err(broken)?;
    let places: Vec<i64> = row.try_get(1).map_err(broken)?;
    if count == 0 {
        transaction.rollback().await.map_err(broken)?;
        return Ok(0);
    }
    let hashes = rows::hashes_at(batch, &places);
    // With no row too: a restore would bring back what the others have lost.
    let run = (&at.work.run, name.as_str());
    let noted = books::note_erased(&mut transaction, run, whose.name, &hashes).await;
    if usize::try_from(noted.map_err(Obstacle::Batch)?) != Ok(hashes.len()) {
        let rule = at.step.rule.name.clone();
        return Err(Obstacle::Fatal(Run::Unbalanced { store: name, rule }));
    }
    transaction.commit().await.map_err(broken)?;
    tracing::debug!(table = whose.name, "batch");
    Ok(count)
}
