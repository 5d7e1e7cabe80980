//! `feed`: read the catalogue, write the platform's file.

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
