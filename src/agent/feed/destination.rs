//! Where the file goes: an object, a list of what was rejected, and a manifest, in an object store.
//!
//! In: files that are whole on disk. Out: objects that are whole or not there. The manifest comes last and is
//! never believed without the object's own tag: a run may have died between the two.

mod manifest;
mod open;
mod upload;

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

pub(super) use manifest::{Manifest, Rejected};
pub(in crate::agent) use open::{beside, place};
pub(super) use upload::Produce;

use super::source::Body;
use super::spool::{self, Tally};
use crate::agent::Stop;

/// A manifest is a few hundred bytes; what is larger is none.
const MANIFEST_BYTES: u64 = 64 * 1024;

/// Why the file did not get there, or what was there cannot be known.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum Error {
    /// The store cannot be reached, or is busy. Passes.
    #[error("the object store cannot be reached: {what}")]
    Unavailable {
        /// What happened.
        what: &'static str,
    },
    /// The store does not know us, or does not let us.
    #[error("the object store refuses the credentials: {what}")]
    Credentials {
        /// What it said, or what is missing.
        what: String,
    },
    /// The destination is not what the task says.
    #[error("the destination cannot be used: {what}")]
    Invalid {
        /// What is wrong and what would be right.
        what: String,
    },
    /// What the last run left cannot be read, so what may be lost cannot be judged.
    #[error(
        "`{object}` cannot be read ({what}): mend it, or delete it to begin anew without a shrink bound"
    )]
    Manifest {
        /// The object's key.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The files on disk cannot be read.
    #[error("the spilled items cannot be read")]
    Spool(#[source] std::io::Error),
    /// Asked to stop while writing; nothing was replaced.
    #[error("stopped while writing")]
    Stopped,
}

/// The feed's place in the store.
#[derive(Debug)]
pub(super) struct Destination {
    store: Arc<dyn ObjectStore>,
    object: Path,
    rejected: Path,
    manifest: Path,
}

/// What stands in the store before this run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Previous {
    /// Items of the object; of the manifest when the object is gone.
    pub(super) items: i64,
    /// The object's hash; none when it is gone.
    pub(super) hash: Option<String>,
    /// The object's tag, where the store has tags.
    pub(super) e_tag: Option<String>,
    /// The hash of the list of rejected items; none when it is not the manifest's.
    pub(super) rejected: Option<String>,
    /// Whether the manifest tells the truth about the object.
    pub(super) is_described: bool,
}

/// What an object store's error means. Its text holds addresses and keys: only its kind and code count.
pub(in crate::agent) fn failed(error: &object_store::Error) -> Error {
    use object_store::Error as E;
    let text = error.to_string();
    let credentials = |what: &str| Error::Credentials {
        what: what.to_owned(),
    };
    match code(&text) {
        Some("RequestTimeTooSkewed") => {
            return Error::Unavailable {
                what: "this machine's clock is not the store's",
            };
        }
        // Stores answer an unknown key with 403 or 404, so the code decides; the last is versitygw's own.
        Some(
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "XAdminUserNotFound",
        ) => {
            return credentials("it does not know the key, or its secret is another");
        }
        _ => {}
    }
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => credentials(
            "it answered 401 or 403; reading, writing and listing must be allowed, for without \
             listing a missing object looks like a forbidden one",
        ),
        E::NotFound { .. } => Error::Invalid {
            what: "there is no such bucket".to_owned(),
        },
        E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::NotImplemented { .. }
        | E::UnknownConfigurationKey { .. } => Error::Invalid {
            what: "the store does not support what a feed needs".to_owned(),
        },
        _ => generic(&text),
    }
}

/// S3's own word for what is wrong, from the XML that the library puts into its text.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// Whether the object is not there: of all that is answered with 404, only that.
fn is_absent(error: &object_store::Error) -> bool {
    // An answer to HEAD has no body, and so no code.
    matches!(error, object_store::Error::NotFound { .. })
        && code(&error.to_string()).is_none_or(|code| code == "NoSuchKey")
}

/// The library hides the status of other answers in its text.
fn generic(text: &str) -> Error {
    let status = text
        .split("status code: ")
        .nth(1)
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse::<u16>().ok());
    match status {
        Some(status @ (300..=407 | 409..=428 | 430..=499)) => Error::Invalid {
            what: format!("it answered {status}; check endpoint, region and bucket"),
        },
        Some(_) => Error::Unavailable {
            what: "it is busy or failing",
        },
        None if text.contains("redirect") => Error::Invalid {
            what: "it sends elsewhere; check endpoint and region".to_owned(),
        },
        None => Error::Unavailable { what: "no answer" },
    }
}

/// Stores quote tags in some answers and not in others.
fn tag(e_tag: Option<&str>) -> Option<String> {
    e_tag.map(|e_tag| e_tag.trim_matches('"').to_owned())
}

impl Destination {
    /// The object's key.
    pub(super) fn object(&self) -> &str {
        self.object.as_ref()
    }

    /// The key of the list of rejected items.
    pub(super) fn rejected(&self) -> &str {
        self.rejected.as_ref()
    }

    /// What stands there now; none before the first run. An unreadable manifest is an error, never a first run.
    pub(super) async fn previous(&self) -> Result<Option<Previous>, Error> {
        let Some(manifest) = self.read_manifest().await? else {
            return Ok(None);
        };
        let rejected = self.head(&self.rejected).await?.flatten();
        let rejected = (rejected.is_some() && rejected == manifest.rejected.e_tag)
            .then(|| manifest.rejected.hash.clone());
        let Some(e_tag) = self.head(&self.object).await? else {
            return Ok(Some(Previous {
                items: manifest.items,
                hash: None,
                e_tag: None,
                rejected,
                is_described: false,
            }));
        };
        if e_tag.is_some() && e_tag == manifest.e_tag {
            return Ok(Some(Previous {
                items: manifest.items,
                hash: Some(manifest.hash),
                e_tag,
                rejected,
                is_described: true,
            }));
        }
        // A run died after the object and before the manifest, or somebody wrote either: the object itself says.
        tracing::info!(
            object = self.object(),
            "the manifest is not about the object that is there: reading the object"
        );
        let tally = self.measure().await?;
        Ok(Some(Previous {
            items: tally.items,
            is_described: tally.hash == manifest.hash,
            hash: Some(tally.hash),
            e_tag,
            rejected,
        }))
    }

    /// Writes the object; whole or not at all. Gives its tag.
    pub(super) async fn write_object(
        &self,
        produce: impl Produce,
        stop: &Stop,
    ) -> Result<Option<String>, Error> {
        upload::write(&self.store, &self.object, produce, stop).await
    }

    /// Writes the list of rejected items. Gives its tag.
    pub(super) async fn write_rejected(
        &self,
        produce: impl Produce,
        stop: &Stop,
    ) -> Result<Option<String>, Error> {
        upload::write(&self.store, &self.rejected, produce, stop).await
    }

    /// Writes the manifest: the last step, that makes the others true.
    pub(super) async fn write_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let bytes = manifest
            .to_bytes()
            .map_err(|error| Error::Spool(error.into()))?;
        match self.store.put(&self.manifest, bytes.into()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn read_manifest(&self) -> Result<Option<Manifest>, Error> {
        let unreadable = |what: String| Error::Manifest {
            object: self.manifest.to_string(),
            what,
        };
        let found = match self.store.get(&self.manifest).await {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        if found.meta.size > MANIFEST_BYTES {
            return Err(unreadable(format!("it has {} bytes", found.meta.size)));
        }
        let bytes = found.bytes().await.map_err(|error| failed(&error))?;
        Manifest::parse(&bytes).map(Some).map_err(unreadable)
    }

    /// The object's tag; the outer none when there is no object.
    async fn head(&self, object: &Path) -> Result<Option<Option<String>>, Error> {
        match self.store.head(object).await {
            Ok(meta) => Ok(Some(tag(meta.e_tag.as_deref()))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Count and hash of the object, read from its first byte to its last.
    async fn measure(&self) -> Result<Tally, Error> {
        let found = self.store.get(&self.object).await;
        let mut bytes = found.map_err(|error| failed(&error))?.into_stream();
        let (sender, body) = Body::new();
        let counted = tokio::task::spawn_blocking(move || spool::measure(body));
        while let Some(chunk) = bytes.try_next().await.map_err(|error| failed(&error))? {
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
        drop(sender);
        counted
            .await
            .map_err(|error| Error::Spool(std::io::Error::other(error)))?
            .map_err(|error| Error::Manifest {
                object: self.object.to_string(),
                what: error.to_string(),
            })
    }
}

#[cfg(test)]
#[allow(clippy::unnecessary_wraps, reason = "tables of tests")]
mod tests {
    use super::*;
    use crate::contract::FeedMode;
    use object_store::memory::InMemory;

    fn destination() -> Destination {
        let object = Path::from("eu/full.csv");
        Destination {
            store: Arc::new(InMemory::new()),
            rejected: open::beside(&object, "rejected.csv"),
            manifest: open::beside(&object, "manifest.json"),
            object,
        }
    }

    /// Never asked to stop.
    fn unasked() -> (tokio::sync::watch::Sender<bool>, Stop) {
        Stop::new()
    }

    async fn put(destination: &Destination, text: &str) -> Option<String> {
        let (_keep, stop) = unasked();
        let text = text.to_owned();
        let produce = move |take: &mut upload::Take<'_>| take(text.as_bytes());
        destination.write_object(produce, &stop).await.unwrap()
    }

    async fn describe(destination: &Destination, text: &str, e_tag: Option<String>) {
        let tally = spool::measure(text.as_bytes()).unwrap();
        let manifest = Manifest {
            version: Manifest::VERSION,
            object: destination.object().to_owned(),
            region: "eu".into(),
            settings: std::collections::BTreeMap::new(),
            mode: FeedMode::Replace,
            items: tally.items,
            bytes: tally.bytes,
            hash: tally.hash,
            e_tag,
            written_at: "2026-11-22T00:00:00Z".into(),
            spec: "sha256-0".into(),
            rejected: Rejected {
                object: destination.rejected().to_owned(),
                items: 0,
                hash: "sha256-1".into(),
                e_tag: None,
            },
        };
        destination.write_manifest(&manifest).await.unwrap();
    }

    fn hash(text: &str) -> Option<String> {
        Some(spool::measure(text.as_bytes()).unwrap().hash)
    }

    #[tokio::test]
    async fn without_a_manifest_there_was_no_run() {
        let destination = destination();
        assert_eq!(destination.previous().await.unwrap(), None);
        put(&destination, "id\na\n").await;
        assert_eq!(destination.previous().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_manifest_is_believed_when_the_tag_is_the_objects() {
        let destination = destination();
        let e_tag = put(&destination, "id\na\n").await;
        describe(&destination, "id\na\n", e_tag.clone()).await;
        let previous = destination.previous().await.unwrap().unwrap();
        assert!(previous.is_described);
        assert_eq!((previous.items, previous.e_tag), (1, e_tag));
        assert_eq!(previous.hash, hash("id\na\n"));
    }

    #[tokio::test]
    async fn a_manifest_of_another_object_is_no_witness() {
        let destination = destination();
        let before = put(&destination, "id\na\n").await;
        describe(&destination, "id\na\n", before).await;
        // The run that died: the object is new, the manifest is not.
        put(&destination, "id\na\nb\n\"c\nd\"\n").await;
        let previous = destination.previous().await.unwrap().unwrap();
        assert!(!previous.is_described);
        assert_eq!(previous.items, 3);
        assert_eq!(previous.hash, hash("id\na\nb\n\"c\nd\"\n"));
    }

    #[tokio::test]
    async fn a_lost_object_still_bounds_the_next() {
        let destination = destination();
        describe(&destination, "id\na\nb\n", Some("gone".into())).await;
        let previous = destination.previous().await.unwrap().unwrap();
        assert_eq!((previous.items, previous.hash), (2, None));
    }

    #[tokio::test]
    async fn an_unreadable_manifest_is_never_a_first_run() {
        for bytes in [
            b"".to_vec(),
            b"{".to_vec(),
            b"{\"version\": 1}".to_vec(),
            vec![b' '; 100_000],
        ] {
            let destination = destination();
            let put = destination
                .store
                .put(&destination.manifest, bytes.into())
                .await;
            put.unwrap();
            let error = destination.previous().await.unwrap_err();
            assert!(matches!(error, Error::Manifest { .. }), "{error}");
        }
        // Written by a later release.
        let destination = destination();
        describe(&destination, "id\n", None).await;
        let found = destination.store.get(&destination.manifest).await.unwrap();
        let text = String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap();
        let later = text.replace("\"version\": 1", "\"version\": 2");
        let put = destination
            .store
            .put(&destination.manifest, later.into())
            .await;
        put.unwrap();
        let error = destination.previous().await.unwrap_err().to_string();
        assert!(error.contains("its version is 2"), "{error}");
    }

    #[tokio::test]
    async fn an_object_that_does_not_come_to_its_end_is_not_written() {
        let destination = destination();
        put(&destination, "id\nold\n").await;
        let (_keep, stop) = unasked();
        let breaks = |take: &mut upload::Take<'_>| {
            take(&vec![b'x'; 12 * 1024 * 1024])?;
            Err(std::io::Error::other("disk"))
        };
        let error = destination.write_object(breaks, &stop).await.unwrap_err();
        assert!(matches!(error, Error::Spool(_)));
        let (wish, stop) = unasked();
        wish.send_replace(true);
        let whole = |take: &mut upload::Take<'_>| take(b"id\nnew\n");
        let error = destination.write_object(whole, &stop).await.unwrap_err();
        assert!(matches!(error, Error::Stopped));
        let found = destination.store.get(&destination.object).await.unwrap();
        assert_eq!(found.bytes().await.unwrap(), "id\nold\n");
    }

    #[test]
    fn a_missing_object_is_no_missing_bucket_and_no_unknown_key() {
        let answered = |code: &str| object_store::Error::NotFound {
            path: "a".into(),
            source: format!("404: <Error><Code>{code}</Code></Error>").into(),
        };
        assert!(is_absent(&answered("NoSuchKey")));
        assert!(!is_absent(&answered("NoSuchBucket")));
        let unknown = failed(&answered("InvalidAccessKeyId"));
        assert!(matches!(unknown, Error::Credentials { .. }));
        assert!(matches!(
            failed(&answered("NoSuchBucket")),
            Error::Invalid { .. }
        ));
    }

    #[test]
    fn answers_are_told_apart() {
        for (text, passes) in [
            (
                "Server returned non-2xx status code: 503 Service Unavailable: ",
                true,
            ),
            (
                "Server returned non-2xx status code: 429 Too Many Requests: ",
                true,
            ),
            (
                "Server returned non-2xx status code: 408 Request Timeout: ",
                true,
            ),
            ("HTTP error: error sending request", true),
            (
                "Server returned non-2xx status code: 400 Bad Request: ",
                false,
            ),
            (
                "Server returned non-2xx status code: 301 Moved Permanently: ",
                false,
            ),
            ("Received redirect without LOCATION, this normally", false),
        ] {
            let is_passing = matches!(generic(text), Error::Unavailable { .. });
            assert_eq!(is_passing, passes, "{text}");
        }
    }
}
