//! Runs that status does not know of yet: they are not taken away unasked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::fresh::Recorded;
use super::unread::erased;
use super::{PolicyObserved, RunObserved, Seen};
use crate::api::{DataPolicy, PolicyRegionStatus};
use crate::contract::{RetainMode, RetainReport};
use crate::plan::{self, Plan, PolicyWorkloads, Reason, RegionPlan, Untold};

/// When to look again at a run that status was told of in this look.
const SOON: SignedDuration = SignedDuration::from_secs(1);

/// Has a withdrawal wait in each region where a run that erases is seen of which neither status nor the chain says
/// anything: it began, or ended, since status was last written. Status knows of it from this look on, and the plan waits.
pub fn ask_unseen(
    plan: &mut Plan<PolicyWorkloads>,
    policy: &DataPolicy,
    seen: &BTreeMap<String, Seen<PolicyObserved>>,
    recorded: &BTreeMap<String, Recorded>,
    now: Timestamp,
) {
    let entries = policy.status.iter().flat_map(|status| &status.regions);
    let old: BTreeMap<&str, &PolicyRegionStatus> =
        entries.map(|entry| (entry.name.as_str(), entry)).collect();
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    for (region, decided) in &mut plan.regions {
        let (RegionPlan::Withdraw(reason), Some(Seen::Known { children, .. }), Some(recorded)) =
            (&*decided, seen.get(region), recorded.get(region))
        else {
            continue;
        };
        let old = old.get(region.as_str()).copied();
        // Once a wait has begun, the plan alone says when it is over.
        if old.is_some_and(|entry| entry.waits_since.is_some()) {
            continue;
        }
        let under_way = is_under_way(&children.run, old);
        if !under_way && !is_lost(&children.run, old, &recorded.runs) {
            continue;
        }
        let message = format!(
            "{}; before anything is taken away a run is read back that began or ended since the last look",
            reason.message
        );
        let word = reason.word.clone();
        let waits = Reason { word, message };
        // What is under way is left alone for this look: ended at once it might be gone before status has named it. The next look
        // knows it, and ends it.
        *decided = if under_way {
            let soon = now.checked_add(SOON).ok();
            plan.wake_at = plan.wake_at.into_iter().chain(soon).min();
            RegionPlan::Hold(waits)
        } else {
            RegionPlan::Pause(waits)
        };
        if let Some(note) = plan.notes.get_mut(region) {
            note.waits_since = Some(since);
            note.untold = Some(Untold {
                lost: old.map(plan::lost).unwrap_or_default(),
                under_way,
            });
        }
    }
}

/// Whether a run that erases is under way, and status does not say so.
fn is_under_way(run: &RunObserved<RetainReport>, old: Option<&PolicyRegionStatus>) -> bool {
    let running = run.running.as_ref();
    running.is_some_and(|running| {
        run.modes.get(&running.job) == Some(&RetainMode::Enforce) && !knows(old, &running.uid)
    })
}

/// Whether a run that erased left no report, and is known nowhere.
fn is_lost(
    run: &RunObserved<RetainReport>,
    old: Option<&PolicyRegionStatus>,
    recorded: &BTreeSet<String>,
) -> bool {
    let mut lost = run.ended.iter().filter(|end| end.report.is_none());
    lost.any(|end| erased(run, end) && !recorded.contains(&end.uid) && !knows(old, &end.uid))
}

fn knows(old: Option<&PolicyRegionStatus>, uid: &str) -> bool {
    old.is_some_and(|entry| {
        let last = entry.last_run.iter().filter_map(|run| run.uid.as_deref());
        let unread = entry.unread.iter().map(|run| run.uid.as_str());
        last.chain(unread).any(|known| known == uid)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::{Baseline, RegionNote, Verdict};
    use crate::status::{RunEnd, Running};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// What is decided of a withdrawal after a look that sees these runs, and since when it waits.
    fn decided(
        run: &RunObserved<RetainReport>,
        entry: &Value,
        runs: &[&str],
    ) -> (bool, Option<Timestamp>) {
        let reason = Reason {
            word: "Deleted".to_owned(),
            message: "it goes".to_owned(),
        };
        let mut plan = Plan {
            verdict: Verdict::Accepted,
            regions: [("eu".to_owned(), RegionPlan::Withdraw(reason))].into(),
            notes: [("eu".to_owned(), RegionNote::default())].into(),
            findings: Vec::new(),
            uncovered: Vec::new(),
            baseline: Baseline::default(),
            wake_at: None,
            deleting: None,
        };
        let policy: DataPolicy = serde_json::from_value(json!({
            "metadata": {"name": "p"}, "status": {"regions": [entry]},
            "spec": {"regimes": [], "selector": {}, "rules": [], "retention": {"schedule": "0 2 * * *"}},
        }))
        .unwrap();
        let seen = Seen::Known {
            children: PolicyObserved { run: run.clone() },
            inventory: Vec::new(),
            troubles: Vec::new(),
        };
        let recorded = Recorded {
            runs: runs.iter().map(|uid| (*uid).to_owned()).collect(),
            ..Recorded::default()
        };
        ask_unseen(
            &mut plan,
            &policy,
            &[("eu".to_owned(), seen)].into(),
            &[("eu".to_owned(), recorded)].into(),
            NOW,
        );
        let runs_on = run.running.is_some();
        let waits = match plan.regions["eu"] {
            RegionPlan::Pause(_) => !runs_on,
            RegionPlan::Hold(_) => runs_on && plan.wake_at == NOW.checked_add(SOON).ok(),
            _ => false,
        };
        (waits, plan.notes["eu"].waits_since)
    }

    #[test]
    fn what_nobody_knows_of_is_asked_before_it_goes_and_nothing_else() {
        let entry = |more: Value| {
            let mut entry =
                json!({"name": "eu", "state": "Run", "reason": "Running", "inventory": []});
            entry
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            entry
        };
        let modes = |mode| [("j".to_owned(), mode)].into();
        let end = RunEnd {
            job: "j".to_owned(),
            uid: "u".to_owned(),
            scheduled: None,
            started: Some(NOW),
            at: NOW,
            succeeded: true,
            report: None,
        };
        let lost = RunObserved {
            ended: vec![end],
            modes: modes(RetainMode::Enforce),
            ..RunObserved::default()
        };
        let running = Running {
            job: "j".to_owned(),
            uid: "u".to_owned(),
            started: NOW,
        };
        let under_way = RunObserved {
            running: Some(running),
            modes: modes(RetainMode::Enforce),
            ..RunObserved::default()
        };
        let counts = RunObserved {
            modes: modes(RetainMode::DryRun),
            ..under_way.clone()
        };
        let new = entry(json!({}));
        let known = entry(json!({"unread": [{"job": "j", "uid": "u", "since": "s"}]}));
        let shown = entry(json!({"lastRun": {"job": "j", "uid": "u", "phase": "Running"}}));
        let over = entry(json!({"waitsSince": "1970-01-01T00:00:00Z"}));
        let (waits, goes) = ((true, Some(NOW)), (false, None));
        assert_eq!(decided(&lost, &new, &[]), waits);
        assert_eq!(decided(&under_way, &new, &[]), waits);
        assert_eq!(decided(&lost, &new, &["u"]), goes, "it is recorded");
        assert_eq!(decided(&lost, &known, &[]), goes, "the plan waited for it");
        assert_eq!(decided(&under_way, &shown, &[]), goes, "the same");
        assert_eq!(decided(&lost, &over, &[]), goes, "it has been waited for");
        assert_eq!(decided(&counts, &new, &[]), goes, "it erases nothing");
    }
}
