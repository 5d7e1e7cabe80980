//! Clients that wait for nobody: every call ends by its own deadline, its answer is bounded, and few run at a time.
//!
//! kube's own defaults have no read timeout, retry fifteen times and obey `Retry-After` without limit.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as Answer, Bytes};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use futures::StreamExt as _;
use kube::client::Body;
use kube::{Client, Config};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;
use tower::BoxError;

use super::Limits;

/// A TCP and TLS connection that takes longer is a failure.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection on which nothing arrives for so long is dead: longer than a watch lives, so no idle watch is killed.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// How audit logs name us.
const AGENT: &str = concat!("tradewind/", env!("CARGO_PKG_VERSION"));

/// Sets what a connection to a cluster must have, also the hub's own: timeouts, a User-Agent, and no hidden retries.
#[must_use]
pub fn tuned(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    config.write_timeout = Some(READ_TIMEOUT);
    config.default_retry = false;
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(AGENT)));
    config
}

/// Why a call was ended on our side. Found inside `kube::Error::Service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// No complete answer within the time.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The answer is larger than any honest one.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The answer broke off.
    #[error("the answer broke off")]
    BrokenOff,
    /// The region went down, or away, while the call was under way.
    #[error("the region is no longer connected")]
    Gone,
}

impl Ended {
    /// Reads it back out of kube's error.
    #[must_use]
    pub fn of(error: &kube::Error) -> Option<Self> {
        match error {
            kube::Error::Service(source) => source.downcast_ref().copied(),
            kube::Error::ReadEvents(source) => {
                let mut next = source
                    .get_ref()
                    .map(|e| e as &(dyn std::error::Error + 'static));
                while let Some(error) = next {
                    if let Some(ended) = error.downcast_ref() {
                        return Some(*ended);
                    }
                    next = error.source();
                }
                None
            }
            _ => None,
        }
    }
}

/// What calls tell the region's owner.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Something failed that may mean that the cluster is gone: probe now.
    pub(super) doubt: Notify,
    /// The cluster doesn't know our credentials.
    pub(super) unauthorized: Notify,
}

/// What all calls of a connection share.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) client: Client,
    pub(super) signals: Arc<Signals>,
    /// Closes when the connection is given up.
    pub(super) alive: watch::Receiver<()>,
}

/// How many bytes are taken of an answer.
#[derive(Clone, Copy)]
struct Most {
    /// Of one that comes whole.
    answer: usize,
    /// Of each line, when it is a stream of events.
    event: Option<usize>,
}

impl Line {
    async fn ended(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Sends a request, and ends it by the deadline or when the region is given up.
    async fn send(
        &self,
        request: Request<Body>,
        deadline: Duration,
        most: Most,
    ) -> Result<Response<Answer>, BoxError> {
        let exchange = async {
            let response = self.client.send(request).await?.map(Answer::new);
            match most.event {
                // A refusal is no stream.
                Some(most) if response.status().is_success() => {
                    Ok(response.map(|body| lines(body, most)))
                }
                _ => whole(response, most.answer).await,
            }
        };
        let outcome = tokio::select! {
            biased;
            () = self.ended() => return Err(Ended::Gone.into()),
            outcome = timeout(deadline, exchange) => outcome,
        };
        match outcome {
            Ok(Ok(response)) => {
                if response.status() == StatusCode::UNAUTHORIZED {
                    self.signals.unauthorized.notify_one();
                }
                Ok(response)
            }
            Ok(Err(error)) => {
                self.signals.doubt.notify_one();
                Err(error)
            }
            Err(_) => {
                self.signals.doubt.notify_one();
                Err(Ended::Deadline(deadline).into())
            }
        }
    }

    /// For everything but watches: whole answers, and no more at a time than there are places.
    pub(super) fn calls(&self, limits: &Limits) -> Client {
        let line = self.clone();
        let places = Arc::new(Semaphore::new(limits.in_flight));
        let (deadline, most) = (limits.call_deadline, limits.whole());
        let service = tower::service_fn(move |request| {
            let (line, places) = (line.clone(), places.clone());
            async move {
                // Waiting for a place counts: a slow region must not hold its callers for longer than one deadline.
                let begun = tokio::time::Instant::now();
                let _place = timeout(deadline, places.acquire_owned())
                    .await
                    .map_err(|_| Ended::Deadline(deadline))?;
                let left = deadline.saturating_sub(begun.elapsed());
                line.send(request, left, most).await
            }
        });
        Client::new(service, "default")
    }

    /// For probes: their own deadline, and never behind the callers.
    pub(super) fn probes(&self, limits: &Limits) -> Client {
        let line = self.clone();
        let (deadline, most) = (limits.probe_timeout, limits.whole());
        let service = tower::service_fn(move |request| {
            let line = line.clone();
            async move { line.send(request, deadline, most).await }
        });
        Client::new(service, "default")
    }

    /// For one watch and its lists: lists come whole, watches are streams that must begin in time. Each beginning
    /// is a sign of life.
    pub(super) fn for_watches<F>(&self, limits: &Limits, alive: F) -> Client
    where
        F: Fn() + Clone + Send + Sync + 'static,
    {
        let line = self.clone();
        let (deadline, most) = (limits.call_deadline, limits.whole());
        let event = limits.event_bytes;
        let service = tower::service_fn(move |request: Request<Body>| {
            let (line, alive) = (line.clone(), alive.clone());
            async move {
                let query = request.uri().query().unwrap_or_default();
                let is_watch = query.split('&').any(|part| part == "watch=true");
                let event = is_watch.then_some(event);
                let most = Most { event, ..most };
                let response = line.send(request, deadline, most).await?;
                alive();
                Ok::<_, BoxError>(response)
            }
        });
        Client::new(service, "default")
    }
}

impl Limits {
    fn whole(&self) -> Most {
        Most {
            answer: self.answer_bytes,
            event: None,
        }
    }
}

/// Ends a stream at a line that is longer than the bound: whoever reads it keeps a line until it is complete.
fn lines(body: Answer, most: usize) -> Answer {
    let mut length = 0;
    let bounded = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(BoxError::from)?;
        if is_longer(&mut length, &chunk, most) {
            return Err(Ended::TooLarge(most).into());
        }
        Ok::<Bytes, BoxError>(chunk)
    });
    Answer::from_stream(bounded)
}

/// Counts the line that is under way; says whether one was longer than the bound.
fn is_longer(length: &mut usize, chunk: &[u8], most: usize) -> bool {
    chunk
        .split(|byte| *byte == b'\n')
        .enumerate()
        .any(|(n, part)| {
            // The first goes on with the line before; each of the others begins one.
            *length = if n == 0 { *length } else { 0 } + part.len();
            *length > most
        })
}

/// Reads an answer to its end, or to the bound.
async fn whole(response: Response<Answer>, most: usize) -> Result<Response<Answer>, BoxError> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, most).await.map_err(|error| {
        if is_length_limit(&error) {
            Ended::TooLarge(most)
        } else {
            Ended::BrokenOff
        }
    })?;
    Ok(Response::from_parts(parts, Answer::from(bytes)))
}

fn is_length_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // The type that says so is in a crate that is not ours to name; its text is its documented face.
        if error.to_string() == "length limit exceeded" {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_counted_over_chunks() {
        let mut length = 0;
        for chunk in ["12345", "67890", "\n12345\n", "1234567890\n1", "23456789"] {
            assert!(!is_longer(&mut length, chunk.as_bytes(), 10), "{chunk}");
        }
        assert!(is_longer(&mut length, b"01", 10));
        assert!(is_longer(&mut 0, b"1\n12345678901\n2", 10));
    }
}
