//! `feed`: read the catalogue, write the platform's file.

mod item;
mod language;
mod money;
mod reason;
mod row;
mod sort;
mod text;

use super::{Begun, Stop};
use crate::contract::{Feed, FeedReport, Outcome, Report, Task};

/// Runs one feed.
pub async fn run(_task: Task<Feed>, _stop: Stop) -> Report<FeedReport> {
    Begun::now("feed").ended(
        Outcome::Refused,
        "NotBuilt",
        "this build has no feeds",
        None,
    )
}
