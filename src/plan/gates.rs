//! Questions that a fact or a law decides: may this channel run here, in this way, this often?
//!
//! In: resources, packs, the time. Out: an [`Answer`], which names the fact or law and what would satisfy it.
//! A gate must never change what runs: the plan composes the answers. An unconfirmed fact warns and never blocks.

mod codes;
mod coverage;
mod enforcement;
mod market;
mod schedule;
mod tenants;
mod transfers;
mod word;

pub use codes::codes;
pub use coverage::{
    Called, Candidate, Coverage, Missing, called_by, called_for, counting, coverage, selects,
};
pub use enforcement::{Enforced, Sanction, enforce};
pub use market::market;
pub use schedule::{Rule, Schedule, Scheduled, schedule};
pub use tenants::tenant;
pub(in crate::plan) use transfers::{BELIEVED_MONTHS, Count, EXEMPT, counted, is_exempt, limit};
pub use transfers::{Border, Judgement, countries, transfer, transfer_anywhere};
pub use word::Word;

use super::Reason;

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is open.
    pub holds: bool,
    /// Which fact or law decided, and, when closed, what would open it.
    pub reason: Reason,
    /// What may become a reason, or would be one if somebody confirmed the fact.
    pub warnings: Vec<Reason>,
}

/// Names as a sentence lists them.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
