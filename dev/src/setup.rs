//! What the machine itself must have: Debian packages.
//! In: the machine. Out: what was missing, installed if we may. Touches nothing that is there already.

use std::{io, path::Path};

use tokio::process::Command;

use crate::{paths, progress::say};

/// Why the machine is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not Debian, or no way to install.
    #[error("this machine lacks {missing}: install it ({hint})")]
    Lacking {
        /// What is missing.
        missing: String,
        /// The command to run.
        hint: String,
    },
    /// Installing did not work.
    #[error("`{command}` failed; the end of its output:\n{tail}")]
    Install {
        /// The command.
        command: String,
        /// Its last words.
        tail: String,
    },
    /// The installer could not be run.
    #[error("cannot run `{command}`")]
    Run {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
}

/// A Debian package and the sign that it is there.
struct Package {
    name: &'static str,
    purpose: &'static str,
    /// Whether a node cannot start without it.
    nodes: bool,
    is_there: fn() -> bool,
}

const PACKAGES: [Package; 5] = [
    Package {
        name: "postgresql",
        purpose: "the regions' databases",
        nodes: false,
        is_there: || Path::new("/usr/lib/postgresql").is_dir(),
    },
    Package {
        name: "runc",
        purpose: "running containers",
        nodes: true,
        is_there: || paths::program("runc").is_some(),
    },
    Package {
        name: "iproute2",
        purpose: "the nodes' network",
        nodes: true,
        is_there: || paths::program("ip").is_some(),
    },
    Package {
        name: "util-linux",
        purpose: "the nodes' mount namespaces",
        nodes: true,
        is_there: || paths::program("unshare").is_some() && paths::program("nsenter").is_some(),
    },
    Package {
        name: "ca-certificates",
        purpose: "the agent's image",
        nodes: false,
        is_there: || Path::new("/etc/ssl/certs/ca-certificates.crt").is_file(),
    },
];

/// Whether a node can start here; the error says what is missing and how to get it.
pub fn check_nodes() -> Result<(), Error> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|package| package.nodes && !(package.is_there)())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Lacking {
        missing: missing.join(", "),
        hint: "`dev setup` does it on Debian".into(),
    })
}

/// Installs what is missing and says so; as root, or with `sudo` that asks for nothing.
pub async fn setup() -> Result<(), Error> {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| !(package.is_there)())
        .collect();
    if missing.is_empty() {
        say("machine: nothing is missing");
        return Ok(());
    }
    for package in &missing {
        say(&format!(
            "machine: {} is missing ({})",
            package.name, package.purpose
        ));
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let prefix = prefix(&names).await?;
    apt(prefix, &["update", "-qq"]).await?;
    // Without the recommended packages: runc's bring a daemon.
    let install = [
        &["install", "-y", "-qq", "--no-install-recommends"],
        names.as_slice(),
    ]
    .concat();
    apt(prefix, &install).await?;
    say(&format!("machine: installed {}", names.join(", ")));
    Ok(())
}

/// What makes us root: nothing, or `sudo`.
async fn prefix(names: &[&str]) -> Result<&'static [&'static str], Error> {
    let lacking = |hint: String| Error::Lacking {
        missing: names.join(", "),
        hint,
    };
    if paths::program("apt-get").is_none() {
        return Err(lacking("these are Debian's names of the packages".into()));
    }
    if nix::unistd::geteuid().is_root() {
        return Ok(&[]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).output().await;
    if sudo.is_ok_and(|done| done.status.success()) {
        return Ok(&["sudo", "-n"]);
    }
    Err(lacking(format!(
        "sudo apt-get install --no-install-recommends {}",
        names.join(" ")
    )))
}

async fn apt(prefix: &[&str], args: &[&str]) -> Result<(), Error> {
    let words = [prefix, &["apt-get"], args].concat();
    let command = words.join(" ");
    let output = Command::new(words[0])
        .args(&words[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .await
        .map_err(|source| Error::Run {
            command: command.clone(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(Error::Install { command, tail })
}
