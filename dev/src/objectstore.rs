//! A real S3 server of one's own: versitygw over a folder, on a port that nobody else has.
//!
//! In: the address to listen on. Out: an [`Server`] with keys, buckets and the folder that a feed mounts. It
//! leaves nothing behind: not when it is dropped, and not when the process that started it is killed.

use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::build::{self, What};
use crate::scratch::{self, Scratch};

/// A start takes tenths of a second; a busy machine makes it more.
const START_WITHIN: Duration = Duration::from_mins(3);
/// How often a starting server is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Another process may take the free port between our look and the server's bind.
const PORT_TRIES: u32 = 5;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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

/// A running server. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    access_key: String,
    secret_key: String,
    scratch: Scratch,
    server: Child,
}

impl Server {
    /// Builds the program if it is not built yet, and starts a server at a free port of `listen`.
    pub async fn start(listen: IpAddr, buckets: &[&str]) -> Result<Self, Error> {
        let built = build::build(&[What::ObjectStore]).await;
        let program = built.map_err(Error::Build)?.object_store();
        let mut tries = 1;
        let server = loop {
            match Self::start_once(&program, listen).await {
                Err(Error::Start { log }) if tries < PORT_TRIES && log.contains("in use") => {
                    tries += 1;
                }
                started => break started?,
            }
        };
        for bucket in buckets {
            server.create_bucket(bucket)?;
        }
        Ok(server)
    }

    async fn start_once(program: &Path, listen: IpAddr) -> Result<Self, Error> {
        let scratch = Scratch::make(scratch::S3).map_err(Error::Folder)?;
        let folder = scratch.folder();
        for part in ["buckets", "metadata"] {
            fs::create_dir(folder.join(part)).map_err(Error::Folder)?;
        }
        let address = TcpListener::bind((listen, 0))
            .and_then(|free| free.local_addr())
            .map_err(Error::Folder)?;
        let (access_key, secret_key) = (word(8)?, word(20)?);
        let log = fs::File::create(folder.join("log")).map_err(Error::Folder)?;
        let server = Command::new(program)
            .args(["--port", &address.to_string(), "--quiet", "posix"])
            // Beside the files, not in their extended attributes: not every file system has those.
            .arg("--sidecar")
            .arg(folder.join("metadata"))
            .arg(folder.join("buckets"))
            // Not as arguments: those are for everybody to read.
            .env("ROOT_ACCESS_KEY_ID", &access_key)
            .env("ROOT_SECRET_ACCESS_KEY", &secret_key)
            // The watchdog ends it by this.
            .env(scratch::MARK, folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Error::Folder)?)
            .stderr(log)
            .spawn()
            .map_err(Error::Spawn)?;
        let mut started = Self {
            address,
            access_key,
            secret_key,
            scratch,
            server,
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
        let log = fs::read_to_string(self.scratch.folder().join("log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(15).collect();
        let log = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(Error::Start { log })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that may do everything.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Its secret.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The folder in which each bucket is a folder and each object a file.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.scratch.folder().join("buckets")
    }

    /// Makes a bucket: to this server a folder is one.
    pub fn create_bucket(&self, name: &str) -> Result<(), Error> {
        fs::create_dir_all(self.folder().join(name)).map_err(Error::Folder)
    }

    /// Writes the files that a feed's destination mounts, for this server or for a wire to it at `endpoint`.
    pub fn write_credentials(&self, folder: &Path, endpoint: &str) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(Error::Folder)?;
        for (key, value) in [
            ("accessKeyId", self.access_key()),
            ("secretAccessKey", self.secret_key()),
            ("region", "us-east-1"),
            ("endpoint", endpoint),
        ] {
            fs::write(folder.join(key), value).map_err(Error::Folder)?;
        }
        Ok(())
    }
}

/// So many random bytes as hexadecimal digits.
fn word(bytes: usize) -> Result<String, Error> {
    let mut word = vec![0; bytes];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut word))
        .map_err(Error::Folder)?;
    Ok(hex::encode(word))
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watchdog does it.
        self.scratch.release();
        let _ = self.server.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_comes_up_and_leaves_nothing() {
        let store = Server::start([127, 0, 0, 1].into(), &["feeds"])
            .await
            .unwrap();
        let address = store.address();
        let answer = TcpStream::connect(address);
        assert!(answer.is_ok());
        let folder = store.scratch.folder().to_owned();
        assert!(folder.join("buckets/feeds").is_dir());
        drop(store);
        assert!(TcpStream::connect(address).is_err());
        assert!(!folder.exists());
    }
}
