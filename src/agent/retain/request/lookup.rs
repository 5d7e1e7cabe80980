//! From the values that a person gave to all that they are known by: an e-mail address leads to a customer's number.
//!
//! In: a person, the stores' lookups. Out: a person who knows more. Reads only, one snapshot a store.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::super::catalog;
use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::grants::Grants;
use super::super::outside;
use super::super::refusal::Refusal;
use super::super::settings::Rule;
use super::super::statement::Statement;
use super::super::store::{Purpose, Store};
use super::super::subjects::{self, Subject, Values};
use super::error::{Error, failed};
use super::person::Person;
use super::settings::{Kinds, Scope};
use super::site::Site;
use crate::contract::Lookup;

/// A lookup as the catalogue has it.
#[derive(Debug)]
pub(super) struct Found {
    /// The table's number.
    oid: i64,
    /// `schema.table`, quoted.
    table: String,
    by: Subject,
    gives: Subject,
}

/// The lookups of a store, each column there and readable; or what is wrong.
pub(super) async fn find(store: &mut Store, scope: &Scope) -> Result<Vec<Found>, Error> {
    let mut grants = Grants::default();
    let mut all = Vec::new();
    for lookup in &scope.lookups {
        let found = one(store, lookup, &mut grants).await?;
        all.push(found.map_err(|refusal| Run::Refused(vec![refusal]))?);
    }
    if grants.reading.is_empty() {
        return Ok(all);
    }
    let role = sqlx::query("SELECT quote_ident(current_user)");
    let role = role.fetch_one(&mut store.connection).await;
    let role = role.and_then(|row| row.try_get(0));
    let refusal = Refusal::GrantsMissing {
        store: store.name.clone(),
        role: role
            .map_err(Fault::of("read the role's name"))
            .map_err(failed(store))?,
        statements: grants.reading,
    };
    Err(Run::Refused(vec![refusal]).into())
}

async fn one(
    store: &mut Store,
    lookup: &Lookup,
    grants: &mut Grants,
) -> Result<Result<Found, Refusal>, Error> {
    let failed = failed(store);
    let rule = Rule {
        name: lookup.table.clone(),
        position: 0,
        table: lookup.table.clone(),
        clock: String::new(),
        after: jiff::Span::new(),
        from: super::super::cutoff::Anchor::EventDate,
        contacts: None,
        notice: None,
        keeps: Vec::new(),
        method: crate::contract::Method::Delete,
        changes: Vec::new(),
        subjects: vec![lookup.by.clone(), lookup.gives.clone()],
    };
    let row = match catalog::found(store, &rule).await.map_err(&failed)? {
        Ok(row) => row,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let fault = Fault::of("read the catalogue");
    let oid: i64 = row.try_get(0).map_err(&fault).map_err(&failed)?;
    let table: String = row.try_get(1).map_err(&fault).map_err(&failed)?;
    let connection = &mut store.connection;
    let columns = subjects::find(connection, oid, &table, &rule).await;
    let mut columns = match columns.map_err(&failed)? {
        Ok(columns) => columns.into_iter(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (Some(by), Some(gives)) = (columns.next(), columns.next()) else {
        let (rule, table) = (rule.name, table);
        return Ok(Err(Refusal::TableMissing { rule, table }));
    };
    let names = [by.name.clone(), gives.name.clone()];
    let checked = grants.check_one(connection, oid, &table, (&names, false));
    checked.await.map_err(&failed)?;
    Ok(Ok(Found {
        oid,
        table,
        by,
        gives,
    }))
}

/// Follows every lookup of every store until none leads to anything new.
pub(super) async fn follow(
    sites: &mut [Site],
    person: &mut Person,
    kinds: &Kinds,
) -> Result<(), Error> {
    let mut found = Vec::new();
    for site in &mut *sites {
        found.push(find(&mut site.store, &site.scope).await?);
    }
    loop {
        let mut news = false;
        for (site, lookups) in sites.iter_mut().zip(&found) {
            let failed = failed(&site.store);
            let name = site.store.name.clone();
            let asked = lookups.iter().map(|lookup| lookup.oid);
            let tables = site.plan.steps.iter().map(|step| step.table.oid);
            let oids: Vec<i64> = asked.chain(tables).collect();
            let snapshot = site.store.begin_snapshot(Purpose::Read).await;
            let mut snapshot = snapshot.map_err(&failed)?;
            for lookup in lookups {
                let values = ask(&mut snapshot, lookup, person, kinds).await;
                for value in values.map_err(&failed)? {
                    let ignore_case = kinds.get(&lookup.gives.identity) == Some(&true);
                    news |= person.learn(&lookup.gives.identity, value, ignore_case);
                }
            }
            outside::check(&mut snapshot, &name, &oids).await?;
        }
        if !news {
            return Ok(());
        }
    }
}

async fn ask(
    connection: &mut PgConnection,
    lookup: &Found,
    person: &Person,
    kinds: &Kinds,
) -> Result<Vec<String>, Fault> {
    let texts = person.of(&lookup.by.identity);
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let ignore_case = kinds.get(&lookup.by.identity) == Some(&true);
    let mut sql = Statement::default();
    let matches = lookup
        .by
        .matches(&mut sql, "t", Values { texts, ignore_case });
    let written = lookup.gives.written("t");
    sql.push(&format!(
        "SELECT DISTINCT {written} FROM {} AS t WHERE {matches} AND {written} IS NOT NULL",
        lookup.table
    ));
    let fault = Fault::of("look the person up");
    let rows = sql.query().map_err(&fault)?.fetch_all(connection).await;
    let read = |row: &PgRow| row.try_get::<String, _>(0);
    rows.and_then(|rows| rows.iter().map(read).collect())
        .map_err(fault)
}
