//! What every command does before and after its work: flags, logs, TLS, signals, report, exit code.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing_subscriber::EnvFilter;

use super::report::{self, Begun, Shrink};
use super::{Stop, task};
use crate::contract::{Outcome, REPORT_PATH, Report, TASK_PATH, Task, exit};

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The task: a JSON file that the operator wrote.
    #[arg(long, value_name = "FILE", default_value = TASK_PATH)]
    pub task: PathBuf,
    /// Where the report goes: the container's termination message.
    #[arg(long, value_name = "FILE", default_value = REPORT_PATH)]
    pub report_path: PathBuf,
    /// What is logged: a level, or `target=level` pairs joined by commas.
    #[arg(
        long,
        value_name = "FILTER",
        env = "TRADEWIND_LOG",
        default_value = "info"
    )]
    pub log: String,
}

/// Sets up logs (JSON on stderr, one object a line) and the one crypto provider. To be called once.
///
/// # Errors
/// When the log filter cannot be parsed.
pub fn init(common: &Common) -> Result<(), tracing_subscriber::filter::ParseError> {
    // sqlx logs each statement; its texts hold no values, but they would drown everything else.
    // What a database's own triggers tell (RAISE WARNING) may quote a row: no filter lets it through.
    let filter = EnvFilter::try_new(format!(
        "sqlx=warn,hyper=warn,{},sqlx::postgres::notice=off",
        common.log
    ))?;
    // Fails only when something is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    Ok(())
}

/// Runs one command from task to exit code: loads the task, fires `Stop` on SIGTERM, writes the report.
pub async fn run_job<S, B, W>(common: &Common, command: &'static str, work: W) -> ExitCode
where
    S: DeserializeOwned,
    B: Serialize + Shrink,
    W: AsyncFnOnce(Task<S>, Stop) -> Report<B>,
{
    let begun = Begun::now(command);
    let report = match task::load(&common.task, command) {
        Err(error) => begun.ended(Outcome::Refused, "TaskInvalid", &error_chain(&error), None),
        Ok(task) => match Stop::on_signal() {
            Ok(stop) => work(task, stop).await,
            Err(error) => begun.ended(
                Outcome::Retry,
                "SignalsUnavailable",
                &error_chain(&error),
                None,
            ),
        },
    };
    finish(common, report)
}

/// Logs the end, writes the report, and says how the process exits.
fn finish<B: Serialize + Shrink>(common: &Common, report: Report<B>) -> ExitCode {
    let outcome = report.outcome;
    match outcome {
        Outcome::Done => tracing::info!(?outcome, reason = report.reason, "{}", report.message),
        Outcome::Retry | Outcome::Refused => {
            tracing::error!(?outcome, reason = report.reason, "{}", report.message);
        }
    }
    if let Err(error) = report::write(&common.report_path, report) {
        tracing::error!(path = %common.report_path.display(), %error, "cannot write the report");
        // Work that nobody hears of is not done: a retry finds it done and says so.
        if outcome == Outcome::Done {
            return exit::RETRY.into();
        }
    }
    outcome.exit_code().into()
}

/// An error with its causes on one line: each says only its own part.
#[must_use]
pub fn error_chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
