//! Supervised processes that outlive the command which starts them.
//! In: what to run. Out: a [`Daemon`], found again later by its record, with a log file of its own.
//! Never signals a process that is not the recorded one: an id counts only with its start time.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// How often a wait looks again: a component needs tenths of a second to come up, so this costs nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Lines of a log that an error shows: enough for the last words of a Go program.
const TAIL: usize = 15;

/// Why a process could not be started, found or brought to readiness.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is missing or may not be executed.
    #[error("cannot start {component} ({})", program.display())]
    Start {
        /// Which component.
        component: String,
        /// What was to be run.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its record or log cannot be written or read.
    #[error("cannot keep the record of {component} in {}", path.display())]
    Record {
        /// Which component.
        component: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{component} ended before it was ready; the end of its log:\n{tail}")]
    Ended {
        /// Which component.
        component: String,
        /// The log's last lines.
        tail: String,
    },
    /// It runs, but was not ready in time.
    #[error("{component} was not ready within {} s ({waiting_for}); the end of its log:\n{tail}", limit.as_secs())]
    NotReady {
        /// Which component.
        component: String,
        /// What it was asked for, and the last answer.
        waiting_for: String,
        /// How long it had.
        limit: Duration,
        /// The log's last lines.
        tail: String,
    },
    /// A signal could not be delivered.
    #[error("cannot signal {component}")]
    Signal {
        /// Which component.
        component: String,
        /// Why not.
        source: nix::Error,
    },
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The component's name: its log is `<name>.log` and its record `<name>.process`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment on top of ours.
    pub env: Vec<(String, OsString)>,
    /// Where log and record go; it must exist.
    pub dir: PathBuf,
}

impl Launch {
    /// A launch without arguments.
    pub fn new(name: &str, program: impl Into<PathBuf>, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: dir.to_owned(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds one environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }
}

/// A process identified beyond doubt: ids are used again, an id with its start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// Its start, in clock ticks since boot.
    pub started: u64,
}

impl Identity {
    /// The identity of the process with this id, if there is one and it has not ended.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; the fields after it are fixed: state is the first, start the 20th.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    /// Our own.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::of(nix::unistd::getpid().as_raw())
    }

    /// Whether all of its threads stand still. A signal that stops them reaches each when its turn comes.
    #[must_use]
    pub fn stands_still(self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        threads.into_iter().flatten().flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')')
                .is_none_or(|(_, fields)| fields.trim_start().starts_with('T'))
        })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// How a process ended.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    identity: Identity,
    status: String,
}

/// A process started by us, or by an earlier command, and found again by its record.
#[derive(Clone, Debug)]
pub struct Daemon {
    name: String,
    dir: PathBuf,
}

impl Daemon {
    /// The daemon of this name recorded in `dir`, whether it runs or not.
    #[must_use]
    pub fn named(name: &str, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
        }
    }

    /// Starts it in a process group of its own, its output appended to its log. It survives us.
    ///
    /// Must be called within a tokio runtime, which reaps it should it end before us.
    pub fn start(launch: &Launch) -> Result<Self, Error> {
        let daemon = Self::named(&launch.name, &launch.dir);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(daemon.log_path())
            .and_then(|log| Ok((log.try_clone()?, log)))
            .map_err(|source| daemon.record_error(daemon.log_path(), source))?;
        let mut child = tokio::process::Command::new(&launch.program)
            .args(&launch.args)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&launch.dir)
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start {
                component: launch.name.clone(),
                program: launch.program.clone(),
                source,
            })?;
        let identity = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Identity::of);
        daemon.write_record(identity)?;
        let exit = daemon.exit_path();
        tokio::spawn(async move {
            if let (Ok(status), Some(identity)) = (child.wait().await, identity) {
                let end = End {
                    identity,
                    status: status.to_string(),
                };
                // Whoever asks finds that nothing is known.
                let _ = fs::write(exit, serde_json::to_vec(&end).unwrap_or_default());
            }
        });
        Ok(daemon)
    }

    fn write_record(&self, identity: Option<Identity>) -> Result<(), Error> {
        let path = self.record_path();
        serde_json::to_vec(&identity)
            .map_err(io::Error::from)
            .and_then(|json| fs::write(&path, json))
            .map_err(|source| self.record_error(path, source))
    }

    fn record_error(&self, path: PathBuf, source: io::Error) -> Error {
        Error::Record {
            component: self.name.clone(),
            path,
            source,
        }
    }

    fn record_path(&self) -> PathBuf {
        self.dir.join(format!("{}.process", self.name))
    }

    fn exit_path(&self) -> PathBuf {
        self.dir.join(format!("{}.exit", self.name))
    }

    /// How it ended, `exit status: 0`; known only while who started it runs.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        let end: End = serde_json::from_slice(&fs::read(self.exit_path()).ok()?).ok()?;
        // One that was started after it ended otherwise, or not yet.
        (Some(end.identity) == self.recorded()).then_some(end.status)
    }

    /// Where its output goes.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process, as long as it runs.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        self.recorded().filter(|identity| identity.is_alive())
    }

    fn recorded(&self) -> Option<Identity> {
        let record = fs::read(self.record_path()).ok()?;
        serde_json::from_slice(&record).ok()?
    }

    /// Whether it was ever started.
    #[must_use]
    pub fn was_started(&self) -> bool {
        self.record_path().is_file()
    }

    /// That it runs; the error shows the end of its log.
    pub fn check(&self) -> Result<(), Error> {
        if self.identity().is_some() {
            return Ok(());
        }
        Err(Error::Ended {
            component: self.name.clone(),
            tail: self.tail(),
        })
    }

    /// Sends a signal; one that has ended is left alone.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let Some(identity) = self.identity() else {
            return Ok(());
        };
        match signal::kill(Pid::from_raw(identity.pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(source) => Err(Error::Signal {
                component: self.name.clone(),
                source,
            }),
        }
    }

    /// Asks it to end, and makes it end when it has not within `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<(), Error> {
        if !grace.is_zero() {
            self.signal(Signal::SIGTERM)?;
            self.wait_gone(grace).await;
        }
        self.signal(Signal::SIGKILL)?;
        self.wait_gone(Duration::from_secs(10)).await;
        Ok(())
    }

    async fn wait_gone(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while self.identity().is_some() && Instant::now() < end {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until `check` answers `Ok`; its `Err` says what is still missing.
    pub async fn ready<F, Fut>(&self, limit: Duration, check: F) -> Result<(), Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(), String>>,
    {
        let end = Instant::now() + limit;
        loop {
            let Err(waiting_for) = check().await else {
                return Ok(());
            };
            self.check()?;
            if Instant::now() > end {
                return Err(Error::NotReady {
                    component: self.name.clone(),
                    waiting_for,
                    limit,
                    tail: self.tail(),
                });
            }
            tokio::time::sleep(LOOK_AGAIN * 2).await;
        }
    }

    /// The last lines of its log, cut to a terminal's measure.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<String> = text
            .lines()
            .map(|line| format!("    {}", line.chars().take(300).collect::<String>()))
            .collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_that_fails_shows_the_end_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let launch =
            Launch::new("etcd", "/bin/sh", dir.path()).args(["-c", "echo no room left; exit 3"]);
        let daemon = Daemon::start(&launch).unwrap();
        let failure = daemon
            .ready(Duration::from_secs(5), || async { Err("no answer".into()) })
            .await
            .unwrap_err()
            .to_string();
        assert!(
            failure.contains("etcd ended before it was ready"),
            "{failure}"
        );
        assert!(failure.contains("no room left"), "{failure}");
    }

    #[tokio::test]
    async fn a_daemon_is_found_again_stopped_and_gone() {
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch::new("sleeper", "/bin/sleep", dir.path()).args(["600"]);
        Daemon::start(&launch).unwrap();
        let found = Daemon::named("sleeper", dir.path());
        assert!(found.identity().is_some());
        found.signal(Signal::SIGSTOP).unwrap();
        found.stop(Duration::ZERO).await.unwrap();
        assert_eq!(found.identity(), None);
    }

    #[tokio::test]
    async fn how_it_ended_is_known() {
        let dir = tempfile::tempdir().unwrap();
        for code in [3, 0] {
            // What is asked for is how this one ended, not the one before.
            let script = format!("sleep 0.2; exit {code}");
            let launch = Launch::new("etcd", "/bin/sh", dir.path()).args(["-c", &script]);
            let daemon = Daemon::start(&launch).unwrap();
            while daemon.ended().is_none() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            assert_eq!(daemon.ended(), Some(format!("exit status: {code}")));
        }
    }

    #[test]
    fn another_process_with_the_recorded_id_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let own = Identity::own().unwrap();
        let other = Identity {
            started: own.started + 1,
            ..own
        };
        fs::write(
            dir.path().join("etcd.process"),
            serde_json::to_vec(&other).unwrap(),
        )
        .unwrap();
        assert_eq!(Daemon::named("etcd", dir.path()).identity(), None);
    }
}
