//! Tables and columns that look as if they held persons, and that no rule speaks of; tables that somebody speaks of and that are
//! not there; and what of the rules' own tables makes erasing slow, or may copy.
//!
//! In: words, the task's own tables, a session. Out: names from the catalogue, which everybody in a database may read.
//! No row is read. What a name says is a guess: somebody is to look.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Error;
use super::fault::Fault;
use super::preflight::Step;
use super::site::Site;
use super::store::Store;
use super::which;
use crate::contract::{
    self, AbsentTable, Catalogue, CatalogueLook, FiringTrigger, MissingIndex, UnruledTable,
};

/// The merchant's tables with their columns. A partition is its table's; the server's own tables and Tradewind's hold
/// nobody, or are looked after by themselves.
const TABLES: &str = "
SELECT c.oid::bigint, n.nspname || '.' || c.relname,
  array_agg(a.attname::text ORDER BY a.attnum), array_agg(quote_ident(a.attname) ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('information_schema', 'tradewind', 'tradewind_connect') AND n.nspname NOT LIKE 'pg\\_%'
GROUP BY 1, 2 ORDER BY 2";

/// Those of the names that no table in the database has, in any schema; what the role may not read counts as well. A view and a
/// partition count not: rows are erased from the table behind them, and a keep binds by the name that a rule erases from.
const ABSENT: &str = "
SELECT told FROM unnest($1::text[]) AS told
WHERE NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (c.relname = told OR n.nspname || '.' || c.relname = told))
ORDER BY told COLLATE \"C\"";

/// One table of the catalogue.
struct Found {
    oid: i64,
    name: String,
    columns: Vec<String>,
    quoted: Vec<String>,
}

/// Looks at each store's catalogue.
pub(super) async fn look(sites: &mut [Site], asked: &Catalogue) -> Result<CatalogueLook, Error> {
    let (mut all, mut absent) = (Vec::new(), Vec::new());
    for site in sites.iter_mut() {
        let rows = sqlx::query(TABLES)
            .fetch_all(&mut site.store.connection)
            .await;
        let found = rows.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
        let found = found.map_err(Fault::of("read the catalogue"));
        let found = found.map_err(|fault| site.store.failed(fault))?;
        absent.extend(not_there(&mut site.store, asked).await?);
        let store = &site.store.name;
        let steps = &site.plan.steps;
        all.extend(
            found
                .iter()
                .filter_map(|table| judge(table, store, steps, asked)),
        );
    }
    let of_rules = |site: &Site| {
        let steps = site.plan.steps.iter();
        let steps = steps.map(|step| (site.store.name.clone(), step.clone()));
        steps.collect::<Vec<_>>()
    };
    let steps: Vec<(String, Step)> = sites.iter().flat_map(of_rules).collect();
    let mut indexes: Vec<MissingIndex> = steps.iter().flat_map(unindexed).collect();
    let mut triggers: Vec<FiringTrigger> = steps.iter().flat_map(firing).collect();
    let more = cut(&mut all, CatalogueLook::TABLES);
    let more_of_rules = cut(&mut indexes, CatalogueLook::OF_RULES)
        .saturating_add(cut(&mut triggers, CatalogueLook::OF_RULES))
        .saturating_add(cut(&mut absent, CatalogueLook::OF_RULES));
    Ok(CatalogueLook {
        tables: all,
        more,
        indexes,
        triggers,
        absent,
        more_of_rules,
        databases: which::told(sites).await,
    })
}

/// What somebody names in a store and is no table there that rows can be erased from: no rule erases from them, and what keeps them keeps nothing.
async fn not_there(store: &mut Store, asked: &Catalogue) -> Result<Vec<AbsentTable>, Error> {
    let Some(named) = asked.named.get(&store.name) else {
        return Ok(Vec::new());
    };
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let query = sqlx::query_scalar(ABSENT).bind(named);
    let names: Result<Vec<String>, _> = query.fetch_all(&mut store.connection).await;
    let names = names.map_err(Fault::of("read the catalogue"));
    let names = names.map_err(|fault| store.failed(fault))?;
    let absent = names.into_iter().map(|table| {
        tracing::warn!(
            finding = "TableAbsent",
            store = store.name,
            table,
            "a rule or the Region names no table of the database that rows can be erased from (nothing, a view, or a partition of another): what keeps it keeps nothing"
        );
        AbsentTable {
            store: store.name.clone(),
            table,
        }
    });
    Ok(absent.collect())
}

/// Keeps the first of a list; how many went.
fn cut<T>(list: &mut Vec<T>, most: usize) -> i64 {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    i64::try_from(more).unwrap_or(i64::MAX)
}

/// What refers to the rule's rows without an index.
fn unindexed((store, step): &(String, Step)) -> impl Iterator<Item = MissingIndex> {
    let references = step.table.references.iter();
    let bare = references.filter(|reference| !reference.is_indexed);
    bare.map(|reference| MissingIndex {
        store: store.clone(),
        rule: step.rule.name.clone(),
        table: reference.name.clone(),
        columns: reference
            .links
            .iter()
            .map(|link| link.child.clone())
            .collect(),
    })
}

/// What fires when the rule erases.
fn firing((store, step): &(String, Step)) -> impl Iterator<Item = FiringTrigger> {
    step.table.triggers.iter().map(|trigger| FiringTrigger {
        store: store.clone(),
        rule: step.rule.name.clone(),
        table: trigger.table.clone(),
        trigger: trigger.name.clone(),
    })
}

fn read(row: &PgRow) -> Result<Found, sqlx::Error> {
    Ok(Found {
        oid: row.try_get(0)?,
        name: row.try_get(1)?,
        columns: row.try_get(2)?,
        quoted: row.try_get(3)?,
    })
}

fn judge(table: &Found, store: &str, steps: &[Step], asked: &Catalogue) -> Option<UnruledTable> {
    let own = steps.iter().find(|step| step.table.oid == table.oid);
    let left: BTreeSet<&String> = match own {
        // The whole row goes.
        Some(step) if step.table.changes.is_empty() => return None,
        Some(step) => step.table.changes.iter().map(|it| &it.name).collect(),
        None if is_named(table, store, asked) => return None,
        None => BTreeSet::new(),
    };
    let columns = table.columns.iter().zip(&table.quoted);
    let speaks = |(name, quoted): &(&String, &String)| {
        !left.contains(quoted) && contract::personal_word(name, &asked.column_words).is_some()
    };
    let columns = columns.filter(speaks).map(|(name, _)| name.clone());
    let columns: Vec<String> = columns.take(CatalogueLook::COLUMNS).collect();
    let by_name =
        own.is_none() && contract::personal_word(&table.name, &asked.table_words).is_some();
    (by_name || !columns.is_empty()).then(|| UnruledTable {
        store: store.to_owned(),
        table: table.name.clone(),
        rule: own.map(|step| step.rule.name.clone()),
        columns,
    })
}

fn is_named(table: &Found, store: &str, asked: &Catalogue) -> bool {
    let named = asked.named.get(store).into_iter().flatten();
    let mut named = named.map(String::as_str);
    named.any(|told| contract::names_table(told, &table.name))
}
