//! Puts the parts together, and takes them apart in the right order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::{Span, Timestamp};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::admin::{self, Readiness, Waiting};
use super::attempt::{self, Limits};
use super::body::Budget;
use super::deliver::{Courier, Pace};
use super::intake::{self, Intake, Scheme};
use super::metrics::Metrics;
use super::secret::Secret;
use super::signature::Keys;
use super::store::{self, Store};
use super::upkeep::Upkeep;
use super::{Error, Options};
use crate::agent::Stop;
use crate::agent::retain::Freshness;
use crate::contract::{Connect, Task};

/// Longest wait between two attempts: a sink that is back is served within this time.
const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// How often a courier looks for what another replica took in, or what became due.
const POLL: Duration = Duration::from_secs(1);

/// Below this an attempt could outlast its lease.
const SHORTEST_LEASE: Duration = Duration::from_secs(15);

/// All is over within this time after the door closed: less than Kubernetes' 30 seconds, more than an
/// attempt to deliver takes.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until asked to stop.
pub(super) async fn serve(task: Task<Connect>, options: &Options, stop: Stop) -> Result<(), Error> {
    let scheme = Scheme::open(&task.spec.webhook)?;
    let url: Secret<PgConnectOptions> = Secret::open(&task.spec.store, store::parse_url)?;
    let keep = duration("spec.keepDelivered", &task.spec.keep_delivered)?;
    let keep_undelivered = duration("spec.keepUndelivered", &task.spec.keep_undelivered)?;
    let store = Store::new(&url.current(), &task.spec.channel).purging_by(freshness(&task.spec)?);
    let sinks = owed(&task.spec);
    let metrics = Metrics::new(&sinks);
    let readiness = Readiness::new();
    let couriers = couriers(&task, options, &store, &metrics)?;
    let door = listen(options, options.webhook_port).await?;
    let inside = listen(options, options.admin_port).await?;

    let (news, news_for_couriers) = watch::channel(0);
    let upkeep = Upkeep {
        store: store.clone(),
        url,
        keep,
        keep_undelivered,
        open: task
            .spec
            .sinks
            .iter()
            .map(|sink| sink.name.clone())
            .collect(),
        every: options.upkeep,
        readiness: readiness.clone(),
        metrics: metrics.clone(),
    };
    let mut crew = crew(couriers, upkeep, &news_for_couriers, &stop);
    let wanted = task.spec.events.iter().copied().collect();
    let admin = Server::start(inside, admin::router(readiness.clone(), metrics.clone()));
    let intake = Intake {
        task,
        wanted,
        scheme,
        store: store.clone(),
        sinks,
        budget: Budget::new(),
        metrics,
        news,
    };
    let mut webhooks = Server::start(door, intake::router(Arc::new(intake)));

    tokio::select! {
        () = stop.requested() => {}
        source = webhooks.ended() => return Err(Error::Serve { source }),
    }
    // The door closes after the replica was seen to be not ready; probes are answered until the very end.
    readiness.set(Waiting::Stop);
    tokio::time::sleep(options.linger).await;
    let drained = tokio::time::timeout(DRAIN, async {
        webhooks.close().await;
        while crew.join_next().await.is_some() {}
        store.close().await;
    })
    .await;
    if drained.is_err() {
        tracing::warn!("not everything ended in time: claims end by themselves, nothing is lost");
    }
    drop(admin);
    Ok(())
}

/// The sinks that are owed each event: those that are sent them, and those whose events wait.
fn owed(spec: &Connect) -> Vec<String> {
    let open = spec.sinks.iter().map(|sink| &sink.name);
    open.chain(&spec.held_sinks).cloned().collect()
}

/// Starts all that runs until it is asked to stop.
fn crew(
    couriers: Vec<Courier>,
    upkeep: Upkeep,
    news: &watch::Receiver<u64>,
    stop: &Stop,
) -> JoinSet<()> {
    let mut crew = JoinSet::new();
    for courier in couriers {
        crew.spawn(courier.run(news.clone(), stop.clone()));
    }
    crew.spawn(upkeep.run(stop.clone()));
    crew
}

/// Puts the dead letters of one sink or of all back into the outbox; returns how many.
pub(super) async fn replay(task: &Task<Connect>, sink: Option<&str>) -> Result<u64, Error> {
    let known = owed(&task.spec);
    if let Some(name) = sink
        && !known.iter().any(|known| known == name)
    {
        let reason = format!(
            "`{name}` is no sink of this channel; there are: {}",
            known.join(", ")
        );
        return Err(Error::Field {
            field: "--sink".to_owned(),
            reason,
        });
    }
    let url = Secret::open(&task.spec.store, store::parse_url)?;
    let store = Store::new(&url.current(), &task.spec.channel);
    let mut count = 0;
    loop {
        match store.replay(sink).await.map_err(|error| Error::Store {
            source: error.into(),
        })? {
            0 => break,
            revived => count += revived,
        }
    }
    store.close().await;
    Ok(count)
}

fn couriers(
    task: &Task<Connect>,
    options: &Options,
    store: &Store,
    metrics: &Metrics,
) -> Result<Vec<Courier>, Error> {
    if owed(&task.spec).is_empty() {
        return Err(wrong(
            "spec.sinks".to_owned(),
            "events need a sink to go to",
        ));
    }
    let client = attempt::client().map_err(|source| Error::Client { source })?;
    let limits = Limits {
        first_retry: options.first_retry,
        longest_retry: LONGEST_RETRY,
        attempts: options.attempts,
        refused_attempts: options.refused_attempts,
    };
    let pace = Pace {
        limits,
        lease: options.lease.max(SHORTEST_LEASE),
        poll: POLL,
    };
    task.spec
        .sinks
        .iter()
        .enumerate()
        .map(|(index, sink)| {
            Ok(Courier {
                sink: sink.name.clone(),
                url: address(index, &sink.url)?,
                sells: sink.sale_or_sharing,
                until: end(index, sink.until.as_deref())?,
                keys: Arc::new(Secret::open(&sink.secret, Keys::standard)?),
                store: store.clone(),
                client: client.clone(),
                pace,
                metrics: metrics.clone(),
            })
        })
        .collect()
}

fn wrong(field: String, reason: &str) -> Error {
    Error::Field {
        field,
        reason: reason.to_owned(),
    }
}

/// Where a sink is.
fn address(index: usize, url: &str) -> Result<reqwest::Url, Error> {
    let field = format!("spec.sinks[{index}].url");
    match url.parse::<reqwest::Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(wrong(field, "neither http nor https")),
        Err(_) => Err(wrong(field, "not an absolute URL")),
    }
}

/// From when on a sink is sent nothing.
fn end(index: usize, until: Option<&str>) -> Result<Option<Timestamp>, Error> {
    until.map(str::parse).transpose().map_err(|_| {
        let field = format!("spec.sinks[{index}].until");
        wrong(field, "not a moment like `2027-07-01T00:00:00Z`")
    })
}

/// Checks the duration; the database reads the same text.
fn duration(field: &str, text: &str) -> Result<String, Error> {
    let wrong = |reason: &str| wrong(field.to_owned(), reason);
    let span: Span = text
        .parse()
        .map_err(|_| wrong("not an ISO 8601 duration like `P7D`"))?;
    if span.is_negative() {
        Err(wrong("negative"))
    } else {
        Ok(span.to_string())
    }
}

/// How old the list of legal holds may be.
fn freshness(spec: &Connect) -> Result<Option<Freshness>, Error> {
    let Some(list) = &spec.hold_list else {
        return Ok(None);
    };
    let wrong = || {
        let reason = "not a positive duration like `PT6H`";
        wrong("spec.holdList.maxAge".to_owned(), reason)
    };
    Freshness::parse(list).map(Some).ok_or_else(wrong)
}

async fn listen(options: &Options, port: u16) -> Result<TcpListener, Error> {
    let address = SocketAddr::new(options.listen, port);
    let listener = match TcpListener::bind(address).await {
        // A kernel without IPv6 has no `::`.
        Err(_) if options.listen.is_ipv6() && options.listen.is_unspecified() => {
            TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).await
        }
        other => other,
    };
    listener.map_err(|source| Error::Listen { port, source })
}

/// A running HTTP server. Ends at once when dropped.
struct Server {
    running: JoinHandle<std::io::Result<()>>,
    closed: watch::Sender<bool>,
}

impl Server {
    fn start(listener: TcpListener, router: Router) -> Self {
        let (closed, close) = Stop::new();
        let running = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(async move { close.requested().await })
                .await
        });
        Self { running, closed }
    }

    /// Waits for its end, which nobody asked for.
    async fn ended(&mut self) -> std::io::Error {
        match (&mut self.running).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => std::io::Error::other("it ended without being asked"),
            Err(error) => std::io::Error::other(error),
        }
    }

    /// Takes no new requests and ends those that are in work.
    async fn close(&mut self) {
        self.closed.send_replace(true);
        // However it ended: there is nothing left to do about it.
        let _ = (&mut self.running).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}
