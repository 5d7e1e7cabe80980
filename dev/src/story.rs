//! The whole story on real local clusters: what `make up` does, in steps that tests use one by one.
//!
//! In: a checkout. Out: a fleet with databases, peers, the operator and `examples/quickstart/`, and what a user would
//! want to see. Each step may be run again: it finishes what an interrupted one left.

mod clusters;
pub mod install;
pub mod officers;
pub mod peers;
pub mod programs;
pub mod quickstart;
pub mod settle;
mod show;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    build,
    fleet::{self, Fleet, HUB},
    postgres, process,
    progress::{Progress, say},
    serve, setup,
};

/// Why the story stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine lacks something.
    #[error("setting the machine up")]
    Setup(#[from] setup::Error),
    /// A Go program could not be built.
    #[error("building the clusters' programs")]
    Programs(#[from] build::Error),
    /// The clusters.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// A process.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// PostgreSQL.
    #[error("running PostgreSQL")]
    Postgres(#[from] postgres::Error),
    /// A peer.
    #[error("running a peer")]
    Peer(#[from] serve::Error),
    /// The image.
    #[error("making the agent's image")]
    Image(#[from] crate::image::Error),
    /// The S3 server.
    #[error(transparent)]
    ObjectStore(#[from] crate::objectstore::Error),
    /// A file.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Cargo failed.
    #[error("`{command}` failed; its own output says why")]
    Build {
        /// The command.
        command: String,
    },
    /// kubectl's answer was not JSON.
    #[error("the answer about {what} is not JSON")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The world did not become what it should be.
    #[error("{what}: not so after {} s: {missing}", limit.as_secs())]
    Waited {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was missing at the end.
        missing: String,
    },
    /// The examples changed and the story did not.
    #[error(
        "examples/quickstart no longer names `{missing}`: the story replaces it by an address of this machine"
    )]
    Example {
        /// What is missing.
        missing: String,
    },
    /// Pods are the point of the story.
    #[error("the story runs pods, and here none would run: {why}")]
    NoNodes {
        /// The reason, and what would change it.
        why: String,
    },
    /// The fleet of this name is made of something else than what would be chosen now.
    #[error(
        "the fleet `{name}` is made of {is}, and now it would be {would}: set the environment as it was, \
         stop it (`dev down --name {name}`), or choose another name"
    )]
    Another {
        /// The fleet.
        name: String,
        /// What it is made of.
        is: String,
        /// What would be chosen.
        would: String,
    },
}

/// The result of a step.
pub type Result<T> = std::result::Result<T, Error>;

/// How long the quickstart may take to become ready.
const READY: Duration = Duration::from_mins(10);

/// The fleet that is meant when none is named.
pub const DEFAULT_FLEET: &str = "tradewind";

/// The whole story.
#[derive(Args, Debug)]
pub struct Up {
    /// The fleet's name
    #[arg(long, default_value = DEFAULT_FLEET)]
    pub name: String,
    /// Stop after the quickstart is ready: no webhook, feed or retention
    #[arg(long)]
    pub only_start: bool,
}

impl Up {
    /// Runs it.
    pub async fn run(self) -> Result<ExitCode> {
        let begun = Instant::now();
        let stage = Stage::set(&self.name).await?;
        stage.apply_quickstart().await?;
        if !self.only_start {
            show::story(&stage).await?;
        }
        show::go_on(&stage);
        say(&format!("done in {:.0} s", begun.elapsed().as_secs_f64()));
        Ok(ExitCode::SUCCESS)
    }
}

/// A fleet with everything that the story needs.
#[derive(Debug)]
pub struct Stage {
    /// The clusters.
    pub fleet: Fleet,
    /// The peers' addresses and keys.
    pub info: peers::Info,
    /// The operator.
    pub operator: programs::Operator,
    /// How it was started.
    pub spec: programs::OperatorSpec,
}

impl Stage {
    /// Sets the stage, or what is missing of it.
    pub async fn set(name: &str) -> Result<Self> {
        let fleet = clusters::ensure(name).await?;
        Self::on(fleet, &[], &[]).await
    }

    /// Sets the stage on clusters that run, with more arguments for the operator, and with a newer PostgreSQL than Debian's in
    /// the `newer` regions.
    pub async fn on(fleet: Fleet, operator_args: &[&str], newer: &[&str]) -> Result<Self> {
        if !fleet.has_nodes() {
            return Err(clusters::without_nodes(&fleet));
        }
        let checkout = programs::checkout();
        let step = Progress::start("building tradewind and tradewind-agent");
        let built = programs::build(&checkout).await?;
        step.done("built");
        let step = Progress::start("databases, object store, merchant and sink");
        let (info, image) = futures::try_join!(peers::ensure(&fleet, newer), async {
            Ok(fleet.load_binary("tradewind-agent", &built.agent).await?)
        })?;
        step.done("running");
        let step = Progress::start("CRDs and the chart's rules");
        install::install(&fleet, &checkout).await?;
        officers::admit(&fleet, &checkout).await?;
        quickstart::secrets(&fleet, &info).await?;
        step.done("installed");
        let spec = programs::OperatorSpec {
            name: "operator".into(),
            program: built.operator,
            image,
            args: operator_args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        let step = Progress::start("the operator");
        let operator = programs::ensure_operator(&fleet, &spec).await?;
        step.done(&format!("ready at http://{}", operator.address));
        Ok(Self {
            fleet,
            info,
            operator,
            spec,
        })
    }

    /// Applies the quickstart and waits until it is ready.
    pub async fn apply_quickstart(&self) -> Result<()> {
        let manifests = quickstart::manifests(&programs::checkout(), &self.info)?;
        let manifests = quickstart::with_api_servers(manifests, &self.fleet)?;
        install::write_private(&self.fleet.dir().join("quickstart.yaml"), &manifests)?;
        let step = Progress::start("examples/quickstart");
        install::apply(&self.fleet.cluster(HUB)?, &manifests).await?;
        quickstart::ready(&self.fleet, READY).await?;
        step.done("every resource is ready");
        Ok(())
    }
}
