//! When a row is due: the contract's rule, with the names that PostgreSQL has for its clocks.

pub(super) use crate::contract::cutoff::{ClockKind, Due, Error, due};

impl ClockKind {
    /// The type's name in PostgreSQL.
    pub(super) fn as_sql(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
        }
    }
}
