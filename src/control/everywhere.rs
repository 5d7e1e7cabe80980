//! What a plan says, done in every region at once: apply, then observe. One region's trouble, slowness or absence is
//! that region's alone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::api::InventoryEntry;
use crate::apply::{self, Again, Applied, Applier, Site, Workloads};
use crate::observe;
use crate::plan::{Plan, RegionPlan};
use crate::resolve::{Look, Looks, View};
use crate::status::{Intent, Seen, Trouble};

/// A region in which more than this is to be done is left for the next time, so that the others' status is not late.
const REGION_DEADLINE: Duration = Duration::from_secs(60);

/// What came of a plan.
pub(super) struct Outcome<O> {
    pub(super) seen: BTreeMap<String, Seen<O>>,
    pub(super) again: Option<Again>,
    /// What is left where it is, and will not be remembered any more.
    pub(super) orphaned: BTreeMap<String, Vec<InventoryEntry>>,
}

/// A region's plan and all that is needed to do it.
struct Task<'a, W> {
    region: &'a str,
    plan: &'a RegionPlan<W>,
    /// The Jobs whose ledgers are read back, paused or not.
    lost: &'a [String],
    /// What is told where nothing else is touched.
    listed: Option<&'a ConfigMap>,
    view: &'a View,
    old: &'a [InventoryEntry],
}

/// What is about to be made in regions in which nothing is remembered.
pub(super) fn intent<W: Workloads>(
    plan: &Plan<W>,
    looks: &Looks,
    old: &BTreeMap<&str, &[InventoryEntry]>,
) -> Intent {
    let of = |(region, plan): (&String, &RegionPlan<W>)| {
        let is_new = old.get(region.as_str()).is_none_or(|old| old.is_empty());
        let workloads = plan.workloads().filter(|_| is_new)?;
        let Some(Look::Known(view)) = looks.get(region) else {
            return None;
        };
        let made = apply::intended(workloads, &view.ours, &view.unknown);
        (!made.is_empty()).then(|| (region.clone(), made))
    };
    plan.regions.iter().filter_map(of).collect()
}

/// Does what the plan says. `old` is what status remembers of each region.
pub(super) async fn everywhere<W, O>(
    applier: &Applier,
    plan: &Plan<W>,
    looks: &Looks,
    old: &BTreeMap<&str, &[InventoryEntry]>,
    observe: impl Fn(&View, &Applied) -> O,
) -> Outcome<O>
where
    W: Workloads,
{
    let mut outcome = Outcome {
        seen: BTreeMap::new(),
        again: None,
        orphaned: orphaned(plan, looks, old),
    };
    let mut tasks = Vec::new();
    for (region, decided) in &plan.regions {
        let note = plan.notes.get(region);
        let untold = note.and_then(|note| note.untold.as_ref());
        match looks.get(region) {
            Some(Look::Known(view)) => tasks.push(Task {
                region,
                plan: decided,
                lost: untold.map_or(&[], |untold| untold.lost.as_slice()),
                listed: note.and_then(|note| note.hold_list.as_ref()),
                view,
                old: old.get(region.as_str()).copied().unwrap_or_default(),
            }),
            Some(Look::Unknown(unreachable)) => {
                let seen = Seen::Unknown {
                    since: unreachable.since,
                    reason: unreachable.cause.as_str().to_owned(),
                    message: unreachable.message.clone(),
                };
                outcome.seen.insert(region.clone(), seen);
            }
            // There is no such Region: the plan says so itself.
            None => {}
        }
    }
    let done = join_all(tasks.iter().map(|task| one(applier, task, &observe))).await;
    for (task, (seen, again)) in tasks.iter().zip(done) {
        outcome.seen.insert(task.region.to_owned(), seen);
        outcome.again = outcome.again.max(again);
    }
    outcome
}

/// What is left where it is, once: after that nothing remembers it.
fn orphaned<W>(
    plan: &Plan<W>,
    looks: &Looks,
    old: &BTreeMap<&str, &[InventoryEntry]>,
) -> BTreeMap<String, Vec<InventoryEntry>> {
    let is_last = plan.deleting.is_some();
    let of = |(region, plan): (&String, &RegionPlan<W>)| {
        let old = old.get(region.as_str()).copied().unwrap_or_default();
        if !matches!(plan, RegionPlan::Leave(_)) || (old.is_empty() && !is_last) {
            return None;
        }
        let left = match looks.get(region) {
            Some(Look::Known(view)) => {
                let seen = (view.ours.as_slice(), &view.unknown);
                observe::inventory(seen, None, old, false)
            }
            Some(Look::Unknown(_)) | None => old.to_vec(),
        };
        (!left.is_empty()).then(|| (region.clone(), left))
    };
    plan.regions.iter().filter_map(of).collect()
}

async fn one<W, O>(
    applier: &Applier,
    task: &Task<'_, W>,
    observe: impl Fn(&View, &Applied) -> O,
) -> (Seen<O>, Option<Again>)
where
    W: Workloads,
{
    let mut applied = match tokio::time::timeout(REGION_DEADLINE, apply(applier, task)).await {
        Ok(applied) => applied,
        Err(_) => Some(overdue(task.region)),
    };
    let view = match task.view.again() {
        Ok(view) => view,
        Err(reading) => {
            let seen = Seen::Unknown {
                since: reading.since,
                reason: reading.cause.as_str().to_owned(),
                message: reading.message,
            };
            return (seen, applied.and_then(|a| a.again));
        }
    };
    if let Some(applied) = &mut applied {
        applied.unseen(&view.unknown);
    }
    let withdrawing = matches!(task.plan, RegionPlan::Withdraw(_));
    let inventory = if matches!(task.plan, RegionPlan::Leave(_)) {
        Vec::new()
    } else {
        let seen = (view.ours.as_slice(), &view.unknown);
        observe::inventory(seen, applied.as_ref(), task.old, withdrawing)
    };
    let applied = applied.unwrap_or_default();
    let seen = Seen::Known {
        children: observe(&view, &applied),
        inventory,
        troubles: applied.troubles,
    };
    (seen, applied.again)
}

/// None where nothing is to be touched.
async fn apply<W: Workloads>(applier: &Applier, task: &Task<'_, W>) -> Option<Applied> {
    let namespaces = task.old.iter().map(|entry| entry.namespace.as_str());
    let gone = namespaces
        .filter(|namespace| task.view.client.is_gone(namespace))
        .collect();
    let site = Site {
        region: task.region,
        owner: &task.view.scope.identity,
        client: task.view.client.client(),
        ours: &task.view.ours,
        unknown: &task.view.unknown,
        inventory: task.old,
        gone: &gone,
    };
    match task.plan {
        RegionPlan::Run(workloads) => Some(applier.run(&site, workloads.as_ref()).await),
        RegionPlan::Pause(_) => Some(applier.pause(&site, task.lost).await),
        RegionPlan::Withdraw(_) => Some(applier.withdraw(&site).await),
        RegionPlan::Keep(_) | RegionPlan::Hold(_) => match task.listed {
            Some(listed) => applier.tell(&site, listed).await,
            None => None,
        },
        RegionPlan::Leave(_) => None,
    }
}

/// What was written before the deadline is in the caches; what was not is done next time.
fn overdue(region: &str) -> Applied {
    Applied {
        troubles: vec![Trouble {
            object: format!("Region {region}"),
            reason: "Timeout".to_owned(),
            message: format!(
                "not everything was written within {} s; it goes on",
                REGION_DEADLINE.as_secs()
            ),
        }],
        again: Some(Again::Soon),
        ..Applied::default()
    }
}
