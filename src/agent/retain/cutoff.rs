//! When a row is due: the contract's rule, with the names that PostgreSQL has for its clocks, and the keeps.

use serde::{Deserialize, Serialize};

use super::notice::Told;
pub(super) use crate::contract::cutoff::{Anchor, ClockKind, Due, Error, due_from, kept_from};

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

/// The rows that are due: those whose own period is over, and whose every keep has ended, or has to last. Kept in the run
/// row, so that no retry computes it anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cutoffs {
    /// The clocks whose own period is over.
    #[serde(flatten)]
    pub(super) own: Due,
    /// The clocks whose keeps have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keeps: Vec<Ended>,
    /// Of each table of contacts the clocks that are as old as the rule asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) contacts: Vec<Ended>,
    /// The own clocks for which contacts do not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) most: Option<Due>,
    /// Which notices are old enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notice: Option<Told>,
}

/// The clocks of a column for which a period has ended: a keep's, or that of contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// The column's name, quoted. Only compared: what goes into a statement comes from the catalogue.
    pub(super) clock: String,
    /// Its clocks.
    pub(super) due: Due,
    /// Of a keep: only rows for which it has not ended are due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lasts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_row_of_before_there_were_keeps_reads_on() {
        let old = r#"{"latest":"2018-12-31","gaps":[]}"#;
        let read: Cutoffs = serde_json::from_str(old).unwrap();
        assert!(read.keeps.is_empty() && read.contacts.is_empty());
        assert!(read.most.is_none() && read.notice.is_none());
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let keeps = vec![Ended {
            clock: "paid".into(),
            due: read.own.clone(),
            lasts: false,
        }];
        let kept = Cutoffs { keeps, ..read };
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Cutoffs>(&text).unwrap(), kept);
    }
}
