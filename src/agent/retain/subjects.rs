//! The columns that tell whose a row is, and the condition that it is a person's.
//!
//! In: names as the task wrote them, bound as values; the person's values. Out: columns that the server quoted; text for a
//! statement, with the values bound to it and never cast by the server unless they are what the type takes: a value that
//! it refused would stand in its log.

use sqlx::{PgConnection, Row};

use super::fault::Fault;
use super::refusal::Refusal;
use super::settings::Rule;
use super::statement::{Hidden, Statement, Value};

/// A column that tells whose a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Its name, quoted.
    pub(super) name: String,
    /// The kind of its values.
    pub(super) identity: String,
    /// How it is compared.
    matching: Matching,
    /// Whether its collation takes different texts for one, as `A` and `a`.
    is_loose: bool,
}

/// How a column is compared with the texts that a person is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matching {
    /// As a text, whose collation tells apart whatever has other bytes.
    Text,
    /// As an integer.
    Integer,
    /// As a uuid.
    Uuid,
    /// As the text that its type writes, byte by byte.
    Written,
}

/// What a column is looked up by, and compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    /// In their normal form.
    pub(super) texts: &'a [String],
    /// Whether letters A to Z are the same as a to z.
    pub(super) ignore_case: bool,
}

const COLUMN: &str = "
SELECT quote_ident(a.attname), a.atttypid::bigint,
  EXISTS (SELECT FROM pg_collation AS c WHERE c.oid = a.attcollation AND NOT c.collisdeterministic)
FROM pg_attribute a
WHERE a.attrelid = $1::bigint::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/// The columns that a rule names; none where it looks for no person.
pub(super) async fn find(
    connection: &mut PgConnection,
    oid: i64,
    table: &str,
    rule: &Rule,
) -> Result<Result<Vec<Subject>, Refusal>, Fault> {
    let mut found = Vec::new();
    for wanted in &rule.subjects {
        let (name, identity) = (wanted.column.as_str(), wanted.identity.as_str());
        let Some(subject) = column(connection, oid, name, identity).await? else {
            return Ok(Err(Refusal::SubjectMissing {
                rule: rule.name.clone(),
                table: table.to_owned(),
                column: name.to_owned(),
            }));
        };
        found.push(subject);
    }
    Ok(Ok(found))
}

/// A column by its name as the task wrote it.
async fn column(
    connection: &mut PgConnection,
    oid: i64,
    name: &str,
    identity: &str,
) -> Result<Option<Subject>, Fault> {
    let fault = Fault::of("read the catalogue");
    let row = sqlx::query(COLUMN)
        .bind(oid)
        .bind(name)
        .fetch_optional(connection)
        .await;
    let read = |row: sqlx::postgres::PgRow| {
        let is_loose: bool = row.try_get(2)?;
        // The types' numbers are the same in every PostgreSQL.
        let matching = match row.try_get::<i64, _>(1)? {
            20 | 21 | 23 => Matching::Integer,
            25 | 1043 if !is_loose => Matching::Text,
            2950 => Matching::Uuid,
            _ => Matching::Written,
        };
        Ok(Subject {
            name: row.try_get(0)?,
            identity: identity.to_owned(),
            matching,
            is_loose,
        })
    };
    row.and_then(|row| row.map(read).transpose()).map_err(fault)
}

impl Subject {
    /// The value of `alias`'s row as a text; one with other bytes is another, whatever the column's collation says: its hash
    /// is another, too, and what an erasure found without it would not be found again after a restore.
    pub(super) fn written(&self, alias: &str) -> String {
        let collate = if self.is_loose { " COLLATE \"C\"" } else { "" };
        format!("{alias}.{}::text{collate}", self.name)
    }

    /// Whether `alias`'s row has one of the values: never null, and in words that an index on the column serves.
    pub(super) fn matches(&self, sql: &mut Statement, alias: &str, values: Values<'_>) -> String {
        let column = format!("{alias}.{}", self.name);
        let hidden = |texts: Vec<String>| Value::Hidden(Hidden(texts));
        let found = if values.ignore_case {
            let place = sql.bind(hidden(values.texts.to_vec()));
            format!(
                "{} OPERATOR(pg_catalog.=) ANY ({place}::text[])",
                folded(&column)
            )
        } else {
            match self.matching {
                Matching::Integer => {
                    let integers = values.texts.iter().filter(|text| is_integer(text));
                    let place = sql.bind(hidden(integers.cloned().collect()));
                    format!("{column} OPERATOR(pg_catalog.=) ANY ({place}::text[]::bigint[])")
                }
                Matching::Uuid => {
                    let uuids = values.texts.iter().filter(|text| is_uuid(text)).cloned();
                    let place = sql.bind(hidden(uuids.collect()));
                    format!("{column} OPERATOR(pg_catalog.=) ANY ({place}::text[]::uuid[])")
                }
                Matching::Text => {
                    let place = sql.bind(hidden(values.texts.to_vec()));
                    format!("{column} OPERATOR(pg_catalog.=) ANY ({place}::text[])")
                }
                Matching::Written => {
                    let place = sql.bind(hidden(values.texts.to_vec()));
                    let written = self.written(alias);
                    format!("{written} OPERATOR(pg_catalog.=) ANY ({place}::text[])")
                }
            }
        };
        format!("({found} AND {column} IS NOT NULL)")
    }
}

/// Letters A to Z as a to z, and nothing else: the same here and in the server, whatever its collations say.
pub(super) fn folded(column: &str) -> String {
    format!("pg_catalog.lower({column}::text COLLATE \"C\")")
}

/// An integer that is written as the server writes it: `007` is not 7.
fn is_integer(text: &str) -> bool {
    text.parse::<i64>()
        .is_ok_and(|number| number.to_string() == text)
}

/// A uuid as the server writes it.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(matching: Matching, ignore_case: bool, texts: &[&str]) -> (String, String) {
        let subject = Subject {
            name: r#""E""mail""#.into(),
            identity: "email".into(),
            matching,
            is_loose: false,
        };
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let mut sql = Statement::default();
        let values = Values {
            texts: &texts,
            ignore_case,
        };
        (subject.matches(&mut sql, "t", values), format!("{sql:?}"))
    }

    #[test]
    fn values_are_bound_and_never_in_the_text() {
        for (matching, ignore_case) in [
            (Matching::Text, false),
            (Matching::Written, false),
            (Matching::Integer, false),
            (Matching::Uuid, false),
            (Matching::Text, true),
        ] {
            let (text, statement) = said(matching, ignore_case, &["ann@x'; --"]);
            assert!(text.contains("$1::text[]"), "{text}");
            assert!(!text.contains("ann") && !statement.contains("ann"));
        }
    }

    #[test]
    fn what_a_type_does_not_take_is_not_sent_to_it() {
        for (is, text) in [
            (true, "7"),
            (true, "-7"),
            (false, "007"),
            (false, "+7"),
            (false, " 8"),
        ] {
            assert_eq!(is_integer(text), is, "{text}");
        }
        assert!(is_uuid("00000000-0000-0000-0000-00000000000a"));
        for not in [
            "",
            "00000000-0000-0000-0000-00000000000A",
            "00000000x0000-0000-0000-00000000000a",
        ] {
            assert!(!is_uuid(not), "{not}");
        }
    }
}
