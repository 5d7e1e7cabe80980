//! A store at work: its session, its rules with their tables, its run.

use std::collections::BTreeMap;

use super::books::{Pinned, Run};
use super::cutoff::Cutoffs;
use super::holds::NONE;
use super::predicate::Target;
use super::preflight::{Plan, Step};
use super::store::Store;

/// A store at work.
#[derive(Debug)]
pub(super) struct Site {
    /// The session.
    pub(super) store: Store,
    /// The rules.
    pub(super) plan: Plan,
    /// The run and what it pinned; absent before it began.
    pub(super) work: Option<Work>,
}

/// All tables of all stores in one digest, with the rules that name them.
pub(super) fn shape(sites: &[Site]) -> String {
    use sha2::{Digest, Sha256};
    let steps = sites.iter().flat_map(|site| &site.plan.steps);
    let mut steps: Vec<&Step> = steps.collect();
    steps.sort_by_key(|step| step.rule.position);
    let mut digest = Sha256::new();
    for step in steps {
        digest.update(format!("{}\n{}\n", step.rule.name, step.table.bound_to()));
    }
    format!("sha256-{}", hex::encode(digest.finalize()))
}

/// A run under way.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The run.
    pub(super) run: Run,
    /// What it pinned, by rule.
    pub(super) pinned: BTreeMap<String, Pinned>,
}

impl Work {
    /// What was pinned for a step, if its table is still the same.
    pub(super) fn due(&self, step: &Step) -> Option<&Cutoffs> {
        let pinned = self.pinned.get(&step.rule.name)?;
        // A run that was begun under other keeps is not gone on with, but it is closed: by its own.
        let is_there = |name: &String| step.table.keeps.iter().any(|clock| clock.name == *name);
        let mut keeps = pinned.due.keeps.iter();
        let same =
            pinned.shape == step.table.bound_to() && keeps.all(|ended| is_there(&ended.clock));
        same.then_some(&pinned.due)
    }

    /// The step's table and due rows, if its table is still the same.
    pub(super) fn target<'a>(&'a self, step: &'a Step) -> Option<Target<'a>> {
        self.due(step).map(|due| Target {
            table: &step.table,
            due,
            holds: &NONE,
        })
    }
}
