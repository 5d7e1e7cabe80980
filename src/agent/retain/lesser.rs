//! A table as it is for a keep of some columns: its rows stay and lose others, as under a rule that anonymises.
//!
//! In: a rule's table, and its keeps. Out: for each keep of some columns the same table with what is changed in it, looked
//! at as closely as any other. Reads only.

use sqlx::{PgConnection, Row};

use super::catalog::{self, Table};
use super::clocks::Clock;
use super::columns;
use super::fault::Fault;
use super::grants::Grants;
use super::partial::{self, Partial};
use super::refusal::Refusal;
use super::settings::Rule;
use super::store::Store;
use super::triggers;
use super::unfit::Unfit;

/// What a keep of some columns makes of a table.
#[derive(Clone, Debug)]
pub(super) struct Lesser {
    /// The keep's place among the rule's.
    pub(super) keep: usize,
    /// The columns that the law keeps, as they were written.
    pub(super) columns: Vec<String>,
    /// The places of keeps that forbid it while they last.
    pub(super) opposed: Vec<usize>,
    /// The table, with what changes in it.
    pub(super) table: Table,
}

impl Lesser {
    /// What a request is bound to: which keep it is, what it keeps, and what changes.
    pub(super) fn bound_to(&self) -> String {
        let Self {
            keep,
            columns,
            opposed,
            table,
        } = self;
        let columns = columns.join(",");
        format!(" keep {keep} {opposed:?} of {columns} {}", table.bound_to())
    }
}

const NAMES: &str = "
SELECT a.attname::text, quote_ident(a.attname) FROM pg_attribute a
WHERE a.attrelid = $1::bigint::oid AND a.attname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped";

/// The table for each of its rule's keeps of some columns, or what is wrong with one. What a rule of retention takes while a law
/// keeps the row, it takes because the law keeps other columns: these must be there, else nobody knows what was meant.
pub(super) async fn find(
    store: &mut Store,
    rule: &Rule,
    table: &Table,
    grants: &mut Grants,
) -> Result<Result<Vec<Lesser>, Refusal>, Fault> {
    let mut all = Vec::new();
    for (at, keep) in rule.keeps.iter().enumerate() {
        if let Some(unfit) = unfit(&mut store.connection, table, &keep.columns).await? {
            return Ok(Err(Refusal::of(unfit, rule, &table.name)));
        }
        let Some(partial) = &keep.partial else {
            continue;
        };
        match one(store, rule, (table, partial), grants).await? {
            Ok(table) => all.push(Lesser {
                keep: at,
                columns: partial.columns.clone(),
                opposed: partial::opposed(&rule.keeps, partial),
                table,
            }),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(all))
}

async fn one(
    store: &mut Store,
    rule: &Rule,
    (table, partial): (&Table, &Partial),
    grants: &mut Grants,
) -> Result<Result<Table, Refusal>, Fault> {
    let connection = &mut store.connection;
    if let Some(unfit) = unfit(connection, table, &partial.columns).await? {
        return Ok(Err(Refusal::of(unfit, rule, &table.name)));
    }
    let own = Clock {
        name: table.clock.clone(),
        kind: table.kind,
    };
    let own = (!rule.clock.is_empty()).then_some(&own);
    let clocks: Vec<&Clock> = table.keeps.iter().chain(own).collect();
    let changes = columns::find(connection, table.oid, &clocks, &partial.others).await?;
    let changes = match changes.map_err(|unfit| Refusal::of(unfit, rule, &table.name)) {
        Ok(changes) => changes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let names = (rule.name.as_str(), table.name.as_str());
    let triggers = match triggers::fired(connection, table.oid, &changes, names).await? {
        Ok(triggers) => triggers,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let lesser = Table {
        changes,
        triggers,
        // Nothing that another row refers to is changed.
        references: Vec::new(),
        ..table.clone()
    };
    catalog::whole(store, rule, lesser, grants).await
}

/// A column that the law is to keep and that is not there; or the first, where they are the key and no more.
async fn unfit(
    connection: &mut PgConnection,
    table: &Table,
    columns: &[String],
) -> Result<Option<(String, Unfit)>, Fault> {
    if columns.is_empty() {
        return Ok(None);
    }
    let fault = Fault::of("read the catalogue");
    let query = sqlx::query(NAMES).bind(table.oid).bind(columns);
    let rows = query.fetch_all(connection).await.map_err(&fault)?;
    let read = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    let found: Result<Vec<(String, String)>, _> = rows.iter().map(read).collect();
    let found = found.map_err(fault)?;
    let is_there = |name: &&String| found.iter().any(|(own, _)| own == *name);
    if let Some(missing) = columns.iter().find(|name| !is_there(name)) {
        return Ok(Some((format!("`{missing}`"), Unfit::KeptMissing)));
    }
    let is_key = |quoted: &String| table.key.iter().any(|column| column.name == *quoted);
    let only_key = found.iter().all(|(_, quoted)| is_key(quoted));
    let first = found.into_iter().next().filter(|_| only_key);
    Ok(first.map(|(_, quoted)| (quoted, Unfit::OnlyKey)))
}
