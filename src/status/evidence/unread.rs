//! What is recorded of runs whose reports were lost and that status does not show: what their ledgers tell.

use kube::ResourceExt as _;

use super::super::read_back::{self, Told};
use super::super::unread::{as_run, erased, of_end};
use super::super::{PolicyObserved, RunEnd};
use super::{Scope, Statement, names, remembered};
use crate::api::{PolicyRegionStatus, RunStatus, UnreadRun};
use crate::contract::RetainReport;
use crate::plan::RegionPlan;

/// What is known of a run that left no report.
pub(super) enum Ledger {
    /// Its ledger has answered; that may be that nothing can be known.
    Told(Box<RunStatus>),
    /// It is asked, or will be.
    Open,
    /// Nobody will ask it.
    Silent,
}

impl Scope<'_> {
    /// What the ledger of a Job that ended tells.
    pub(super) fn ledger(&self, seen: &PolicyObserved, end: &RunEnd<RetainReport>) -> Ledger {
        if erased(&seen.run, end) {
            self.asked(seen, &of_end(end, self.now))
        } else {
            Ledger::Silent
        }
    }

    fn asked(&self, seen: &PolicyObserved, lost: &UnreadRun) -> Ledger {
        let schedule = names::retention(&self.policy_of().name_any());
        match read_back::of(&seen.run, &as_run(lost), &schedule) {
            Some(Told::Run(run) | Told::Nothing(run)) => Ledger::Told(Box::new(run)),
            Some(Told::Another) | None if self.is_read_back() => Ledger::Open,
            Some(Told::Another) | None => Ledger::Silent,
        }
    }

    /// Whether somebody asks the ledger of a run that was lost, now or once what is in the way has ended.
    pub(super) fn is_read_back(&self) -> bool {
        let plan = self.plan.regions.get(self.region);
        plan.is_some_and(|plan| !matches!(plan, RegionPlan::Withdraw(_) | RegionPlan::Leave(_)))
    }

    /// Runs whose Jobs are there no more. `shown` is the one that status shows.
    pub(super) fn gone(
        &self,
        seen: &PolicyObserved,
        old: Option<&PolicyRegionStatus>,
        shown: Option<&RunStatus>,
    ) -> Vec<Statement> {
        let all = old.map(|entry| entry.unread.as_slice()).unwrap_or_default();
        let shown = shown.and_then(|run| run.uid.as_ref());
        let is_there = |uid: &String| seen.run.ended.iter().any(|end| end.uid == *uid);
        let gone = all
            .iter()
            .filter(|one| shown != Some(&one.uid) && !is_there(&one.uid));
        let told = gone.filter_map(|lost| {
            let run = match self.asked(seen, lost) {
                Ledger::Told(run) => *run,
                Ledger::Silent => as_run(lost),
                Ledger::Open => return None,
            };
            let marks = seen.run.marks.get(&lost.job);
            self.run(&lost.uid, None, (&remembered(&run), marks))
        });
        told.collect()
    }
}
