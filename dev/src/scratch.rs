//! A server's folder that leaves nothing behind.
//!
//! In: the beginning of its name. Out: a `Scratch` folder with a watchdog, a process of its own, which ends what works
//! in the folder and removes it once its starter is done with it or has died. Should both die at once, the next start
//! of any server does that ([`sweep`]). It never touches a folder that somebody uses: starter and watchdog hold a lock
//! in it, which the kernel takes back when the last of them ends.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::Uid;
use tempfile::TempDir;

use crate::fleet::outlive;
use crate::progress::say;

/// How the names of `PostgreSQL` servers' folders begin.
pub(crate) const POSTGRES: &str = "tradewind-postgres-";
/// How the names of S3 servers' folders begin.
pub(crate) const S3: &str = "tradewind-s3-";

/// The environment variable that marks every process of a server with its folder. A `PostgreSQL` server's own children
/// write over their environment; they end with it.
pub(crate) const MARK: &str = "TRADEWIND_SCRATCH";

/// The file in the folder that starter and watchdog hold a lock of.
const LOCK: &str = "lock";
/// The same before it is locked.
const UNLOCKED: &str = "lock.new";
/// A folder has its lock within milliseconds; without one for so long, whoever made it is dead.
const MADE_WITHIN: Duration = Duration::from_mins(10);

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
pub(crate) struct Scratch {
    folder: TempDir,
    watchdog: Child,
    /// Held open while the server is wanted.
    wanted: Option<ChildStdin>,
    _lock: File,
}

impl Scratch {
    /// Makes a folder, after those that nobody uses any more were removed.
    pub(crate) fn make(prefix: &str) -> io::Result<Self> {
        sweep();
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let lock = locked(folder.path())?;
        let mut watchdog = watchdog(folder.path(), lock.try_clone()?)
            .stdin(Stdio::piped())
            .spawn()?;
        let wanted = watchdog.stdin.take();
        Ok(Self {
            folder,
            watchdog,
            wanted,
            _lock: lock,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server is not wanted any more.
    pub(crate) fn release(&mut self) {
        drop(self.wanted.take());
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.release();
        let _ = self.watchdog.wait();
    }
}

/// The lock file of a new folder. It bears its name only once it is locked: nobody finds it free before.
fn locked(folder: &Path) -> io::Result<File> {
    let file = File::create_new(folder.join(UNLOCKED))?;
    file.lock()?;
    fs::rename(folder.join(UNLOCKED), folder.join(LOCK))?;
    Ok(file)
}

/// The watchdog, in a process group of its own: a Ctrl-C must not end it before the server. Its standard output, to
/// which it writes nothing, is the lock: so it holds it for as long as it lives.
fn watchdog(folder: &Path, lock: File) -> Command {
    let mut command = Command::new("/bin/sh");
    outlive(&mut command)
        .process_group(0)
        .args(["-c", WATCHDOG, "tradewind-watchdog"])
        .arg(folder)
        .arg(MARK)
        .stdout(lock)
        .stderr(Stdio::null());
    command
}

/// Ends what still works in folders whose starter and watchdog are dead, and removes them.
pub fn sweep() {
    let entries = fs::read_dir(env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ![POSTGRES, S3].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let folder = entry.path();
        match remove_if_unused(&folder, Uid::effective()) {
            Ok(false) => {}
            Ok(true) => say(&format!(
                "removed {}, which a killed run left",
                folder.display()
            )),
            Err(error) => tracing::warn!(%error, folder = %folder.display(), "not removed"),
        }
    }
}

/// Whether the folder was one of this user's that nobody uses, and is gone.
fn remove_if_unused(folder: &Path, user: Uid) -> io::Result<bool> {
    let is_ours = |file: &fs::Metadata| file.uid() == user.as_raw();
    let Ok(made) = fs::symlink_metadata(folder) else {
        return Ok(false); // gone meanwhile
    };
    let lock = File::options()
        .read(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(folder.join(LOCK));
    let lock = match lock {
        Ok(lock) if made.is_dir() && is_ours(&lock.metadata()?) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_ours(&made) => {
            let old = made
                .modified()?
                .elapsed()
                .is_ok_and(|age| age > MADE_WITHIN);
            return Ok(old && remove_unmade(folder));
        }
        // Another user's, or gone meanwhile.
        Ok(_) | Err(_) => return Ok(false),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    watchdog(folder, lock).stdin(Stdio::null()).status()?;
    Ok(!folder.exists())
}

/// Removes a folder that never got its lock; one that holds anything else stays.
fn remove_unmade(folder: &Path) -> bool {
    // Mostly there is none.
    let _ = fs::remove_file(folder.join(UNLOCKED));
    fs::remove_dir(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    /// A folder of that age.
    fn aged(base: &Path, name: &str, files: &[&str], age: Duration) -> std::path::PathBuf {
        let folder = base.join(name);
        fs::create_dir(&folder).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        let then = SystemTime::now() - age;
        File::open(&folder).unwrap().set_modified(then).unwrap();
        folder
    }

    #[test]
    fn what_is_being_made_or_holds_what_has_no_lock_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let (young, old) = (Duration::from_secs(1), MADE_WITHIN * 2);
        for (name, files, age, goes) in [
            ("young", &[][..], young, false),
            ("young-unlocked", &[UNLOCKED], young, false),
            ("old", &[], old, true),
            ("old-unlocked", &[UNLOCKED], old, true),
            ("somebodys", &["data"], old, false),
            ("dead", &[LOCK, "data"], young, true),
        ] {
            let folder = aged(base.path(), name, files, age);
            assert_eq!(
                remove_if_unused(&folder, Uid::effective()).unwrap(),
                goes,
                "{name}"
            );
            assert_eq!(folder.exists(), !goes, "{name}");
        }
        let link = base.path().join("link");
        let target = aged(base.path(), "target", &[LOCK], old);
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(!remove_if_unused(&link, Uid::effective()).unwrap());
        assert!(link.exists() && target.join(LOCK).exists());
    }

    #[test]
    fn a_folder_is_unused_once_starter_and_watchdog_are_both_dead() {
        let base = tempfile::tempdir().unwrap();
        let folder = aged(base.path(), "folder", &[], Duration::ZERO);
        let starter = locked(&folder).unwrap();
        let mut watchdog = watchdog(&folder, starter.try_clone().unwrap())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(
            !remove_if_unused(&folder, Uid::effective()).unwrap(),
            "both live"
        );
        drop(starter);
        assert!(
            !remove_if_unused(&folder, Uid::effective()).unwrap(),
            "the watchdog lives"
        );
        watchdog.kill().unwrap();
        watchdog.wait().unwrap();
        // A process that another test starts has a copy of the lock until it runs its own program.
        let limit = Instant::now() + Duration::from_secs(30);
        while !remove_if_unused(&folder, Uid::effective()).unwrap() {
            assert!(Instant::now() < limit, "nobody lives");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!folder.exists());
    }

    #[test]
    fn the_folder_of_another_user_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let another = Uid::from_raw(Uid::effective().as_raw() + 1);
        for files in [&[LOCK][..], &[]] {
            let folder = aged(base.path(), "folder", files, MADE_WITHIN * 2);
            assert!(!remove_if_unused(&folder, another).unwrap());
            assert!(remove_if_unused(&folder, Uid::effective()).unwrap());
        }
    }
}
