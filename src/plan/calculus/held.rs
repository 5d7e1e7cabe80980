//! Holds over the table of a rule: what keeps its rows, whatever periods say, until somebody releases it.
//!
//! Told by name and review date only: a hold's ground is somebody's own words, for whoever may read holds.

use kube::ResourceExt;

use super::table::{is_store, may_be_one};
use super::{NAMED, beyond};
use crate::api::{BindingHold, LegalHold, PolicyRule, Region, RegionSpec};
use crate::plan::PolicyFacts;
use crate::plan::legal_hold::{Part, Said, is_open, parts};

/// A hold that is open in a region, with what it means there.
#[derive(Clone, Debug)]
pub(super) struct Open<'a> {
    hold: &'a LegalHold,
    parts: Vec<Part<'a>>,
}

/// Those that are open in a region, by name.
pub(super) fn open_in<'a>(facts: &'a PolicyFacts, region: &'a Region) -> Vec<Open<'a>> {
    let said = Said {
        policies: &facts.policies,
        channels: &facts.channels,
    };
    let open = facts.holds.values().filter(|hold| is_open(hold, region));
    open.map(|hold| Open {
        hold,
        parts: parts(hold, region, said),
    })
    .collect()
}

impl Open<'_> {
    /// What it keeps of a rule's table; nothing where it is over others.
    pub(super) fn over(&self, rule: &PolicyRule, region: &RegionSpec) -> Option<BindingHold> {
        let data = &rule.dataset;
        let is_hit = |part: &&Part<'_>| {
            is_store((&part.store.name, &data.store), region)
                && part
                    .table
                    .is_none_or(|table| may_be_one(table, &data.table))
        };
        let mut hit = self.parts.iter().filter(is_hit).peekable();
        hit.peek()?;
        Some(BindingHold {
            hold: self.hold.name_any(),
            review_on: self.hold.spec.review_on.clone(),
            every_row: hit.any(|part| part.column.is_none()),
        })
    }
}

/// In words; nothing without any.
pub(super) fn sentence(holds: &[BindingHold]) -> Option<String> {
    let name = |hold: &BindingHold| {
        let rows = if hold.every_row { "every row" } else { "some" };
        format!("{} ({rows})", hold.hold)
    };
    let mut names: Vec<String> = holds.iter().take(NAMED).map(name).collect();
    if let Some(more) = beyond(holds.len()) {
        names.push(format!("{more} more"));
    }
    let names = names.join(", ");
    match holds.len() {
        0 => None,
        1 => Some(format!(
            "1 hold keeps rows until it is released, whatever periods say: {names}"
        )),
        all => Some(format!(
            "{all} holds keep rows until they are released, whatever periods say: {names}"
        )),
    }
}
