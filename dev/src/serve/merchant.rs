//! A merchant's back end: gives a generated catalogue as JSON, lines of JSON and CSV, as a shop's export would.
//!
//! In: a size and a seed. Out: `/items`, `/items.json`, `/items.ndjson`, `/items.csv`, streamed and never held.
//! It can be told to be down, to break off, to send garbage, to dawdle, or to change its order.

mod catalogue;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use catalogue::{CSV_HEADER, Catalogue};

use super::{Error, read};

/// What is generated before it is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// What has been generated needs this long to leave: a break would take it along.
const BEFORE_BREAK: Duration = Duration::from_millis(100);

/// How a merchant is set up.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9091")]
    pub listen: SocketAddr,
    /// How many items the catalogue has
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub items: u64,
    /// Another seed, another catalogue
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Every so many items, one that no platform takes; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub faulty_every: u64,
    /// File with the token that a request must bear; absent, everybody is let in
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to misbehave
    #[command(flatten)]
    pub faults: Faults,
}

/// How a merchant misbehaves.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Faults {
    /// Answer the first N requests with `--fail-status`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail_first: u32,
    /// The status of those that fail
    #[arg(long, value_name = "STATUS", default_value_t = 503)]
    pub fail_status: u16,
    /// Break the connection after N items
    #[arg(long, value_name = "N")]
    pub break_after: Option<u64>,
    /// Send something that is no item after N items, and go on
    #[arg(long, value_name = "N")]
    pub garble_after: Option<u64>,
    /// Send the item at place N as often as given, `N:TIMES`
    #[arg(skip)]
    pub repeat: Option<(u64, u64)>,
    /// Wait so long before each 64 KiB
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub pause_ms: u64,
    /// Another order of the same items; 0 for the order of their ids
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub shuffle: u64,
}

/// A running merchant; stops when dropped.
#[derive(Debug)]
pub struct Merchant {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    token: Option<String>,
    state: Mutex<Now>,
}

/// What can be changed while it runs.
#[derive(Clone, Debug)]
struct Now {
    catalogue: Catalogue,
    faults: Faults,
    requests: u32,
}

/// The forms that a catalogue is asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"items": [...]}`.
    Object,
    /// `[...]`.
    Array,
    /// One item a line.
    Lines,
    /// A header row, then rows.
    Csv,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Object, Self::Array, Self::Lines, Self::Csv];

    /// The path at which the merchant gives it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Object => "items",
            Self::Array => "items.json",
            Self::Lines => "items.ndjson",
            Self::Csv => "items.csv",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Object | Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

impl Merchant {
    /// Starts a merchant whose catalogue has so many items, every hundredth faulty, for bearers of `token`.
    pub async fn start(
        listen: SocketAddr,
        items: impl Into<u64>,
        token: &str,
    ) -> Result<Self, Error> {
        let options = Options {
            listen,
            items: items.into(),
            seed: 1,
            faulty_every: 100,
            token_file: None,
            faults: Faults::default(),
        };
        Self::begin(&options, Some(token.to_owned())).await
    }

    /// Starts a merchant.
    pub async fn start_with(options: &Options) -> Result<Self, Error> {
        let token = options.token_file.as_deref().map(read).transpose()?;
        Self::begin(options, token).await
    }

    async fn begin(options: &Options, token: Option<String>) -> Result<Self, Error> {
        let at = |source| Error::Serve {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(at)?;
        let address = listener.local_addr().map_err(at)?;
        let shared = Arc::new(Shared {
            token,
            state: Mutex::new(Now {
                catalogue: Catalogue {
                    items: options.items,
                    seed: options.seed,
                    shuffle: options.faults.shuffle,
                    faulty_every: options.faulty_every,
                },
                faults: options.faults.clone(),
                requests: 0,
            }),
        });
        let routes = Router::new()
            .route("/{document}", get(answer))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the merchant ended");
            }
        });
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

    /// The address of the catalogue as one JSON object.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(Form::Object)
    }

    /// The address of the catalogue in one form.
    #[must_use]
    pub fn url_of(&self, form: Form) -> String {
        format!("http://{}/{}", self.address, form.path())
    }

    /// Another catalogue from the next request on.
    pub fn set_items(&self, items: u64) {
        self.now().catalogue.items = items;
    }

    /// Other faults from the next request on; `fail_first` counts from now.
    pub fn set_faults(&self, faults: Faults) {
        let mut now = self.now();
        now.catalogue.shuffle = faults.shuffle;
        now.faults = faults;
        now.requests = 0;
    }

    /// How often it was asked, since its faults were last set.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.now().requests
    }

    /// The catalogue that it gives.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        self.now().catalogue
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.shared.now()
    }
}

impl Drop for Merchant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a merchant until it is interrupted.
pub async fn run(options: Options) -> Result<(), Error> {
    let merchant = Merchant::start_with(&options).await?;
    for form in Form::ALL {
        tracing::info!(
            items = options.items,
            url = merchant.url_of(form),
            "giving a catalogue"
        );
    }
    let _ = tokio::signal::ctrl_c().await;
    Ok(())
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(document): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(form) = Form::ALL.into_iter().find(|form| form.path() == document) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(token) = &shared.token {
        let borne = headers.get(header::AUTHORIZATION);
        if borne.is_none_or(|borne| borne.as_bytes() != format!("Bearer {token}").as_bytes()) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
    }
    let now = {
        let mut now = shared.now();
        now.requests += 1;
        now.clone()
    };
    if now.requests <= now.faults.fail_first {
        let status = StatusCode::from_u16(now.faults.fail_status);
        let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return (status, [(header::LOCATION, "/items.json")]).into_response();
    }
    let pages = Pages {
        form,
        now,
        place: 0,
        done: false,
    };
    let body = stream::unfold(pages, |mut pages| async move {
        let chunk = pages.next().await?;
        Some((chunk, pages))
    });
    (
        [(header::CONTENT_TYPE, form.content_type())],
        Body::from_stream(body),
    )
        .into_response()
}

/// A document on its way.
struct Pages {
    form: Form,
    now: Now,
    place: u64,
    done: bool,
}

impl Pages {
    /// The next bytes; an error breaks the connection.
    async fn next(&mut self) -> Option<Result<Bytes, &'static str>> {
        if self.done {
            return None;
        }
        if self.now.faults.pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.now.faults.pause_ms)).await;
        }
        let mut chunk = String::with_capacity(CHUNK_BYTES + 2048);
        if self.place == 0 {
            chunk.push_str(self.begin());
        }
        while chunk.len() < CHUNK_BYTES {
            if self.place >= self.now.catalogue.items {
                chunk.push_str(self.end());
                self.done = true;
                break;
            }
            if self.now.faults.break_after == Some(self.place) {
                // What was generated goes out first: the break comes in the midst of the document.
                if chunk.is_empty() {
                    tokio::time::sleep(BEFORE_BREAK).await;
                    return Some(Err("told to break"));
                }
                break;
            }
            self.item(&mut chunk);
            self.place += 1;
        }
        Some(Ok(chunk.into()))
    }

    fn begin(&self) -> &'static str {
        match self.form {
            Form::Object => "{\"version\":1,\"items\":[",
            Form::Array => "[",
            Form::Lines => "",
            Form::Csv => CSV_HEADER,
        }
    }

    fn end(&self) -> &'static str {
        match self.form {
            Form::Object => "],\"next\":null}\n",
            Form::Array => "]\n",
            Form::Lines | Form::Csv => "",
        }
    }

    fn item(&self, chunk: &mut String) {
        let (place, faults) = (self.place, &self.now.faults);
        let times = match faults.repeat {
            Some((repeated, times)) if repeated == place => times,
            _ => 1,
        };
        let is_garbled = faults.garble_after == Some(place);
        for copy in 0..times {
            let separate = place > 0 || copy > 0;
            match self.form {
                Form::Object | Form::Array if separate => chunk.push(','),
                Form::Lines if separate => chunk.push('\n'),
                _ => {}
            }
            match self.form {
                Form::Csv if is_garbled => chunk.push_str("too,few\n"),
                _ if is_garbled => chunk.push_str("{\"id\": oops}"),
                Form::Csv => self.now.catalogue.csv(place, chunk),
                _ => self.now.catalogue.json(place, chunk),
            }
        }
    }
}
