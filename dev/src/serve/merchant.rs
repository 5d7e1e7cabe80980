//! A merchant's back end: serves a generated catalogue, the same on every machine, streamed item by item.
//!
//! It can be told to fail, and to serve another number of items from now on.

use std::{
    convert::Infallible,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures::stream;
use tokio::{net::TcpListener, task::JoinHandle};

use super::Error;

/// Items that one chunk of the stream carries.
const CHUNK: u32 = 200;
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

/// How a merchant is set up.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9091")]
    pub listen: SocketAddr,
    /// Items in the catalogue
    #[arg(long, default_value_t = 1000)]
    pub items: u32,
    /// The bearer token that is asked for
    #[arg(long, default_value = "merchant-token")]
    pub token: String,
}

/// Serves until interrupted.
pub(super) async fn run(options: &Options) -> Result<(), Error> {
    let mut merchant = Merchant::start(options.listen, options.items, &options.token).await?;
    tracing::info!(url = merchant.url(), "serving");
    (&mut merchant.server).await.map_or(Ok(()), |ended| {
        ended.map_err(|source| Error::Serve { address: options.listen, source })
    })
}

/// A running merchant back end; it ends when this is dropped.
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
    server: JoinHandle<std::io::Result<()>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    items: AtomicU32,
    fail_next: AtomicU32,
    served: AtomicU64,
    token: String,
}

impl Merchant {
    /// Starts serving `items` items to whoever brings the token.
    pub async fn start(listen: SocketAddr, items: u32, token: &str) -> Result<Self, Error> {
        let failed = |source| Error::Serve { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            items: AtomicU32::new(items),
            fail_next: AtomicU32::new(0),
            served: AtomicU64::new(0),
            token: token.to_owned(),
        });
        let routes = Router::new()
            .route("/catalogue.json", get(|state: State<Arc<Shared>>, headers: HeaderMap| serve(state, headers, Form::Document)))
            .route("/catalogue.ndjson", get(|state: State<Arc<Shared>>, headers: HeaderMap| serve(state, headers, Form::Lines)))
            .route("/catalogue.csv", get(|state: State<Arc<Shared>>, headers: HeaderMap| serve(state, headers, Form::Csv)))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address, shared, server })
    }

    /// Where the catalogue is, as one JSON document; `.ndjson` and `.csv` are beside it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/catalogue.json", self.address)
    }

    /// Serves this many items from now on.
    pub fn set_items(&self, items: u32) {
        self.shared.items.store(items, Ordering::Relaxed);
    }

    /// Answers the next `requests` with 503.
    pub fn fail_next(&self, requests: u32) {
        self.shared.fail_next.store(requests, Ordering::Relaxed);
    }

    /// Requests that were answered with a catalogue.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
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
    /// Starts a merchant.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let token = options.token_file.as_deref().map(read).transpose()?;
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

    /// The address of the catalogue in one form.
    #[must_use]
    pub fn url(&self, form: Form) -> String {
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

#[derive(Clone, Copy)]
enum Form {
    Document,
    Lines,
    Csv,
}

async fn serve(State(shared): State<Arc<Shared>>, headers: HeaderMap, form: Form) -> Response {
    let wanted = format!("Bearer {}", shared.token);
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != wanted.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
    }
    let failing = shared.fail_next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if failing.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    shared.served.fetch_add(1, Ordering::Relaxed);
    let items = shared.items.load(Ordering::Relaxed);
    let chunks = stream::iter((0..=items.div_ceil(CHUNK)).map(move |chunk| Ok::<_, Infallible>(text(form, chunk, items))));
    let kind = match form {
        Form::Document => "application/json",
        Form::Lines => "application/x-ndjson",
        Form::Csv => "text/csv",
    };
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(chunks)).into_response()
}

/// Chunk 0 is the head, the others are items, the last one ends the document.
fn text(form: Form, chunk: u32, items: u32) -> Bytes {
    let mut out = String::new();
    let first = chunk.saturating_sub(1) * CHUNK;
    let numbers = if chunk == 0 { 0..0 } else { first..items.min(first + CHUNK) };
    match form {
        Form::Document => {
            if chunk == 0 {
                out.push_str("{\"items\":[");
            }
            for number in numbers {
                let _ = write!(out, "{}{}", if number == 0 { "" } else { "," }, item(number));
            }
            if chunk == items.div_ceil(CHUNK) {
                out.push_str("]}");
            }
        }
        Form::Lines => numbers.for_each(|number| {
            let _ = writeln!(out, "{}", item(number));
        }),
        Form::Csv => {
            if chunk == 0 {
                out.push_str("id,title,title[de],description,link,image_link,brand,condition,availability,price[EUR],price[USD],quantity\n");
            }
            numbers.for_each(|number| row(&mut out, number));
        }
    }
    out.into()
}

/// A number that looks random and is the same everywhere (SplitMix64's finaliser).
fn mixed(number: u32) -> u64 {
    let mut x = u64::from(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn cents(number: u32) -> u64 {
    500 + mixed(number) % 20_000
}

fn money(cents: u64, currency: &str) -> String {
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

fn quantity(number: u32) -> u64 {
    mixed(number) % 120
}

fn availability(number: u32) -> &'static str {
    if quantity(number) == 0 { "out of stock" } else { "in stock" }
}

fn item(number: u32) -> serde_json::Value {
    serde_json::json!({
        "id": format!("AUR-{number:07}"),
        "title": format!("Aurora lamp no. {number}"),
        "description": format!("A lamp that looks like the northern lights, edition {}.", mixed(number) % 1_000),
        "link": format!("https://shop.aurora.example/p/{number}"),
        "image_link": format!("https://cdn.aurora.example/p/{number}.jpg"),
        "brand": "Aurora",
        "condition": "new",
        "availability": availability(number),
        "prices": {"EUR": money(cents(number), "EUR"), "USD": money(cents(number) + 100, "USD")},
        "quantity": quantity(number),
        "translations": {"de": {"title": format!("Aurora-Leuchte Nr. {number}")}},
    })
}

fn row(out: &mut String, number: u32) {
    let _ = writeln!(
        out,
        "AUR-{number:07},Aurora lamp no. {number},Aurora-Leuchte Nr. {number},\"A lamp, edition {}\",https://shop.aurora.example/p/{number},https://cdn.aurora.example/p/{number}.jpg,Aurora,new,{},{},{},{}",
        mixed(number) % 1_000,
        availability(number),
        money(cents(number), "EUR"),
        money(cents(number) + 100, "USD"),
        quantity(number),
    );
impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a merchant until it is interrupted.
pub async fn run(options: Options) -> Result<(), Error> {
    let merchant = Merchant::start(&options).await?;
    for form in Form::ALL {
        tracing::info!(
            items = options.items,
            url = merchant.url(form),
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
