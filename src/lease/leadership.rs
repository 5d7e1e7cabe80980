//! Whether this process may write, by its own clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) until: Instant,
    pub(super) epoch: i32,
}

/// Whether this process may write. Clones share it; asking costs one comparison.
#[derive(Clone, Debug)]
pub struct Leadership {
    held: watch::Receiver<Option<Held>>,
    turned: Arc<Mutex<Option<Instant>>>,
}

impl Leadership {
    pub(super) fn new(
        held: watch::Receiver<Option<Held>>,
        turned: Arc<Mutex<Option<Instant>>>,
    ) -> Self {
        Self { held, turned }
    }

    /// Whether this process may write now. Ask again just before each destructive write.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.epoch().is_some()
    }

    /// The number of this leadership (`leaseTransitions`); none when it isn't ours now.
    #[must_use]
    pub fn epoch(&self) -> Option<i32> {
        let held = *self.held.borrow();
        held.filter(|held| Instant::now() < held.until)
            .map(|held| held.epoch)
    }

    /// Waits until this process leads.
    pub async fn acquired(&self) {
        let mut held = self.held.clone();
        if held.wait_for(Option::is_some).await.is_err() {
            // The election is over and was never won: there is nothing to wait for.
            std::future::pending::<()>().await;
        }
    }

    /// How long ago the election last took a turn, successful or not: its loop's sign of life. None is missed before
    /// it begins.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.turned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Duration::ZERO, |turned| turned.elapsed())
    }
}
