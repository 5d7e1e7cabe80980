//! `retain`: erase what is due.

mod bound;
mod cutoff;
mod order;
mod pace;
mod settings;

use super::{Begun, Stop};
use crate::contract::{Outcome, Report, Retain, RetainReport, Task};

/// Runs one retention.
pub async fn run(_task: Task<Retain>, _stop: Stop) -> Report<RetainReport> {
    Begun::now("retain").ended(
        Outcome::Refused,
        "NotBuilt",
        "this build has no retention",
        None,
    )
}

/// Reads what the last run did back from the ledger, and writes nothing.
pub async fn report(_task: Task<Retain>, _stop: Stop) -> Report<RetainReport> {
    Begun::now("retain").ended(
        Outcome::Refused,
        "NotBuilt",
        "this build has no retention",
        None,
    )
}
