//! The end of a fleet: one script, run by whoever stops it, and by a watcher when its owner dies.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{ChildStdin, Command, Output, Stdio},
};

use super::{Error, record::Record};

const SCRIPT: &str = include_str!("sweep.sh");

fn command(record: &Record) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "sweep"])
        .arg(&record.dir)
        .arg(record.slot.number().to_string())
        // A mark that we inherited would make the script end itself.
        .env_remove(super::MARK)
        .current_dir("/");
    command
}

/// Stops everything of the fleet and removes what it leaves.
pub(super) async fn sweep(record: &Record) -> Result<(), Error> {
    let output = tokio::process::Command::from(command(record))
        .output()
        .await;
    verdict(record, output)
}

/// The same where nothing can be awaited; what is left is said.
pub(super) fn sweep_now(record: &Record) {
    if let Err(error) = verdict(record, command(record).output()) {
        tracing::error!(%error, "a fleet was not stopped whole");
    }
}

fn verdict(record: &Record, output: io::Result<Output>) -> Result<(), Error> {
    let left = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::Sweep {
        name: record.name.clone(),
        output: left,
    })
}

/// A process that sweeps when ours ends, however it ends: the kernel closes our end of its standard input.
#[derive(Debug)]
pub(super) struct Watch {
    _held: Option<ChildStdin>,
}

impl Watch {
    pub(super) fn start(record: &Record) -> Result<Self, Error> {
        let mut watcher = command(record)
            .arg("watch")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in our process group: Ctrl-C must not end it.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::RunDir {
                dir: record.dir.clone(),
                source,
            })?;
        Ok(Self {
            _held: watcher.stdin.take(),
        })
    }
}
