//! Takes webhooks: verify the raw bytes, store what they say, only then acknowledge.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;

use super::body::{self, Budget};
use super::envelope::{self, Sealed};
use super::metrics::{Metrics, Rejection};
use super::normalise::normalise;
use super::secret::{self, Secret};
use super::signature::{Keys, Refusal, Standard, Tokens};
use super::store::Store;
use crate::agent::database::Said;
use crate::contract::{Connect, EventKind, Task, Webhook};

/// Webhooks in work at a time; others wait unread.
const IN_WORK: usize = 256;

/// An answer comes within this time: Messenger counts five seconds.
const ANSWER: Duration = Duration::from_millis(4500);

/// Longest challenge that is echoed; Meta's has about ten digits.
const CHALLENGE_BYTES: usize = 256;

/// How this channel's platform proves itself.
pub(super) enum Scheme {
    /// `X-Hub-Signature-256` and the handshake.
    Meta {
        /// The app secret.
        keys: Secret<Keys>,
        /// The verify token.
        tokens: Secret<Tokens>,
    },
    /// Standard Webhooks.
    Standard {
        /// The signing secret.
        keys: Secret<Keys>,
    },
}

impl Scheme {
    /// Reads the scheme's secrets for the first time.
    pub(super) fn open(webhook: &Webhook) -> Result<Self, secret::Error> {
        Ok(match webhook {
            Webhook::MetaHubSignature {
                app_secret,
                verify_token,
            } => Self::Meta {
                keys: Secret::open(app_secret, Keys::plain)?,
                tokens: Secret::open(verify_token, Tokens::parse)?,
            },
            Webhook::StandardWebhooks { secret } => Self::Standard {
                keys: Secret::open(secret, Keys::standard)?,
            },
        })
    }
}

/// What the webhook server knows.
pub(super) struct Intake {
    /// What is to be done.
    pub(super) task: Task<Connect>,
    /// The kinds that are kept.
    pub(super) wanted: BTreeSet<EventKind>,
    /// How webhooks are verified.
    pub(super) scheme: Scheme,
    /// Where events go.
    pub(super) store: Store,
    /// The names of the sinks, each owed each event.
    pub(super) sinks: Vec<String>,
    /// What bodies may take of the memory.
    pub(super) budget: Budget,
    /// What is counted.
    pub(super) metrics: Metrics,
    /// Tells the couriers that there is something new.
    pub(super) news: watch::Sender<u64>,
}

/// The handshake's question.
#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    verify_token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// The webhook server's routes: one path, everything else is not here.
pub(super) fn router(intake: Arc<Intake>) -> Router {
    let metrics = intake.metrics.clone();
    let too_late = move |_: tower::BoxError| {
        // Nothing else in the stack fails.
        metrics.rejected(Rejection::Overloaded);
        std::future::ready(unavailable())
    };
    Router::new()
        // Not a route: the path comes from a task, and a router panics on what it takes for a pattern.
        .fallback(answer)
        .with_state(intake)
        .layer(DefaultBodyLimit::max(body::LARGEST))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(too_late))
                .layer(TimeoutLayer::new(ANSWER))
                .layer(GlobalConcurrencyLimitLayer::new(IN_WORK)),
        )
}

async fn answer(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    if request.uri().path() != intake.task.spec.path {
        return StatusCode::NOT_FOUND.into_response();
    }
    match (request.method(), &intake.scheme) {
        (&Method::POST, _) => webhook(intake, request).await,
        (&Method::GET, Scheme::Meta { tokens, .. }) => handshake(&intake, tokens, request.uri()),
        (_, Scheme::Meta { .. }) => {
            (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")]).into_response()
        }
        (_, Scheme::Standard { .. }) => {
            (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response()
        }
    }
}

/// Meta asks whether we know the token that was typed into its console, and wants its challenge back.
fn handshake(intake: &Intake, tokens: &Secret<Tokens>, uri: &Uri) -> Response {
    let accepted = Query::<Handshake>::try_from_uri(uri)
        .ok()
        .filter(|Query(question)| {
            question.mode == "subscribe"
                && tokens.current().accept(&question.verify_token)
                && question.challenge.len() <= CHALLENGE_BYTES
        });
    let Some(Query(question)) = accepted else {
        intake.metrics.rejected(Rejection::WrongToken);
        return StatusCode::FORBIDDEN.into_response();
    };
    // Plain text that no browser takes for a page, whatever was asked.
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, question.challenge).into_response()
}

async fn webhook(intake: Arc<Intake>, request: Request) -> Response {
    let begun = Instant::now();
    intake.metrics.received();
    match take(&intake, request).await {
        Ok(()) => {
            intake.metrics.acknowledged(begun.elapsed());
            StatusCode::OK.into_response()
        }
        Err(rejection) => {
            intake.metrics.rejected(rejection);
            refuse(rejection)
        }
    }
}

async fn take(intake: &Arc<Intake>, request: Request) -> Result<(), Rejection> {
    let headers = request.headers().clone();
    let (body, _room) = intake.budget.read(request).await?;
    let now = Timestamp::now();
    let message = verify(&intake.scheme, &headers, &body, now)?;
    let events = read(intake, &body, message, now)?;
    if events.is_empty() {
        return Ok(());
    }
    // A task of its own: a platform that hangs up early must not break a transaction in the middle.
    let store = tokio::spawn({
        let intake = Arc::clone(intake);
        async move { keep(&intake, &events).await }
    });
    store.await.unwrap_or(Err(Rejection::StoreUnavailable))
}

/// Who sent it? Returns the signed message id, where the scheme has one.
fn verify<'a>(
    scheme: &Scheme,
    headers: &'a HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<&'a str>, Rejection> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let verified = match scheme {
        Scheme::Meta { keys, .. } => keys
            .current()
            .verify_meta(header("x-hub-signature-256"), body)
            .map(|()| None),
        Scheme::Standard { keys } => {
            let id = header("webhook-id").unwrap_or_default();
            let claim = Standard {
                id,
                timestamp: header("webhook-timestamp").unwrap_or_default(),
                signatures: header("webhook-signature").unwrap_or_default(),
            };
            keys.current()
                .verify_standard(claim, body, now.as_second())
                .map(|()| Some(id))
        }
    };
    verified.map_err(|refusal| match refusal {
        Refusal::MissingSignature => Rejection::MissingSignature,
        Refusal::WrongSignature => Rejection::WrongSignature,
        Refusal::StaleTimestamp => Rejection::StaleTimestamp,
    })
}

/// What does it say that somebody wants to know?
fn read(
    intake: &Intake,
    body: &[u8],
    message: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Sealed>, Rejection> {
    let found =
        normalise(&intake.task.spec.rules, body, message).map_err(|_| Rejection::Malformed)?;
    intake.metrics.dropped(None, found.unmatched);
    let mut sealed = Vec::with_capacity(found.events.len());
    for event in &found.events {
        if intake.wanted.contains(&event.kind) {
            sealed
                .push(envelope::seal(&intake.task, event, now).map_err(|_| Rejection::Malformed)?);
        } else {
            intake.metrics.dropped(Some(event.kind), 1);
        }
    }
    Ok(sealed)
}

/// Stores the events and counts what was new.
async fn keep(intake: &Intake, events: &[Sealed]) -> Result<(), Rejection> {
    let fresh = intake
        .store
        .accept(events, &intake.sinks)
        .await
        .map_err(|error| {
            tracing::error!(error = %Said::from(error), "cannot store a webhook");
            Rejection::StoreUnavailable
        })?;
    for event in events {
        if fresh.contains(&event.key) {
            intake.metrics.accepted(event.kind);
        } else {
            intake.metrics.duplicate(event.kind);
        }
    }
    if !fresh.is_empty() {
        intake.news.send_modify(|count| *count += 1);
    }
    Ok(())
}

fn refuse(rejection: Rejection) -> Response {
    match rejection {
        Rejection::MissingSignature | Rejection::WrongSignature | Rejection::StaleTimestamp => {
            StatusCode::UNAUTHORIZED.into_response()
        }
        Rejection::WrongToken => StatusCode::FORBIDDEN.into_response(),
        Rejection::TooLarge => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Rejection::Malformed | Rejection::Incomplete => StatusCode::BAD_REQUEST.into_response(),
        Rejection::StoreUnavailable | Rejection::Overloaded => unavailable(),
    }
}

fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response()
}
