//! `tradewind-agent`: parses arguments, builds the runtime, calls the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tradewind::agent::{Common, attest, connect, feed, init, retain, run_job};
use tradewind::contract::exit;

/// Takes webhooks, writes feeds, erases due rows and signs evidence in one region, as its task says.
///
/// The operator starts it with a task file and mounted secrets; nothing else configures it. It writes one
/// report and exits 0 (done), 75 (try again) or 64 (somebody must act: the report says who and what).
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tradewind-agent connect                          serve the channel of the mounted task
  tradewind-agent connect --replay-dead --sink erp deliver the dead letters of one sink again
  tradewind-agent feed --task ./task.json --report-path ./report.json
  tradewind-agent retain --report                  what the last run did; erases nothing";

#[derive(Subcommand)]
enum Command {
    /// Take webhooks, keep them in PostgreSQL, deliver them to the sinks; runs until SIGTERM.
    #[command(after_help = "Examples:
  tradewind-agent connect                           serve the channel of the mounted task
  tradewind-agent connect --task ./task.json        serve another one, on this machine
  tradewind-agent connect --replay-dead --sink erp  deliver the dead letters of one sink again, then end")]
    Connect {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: connect::Options,
    },
    /// Read the catalogue and write the platform's file once.
    #[command(after_help = "Examples:
  tradewind-agent feed                                                   write the file of the mounted task
  tradewind-agent feed --task ./task.json --report-path ./report.json    try a task on this machine")]
    Feed {
        #[command(flatten)]
        common: Common,
    },
    /// Erase what is due once, or count it when the policy is a dry run.
    #[command(after_help = "Examples:
  tradewind-agent retain             do what the mounted task says; a task of mode DryRun only counts
  tradewind-agent retain --report    what the last run did, from its ledger; erases nothing")]
    Retain {
        #[command(flatten)]
        common: Common,
        /// Only read back from the ledger what the last run did.
        #[arg(long)]
        report: bool,
    },
    /// Sign how far the region's chain of evidence goes, with the region's own key.
    #[command(after_help = "Examples:
  tradewind-agent attest    sign what the mounted task tells; the key is made when there is none")]
    Attest {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: attest::Options,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; a wrong flag stays wrong however often it is tried.
            let code = if error.use_stderr() {
                exit::REFUSED
            } else {
                exit::DONE
            };
            let _ = error.print();
            return code.into();
        }
    };
    let (Command::Connect { common, .. }
    | Command::Feed { common }
    | Command::Attest { common, .. }
    | Command::Retain { common, .. }) = &cli.command;
    if let Err(error) = init(common) {
        eprintln!("--log: {error}");
        return exit::REFUSED.into();
    }
    match cli.command {
        Command::Connect { common, options } => {
            run_job(&common, "connect", async |task, stop| {
                connect::run(task, options, stop).await
            })
            .await
        }
        Command::Feed { common } => run_job(&common, "feed", feed::run).await,
        Command::Attest { common, options } => {
            run_job(&common, "attest", async |task, stop| {
                attest::run(task, options, stop).await
            })
            .await
        }
        Command::Retain {
            common,
            report: true,
        } => run_job(&common, "retain", retain::report).await,
        Command::Retain {
            common,
            report: false,
        } => run_job(&common, "retain", retain::run).await,
    }
}
