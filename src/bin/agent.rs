//! `tradewind-agent`: parses arguments, builds the runtime, calls the library.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tradewind::agent::{Common, attest, connect, erase, feed, init, keeper, retain, run_job};
use tradewind::contract::{JOB_VARIABLE, exit};

/// Takes webhooks, writes feeds, erases due rows, holds others, answers data subjects and signs evidence in one region, as
/// its task says.
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
  tradewind-agent retain --report                  what the last run did; erases nothing
  tradewind-agent erase --reapply                  after a restore: erase again whoever was erased
  tradewind-agent keygen --out ./region.key        make the region's key for identities";

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
  tradewind-agent retain --report    what the last run did, from its ledger; erases nothing
  tradewind-agent retain --report --run-of shop-retention-29402640    what a Job of before did
  tradewind-agent retain --lift      show rows again that the task's rules of method Restrict have hidden
  tradewind-agent retain --open ./openings.jsonl    for an auditor: what its runs told as <5 or -, with salts")]
    Retain {
        #[command(flatten)]
        common: Common,
        /// Only read back from the ledger what the last run did.
        #[arg(long)]
        report: bool,
        /// With --report: what the run of this Job did, instead of the last one.
        #[arg(long, value_name = "JOB", requires = "report")]
        run_of: Option<String>,
        /// With --run-of: take the run from that Job's pod first, which may work on, on a node that nobody reaches. Nothing that
        /// it does from then on is committed; a later run goes on with it.
        #[arg(long, requires = "run_of")]
        take_over: bool,
        /// The Job that this is a pod of: its run is noted under that name.
        #[arg(long, value_name = "NAME", env = JOB_VARIABLE)]
        job: Option<String>,
        /// Show rows again that the task's rules of method Restrict have hidden.
        #[arg(long, conflicts_with = "report")]
        lift: bool,
        /// Only write what the policy's runs did not tell into a file that is not there yet: numbers with their salts, which
        /// `tradewind audit verify --opening` checks. They are not to leave the region.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["report", "lift"])]
        open: Option<PathBuf>,
    },
    /// Open a legal hold in each store of the task, or release it there; again is no mistake.
    #[command(after_help = "Examples:
  tradewind-agent hold                                                   do what the mounted task says
  tradewind-agent hold --task ./task.json --report-path ./report.json    try a task on this machine")]
    Hold {
        #[command(flatten)]
        common: Common,
    },
    /// Erase one person, deliver a copy of their rows, hide these or opt them out, as a data subject's request asks.
    #[command(after_help = "Examples:
  tradewind-agent erase              do what the mounted task's request asks for; a killed one is gone on with
  tradewind-agent erase --reapply    after a restore or an import: erase again whoever was erased before
  tradewind-agent erase --lift       end a Restriction: show the person's rows again; an OptOut: opt them in;
                                     or an Erasure in its midst: keep no longer who the person is")]
    Erase {
        #[command(flatten)]
        common: Common,
        /// Erase again whoever was erased, in stores that were restored; the task needs no request.
        #[arg(long)]
        reapply: bool,
        /// End what the task's request asked for: of a Restriction, show the person's rows again; of an OptOut, opt them in;
        /// of an Erasure that is not done, erase no more, and keep no longer who the person is.
        #[arg(long, conflicts_with = "reapply")]
        lift: bool,
        /// Only write what was not told of the task's request, with --reapply of what was erased again, into a file that is
        /// not there yet: numbers with their salts, which `tradewind audit verify --opening` checks. They are not to leave the region.
        #[arg(long, value_name = "FILE", conflicts_with = "lift")]
        open: Option<PathBuf>,
    },
    /// Make the key to which identities of data subjects are encrypted: no task, no network.
    #[command(after_help = "Examples:
  tradewind-agent keygen --out ./region.key    the private half into a new file, the public half to standard output")]
    Keygen {
        /// Where the private half goes: a file that is not there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
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
    /// Find the key to which identities of data subjects are encrypted in its Secret, or make it there.
    #[command(after_help = "Examples:
  tradewind-agent keep-key    do what the mounted task says; answers the public half")]
    KeepKey {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: keeper::Options,
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
    let common = match &cli.command {
        Command::Connect { common, .. }
        | Command::Feed { common }
        | Command::Hold { common }
        | Command::Attest { common, .. }
        | Command::KeepKey { common, .. }
        | Command::Erase { common, .. }
        | Command::Retain { common, .. } => common,
        Command::Keygen { out } => return keygen(out),
    };
    if let Err(error) = init(common) {
        eprintln!("--log: {error}");
        return exit::REFUSED.into();
    }
    run(cli.command).await
}

/// A retention, or what was asked of its books or for its rows.
async fn retain_by(
    common: &Common,
    asked: Option<retain::Asked>,
    job: Option<String>,
    lift: bool,
    open: Option<PathBuf>,
) -> ExitCode {
    if let Some(out) = open {
        return run_job(common, "retain", async |task, stop| {
            retain::open_sums(task, &out, stop).await
        })
        .await;
    }
    if let Some(asked) = asked {
        return run_job(common, "retain", async |task, stop| {
            retain::report(task, asked, stop).await
        })
        .await;
    }
    if lift {
        return run_job(common, "retain", retain::lift).await;
    }
    run_job(common, "retain", async |task, stop| {
        retain::run(task, job, stop).await
    })
    .await
}

/// One command, to its end.
async fn run(command: Command) -> ExitCode {
    match command {
        Command::Connect { common, options } => {
            run_job(&common, "connect", async |task, stop| {
                connect::run(task, options, stop).await
            })
            .await
        }
        Command::Feed { common } => run_job(&common, "feed", feed::run).await,
        Command::Hold { common } => run_job(&common, "hold", retain::hold).await,
        Command::Attest { common, options } => {
            run_job(&common, "attest", async |task, stop| {
                attest::run(task, options, stop).await
            })
            .await
        }
        Command::KeepKey { common, options } => {
            run_job(&common, "keep-key", async |task, stop| {
                keeper::run(task, options, stop).await
            })
            .await
        }
        Command::Retain {
            common,
            report,
            run_of,
            take_over,
            job,
            lift,
            open,
        } => {
            let asked = report.then_some(retain::Asked { run_of, take_over });
            retain_by(&common, asked, job, lift, open).await
        }
        Command::Erase {
            common,
            reapply,
            lift,
            open,
        } => match (reapply, lift) {
            _ if let Some(out) = open => {
                run_job(&common, "erase", async |task, stop| {
                    erase::open_sums(task, reapply, &out, stop).await
                })
                .await
            }
            (true, _) => run_job(&common, "erase", erase::reapply).await,
            (_, true) => run_job(&common, "erase", erase::lift).await,
            _ => run_job(&common, "erase", erase::run).await,
        },
        Command::Keygen { out } => keygen(&out),
    }
}

/// The private half into a file, the public half to standard output.
fn keygen(out: &Path) -> ExitCode {
    let made = erase::generate(out);
    let told = made.and_then(|public| writeln!(std::io::stdout(), "{public}"));
    match told {
        Ok(()) => exit::DONE.into(),
        Err(error) => {
            eprintln!(
                "--out {}: {error}: name a file that is not there yet",
                out.display()
            );
            exit::REFUSED.into()
        }
    }
}
