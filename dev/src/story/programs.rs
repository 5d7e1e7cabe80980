//! The product itself: built from the checkout, its agent made into an image, its operator started on this machine.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Error, Result, install};
use crate::{
    fleet::Fleet,
    process::{Daemon, Launch},
};

/// The two binaries.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `tradewind`.
    pub operator: PathBuf,
    /// `tradewind-agent`.
    pub agent: PathBuf,
}

/// The checkout that this program was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let dev = Path::new(env!("CARGO_MANIFEST_DIR"));
    dev.parent().unwrap_or(dev).to_owned()
}

/// Builds both binaries, unless they are fresh: like every other target of this checkout, unoptimised and with both
/// features, so that nothing is compiled twice. What ships has its own feature alone; `make features` compiles that.
pub async fn build(checkout: &Path) -> Result<Programs> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = tokio::process::Command::new(cargo);
    command
        .args(["build", "-q", "--workspace", "--bins"])
        .current_dir(checkout);
    // What Cargo told the test that calls us about its package: a build script that looks at such a variable (ring's)
    // would run again, and all that depends on it be compiled again, each time that somebody else calls.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_the_caller(name)) {
        command.env_remove(name);
    }
    let status = command.status().await.map_err(|source| Error::File {
        path: checkout.into(),
        source,
    })?;
    if !status.success() {
        return Err(Error::Build {
            command: "cargo build --bins".into(),
        });
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout.join("target"), PathBuf::from);
    Ok(Programs {
        operator: target.join("debug/tradewind"),
        agent: target.join("debug/tradewind-agent"),
    })
}

/// Whether Cargo sets it for the one package that it builds or runs.
fn is_of_the_caller(name: &OsStr) -> bool {
    let of_package = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
    ];
    name.to_str().is_some_and(|name| {
        of_package.iter().any(|prefix| name.starts_with(prefix))
            || ["CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"].contains(&name)
    })
}

/// How an operator is started.
#[derive(Clone, Debug)]
pub struct OperatorSpec {
    /// The name of its process, log and record.
    pub name: String,
    /// The `tradewind` binary.
    pub program: PathBuf,
    /// The agent's image.
    pub image: String,
    /// More arguments of `tradewind run`.
    pub args: Vec<String>,
}

/// A started operator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The process.
    pub daemon: Daemon,
    /// Where it serves `/healthz`, `/readyz` and `/metrics`.
    pub address: String,
}

/// Starts the operator on this machine with the hub's ServiceAccount, and waits until it is ready.
pub async fn start_operator(fleet: &Fleet, spec: &OperatorSpec) -> Result<Operator> {
    let operator = launch_operator(fleet, spec)?;
    let url = format!("http://{}/readyz", operator.address);
    let client = reqwest::Client::new();
    operator
        .daemon
        .ready(Duration::from_mins(3), || async {
            let answer = client
                .get(&url)
                .send()
                .await
                .map_err(|_| "no answer yet".to_owned())?;
            if answer.status().is_success() {
                return Ok(());
            }
            Err(answer.text().await.unwrap_or_default())
        })
        .await?;
    Ok(operator)
}

/// Starts the operator without waiting for it.
pub fn launch_operator(fleet: &Fleet, spec: &OperatorSpec) -> Result<Operator> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::File {
            path: "127.0.0.1".into(),
            source,
        })?
        .port();
    let address = format!("127.0.0.1:{port}");
    let (mark, folder) = fleet.mark();
    let kubeconfig = fleet.dir().join(install::HUB_KUBECONFIG);
    let mut args = vec![
        "run".to_owned(),
        format!("--fleet={}", fleet.name()),
        format!("--namespace={}", install::SYSTEM),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--image={}", spec.image),
        "--image-pull-policy=Never".to_owned(),
        format!("--listen={address}"),
        "--log-format=human".to_owned(),
    ];
    args.extend(spec.args.iter().cloned());
    let launch = Launch::new(&spec.name, &spec.program, fleet.dir())
        .args(args)
        .env(mark, folder)
        .env(
            "RUST_LOG",
            std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into()),
        );
    Ok(Operator {
        daemon: Daemon::start(&launch)?,
        address,
    })
}

/// The fleet's operator: the one that runs, or a new one when there is none or the program or image is another.
pub async fn ensure_operator(fleet: &Fleet, spec: &OperatorSpec) -> Result<Operator> {
    let note = fleet.dir().join(format!("{}.address", spec.name));
    let daemon = Daemon::named(&spec.name, fleet.dir());
    let wanted = format!("{:?} {:?}", spec, modified(&spec.program));
    if daemon.identity().is_some() {
        let there = std::fs::read_to_string(&note).unwrap_or_default();
        if let Some((address, was)) = there.split_once('\n')
            && was == wanted
        {
            return Ok(Operator {
                daemon,
                address: address.to_owned(),
            });
        }
        daemon.stop(Duration::from_secs(20)).await?;
    }
    let operator = start_operator(fleet, spec).await?;
    install::write_private(&note, &format!("{}\n{wanted}", operator.address))?;
    Ok(operator)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_one_package_is_the_callers() {
        for theirs in [
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "CARGO_BIN_EXE_dev",
            "OUT_DIR",
        ] {
            assert!(is_of_the_caller(OsStr::new(theirs)), "{theirs}");
        }
        for ours in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_INCREMENTAL",
            "CARGO_PROFILE_DEV_DEBUG",
            "PATH",
        ] {
            assert!(!is_of_the_caller(OsStr::new(ours)), "{ours}");
        }
    }
}
