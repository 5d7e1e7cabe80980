//! Writes one object in parts: it appears whole, when the last part is there, or not at all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::{Error, failed, tag};
use crate::agent::Stop;

/// The least that S3 takes for any part but the last; the most that is worth holding.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// How long a part that is on its way is waited for when the upload is given up: a pod that stops has half a minute.
const IN_FLIGHT: Duration = Duration::from_secs(10);

/// Takes the next bytes of an object.
pub(in crate::agent::feed) type Take<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// Gives an object's bytes from the first to the last. Runs on a thread of its own and may block.
pub(in crate::agent::feed) trait Produce:
    FnOnce(&mut Take<'_>) -> io::Result<()> + Send + 'static
{
}

impl<F: FnOnce(&mut Take<'_>) -> io::Result<()> + Send + 'static> Produce for F {}

/// Writes what `produce` gives. Two parts are held at most: one that fills and one that is on its way.
pub(super) async fn write(
    store: &Arc<dyn ObjectStore>,
    object: &Path,
    produce: impl Produce,
    stop: &Stop,
) -> Result<Option<String>, Error> {
    let upload = store
        .put_multipart(object)
        .await
        .map_err(|error| failed(&error))?;
    let upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    let (runtime, stop) = (Handle::current(), stop.clone());
    spawn_blocking(move || parts(upload, produce, &stop, &runtime))
        .await
        .map_err(|error| Error::Spool(io::Error::other(error)))?
}

fn parts(
    mut upload: WriteMultipart,
    produce: impl Produce,
    stop: &Stop,
    runtime: &Handle,
) -> Result<Option<String>, Error> {
    let mut filled = 0;
    let mut failure = None;
    let produced = produce(&mut |bytes| {
        filled += bytes.len();
        if filled >= PART_BYTES {
            filled = 0;
            if stop.is_requested() {
                failure = Some(Error::Stopped);
                return Err(io::Error::other("stopped"));
            }
            runtime
                .block_on(upload.wait_for_capacity(1))
                .map_err(|error| {
                    failure = Some(failed(&error));
                    io::Error::other("a part was not taken")
                })?;
        }
        upload.write(bytes);
        Ok(())
    });
    let wanted = match (produced, stop.is_requested()) {
        (Ok(()), false) => Ok(()),
        (Ok(()), true) => Err(Error::Stopped),
        (Err(error), _) => Err(failure.unwrap_or(Error::Spool(error))),
    };
    match wanted {
        Ok(()) => match runtime.block_on(upload.finish()) {
            Ok(put) => Ok(tag(put.e_tag.as_deref())),
            Err(error) => Err(failed(&error)),
        },
        Err(error) => {
            // A part that the store is still taking would outlive the end of its upload.
            let taken =
                async { tokio::time::timeout(IN_FLIGHT, upload.wait_for_capacity(1)).await };
            if !matches!(runtime.block_on(taken), Ok(Ok(()))) {
                tracing::warn!("a part of an unfinished upload may stay");
            }
            // Parts that stay cost money, not correctness: the store's own lifecycle rule is the net.
            if let Err(error) = runtime.block_on(upload.abort()) {
                tracing::warn!(%error, "an unfinished upload could not be removed");
            }
            Err(error)
        }
    }
}
