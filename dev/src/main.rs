//! `dev`: builds, starts, shows and stops the local clusters.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tradewind_dev::{serve::Serve, story};

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
    /// The whole story: clusters, databases, the operator, examples/quickstart, webhook, feed, retention
    Up(story::Up),
    /// Start a hub and its regions
    Start(cli::Start),
    /// Stop a fleet and remove everything it left
    Down(cli::Down),
    /// List the fleets and their clusters
    Status,
    /// Run kubectl against one cluster, as its administrator
    Kubectl(cli::Kubectl),
    /// Run one peer of the story in the foreground
    #[command(subcommand)]
    Serve(Serve),
    /// Run all peers of a fleet in the foreground: databases, object store, merchant, sink
    Peers(story::peers::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    // reqwest is built without a crypto provider; an error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Dev::parse().command {
        Command::Setup => cli::setup().await,
        Command::Build(build) => build.run().await,
        Command::Up(up) => up.run().await.map_err(Into::into),
        Command::Start(start) => start.run().await,
        Command::Down(down) => down.run().await,
        Command::Status => cli::status(),
        Command::Kubectl(kubectl) => kubectl.run().await,
        Command::Serve(serve) => cli::serve(serve).await,
        Command::Peers(peers) => peers
            .run()
            .await
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
    };
    done.unwrap_or_else(|error| {
        tradewind_dev::progress::say(&format!("error: {}", cli::chain(&*error)));
        ExitCode::FAILURE
    })
}
