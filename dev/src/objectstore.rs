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
//! A real S3 server of one's own: versitygw over a folder, on a port that nobody else has.
//!
//! In: the address to listen on. Out: an [`ObjectStore`] with keys, buckets and the folder that a feed mounts. It
//! leaves nothing behind: not when it is dropped, and not when the process that started it is killed.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::build::{self, What};
use crate::process::Launch;

/// The key that may do everything.
pub const ACCESS_KEY: &str = "tradewind";
/// Its secret; the server listens where only this machine reaches it.
pub const SECRET_KEY: &str = "tradewind-secret";

/// A start takes tenths of a second; a busy machine makes it more.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How often a starting server is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Another process may take the free port between our look and the server's bind.
const PORT_TRIES: u32 = 5;

/// Waits until its standard input ends (the starter dropped the server, or died), then ends the server and
/// removes its files. Arguments: the server's process id, its folder.
const WATCHDOG: &str = r#"trap '' INT HUP TERM
cat >/dev/null
kill -KILL "$1" 2>/dev/null
sleep 0.1
rm -rf -- "$2""#;

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
    /// The program could not be built.
    #[error("could not build the S3 server")]
    Build(#[source] build::Error),
    /// A file or folder could not be made.
    #[error("could not prepare the S3 server's folder")]
    Folder(#[source] io::Error),
    /// The program could not be started.
    #[error("could not start the S3 server")]
    Spawn(#[source] io::Error),
    /// It ended, or did not answer in time.
    #[error("the S3 server did not come up; the end of its log:\n{log}")]
    Start {
        /// The last lines of its log.
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
/// A running server. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct ObjectStore {
    address: SocketAddr,
    folder: TempDir,
    server: Child,
    watchdog: Child,
    /// Held open while the server is wanted.
    wanted: Option<ChildStdin>,
}

/// What is started: the server at `address` over `<folder>/buckets`. For a server that outlives its starter.
pub fn launch(program: &Path, address: SocketAddr, folder: &Path) -> Result<Launch, Error> {
    for part in ["buckets", "metadata"] {
        fs::create_dir_all(folder.join(part)).map_err(Error::Folder)?;
    }
    let listen = address.to_string();
    Ok(Launch::new("objectstore", program, folder)
        .args([
            "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", &listen, "--quiet",
        ])
        // Beside the files, not in their extended attributes: not every file system has those.
        .args([
            "posix".as_ref(),
            "--sidecar".as_ref(),
            folder.join("metadata").as_os_str(),
        ])
        .args([folder.join("buckets")]))
}

/// Makes a bucket: to this server a folder is one.
pub fn create_bucket(folder: &Path, name: &str) -> Result<(), Error> {
    fs::create_dir_all(folder.join("buckets").join(name)).map_err(Error::Folder)
}

/// Writes the keys that a feed's destination mounts.
pub fn write_credentials(folder: &Path, address: SocketAddr) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::Folder)?;
    for (key, value) in credentials(address) {
        fs::write(folder.join(key), value).map_err(Error::Folder)?;
    }
    Ok(())
}

/// The keys that a feed's destination reads, and their values.
#[must_use]
pub fn credentials(address: SocketAddr) -> [(&'static str, String); 4] {
    [
        ("accessKeyId", ACCESS_KEY.to_owned()),
        ("secretAccessKey", SECRET_KEY.to_owned()),
        ("region", "us-east-1".to_owned()),
        ("endpoint", format!("http://{address}")),
    ]
}

impl ObjectStore {
    /// Builds the server if it is not built yet, and starts it.
    pub async fn start(listen: IpAddr) -> Result<Self, Error> {
        let built = build::build(&[What::ObjectStore]).await;
        let program = built.map_err(Error::Build)?.object_store();
        let mut tries = 1;
        loop {
            match Self::start_once(&program, listen).await {
                Err(Error::Start { log }) if tries < PORT_TRIES && log.contains("in use") => {
                    tries += 1
                }
                result => return result,
            }
        }
    }

    async fn start_once(program: &Path, listen: IpAddr) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("tradewind-s3-")
            .tempdir()
            .map_err(Error::Folder)?;
        let address = TcpListener::bind((listen, 0))
            .and_then(|free| free.local_addr())
            .map_err(Error::Folder)?;
        let launch = launch(program, address, folder.path())?;
        let log = fs::File::create(folder.path().join("log")).map_err(Error::Folder)?;
        let server = Command::new(&launch.program)
            .args(&launch.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Error::Folder)?)
            .stderr(log)
            .spawn()
            .map_err(Error::Spawn)?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &server.id().to_string()])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .map_err(Error::Spawn)?;
        let wanted = watchdog.stdin.take();
        let mut started = Self {
            address,
            folder,
            server,
            watchdog,
            wanted,
        };
        started.ready().await?;
        Ok(started)
    }

    async fn ready(&mut self) -> Result<(), Error> {
        let until = Instant::now() + START_WITHIN;
        while Instant::now() < until {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if self.server.try_wait().map_err(Error::Spawn)?.is_some() {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(15).collect();
        let log = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(Error::Start { log })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) -> Result<(), Error> {
        create_bucket(self.folder.path(), name)
    }

    /// The file that an object is on disk.
    #[must_use]
    pub fn path(&self, bucket: &str, object: &str) -> PathBuf {
        self.folder.path().join("buckets").join(bucket).join(object)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // The watchdog does it; until we have waited for the server, its id cannot be anybody else's.
        drop(self.wanted.take());
        let _ = self.watchdog.wait();
        let _ = self.server.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_comes_up_and_leaves_nothing() {
        let store = ObjectStore::start([127, 0, 0, 1].into()).await.unwrap();
        store.create_bucket("feeds").unwrap();
        let address = store.address();
        let answer = TcpStream::connect(address);
        assert!(answer.is_ok());
        let folder = store.folder.path().to_owned();
        assert!(folder.join("buckets/feeds").is_dir());
        drop(store);
        assert!(TcpStream::connect(address).is_err());
        assert!(!folder.exists());
    }
}
