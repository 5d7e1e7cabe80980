//! `/healthz`, `/readyz` and `/metrics`, on a port that no Ingress exposes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::metrics::Metrics;

/// What a replica waits for before it can take webhooks; the first is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For nothing: it is ready.
    Nothing,
    /// For the schema, and so for the store; why it is not there yet.
    Migrations(String),
    /// For the store, which was there before.
    Store,
    /// For a server that does not log what events say; what would be right.
    Log(String),
    /// For its end.
    Stop,
}

/// The replica's readiness; clones see the same.
#[derive(Clone, Debug)]
pub(super) struct Readiness(Arc<Mutex<Waiting>>);

impl Readiness {
    /// Not ready: nobody looked at the store yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Waiting::Migrations(
            "not tried yet".to_owned(),
        ))))
    }

    /// Says what is waited for now; an end stays the end.
    pub(super) fn set(&self, now: Waiting) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *waiting != Waiting::Stop && *waiting != now {
            tracing::info!(waiting = ?now, "readiness changed");
            *waiting = now;
        }
    }

    fn answer(&self) -> (StatusCode, String) {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Waiting::Nothing => (StatusCode::OK, "ready\n".to_owned()),
            Waiting::Migrations(why) => (unavailable, format!("waiting for migrations: {why}\n")),
            Waiting::Log(why) => (unavailable, format!("waiting for the store's log: {why}\n")),
            Waiting::Store => (unavailable, "waiting for store: no answer\n".to_owned()),
            Waiting::Stop => (unavailable, "stopping\n".to_owned()),
        }
    }
}

/// The admin server's routes.
pub(super) fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route(
            "/readyz",
            get(async |State(readiness): State<Readiness>| readiness.answer()),
        )
        .with_state(readiness)
        .merge(
            Router::new()
                .route("/metrics", get(exposition))
                .with_state(metrics),
        )
}

async fn exposition(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => (
            [(
                CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_it_waits_for() {
        let readiness = Readiness::new();
        assert_eq!(
            readiness.answer().1,
            "waiting for migrations: not tried yet\n"
        );
        readiness.set(Waiting::Store);
        assert_eq!(readiness.answer().1, "waiting for store: no answer\n");
        readiness.set(Waiting::Nothing);
        assert_eq!(readiness.answer(), (StatusCode::OK, "ready\n".to_owned()));
    }

    #[test]
    fn a_stopping_replica_never_gets_ready_again() {
        let readiness = Readiness::new();
        readiness.set(Waiting::Stop);
        readiness.set(Waiting::Nothing);
        assert_eq!(readiness.answer().0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
