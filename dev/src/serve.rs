//! The peers of the story: programs on the host that speak the published formats, for trying and testing.
//!
//! Each is a library function and a subcommand of `dev serve`. Their signatures are their own: they share
//! no line with the agent, so that an agreement between the two means something.

pub mod merchant;
pub mod platform;
pub mod signature;
pub mod sink;

use std::path::{Path, PathBuf};

/// Why a peer cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot use the file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The secret is not of its scheme's form.
    #[error("the secret in {path} is not `whsec_` and base64")]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// The address is taken, or the server ended.
    #[error("cannot serve at {address}")]
    Serve {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A request could not be made or was not answered.
    #[error("no answer")]
    Request {
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The handshake was not answered as the platform wants it.
    #[error("the handshake was answered with {status}, and not with its challenge")]
    Handshake {
        /// The HTTP status.
        status: u16,
    },
    /// Not all webhooks were acknowledged.
    #[error("{given_up} of {count} webhooks were never acknowledged")]
    GivenUp {
        /// How many were not.
        given_up: usize,
        /// How many there were.
        count: u32,
    },
}

/// A peer to run in the foreground.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Serve {
    /// Receive signed events, check them, and write each into a file; runs until Ctrl-C
    Sink(sink::Options),
    /// Give a generated catalogue as JSON and CSV; runs until Ctrl-C
    Merchant(merchant::Options),
    /// Send signed webhooks as a platform does, and say which were acknowledged
    Platform(platform::Options),
}

impl Serve {
    /// Runs the peer until it is done or interrupted.
    pub async fn run(self) -> Result<(), Error> {
        // reqwest is built without a crypto provider. Fails only when there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match self {
            Self::Sink(options) => sink::run(&options).await,
            Self::Merchant(options) => merchant::run(options).await,
            Self::Platform(options) => platform::run(options).await,
        }
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })
}
