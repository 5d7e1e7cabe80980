//! Rows that stay and are hidden: a mark in a column of their own, and a policy of the table that shows no marked row.
//!
//! In: a table that a rule restricts. Out: the mark; or the SQL by which an administrator makes the table hide marked
//! rows. Reads only.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::fault::Fault;
use super::method::{Set, Wanted};
use super::refusal::Refusal;
use super::settings::Rule;

/// The column of a table in which a row says by whom it is restricted: a list of words, null when by nobody.
pub(super) const COLUMN: &str = "restricted_by";

/// What the policy shows, as PostgreSQL writes it.
const SHOWN: &str = "(restricted_by IS NULL)";

/// The word of a policy's rule in that column.
pub(super) fn by_rule(policy: &str, rule: &str) -> String {
    format!("policy/{policy}/{rule}")
}

/// The word of a data subject's request in that column.
pub(super) fn by_request(reference: &str) -> String {
    format!("request/{reference}")
}

/// The change that restricts a row.
pub(super) fn mark(by: &str) -> Wanted {
    Wanted {
        name: COLUMN.to_owned(),
        set: Set::Mark(by.to_owned()),
    }
}

/// Whether relation `c`, with all its partitions, shows no marked row to whoever is bound by policies, its owner
/// included: a restrictive policy for every command and role.
macro_rules! hides {
    () => {
        "NOT EXISTS (SELECT FROM pg_class AS f
  WHERE f.oid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid::regclass))
    AND NOT (f.relrowsecurity AND f.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy AS p
      WHERE p.polrelid = f.oid AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
        AND pg_get_expr(p.polqual, p.polrelid) = '(restricted_by IS NULL)')))"
    };
}
pub(super) use hides;

/// The table first, then its partitions: what each has of what hides marked rows.
const MEMBERS: &str = "
SELECT format('%I.%I', n.nspname, f.relname), f.relrowsecurity, f.relforcerowsecurity,
  EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = f.oid AND p.polpermissive),
  EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = f.oid AND NOT p.polpermissive AND p.polcmd = '*'
    AND p.polroles = '{0}' AND pg_get_expr(p.polqual, p.polrelid) = $2)
FROM pg_class AS f JOIN pg_namespace AS n ON n.oid = f.relnamespace
WHERE f.oid IN (SELECT $1::bigint::oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
ORDER BY f.oid <> $1::bigint::oid, 1";

/// Whether there is the column, and whether the role sees rows in spite of policies.
const TABLE: &str = "
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attname = $2 AND NOT attisdropped),
  rolsuper OR rolbypassrls, quote_ident(current_user) FROM pg_roles WHERE rolname = current_user";

/// Views over the table, or over such views, that show it with the rights of an owner whom no policy binds.
const VIEWS: &str = "
WITH RECURSIVE above (oid) AS (
  SELECT $1::bigint::oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass)
  UNION
  SELECT r.ev_class FROM above AS a
  JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite AS r ON r.oid = d.objid
)
SELECT format('%I.%I', n.nspname, v.relname) FROM above AS a JOIN pg_class AS v ON v.oid = a.oid AND v.relkind = 'v'
JOIN pg_namespace AS n ON n.oid = v.relnamespace JOIN pg_roles AS o ON o.oid = v.relowner
WHERE (o.rolsuper OR o.rolbypassrls)
  AND NOT coalesce(v.reloptions, '{}') && '{security_invoker=true,security_invoker=on,security_invoker=1,security_invoker=yes}'
ORDER BY 1";

/// What is missing for a rule's table to hide marked rows; nothing for a rule that restricts none.
pub(super) async fn unprepared(
    connection: &mut PgConnection,
    oid: i64,
    table: &str,
    rule: &Rule,
) -> Result<Option<Refusal>, Fault> {
    let restricts = |wanted: &Wanted| matches!(wanted.set, Set::Mark(_));
    if !rule.changes.iter().any(restricts) {
        return Ok(None);
    }
    let statements = missing(connection, oid, table).await?;
    Ok(
        (!statements.is_empty()).then(|| Refusal::RestrictionUnprepared {
            rule: rule.name.clone(),
            table: table.to_owned(),
            statements,
        }),
    )
}

async fn missing(
    connection: &mut PgConnection,
    oid: i64,
    table: &str,
) -> Result<Vec<String>, Fault> {
    let fault = Fault::of("look whether the table hides restricted rows");
    let query = sqlx::query(TABLE).bind(oid).bind(COLUMN);
    let row = query.fetch_one(&mut *connection).await.map_err(&fault)?;
    let has_column: bool = row.try_get(0).map_err(&fault)?;
    let sees_all: bool = row.try_get(1).map_err(&fault)?;
    let role: String = row.try_get(2).map_err(&fault)?;
    let mut statements = Vec::new();
    if !has_column {
        statements.push(format!("ALTER TABLE {table} ADD COLUMN {COLUMN} text[];"));
        statements.push(format!(
            "GRANT SELECT ({COLUMN}), UPDATE ({COLUMN}) ON {table} TO {role};"
        ));
    }
    if !sees_all {
        statements.push(format!("ALTER ROLE {role} BYPASSRLS;"));
    }
    let query = sqlx::query(MEMBERS).bind(oid).bind(SHOWN);
    let members = query.fetch_all(&mut *connection).await.map_err(&fault)?;
    for row in &members {
        statements.extend(member(row).map_err(&fault)?);
    }
    let views = sqlx::query(VIEWS).bind(oid).fetch_all(connection).await;
    for row in views.map_err(&fault)? {
        let view: String = row.try_get(0).map_err(&fault)?;
        statements.push(format!("ALTER VIEW {view} SET (security_invoker = true);"));
    }
    Ok(statements)
}

/// What a table, or a partition of it, lacks. Policies come before they are enabled: without one that lets rows through,
/// nobody would see any.
fn member(row: &PgRow) -> Result<Vec<String>, sqlx::Error> {
    let name: String = row.try_get(0)?;
    let (enabled, forced): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
    let (lets_through, hides): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
    let mut statements = Vec::new();
    if !enabled && !lets_through {
        statements.push(format!("CREATE POLICY all_rows ON {name} USING (true);"));
    }
    if !hides {
        statements.push(format!(
            "CREATE POLICY restricted_rows ON {name} AS RESTRICTIVE USING {SHOWN};"
        ));
    }
    if !enabled || !forced {
        statements.push(format!(
            "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        ));
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_and_preflight_ask_for_the_same_policy() {
        assert!(hides!().contains(&format!("= '{SHOWN}'")));
        assert!(SHOWN.contains(COLUMN));
    }
}
