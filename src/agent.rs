//! What runs in the regions: one task in, one piece of work, one report out.
//!
//! In: a task file and the secret files that it names. Out: a report and an exit code. It knows
//! `contract` and nothing of the operator or of Kubernetes.

pub mod attest;
pub mod connect;
pub mod feed;
pub mod keeper;
pub mod retain;

mod blur;
mod custody;
mod database;
mod quiet;
mod report;
mod startup;
mod stop;
mod task;

pub use retain::request as erase;

pub use report::{Begun, Shrink};
pub use startup::{Common, error_chain, init, run_job};
pub use stop::Stop;
pub use task::{Error as TaskError, load};
