//! Whether the columns that a rule would change can be changed: looked up before anything is written.
//!
//! In: names as the task wrote them, bound as values. Out: [`Change`]s, whose every identifier comes from the
//! catalogue; or why a column is not fit. Reads only.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::change::{Base, Change};
use super::clocks::Clock;
use super::fault::{Fault, Trouble};
use super::method::{Set, Wanted};
use super::unfit::Unfit;

/// What the catalogue knows of some columns of a table, and of the columns of the same names of its partitions.
///
/// An index speaks against a change when it is unique and the column is in its key, its expressions or its predicate; one
/// that it only includes says nothing, unless there are expressions or a predicate, whose columns no catalogue tells apart.
/// A null speaks against nothing where the column itself is in the key and nulls differ. A foreign key from the column
/// ends with a null, unless it is MATCH FULL over several columns. What decides on the
/// partition is in the primary key.
const COLUMNS: &str = "
WITH RECURSIVE family AS (
  SELECT $1::bigint::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass)
), named AS (
  SELECT a.* FROM pg_attribute a
  WHERE a.attrelid = $1::bigint::oid AND a.attname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped
), same AS (
  SELECT a.attnum AS place, b.attrelid, b.attnum, b.attnotnull, b.attgenerated <> '' OR b.attidentity = 'a' AS made
  FROM named a JOIN pg_attribute b ON b.attname = a.attname JOIN family f ON f.oid = b.attrelid
), kind AS (
  SELECT a.attnum AS place, t.oid, t.typbasetype, t.typtype, t.typnotnull, t.typcategory
  FROM named a JOIN pg_type t ON t.oid = a.atttypid
  UNION ALL
  SELECT k.place, t.oid, t.typbasetype, t.typtype, k.typnotnull OR t.typnotnull, t.typcategory
  FROM kind k JOIN pg_type t ON t.oid = k.typbasetype WHERE k.typtype = 'd'
), keys AS (
  SELECT s.place, i.indisprimary, quote_ident(c.relname) AS name,
    s.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND NOT i.indisexclusion
      AND coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false') = 'false' AS parts_nulls
  FROM same s JOIN pg_index i ON i.indrelid = s.attrelid JOIN pg_class c ON c.oid = i.indexrelid
  WHERE (i.indisunique OR i.indisexclusion) AND (s.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
    OR (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.attrelid AND d.refobjsubid = s.attnum))
), foreigns AS (
  SELECT s.place, quote_ident(f.conname) AS name, f.confrelid = s.attrelid AND s.attnum = ANY (f.confkey) AS leads_here,
    f.confmatchtype <> 'f' OR cardinality(f.conkey) = 1 AS ends_by_null
  FROM same s JOIN pg_constraint f ON f.contype = 'f' AND (f.conrelid = s.attrelid AND s.attnum = ANY (f.conkey)
    OR f.confrelid = s.attrelid AND s.attnum = ANY (f.confkey))
)
SELECT a.attname::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), b.oid::bigint, b.typcategory::text,
  EXISTS (SELECT FROM keys k WHERE k.place = a.attnum AND k.indisprimary),
  (SELECT bool_or(s.made) FROM same s WHERE s.place = a.attnum),
  b.typnotnull OR (SELECT bool_or(s.attnotnull) FROM same s WHERE s.place = a.attnum),
  (SELECT min(k.name) FROM keys k WHERE k.place = a.attnum AND NOT k.indisprimary),
  (SELECT min(k.name) FROM keys k WHERE k.place = a.attnum AND NOT k.indisprimary AND NOT k.parts_nulls),
  (SELECT min(f.name) FROM foreigns f WHERE f.place = a.attnum AND f.leads_here),
  (SELECT min(f.name) FROM foreigns f WHERE f.place = a.attnum AND NOT f.leads_here),
  (SELECT min(f.name) FROM foreigns f WHERE f.place = a.attnum AND NOT f.leads_here AND NOT f.ends_by_null)
FROM named a JOIN kind b ON b.place = a.attnum AND b.typtype <> 'd'";

/// A column as the catalogue has it.
struct Found {
    name: String,
    quoted: String,
    kind: String,
    base: Base,
    category: String,
    is_key: bool,
    is_generated: bool,
    is_not_null: bool,
    /// A unique index that speaks against any change, and one that speaks against a null.
    unique: [Option<String>; 2],
    referenced: Option<String>,
    /// A foreign key that speaks against any change, and one that speaks against a null.
    refers: [Option<String>; 2],
}

impl Found {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let category: String = row.try_get(4)?;
        Ok(Self {
            name: row.try_get(0)?,
            quoted: row.try_get(1)?,
            kind: row.try_get(2)?,
            base: base(row.try_get(3)?, &category),
            category,
            is_key: row.try_get(5)?,
            is_generated: row.try_get(6)?,
            is_not_null: row.try_get(7)?,
            unique: [row.try_get(8)?, row.try_get(9)?],
            referenced: row.try_get(10)?,
            refers: [row.try_get(11)?, row.try_get(12)?],
        })
    }

    /// What speaks against the change, whatever the rows hold.
    fn unfit(&self, set: &Set, clocks: &[&Clock]) -> Option<Unfit> {
        // A null is let through where another value is not.
        let against = |any: &[Option<String>; 2]| any[usize::from(set.is_null())].clone();
        if self.is_key {
            Some(Unfit::Key)
        } else if clocks.iter().any(|clock| clock.name == self.quoted) {
            Some(Unfit::Clock)
        } else if self.is_generated {
            Some(Unfit::Generated)
        } else if let Some(constraint) = self.referenced.clone() {
            Some(Unfit::Referenced { constraint })
        } else if let Some(constraint) = against(&self.refers) {
            Some(Unfit::Refers { constraint })
        } else if let Some(index) = against(&self.unique) {
            Some(Unfit::Unique { index })
        } else if set.is_null() && self.is_not_null {
            Some(Unfit::NotNull)
        } else {
            self.wrong_type(set)
        }
    }

    fn wrong_type(&self, set: &Set) -> Option<Unfit> {
        let (fits, word, types) = match set {
            Set::Null => return None,
            Set::Mark(_) => (self.kind == "text[]", "Restrict", "text[]"),
            Set::Shred => (
                self.kind == "bytea",
                "Shred",
                "bytea, a key of 16 bytes or more",
            ),
            // Arrays, ranges and composites can hold a date of their own, as below.
            Set::Constant(_) => (
                !["A", "C", "P", "R"].contains(&self.category.as_str()),
                "Constant",
                "a column of one value, no array, range or row",
            ),
            Set::Truncate(_) => (self.base == Base::Text, "Truncate", "a text"),
            Set::Period(..) => (
                matches!(self.base, Base::Date | Base::Timestamp | Base::Timestamptz),
                "Generalise `to`",
                "date, timestamp or timestamptz",
            ),
            Set::Step(_) => (
                matches!(self.base, Base::Integer | Base::Numeric),
                "Generalise by `step`",
                "smallint, integer, bigint or numeric",
            ),
        };
        (!fits).then(|| Unfit::WrongType {
            found: self.kind.clone(),
            set: word,
            fits: types,
        })
    }
}

/// The types' numbers are the same in every PostgreSQL.
fn base(oid: i64, category: &str) -> Base {
    match oid {
        20 | 21 | 23 => Base::Integer,
        1700 => Base::Numeric,
        1082 => Base::Date,
        1114 => Base::Timestamp,
        1184 => Base::Timestamptz,
        _ if category == "S" => Base::Text,
        _ => Base::Other,
    }
}

/// The changes of a rule over the table with this oid; or the first column that is not fit, as the catalogue quotes it,
/// else as it was written.
pub(super) async fn find(
    connection: &mut PgConnection,
    oid: i64,
    clocks: &[&Clock],
    wanted: &[Wanted],
) -> Result<Result<Vec<Change>, (String, Unfit)>, Fault> {
    if wanted.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let fault = Fault::of("read the catalogue");
    let names: Vec<&str> = wanted.iter().map(|wanted| &*wanted.name).collect();
    let rows = sqlx::query(COLUMNS).bind(oid).bind(names);
    let rows = rows.fetch_all(&mut *connection).await.map_err(&fault)?;
    let found: Vec<Found> = rows
        .iter()
        .map(Found::read)
        .collect::<Result<_, _>>()
        .map_err(fault)?;
    let mut changes = Vec::new();
    for Wanted { name, set } in wanted {
        let Some(column) = found.iter().find(|column| column.name == *name) else {
            return Ok(Err((format!("`{name}`"), Unfit::Missing)));
        };
        let unfit = match column.unfit(set, clocks) {
            None => refused(connection, column, set).await?,
            unfit => unfit,
        };
        if let Some(unfit) = unfit {
            return Ok(Err((column.quoted.clone(), unfit)));
        }
        changes.push(Change {
            name: column.quoted.clone(),
            kind: column.kind.clone(),
            base: column.base,
            set: set.clone(),
        });
    }
    Ok(Ok(changes))
}

/// What only the server can tell: whether a value is one of the type, and a zone one of its own.
async fn refused(
    connection: &mut PgConnection,
    column: &Found,
    set: &Set,
) -> Result<Option<Unfit>, Fault> {
    match set {
        Set::Constant(value) => constant(connection, column, value).await,
        Set::Period(_, zone) if column.base == Base::Timestamptz => {
            let tried = sqlx::query("SELECT date_trunc('year', now(), $1::text)").bind(zone);
            let zone = zone.clone();
            told(tried.execute(connection).await.map(drop)).map(|took| match took {
                Some(()) => None,
                None => Some(Unfit::Zone { zone }),
            })
        }
        _ => Ok(None),
    }
}

async fn constant(
    connection: &mut PgConnection,
    column: &Found,
    value: &str,
) -> Result<Option<Unfit>, Fault> {
    let unfit = Some(Unfit::Constant {
        found: column.kind.clone(),
    });
    // `now` is another value in each statement: every row would be due for ever.
    let lower = value.to_lowercase();
    let moves = ["now", "today", "tomorrow", "yesterday"];
    if column.category == "D" && moves.iter().any(|word| lower.contains(word)) {
        return Ok(unfit);
    }
    let cast = format!("SELECT ($1::text::{})::text", column.kind);
    let tried = sqlx::query(AssertSqlSafe(cast)).bind(value);
    let read = |row: PgRow| row.try_get::<String, _>(0);
    let taken = told(tried.fetch_one(connection).await.and_then(read))?;
    // A text that is too long is cut by the cast; the column must hold what the policy says.
    let whole = |taken: String| column.base != Base::Text || taken.trim_end() == value.trim_end();
    Ok(if taken.is_some_and(whole) {
        None
    } else {
        unfit
    })
}

/// What a trial brought; `None` when the server refused the value itself.
fn told<T>(tried: Result<T, sqlx::Error>) -> Result<Option<T>, Fault> {
    match tried.map_err(Fault::of("try a value of the policy")) {
        Ok(told) => Ok(Some(told)),
        Err(fault) if fault.trouble() == Trouble::Other => Ok(None),
        Err(fault) => Err(fault),
    }
}
