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
#[derive(Debug)]
pub struct Merchant {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<std::io::Result<()>>,
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
}
