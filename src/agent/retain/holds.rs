//! Holds: which rows of a table must stay, whatever is due.
//!
//! In: the hold tables in the schema of the books. Out: [`Holds`], and their condition as SQL. Reads only; holds are
//! written by `tradewind.open_hold` and `tradewind.release_hold`.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::catalog::Table;
use super::error::Error;
use super::fault::Fault;
use super::hold_list::Freshness;
use super::statement::{Statement, Value};
use super::store::Store;
use super::subjects::folded;
use crate::contract::{RequiredHold, RequiredScope};

/// What is held of a table: nothing, single values of some columns, or all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds {
    /// Whether every row is held.
    whole: bool,
    /// Columns by which rows are held.
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    /// As the hold has it.
    name: String,
    /// Quoted.
    quoted: String,
    /// Its type as SQL writes it.
    kind: String,
    /// The operator by which values of the type are equal, with its schema.
    equals: String,
    /// Whether some of its values are held whatever the case of their letters, too: as requests find them.
    folded: bool,
}

/// No hold at all.
pub(super) static NONE: Holds = Holds {
    whole: false,
    columns: Vec::new(),
};

/// A hold names a column that is not there, or is another one by now, or whose values nothing compares: nobody can say which
/// rows it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclear;

/// The equality of the type of column `a`, below its domains, with its schema: that of its own sorting, else of its hashing,
/// as the server itself tells values of the type apart. What `=` finds is whatever the search path has: where it has not the
/// schema of `citext`, texts are compared, and a held person in other letters is not held. Of the server's own types, and of
/// enums and composites, it is the server's. Null where nobody says what is equal, or the server compares no such value with
/// one of many: an array, a domain of an enum.
macro_rules! equals {
    () => {
        "(
  WITH RECURSIVE below AS (
    SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typnamespace FROM pg_type AS t WHERE t.oid = a.atttypid
    UNION ALL SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typnamespace
    FROM below AS d JOIN pg_type AS t ON t.oid = d.typbasetype WHERE d.typtype = 'd'
  )
  SELECT coalesce((SELECT format('OPERATOR(%I.%s)', e.nspname, o.oprname)
      FROM pg_opclass AS c JOIN pg_am AS m ON m.oid = c.opcmethod
      JOIN pg_amop AS w ON w.amopfamily = c.opcfamily AND w.amoplefttype = c.opcintype AND w.amoprighttype = c.opcintype
        AND w.amopstrategy = CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END -- equality
      JOIN pg_operator AS o ON o.oid = w.amopopr JOIN pg_namespace AS e ON e.oid = o.oprnamespace
      WHERE c.opcdefault AND c.opcintype = b.oid AND m.amname IN ('btree', 'hash') ORDER BY m.amname LIMIT 1),
    CASE WHEN b.typcategory = 'A' OR b.typtype <> 'b' AND b.oid <> a.atttypid THEN NULL
      WHEN b.typtype <> 'b' OR b.typnamespace = 'pg_catalog'::regnamespace THEN 'OPERATOR(pg_catalog.=)' END)
  FROM below AS b WHERE b.typtype <> 'd')"
    };
}

/// The holds on table `$1` with the oid `$3`, as JSON: for each column its name, and if it is clear which one that
/// is, the column quoted, its type and that type's equality, and whether the case of letters does not count; nulls stand for the
/// whole table. Books that are only read may have no such column yet. A column of another type than
/// it had is another: its values cannot be compared, and a cast that fails would be logged with the value. The type was
/// noted under a path that finds the server's own alone, and may be read under the role's: either way of writing it is the
/// same. A hold on a partition holds as if it were on the table: more than was meant, never less.
pub(super) const HOLDS: &str = concat!("
SELECT jsonb_agg(DISTINCT jsonb_build_array(s.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), ", equals!(), ",
  coalesce((to_jsonb(s) ->> 'folded')::boolean, false)))
FROM tradewind.held AS s
LEFT JOIN (pg_attribute AS a JOIN pg_type AS k ON k.oid = a.atttypid JOIN pg_namespace AS n ON n.oid = k.typnamespace)
  ON a.attrelid = $3::bigint::oid AND a.attname = s.attname AND NOT a.attisdropped
  AND (a.attnum = s.attnum OR s.oid <> $3::bigint::oid)
  AND coalesce(to_jsonb(s) ->> 'kind', format_type(a.atttypid, NULL)) IN
    (format_type(a.atttypid, NULL), concat(quote_ident(n.nspname), '.', format_type(a.atttypid, NULL)))
WHERE s.relation IS NULL OR s.relation = $1 OR s.oid = $3::bigint::oid
  OR s.oid IN (SELECT relid FROM pg_partition_tree($3::bigint::oid::regclass))");

/// What [`HOLDS`] tells of a column: name, quoted, type, equality, whether letters are folded.
type Told = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
);
type Found = Option<sqlx::types::Json<Vec<Told>>>;

/// From what [`HOLDS`] answers.
pub(super) fn read(found: Found) -> Result<Holds, Unclear> {
    let mut holds = Holds::default();
    for row in found.map(|found| found.0).unwrap_or_default() {
        match row {
            (None, ..) => holds.whole = true,
            (Some(name), Some(quoted), Some(kind), Some(equals), folded) => {
                let mut known = holds.columns.iter_mut();
                match known.find(|column| column.name == name) {
                    Some(column) => column.folded |= folded,
                    None => holds.columns.push(Column {
                        name,
                        quoted,
                        kind,
                        equals,
                        folded,
                    }),
                }
            }
            _ => return Err(Unclear),
        }
    }
    Ok(holds)
}

/// The holds on a table, where there are books at all.
pub(super) async fn on(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<Result<Holds, Unclear>, Fault> {
    let fault = Fault::of("read the holds");
    if !is_there(connection).await? {
        return Ok(Ok(NONE.clone()));
    }
    // $2 is not used here.
    let query = sqlx::query(AssertSqlSafe(format!("SELECT ({HOLDS}) WHERE $2 = ''")));
    let query = query.bind(&table.name).bind("").bind(table.oid);
    let row = query.fetch_one(connection).await;
    let found: Found = row.and_then(|row| row.try_get(0)).map_err(fault)?;
    Ok(read(found))
}

/// Scopes that must be in force and are not: compared by the names that they were opened under, and by whether the case of
/// letters does not count: one of before that was is not in force as it must be. And holds that were not
/// widened as late as the hub knows that they were: the database was restored to before that. Which values it has lost, none
/// but its own Secret says.
const MISSING: &str = r#"
SELECT DISTINCT w.id FROM jsonb_to_recordset($1) AS w (id text, "table" text, "column" text, folded boolean, widened text)
WHERE NOT EXISTS (SELECT FROM tradewind.held AS s WHERE s.hold = w.id
  AND s.relation IS NOT DISTINCT FROM
    quote_ident(split_part(w."table", '.', 1)) || '.' || quote_ident(split_part(w."table", '.', 2))
  AND s.attname IS NOT DISTINCT FROM w."column"::name
  AND (NOT w.folded OR coalesce((to_jsonb(s) ->> 'folded')::boolean, false)))
OR w.widened IS NOT NULL AND NOT EXISTS (SELECT FROM tradewind.hold AS h WHERE h.id = w.id
  AND (to_jsonb(h) ->> 'widened_at')::timestamptz >= w.widened::timestamptz)
ORDER BY w.id LIMIT 1"#;

/// The first of the holds that a store must have, and has not: not opened yet, lost with a restored database, or
/// released here and not on the hub.
pub(super) async fn missing(
    store: &mut Store,
    required: &[RequiredHold],
) -> Result<Option<String>, Fault> {
    let fault = Fault::of("read the holds");
    let mut wanted: Vec<serde_json::Value> = Vec::new();
    for hold in required {
        if hold.store != store.name {
            continue;
        }
        for scope in &hold.scopes {
            let RequiredScope {
                table,
                column,
                ignore_case,
            } = scope;
            let table = match table {
                Some(table) => Some(whole_name(store, table).await?),
                None => None,
            };
            let widened = &hold.widened_at;
            wanted.push(serde_json::json!({"id": hold.id, "table": table, "column": column, "folded": ignore_case,
                "widened": widened}));
        }
    }
    let Some(first) = wanted.first() else {
        return Ok(None);
    };
    let connection = &mut store.connection;
    if !is_there(connection).await? {
        return Ok(first["id"].as_str().map(str::to_owned));
    }
    let query = sqlx::query(MISSING).bind(sqlx::types::Json(&wanted));
    let row = query.fetch_optional(connection).await.map_err(&fault)?;
    row.map(|row| row.try_get(0)).transpose().map_err(fault)
}

/// A table that the role's search path finds, of the kinds that can be held.
const WHOLE_NAME: &str = "
SELECT n.nspname || '.' || c.relname
FROM unnest($2::text[]) WITH ORDINALITY AS path (schema, place)
JOIN pg_namespace AS n ON n.nspname = path.schema
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = $1 AND c.relkind IN ('r', 'p')
ORDER BY path.place LIMIT 1";

/// `schema.table` of what may be written without its schema, as a rule's table may. What nothing is found for stays as it
/// is: no hold is in force on it, and none can be opened.
pub(super) async fn whole_name(store: &mut Store, table: &str) -> Result<String, Fault> {
    if table.contains('.') {
        return Ok(table.to_owned());
    }
    let fault = Fault::of("read the catalogue");
    let query = sqlx::query(WHOLE_NAME)
        .bind(table)
        .bind(&store.path.schemas);
    let row = query.fetch_optional(&mut store.connection).await;
    let name = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    Ok(name.map_err(fault)?.unwrap_or_else(|| table.to_owned()))
}

/// Whether every hold that a store must have is in force there, by a list that is young enough: else nothing is erased.
pub(super) async fn are_in_force(
    store: &mut Store,
    required: &[RequiredHold],
    list: Option<&Freshness>,
) -> Result<(), Error> {
    if let Some(list) = list {
        list.check(store).await?;
    }
    let missing = missing(store, required).await;
    match missing.map_err(|fault| store.failed(fault))? {
        Some(hold) => Err(Error::HoldNotInForce {
            store: store.name.clone(),
            hold,
        }),
        None => Ok(()),
    }
}

/// Whether there are books with holds at all.
pub(super) async fn is_there(connection: &mut PgConnection) -> Result<bool, Fault> {
    let exists = sqlx::query("SELECT to_regclass('tradewind.held') IS NOT NULL");
    let exists = exists.fetch_one(connection).await;
    exists
        .and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the holds"))
}

impl Holds {
    /// Whether nothing is held.
    pub(super) fn are_none(&self) -> bool {
        *self == NONE
    }

    /// Whether `alias`'s row is held: never null.
    pub(super) fn condition(&self, sql: &mut Statement, alias: &str, table: &Table) -> String {
        if self.whole {
            return "true".to_owned();
        }
        let ways = self.columns.iter();
        let ways: Vec<String> = ways.map(|column| column.held(sql, alias, table)).collect();
        if ways.is_empty() {
            return "false".to_owned();
        }
        format!("coalesce({}, false)", ways.join(" OR "))
    }
}

impl Column {
    /// Whether `alias`'s row has a held value: as its type compares, and as requests do.
    fn held(&self, sql: &mut Statement, alias: &str, table: &Table) -> String {
        let name = sql.bind(Value::Text(self.name.clone()));
        let relation = sql.bind(Value::Text(table.name.clone()));
        let oid = sql.bind(Value::Number(table.oid));
        let own = format!(
            "FROM tradewind.held AS s
              WHERE s.attname = {name}::text AND (s.relation = {relation} OR s.oid = {oid}::bigint::oid
                OR s.oid IN (SELECT relid FROM pg_partition_tree({oid}::bigint::oid::regclass)))"
        );
        let Self {
            quoted,
            kind,
            equals,
            ..
        } = self;
        let column = format!("{alias}.{quoted}");
        let typed = format!("{column} {equals} ANY (ARRAY(SELECT s.value::{kind} {own}))");
        if !self.folded {
            return typed;
        }
        format!(
            "{typed} OR {} OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT {} {own} AND s.folded))",
            folded(&column),
            folded("s.value"),
        )
    }
}
