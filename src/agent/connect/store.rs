//! The connector's own PostgreSQL: what was acknowledged is here, and leaves only when it was delivered.
//!
//! Three promises, each kept by the database and not by this process:
//! - taken once: the key's row in `seen` is written by the transaction that stores the event;
//! - in order per subject: taking events in locks the subject's `lane` before positions are given, so
//!   positions of one subject follow the order of commits;
//! - one in flight per subject: only the holder of a lane's lease may change its head.

mod inbox;
mod migrate;
mod outbox;
mod upkeep;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::secret::Malformed;
use crate::contract::Channel;

pub(super) use outbox::{Head, Lane, Settlement, State};
pub(super) use upkeep::Backlog;

/// Connections of one replica. A webhook holds one for a few milliseconds, and so does a delivery's result.
const CONNECTIONS: u32 = 8;

/// How long a webhook waits for a connection: platforms wait five seconds for their answer.
const ACQUIRE: Duration = Duration::from_secs(3);

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
    pool: PgPool,
    /// `<namespace>/<name>`: what every row is marked with.
    channel: String,
}

impl Store {
    /// A store that connects when it is first needed.
    pub(super) fn new(options: &PgConnectOptions, channel: &Channel) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::query(SETTINGS).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options.clone());
        Self {
            pool,
            channel: format!("{}/{}", channel.namespace, channel.name),
        }
    }

    /// Uses other credentials for connections from now on.
    pub(super) fn reconfigure(&self, options: &PgConnectOptions) {
        self.pool.set_connect_options(options.clone());
    }

    /// Waits for what is under way and closes.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
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
