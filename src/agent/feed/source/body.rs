//! A document as it arrives: chunks from the network become bytes for a parser on a thread of its own.
//!
//! In: chunks over a bounded channel. Out: bytes, and a meter that stops an item without an end.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// The most bytes of one item: far above any platform's limits, far below a pod's memory.
pub(in crate::agent::feed) const ITEM_BYTES: u64 = 256 * 1024;

/// Chunks that wait for the parser; the network waits when they are full.
const CHUNKS: usize = 4;

/// Reads what the channel brings; must not be read on the runtime's own threads.
pub(in crate::agent::feed) struct Body {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Body {
    /// A body and where its chunks are sent. A dropped sender is the end.
    pub(in crate::agent::feed) fn new() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let current = Bytes::new();
        (sender, Self { chunks, current })
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Counts the bytes since the last item.
#[derive(Clone, Debug, Default)]
pub(in crate::agent::feed) struct Meter(Rc<Cell<u64>>);

impl Meter {
    /// An item is through: the next may be as large.
    pub(in crate::agent::feed) fn reset(&self) {
        self.0.set(0);
    }

    /// Whether the bytes since the last item are more than an item may have.
    pub(in crate::agent::feed) fn is_exceeded(&self) -> bool {
        self.0.get() > ITEM_BYTES
    }
}

/// A reader that ends with an error when an item does not end.
pub(in crate::agent::feed) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Metered<R> {
    /// `inner`, and the meter to reset after each item.
    pub(in crate::agent::feed) fn new(inner: R) -> (Self, Meter) {
        let meter = Meter::default();
        let metered = Self {
            inner,
            meter: meter.clone(),
        };
        (metered, meter)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.0.set(self.meter.0.get() + read as u64);
        if self.meter.is_exceeded() {
            return Err(io::Error::other("an item does not end"));
        }
        Ok(read)
    }
}
