//! What a database said, without what it said it about.
//!
//! In: an error of the driver. Out: its SQLSTATE and the names of a constraint or table at most. Details, hints and
//! messages may quote a row, so no log, report or answer has them.

use sqlx::migrate::MigrateError;

/// What a database said of a statement, in words that quote no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(String);

impl From<&sqlx::Error> for Said {
    fn from(error: &sqlx::Error) -> Self {
        let Some(said) = error.as_database_error() else {
            return Self(match error {
                sqlx::Error::Io(error) => error.kind().to_string(),
                sqlx::Error::Tls(_) => "TLS failed".to_owned(),
                sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
                _ => "the connection broke or answered out of turn".to_owned(),
            });
        };
        let code = said.code().unwrap_or_default();
        let names = [("constraint", said.constraint()), ("table", said.table())];
        let names = names
            .iter()
            .filter_map(|(what, name)| Some(format!(", {what} `{}`", (*name)?)));
        Self(format!("SQLSTATE {code}{}", names.collect::<String>()))
    }
}

impl From<sqlx::Error> for Said {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

impl From<MigrateError> for Said {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => Self::from(error),
            MigrateError::ExecuteMigration(error, version) => {
                Self(format!("migration {version}: {}", Self::from(error)))
            }
            // Of migrations and their versions alone.
            other => Self(other.to_string()),
        }
    }
}
