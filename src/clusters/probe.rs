//! What a failed call says about a cluster, and how many failures it takes.

use std::error::Error as StdError;
use std::io::ErrorKind;

use super::transport::Ended;
use super::{Cause, Limits};

/// Why a call failed: the cause, and a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
        }
    }

    /// Reads it from kube's error.
    pub(super) fn of(error: &kube::Error) -> Self {
        if let Some(ended) = Ended::of(error) {
            let cause = match ended {
                Ended::Deadline(_) => Cause::Timeout,
                Ended::TooLarge(_) => Cause::ServerError,
                Ended::BrokenOff | Ended::Gone => Cause::ConnectionFailed,
            };
            return Self::new(cause, format!("the API server gave {ended}"));
        }
        if let kube::Error::Api(status) = error {
            let cause = match status.code {
                401 => Cause::Unauthorized,
                403 => Cause::Forbidden,
                _ => Cause::ServerError,
            };
            let said: String = status.message.chars().take(300).collect();
            let message = format!("the API server answers {}: {said}", status.code);
            return Self::new(cause, message);
        }
        Self::of_connection(error)
    }

    /// Follows the chain of causes to the one that says what happened.
    fn of_connection(error: &(dyn StdError + 'static)) -> Self {
        let mut deepest = error.to_string();
        let mut next = Some(error);
        while let Some(error) = next {
            deepest = error.to_string();
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::new(
                    Cause::TlsFailed,
                    format!("the certificates don't fit: {tls}"),
                );
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                if let Some(tls) = io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                    let message = format!("the certificates don't fit: {tls}");
                    return Self::new(Cause::TlsFailed, message);
                }
                match io.kind() {
                    ErrorKind::ConnectionRefused => {
                        return Self::new(
                            Cause::ConnectionRefused,
                            "nobody listens at the API server's address",
                        );
                    }
                    ErrorKind::TimedOut => {
                        return Self::new(Cause::Timeout, "the connection took too long");
                    }
                    _ => {}
                }
            }
            next = error.source();
        }
        Self::new(
            Cause::ConnectionFailed,
            format!("the connection failed: {deepest}"),
        )
    }
}

/// Counts failures in a row. One success forgives them: a flap does nothing.
#[derive(Debug)]
pub(super) struct Doubt {
    failures: u32,
    most: u32,
}

impl Doubt {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            failures: 0,
            most: limits.failures,
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether this failure was one too many.
    pub(super) fn failed(&mut self) -> bool {
        self.failures += 1;
        self.failures >= self.most
    }

    pub(super) fn is_any(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flap_does_nothing() {
        let mut doubt = Doubt::new(&Limits::default());
        for _ in 0..100 {
            assert!(!doubt.failed());
            assert!(!doubt.failed());
            doubt.succeeded();
        }
        assert!(!doubt.failed());
        assert!(!doubt.failed());
        assert!(doubt.failed());
    }

    #[test]
    fn the_cause_is_found_at_the_bottom_of_the_chain() {
        let refused = std::io::Error::from(ErrorKind::ConnectionRefused);
        let failure = Failure::of(&kube::Error::Service(Box::new(refused)));
        assert_eq!(failure.cause, Cause::ConnectionRefused);

        let tls = std::io::Error::other(rustls::Error::BadMaxFragmentSize);
        let failure = Failure::of(&kube::Error::Service(Box::new(tls)));
        assert_eq!(failure.cause, Cause::TlsFailed);

        let late = Ended::Deadline(std::time::Duration::from_secs(5));
        let failure = Failure::of(&kube::Error::Service(Box::new(late)));
        assert_eq!(failure.cause, Cause::Timeout);
    }
}
