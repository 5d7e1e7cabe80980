//! Brings the schema up to date, or says what the database's owner must grant.

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

use super::Store;
use crate::agent::database::Said;

/// The schema that holds everything of ours.
const SCHEMA: &str = "tradewind_connect";

/// Why the schema is not up to date. All may pass: somebody may grant, start or mend the database.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent::connect) enum Error {
    /// No connection, or it broke.
    #[error("cannot reach the store")]
    Connect {
        /// What it said.
        source: Said,
    },
    /// The role may not make the schema.
    #[error(
        "the store's role may not create its schema; the database's owner runs: CREATE SCHEMA {SCHEMA} AUTHORIZATION \"{role}\";"
    )]
    Schema {
        /// The role of the store's URL.
        role: String,
    },
    /// A migration failed.
    #[error("cannot bring the store's schema up to date")]
    Migrate {
        /// Which, and why.
        source: Said,
    },
}

impl Store {
    /// Creates or updates the schema. Replicas that start together wait for each other.
    pub(in crate::agent::connect) async fn migrate(&self) -> Result<(), Error> {
        let connect = |error: sqlx::Error| Error::Connect {
            source: error.into(),
        };
        // A connection of its own: waiting for another replica must not run into the pool's time limits.
        let mut connection = PgConnection::connect_with(&self.delivery.connect_options())
            .await
            .map_err(connect)?;
        let (present, permitted, role): (bool, bool, String) = sqlx::query_as(
            "SELECT to_regnamespace('tradewind_connect') IS NOT NULL,
                    has_database_privilege(current_database(), 'CREATE'), current_user::text",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(connect)?;
        if !present && !permitted {
            return Err(Error::Schema { role });
        }
        let mut migrator: Migrator = sqlx::migrate!("migrations/connect");
        migrator.dangerous_set_table_name(format!("{SCHEMA}.migrations"));
        // An older agent beside a newer schema is a rollback or a rolling update: migrations only add.
        migrator.set_ignore_missing(true);
        if !present {
            // Not asked for where it exists: PostgreSQL wants the right to create before it looks.
            migrator.create_schema(SCHEMA);
        }
        migrator
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| Error::Migrate {
                source: error.into(),
            })?;
        connection.close().await.map_err(connect)
    }
}
