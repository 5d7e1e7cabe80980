//! A mounted secret that may be rotated while we run.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Shortest signing key: less than Standard Webhooks recommends (24), still beyond guessing.
pub(super) const SHORTEST_KEY: usize = 16;

/// Why a secret's text is of no use. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Nothing but white space.
    #[error("it is empty: write one secret a line, two lines while rotating")]
    Empty,
    /// Not base64 after the prefix.
    #[error("line {line} is not `whsec_` and base64")]
    NotBase64 {
        /// Counted from 1.
        line: usize,
    },
    /// Too easy to guess.
    #[error("the key in line {line} has fewer than {SHORTEST_KEY} bytes")]
    TooShort {
        /// Counted from 1.
        line: usize,
    },
    /// Not the address of a database.
    #[error(
        "it is not a URL like `postgres://user:password@host:5432/database?sslmode=verify-full`"
    )]
    NotUrl,
}

/// Why there is no first value. A later failure is a warning: the last good value stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not mounted, or not readable.
    #[error("cannot read the secret `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Readable, but not what it should be.
    #[error("the secret `{path}` is malformed")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without what it says.
        source: Malformed,
    },
}

/// What a file looked like when it was read. Kubernetes rotates a mounted Secret by switching a symlink,
/// so the file's identity changes even where its size and time do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

struct Last<T> {
    stamp: Option<Stamp>,
    value: Arc<T>,
}

/// A secret file, parsed, read again whenever it changed. Without `Debug`: its value is nobody's to print.
pub(super) struct Secret<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, Malformed>,
    last: Mutex<Last<T>>,
}

impl<T> Secret<T> {
    /// Reads it for the first time.
    pub(super) fn open(
        path: &Path,
        parse: fn(&str) -> Result<T, Malformed>,
    ) -> Result<Self, Error> {
        let stamp = stamp(path).ok();
        let value = Arc::new(read(path, parse)?);
        Ok(Self {
            path: path.to_owned(),
            parse,
            last: Mutex::new(Last { stamp, value }),
        })
    }

    /// What it says now. Looks at the file each time: a mounted Secret is memory, so that waits for no disk.
    pub(super) fn current(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamped before reading: a change in between is seen next time.
        let now = stamp(&self.path).ok();
        if now.is_none() || now == last.stamp {
            return Arc::clone(&last.value);
        }
        last.stamp = now;
        match read(&self.path, self.parse) {
            Ok(value) => {
                tracing::info!(path = %self.path.display(), "secret rotated");
                last.value = Arc::new(value);
            }
            Err(error) => {
                let error = crate::agent::error_chain(&error);
                tracing::error!(error, "a rotated secret cannot be used: the last one stays");
            }
        }
        Arc::clone(&last.value)
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

fn read<T>(path: &Path, parse: fn(&str) -> Result<T, Malformed>) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|source| Error::Malformed {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(text: &str) -> Result<String, Malformed> {
        if text.is_empty() {
            Err(Malformed::Empty)
        } else {
            Ok(text.to_uppercase())
        }
    }

    #[test]
    fn a_symlink_switched_to_a_file_of_the_same_size_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("key");
        for (name, text) in [("first", "one"), ("second", "two")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(dir.path().join("first"), &link).unwrap();
        let secret = Secret::open(&link, upper).unwrap();
        assert_eq!(*secret.current(), "ONE");
        std::os::unix::fs::symlink(dir.path().join("second"), dir.path().join("next")).unwrap();
        std::fs::rename(dir.path().join("next"), &link).unwrap();
        assert_eq!(*secret.current(), "TWO");
    }

    #[test]
    fn a_bad_or_lost_file_leaves_the_last_good_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "good").unwrap();
        let secret = Secret::open(&path, upper).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(*secret.current(), "GOOD");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*secret.current(), "GOOD");
        std::fs::write(&path, "better").unwrap();
        assert_eq!(*secret.current(), "BETTER");
    }

    #[test]
    fn the_first_reading_must_succeed_and_names_the_file() {
        let error = Secret::open(Path::new("/does/not/exist"), upper)
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "cannot read the secret `/does/not/exist`"
        );
    }
}
