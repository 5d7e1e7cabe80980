//! A real S3 server on this machine: versitygw over a folder, built from its pinned Go module.
//!
//! In: an address and buckets. Out: an endpoint and keys. It ends, and its folder goes, when the value is dropped.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::build::{self, What};

/// How long it may take to answer.
const START: Duration = Duration::from_secs(20);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its program could not be built.
    #[error("building the S3 server")]
    Build(#[from] build::Error),
    /// A folder, port or process could not be had.
    #[error("starting the S3 server")]
    Start(#[source] io::Error),
    /// It did not answer.
    #[error("the S3 server at {address} does not answer; the end of its log:\n{log}")]
    Silent {
        /// Where it should listen.
        address: SocketAddr,
        /// Its last lines.
        log: String,
    },
}

/// A running S3 server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    access_key: String,
    secret_key: String,
    folder: TempDir,
    process: Child,
}

impl Server {
    /// Starts a server at a free port of `listen` with these buckets.
    pub async fn start(listen: IpAddr, buckets: &[&str]) -> Result<Self, Error> {
        let program = build::build(&[What::ObjectStore]).await?.object_store();
        let folder = tempfile::Builder::new().prefix("tradewind-s3-").tempdir().map_err(Error::Start)?;
        for bucket in buckets {
            fs::create_dir_all(folder.path().join("data").join(bucket)).map_err(Error::Start)?;
        }
        fs::create_dir_all(folder.path().join("iam")).map_err(Error::Start)?;
        let address = TcpListener::bind((listen, 0)).and_then(|l| l.local_addr()).map_err(Error::Start)?;
        let (access_key, secret_key) = (random_word(8)?, random_word(20)?);
        let process = Self::spawn(&program, folder.path(), address, (&access_key, &secret_key)).map_err(Error::Start)?;
        let mut server = Self { address, access_key, secret_key, folder, process };
        server.wait_ready().await?;
        Ok(server)
    }

    fn spawn(program: &Path, folder: &Path, address: SocketAddr, (access, secret): (&str, &str)) -> io::Result<Child> {
        let log = fs::File::create(folder.join("log"))?;
        Command::new(program)
            .args(["--port", &address.to_string(), "--quiet", "posix"])
            .arg(folder.join("data"))
            .env("ROOT_ACCESS_KEY", access)
            .env("ROOT_SECRET_KEY", secret)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }

    async fn wait_ready(&mut self) -> Result<(), Error> {
        let end = Instant::now() + START;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let ended = self.process.try_wait().map_err(Error::Start)?.is_some();
            if ended || Instant::now() > end {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(20)..].join("\n");
                return Err(Error::Silent { address: self.address, log: tail });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// `http://address`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key's id.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The folder in which each bucket is a folder and each object a file.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// `bytes` random bytes as hexadecimal digits.
fn random_word(bytes: usize) -> Result<String, Error> {
    use io::Read as _;
    let mut word = vec![0; bytes];
    fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut word)).map_err(Error::Start)?;
    Ok(hex::encode(word))
}
