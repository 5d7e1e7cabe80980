//! What kind of trouble a statement is in.
//!
//! In: an error of the driver. Out: a [`Fault`], which says no more than [`Said`] does.

use crate::agent::database::Said;

/// What kind of trouble it is: decides whether to try again, to take fewer rows, or to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection broke, or the server is not there, full or read-only for now.
    Lost,
    /// The server knows no such login or database.
    Login,
    /// Another transaction got in the way.
    Conflict,
    /// A lock or the statement took too long.
    Busy,
    /// Another process began a run of the same policy.
    RunOpen,
    /// A row of another table refers to a row that was to go.
    Referenced,
    /// The role may not.
    Denied,
    /// A table or column is not there any more.
    Drifted,
    /// Anything else: a trigger's or the server's own refusal.
    Other,
}

/// A failed statement.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {doing} ({said})")]
pub(super) struct Fault {
    doing: &'static str,
    said: Said,
    trouble: Trouble,
}

impl Fault {
    /// Turns the driver's error into a fault; `doing` completes "could not".
    pub(super) fn of(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |error| Self::new(doing, &error)
    }

    fn new(doing: &'static str, error: &sqlx::Error) -> Self {
        let trouble = match (error.as_database_error(), error) {
            (Some(said), _) => match (&*said.code().unwrap_or_default(), said.constraint()) {
                ("23505", Some("run_open")) if said.table() == Some("run") => Trouble::RunOpen,
                (code, _) => trouble(code),
            },
            (None, sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound) => Trouble::Other,
            (None, _) => Trouble::Lost,
        };
        Self {
            doing,
            said: Said::from(error),
            trouble,
        }
    }

    /// What kind of trouble it is.
    pub(super) fn trouble(&self) -> Trouble {
        self.trouble
    }
}

/// By PostgreSQL's table of error codes (appendix A of its manual).
fn trouble(code: &str) -> Trouble {
    match code {
        "28000" | "28P01" | "3D000" => Trouble::Login,
        "40001" | "40P01" => Trouble::Conflict,
        "55P03" | "57014" => Trouble::Busy,
        "23503" => Trouble::Referenced,
        "42501" => Trouble::Denied,
        "42P01" | "42703" | "3F000" | "42883" | "42704" | "0A000" => Trouble::Drifted,
        // 25006: a standby, or a primary that is being replaced. 25P03, 25P04: our session was ended.
        "25006" | "25P03" | "25P04" => Trouble::Lost,
        _ if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Trouble::Lost
        }
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_trouble() {
        for (code, expected) in [
            ("08006", Trouble::Lost),
            ("57P01", Trouble::Lost),
            ("53300", Trouble::Lost),
            ("25006", Trouble::Lost),
            ("28P01", Trouble::Login),
            ("40001", Trouble::Conflict),
            ("55P03", Trouble::Busy),
            ("57014", Trouble::Busy),
            ("23503", Trouble::Referenced),
            ("23505", Trouble::Other),
            ("42501", Trouble::Denied),
            ("42P01", Trouble::Drifted),
            ("P0001", Trouble::Other),
            ("XX000", Trouble::Other),
        ] {
            assert_eq!(trouble(code), expected, "{code}");
        }
    }
}
