//! The only writer of children: makes each region as the plan says, and takes away what the plan withdrew.
//!
//! In: what the plan declares for a region, what is there, what status remembers. Out: [`Applied`]: what was made, what
//! is gone, what could not be done. It must never take over a stranger's object, delete on ignorance, write what is as
//! declared already, or let one region's trouble reach another.

mod at_work;
mod child;
mod compare;
mod declare;
mod fault;
mod live;
mod memory;
mod quantity;
mod secret;
mod steps;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use serde_json::{Value, json};

pub use child::{ChildKind, ChildRef};
pub use declare::Workloads;
pub use fault::Again;
pub use live::Live;
pub use steps::Declared;

use crate::api::InventoryEntry;
use crate::clusters::Identity;
use crate::metrics::Metrics;
use crate::resolve::Secrets;
use crate::status::Trouble;
use at_work::Asking;
use child::Child;
use fault::Fault;
use memory::{Memory, Recall};
use steps::{Group, Need};
use write::Writer;

/// The right to write, asked right before each write: whether this process still leads.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// Writes to regions.
pub struct Applier {
    fence: Fence,
    metrics: Metrics,
    secrets: Secrets,
    memory: Memory,
}

/// A region as it is before anything is written.
pub struct Site<'a> {
    /// Its name.
    pub region: &'a str,
    /// Whom its objects are made for.
    pub owner: &'a Identity,
    /// Its API.
    pub client: Client,
    /// Everything of this resource that is there.
    pub ours: &'a [Live],
    /// Kinds in namespaces of which it isn't known what is there, and why: nothing is concluded about them.
    pub unknown: &'a BTreeMap<(ChildKind, String), String>,
    /// What status remembers.
    pub inventory: &'a [InventoryEntry],
    /// Those of its namespaces that are known not to be there: nothing is in them, and nobody has rights to look.
    pub gone: &'a BTreeSet<&'a str>,
}

/// What will be there once `workloads` have been made, when any of it is yet to be made.
pub fn intended<W: Workloads>(
    workloads: &W,
    ours: &[Live],
    unknown: &BTreeMap<(ChildKind, String), String>,
) -> Vec<InventoryEntry> {
    // What cannot be declared is not made.
    let declared = workloads.declare().unwrap_or_default();
    declared.intended(ours, unknown)
}

/// What came of it in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What is there as declared, seen or just made.
    pub made: Vec<InventoryEntry>,
    /// Names of the runs that were asked for and are there.
    pub started: BTreeSet<String>,
    /// What status remembered and is gone for certain, or never came.
    pub gone: BTreeSet<InventoryEntry>,
    /// What could not be done.
    pub troubles: Vec<Trouble>,
    /// When to try again, if nothing wakes us before.
    pub again: Option<Again>,
}

impl Applied {
    fn fault(&mut self, id: &ChildRef, fault: &Fault) {
        self.again = self.again.max(Some(fault.again()));
        self.troubles.extend(fault.trouble(id));
    }

    /// Says of which kinds in which namespaces it isn't known what is there: something of ours may be, so that nothing
    /// there counts as gone.
    pub fn unseen(&mut self, unknown: &BTreeMap<(ChildKind, String), String>) {
        for ((kind, namespace), why) in unknown {
            let all = ChildRef {
                kind: *kind,
                namespace: namespace.clone(),
                name: "*".to_owned(),
            };
            self.fault(&all, &Fault::Unseen { why: why.clone() });
        }
    }
}

impl Applier {
    /// Writes while `fence` says that it may.
    #[must_use]
    pub fn new(fence: Fence, metrics: Metrics, secrets: Secrets) -> Self {
        Self {
            fence,
            metrics,
            secrets,
            memory: Memory::default(),
        }
    }

    /// Forgets what was written to a region that is gone, or that may be another one when it comes back.
    pub fn forget_region(&self, region: &str) {
        self.memory.forget_region(region);
    }

    /// Makes the region as declared, then takes away what isn't declared any more.
    pub async fn run<W: Workloads>(&self, site: &Site<'_>, workloads: &W) -> Applied {
        let mut applied = Applied::default();
        let declared = match workloads.declare() {
            Ok(declared) => declared,
            Err(error) => {
                // What cannot be written as JSON isn't known to be undeclared: nothing is taken away either.
                let whole = ChildRef {
                    kind: ChildKind::ConfigMap,
                    namespace: String::new(),
                    name: "*".to_owned(),
                };
                applied.fault(&whole, &Fault::Serialise(error));
                return applied;
            }
        };
        let pass = Pass {
            applier: self,
            site,
            writer: self.writer(site, workloads.copy()),
        };
        if pass.group(&declared.shared, &mut applied).await {
            for group in &declared.groups {
                pass.group(group, &mut applied).await;
            }
        }
        // Its pod has read its task long ago, and would go on by it for hours.
        for run in steps::under_way(site.ours).filter(|run| workloads.forbids(run)) {
            pass.remove(&run.id, &run.uid, &mut applied).await;
        }
        pass.prune(&declared, &mut applied).await;
        applied
    }

    /// Takes away everything of this resource.
    pub async fn withdraw(&self, site: &Site<'_>) -> Applied {
        let mut applied = Applied::default();
        let pass = Pass {
            applier: self,
            site,
            writer: self.writer(site, None),
        };
        pass.prune(&Declared::default(), &mut applied).await;
        applied
    }

    /// Stops what works by itself and leaves all else as it is: CronJobs are suspended, runs under way are ended. What
    /// they had done is in the ledger; the next run goes on from there. Of each of the `lost` Jobs the ledger is asked, by
    /// the schedule that stands there: that erases nothing.
    pub async fn pause(&self, site: &Site<'_>, lost: &[String]) -> Applied {
        let mut applied = Applied::default();
        let pass = Pass {
            applier: self,
            site,
            writer: self.writer(site, None),
        };
        // The schedule first: else it starts the next run while this one is ended.
        for schedule in steps::starting(site.ours) {
            if let Err(fault) = pass.writer.suspend(schedule).await {
                applied.fault(&schedule.id, &fault);
            }
        }
        for run in steps::under_way(site.ours) {
            pass.remove(&run.id, &run.uid, &mut applied).await;
        }
        if let Some(schedule) = steps::schedule(site.ours) {
            for job in lost {
                pass.ask(schedule, job, &mut applied).await;
            }
        }
        applied
    }

    /// Writes this one object, and touches nothing else. None where no pod of a Deployment of ours is there to read it.
    pub async fn tell(&self, site: &Site<'_>, listed: &ConfigMap) -> Option<Applied> {
        let mut applied = Applied::default();
        let child = Child::new(ChildKind::ConfigMap, listed).ok()?;
        let pass = Pass {
            applier: self,
            site,
            writer: self.writer(site, None),
        };
        let has_connector = site
            .ours
            .iter()
            .any(|live| live.id.kind == ChildKind::Deployment);
        if !has_connector {
            return None;
        }
        let children = vec![child];
        pass.group(&Group { children }, &mut applied).await;
        Some(applied)
    }

    fn writer<'a>(
        &'a self,
        site: &Site<'_>,
        copy: Option<&'a crate::plan::SecretCopy>,
    ) -> Writer<'a> {
        Writer {
            client: site.client.clone(),
            fence: &self.fence,
            metrics: &self.metrics,
            secrets: &self.secrets,
            copy,
        }
    }
}

/// One pass over one region.
struct Pass<'a> {
    applier: &'a Applier,
    site: &'a Site<'a>,
    writer: Writer<'a>,
}

impl Pass<'_> {
    /// Writes a group in its order and stops at the first trouble. Says whether all is there.
    async fn group(&self, group: &Group, applied: &mut Applied) -> bool {
        let mut schedule: Option<Live> = None;
        for child in &group.children {
            let by = schedule
                .as_ref()
                .filter(|_| child.id.kind == ChildKind::Job);
            let brought = match (child.id.kind, by) {
                (ChildKind::Job, Some(schedule)) => match self.in_time(schedule, child, applied) {
                    Some(child) => self.start(&child, Some(schedule)).await,
                    None => continue,
                },
                (ChildKind::Job, None) => self.start(child, None).await,
                _ => self.bring(child, applied).await,
            };
            match brought {
                Ok(live) => {
                    if !live.is_owned() {
                        applied.made.push(live.entry());
                    }
                    match child.id.kind {
                        ChildKind::CronJob => schedule = Some(live),
                        ChildKind::Job => {
                            applied.started.insert(live.id.name);
                        }
                        _ => {}
                    }
                }
                Err(fault) => {
                    applied.fault(&child.id, &fault);
                    return false;
                }
            }
        }
        true
    }

    fn seen(&self, id: &ChildRef) -> Option<&Live> {
        self.site.ours.iter().find(|live| live.id == *id)
    }

    /// Why it isn't known what is there of this kind.
    fn unknown(&self, id: &ChildRef) -> Option<&String> {
        self.site.unknown.get(&(id.kind, id.namespace.clone()))
    }

    fn check_known(&self, id: &ChildRef) -> Result<(), Fault> {
        match self.unknown(id) {
            Some(why) => Err(Fault::Unseen { why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Makes one object as declared, with no request when it is.
    async fn bring(&self, child: &Child, applied: &mut Applied) -> Result<Live, Fault> {
        self.check_known(&child.id)?;
        let (region, seen) = (self.site.region, self.seen(&child.id));
        match (self.applier.memory.recall(region, child, seen), seen) {
            (Recall::Settled, Some(live)) => return Ok(live.clone()),
            (Recall::Underway(live), _) => {
                // Or the watch has shown it already and then its end: only another look tells.
                applied.again = applied.again.max(Some(Again::Soon));
                return Ok(*live);
            }
            (Recall::Nothing | Recall::Settled, _) => {}
        }
        let after = match (steps::need(child, seen), seen) {
            (Need::Nothing, Some(live)) => return Ok(live.clone()),
            (Need::Mend(drift), Some(live)) => self.writer.mend(child, live, &drift).await?,
            (Need::Nothing | Need::Create | Need::Mend(_), _) => self.create(child).await?,
        };
        self.applier.memory.keep(region, child, seen, &after);
        Ok(after)
    }

    /// Creates it; when something of the name is there after all, finds out whose it is.
    async fn create(&self, child: &Child) -> Result<Live, Fault> {
        match self.writer.create(child).await {
            Err(Fault::Api(status)) if status.code == 409 => {}
            other => return other,
        }
        let live = self.writer.look(&child.id).await?.ok_or(Fault::Moved)?;
        self.check_ours(child, &live)?;
        // Its fields were not read, only its labels: all of ours are written.
        let all = compare::Drift {
            changed: vec![String::new()],
            foreign: Vec::new(),
        };
        self.writer.mend(child, &live, &all).await
    }

    fn check_ours(&self, child: &Child, live: &Live) -> Result<(), Fault> {
        let remembered = self
            .site
            .inventory
            .iter()
            .any(|entry| entry.uid == live.uid);
        if remembered || write::is_same_identity(child, live) {
            return Ok(());
        }
        Err(Fault::Stranger {
            whose: live.whose(),
        })
    }

    /// Starts a run that belongs to its CronJob: it goes with it, and counts in its history.
    async fn start(&self, job: &Child, schedule: Option<&Live>) -> Result<Live, Fault> {
        self.check_known(&job.id)?;
        if let Some(live) = self.seen(&job.id) {
            return Ok(live.clone());
        }
        let mut job = job.clone();
        let metadata = job.body.get_mut("metadata").and_then(Value::as_object_mut);
        if let (Some(schedule), Some(metadata)) = (schedule, metadata) {
            let owner = json!({
                "apiVersion": "batch/v1", "kind": "CronJob", "name": schedule.id.name,
                "uid": schedule.uid, "controller": true,
            });
            metadata.insert("ownerReferences".to_owned(), json!([owner]));
        }
        if let Some(made) = self.writer.start(&job).await? {
            return Ok(made);
        }
        let live = self.writer.look(&job.id).await?.ok_or(Fault::Moved)?;
        self.check_ours(&job, &live)?;
        Ok(live)
    }

    /// What is to be started now: what reads a ledger back waits for a pod, whose end wakes us, or else takes the run from it.
    fn in_time<'a>(
        &self,
        schedule: &Live,
        job: &'a Child,
        applied: &mut Applied,
    ) -> Option<Cow<'a, Child>> {
        match at_work::asking(self.site.ours, schedule, job, Timestamp::now()) {
            Asking::Now => Some(Cow::Borrowed(job)),
            Asking::TakeOver => Some(Cow::Owned(at_work::taking_over(job))),
            Asking::Early => {
                applied.again = applied.again.max(Some(Again::Later));
                None
            }
        }
    }

    /// Starts what reads back from the ledger what a Job did.
    async fn ask(&self, schedule: &Live, lost: &str, applied: &mut Applied) {
        let child = match steps::reading(schedule, lost) {
            Ok(Some(child)) => child,
            // A schedule without a name or a template is none that we made.
            Ok(None) => return,
            Err(error) => {
                applied.fault(&schedule.id, &Fault::Serialise(error));
                return;
            }
        };
        let Some(child) = self.in_time(schedule, &child, applied) else {
            return;
        };
        match self.start(&child, Some(schedule)).await {
            Ok(live) => {
                applied.started.insert(live.id.name);
            }
            Err(fault) => applied.fault(&child.id, &fault),
        }
    }

    /// Takes away what isn't declared: what the watch shows as ours, and what status remembers and the watch does not.
    async fn prune(&self, declared: &Declared, applied: &mut Applied) {
        for live in steps::surplus(declared, self.site.ours) {
            self.remove(&live.id, &live.uid, applied).await;
        }
        for entry in steps::lost(declared, self.site.ours, self.site.inventory) {
            if self.site.gone.contains(entry.namespace.as_str()) {
                applied.gone.insert(entry.clone());
                continue;
            }
            let Some(id) = ChildRef::from_entry(entry) else {
                continue;
            };
            if self.unknown(&id).is_some() {
                continue;
            }
            if self
                .applier
                .memory
                .was_deleted(self.site.region, &entry.uid)
            {
                applied.gone.insert(entry.clone());
                continue;
            }
            match self.writer.look(&id).await {
                Ok(Some(live)) if live.uid == entry.uid => {
                    if !live.is_owned() && !live.is_going() {
                        self.remove(&id, &live.uid, applied).await;
                    }
                }
                // The watch has yet to show it.
                Ok(Some(live)) if entry.uid.is_empty() && live.is_made_for(self.site.owner) => {
                    applied.fault(&id, &Fault::Moved);
                }
                Ok(_) => {
                    applied.gone.insert(entry.clone());
                }
                Err(fault) => applied.fault(&id, &fault),
            }
        }
    }

    async fn remove(&self, id: &ChildRef, uid: &str, applied: &mut Applied) {
        match self.writer.delete(id, uid).await {
            Ok(()) => self.applier.memory.deleted(self.site.region, id, uid),
            Err(fault) => applied.fault(id, &fault),
        }
    }
}
