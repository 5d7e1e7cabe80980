//! A sink: takes events by signed POST, checks the signature, writes each down before it says yes.
//!
//! It can be told to fail, to be slow, or to refuse some events for ever.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Error, read, signature};

/// A sender's clock may be off by this much, in seconds.
const TOLERANCE: i64 = 300;

/// How a sink is set up.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub listen: SocketAddr,
    /// File with the signing secret, `whsec_<base64>`
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,
    /// File that gets a JSON line for each event, in the order of arrival
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
    /// How to misbehave
    #[command(flatten)]
    pub faults: Faults,
}

/// How a sink misbehaves.
#[derive(Clone, Debug, clap::Args)]
pub struct Faults {
    /// Answer the first N requests with `--fail-status`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail_first: u32,
    /// The status of those that fail or are refused
    #[arg(long, value_name = "STATUS", default_value_t = 503)]
    pub fail_status: u16,
    /// Wait so long before each answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Refuse every event whose body contains this text
    #[arg(long, value_name = "TEXT")]
    pub refuse: Option<String>,
    /// The body of the answer to what it takes
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub answer: String,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            fail_first: 0,
            fail_status: 503,
            latency_ms: 0,
            refuse: None,
            answer: String::new(),
        }
    }
}

/// One event, as it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Counted from 1, in the order of arrival.
    pub sequence: u64,
    /// The `webhook-id`: the same when an event comes again.
    pub webhook_id: String,
    /// `orders`, `messages`, `products` or `privacy`.
    pub kind: String,
    /// The opaque name of whom or what it is about.
    pub subject: String,
    /// The body, byte for byte.
    pub body: String,
}

/// What of an event's body the sink looks at.
#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    data: EnvelopeData,
}

#[derive(Deserialize)]
struct EnvelopeData {
    subject: String,
}

struct Memory {
    faults: Faults,
    taken: Vec<Taken>,
    record: std::fs::File,
    /// Requests in work, by subject.
    in_work: HashMap<String, u32>,
    overlaps: u64,
    rejected: u64,
    requests: u64,
}

struct Shared {
    key: Vec<u8>,
    memory: Mutex<Memory>,
}

/// A running sink. Ends when dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Sink {
    /// Starts to listen.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let key =
            signature::standard_key(&read(&options.secret_file)?).ok_or_else(|| Error::Secret {
                path: options.secret_file.clone(),
            })?;
        let record = std::fs::File::create(&options.record).map_err(|source| Error::File {
            path: options.record.clone(),
            source,
        })?;
        let memory = Memory {
            faults: options.faults.clone(),
            taken: Vec::new(),
            record,
            in_work: HashMap::new(),
            overlaps: 0,
            rejected: 0,
            requests: 0,
        };
        let shared = Arc::new(Shared {
            key,
            memory: Mutex::new(memory),
        });
        let serve = |source| Error::Serve {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(serve)?;
        let address = listener.local_addr().map_err(serve)?;
        let router = Router::new()
            .route("/", post(receive))
            .layer(DefaultBodyLimit::max(16 << 20))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to POST.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Misbehave in another way from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.memory().faults = faults;
    }

    /// What was taken so far, in the order of arrival, repetitions included.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.memory().taken.clone()
    }

    /// How many requests came while another about the same subject was in work.
    #[must_use]
    pub fn overlaps(&self) -> u64 {
        self.shared.memory().overlaps
    }

    /// How many requests had no right signature or no right body.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.shared.memory().rejected
    }

    /// How many requests there were.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.memory().requests
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is the request signed by somebody who has the key, and recently?
    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let timestamp = header("webhook-timestamp");
        let fresh = timestamp
            .parse::<i64>()
            .is_ok_and(|time| (jiff::Timestamp::now().as_second() - time).abs() <= TOLERANCE);
        let expected = signature::standard(&self.key, header("webhook-id"), timestamp, body);
        fresh
            && expected.is_some_and(|expected| {
                header("webhook-signature")
                    .split(' ')
                    .any(|signature| signature == expected)
            })
    }
}

/// Counts a request among those in work on its subject, however its handling ends.
struct InWork<'a> {
    shared: &'a Shared,
    subject: String,
}

impl<'a> InWork<'a> {
    fn new(shared: &'a Shared, subject: &str) -> Self {
        let mut memory = shared.memory();
        let count = memory.in_work.entry(subject.to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            memory.overlaps += 1;
        }
        Self {
            shared,
            subject: subject.to_owned(),
        }
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.shared.memory().in_work.get_mut(&self.subject) {
            *count -= 1;
        }
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    shared.memory().requests += 1;
    let envelope = serde_json::from_slice::<Envelope>(&body);
    let text = String::from_utf8(body.to_vec());
    let genuine = shared.is_genuine(&headers, &body);
    let (true, Ok(envelope), Ok(body)) = (genuine, envelope, text) else {
        shared.memory().rejected += 1;
        return (StatusCode::UNAUTHORIZED, String::new());
    };
    let _in_work = InWork::new(&shared, &envelope.data.subject);
    let latency = shared.memory().faults.latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let webhook_id = headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let mut memory = shared.memory();
    let status = memory.take(webhook_id, envelope, body);
    let answer = memory.faults.answer.clone();
    (
        status,
        if status.is_success() {
            answer
        } else {
            String::new()
        },
    )
}

impl Memory {
    fn take(&mut self, webhook_id: &str, envelope: Envelope, body: String) -> StatusCode {
        let failed = StatusCode::from_u16(self.faults.fail_status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.faults.fail_first > 0 {
            self.faults.fail_first -= 1;
            return failed;
        }
        if self
            .faults
            .refuse
            .as_ref()
            .is_some_and(|text| body.contains(text))
        {
            return failed;
        }
        let taken = Taken {
            sequence: self.taken.len() as u64 + 1,
            webhook_id: webhook_id.to_owned(),
            kind: envelope.r#type,
            subject: envelope.data.subject,
            body,
        };
        let written = serde_json::to_string(&taken)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(self.record, "{line}"));
        self.taken.push(taken);
        if written.is_ok() {
            StatusCode::OK
        } else {
            StatusCode::INSUFFICIENT_STORAGE
        }
    }
}

/// Runs a sink until Ctrl-C.
pub(super) async fn run(options: &Options) -> Result<(), Error> {
    let sink = Sink::start(options).await?;
    tracing::info!(url = sink.url(), record = %options.record.display(), "the sink listens");
    let _ = tokio::signal::ctrl_c().await;
    tracing::info!(
        taken = sink.taken().len(),
        rejected = sink.rejected(),
        "the sink ends"
    );
    Ok(())
}
