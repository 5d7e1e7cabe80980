//! A restriction is lifted: rows that a rule or a request marked read as before, unless another marked them too.
//!
//! In: the tables of a task, the word that the rows are marked with. Out: rows without it, and a line in the books by
//! the transaction that did it. Killed at any moment, the same call goes on. It asks for no policy of the table: a mark
//! can be taken away where nothing is hidden any more.

use sqlx::{AssertSqlSafe, Row};

use super::books;
use super::catalog;
use super::erase::{PAUSE, TABLE_TRIES};
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::fence;
use super::refusal::Refusal;
use super::restrict;
use super::settings::{Rule, Settings};
use super::statement::{Statement, Value};
use super::store::{Purpose, Store};
use super::unfit::Unfit;
use crate::agent::{Begun, Stop, blur, error_chain};
use crate::contract::{Count, LiftReport, LiftedTable, Method, Outcome, Report, Retain, Task};

/// So many of a table's pages are looked through in one transaction: 4 MiB.
const PAGES: usize = 512;

/// Lifts what the task's rules of method Restrict have restricted.
pub async fn run(task: Task<Retain>, stop: Stop) -> Report<LiftReport> {
    let begun = Begun::now("retain");
    told(begun, rules(&task, &stop).await)
}

/// The report.
fn told(begun: Begun, lifted: Result<LiftReport, Error>) -> Report<LiftReport> {
    match lifted {
        Ok(body) => {
            let rows: Count = body.tables.iter().map(|table| table.rows).sum();
            let message = format!("{rows} rows read as before");
            begun.ended(Outcome::Done, "Lifted", &message, Some(body))
        }
        Err(error) => begun.ended(error.outcome(), error.reason(), &error_chain(&error), None),
    }
}

async fn rules(task: &Task<Retain>, stop: &Stop) -> Result<LiftReport, Error> {
    let settings = Settings::parse(&task.spec)?;
    let policy = &task.spec.policy;
    let mut body = LiftReport::default();
    for (name, rules) in &settings.stores {
        let mut store = Store::open(name, &rules.url, Purpose::Write).await?;
        store.lock(policy).await?;
        books::prepare(&mut store).await?;
        let restricts = |rule: &&Rule| rule.method == Method::Restrict;
        for rule in rules.rules.iter().filter(restricts) {
            let by = restrict::by_rule(policy, &rule.name);
            let rows = lift(&mut store, rule, &by, (policy, stop)).await?;
            body.tables.push(LiftedTable {
                store: name.clone(),
                name: rule.name.clone(),
                rows: blur::alone(settings.small_counts, rows),
            });
        }
    }
    Ok(body)
}

/// A table's name, and how many pages its longest file has.
struct Found {
    oid: i64,
    name: String,
}

/// Takes the word `by` from every row of the rule's table; answers how many had it.
pub(super) async fn lift(
    store: &mut Store,
    rule: &Rule,
    by: &str,
    (policy, stop): (&str, &Stop),
) -> Result<i64, Error> {
    let Some(table) = find(store, rule).await? else {
        return Ok(0);
    };
    let mut lifted = 0;
    loop {
        // A row that moves while it is looked for may be missed by one pass.
        let pages = pages(store, table.oid).await?;
        for from in (0..pages).step_by(PAGES) {
            if stop.is_requested() {
                return Err(Error::Stopped);
            }
            if fence::is_stopped(store, policy).await? {
                let store = store.name.clone();
                return Err(Error::Switched { store });
            }
            lifted += patiently(store, (rule, &table), by, from).await?;
        }
        if !is_marked(store, &table, by).await? {
            return Ok(lifted);
        }
    }
}

/// The table, if it has the column; else no row of it was ever restricted.
async fn find(store: &mut Store, rule: &Rule) -> Result<Option<Found>, Error> {
    let fault = Fault::of("read the catalogue");
    let found = catalog::found(store, rule).await;
    let row = match found.map_err(|fault| store.failed(fault))? {
        Ok(row) => row,
        Err(refusal) => return Err(Error::Refused(vec![refusal])),
    };
    let read = || Ok((row.try_get(0)?, row.try_get(1)?));
    let (oid, name): (i64, String) = read()
        .map_err(&fault)
        .map_err(|fault| store.failed(fault))?;
    let sql = "SELECT format_type(atttypid, atttypmod), quote_ident(current_user),
        has_column_privilege(attrelid, 'ctid', 'SELECT') AND has_column_privilege(attrelid, attnum, 'SELECT')
          AND has_column_privilege(attrelid, attnum, 'UPDATE')
      FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attname = $2 AND NOT attisdropped";
    let query = sqlx::query(sql).bind(oid).bind(restrict::COLUMN);
    let row = query.fetch_optional(&mut store.connection).await;
    let Some(row) = row.map_err(&fault).map_err(|fault| store.failed(fault))? else {
        return Ok(None);
    };
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let (kind, role, may): (String, String, bool) =
        read().map_err(fault).map_err(|fault| store.failed(fault))?;
    let column = restrict::COLUMN;
    let refusal = if kind != "text[]" {
        Refusal::Column {
            rule: rule.name.clone(),
            table: name,
            column: column.to_owned(),
            unfit: Box::new(Unfit::WrongType {
                found: kind,
                set: "Restrict",
                fits: "text[]",
            }),
        }
    } else if may {
        return Ok(Some(Found { oid, name }));
    } else {
        Refusal::GrantsMissing {
            store: store.name.clone(),
            statements: vec![format!(
                "GRANT SELECT (ctid, {column}), UPDATE ({column}) ON {name} TO {role};"
            )],
            role,
        }
    };
    Err(Error::Refused(vec![refusal]))
}

/// How many pages the longest of the table's files has.
async fn pages(store: &mut Store, oid: i64) -> Result<usize, Error> {
    let sql = "SELECT coalesce(max(pg_relation_size(f.oid) / current_setting('block_size')::bigint), 0) + 1
      FROM (SELECT $1::bigint::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass)) AS f";
    let row = sqlx::query(sql).bind(oid).fetch_one(&mut store.connection);
    let pages: Result<i64, _> = row.await.and_then(|row| row.try_get(0));
    let pages = pages.map_err(Fault::of("measure the table"));
    let pages = pages.map_err(|fault| store.failed(fault))?;
    Ok(usize::try_from(pages).unwrap_or(usize::MAX))
}

/// Whether any row has the word.
async fn is_marked(store: &mut Store, table: &Found, by: &str) -> Result<bool, Error> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {} AS t WHERE $1::text OPERATOR(pg_catalog.=) ANY (t.{}))",
        table.name,
        restrict::COLUMN
    );
    store.set("statement_timeout", "0").await?;
    let query = sqlx::query(AssertSqlSafe(sql)).bind(by);
    let row = query.fetch_one(&mut store.connection).await;
    let found = row.and_then(|row| row.try_get(0));
    let found = found.map_err(Fault::of("look for restricted rows"));
    found.map_err(|fault| store.failed(fault))
}

/// Tries until nobody is in the way.
async fn patiently(
    store: &mut Store,
    (rule, table): (&Rule, &Found),
    by: &str,
    from: usize,
) -> Result<i64, Error> {
    for tries in 1..=TABLE_TRIES {
        match batch(store, table, by, from).await {
            Ok(rows) => return Ok(rows),
            Err(fault) if matches!(fault.trouble(), Trouble::Conflict | Trouble::Busy) => {
                tokio::time::sleep(PAUSE * tries).await;
            }
            Err(fault) => return Err(store.failed(fault)),
        }
    }
    let rule = rule.name.clone();
    Err(Error::TableBusy { rule })
}

/// One transaction: the rows of some pages, and the books.
async fn batch(store: &mut Store, table: &Found, by: &str, from: usize) -> Result<i64, Fault> {
    let fault = Fault::of("lift a restriction");
    let name = store.name.clone();
    let path = store.path.behind_the_server();
    let mut transaction = store.begin_batch().await?;
    // The table's own triggers find what they would find otherwise.
    let set = sqlx::query(
        "SELECT set_config('search_path', $1, true), set_config('synchronous_commit', 'on', true)",
    );
    let set = set.bind(path).execute(&mut *transaction).await;
    set.map_err(&fault)?;
    let sql = lift_sql(&name, table, by, from);
    let row = sql.query().map_err(&fault)?.fetch_one(&mut *transaction);
    let rows = row.await.and_then(|row| row.try_get(0)).map_err(&fault)?;
    transaction.commit().await.map_err(fault)?;
    Ok(rows)
}

fn lift_sql(store: &str, table: &Found, by: &str, from: usize) -> Statement {
    let mut sql = Statement::default();
    let [store, by, relation] =
        [store, by, &table.name].map(|text| sql.bind(Value::Text(text.to_owned())));
    let [from, to] = [from, from + PAGES].map(|page| sql.bind(Value::Text(format!("({page},0)"))));
    let (name, column) = (&table.name, restrict::COLUMN);
    let rest = format!("pg_catalog.array_remove(t.{column}, {by}::text)");
    sql.push(&format!(
        "WITH lifted AS (
  UPDATE {name} AS t SET {column} = CASE WHEN pg_catalog.cardinality({rest}) OPERATOR(pg_catalog.>) 0 THEN {rest} END
  WHERE t.ctid OPERATOR(pg_catalog.>=) {from}::text::tid AND t.ctid OPERATOR(pg_catalog.<) {to}::text::tid
    AND {by}::text OPERATOR(pg_catalog.=) ANY (t.{column})
  RETURNING 1
), noted AS (
  INSERT INTO tradewind.lifted (store, by, relation, rows)
  SELECT {store}::text, {by}::text, {relation}::text, count(*) FROM lifted HAVING count(*) > 0
)
SELECT count(*) FROM lifted"
    ));
    sql
}
