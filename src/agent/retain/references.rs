//! Foreign keys that lead to a table, as the catalogue has them.
//!
//! In: a table's number. Out: who refers to its rows, by which columns; identifiers were quoted by the server. Reads only.

use sqlx::{PgConnection, Row};

use super::fault::Fault;
use super::refusal::Refusal;
use super::settings::Rule;

/// A foreign key that leads to the table.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The table that refers.
    pub(super) oid: i64,
    /// Its name, quoted.
    pub(super) name: String,
    /// Its columns and those they refer to.
    pub(super) links: Vec<Link>,
    /// The constraint's name, quoted.
    pub(super) constraint: String,
    /// What the constraint does to a row that refers when the row it refers to goes.
    pub(super) action: Action,
    /// Whether an index finds the rows that refer.
    pub(super) is_indexed: bool,
    /// What the server called the linked columns, with their tables, when the rest was read.
    pub(super) called: String,
}

/// What becomes of a row that refers to a deleted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The delete fails.
    Refuse,
    /// The row goes along.
    Cascade,
    /// Its columns become null.
    SetNull,
    /// Its columns take their defaults.
    SetDefault,
}

impl Action {
    /// By `pg_constraint.confdeltype`.
    fn of(word: &str) -> Self {
        match word {
            "c" => Self::Cascade,
            "n" => Self::SetNull,
            "d" => Self::SetDefault,
            _ => Self::Refuse,
        }
    }

    /// As SQL writes it.
    pub(super) fn as_sql(self) -> &'static str {
        match self {
            Self::Refuse => "ON DELETE RESTRICT",
            Self::Cascade => "ON DELETE CASCADE",
            Self::SetNull => "ON DELETE SET NULL",
            Self::SetDefault => "ON DELETE SET DEFAULT",
        }
    }
}

/// A column that refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The column that refers, quoted.
    pub(super) child: String,
    /// The column that it refers to, quoted.
    pub(super) parent: String,
    /// The operator by which the constraint compares parent and child, with its schema.
    pub(super) equals: String,
}

impl Link {
    /// Whether two aliases' rows are linked.
    pub(super) fn on(&self, child: &str, parent: &str) -> String {
        let Self {
            child: from,
            parent: to,
            equals,
        } = self;
        format!("{parent}.{to} {equals} {child}.{from}")
    }
}

impl Reference {
    /// Whether `child`'s row refers to `parent`'s.
    pub(super) fn on(&self, child: &str, parent: &str) -> String {
        let links = self.links.iter().map(|link| link.on(child, parent));
        links.collect::<Vec<_>>().join(" AND ")
    }
}

/// What the server calls the columns that the foreign key `con` links, each with its schema and table: true at this moment,
/// whatever the snapshot.
macro_rules! called {
    () => {
        "(SELECT string_agg(concat_ws(' ', (pg_identify_object('pg_class'::regclass, con.conrelid, k.child)).identity,
      (pg_identify_object('pg_class'::regclass, con.confrelid, k.parent)).identity), ' ' ORDER BY k.place)
    FROM unnest(con.conkey, con.confkey) WITH ORDINALITY AS k (child, parent, place))"
    };
}

/// The same of every foreign key that leads to table `$3`, in the order of [`REFERENCES`]. A statement asks by names what
/// refers to a row; a foreign key that is still the same may go by other names.
pub(super) const CALLED: &str = concat!(
    "
SELECT coalesce(array_agg(",
    called!(),
    " ORDER BY con.conrelid, con.oid), '{}') FROM pg_constraint AS con
WHERE con.contype = 'f' AND con.confrelid IN
    (SELECT $3::bigint::oid UNION SELECT relid FROM pg_partition_tree($3::bigint::oid::regclass))
  AND NOT EXISTS (SELECT FROM pg_constraint AS p WHERE p.oid = con.conparentid AND p.confrelid IN
    (SELECT $3::bigint::oid UNION SELECT relid FROM pg_partition_tree($3::bigint::oid::regclass)))"
);

/// Whether what leads to a table is called as it was, by what [`CALLED`] answers.
pub(super) fn are_called(references: &[Reference], found: &[Option<String>]) -> bool {
    let called = references.iter().map(|reference| Some(&*reference.called));
    called.eq(found.iter().map(Option::as_deref))
}

/// A constraint of a partition that only repeats its parent's is left out; one that leads to a partition of
/// the table leads to the table.
const REFERENCES: &str = concat!("
WITH family AS (SELECT $1::bigint::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
SELECT con.conrelid::bigint, format('%I.%I', n.nspname, c.relname), row_security_active(con.conrelid),
  (SELECT array_agg(quote_ident(a.attname) ORDER BY k.place)
    FROM unnest(con.conkey) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum),
  (SELECT array_agg(quote_ident(a.attname) ORDER BY k.place)
    FROM unnest(con.confkey) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum),
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = con.conrelid AND i.indkey[0] = ANY (con.conkey)
    AND i.indisvalid AND i.indpred IS NULL),
  (SELECT array_agg(format('OPERATOR(%I.%s)', s.nspname, o.oprname) ORDER BY k.place)
    FROM unnest(con.conpfeqop) WITH ORDINALITY AS k (op, place)
    JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace s ON s.oid = o.oprnamespace),
  quote_ident(con.conname), con.confdeltype::text, ", called!(), "
FROM pg_constraint con
JOIN pg_class c ON c.oid = con.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE con.contype = 'f' AND con.confrelid IN (SELECT oid FROM family)
  AND NOT EXISTS (SELECT FROM pg_constraint p
    WHERE p.oid = con.conparentid AND p.confrelid IN (SELECT oid FROM family))
ORDER BY con.conrelid, con.oid");

/// None that matter, where the rows stay: nothing of them that another row refers to is changed.
pub(super) async fn of(
    connection: &mut PgConnection,
    oid: i64,
    rule: &Rule,
    user: &str,
) -> Result<Result<Vec<Reference>, Refusal>, Fault> {
    if !rule.changes.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    referring(connection, oid, (&rule.name, user), |_| true).await
}

/// The foreign keys that lead to a table from those tables that `is_asked` says.
pub(super) async fn referring(
    connection: &mut PgConnection,
    oid: i64,
    (rule, user): (&str, &str),
    is_asked: impl Fn(i64) -> bool,
) -> Result<Result<Vec<Reference>, Refusal>, Fault> {
    let fault = Fault::of("read the catalogue");
    let rows = sqlx::query(REFERENCES)
        .bind(oid)
        .fetch_all(connection)
        .await
        .map_err(&fault)?;
    let mut references = Vec::new();
    for row in &rows {
        let from: i64 = row.try_get(0).map_err(&fault)?;
        if !is_asked(from) {
            continue;
        }
        let name: String = row.try_get(1).map_err(&fault)?;
        if row.try_get(2).map_err(&fault)? {
            return Ok(Err(Refusal::RowSecurityActive {
                rule: rule.to_owned(),
                table: name,
                role: user.to_owned(),
            }));
        }
        let children: Vec<String> = row.try_get(3).map_err(&fault)?;
        let parents: Vec<String> = row.try_get(4).map_err(&fault)?;
        let is_indexed: bool = row.try_get(5).map_err(&fault)?;
        if !is_indexed {
            let columns = children.join(", ");
            tracing::warn!(
                finding = "IndexMissing",
                rule,
                mend = format!("CREATE INDEX CONCURRENTLY ON {name} ({columns});"),
                "no index on a foreign key: each batch reads the whole table that refers"
            );
        }
        let equals: Vec<String> = row.try_get(6).map_err(&fault)?;
        let links = children.into_iter().zip(parents).zip(equals);
        let links = links.map(|((child, parent), equals)| Link {
            child,
            parent,
            equals,
        });
        references.push(Reference {
            oid: from,
            name,
            links: links.collect(),
            constraint: row.try_get(7).map_err(&fault)?,
            action: Action::of(&row.try_get::<String, _>(8).map_err(&fault)?),
            is_indexed,
            called: row
                .try_get::<Option<_>, _>(9)
                .map_err(&fault)?
                .unwrap_or_default(),
        });
    }
    Ok(Ok(references))
}
