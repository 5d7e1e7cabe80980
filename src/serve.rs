//! What Kubernetes and Prometheus ask of the operator: `/healthz`, `/readyz`, `/metrics`.
//!
//! In: what the parts say of themselves. Out: plain answers over HTTP. It must never ask a cluster anything: an
//! answer that depends on a region would have the operator restarted for somebody else's outage.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::lease::Leadership;
use crate::metrics::Metrics;

/// An election that took no turn for so long hangs: it takes one at least every third of its renew deadline and
/// retry, about five seconds.
const MOST_IDLE: Duration = Duration::from_mins(1);

/// What the operator waits for. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<String>>>);

impl Readiness {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not ready while the returned handle says so, which it does first. `what` is shown: `the list of Regions`.
    #[must_use]
    pub fn wait_for(&self, what: &str) -> Waiting {
        self.lock().insert(what.to_owned());
        Waiting {
            readiness: self.clone(),
            what: what.to_owned(),
        }
    }

    /// What is still waited for, in order.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }
}

/// One thing that is waited for, and may be again. Dropping it changes nothing: what never said that it is ready isn't.
#[derive(Debug)]
pub struct Waiting {
    readiness: Readiness,
    what: String,
}

impl Waiting {
    /// It is ready, or is waited for.
    pub fn set(&self, is_ready: bool) {
        let mut missing = self.readiness.lock();
        if is_ready {
            missing.remove(&self.what);
        } else {
            missing.insert(self.what.clone());
        }
    }

    /// Waited for in other words.
    pub fn tell(&mut self, what: &str) {
        let mut missing = self.readiness.lock();
        missing.remove(&self.what);
        missing.insert(what.to_owned());
        drop(missing);
        what.clone_into(&mut self.what);
    }

    /// Shows what somebody else knows, for as long as it is known.
    pub async fn follow(self, mut ready: watch::Receiver<bool>) {
        loop {
            self.set(*ready.borrow_and_update());
            if ready.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What the answers are made of.
#[derive(Clone)]
pub struct Health {
    /// What the operator waits for.
    pub readiness: Readiness,
    /// The election; its loop's sign of life is the process's.
    pub leadership: Leadership,
    /// The metrics.
    pub metrics: Metrics,
}

/// Answers on the listener until `stop`.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(health))
        .with_graceful_shutdown(stop)
        .await
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn healthz(State(health): State<Health>) -> Response {
    let idle = health.leadership.idle();
    if idle > MOST_IDLE {
        let text = format!(
            "the lease has not been looked at for {} s\n",
            idle.as_secs()
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ok\n".into_response()
}

/// A replica that waits to lead is ready: it answers, and nothing is wrong with it.
async fn readyz(State(health): State<Health>) -> Response {
    let missing = health.readiness.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let text = format!("waiting for:\n- {}\n", missing.join("\n- "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    health.metrics.leading(health.leadership.is_leader());
    match health.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::lease::{Election, Settings};

    fn health() -> (Health, Election) {
        let service = tower::service_fn(|_: Request<kube::client::Body>| {
            std::future::pending::<Result<Response, Infallible>>()
        });
        let client = kube::Client::new(service, "tradewind");
        let settings = Settings::new("tradewind", "operator", "a");
        let (election, leadership) = Election::new(client, settings).unwrap();
        let health = Health {
            readiness: Readiness::default(),
            leadership,
            metrics: Metrics::new(),
        };
        (health, election)
    }

    async fn ask(health: &Health, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(health.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_what_it_waits_for() {
        let (health, _election) = health();
        let regions = health.readiness.wait_for("the list of Regions");
        let packs = health.readiness.wait_for("the platform packs");
        let (status, text) = ask(&health, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            text,
            "waiting for:\n- the list of Regions\n- the platform packs\n"
        );
        regions.set(true);
        drop(packs);
        let (status, text) = ask(&health, "/readyz").await;
        assert_eq!(
            (status, text.as_str()),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "waiting for:\n- the platform packs\n"
            )
        );
        health.readiness.wait_for("the platform packs").set(true);
        assert_eq!(ask(&health, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn what_was_ready_may_be_waited_for_again() {
        let (health, _election) = health();
        let (tell, ready) = watch::channel(true);
        let waiting = health.readiness.wait_for("the list of regions");
        tokio::spawn(waiting.follow(ready));
        for (is_ready, wanted) in [
            (true, StatusCode::OK),
            (false, StatusCode::SERVICE_UNAVAILABLE),
            (true, StatusCode::OK),
        ] {
            tell.send_replace(is_ready);
            tokio::task::yield_now().await;
            assert_eq!(ask(&health, "/readyz").await.0, wanted, "{is_ready}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn liveness_follows_the_election_and_not_its_success() {
        let (health, election) = health();
        // What comes before the election, such as CRDs, may take as long as it likes.
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(ask(&health, "/healthz").await.0, StatusCode::OK);
        // The API server never answers: that is no reason to restart the operator.
        let election = tokio::spawn(election.run(std::future::pending()));
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(ask(&health, "/healthz").await.0, StatusCode::OK);
        election.abort();
        tokio::time::sleep(Duration::from_secs(61)).await;
        let (status, text) = ask(&health, "/healthz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("lease"), "{text}");
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let (health, _election) = health();
        let (status, text) = ask(&health, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("tradewind_leader 0\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
