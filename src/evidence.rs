//! Evidence: what was done, in a form that an auditor can check without trusting whoever hands it over.
//!
//! In: what happened, a key's bytes, the lines of an export, keys that are trusted from elsewhere. Out: records that
//! are chained by hash, signatures over the chain, and faults, each with its name. It must never know Kubernetes, a
//! clock, a file or a random number, and never hold an identity, a message or a secret.
//!
//! `docs/design/0009-evidence.md` says why it is so.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod body;
pub mod canonical;
mod chain;
mod checkpoint;
mod commitment;
mod expired;
mod fault;
mod hash;
mod key;
mod line;
mod pack;
mod record;
mod rotation;
mod seal;
mod untold;
mod verify;

pub use canonical::{Object, Value};
pub use chain::{Entry, Tip, extend};
pub use checkpoint::{Checkpoint, Countersignature, Witness, checkpoint, countersign};
pub use commitment::{Commitment, NoCommitment, Opening, Salt, Standing, seal, standing};
pub use expired::{Keep, NoKeep, unexpired};
pub use fault::{Fault, Name};
pub use hash::{Hash, Unreadable};
pub use key::{KeyId, Signature, Signer};
pub use line::Line;
pub use pack::{NoSignature, PackSignature};
pub use record::{About, Kind, Record};
pub use rotation::name;
pub use seal::{ENDING, NoSegment, Segment, places, root, segment, source};
pub use untold::{Blurred, blurred};
pub use verify::{AsOf, Checked, Kept, Report, Trust, Trusted, Verifier};

/// The version of the record's form. Any other is refused.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
