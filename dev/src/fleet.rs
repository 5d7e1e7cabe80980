//! A fleet: one hub and its regions, each a Kubernetes cluster of its own on this machine.
//! In: a [`FleetSpec`]. Out: a [`Fleet`] with a [`Cluster`] per name, found again by [`Fleet::attach`].
//! Leaves nothing behind when it is stopped, dropped by its owner, or its owner dies.

mod api;
mod cluster;
mod control_plane;
mod error;
mod existing;
mod kubeconfig;
mod node;
mod pki;
mod record;
mod slot;
mod spec;
mod sweep;

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use futures::future;

use self::sweep::Watch;
pub use self::{
    cluster::{Cluster, Forward},
    error::Error,
    record::Record,
    spec::{FleetSpec, Lifetime},
};
use crate::{
    build::{self, What},
    choice::{self, Choice, Machinery, Offer},
    image::{self, Image},
    paths,
    process::Identity,
    progress::say,
    setup,
};

/// The hub's name among the clusters.
pub const HUB: &str = "hub";
/// Existing clusters only: the address under which their pods reach this host.
pub const HOST_ADDRESS: &str = "TRADEWIND_HOST_ADDRESS";
/// The environment variable that marks every process of a fleet with its run directory.
const MARK: &str = "TRADEWIND_FLEET";
/// The same for what cleans up by itself once a process of the fleet is gone: its end is waited for.
const TIDIES: &str = "TRADEWIND_TIDIES";

/// The file in the run directory that tells the sweep of nodes.
const NODES: &str = "nodes";

/// Has a command of ours, a watchdog, outlive the processes of the fleet that we belong to, if we do, so that it can clean
/// up after them. The fleet's end waits for it.
pub(crate) fn outlive(command: &mut std::process::Command) -> &mut std::process::Command {
    command.env_remove(MARK);
    if let Some(run) = std::env::var_os(MARK) {
        command.env(TIDIES, run);
    }
    command
}

/// A running fleet.
#[derive(Debug)]
pub struct Fleet {
    record: Arc<Record>,
    /// Present in the process that owns it.
    watch: Option<Watch>,
}

impl Fleet {
    /// What the clusters of a spec would be made of here and now. Starts and builds nothing.
    pub fn choose(spec: &FleetSpec) -> Result<Choice, Error> {
        Ok(choice::choose(
            &Offer::here(),
            &spec.clusters()?,
            spec.nodes,
        )?)
    }

    /// Builds what is missing, starts every cluster at once and waits until all are ready.
    pub async fn start(spec: FleetSpec) -> Result<Self, Error> {
        let clusters = spec.clusters()?;
        let choice = Self::choose(&spec)?;
        for why in &choice.why {
            say(&format!("clusters: {why}"));
        }
        if choice.nodes && choice.machinery == Machinery::Built {
            setup::check_nodes()?;
        }
        let programs = programs(&choice).await?;
        let begun = Instant::now();
        let record = Arc::new(claim(&spec, clusters, choice, programs)?);
        let mut fleet = Self {
            watch: None,
            record,
        };
        let started = async {
            if spec.lifetime == Lifetime::Owned {
                fleet.watch = Some(Watch::start(&fleet.record)?);
            }
            future::try_join_all(fleet.clusters().map(start_cluster)).await
        };
        if let Err(error) = started.await {
            // What went wrong is in the error, with the end of the log.
            sweep::sweep(&fleet.record).await?;
            return Err(error);
        }
        say(&format!(
            "clusters: {} ready in {:.1} s",
            fleet.record.clusters.join(", "),
            begun.elapsed().as_secs_f64()
        ));
        Ok(fleet)
    }

    /// Finds a fleet by its record; whether all of it runs is another question ([`broken`](Self::broken)).
    pub fn attach(name: &str) -> Result<Self, Error> {
        let base = paths::run();
        let record = Record::read(&base.join(name)).map_err(|_| Error::NoFleet {
            name: name.to_owned(),
            there: Self::all().into_iter().map(|fleet| fleet.name).collect(),
        })?;
        Ok(Self {
            record: Arc::new(record),
            watch: None,
        })
    }

    /// All fleets recorded on this machine, those that crashed included.
    #[must_use]
    pub fn all() -> Vec<Record> {
        Record::all(&paths::run())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Its run directory; other parts may keep their own files and logs in it, which end with the fleet.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.record.dir
    }

    /// Mark a process with this variable and it ends with the fleet.
    #[must_use]
    pub fn mark(&self) -> (&'static str, &Path) {
        (MARK, &self.record.dir)
    }

    /// Whether pods run.
    #[must_use]
    pub fn has_nodes(&self) -> bool {
        self.record.nodes
    }

    /// What its clusters are made of.
    #[must_use]
    pub fn machinery(&self) -> &Machinery {
        &self.record.machinery
    }

    /// The clusters that are not whole, each with what does not run; of existing clusters nobody knows.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        self.clusters()
            .filter_map(|cluster| Some(format!("{}: {}", cluster.name(), cluster.broken()?)))
            .collect()
    }

    /// The host's address for servers that pods call: reachable from every pod and from the host.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        self.record.host_address
    }

    /// The cluster of this name.
    pub fn cluster(&self, name: &str) -> Result<Cluster, Error> {
        let found = self.clusters().find(|cluster| cluster.name() == name);
        found.ok_or_else(|| Error::NoCluster {
            name: name.to_owned(),
            there: self.record.clusters.clone(),
        })
    }

    /// All clusters, the hub first.
    pub fn clusters(&self) -> impl Iterator<Item = Cluster> {
        let names = self.record.clusters.iter().enumerate();
        names.map(|(index, name)| Cluster::new(&self.record, index, name))
    }

    /// Makes an image of a binary and loads it into every node; the answer is its name for pods.
    pub async fn load_binary(&self, repository: &str, binary: &Path) -> Result<String, Error> {
        let image = image::of_binary(repository, binary, &self.record.dir)?;
        self.load_image(&image).await?;
        Ok(image.name)
    }

    /// Loads an image into every node.
    pub async fn load_image(&self, image: &Image) -> Result<(), Error> {
        let clusters: Vec<Cluster> = self.clusters().collect();
        future::try_join_all(clusters.iter().map(|cluster| cluster.load_image(image))).await?;
        Ok(())
    }

    /// Stops everything and removes what it leaves.
    pub async fn stop(mut self) -> Result<(), Error> {
        // The value must not sweep again when it is dropped: the slot may be somebody else's by then.
        let watch = self.watch.take();
        let swept = sweep::sweep(&self.record).await;
        drop(watch);
        swept
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.watch.is_some() {
            sweep::sweep_now(&self.record);
        }
    }
}

async fn programs(choice: &Choice) -> Result<PathBuf, Error> {
    let mut wanted = Vec::new();
    match choice.machinery {
        Machinery::Built => {
            wanted.push(What::ControlPlane);
            if choice.nodes {
                wanted.push(What::Node);
            }
        }
        Machinery::Assets(_) | Machinery::Existing(_) => {
            // Only `kubectl` is needed, and any will do.
            if choice.machinery.kubectl().is_none() {
                wanted.push(What::ControlPlane);
            }
        }
    }
    Ok(build::build(&wanted).await?.dir().to_owned())
}

/// Takes a slot and records the fleet, so that nobody else takes it.
fn claim(
    spec: &FleetSpec,
    clusters: Vec<String>,
    choice: Choice,
    programs: PathBuf,
) -> Result<Record, Error> {
    let base = paths::run();
    let ours = !matches!(choice.machinery, Machinery::Existing(_));
    let nodes = ours && choice.nodes;
    if nodes
        && ["/run", "/var/lib", "/var/log"]
            .iter()
            .any(|hidden| base.starts_with(hidden))
    {
        return Err(Error::Hidden { dir: base });
    }
    let claim = slot::lock(&base)?;
    for abandoned in Record::all(&base)
        .iter()
        .filter(|fleet| fleet.is_abandoned())
    {
        sweep::sweep_now(abandoned);
    }
    let dir = base.join(&spec.name);
    if dir.exists() && !was_never_recorded(&dir) {
        return Err(Error::Exists {
            name: spec.name.clone(),
        });
    }
    let slot = slot::choose(&claim, &Record::all(&base), nodes)?;
    let record = Record {
        name: spec.name.clone(),
        slot,
        nodes: choice.nodes,
        machinery: choice.machinery,
        programs,
        host_address: if nodes {
            slot.host_address()
        } else {
            given_host_address().unwrap_or(Ipv4Addr::LOCALHOST)
        },
        owner: (spec.lifetime == Lifetime::Owned)
            .then(Identity::own)
            .flatten(),
        clusters,
        dir: dir.clone(),
    };
    let write = || {
        fs::create_dir_all(&dir)?;
        if nodes {
            // Tells the sweep that there are interfaces and cgroups.
            fs::write(dir.join(NODES), "")?;
            remember_forwarding(&base)?;
        }
        record.write()
    };
    write().map_err(|source| Error::RunDir {
        dir: dir.clone(),
        source,
    })?;
    Ok(record)
}

/// Whether a start was killed between making the folder and recording the fleet, under the lock that we hold now.
fn was_never_recorded(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .all(|name| name == NODES || name == record::UNFINISHED)
}

/// Keeps what the machine had before the first fleet with nodes: the network plugin switches forwarding on.
fn remember_forwarding(base: &Path) -> io::Result<()> {
    let kept = base.join("ip_forward");
    if kept.exists() {
        return Ok(());
    }
    fs::write(kept, fs::read("/proc/sys/net/ipv4/ip_forward")?)
}

/// The address under which the pods of existing clusters reach this host, as the environment says; it must be ours.
pub fn given_host_address() -> Result<Ipv4Addr, Error> {
    let given = std::env::var(HOST_ADDRESS).ok();
    given
        .as_deref()
        .and_then(|given| given.parse::<Ipv4Addr>().ok())
        .filter(|address| TcpListener::bind((*address, 0)).is_ok())
        .ok_or(Error::HostAddress { given })
}

async fn start_cluster(cluster: Cluster) -> Result<(), Error> {
    if let Machinery::Existing(_) = cluster.record().machinery {
        cluster.kubectl(&["get", "--raw", "/readyz"]).await?;
        return Ok(());
    }
    let parts = async {
        control_plane::prepare(&cluster)?;
        if cluster.record().nodes {
            future::try_join(
                control_plane::start(&cluster),
                node::start_containerd(&cluster),
            )
            .await?;
            node::start_kubelet(&cluster).await?;
        } else {
            control_plane::start(&cluster).await?;
        }
        control_plane::check(&cluster)
    };
    parts.await.map_err(|source| Error::Start {
        cluster: cluster.name().to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_start_that_was_killed_before_its_record_is_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(was_never_recorded(dir.path()));
        fs::write(dir.path().join(NODES), "").unwrap();
        fs::write(dir.path().join(record::UNFINISHED), "{").unwrap();
        assert!(was_never_recorded(dir.path()));
        fs::write(dir.path().join("somebody's"), "").unwrap();
        assert!(!was_never_recorded(dir.path()));
    }
}
