//! One cache, which knows whether it may be believed.

use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use tokio::sync::watch;

use super::scope::Child;

/// Why a cache can't be read. Never the same as empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// The first list is not complete. Its end wakes the region.
    #[error("{kind} in {namespace} have not been read yet")]
    NotRead {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
    },
    /// The region's RBAC forbids the watch.
    #[error("{kind} in {namespace} may not be read: {message}")]
    Forbidden {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// What the API server said.
        message: String,
    },
    /// Nobody asked for this namespace, or for this kind in it.
    #[error("{kind} in {namespace} are not followed")]
    NotFollowed {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
    },
}

/// Whether a cache may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its kind is not followed in its namespace.
    NotFollowed,
    /// The first list is not complete.
    NotRead,
    /// It may.
    Read,
    /// The watch is forbidden.
    Forbidden(String),
}

/// A cache and whether it may be believed.
#[derive(Debug)]
pub struct Slot<K: Child> {
    pub(super) store: Store<K>,
    known: watch::Receiver<Known>,
}

impl<K: Child> Slot<K> {
    /// A cache with the ends that fill it.
    pub(super) fn open() -> (Self, Filler<K>) {
        let writer = Writer::default();
        let (tell, known) = watch::channel(Known::NotRead);
        let slot = Self {
            store: writer.as_reader(),
            known,
        };
        (slot, Filler { writer, tell })
    }

    pub(super) fn not_followed() -> Self {
        let (slot, filler) = Self::open();
        filler.tell.send_replace(Known::NotFollowed);
        slot
    }

    pub(super) fn check(&self, namespace: &str) -> Result<(), NotKnown> {
        let (kind, namespace) = (K::KIND, namespace.to_owned());
        match &*self.known.borrow() {
            Known::Read => Ok(()),
            Known::NotRead => Err(NotKnown::NotRead { kind, namespace }),
            Known::NotFollowed => Err(NotKnown::NotFollowed { kind, namespace }),
            Known::Forbidden(message) => Err(NotKnown::Forbidden {
                kind,
                namespace,
                message: message.clone(),
            }),
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        *self.known.borrow() != Known::NotRead
    }
}

/// What fills a cache: its watch owns it.
pub(super) struct Filler<K: Child> {
    pub(super) writer: Writer<K>,
    pub(super) tell: watch::Sender<Known>,
}
