//! A table or view of PostgreSQL: each row becomes one item in JSON, made by the database itself.
//!
//! In: a URL file and a name. Out: items, one a line. Identifiers come from the catalogue, quoted by the
//! database; nothing that a task says becomes SQL.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::ITEM_BYTES;
use super::{Error, Invalid};
use crate::agent::database::Said;
use crate::agent::feed::item::FIELDS;

/// A database that does not take a connection within this is down.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest wait for a row: a view may have to sort before its first.
const SILENCE: Duration = Duration::from_mins(2);
/// Rows that are handed on together.
const CHUNK_BYTES: usize = 32 * 1024;

/// The name may be a table's, a partitioned table's, a view's, a materialised view's or a foreign table's.
const RELATION: &str = "
    SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname),
           has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $2
      AND CASE WHEN $1 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $1 END";

const COLUMNS: &str = "
    SELECT a.attname::text, pg_catalog.quote_ident(a.attname), b.typname::text, b.typcategory::text
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

/// A table that is there and may be read.
pub(in crate::agent::feed) struct Rows {
    connection: PgConnection,
    select: String,
}

/// A column of the catalogue.
#[derive(sqlx::FromRow)]
struct Column(String, String, String, String);

/// Connects and looks the table up.
pub(super) async fn open(url: &Path, table: &str) -> Result<Rows, Error> {
    let mut connection = connect(url).await?;
    let (schema, name) = table.split_once('.').unwrap_or(("", table));
    let relation: Option<(i64, String, bool)> = sqlx::query_as(RELATION)
        .bind(schema)
        .bind(name)
        .fetch_optional(&mut connection)
        .await
        .map_err(|error| failed(&error))?;
    let Some((oid, quoted, readable)) = relation else {
        return Err(Error::Invalid {
            what: format!("the source has no table or view `{table}`"),
        });
    };
    if !readable {
        return Err(Error::Credentials {
            what: format!("its role may not read the table: GRANT SELECT ON {quoted} TO that role"),
        });
    }
    let columns: Vec<Column> = sqlx::query_as(COLUMNS)
        .bind(oid)
        .fetch_all(&mut connection)
        .await
        .map_err(|error| failed(&error))?;
    let select = select(&quoted, &columns)?;
    Ok(Rows { connection, select })
}

impl Rows {
    /// Sends the rows into `body` as JSON, one a line.
    pub(super) async fn pump(mut self, body: mpsc::Sender<Bytes>) -> Result<(), Error> {
        let fail = |error| failed(&error);
        // A view's functions may not write either.
        let mut reading = self
            .connection
            .begin_with("BEGIN READ ONLY")
            .await
            .map_err(fail)?;
        let mut rows = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(self.select))
            .fetch(&mut *reading);
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let mut place = 0;
        loop {
            let row = timeout(SILENCE, rows.try_next())
                .await
                .map_err(|_| unavailable("it did not answer in time"))?
                .map_err(fail)?;
            let Some(row) = row else { break };
            place += 1;
            let Some(row) = row else {
                return Err(Error::Invalid {
                    what: format!("the source is malformed: {}", Invalid::too_large(place)),
                });
            };
            chunk.extend_from_slice(row.as_bytes());
            chunk.extend_from_slice(b"\n");
            if chunk.len() >= CHUNK_BYTES && body.send(chunk.split().freeze()).await.is_err() {
                return Ok(());
            }
        }
        // Nobody reads any more, or this was the last: either way there is nothing left to do.
        let _ = body.send(chunk.freeze()).await;
        Ok(())
    }
}

async fn connect(file: &Path) -> Result<PgConnection, Error> {
    let credentials = |what: &str| Error::Credentials {
        what: format!("`{}` {what}", file.display()),
    };
    let url = std::fs::read_to_string(file).map_err(|_| credentials("cannot be read"))?;
    let url = url.trim();
    // The driver takes any scheme.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(credentials("holds no PostgreSQL URL"));
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| credentials("holds no PostgreSQL URL"))?
        .application_name("tradewind-agent feed")
        .disable_statement_logging();
    timeout(CONNECT, PgConnection::connect_with(&options))
        .await
        .map_err(|_| unavailable("it did not answer in time"))?
        .map_err(|error| failed(&error))
}

/// One row, one JSON text; a row that is too large comes as null, so that it never leaves the database.
fn select(table: &str, columns: &[Column]) -> Result<String, Error> {
    let mut pairs = Vec::new();
    for Column(name, quoted, kind, category) in columns {
        if !FIELDS.contains(&name.as_str()) {
            continue;
        }
        if matches!(kind.as_str(), "float4" | "float8") {
            return Err(Error::Invalid {
                what: format!(
                    "column `{name}` is a float, which rounds: make it `numeric` or `text`"
                ),
            });
        }
        // Numbers as text: a reader of JSON would make floats of them.
        let value = if kind.starts_with("json") || category == "A" {
            format!("to_json({quoted})")
        } else {
            format!("{quoted}::text")
        };
        // A field's name is one of ours and holds no quote.
        pairs.push(format!("'{name}', {value}"));
    }
    if !columns.iter().any(|Column(name, ..)| name == "id") {
        return Err(Error::Invalid {
            what: format!("{table} has no column `id`"),
        });
    }
    // OFFSET 0 keeps the planner from making each row's text twice.
    Ok(format!(
        "SELECT CASE WHEN octet_length(item) <= {ITEM_BYTES} THEN item END \
         FROM (SELECT json_build_object({})::text AS item FROM {table} OFFSET 0) items",
        pairs.join(", ")
    ))
}

fn unavailable(what: &str) -> Error {
    Error::Unavailable {
        what: what.to_owned(),
    }
}

/// What a database's error means; [`Said`] is all that is passed on of it.
fn failed(error: &sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = error else {
        return match error {
            sqlx::Error::Configuration(_) => Error::Credentials {
                what: "the PostgreSQL URL cannot be used".to_owned(),
            },
            sqlx::Error::Tls(_) => unavailable("no TLS connection"),
            _ => unavailable("the connection broke"),
        };
    };
    let code = database.code().unwrap_or_default();
    let said = format!("PostgreSQL answered {}", Said::from(error));
    match code.get(..2).unwrap_or_default() {
        // Invalid authorisation.
        "28" => Error::Credentials { what: said },
        // Connection, rollback, resources, object in use, operator intervention, system.
        "08" | "40" | "53" | "55" | "57" | "58" => Error::Unavailable { what: said },
        // Insufficient privilege.
        _ if code == "42501" => Error::Credentials {
            what: format!("{said}: its role may not read all of the table's columns"),
        },
        _ => Error::Invalid {
            what: format!("the source fails: {said}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str, category: &str) -> Column {
        Column(
            name.into(),
            format!("\"{name}\""),
            kind.into(),
            category.into(),
        )
    }

    #[test]
    fn only_canonical_columns_are_asked_for() {
        let columns = [
            column("id", "int8", "N"),
            column("secret", "text", "S"),
            column("price", "numeric", "N"),
            column("translations", "jsonb", "U"),
            column("additional_image_links", "_text", "A"),
        ];
        assert_eq!(
            select("shop.items", &columns).unwrap(),
            "SELECT CASE WHEN octet_length(item) <= 262144 THEN item END \
             FROM (SELECT json_build_object('id', \"id\"::text, 'price', \"price\"::text, \
             'translations', to_json(\"translations\"), \
             'additional_image_links', to_json(\"additional_image_links\"))::text AS item \
             FROM shop.items OFFSET 0) items"
        );
    }

    #[test]
    fn floats_and_tables_without_an_id_are_refused() {
        let float = select(
            "t",
            &[column("id", "text", "S"), column("price", "float8", "N")],
        );
        assert!(
            float
                .unwrap_err()
                .to_string()
                .contains("`price` is a float")
        );
        let nameless = select("t", &[column("title", "text", "S")]);
        assert_eq!(nameless.unwrap_err().to_string(), "t has no column `id`");
    }
}
