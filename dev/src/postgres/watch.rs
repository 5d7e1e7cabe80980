//! Who ends a server, and its making, when its starter has died: a process of its own.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::{Result, install};
use crate::fleet::outlive;

/// The environment variable that marks every process of a server with its folder. The server's own children write
/// over their environment; they end with it.
pub(super) const MARK: &str = "TRADEWIND_POSTGRES";

/// Waits until its standard input ends (its starter stopped the server, or died), then stops what has the mark at once
/// and removes the folder and the shared memory that a server or `initdb` stopped so abruptly leaves. Arguments: the
/// folder, the mark. A fleet's sweep waits 15 s for it.
const WATCHDOG: &str = r#"trap '' INT HUP TERM
cat >/dev/null
shared=
tries=100
while [ $tries -gt 0 ]; do
    alive=$(grep -lzxsF "$2=$1" /proc/[0-9]*/environ | cut -d/ -f3)
    [ -n "$alive" ] || break
    for pid in $alive; do
        shared="$shared $(grep -hos '/dev/shm/PostgreSQL[.][0-9]*' "/proc/$pid/maps" | sort -u)"
    done
    if [ $tries -gt 20 ]; then signal=QUIT; else signal=KILL; fi
    kill -$signal $alive 2>/dev/null
    sleep 0.1
    tries=$((tries - 1))
done
rm -f $shared
# Again while the last of them still writes.
tries=30
until rm -rf -- "$1" || [ $tries -eq 0 ]; do sleep 0.1; tries=$((tries - 1)); done"#;

/// A folder and its watchdog. Dropped, it waits until both are gone.
#[derive(Debug)]
pub(super) struct Watch {
    folder: TempDir,
    watchdog: Child,
    /// Held open while the server is wanted.
    wanted: Option<ChildStdin>,
}

impl Watch {
    /// Starts the watchdog, in a process group of its own: a Ctrl-C must not end it before the server.
    pub(super) fn start(folder: TempDir) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        let mut watchdog = outlive(&mut command)
            .process_group(0)
            .args(["-c", WATCHDOG, "tradewind-postgres-watchdog"])
            .arg(folder.path())
            .arg(MARK)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| install::spawning(Path::new("/bin/sh"), source))?;
        let wanted = watchdog.stdin.take();
        Ok(Self {
            folder,
            watchdog,
            wanted,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server is not wanted any more.
    pub(super) fn release(&mut self) {
        drop(self.wanted.take());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.release();
        let _ = self.watchdog.wait();
    }
}
