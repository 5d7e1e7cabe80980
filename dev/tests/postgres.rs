//! The PostgreSQL server of the tests: it answers, it keeps its roles apart, and it leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where its world is not as it should be"
)]

#[path = "fleet/record.rs"]
mod record;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tradewind_dev::postgres::Server;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = Server::start(LOOPBACK).await.unwrap();
    let access = server.access().clone();
    server.create_role("reader", "secret").await.unwrap();
    server.create_database("shop", "reader").await.unwrap();
    assert_eq!(access.query("shop", "SELECT 6 * 7").await.unwrap(), "42");
    let folder = access.query("shop", "SHOW data_directory").await.unwrap();
    assert!(std::path::Path::new(&folder).exists());
    drop(server);
    assert!(!std::path::Path::new(&folder).exists());
    assert!(std::net::TcpStream::connect(access.address()).is_err());
}

/// What `look` finds, or the test's end.
fn soon<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Processes that work in this folder: not by the mark that the watchdog goes by.
fn at_work(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.map(|entry| entry.path())
        .filter(|process| {
            let cwd = fs::read_link(process.join("cwd"));
            let program = fs::read(process.join("cmdline")).unwrap_or_default();
            cwd.is_ok_and(|cwd| cwd.starts_with(folder))
                || String::from_utf8_lossy(&program).contains(&*folder.to_string_lossy())
        })
        .collect()
}

/// The owner is killed while `initdb` runs, which has no server yet that somebody could stop.
#[test]
fn a_killed_owner_leaves_no_half_made_server() {
    let base = tempfile::tempdir().unwrap();
    // The server's user must get through.
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    record::record(base.path(), "peers", &base.path().join("peers"), false);
    let mut owner = Command::new(env!("CARGO_BIN_EXE_dev"))
        .args(["peers", "--fleet", "peers"])
        .env("TRADEWIND_RUN", base.path())
        .env("TMPDIR", base.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = soon("a folder with data", || {
        let all = fs::read_dir(base.path()).unwrap().flatten();
        let mut folders = all.map(|entry| entry.path());
        folders.find(|folder| folder.join("data/base").is_dir())
    });
    let (busy, shared) = soon("processes that fill it, with shared memory", || {
        let busy = at_work(&folder);
        let maps: String = busy
            .iter()
            .filter_map(|process| fs::read_to_string(process.join("maps")).ok())
            .collect();
        let shared: Vec<PathBuf> = maps
            .split_whitespace()
            .filter(|word| word.starts_with("/dev/shm/"))
            .map(PathBuf::from)
            .collect();
        (busy.len() > 1 && !shared.is_empty()).then_some((busy, shared))
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(!folder.join("log").exists(), "initdb was done already");
    soon("the folder is gone", || (!folder.exists()).then_some(()));
    soon("all have ended", || {
        busy.iter().all(|process| !process.exists()).then_some(())
    });
    soon("nobody works there", || {
        at_work(&folder).is_empty().then_some(())
    });
    soon("no shared memory is left", || {
        (!shared.iter().any(|segment| segment.exists())).then_some(())
    });
}

/// Who started a server. Dropped, it is killed.
struct Owner(Child);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// `dev peers` of a fleet below `base`, and the folder of its PostgreSQL server once that answers.
fn peers(base: &Path, name: &str, others: &[&Path]) -> (Owner, PathBuf) {
    record::record(base, name, &base.join(name), false);
    let owner = dev(base).args(["peers", "--fleet", name]).spawn();
    let owner = Owner(owner.unwrap());
    let folder = soon("a server that answers", || {
        let all = fs::read_dir(base).unwrap().flatten();
        let mut folders = all.map(|entry| entry.path());
        folders.find(|folder| !others.contains(&folder.as_path()) && answers(folder))
    });
    (owner, folder)
}

fn dev(base: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
    command
        .env("TRADEWIND_RUN", base)
        .env("TMPDIR", base)
        .stderr(Stdio::null());
    command
}

/// Whether the server of this folder takes connections; its port is the fourth line of this file.
fn answers(folder: &Path) -> bool {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let port = file
        .lines()
        .nth(3)
        .and_then(|line| line.trim().parse().ok());
    port.is_some_and(|port: u16| std::net::TcpStream::connect((LOOPBACK, port)).is_ok())
}

/// As a power cut does it, but for the server itself: its owner and what would clean up after that at once.
fn kill_hard(owner: Owner, folder: &Path) {
    let is_watchdog = |process: &PathBuf| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("watchdog")
    };
    let watchdogs: Vec<PathBuf> = at_work(folder).into_iter().filter(is_watchdog).collect();
    assert_eq!(watchdogs.len(), 1, "{watchdogs:?}");
    for process in watchdogs {
        let pid = process.file_name().unwrap();
        let killed = Command::new("kill").arg("-KILL").arg(pid).status();
        assert!(killed.unwrap().success());
    }
    drop(owner);
    assert!(answers(folder), "nobody is there who could stop it");
}

#[test]
fn the_next_start_and_the_end_of_a_fleet_remove_what_a_hard_death_left() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (first, dead) = peers(base.path(), "first", &[]);
    let (second, in_use) = peers(base.path(), "second", &[&dead]);
    assert!(answers(&dead), "the start of another touches no server");
    kill_hard(first, &dead);
    let (third, last) = peers(base.path(), "third", &[&dead, &in_use]);
    assert!(!dead.exists(), "the next start removes it");
    assert_eq!(at_work(&dead), Vec::<PathBuf>::new());
    assert!(answers(&in_use), "and nothing that is in use");

    kill_hard(second, &in_use);
    let down = dev(base.path()).args(["down", "--name", "second"]).status();
    assert!(down.unwrap().success());
    assert!(!in_use.exists(), "the end of a fleet removes it");
    assert_eq!(at_work(&in_use), Vec::<PathBuf>::new());
    assert!(answers(&last), "and nothing that is in use");
    drop(third);
    soon("its watchdog removes the last", || {
        (!last.exists()).then_some(())
    });
}
