//! `dev`: builds, starts, shows and stops the local clusters.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Real Kubernetes clusters on this machine, for trying and testing Tradewind.
#[derive(Parser)]
#[command(version, about, after_help = cli::EXAMPLES)]
struct Dev {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the machine lacks (Debian packages)
    Setup,
    /// Build the programs of the clusters, or those named
    Build(cli::Build),
    /// Start a hub and its regions
    Start(cli::Start),
    /// Stop a fleet and remove everything it left
    Down(cli::Down),
    /// List the fleets and their clusters
    Status,
    /// Run kubectl against one cluster, as its administrator
    Kubectl(cli::Kubectl),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let done = match Dev::parse().command {
        Command::Setup => cli::setup().await,
        Command::Build(build) => build.run().await,
        Command::Start(start) => start.run().await,
        Command::Down(down) => down.run().await,
        Command::Status => cli::status(),
        Command::Kubectl(kubectl) => kubectl.run().await,
    };
    done.unwrap_or_else(|error| {
        tradewind_dev::progress::say(&format!("error: {}", cli::chain(&*error)));
        ExitCode::FAILURE
    })
}
