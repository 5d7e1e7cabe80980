//! The operator as a process: reaches the hub, answers probes, takes part in the election, and while it leads, runs the
//! controllers.
//!
//! In: [`Options`]. Out: how it ended. It must never write before it leads, nor go on once it no longer does: the
//! controllers are stopped first, then the lease is given back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::{Client, Config, Resource};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::{
    DataPolicy, DataSubjectRequest, EvidenceRecord, LegalHold, Region, SocialChannel,
};
use crate::archive::Archive;
use crate::clusters::{Clusters, Limits, kubeconfig, transport};
use crate::control::{Operator, Parts};
use crate::evidence::KeyId;
use crate::lease::{self, Election, Ended, Leadership, Loss};
use crate::metrics::Metrics;
use crate::plan::Settings;
use crate::resolve::{self, InForce, Place};
use crate::serve::{Health, Readiness, Waiting, serve};
use crate::status::Rule;

/// The Lease's name.
const LEASE: &str = "tradewind";
/// How long what is under way may take to finish once the process is asked to stop: less than Kubernetes' 30 s.
const DRAIN: Duration = Duration::from_secs(20);
/// Between looks for what the operator cannot do without.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What `tradewind run` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tradewind's own namespace on the hub.
    pub namespace: String,
    /// The fleet and the agent's image.
    pub settings: Settings,
    /// A ConfigMap with packs that replace the built-in ones.
    pub packs: Option<String>,
    /// Whose signature these must bear; nobody's where none is named.
    pub packs_trust: Vec<KeyId>,
    /// Whether a signed pack may be older than one that was in force.
    pub packs_may_go_back: bool,
    /// Where old records of evidence go, and when.
    pub archive: Option<(Archive, Rule)>,
    /// A kubeconfig for the hub; none inside a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Where probes and metrics are answered.
    pub listen: SocketAddr,
    /// The lease's duration, renew deadline and retry period.
    pub lease: (Duration, Duration, Duration),
}

/// Why the operator ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig's file could not be read.
    #[error("reading the kubeconfig `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The kubeconfig holds what is refused.
    #[error("using the kubeconfig `{path}`")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is refused.
        #[source]
        source: kubeconfig::Refused,
    },
    /// Not in a cluster.
    #[error(
        "reaching the hub from inside a cluster; outside of one, name a file with --kubeconfig"
    )]
    InCluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The hub's client could not be made.
    #[error("connecting to the hub")]
    Client(#[source] Box<kube::Error>),
    /// The built-in packs are unsound: a bug of the build.
    #[error("loading the built-in packs")]
    Packs(#[source] crate::packs::Error),
    /// The address is taken, or not ours.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The lease's times don't fit.
    #[error("setting up the election")]
    Election(#[source] lease::Error),
    /// The process cannot be told to stop.
    #[error("listening for signals")]
    Signal(#[source] std::io::Error),
    /// Somebody else may write now.
    #[error("the lease was lost ({0})")]
    Lost(&'static str),
    /// The controllers ended by themselves: a bug of ours.
    #[error("the controllers ended by themselves")]
    Ended,
}

/// Runs until SIGTERM or SIGINT, or until the lease is lost.
pub async fn run(options: Options) -> Result<(), Error> {
    // Before all else: a signal that comes between two listeners would be lost.
    let mut stop = Stop::new()?;
    let hub = hub(options.kubeconfig.as_deref())?;
    let metrics = Metrics::new();
    let readiness = Readiness::default();
    let instance = lease::unique(&host());
    let (lease, renew_deadline, retry) = options.lease;
    let settings = lease::Settings {
        lease,
        renew_deadline,
        retry,
        ..lease::Settings::new(&options.namespace, LEASE, &instance)
    };
    let (election, leadership) = Election::new(hub.clone(), settings).map_err(Error::Election)?;
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|source| Error::Listen {
        address: options.listen,
        source,
    })?;
    let health = Health {
        readiness: readiness.clone(),
        leadership: leadership.clone(),
        metrics: metrics.clone(),
    };
    let serving = tokio::spawn(serve(listener, health, std::future::pending()));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        fleet = options.settings.fleet,
        listen = %options.listen,
        instance,
        "tradewind starts"
    );
    let asked = tokio::select! {
        () = served(&hub, &readiness) => false,
        () = stop.asked() => true,
    };
    if asked {
        tracing::info!("stopped before the hub was ready");
        serving.abort();
        return Ok(());
    }
    let process = Process {
        options,
        hub,
        metrics,
        readiness,
        instance,
    };
    let ended = process.elect((election, leadership), stop).await;
    serving.abort();
    ended
}

/// The hub's client, with its own timeouts and no hidden retries.
fn hub(path: Option<&Path>) -> Result<Client, Error> {
    let config = match path {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
            kubeconfig::parse(&bytes).map_err(|source| Error::Kubeconfig {
                path: path.to_owned(),
                source,
            })?
        }
        None => transport::tuned(Config::incluster().map_err(|e| Error::InCluster(Box::new(e)))?),
    };
    Client::try_from(config).map_err(|source| Error::Client(Box::new(source)))
}

fn host() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "tradewind".to_owned())
}

/// Waits until the hub serves the kinds and lets us list them; `/readyz` says which it still waits for.
async fn served(hub: &Client, readiness: &Readiness) {
    let waiting =
        |kind: &str| readiness.wait_for(&format!("{kind}: its CRD, and the right to list it"));
    let (regions, channels, policies, holds, requests, evidence) = (
        waiting("regions"),
        waiting("socialchannels"),
        waiting("datapolicies"),
        waiting("legalholds"),
        waiting("datasubjectrequests"),
        waiting("evidencerecords"),
    );
    tokio::join!(
        listed::<Region>(hub, regions),
        listed::<SocialChannel>(hub, channels),
        listed::<DataPolicy>(hub, policies),
        listed::<LegalHold>(hub, holds),
        listed::<DataSubjectRequest>(hub, requests),
        listed::<EvidenceRecord>(hub, evidence),
    );
}

async fn listed<K>(hub: &Client, waiting: Waiting)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(hub.clone());
    let one = ListParams::default().limit(1);
    loop {
        match tokio::time::timeout(LOOK_EVERY * 5, api.list_metadata(&one)).await {
            Ok(Ok(_)) => break,
            Ok(Err(error)) => {
                tracing::warn!(kind = %K::kind(&()), error = &error as &dyn std::error::Error, "not served yet");
            }
            Err(_) => tracing::warn!(kind = %K::kind(&()), "the hub does not answer"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    waiting.set(true);
}

/// The process once the hub is there.
struct Process {
    options: Options,
    hub: Client,
    metrics: Metrics,
    readiness: Readiness,
    instance: String,
}

impl Process {
    /// Takes part in the election, and works while it leads.
    async fn elect(
        self,
        (election, leadership): (Election, Leadership),
        mut stop: Stop,
    ) -> Result<(), Error> {
        let (give_back, given_back) = oneshot::channel::<()>();
        let mut election = tokio::spawn(election.run(async {
            // Dropped or sent: both say that the writers are stopped.
            let _ = given_back.await;
        }));
        let (tell, stopping) = watch::channel(false);
        let mut work = tokio::spawn(self.work(leadership, stopping));
        tokio::select! {
            ended = &mut election => Err(lost(&ended)),
            ended = &mut work => {
                // Never by itself, unless the packs are unsound.
                ended.unwrap_or(Err(Error::Ended))
            }
            () = stop.asked() => {
                tracing::info!("stopping: what is under way is finished first");
                tell.send_replace(true);
                let drained = drain(&mut work, &mut election).await;
                let _ = give_back.send(());
                let ended = election.await;
                tracing::info!(?ended, "stopped");
                drained
            }
        }
    }

    async fn work(
        self,
        leadership: Leadership,
        stopping: watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let mut asked = stopping.clone();
        tokio::select! {
            () = leadership.acquired() => {}
            _ = asked.wait_for(|stop| *stop) => return Ok(()),
        }
        tracing::info!("leading");
        let limits = Limits::default();
        let packs = self.packs(&limits).map_err(Error::Packs)?;
        let fleet = self.options.settings.fleet.clone();
        let operator = Operator::start(Parts {
            hub: self.hub,
            namespace: self.options.namespace,
            instance: self.instance,
            settings: self.options.settings,
            limits: limits.clone(),
            clusters: Clusters::new(&fleet, limits, self.metrics.clone()),
            packs: (packs, self.options.packs),
            archive: self.options.archive,
            fence: std::sync::Arc::new(move || leadership.is_leader()),
            metrics: self.metrics,
            clock: Timestamp::now,
        });
        for (what, ready) in operator.readiness() {
            let waiting = self.readiness.wait_for(&format!("the list of {what}"));
            tokio::spawn(waiting.follow(ready));
        }
        operator.run(stopping.clone()).await;
        if *stopping.borrow() {
            Ok(())
        } else {
            Err(Error::Ended)
        }
    }

    /// The packs in force; those of a ConfigMap are waited for.
    fn packs(&self, limits: &Limits) -> Result<watch::Receiver<InForce>, crate::packs::Error> {
        let Some(name) = &self.options.packs else {
            self.metrics.packs(true, false);
            return resolve::builtin();
        };
        let namespace = &self.options.namespace;
        let trust = &self.options.packs_trust;
        let place = Place {
            namespace,
            name,
            trust,
            may_go_back: self.options.packs_may_go_back,
            clock: Timestamp::now,
        };
        let (packs, readable) = resolve::follow(self.hub.clone(), &place, limits, &self.metrics)?;
        let what =
            format!("the packs ConfigMap {namespace}/{name}, and the right to list and watch it");
        tokio::spawn(self.readiness.wait_for(&what).follow(readable));
        let what = format!("sound packs in ConfigMap {namespace}/{name}");
        let waiting = self.readiness.wait_for(&what);
        tokio::spawn(sound(waiting, what, packs.clone()));
        Ok(packs)
    }
}

/// Shows that packs are waited for, and what is wrong with those that are there, until some were in force.
async fn sound(mut waiting: Waiting, what: String, mut packs: watch::Receiver<InForce>) {
    loop {
        {
            let now = packs.borrow_and_update();
            if now.known {
                return waiting.set(true);
            }
            if let Some(problem) = &now.problem {
                waiting.tell(&format!("{what}: {problem}"));
            }
        }
        if packs.changed().await.is_err() {
            return;
        }
    }
}

/// Lets the work finish what is under way, unless the lease is lost or it takes too long.
async fn drain(
    work: &mut JoinHandle<Result<(), Error>>,
    election: &mut JoinHandle<Ended>,
) -> Result<(), Error> {
    tokio::select! {
        done = &mut *work => done.unwrap_or(Err(Error::Ended)),
        () = tokio::time::sleep(DRAIN) => {
            tracing::warn!("not everything was finished in time: the next leader goes on with it");
            work.abort();
            // Aborted: there is nothing to learn from how it ended.
            let _ = work.await;
            Ok(())
        }
        ended = &mut *election => Err(lost(&ended)),
    }
}

fn lost(ended: &Result<Ended, tokio::task::JoinError>) -> Error {
    Error::Lost(match ended {
        Ok(Ended::Lost(Loss::RenewDeadline)) => "it could not be renewed in time",
        Ok(Ended::Lost(Loss::Taken)) => "another process holds it",
        Ok(Ended::Released) => "it was given back",
        Err(_) => "the election ended by a bug of ours",
    })
}

/// SIGTERM and SIGINT.
struct Stop {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(Error::Signal)?,
            int: signal(SignalKind::interrupt()).map_err(Error::Signal)?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
