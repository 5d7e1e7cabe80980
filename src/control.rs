//! The drivers: what wakes a resource, in which order the rooms are called for it, and when it is looked at again.
//!
//! In: the hub's watches, the regions' wakes. Out: finalizers and statuses on the hub; everything else is the rooms'.
//! It must never decide what should run where, never let one resource's trouble reach another, and never write what
//! says the same as before.

mod data_policy;
mod everywhere;
mod evidence;
mod finalizer;
mod guard;
mod hub;
mod intent;
mod kinds;
mod legal_hold;
mod missed;
mod news;
mod open_reports;
mod publish;
mod region;
mod report;
mod retry;
mod sealing;
mod signing;
mod social_channel;
mod subject_request;
mod triggers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use kube::runtime::controller::{self, Controller};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use retry::{Attempts, Error, Retry, retry};

use crate::api::Region;
use crate::apply::{Applier, Fence};
use crate::archive::Archive;
use crate::clusters::{Clusters, Limits, Wakes};
use crate::metrics::Metrics;
use crate::plan::Settings;
use crate::resolve::{Chains, InForce, Reader, SecretChanged, SecretWatch};
use crate::status::Rule;
use crate::watch::Key;
use evidence::Ledger;
use hub::{Change, Heard, Hub};
use news::News;
use open_reports::OpenReports;
use report::Report;
use triggers::{Known, Queues, Triggers};

/// A write to the hub that takes longer has failed.
const HUB_DEADLINE: Duration = Duration::from_secs(10);
/// Resources of one kind that are worked on at a time: most of a reconcile is waiting for regions.
const CONCURRENCY: u16 = 16;
/// Changes come in bursts: what follows within this time is one look.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How long a resource may be left alone because a region's first connection is still being made.
const FIRST_CONTACT: Duration = Duration::from_secs(15);

/// What the operator is made of.
pub struct Parts {
    /// The hub.
    pub hub: Client,
    /// Tradewind's own namespace on it.
    pub namespace: String,
    /// Which process this is, for Events.
    pub instance: String,
    /// The fleet and the agent's image.
    pub settings: Settings,
    /// How patient the watches are.
    pub limits: Limits,
    /// The regional clusters, and what happens in them.
    pub clusters: (Clusters, Wakes),
    /// The packs in force, and the ConfigMap that they come from.
    pub packs: (watch::Receiver<InForce>, Option<String>),
    /// Where old records of evidence go, and when; none: they stay on the hub.
    pub archive: Option<(Archive, Rule)>,
    /// The right to write.
    pub fence: Fence,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// What every reconcile has.
struct Context {
    reader: Reader,
    applier: Applier,
    ledger: Ledger,
    open_reports: OpenReports,
    archive: Option<(Archive, Rule)>,
    /// What was read from it for regions that countersign.
    reads: missed::Reads,
    report: Report,
    clock: fn() -> Timestamp,
    hub: Hub,
    namespace: String,
    attempts: Attempts,
    /// Resources that wait for a region's first connection, and since when.
    waiting: Mutex<HashMap<String, Instant>>,
    /// When the hub last said something of LegalHolds.
    holds_heard: Heard,
    /// Each Region's kubeconfig as it was last read.
    kubeconfigs: Mutex<BTreeMap<String, region::Kept>>,
}

/// The operator, ready to run.
pub struct Operator {
    context: Arc<Context>,
    known: Known,
    triggers: Triggers,
    queues: Queues,
    wakes: Wakes,
    secrets: mpsc::UnboundedReceiver<SecretChanged>,
    packs_map: Option<String>,
    ready: Vec<(&'static str, watch::Receiver<bool>)>,
}

impl Operator {
    /// Starts the watches of the hub; nothing is reconciled before [`Operator::run`].
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let (triggers, queues) = Triggers::new();
        let (hub, limits, metrics) = (&parts.hub, &parts.limits, &parts.metrics);
        let (secret_watch, secrets) =
            SecretWatch::new(hub.clone(), limits.clone(), metrics.clone());
        let (clusters, wakes) = parts.clusters;
        let report = Report::new(parts.hub.clone(), &parts.instance, parts.metrics.clone());
        let watches = Watches {
            hub,
            limits,
            metrics,
            triggers: &triggers,
            clusters: &clusters,
            holds_heard: Heard::default(),
        };
        let holds_heard = watches.holds_heard.clone();
        let (known, mut ready) = watches.start();
        let (chains, chains_ready) = watches.chains(&parts.settings.fleet, &known);
        ready.push(("evidencerecords", chains_ready));
        let (ledger, open_reports) = writers(&parts.hub, chains, &parts.fence, &parts.metrics);
        let (packs, packs_map) = parts.packs;
        let values = secret_watch.values();
        let context = Context {
            reader: Reader {
                regions: known.regions.clone(),
                channels: known.channels.clone(),
                policies: known.policies.clone(),
                holds: known.holds.clone(),
                requests: known.requests.clone(),
                packs,
                secrets: secret_watch,
                clusters,
                settings: Arc::new(parts.settings),
            },
            applier: Applier::new(parts.fence.clone(), parts.metrics, values),
            ledger,
            open_reports,
            archive: parts.archive,
            reads: missed::Reads::default(),
            report,
            clock: parts.clock,
            hub: Hub {
                client: parts.hub,
                fence: parts.fence.clone(),
            },
            namespace: parts.namespace,
            attempts: Attempts::default(),
            waiting: Mutex::default(),
            holds_heard,
            kubeconfigs: Mutex::default(),
        };
        Self {
            context: Arc::new(context),
            known,
            triggers,
            queues,
            wakes,
            secrets,
            packs_map,
            ready,
        }
    }

    /// What isn't known of the hub yet, for `/readyz`: empty once all is.
    #[must_use]
    pub fn readiness(&self) -> Vec<(&'static str, watch::Receiver<bool>)> {
        self.ready.clone()
    }

    /// Reconciles until `stop` says so; what is under way is finished first.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let context = self.context;
        let stopped = || {
            let mut stop = stop.clone();
            async move {
                // Whoever could say so is gone: that says it too.
                let _ = stop.wait_for(|stop| *stop).await;
            }
            .shared()
        };
        let news = News {
            context: &context,
            known: &self.known,
            triggers: &self.triggers,
        };
        // Verdicts by packs that are about to be replaced, or from half a list, would be undone a moment later; and by other
        // packs than the house's nothing may be erased.
        tokio::select! {
            () = news.settle(self.ready, self.packs_map.as_deref()) => {}
            () = stopped() => return,
        }
        let turning = news.turn(self.wakes, self.secrets, self.packs_map);
        let regions = drive(
            &context,
            &self.known.regions,
            self.queues.regions,
            stopped(),
            region::reconcile,
        );
        let channels = drive(
            &context,
            &self.known.channels,
            self.queues.channels,
            stopped(),
            social_channel::reconcile,
        );
        let policies = drive(
            &context,
            &self.known.policies,
            self.queues.policies,
            stopped(),
            data_policy::reconcile,
        );
        let holds = drive(
            &context,
            &self.known.holds,
            self.queues.holds,
            stopped(),
            legal_hold::reconcile,
        );
        let requests = drive(
            &context,
            &self.known.requests,
            self.queues.requests,
            stopped(),
            subject_request::reconcile,
        );
        tokio::select! {
            () = turning => {}
            _ = async { tokio::join!(regions, channels, policies, holds, requests) } => {}
        }
        context.reader.clusters.shutdown().await;
    }
}

/// What writes to the hub beside statuses.
fn writers(
    hub: &Client,
    chains: Chains,
    fence: &Fence,
    metrics: &Metrics,
) -> (Ledger, OpenReports) {
    let reports = OpenReports::new(hub.clone(), fence.clone(), metrics.clone());
    let ledger = Ledger::new(hub.clone(), chains, fence.clone(), metrics.clone());
    (ledger, reports)
}

/// One kind's controller. kube's own backoff and predicates are not used: the watches have theirs, the queue is fed only
/// with what matters.
async fn drive<K, F>(
    context: &Arc<Context>,
    store: &Store<K>,
    queue: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    stopped: impl Future<Output = ()> + Send + Sync + 'static,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + Sync + 'static,
) where
    K: guard::Guarded,
    F: Future<Output = Result<guard::Next, Error>> + Send + 'static,
{
    let config = controller::Config::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    Controller::for_stream(futures::stream::pending(), store.clone())
        .with_config(config)
        .reconcile_on(queue)
        .graceful_shutdown_on(stopped)
        .run(
            move |object, context| guard::guarded(object, context, reconcile.clone()),
            guard::error_policy,
            context.clone(),
        )
        // How a reconcile ended is said where it ended; that an object went meanwhile is no news.
        .for_each(|_| std::future::ready(()))
        .await;
}

struct Watches<'a> {
    hub: &'a Client,
    limits: &'a Limits,
    metrics: &'a Metrics,
    triggers: &'a Triggers,
    clusters: &'a Clusters,
    holds_heard: Heard,
}

impl Watches<'_> {
    /// Starts them all. What a change of one kind means for the others is found in all caches.
    fn start(&self) -> (Known, Vec<(&'static str, watch::Receiver<bool>)>) {
        let (regions, channels, policies) =
            (Writer::default(), Writer::default(), Writer::default());
        let (holds, requests) = (Writer::default(), Writer::default());
        let known = Known {
            channels: channels.as_reader(),
            policies: policies.as_reader(),
            holds: holds.as_reader(),
            requests: requests.as_reader(),
            regions: regions.as_reader(),
        };
        let ready = vec![
            ("regions", self.regions(&known, regions)),
            (
                "socialchannels",
                self.fill(&known, (channels, Heard::default()), Known::of_channel),
            ),
            (
                "datapolicies",
                self.fill(&known, (policies, Heard::default()), Known::of_policy),
            ),
            (
                "legalholds",
                self.fill(&known, (holds, self.holds_heard.clone()), Known::of_hold),
            ),
            (
                "datasubjectrequests",
                self.fill(&known, (requests, Heard::default()), Known::of_request),
            ),
        ];
        (known, ready)
    }

    /// Follows the regions' chains.
    fn chains(&self, fleet: &str, known: &Known) -> (Chains, watch::Receiver<bool>) {
        let (triggers, known) = (self.triggers.clone(), known.clone());
        Chains::follow(
            self.hub,
            fleet,
            (self.limits, self.metrics),
            move |region, turn| triggers.send(known.of_evidence(region, turn)),
        )
    }

    fn regions(&self, known: &Known, writer: Writer<Region>) -> watch::Receiver<bool> {
        let clusters = self.clusters.clone();
        self.fill(
            known,
            (writer, Heard::default()),
            move |known, change, _| {
                if let Change::Gone(region) = change {
                    // Somebody took the finalizer off: nobody is left to speak for that cluster.
                    clusters.remove(&region.name_any());
                }
                known.of_region(change)
            },
        )
    }

    fn fill<K: guard::Guarded>(
        &self,
        known: &Known,
        cache: (Writer<K>, Heard),
        concerned: impl Fn(&Known, &Change<'_, K>, BTreeSet<String>) -> BTreeSet<Key> + Send + 'static,
    ) -> watch::Receiver<bool> {
        let (triggers, known, metrics) =
            (self.triggers.clone(), known.clone(), self.metrics.clone());
        let on_change = move |change: Change<'_, K>, held_in| {
            if let Change::Gone(object) = &change {
                metrics.forget(K::METRIC, object.namespace().as_deref(), &object.name_any());
            }
            triggers.send(concerned(&known, &change, held_in));
        };
        hub::fill(self.hub, self.limits, self.metrics, cache, on_change)
    }
}
