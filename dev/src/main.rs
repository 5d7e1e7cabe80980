//! `dev`.

use clap::Parser;

#[derive(Parser)]
enum Dev {
    /// Run a peer of the story
    #[command(subcommand)]
    Serve(tradewind_dev::serve::Serve),
}

#[tokio::main]
async fn main() -> Result<(), tradewind_dev::serve::Error> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Dev::Serve(serve) = Dev::parse();
    serve.run().await
}
