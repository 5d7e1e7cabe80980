//! The commands of `dev`, each a few calls of the library.

use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tradewind_dev::{
    build::{self, What},
    choice::Machinery,
    fleet::{self, Fleet, FleetSpec, Lifetime},
    progress::say,
    scratch,
    serve::Serve,
    setup,
    story::DEFAULT_FLEET,
};

pub(crate) type Done = Result<ExitCode, Box<dyn Error>>;

pub(crate) const EXAMPLES: &str = "\
Examples:
  dev setup                                     install what the machine lacks
  dev start                                     a hub, eu-west and us-east, with nodes
  dev start --name try --regions eu-west        another fleet beside it
  dev start --foreground                        ends with Ctrl-C
  dev start --no-nodes                          API only: quicker, pods do not run
  dev kubectl eu-west -- get pods -A
  dev down --all

Environment:
  TRADEWIND_CACHE         built programs [default: ~/.cache/tradewind]
  TRADEWIND_RUN           run directories [default: /tmp/tradewind-<uid>]
  TRADEWIND_KUBECONFIGS   use existing clusters: hub=path,eu-west=path
  TRADEWIND_HOST_ADDRESS  with existing clusters: this host as their pods reach it; `dev up` needs it
  TRADEWIND_IMAGE_LOADED  with existing clusters: 1 says that the images are on their nodes
  KUBEBUILDER_ASSETS      use this etcd and kube-apiserver; API only";

/// An error with its causes, once each.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) async fn serve(serve: Serve) -> Done {
    serve.run().await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn setup() -> Done {
    setup::setup(&setup::Part::ALL).await?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Args)]
pub(crate) struct Build {
    /// What to build [default: control-plane and node, which `dev start` needs]
    #[arg(long, value_enum, value_delimiter = ',')]
    what: Vec<What>,
}

impl Build {
    pub(crate) async fn run(self) -> Done {
        let wanted = if self.what.is_empty() {
            vec![What::ControlPlane, What::Node]
        } else {
            self.what
        };
        let binaries = build::build(&wanted).await?;
        say(&format!("programs: {}", binaries.dir().display()));
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(crate) struct Start {
    /// The fleet's name
    #[arg(long, default_value = DEFAULT_FLEET)]
    name: String,
    /// The regional clusters
    #[arg(long, value_delimiter = ',', default_value = "eu-west,us-east")]
    regions: Vec<String>,
    /// Start no nodes: the API only
    #[arg(long)]
    no_nodes: bool,
    /// Stay in front: the fleet ends with this command, on Ctrl-C or however it ends
    #[arg(long)]
    foreground: bool,
}

impl Start {
    pub(crate) async fn run(self) -> Done {
        let fleet = Fleet::start(FleetSpec {
            name: self.name,
            regions: self.regions,
            nodes: !self.no_nodes,
            lifetime: if self.foreground {
                Lifetime::Owned
            } else {
                Lifetime::UntilStopped
            },
        })
        .await?;
        let mut out = io::stdout();
        for cluster in fleet.clusters() {
            let kubeconfig = cluster.kubeconfig_admin();
            writeln!(
                out,
                "{}: export KUBECONFIG={}",
                cluster.name(),
                kubeconfig.display()
            )?;
        }
        writeln!(out, "stop it: dev down --name {}", fleet.name())?;
        if self.foreground {
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted?,
                _ = terminated.recv() => {}
            }
            fleet.stop().await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(crate) struct Down {
    /// The fleet to stop
    #[arg(long, default_value = DEFAULT_FLEET, conflicts_with = "all")]
    name: String,
    /// Stop every fleet, those that crashed included
    #[arg(long)]
    all: bool,
}

impl Down {
    pub(crate) async fn run(self) -> Done {
        let names = if self.all {
            Fleet::all().into_iter().map(|fleet| fleet.name).collect()
        } else {
            vec![self.name]
        };
        if names.is_empty() {
            say("no fleet is running");
        }
        let mut code = ExitCode::SUCCESS;
        // One that cannot be stopped must not keep the others.
        for name in names {
            match stop(&name).await {
                Ok(()) => say(&format!("stopped {name}")),
                Err(error) => {
                    say(&format!("error: {}", chain(&error)));
                    code = ExitCode::FAILURE;
                }
            }
        }
        // Of runs that were killed together with what cleans up after them.
        scratch::sweep();
        Ok(code)
    }
}

async fn stop(name: &str) -> Result<(), fleet::Error> {
    let fleet = Fleet::attach(name)?;
    if let Machinery::Existing(_) = fleet.machinery() {
        say(&format!(
            "{name}: what was applied to the existing clusters stays there"
        ));
    }
    fleet.stop().await
}

pub(crate) fn status() -> Done {
    let mut out = io::stdout().lock();
    for record in Fleet::all() {
        let fleet = Fleet::attach(&record.name)?;
        let state = if record.is_abandoned() {
            ", its owner is dead"
        } else {
            ""
        };
        let pods = if record.nodes {
            "with nodes"
        } else {
            "API only"
        };
        writeln!(
            out,
            "{} ({pods}{state}) in {}",
            record.name,
            record.dir.display()
        )?;
        for cluster in fleet.clusters() {
            let kubeconfig: PathBuf = cluster.kubeconfig_admin();
            writeln!(
                out,
                "  {}: {}, KUBECONFIG={}",
                cluster.name(),
                cluster.state(),
                kubeconfig.display()
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Args)]
pub(crate) struct Kubectl {
    /// The fleet
    #[arg(long, default_value = DEFAULT_FLEET)]
    name: String,
    /// The cluster: `hub` or a region
    cluster: String,
    /// kubectl's own arguments; `--` before them keeps dev's options apart
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Kubectl {
    pub(crate) async fn run(self) -> Done {
        let cluster = Fleet::attach(&self.name)?.cluster(&self.cluster)?;
        let status = cluster.kubectl_command().args(&self.args).status().await?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(1)))
    }
}
