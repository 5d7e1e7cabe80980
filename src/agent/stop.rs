//! One wish, heard everywhere: stop. Set by SIGTERM (Kubernetes' word for it) or SIGINT.

use tokio::sync::watch;

/// Says whether the process was asked to stop; clones hear the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A stop that the caller fires by sending `true`; a dropped sender fires it too, so that work
    /// never outlives whoever may end it.
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// A stop that SIGTERM and SIGINT fire. Must be called within the runtime.
    ///
    /// # Errors
    /// When the process may not listen to signals.
    pub fn on_signal() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, stop) = Self::new();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => tracing::info!(signal = "SIGTERM", "asked to stop"),
                _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to stop"),
            }
            sender.send_replace(true);
            // Kept: a dropped sender would look the same, but only this one says so on purpose.
            sender.closed().await;
        });
        Ok(stop)
    }

    /// Whether it was asked for: for loops, between two pieces of work.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Ends when it is asked for: for `select!`, while waiting.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error is a sender that is gone: that is a stop as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_hear_the_same_wish() {
        let (sender, stop) = Stop::new();
        let clone = stop.clone();
        assert!(!clone.is_requested());
        sender.send_replace(true);
        stop.requested().await;
        clone.requested().await;
        assert!(clone.is_requested());
    }

    #[tokio::test]
    async fn a_lost_sender_stops() {
        let (sender, stop) = Stop::new();
        drop(sender);
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
