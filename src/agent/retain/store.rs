//! One session with one store's database.
//!
//! In: a file with a URL. Out: a [`Store`] whose session waits for nobody long, and writes nothing when it was
//! opened to read.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Postgres, Row, Transaction};

use super::company::Company;
use super::error::Error;
use super::fault::{Fault, Trouble};

/// A server that does not answer by then is down.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// How long a run waits for another run's end before it gives up: the session of a killed pod ends within it.
const LOCK_WITHIN: &str = "5s";

/// What a moment looks like on its way here.
pub(super) const MOMENT: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"#;

/// Settings of the session, as far as the server knows them: a batch that waits for a lock gives way within
/// 200 ms, and one that takes seconds takes fewer rows; the session of a pod that vanished ends within a
/// minute, and its lock with it. What a statement over a large table is guessed to cost has it compiled first, which takes
/// longer than such a batch.
const SESSION: &str = "
SELECT set_config(s.name, v.value, false) FROM pg_settings AS s JOIN (VALUES
  ('jit', 'off'), ('lock_timeout', '200ms'), ('statement_timeout', '5s'), ('idle_in_transaction_session_timeout', '5min'),
  ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
  ('client_connection_check_interval', '1s'),
  ('client_min_messages', 'error'), ('intervalstyle', 'postgres'), ('bytea_output', 'hex'), ('default_transaction_read_only', $1)
) AS v (name, value) ON lower(s.name) = v.name";

/// Where unqualified names are looked up: nothing that the database's own users made is reached by accident.
const STRICT: &str = "SET search_path = pg_catalog, pg_temp";

/// Policies that hide rows make a statement fail instead of hiding them.
const SECURE: &str = "SET row_security = off";

/// What a batch begins with, each time: behind a pooler no session setting outlasts a transaction. A commit need
/// not wait for the disk: rows and books are lost together or not at all, and the run's end waits for both. What a batch asks
/// it asks thousands of times: a plan for the values of each would take as long as the fences themselves.
const BATCH: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off;
SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '5s';
SET LOCAL idle_in_transaction_session_timeout = '1min'; SET LOCAL synchronous_commit = off;
SET LOCAL client_min_messages = error; SET LOCAL plan_cache_mode = force_generic_plan;
SET CONSTRAINTS ALL IMMEDIATE";

/// What a transaction that reads whole tables begins with. Keys of a few million due rows are sorted in memory.
const READ: &str = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off;
SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')), 67108864) / 1024 || 'kB', true)";

/// While other programs write, their processor is not taken: a table is read by one process.
const ALONE: &str = "SET LOCAL max_parallel_workers_per_gather = 0";

/// What a detached partition is looked at with. Each statement sees what has been committed by then; the partition
/// itself is locked, and reading it may take its time. This commit waits for the disk.
const LOOK: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off;
SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = '1min'; SET LOCAL client_min_messages = error";

/// The role's own search path.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchPath {
    /// As it was set.
    pub(super) setting: String,
    /// The schemas that there are, the server's own included.
    pub(super) schemas: Vec<String>,
}

impl SearchPath {
    /// The path for a statement that fires the tables' own triggers: these find what they would find otherwise,
    /// after the server's own.
    pub(super) fn behind_the_server(&self) -> String {
        if self.setting.trim().is_empty() {
            return "pg_catalog, pg_temp".to_owned();
        }
        format!("pg_catalog, {}, pg_temp", self.setting)
    }
}

/// What the session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The server itself refuses every write.
    Read,
    /// Erase, and keep books.
    Write,
}

/// A session with a store.
#[derive(Debug)]
pub(super) struct Store {
    /// The store's name in the Region.
    pub(super) name: String,
    /// The session.
    pub(super) connection: PgConnection,
    /// Where its URL is.
    pub(super) url: PathBuf,
    /// The role's own search path; the session does not use it.
    pub(super) path: SearchPath,
    /// Whether other programs write, as far as it was looked.
    pub(super) company: Company,
    /// Whether it is known that the session may not have its errors logged without their details.
    pub(super) logs_details: bool,
}

impl Store {
    /// Opens a session. The URL is never part of an error.
    pub(super) async fn open(name: &str, url: &Path, purpose: Purpose) -> Result<Self, Error> {
        let text = std::fs::read_to_string(url).map_err(|source| Error::UrlUnreadable {
            store: name.to_owned(),
            source,
        })?;
        let options = PgConnectOptions::from_str(text.trim())
            .map_err(|_| Error::UrlInvalid {
                store: name.to_owned(),
            })?
            .application_name("tradewind-agent retain")
            .disable_statement_logging();
        let unreachable = |fault| Error::Unreachable {
            store: name.to_owned(),
            fault,
        };
        let connecting = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&options));
        let connected = connecting.await.map_err(|_| Error::Silent {
            store: name.to_owned(),
        })?;
        let connected = connected.map_err(|error| {
            let fault = Fault::of("connect")(error);
            match fault.trouble() {
                Trouble::Login | Trouble::Denied => Error::Login {
                    store: name.to_owned(),
                    fault,
                },
                _ => unreachable(fault),
            }
        });
        let mut store = Self {
            name: name.to_owned(),
            connection: connected?,
            url: url.to_owned(),
            path: SearchPath::default(),
            company: Company::default(),
            logs_details: false,
        };
        store.secure().await.map_err(unreachable)?;
        let read_only = if purpose == Purpose::Read {
            "on"
        } else {
            "off"
        };
        let set = sqlx::query(SESSION)
            .bind(read_only)
            .fetch_all(&mut store.connection)
            .await;
        set.map_err(Fault::of("set up the session"))
            .map_err(unreachable)?;
        Ok(store)
    }

    /// Looks up the role's search path and leaves it; turns row security off.
    async fn secure(&mut self) -> Result<(), Fault> {
        let fault = Fault::of("set up the session");
        let connection = &mut self.connection;
        let shown = sqlx::query("SHOW search_path").fetch_one(&mut *connection);
        self.path.setting = shown.await.and_then(|row| row.try_get(0)).map_err(&fault)?;
        let schemas = "SELECT pg_catalog.current_schemas(true)::pg_catalog.text[]";
        let schemas = sqlx::query(schemas).fetch_one(&mut *connection);
        self.path.schemas = schemas
            .await
            .and_then(|row| row.try_get(0))
            .map_err(&fault)?;
        for sql in [STRICT, SECURE] {
            let done = sqlx::query(sql).execute(&mut *connection).await;
            done.map_err(&fault)?;
        }
        Ok(())
    }

    /// Begins a transaction in which a batch is erased.
    pub(super) async fn begin_batch(&mut self) -> Result<Transaction<'_, Postgres>, Fault> {
        let begun = self.connection.begin_with(BATCH).await;
        begun.map_err(Fault::of("begin a batch"))
    }

    /// Begins a transaction for a detached partition.
    pub(super) async fn begin_look(&mut self) -> Result<Transaction<'_, Postgres>, Fault> {
        let begun = self.connection.begin_with(LOOK).await;
        begun.map_err(Fault::of("look at a partition"))
    }

    /// Looks whether other programs write, before something that may take long.
    pub(super) async fn look_around(&mut self) -> Result<(), Error> {
        let looked = self.company.look_now(&mut self.connection).await;
        looked.map_err(|fault| self.failed(fault))
    }

    /// Begins a transaction that sees one state of the world and may read whole tables: it takes as long as it
    /// takes, and locks nobody out meanwhile. The server refuses every write in one to read.
    pub(super) async fn begin_snapshot(
        &mut self,
        purpose: Purpose,
    ) -> Result<Transaction<'_, Postgres>, Fault> {
        let fault = Fault::of("open a snapshot");
        let begin = match purpose {
            Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Purpose::Write => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        };
        let spares = self.company.writes();
        let begun = self.connection.begin_with(begin).await;
        let mut transaction = begun.map_err(&fault)?;
        let set = sqlx::raw_sql(READ).execute(&mut *transaction).await;
        set.map_err(&fault)?;
        if spares {
            let set = sqlx::raw_sql(ALONE).execute(&mut *transaction).await;
            set.map_err(fault)?;
        }
        Ok(transaction)
    }

    /// Takes the lock that keeps two runs of a policy over one store apart; held until the session ends.
    pub(super) async fn lock(&mut self, policy: &str) -> Result<(), Error> {
        self.set("lock_timeout", LOCK_WITHIN).await?;
        self.set("statement_timeout", "10s").await?;
        let lock = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
        let locked = sqlx::query(lock)
            .bind(self.lock_of(policy))
            .execute(&mut self.connection)
            .await;
        match locked.map_err(Fault::of("take the run's lock")) {
            Err(fault) if fault.trouble() == Trouble::Busy => {
                return Err(Error::AnotherRun {
                    store: self.name.clone(),
                });
            }
            other => other.map_err(|fault| self.failed(fault))?,
        };
        self.set("lock_timeout", "200ms").await?;
        self.set("statement_timeout", "5s").await
    }

    /// Takes the same lock if nobody has it.
    pub(super) async fn try_lock(&mut self, policy: &str) -> Result<bool, Error> {
        self.ask_lock(
            "SELECT pg_try_advisory_lock(hashtextextended($1, 0))",
            policy,
        )
        .await
    }

    /// Gives the lock back, if it was taken.
    pub(super) async fn unlock(&mut self, policy: &str) -> Result<(), Error> {
        self.ask_lock("SELECT pg_advisory_unlock(hashtextextended($1, 0))", policy)
            .await
            .map(drop)
    }

    async fn ask_lock(&mut self, sql: &'static str, policy: &str) -> Result<bool, Error> {
        let query = sqlx::query(sql).bind(self.lock_of(policy));
        let row = query.fetch_one(&mut self.connection).await;
        row.and_then(|row| row.try_get(0))
            .map_err(Fault::of("take the run's lock"))
            .map_err(|fault| self.failed(fault))
    }

    fn lock_of(&self, policy: &str) -> String {
        format!("tradewind retain {policy} {}", self.name)
    }

    /// The database's clock.
    pub(super) async fn now(&mut self) -> Result<Timestamp, Error> {
        let fault = Fault::of("read the database's clock");
        let sql = r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
        let row = sqlx::query(sql).fetch_one(&mut self.connection).await;
        let text: String = row
            .and_then(|row| row.try_get(0))
            .map_err(fault)
            .map_err(|f| self.failed(f))?;
        text.parse().map_err(|_| Error::Clock {
            store: self.name.clone(),
        })
    }

    /// Sets a setting of the session.
    pub(super) async fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let set = sqlx::query("SELECT set_config($1, $2, false)")
            .bind(name)
            .bind(value);
        let done = set.execute(&mut self.connection).await;
        done.map(drop)
            .map_err(Fault::of("set up the session"))
            .map_err(|fault| self.failed(fault))
    }

    /// The error for a failed statement.
    pub(super) fn failed(&self, fault: Fault) -> Error {
        Error::Statement {
            store: self.name.clone(),
            fault,
        }
    }
}
