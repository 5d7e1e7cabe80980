//! Getting into a running server: URLs for programs, psql for set-up.

use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::{Error, Result, SUPERUSER, install, verifier};

/// Where a server is and how to get in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    pub(super) address: SocketAddr,
    pub(super) password: String,
    pub(super) programs: PathBuf,
}

impl Access {
    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The superuser's password.
    #[must_use]
    pub fn superuser_password(&self) -> &str {
        &self.password
    }

    /// The URL of a database, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, &self.password, database)
    }

    /// The URL of a database, as another role. Names and passwords are taken as they are: letters and digits.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{role}:{password}@{}/{database}?sslmode=disable",
            self.address
        )
    }

    /// Makes a role that may log in.
    pub async fn create_role(&self, name: &str, password: &str) -> Result<()> {
        let sql = r#"CREATE ROLE :"name" LOGIN PASSWORD :'word';"#;
        let word = verifier::of(password)?;
        self.script(SUPERUSER, sql, &[("name", name), ("word", &word)])
            .await
            .map(drop)
    }

    /// Lets the superuser in with less to compute than `initdb` asks for.
    pub(super) async fn ease(&self) -> Result<()> {
        let sql = r#"ALTER ROLE :"name" PASSWORD :'word';"#;
        let word = verifier::of(&self.password)?;
        self.script(SUPERUSER, sql, &[("name", SUPERUSER), ("word", &word)])
            .await
            .map(drop)
    }

    /// What the server is to keep of a password, for `CREATE ROLE`.
    pub fn verifier(password: &str) -> Result<String> {
        verifier::of(password)
    }

    /// Makes a database, owned by a role.
    pub async fn create_database(&self, name: &str, owner: &str) -> Result<()> {
        let sql = r#"CREATE DATABASE :"name" OWNER :"owner";"#;
        self.script(SUPERUSER, sql, &[("name", name), ("owner", owner)])
            .await
            .map(drop)
    }

    /// Runs statements as the superuser; answers rows as lines, columns divided by `|`.
    pub async fn query(&self, database: &str, sql: &str) -> Result<String> {
        self.script(database, sql, &[]).await
    }

    /// A database as `pg_dump` writes it: schemas, grants and rows.
    pub async fn dump(&self, database: &str) -> Result<String> {
        install::finish(self.client("pg_dump", database)).await
    }

    /// Runs a psql script as the superuser, with psql variables (`:name`, `:'name'`, `:"name"`). Stops at the
    /// first error. Statements that are not inside BEGIN and COMMIT commit one by one.
    pub async fn script(&self, database: &str, sql: &str, set: &[(&str, &str)]) -> Result<String> {
        let mut command = self.client("psql", database);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        command.env("PGOPTIONS", "-c client_min_messages=warning");
        for (name, value) in set {
            command.arg("-v").arg(format!("{name}={value}"));
        }
        let mut script = tempfile::tempfile().map_err(Error::Folder)?;
        script.write_all(sql.as_bytes()).map_err(Error::Folder)?;
        script.rewind().map_err(Error::Folder)?;
        command.stdin(script);
        install::finish(command).await
    }

    /// One of PostgreSQL's own clients, as the superuser.
    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .args([
                "-h",
                &self.address.ip().to_string(),
                "-p",
                &self.address.port().to_string(),
            ])
            .args(["-U", SUPERUSER, "-d", database])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "60");
        command
    }
}
