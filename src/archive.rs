//! The archive: old records of evidence in segments, compressed, in a bucket or on a volume of the hub.
//!
//! In: a segment's lines. Out: what the archive holds under a name. It must never write over an object, nor delete one but
//! on behalf of a signed record that says so.

mod open;

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::evidence::places;

/// A segment is no larger than this once it is read: a thousand records of the longest kind.
const LARGEST: u64 = 512 << 20;

/// Where segments are.
#[derive(Clone, Debug)]
pub struct Archive {
    name: String,
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// What was seen not to be there any more: nobody need ask again.
    gone: Arc<Mutex<BTreeSet<String>>>,
}

/// Why the archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address is none.
    #[error(
        "the archive's address `{url}`: {what}; write s3://bucket/folder or file:///an/existing/folder"
    )]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Its credentials are not there, or none.
    #[error("the archive's credentials: {what}")]
    Credentials {
        /// What is wrong, never their value.
        what: String,
    },
    /// It does not do what it is asked.
    #[error("the archive {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What it answered.
        #[source]
        source: object_store::Error,
    },
    /// What it was to delete is still there.
    #[error("the archive says that segment {name} is deleted, and still has it")]
    Stays {
        /// Which.
        name: String,
    },
    /// What it holds is not compressed lines.
    #[error("segment {name} in the archive cannot be read")]
    Unreadable {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Archive {
    /// What records call it: its address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    /// The segment of a region that begins at a place, if there is one.
    pub async fn beginning(&self, region: &str, first: u64) -> Result<Option<String>, Error> {
        let listed = self.store.list_with_delimiter(Some(&self.folder)).await;
        let listed = listed.map_err(|source| Error::Store {
            doing: "cannot be listed",
            source,
        })?;
        let names = listed.objects.into_iter();
        let mut names = names.filter_map(|object| Some(object.location.filename()?.to_owned()));
        Ok(names.find(|name| places(name, region).is_some_and(|(at, _)| at == first)))
    }

    /// Writes a segment, unless one of its name is there.
    pub async fn put(&self, name: &str, text: &[u8]) -> Result<(), Error> {
        let unreadable = |source| Error::Unreadable {
            name: name.to_owned(),
            source,
        };
        let mut coder = GzEncoder::new(Vec::new(), Compression::best());
        coder.write_all(text).map_err(unreadable)?;
        let bytes = coder.finish().map_err(unreadable)?;
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let payload = PutPayload::from(bytes);
        let place = self.place(name);
        let written = self.store.put_opts(&place, payload, options);
        match written.await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(Error::Store {
                doing: "does not take a segment",
                source,
            }),
        }
    }

    /// Takes a segment away whose records were kept for as long as they had to be. Says whether it was there.
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        if self.gone().contains(name) {
            return Ok(false);
        }
        let was_there = self.has(name).await?;
        if was_there {
            let deleted = self.store.delete(&self.place(name)).await;
            deleted.map_err(|source| Error::Store {
                doing: "does not let a segment go whose time is over",
                source,
            })?;
            if self.has(name).await? {
                let name = name.to_owned();
                return Err(Error::Stays { name });
            }
        }
        self.gone().insert(name.to_owned());
        Ok(was_there)
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn has(&self, name: &str) -> Result<bool, Error> {
        match self.store.head(&self.place(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(Error::Store {
                doing: "does not say whether it has a segment",
                source,
            }),
        }
    }

    /// A segment's lines.
    pub async fn get(&self, name: &str) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Store {
            doing: "does not give a segment back",
            source,
        };
        let got = self.store.get(&self.place(name)).await.map_err(failed)?;
        let bytes = got.bytes().await.map_err(failed)?;
        lines(&bytes).map_err(|source| Error::Unreadable {
            name: name.to_owned(),
            source,
        })
    }
}

/// The lines of a segment's bytes.
pub fn lines(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut reader = GzDecoder::new(bytes).take(LARGEST + 1);
    reader.read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than any segment"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let archive = Archive::open(&url, None).unwrap();
        let name = "eu-0000000001-0000000002.jsonl.gz";
        assert_eq!(archive.beginning("eu", 1).await.unwrap(), None);
        archive.put(name, b"one\n").await.unwrap();
        archive.put(name, b"two\n").await.unwrap();
        assert_eq!(archive.get(name).await.unwrap(), b"one\n");
        assert_eq!(
            archive.beginning("eu", 1).await.unwrap().as_deref(),
            Some(name)
        );
        assert_eq!(archive.beginning("eu", 3).await.unwrap(), None);
        assert_eq!(archive.beginning("eu-0", 1).await.unwrap(), None);
        assert!(
            archive
                .get("eu-0000000003-0000000004.jsonl.gz")
                .await
                .is_err()
        );
        assert!(archive.remove(name).await.unwrap());
        assert!(!archive.remove(name).await.unwrap(), "it is gone already");
        let another = Archive::open(&url, None).unwrap();
        assert!(!another.remove(name).await.unwrap());
        std::fs::write(folder.path().join(name), b"no gzip").unwrap();
        let told = archive.get(name).await.unwrap_err();
        assert!(matches!(told, Error::Unreadable { .. }), "{told}");
    }
}
