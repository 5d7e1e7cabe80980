//! `connect`: take webhooks, keep them, deliver them.

use super::{Begun, Stop};
use crate::contract::{Connect, Outcome, Report, Task};

/// Flags of `connect` alone.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {}

/// Runs until it is asked to stop.
pub async fn run(_task: Task<Connect>, _options: Options, _stop: Stop) -> Report<()> {
    Begun::now("connect").ended(Outcome::Refused, "NotBuilt", "not yet", None)
}
