//! What goes of rows that a keep of some columns keeps: a part of a rule, for the rows whose own period is over and whose keep is not.
//!
//! In: a ruling. Out: for each such keep what becomes of the columns that it lets go, and the parts that the agent carries out beside
//! the rule. No row is due for the rule and a part of it, or for two parts that change the same column; and a part takes nothing
//! that any keep keeps.

use kube::ResourceExt;

use super::bound::Bound;
use super::{Claim, Ruling, span};
use crate::contract::{ColumnChange, RetentionKeep};

/// What becomes of the columns that a keep lets go of a row, in runs.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// They go before the row.
    Before(Part),
    /// The rule's own period surely ends no earlier than the keep: they go with the row.
    With,
    /// Another keep, at this place, surely lasts as long and lets them not go.
    Kept(usize),
    /// Nobody said what goes.
    Unsaid,
}

/// A part of a rule: what goes of the rows that a keep of some columns still keeps.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Part {
    /// The rule's name with a word of its own behind it, and whose keep it is where that is another rule's.
    pub(in crate::plan) name: String,
    /// The keep's place among the ruling's.
    claim: usize,
    /// The places of those that have to end before.
    pub(super) waits: Vec<usize>,
    /// What goes, and how.
    pub(in crate::plan) columns: Vec<ColumnChange>,
}

impl Part {
    /// The columns that go.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.columns.iter().map(|column| column.name.clone())
    }
}

impl Ruling<'_> {
    /// The parts, in the order of their keeps.
    pub(in crate::plan) fn parts(&self) -> impl Iterator<Item = Part> {
        (0..self.keeps.len()).filter_map(|at| self.part(at))
    }

    /// That of the keep at a place.
    pub(super) fn part(&self, at: usize) -> Option<Part> {
        match self.fate(at)? {
            Fate::Before(part) => Some(part),
            _ => None,
        }
    }

    /// What binds a part, as the agent is told.
    pub(in crate::plan) fn keeps_of(&self, part: &Part) -> Vec<RetentionKeep> {
        let claims = self.keeps.iter().enumerate();
        let told = claims.filter_map(|(at, claim)| {
            if at == part.claim {
                return Some(claim.told_to_last());
            }
            part.waits.contains(&at).then(|| claim.told())
        });
        told.collect()
    }

    /// Of the keep at a place; nothing where it keeps whole rows.
    pub(super) fn fate(&self, at: usize) -> Option<Fate> {
        let claim = self.keeps.get(at)?;
        let (columns, others) = claim.columns();
        if columns.is_empty() {
            return None;
        }
        if others.is_empty() {
            return Some(Fate::Unsaid);
        }
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, span(&self.erase));
        if own.outlasts(&claim.bound) {
            return Some(Fate::With);
        }
        let before = self.keeps.iter().enumerate();
        let waits: Vec<usize> = before
            .filter(|(place, other)| *place != at && forbids(other, &others, *place < at))
            .map(|(place, _)| place)
            .collect();
        let as_long = waits.iter().find(|place| {
            let other = self.keeps.get(**place);
            other.is_some_and(|other| other.bound.outlasts(&claim.bound))
        });
        if let Some(place) = as_long {
            return Some(Fate::Kept(*place));
        }
        Some(Fate::Before(Part {
            name: self.part_name(claim),
            claim: at,
            waits,
            columns: others,
        }))
    }

    /// No rule's own name has a slash.
    fn part_name(&self, claim: &Claim<'_>) -> String {
        let own = &self.rule.name;
        if std::ptr::eq(claim.rule, self.rule) {
            return format!("{own}/others");
        }
        format!(
            "{own}/others/{}/{}",
            claim.policy.name_any(),
            claim.rule.name
        )
    }
}

/// Whether nothing of these columns goes while a keep lasts: it keeps whole rows, or one of them; or it counts from one of them, and
/// would never end without it, which the agent refuses for every keep that it is told of; or it lets one of them go itself and is the
/// first to, for two would change it in turn for ever.
fn forbids(other: &Claim<'_>, these: &[ColumnChange], is_first: bool) -> bool {
    let (columns, others) = other.columns();
    let clock = &other.rule.dataset.clock;
    let takes = |it: &ColumnChange| is_first && others.iter().any(|other| other.name == it.name);
    columns.is_empty()
        || others.is_empty()
        || these
            .iter()
            .any(|it| columns.contains(&it.name) || it.name == *clock || takes(it))
}
