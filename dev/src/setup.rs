//! What the machine itself must have: Debian packages.
//! In: the machine. Out: what was missing, installed if we may. Touches nothing that is there already.

use std::{io, path::Path};

use tokio::process::Command;

use crate::{paths, postgres, progress::say};

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

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Databases and the agent's image.
    Story,
    /// Clusters of our own whose pods run.
    Nodes,
    /// The tests, beyond what they start.
    Tests,
}

impl Part {
    /// Everything.
    pub const ALL: [Self; 3] = [Self::Story, Self::Nodes, Self::Tests];
}

/// A Debian package and the sign that it is there.
struct Package {
    name: &'static str,
    purpose: &'static str,
    part: Part,
    is_there: fn() -> bool,
}

const POSTGRESQL: &str = "postgresql";

const PACKAGES: [Package; 11] = [
    Package {
        name: POSTGRESQL,
        purpose: "the regions' databases",
        part: Part::Story,
        is_there: postgres::is_installed,
    },
    Package {
        name: "ca-certificates",
        purpose: "the agent's image",
        part: Part::Story,
        is_there: || Path::new("/etc/ssl/certs/ca-certificates.crt").is_file(),
    },
    Package {
        name: "runc",
        purpose: "running containers",
        part: Part::Nodes,
        is_there: || has(&["runc"]),
    },
    Package {
        name: "iproute2",
        purpose: "the nodes' network",
        part: Part::Nodes,
        is_there: || has(&["ip"]),
    },
    Package {
        name: "util-linux",
        purpose: "the nodes' mount namespaces, and locks",
        part: Part::Nodes,
        is_there: || has(&["unshare", "nsenter", "flock"]),
    },
    Package {
        name: "mount",
        purpose: "the nodes' own folders",
        part: Part::Nodes,
        is_there: || has(&["mount"]),
    },
    Package {
        name: "git",
        purpose: "the repository's own rules",
        part: Part::Tests,
        is_there: || has(&["git"]),
    },
    Package {
        name: "openssl",
        purpose: "a second opinion on signatures",
        part: Part::Tests,
        is_there: || has(&["openssl"]),
    },
    Package {
        name: "chromium",
        purpose: "looking at reports",
        part: Part::Tests,
        is_there: || has(&["chromium"]),
    },
    Package {
        name: "npm",
        purpose: "a newer PostgreSQL",
        part: Part::Tests,
        is_there: || has(&["npm"]),
    },
    Package {
        name: "procps",
        purpose: "tests that kill",
        part: Part::Tests,
        is_there: || has(&["kill"]),
    },
];

/// Debian's package makes a cluster and starts it, for nobody here. It asks this file, which its other package brings:
/// the line is there while the server is installed, and not afterwards. An answer that somebody gave stays.
const WITHOUT_DEFAULT_CLUSTER: &str = r#": install postgresql without a cluster
conf=/etc/postgresql-common/createcluster.conf
line="create_main_cluster = false # while Tradewind's dev installs"
apt-get install -y -qq --no-install-recommends postgresql-common || exit
grep -q '^ *create_main_cluster' "$conf" || echo "$line" >>"$conf" || exit
apt-get install -y -qq --no-install-recommends postgresql
done=$?
left=$(grep -vxF "$line" "$conf") && printf '%s\n' "$left" >"$conf"
exit $done"#;

fn has(programs: &[&str]) -> bool {
    programs
        .iter()
        .all(|program| paths::program(program).is_some())
}

fn missing(parts: &[Part]) -> Vec<&'static Package> {
    PACKAGES
        .iter()
        .filter(|package| parts.contains(&package.part) && !(package.is_there)())
        .collect()
}

/// Whether a node can start here; the error says what is missing and how to get it.
pub fn check_nodes() -> Result<(), Error> {
    let missing: Vec<&str> = missing(&[Part::Nodes])
        .iter()
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
pub async fn setup(parts: &[Part]) -> Result<(), Error> {
    let missing = missing(parts);
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
    let mut names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let all = names.join(", ");
    let prefix = prefix(&names).await?;
    run(prefix, &["apt-get", "update", "-qq"]).await?;
    if names.contains(&POSTGRESQL) {
        run(prefix, &["sh", "-c", WITHOUT_DEFAULT_CLUSTER]).await?;
        names.retain(|name| *name != POSTGRESQL);
    }
    if !names.is_empty() {
        // Without the recommended packages: runc's bring a daemon.
        let install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
        run(prefix, &[&install, names.as_slice()].concat()).await?;
    }
    say(&format!("machine: installed {all}"));
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

async fn run(prefix: &[&str], words: &[&str]) -> Result<(), Error> {
    // By `env`: sudo keeps no variable of ours.
    let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive"], words].concat();
    // Of a script, its first line.
    let command = words
        .join(" ")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let output = Command::new(words[0])
        .args(&words[1..])
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
