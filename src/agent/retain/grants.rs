//! What the role must be granted, and is not.
//!
//! In: a table as the catalogue has it. Out: the SQL that mends it, for an administrator to run. Reads only.

use sqlx::{PgConnection, Row};

use super::catalog::Table;
use super::fault::Fault;

/// The schema of Tradewind's own books.
pub(super) const BOOKS: &str = "tradewind";

/// Gathers what is missing; each statement once.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// Without these nothing can be counted.
    pub(super) reading: Vec<String>,
    /// Without these nothing can be erased.
    pub(super) erasing: Vec<String>,
}

const TABLE: &str = "
SELECT has_schema_privilege(c.relnamespace, 'USAGE'), has_table_privilege(c.oid, 'DELETE'),
  (SELECT bool_and(has_column_privilege(c.oid, a.attnum, 'SELECT')) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND quote_ident(a.attname) = ANY ($2)),
  quote_ident(n.nspname), quote_ident(current_user)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = $1::bigint::oid";

const CHANGES: &str = "
SELECT bool_and(has_column_privilege(a.attrelid, a.attnum, 'UPDATE')), quote_ident(current_user)
FROM pg_attribute a WHERE a.attrelid = $1::bigint::oid AND quote_ident(a.attname) = ANY ($2)";

const SIGNALS: &str = "
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), quote_ident(current_user)";

const SCHEMA: &str = "
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
  has_database_privilege(current_database(), 'CREATE'),
  (SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
    FROM pg_namespace WHERE nspname = $1), quote_ident(current_user)";

impl Grants {
    /// Seeing and deleting or changing the table's rows, and seeing who refers to them.
    pub(super) async fn check(
        &mut self,
        connection: &mut PgConnection,
        table: &Table,
    ) -> Result<(), Fault> {
        let parents = table
            .references
            .iter()
            .flat_map(|reference| &reference.links);
        let mut columns: Vec<String> = parents.map(|link| link.parent.clone()).collect();
        columns.extend(table.key.iter().map(|column| column.name.clone()));
        columns.extend(table.watched());
        let deletes = table.changes.is_empty();
        self.check_one(connection, table.oid, &table.name, (&columns, deletes))
            .await?;
        if !deletes {
            self.check_changes(connection, table).await?;
        }
        for reference in &table.references {
            let columns: Vec<String> = reference
                .links
                .iter()
                .map(|link| link.child.clone())
                .collect();
            self.check_one(
                connection,
                reference.oid,
                &reference.name,
                (&columns, false),
            )
            .await?;
        }
        for contact in &table.contacts {
            let columns = (&*contact.watched(), false);
            self.check_one(connection, contact.oid, &contact.name, columns)
                .await?;
        }
        Ok(())
    }

    /// A schema for the books, or the right to make it. Answers the role's name, quoted.
    pub(super) async fn check_books(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<String, Fault> {
        let fault = Fault::of("read the role's grants");
        let row = sqlx::query(SCHEMA)
            .bind(BOOKS)
            .fetch_one(connection)
            .await
            .map_err(&fault)?;
        let (exists, may_create): (bool, bool) = (
            row.try_get(0).map_err(&fault)?,
            row.try_get(1).map_err(&fault)?,
        );
        let may_use: Option<bool> = row.try_get(2).map_err(&fault)?;
        let role: String = row.try_get(3).map_err(&fault)?;
        if !exists && !may_create {
            add(
                &mut self.erasing,
                format!("CREATE SCHEMA {BOOKS} AUTHORIZATION {role};"),
            );
        }
        if exists && may_use != Some(true) {
            add(
                &mut self.erasing,
                format!("GRANT USAGE, CREATE ON SCHEMA {BOOKS} TO {role};"),
            );
        }
        Ok(role)
    }

    /// Seeing what the database has to carry: without it others' sessions and replicas look like none.
    pub(super) async fn check_signals(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<(), Fault> {
        let fault = Fault::of("read the role's grants");
        let row = sqlx::query(SIGNALS).fetch_one(connection).await;
        let row = row.map_err(&fault)?;
        if !row.try_get::<bool, _>(0).map_err(&fault)? {
            let role: String = row.try_get(1).map_err(&fault)?;
            add(
                &mut self.erasing,
                format!("GRANT pg_read_all_stats TO {role};"),
            );
        }
        Ok(())
    }

    /// Changing columns, and no others.
    async fn check_changes(
        &mut self,
        connection: &mut PgConnection,
        table: &Table,
    ) -> Result<(), Fault> {
        let fault = Fault::of("read the role's grants");
        let changes = table.changes.iter();
        let mut columns: Vec<&str> = changes.map(|change| &*change.name).collect();
        columns.sort_unstable();
        let row = sqlx::query(CHANGES).bind(table.oid).bind(&columns);
        let row = row.fetch_one(connection).await.map_err(&fault)?;
        if !row.try_get::<bool, _>(0).map_err(&fault)? {
            let role: String = row.try_get(1).map_err(&fault)?;
            let (columns, name) = (columns.join(", "), &table.name);
            add(
                &mut self.erasing,
                format!("GRANT UPDATE ({columns}) ON {name} TO {role};"),
            );
        }
        Ok(())
    }

    /// Seeing some columns of a table, and deleting its rows.
    pub(super) async fn check_one(
        &mut self,
        connection: &mut PgConnection,
        oid: i64,
        name: &str,
        (columns, delete): (&[String], bool),
    ) -> Result<(), Fault> {
        let fault = Fault::of("read the role's grants");
        let row = sqlx::query(TABLE)
            .bind(oid)
            .bind(columns)
            .fetch_one(connection)
            .await;
        let row = row.map_err(&fault)?;
        let has = |place: usize| row.try_get::<bool, _>(place).map_err(&fault);
        let word = |place: usize| row.try_get::<String, _>(place).map_err(&fault);
        let (schema, role) = (word(3)?, word(4)?);
        if !has(0)? {
            add(
                &mut self.reading,
                format!("GRANT USAGE ON SCHEMA {schema} TO {role};"),
            );
        }
        if !has(2)? {
            // Keys, clocks, and what it changes: retention need not read the rest.
            let mut columns = columns.to_vec();
            columns.sort();
            columns.dedup();
            let columns = columns.join(", ");
            add(
                &mut self.reading,
                format!("GRANT SELECT ({columns}) ON {name} TO {role};"),
            );
        }
        if delete && !has(1)? {
            add(
                &mut self.erasing,
                format!("GRANT DELETE ON {name} TO {role};"),
            );
        }
        Ok(())
    }
}

fn add(statements: &mut Vec<String>, statement: String) {
    if !statements.contains(&statement) {
        statements.push(statement);
    }
}
