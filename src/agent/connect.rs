//! `connect`: take webhooks, keep them, deliver them.
//!
//! ```text
//! platform ──► intake: verify raw bytes ► normalise ► store ► 200
//!                                                      │
//!              courier (one a sink): claim a subject ◄─┘ ► signed POST ► settle ──► sink
//! ```
//! In: signed webhooks and the task. Out: each wanted event to each sink, at least once, in order per subject.
//! It must never acknowledge what is not stored, and never log or count a body, a subject or a secret.

mod admin;
mod attempt;
mod body;
pub(super) mod callback;
mod deliver;
mod envelope;
mod intake;
mod metrics;
mod normalise;
mod pointer;
mod secret;
mod serve;
mod signature;
mod store;
mod upkeep;

use std::net::IpAddr;
use std::time::Duration;

use super::database::Said;
use super::{Begun, Stop, error_chain};
use crate::contract::{ADMIN_PORT, Connect, Outcome, Report, Task, WEBHOOK_PORT};
pub(super) use store::HELD;

/// Flags of `connect` alone.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Put dead letters back into the outbox, behind what their subjects wait for, and exit.
    #[arg(long)]
    replay_dead: bool,
    /// Only the dead letters of this sink.
    #[arg(long, value_name = "NAME", requires = "replay_dead")]
    sink: Option<String>,
    /// Address to listen on; the default takes IPv4 as well.
    #[arg(long, value_name = "ADDRESS", default_value = "::", hide = true)]
    listen: IpAddr,
    /// Port for webhooks.
    #[arg(long, value_name = "PORT", default_value_t = WEBHOOK_PORT, hide = true)]
    webhook_port: u16,
    /// Port for probes and metrics.
    #[arg(long, value_name = "PORT", default_value_t = ADMIN_PORT, hide = true)]
    admin_port: u16,
    /// Time between "not ready" and closing the door, so that no webhook finds it closed.
    #[arg(long, value_name = "MS", default_value = "2000", value_parser = milliseconds, hide = true)]
    linger: Duration,
    /// Wait before the first retry.
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = milliseconds, hide = true)]
    first_retry: Duration,
    /// Attempts before an event is given up: with five minutes between the last ones, about twelve hours.
    #[arg(long, value_name = "N", default_value_t = 150, hide = true)]
    attempts: u32,
    /// Attempts before an event that the sink refuses is given up: about eight minutes.
    #[arg(long, value_name = "N", default_value_t = 10, hide = true)]
    refused_attempts: u32,
    /// How long the subjects of a killed replica wait.
    #[arg(long, value_name = "MS", default_value = "20000", value_parser = milliseconds, hide = true)]
    lease: Duration,
    /// How often the store is looked at.
    #[arg(long, value_name = "MS", default_value = "5000", value_parser = milliseconds, hide = true)]
    upkeep: Duration,
}

/// The subject that the store has of a person whom a platform's events name by `value`.
pub(super) fn subject(value: &str) -> [u8; 32] {
    normalise::subject(value)
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

/// Why the connector cannot work.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A field of the task says something that cannot be done.
    #[error("`{field}` is wrong: {reason}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret is not there or not what it should be.
    #[error("a secret is not usable")]
    Secret {
        /// Which, and why.
        #[from]
        source: secret::Error,
    },
    /// The HTTP client could not be built: no TLS roots, for one.
    #[error("cannot set up the HTTP client")]
    Client {
        /// What it said.
        source: reqwest::Error,
    },
    /// A port is taken.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A server ended by itself.
    #[error("a server ended")]
    Serve {
        /// What it said.
        source: std::io::Error,
    },
    /// The store did not do what only it can do.
    #[error("the store failed")]
    Store {
        /// What it said.
        source: Said,
    },
}

impl Error {
    fn ending(&self) -> (Outcome, &'static str) {
        match self {
            Self::Field { .. } => (Outcome::Refused, "TaskInvalid"),
            Self::Secret { .. } => (Outcome::Refused, "SecretInvalid"),
            Self::Client { .. } => (Outcome::Refused, "ClientInvalid"),
            Self::Listen { .. } => (Outcome::Retry, "PortTaken"),
            Self::Serve { .. } => (Outcome::Retry, "ServerEnded"),
            Self::Store { .. } => (Outcome::Retry, "StoreUnavailable"),
        }
    }
}

/// Serves the channel until asked to stop, or replays its dead letters.
pub async fn run(task: Task<Connect>, options: Options, stop: Stop) -> Report<()> {
    let begun = Begun::now("connect");
    let ended = if options.replay_dead {
        serve::replay(&task, options.sink.as_deref())
            .await
            .map(|count| {
                (
                    "Replayed",
                    format!("dead letters to be delivered again: {count}"),
                )
            })
    } else {
        serve::serve(task, &options, stop).await.map(|()| {
            (
                "Stopped",
                "stopped when asked; what was acknowledged is stored".to_owned(),
            )
        })
    };
    match ended {
        Ok((reason, message)) => begun.ended(Outcome::Done, reason, &message, None),
        Err(error) => {
            let (outcome, reason) = error.ending();
            begun.ended(outcome, reason, &error_chain(&error), None)
        }
    }
}
