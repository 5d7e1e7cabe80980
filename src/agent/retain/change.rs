//! What a rule that keeps its rows changes in them, as SQL.
//!
//! In: columns as the catalogue has them, and what they are set to. Out: text for a statement, with the values bound
//! to it. Pure.

use super::catalog::Table;
use super::method::Set;
use super::references::{Link, Reference};
use super::statement::{Statement, Value};
use crate::contract::Grain;

/// A column that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its name, quoted.
    pub(super) name: String,
    /// Its type as SQL writes it.
    pub(super) kind: String,
    /// The server's own type below it, in which it is reckoned and compared.
    pub(super) base: Base,
    /// What it is set to.
    pub(super) set: Set,
}

/// What a type is, below its domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// `text` and its like.
    Text,
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// `numeric`.
    Numeric,
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// Any other.
    Other,
}

impl Change {
    /// What the column of `alias`'s row becomes.
    fn target(&self, sql: &mut Statement, alias: &str) -> String {
        let reckoned = self.reckoned(sql, alias);
        format!("({reckoned})::{}", self.kind)
    }

    /// The same, before it is of the column's own type.
    fn reckoned(&self, sql: &mut Statement, alias: &str) -> String {
        let column = format!("{alias}.{}", self.name);
        match &self.set {
            Set::Null | Set::Shred => "NULL".to_owned(),
            Set::Mark(by) => {
                let by = sql.bind(Value::Text(by.clone()));
                let is_marked = is_marked(&column, &by);
                format!(
                    "CASE WHEN {is_marked} THEN {column} ELSE pg_catalog.array_append({column}, {by}::text) END"
                )
            }
            Set::Constant(value) => {
                let value = sql.bind(Value::Text(value.clone()));
                format!("{value}::text")
            }
            Set::Truncate(length) => {
                let length = sql.bind(Value::Number(i64::from(*length)));
                format!("pg_catalog.\"left\"({column}::text, {length}::int)")
            }
            Set::Period(grain, zone) => {
                let grain = match grain {
                    Grain::Year => "year",
                    Grain::Month => "month",
                };
                if self.base == Base::Timestamptz {
                    let zone = sql.bind(Value::Text(zone.clone()));
                    return format!(
                        "pg_catalog.date_trunc('{grain}', {column}::timestamptz, {zone}::text)"
                    );
                }
                // A date by way of a timestamp: by way of a timestamptz it would depend on the session's zone.
                format!("pg_catalog.date_trunc('{grain}', {column}::timestamp)")
            }
            Set::Step(step) => {
                let step = sql.bind(Value::Number(i64::from(*step)));
                let kind = self.compared();
                // A remainder is exact in every type; a quotient is rounded in numeric, and can leave an integer's bounds.
                format!(
                    "{column}::{kind} OPERATOR(pg_catalog.-) ({column}::{kind} OPERATOR(pg_catalog.%) {step}::{kind})"
                )
            }
        }
    }

    /// The type in which values are compared: one whose equality is the server's own. As texts they are compared byte
    /// by byte, so that a case or an accent makes a difference whatever the column's own type and collation say.
    fn compared(&self) -> &'static str {
        match (&self.set, self.base) {
            (Set::Step(_), Base::Numeric) => "numeric",
            (Set::Step(_), _) => "bigint",
            (Set::Period(..), Base::Timestamptz) => "timestamptz",
            (Set::Period(..), _) => "timestamp",
            _ => "text",
        }
    }

    /// Whether the column of `alias`'s row holds something else than it is to: never null.
    fn differs(&self, sql: &mut Statement, alias: &str) -> String {
        let column = format!("{alias}.{}", self.name);
        if self.set.is_null() {
            return format!("{column} IS DISTINCT FROM NULL");
        }
        if let Set::Mark(by) = &self.set {
            let by = sql.bind(Value::Text(by.clone()));
            return format!("(NOT {})", is_marked(&column, &by));
        }
        // Rows that are not due are asked too: only a constant was tried in the column's own type, which may refuse.
        let target = match self.set {
            Set::Constant(_) => self.target(sql, alias),
            _ => self.reckoned(sql, alias),
        };
        let kind = self.compared();
        let collate = if kind == "text" { " COLLATE \"C\"" } else { "" };
        format!("({column})::{kind}{collate} IS DISTINCT FROM ({target})::{kind}{collate}")
    }
}

/// Whether a word is in a column of words: never null.
fn is_marked(column: &str, word: &str) -> String {
    format!("coalesce({word}::text OPERATOR(pg_catalog.=) ANY ({column}), false)")
}

/// Whether `alias`'s row still holds something that its table's rule takes: never null. Always, where rows are deleted.
pub(super) fn pending(sql: &mut Statement, alias: &str, table: &Table) -> String {
    let differing = table.changes.iter();
    let differing: Vec<String> = differing.map(|change| change.differs(sql, alias)).collect();
    if differing.is_empty() {
        return "true".to_owned();
    }
    format!("({})", differing.join(" OR "))
}

/// Whether erasing a row of `table` ends what `reference` says of it: it goes, or what refers becomes null.
pub(super) fn ends(table: &Table, reference: &Reference) -> bool {
    let mut links = reference.links.iter();
    let nulls = |link: &Link| {
        let mut changes = table.changes.iter();
        changes.any(|change| change.set.is_null() && change.name == link.child)
    };
    table.changes.is_empty() || links.any(nulls)
}

/// The start of the statement that erases rows `t`, chosen with the help of `others` where there are any: deletes
/// them, or sets their columns.
pub(super) fn erase(sql: &mut Statement, table: &Table, others: Option<&str>) -> String {
    let name = &table.name;
    if table.changes.is_empty() {
        let using = others.map_or(String::new(), |others| format!(" USING {others}"));
        return format!("DELETE FROM {name} AS t{using}");
    }
    let changes = table.changes.iter();
    let changes = changes.map(|change| format!("{} = {}", change.name, change.target(sql, "t")));
    let changes = changes.collect::<Vec<_>>().join(", ");
    let from = others.map_or(String::new(), |others| format!(" FROM {others}"));
    format!("UPDATE {name} AS t SET {changes}{from}")
}

#[cfg(test)]
mod tests {
    use super::super::predicate::tests::table;
    use super::*;

    fn change(set: Set, base: Base) -> Change {
        Change {
            name: r#""a""b""#.into(),
            kind: "shop.odd".into(),
            base,
            set,
        }
    }

    #[test]
    fn names_are_the_catalogues_and_values_are_bound() {
        let mut sql = Statement::default();
        let differs = |sql: &mut Statement, set, base| change(set, base).differs(sql, "t");
        assert_eq!(
            differs(&mut sql, Set::Null, Base::Other),
            r#"t."a""b" IS DISTINCT FROM NULL"#
        );
        assert_eq!(
            differs(&mut sql, Set::Constant("'; --".into()), Base::Other),
            r#"(t."a""b")::text COLLATE "C" IS DISTINCT FROM (($1::text)::shop.odd)::text COLLATE "C""#
        );
        assert_eq!(
            differs(&mut sql, Set::Truncate(3), Base::Text),
            r#"(t."a""b")::text COLLATE "C" IS DISTINCT FROM (pg_catalog."left"(t."a""b"::text, $2::int))::text COLLATE "C""#
        );
        assert_eq!(
            differs(
                &mut Statement::default(),
                Set::Mark("by".into()),
                Base::Other
            ),
            r#"(NOT coalesce($1::text OPERATOR(pg_catalog.=) ANY (t."a""b"), false))"#
        );
        let zoned = Set::Period(Grain::Month, "Asia/Tokyo".into());
        assert_eq!(
            differs(&mut sql, zoned.clone(), Base::Timestamptz),
            r#"(t."a""b")::timestamptz IS DISTINCT FROM (pg_catalog.date_trunc('month', t."a""b"::timestamptz, $3::text))::timestamptz"#
        );
        assert_eq!(
            differs(&mut sql, zoned, Base::Date),
            r#"(t."a""b")::timestamp IS DISTINCT FROM (pg_catalog.date_trunc('month', t."a""b"::timestamp))::timestamp"#
        );
        assert_eq!(
            differs(&mut sql, Set::Step(10), Base::Numeric),
            r#"(t."a""b")::numeric IS DISTINCT FROM (t."a""b"::numeric OPERATOR(pg_catalog.-) (t."a""b"::numeric OPERATOR(pg_catalog.%) $4::numeric))::numeric"#
        );
    }

    #[test]
    fn rows_are_deleted_or_changed() {
        let mut sql = Statement::default();
        let mut table = table();
        assert_eq!(pending(&mut sql, "t", &table), "true");
        let deleting = r#"DELETE FROM public."Or""ders" AS t"#;
        assert_eq!(erase(&mut sql, &table, None), deleting);
        let using = erase(&mut sql, &table, Some("taken AS w"));
        assert_eq!(using, format!("{deleting} USING taken AS w"));
        table.changes = vec![
            change(Set::Null, Base::Other),
            change(Set::Constant(String::new()), Base::Text),
        ];
        let changing = r#"UPDATE public."Or""ders" AS t SET "a""b" = (NULL)::shop.odd, "a""b" = ($1::text)::shop.odd"#;
        assert_eq!(erase(&mut sql, &table, None), changing);
        let from = erase(&mut Statement::default(), &table, Some("taken AS w"));
        assert_eq!(from, format!("{changing} FROM taken AS w"));
    }
}
