//! A platform: sends signed webhooks to the pods behind a Service, as an ingress controller would pass them
//! on, and repeats each until it is acknowledged.
//!
//! A subject's webhooks are sent one after the other, in order, as platforms do; different subjects' at the
//! same time. Who fails to answer is passed over for the next address.

mod body;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use body::Scheme;

use super::{Error, read, signature};

/// Platforms wait about this long for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// After every address failed.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the file of addresses is read.
const REREAD: Duration = Duration::from_secs(1);

/// What is sent, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How webhooks are signed and what they look like
    #[arg(long, value_enum, default_value_t = Scheme::Messenger)]
    pub scheme: Scheme,
    /// File with the app secret (Messenger, Instagram) or `whsec_<base64>` (generic)
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,
    /// File with the verify token: makes Meta's handshake first
    #[arg(long, value_name = "FILE")]
    pub verify_token_file: Option<PathBuf>,
    /// The channel's path, `/webhooks/<namespace>/<channel>`
    #[arg(long)]
    pub path: String,
    /// Address of a connector pod; several: the next one is tried when one fails
    #[arg(
        long = "target",
        value_name = "ADDRESS",
        required_unless_present = "targets_file"
    )]
    pub targets: Vec<SocketAddr>,
    /// File with an address a line, read again all the time: pods come and go
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub targets_file: Option<PathBuf>,
    /// How to send
    #[command(flatten)]
    pub load: Load,
    /// File that gets a JSON line for each webhook that was acknowledged
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// How many, how fast.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// How many webhooks
    #[arg(long, default_value_t = 1)]
    pub count: u32,
    /// How many a second
    #[arg(long, default_value_t = 10)]
    pub rate: u32,
    /// About how many people
    #[arg(long, default_value_t = 10)]
    pub subjects: u32,
    /// Send every Nth once more after it was acknowledged, as platforms do now and then; 0 never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub repeat_every: u32,
    /// How long each is repeated until it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub give_up_after: u64,
    /// A word in every id, so that two runs differ
    #[arg(long, default_value = "run")]
    pub run: String,
}

/// Whom it is sent to and how it is signed.
#[derive(Clone, Debug)]
pub struct Sender {
    /// How webhooks are signed and what they look like.
    pub scheme: Scheme,
    /// The key of the scheme.
    pub key: Vec<u8>,
    /// The channel's path.
    pub path: String,
    /// Where the pods are now.
    pub targets: watch::Receiver<Vec<SocketAddr>>,
    client: reqwest::Client,
    /// The address that answered last.
    turn: Arc<AtomicUsize>,
}

/// One webhook that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// Whom it is about.
    pub person: String,
    /// Counted from 1 for each person.
    pub number: u32,
    /// The platform's id of the event.
    pub id: String,
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The webhooks that were acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// How many were given up.
    pub given_up: usize,
    /// Requests, repetitions included.
    pub requests: u64,
}

impl Sender {
    /// A sender to `targets`; `secret` is what the secret file says.
    pub fn new(
        scheme: Scheme,
        secret: &str,
        path: &str,
        targets: watch::Receiver<Vec<SocketAddr>>,
    ) -> Result<Self, Error> {
        let key = match scheme {
            Scheme::Messenger | Scheme::Instagram => Some(secret.trim().as_bytes().to_vec()),
            Scheme::Generic => signature::standard_key(secret),
        };
        let client = reqwest::Client::builder()
            .timeout(ANSWER)
            .no_proxy()
            .build()
            .map_err(|source| Error::Request { source })?;
        Ok(Self {
            scheme,
            key: key.ok_or_else(|| Error::Secret {
                path: PathBuf::new(),
            })?,
            path: path.to_owned(),
            targets,
            client,
            turn: Arc::default(),
        })
    }

    /// Meta's handshake with the first pod that answers.
    pub async fn handshake(&self, verify_token: &str) -> Result<(), Error> {
        let challenge = Timestamp::now().as_nanosecond().to_string();
        let address = self.target(0);
        let query = [
            ("hub.mode", "subscribe"),
            ("hub.verify_token", verify_token),
            ("hub.challenge", &challenge),
        ];
        let request = self
            .client
            .get(format!("http://{address}{}", self.path))
            .query(&query);
        let response = request
            .send()
            .await
            .map_err(|source| Error::Request { source })?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|source| Error::Request { source })?;
        if status.is_success() && text == challenge {
            Ok(())
        } else {
            Err(Error::Handshake {
                status: status.as_u16(),
            })
        }
    }

    /// Sends one body to one pod, signed; the status of its answer.
    pub async fn post(&self, address: SocketAddr, id: &str, body: &str) -> Result<u16, Error> {
        let mut request = self
            .client
            .post(format!("http://{address}{}", self.path))
            .header("content-type", "application/json")
            .body(body.to_owned());
        match self.scheme {
            Scheme::Messenger | Scheme::Instagram => {
                let value = signature::meta(&self.key, body.as_bytes()).unwrap_or_default();
                request = request.header("x-hub-signature-256", value);
            }
            Scheme::Generic => {
                let timestamp = Timestamp::now().as_second().to_string();
                let value = signature::standard(&self.key, id, &timestamp, body.as_bytes());
                request = request
                    .header("webhook-id", id)
                    .header("webhook-timestamp", timestamp)
                    .header("webhook-signature", value.unwrap_or_default());
            }
        }
        let response = request
            .send()
            .await
            .map_err(|source| Error::Request { source })?;
        Ok(response.status().as_u16())
    }

    /// Sends a load at its rate and waits until each webhook is acknowledged or given up.
    pub async fn send(&self, load: &Load) -> Sent {
        let mut people = BTreeMap::new();
        let mut crew = JoinSet::new();
        let begun = Instant::now();
        for index in 0..load.count {
            let due = Duration::from_secs_f64(f64::from(index) / f64::from(load.rate.max(1)));
            tokio::time::sleep_until(begun + due).await;
            // Not round robin: some people write a lot, most a little.
            let person = u64::from(index).pow(2) / 7 % u64::from(load.subjects.max(1));
            let (queue, number) = people.entry(person).or_insert_with(|| {
                let (sender, receiver) = mpsc::unbounded_channel();
                crew.spawn(self.clone().converse(receiver, load.clone()));
                (sender, 0)
            });
            *number += 1;
            let person = format!("person-{person}");
            let id = format!("{}-{index}", load.run);
            // A conversation ends only after its queue.
            let _ = queue.send(Acknowledged {
                person,
                number: *number,
                id,
            });
        }
        drop(people);
        let mut sent = Sent::default();
        while let Some(part) = crew.join_next().await {
            let part = part.unwrap_or_default();
            sent.acknowledged.extend(part.acknowledged);
            sent.given_up += part.given_up;
            sent.requests += part.requests;
        }
        sent
    }

    /// One person's webhooks, one after the other.
    async fn converse(self, mut queue: mpsc::UnboundedReceiver<Acknowledged>, load: Load) -> Sent {
        let mut sent = Sent::default();
        while let Some(webhook) = queue.recv().await {
            let body = self.scheme.body(&webhook);
            let limit = Instant::now() + Duration::from_secs(load.give_up_after);
            let mut acknowledged = self
                .pass_on(&webhook.id, &body, limit, &mut sent.requests)
                .await;
            if acknowledged && load.repeat_every > 0 && webhook.number % load.repeat_every == 0 {
                acknowledged = self
                    .pass_on(&webhook.id, &body, limit, &mut sent.requests)
                    .await;
            }
            if acknowledged {
                sent.acknowledged.push(webhook);
            } else {
                sent.given_up += 1;
            }
        }
        sent
    }

    /// Tries one address after the other until one acknowledges.
    async fn pass_on(&self, id: &str, body: &str, limit: Instant, requests: &mut u64) -> bool {
        let mut failures = 0;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            *requests += 1;
            if matches!(self.post(self.target(turn), id, body).await, Ok(200..=299)) {
                return true;
            }
            failures += 1;
            if Instant::now() > limit {
                return false;
            }
            if failures % self.targets.borrow().len().max(1) == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn target(&self, turn: usize) -> SocketAddr {
        let targets = self.targets.borrow();
        // Without any address the request fails, and is tried again when there is one.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        targets
            .get(turn % targets.len().max(1))
            .copied()
            .unwrap_or(nowhere)
    }
}

/// Sends as the command line says.
pub(super) async fn run(options: Options) -> Result<(), Error> {
    let (update, targets) = watch::channel(options.targets.clone());
    if let Some(path) = options.targets_file.clone() {
        update.send_replace(addresses(&path)?);
        tokio::spawn(async move {
            while !update.is_closed() {
                tokio::time::sleep(REREAD).await;
                // A file that is being written is read next time.
                if let Ok(now) = addresses(&path) {
                    update.send_replace(now);
                }
            }
        });
    }
    let sender = Sender::new(
        options.scheme,
        &read(&options.secret_file)?,
        &options.path,
        targets,
    )?;
    if let Some(path) = &options.verify_token_file {
        sender.handshake(&read(path)?).await?;
        tracing::info!("the handshake was answered");
    }
    let sent = sender.send(&options.load).await;
    if let Some(path) = &options.record {
        let lines: Result<Vec<String>, _> = sent
            .acknowledged
            .iter()
            .map(serde_json::to_string)
            .collect();
        lines
            .map_err(std::io::Error::from)
            .and_then(|lines| std::fs::write(path, lines.join("\n") + "\n"))
            .map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
    }
    let acknowledged = sent.acknowledged.len();
    tracing::info!(
        acknowledged,
        given_up = sent.given_up,
        requests = sent.requests,
        "sent"
    );
    if sent.given_up > 0 {
        return Err(Error::GivenUp {
            given_up: sent.given_up,
            count: options.load.count,
        });
    }
    Ok(())
}

fn addresses(path: &std::path::Path) -> Result<Vec<SocketAddr>, Error> {
    Ok(read(path)?
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect())
}
