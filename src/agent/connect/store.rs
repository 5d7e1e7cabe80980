//! The connector's own PostgreSQL: what was acknowledged is here, and leaves only when it was delivered.
//!
//! Three promises, each kept by the database and not by this process:
//! - taken once: the key's row in `seen` is written by the transaction that stores the event;
//! - in order per subject: taking events in locks the subject's `lane` before positions are given, so
//!   positions of one subject follow the order of commits;
//! - one in flight per subject: only the holder of a lane's lease may change its head.

mod expire;
mod held;
mod inbox;
mod migrate;
mod outbox;
mod upkeep;

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::secret::Malformed;
use crate::agent::quiet::{self, Loud};
use crate::agent::retain::Freshness;
use crate::contract::Channel;

pub(super) use expire::Untaken;
pub(in crate::agent) use held::HELD;
pub(super) use held::Unpurged;
pub(super) use outbox::{Head, Lane, Settlement, State};
pub(super) use upkeep::Backlog;

/// Connections for webhooks, each held for a few milliseconds.
const FOR_INTAKE: u32 = 8;

/// Connections for deliveries and upkeep: of their own, so that a rush of webhooks holds no result up.
const FOR_DELIVERY: u32 = 4;

/// How long a webhook waits for a connection: platforms wait five seconds for their answer.
const INTAKE_WAITS: Duration = Duration::from_secs(3);

/// How long a result waits to be written: without it the sink gets the event again.
const DELIVERY_WAITS: Duration = Duration::from_secs(10);

/// A connection that was used just now is used again without asking whether it is still there: a webhook
/// would pay a round trip for each of its looks.
const TRUSTED: Duration = Duration::from_secs(1);

/// What every connection is told. A database may be set up for speed (`synchronous_commit = off` loses what
/// was acknowledged) or with an isolation that our statements are not written for; a replica that died
/// without a word must not keep its locks.
const SETTINGS: &str = "SELECT set_config('statement_timeout', '10s', false),
    set_config('idle_in_transaction_session_timeout', '20s', false),
    set_config('default_transaction_isolation', 'read committed', false),
    CASE WHEN current_setting('synchronous_commit') = 'off'
         THEN set_config('synchronous_commit', 'on', false) END";

/// One channel's part of the store.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// For webhooks.
    intake: PgPool,
    /// For everything else.
    delivery: PgPool,
    /// `<namespace>/<name>`: what every row is marked with.
    channel: String,
    /// How old the list of legal holds may be: asked before each purge.
    hold_list: Option<Freshness>,
}

impl Store {
    /// A store that connects when it is first needed.
    pub(super) fn new(options: &PgConnectOptions, channel: &Channel) -> Self {
        Self {
            intake: pool(options, FOR_INTAKE, INTAKE_WAITS, true),
            delivery: pool(options, FOR_DELIVERY, DELIVERY_WAITS, false),
            channel: format!("{}/{}", channel.namespace, channel.name),
            hold_list: None,
        }
    }

    /// The same, which purges only by a list of legal holds that is young enough.
    pub(super) fn purging_by(self, hold_list: Option<Freshness>) -> Self {
        Self { hold_list, ..self }
    }

    /// Uses other credentials for connections from now on.
    pub(super) fn reconfigure(&self, options: &PgConnectOptions) {
        self.intake.set_connect_options(options.clone());
        self.delivery.set_connect_options(options.clone());
    }

    /// What an administrator must set before an event is stored. A session that would log values is not used again: the next
    /// one may have other settings.
    pub(super) async fn loud(&self) -> sqlx::Result<Option<Loud>> {
        let mut connection = self.delivery.acquire().await?;
        let loud = quiet::hush(&mut connection).await?;
        if loud.is_some() {
            connection.close().await?;
        }
        Ok(loud)
    }

    /// Waits for what is under way and closes.
    pub(super) async fn close(&self) {
        self.intake.close().await;
        self.delivery.close().await;
    }
}

/// `takes_bodies`: what persons wrote is bound there, so no session of it may be one that the server logs with its values.
fn pool(
    options: &PgConnectOptions,
    connections: u32,
    wait: Duration,
    takes_bodies: bool,
) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::query(SETTINGS).execute(&mut *connection).await?;
                if takes_bodies && let Some(loud) = quiet::hush(connection).await? {
                    return Err(sqlx::Error::Configuration(Box::new(loud)));
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.clone())
}

/// Reads a store's URL from its secret.
pub(super) fn parse_url(text: &str) -> Result<PgConnectOptions, Malformed> {
    let url = text.trim();
    if url.is_empty() {
        return Err(Malformed::Empty);
    }
    // The driver's own error may quote the URL, and with it the password.
    let options: PgConnectOptions = url.parse().map_err(|_| Malformed::NotUrl)?;
    Ok(options.application_name("tradewind-connect"))
}
