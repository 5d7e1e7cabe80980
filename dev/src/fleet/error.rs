//! Why a fleet cannot be started, used or stopped.

use std::{io, path::PathBuf};

use super::{pki, slot};
use crate::{build, choice, image, process, setup};

/// Why a fleet cannot be started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name would not do as a folder, an interface or a node.
    #[error(
        "`{name}` cannot name a {what}: use 1 to 40 lower-case letters, digits and dashes, beginning with a letter"
    )]
    Name {
        /// The name.
        name: String,
        /// A fleet or a cluster.
        what: &'static str,
    },
    /// Two clusters of one name.
    #[error("the cluster `{name}` is named twice (`hub` is always there)")]
    Twice {
        /// The name.
        name: String,
    },
    /// Too many clusters.
    #[error("a fleet has at most {limit} clusters, the hub included")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// There is one already.
    #[error(
        "the fleet `{name}` is there already: `dev down --name {name}` stops it, or choose another name"
    )]
    Exists {
        /// The name.
        name: String,
    },
    /// There is none of this name.
    #[error("no fleet `{name}` is running{}", running(there))]
    NoFleet {
        /// The name.
        name: String,
        /// Those there are.
        there: Vec<String>,
    },
    /// The fleet has no such cluster.
    #[error("the fleet has no cluster `{name}`, only {}", there.join(", "))]
    NoCluster {
        /// The name.
        name: String,
        /// Those it has.
        there: Vec<String>,
    },
    /// Of existing clusters nobody but their owner knows how their pods reach this machine.
    #[error(
        "set `TRADEWIND_HOST_ADDRESS` to an address of this machine that the pods of the existing clusters reach{} \
         (for kind and k3d, the gateway of their Docker network: `docker network inspect kind`)",
        given.as_ref().map(|given| format!("; `{given}` is none")).unwrap_or_default()
    )]
    HostAddress {
        /// What it is set to.
        given: Option<String>,
    },
    /// The run directory hides behind the nodes' own folders.
    #[error("fleets cannot be kept in {}: nodes have their own `/run`, `/var/lib` and `/var/log`; set `TRADEWIND_RUN` to another folder", dir.display())]
    Hidden {
        /// The folder.
        dir: PathBuf,
    },
    /// The run directory cannot be used.
    #[error("cannot keep the fleet in {}", dir.display())]
    RunDir {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A cluster's files cannot be read or written, or a program of it cannot be run.
    #[error("cluster {cluster}: cannot use its files or programs")]
    Files {
        /// The cluster.
        cluster: String,
        /// Why not.
        source: io::Error,
    },
    /// A cluster did not start.
    #[error("cluster {cluster} did not start")]
    Start {
        /// The cluster.
        cluster: String,
        /// Why not.
        source: Box<Error>,
    },
    /// Certificates could not be made.
    #[error("cluster {cluster}: no certificates")]
    Certificates {
        /// The cluster.
        cluster: String,
        /// Why not.
        source: pki::Error,
    },
    /// A component that is needed is not running.
    #[error("cluster {cluster}: {component} is not running")]
    NotRunning {
        /// The cluster.
        cluster: String,
        /// The component.
        component: &'static str,
    },
    /// The node refused the image.
    #[error("cluster {cluster}: cannot load the image {image}: {output}")]
    Load {
        /// The cluster.
        cluster: String,
        /// The image.
        image: String,
        /// What the loading program said.
        output: String,
    },
    /// Nobody loaded the image into an existing cluster's nodes.
    #[error("cluster {cluster}: its nodes still lack the image {image} ({}): {how}", archive.display())]
    LoadYourself {
        /// The cluster.
        cluster: String,
        /// The image.
        image: String,
        /// The image as a file.
        archive: PathBuf,
        /// What to do.
        how: String,
    },
    /// `kubectl port-forward` did not begin.
    #[error("cluster {cluster}: `kubectl port-forward` to {target} does not begin: {output}")]
    Forward {
        /// The cluster.
        cluster: String,
        /// Where to.
        target: String,
        /// What it said.
        output: String,
    },
    /// The cluster has an API only.
    #[error("cluster {cluster} has no node: pods do not run in an API-only fleet")]
    NoNode {
        /// The cluster.
        cluster: String,
    },
    /// An existing cluster's API server is not ours to stop.
    #[error("cluster {cluster} is not ours: its API server cannot be stopped or frozen from here")]
    NotOurs {
        /// The cluster.
        cluster: String,
    },
    /// `kubectl` failed.
    #[error("cluster {cluster}: `kubectl {command}` failed: {output}")]
    Kubectl {
        /// The cluster.
        cluster: String,
        /// Its arguments.
        command: String,
        /// What it said.
        output: String,
    },
    /// An existing kubeconfig names no server or no authority.
    #[error("cluster {cluster}: its kubeconfig has no server with a certificate authority")]
    NoAuthority {
        /// The cluster.
        cluster: String,
    },
    /// Something of the fleet would not go.
    #[error("cannot stop the fleet `{name}`: {output}")]
    Sweep {
        /// The fleet.
        name: String,
        /// What is left.
        output: String,
    },
    /// Nothing could be chosen to make clusters of.
    #[error("no clusters")]
    Choice(#[from] choice::Error),
    /// The machine lacks what a node needs.
    #[error("no nodes")]
    Machine(#[from] setup::Error),
    /// A program could not be built.
    #[error("no programs")]
    Build(#[from] build::Error),
    /// No slot.
    #[error("no addresses and ports")]
    Slot(#[from] slot::Error),
    /// An image could not be made.
    #[error("no image")]
    Image(#[from] image::Error),
    /// A component did not start.
    #[error(transparent)]
    Process(#[from] process::Error),
}

fn running(there: &[String]) -> String {
    if there.is_empty() {
        String::new()
    } else {
        format!("; there are: {}", there.join(", "))
    }
}
