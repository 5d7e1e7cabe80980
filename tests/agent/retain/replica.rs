//! A real standby of the server that the test is on: a base backup of it that streams, without a slot.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::world::{PATIENCE, access};

/// How the server's watchdog knows what to end with it.
const MARK: &str = "TRADEWIND_SCRATCH";

/// Whoever has the superuser's password may follow the log.
const LET_IN: &str =
    "SELECT format('COPY (SELECT line FROM unnest(%L::text[]) AS line) TO %L',
      ARRAY['host replication all 127.0.0.1/32 scram-sha-256'] || string_to_array(rtrim(pg_read_file(path), E'\\n'), E'\\n'), path)
    FROM current_setting('hba_file') AS path \\gexec
    ALTER SYSTEM SET wal_keep_size = '256MB';
    SELECT pg_reload_conf()";

/// A running standby, which ends with this.
pub(crate) struct Replica {
    programs: PathBuf,
    address: SocketAddr,
    server: Child,
}

impl Replica {
    /// Returns once it streams, and tells what its readers still see (`hot_standby_feedback`) every second.
    pub(crate) async fn start() -> Self {
        let ask = async |sql: &str| access().await.query("postgres", sql).await.unwrap();
        ask(LET_IN).await;
        let data = PathBuf::from(ask("SHOW data_directory").await);
        let folder = data.parent().unwrap();
        let pid = ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").await;
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        let programs = program.parent().unwrap().to_owned();
        let own = folder.join("standby");
        let primary = access().await.address();
        let mut copy = as_owner(&programs.join("pg_basebackup"), folder);
        copy.args(["-h", &primary.ip().to_string()])
            .args(["-p", &primary.port().to_string()])
            .args(["-U", "postgres", "-R", "--no-sync", "-X", "stream"])
            .args(["--checkpoint", "fast", "-D"])
            .arg(&own)
            .env("PGPASSWORD", access().await.superuser_password());
        let copied = copy.output().unwrap();
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "{said}");
        let address = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        let address = address.unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.join("standby.log")).unwrap();
        let mut server = as_owner(&program, folder);
        server
            .arg("-D")
            .arg(&own)
            .args(["-h", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()]);
        for setting in [
            "hot_standby_feedback=on",
            "wal_receiver_status_interval=1",
            "unix_socket_directories=",
            "max_connections=200",
            "max_prepared_transactions=8",
        ] {
            server.args(["-c", setting]);
        }
        let server = server.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let replica = Self {
            programs,
            address,
            server,
        };
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND backend_xmin IS NOT NULL";
        wait_until("postgres", streams, "1").await;
        let slots = ask("SELECT count(*) FROM pg_replication_slots").await;
        assert_eq!(slots, "0");
        replica
    }

    /// A report that reads a database there, until it is ended. Returns once it has read, and sleeps.
    pub(crate) async fn reader(&self, database: &str, sql: &str) -> Reader {
        let caught_up =
            "SELECT min(replay_lsn) >= pg_current_wal_flush_lsn() FROM pg_stat_replication";
        wait_until("postgres", caught_up, "t").await;
        let reader = Reader(self.psql(database, sql).await.spawn().unwrap());
        let asleep = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
        );
        let limit = Instant::now() + PATIENCE;
        loop {
            let mut client = self.psql("postgres", &asleep).await;
            let told = client.stdout(Stdio::piped()).output().unwrap();
            if told.stdout == b"1\n" {
                return reader;
            }
            assert!(Instant::now() < limit, "{told:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn psql(&self, database: &str, sql: &str) -> Command {
        let mut client = Command::new(self.programs.join("psql"));
        client
            .args(["-h", &self.address.ip().to_string()])
            .args(["-p", &self.address.port().to_string()])
            .args(["-X", "-q", "-A", "-t", "-U", "postgres", "-d", database])
            .args(["-c", sql])
            .env("PGPASSWORD", access().await.superuser_password())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        client
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let id = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        let _ = self.server.wait();
    }
}

/// A client of the standby.
pub(crate) struct Reader(Child);

impl Drop for Reader {
    /// As Ctrl-C does: who is killed asks for the end of no statement.
    fn drop(&mut self) {
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.0.wait();
    }
}

/// Asks the primary until it answers so.
pub(crate) async fn wait_until(database: &str, sql: &str, wanted: &str) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let told = access().await.query(database, sql).await.unwrap();
        if told == wanted {
            return;
        }
        assert!(Instant::now() < limit, "{sql}: {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A program that runs as the server does, and ends with it.
fn as_owner(program: &Path, folder: &Path) -> Command {
    let owner = std::fs::metadata(folder).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env(MARK, folder)
        .stdin(Stdio::null());
    let us = std::fs::metadata("/proc/self").unwrap().uid();
    if us != owner.uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}
