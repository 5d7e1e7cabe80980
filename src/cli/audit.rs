//! `tradewind audit`: is the evidence whole, and what does it say? For a compliance officer and an auditor.
//!
//! In: lines of evidence, keys that are trusted from elsewhere, a period. Out: faults by name, or the tables that an
//! auditor asks for, made of nothing but records.

mod expected;
mod export;
mod extent;
mod html;
mod listed;
mod live;
mod opening;
mod oscal;
mod period;
mod source;
mod tables;
mod verify;

pub use export::{Export, Format, export};
pub use verify::{Shape, Verify, verify};

/// What to print, and whether the evidence is without fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// For standard output.
    pub text: String,
    /// Whether no fault was found.
    pub clean: bool,
}
