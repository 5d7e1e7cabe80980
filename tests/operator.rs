//! The operator on real API servers: a hub and two regions without nodes, the real binary, and nothing but `kubectl` to
//! see and to meddle with. Three fleets serve all tests, each one after the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]
#![cfg(all(feature = "operator", feature = "agent"))]

#[path = "operator/again.rs"]
mod again;
#[path = "operator/audit.rs"]
mod audit;
#[path = "operator/convergence.rs"]
mod convergence;
#[path = "operator/crash.rs"]
mod crash;
#[path = "operator/deletion.rs"]
mod deletion;
#[path = "operator/drift.rs"]
mod drift;
#[path = "operator/evidence.rs"]
mod evidence;
#[path = "operator/fleets.rs"]
mod fleets;
#[path = "operator/given.rs"]
mod given;
#[path = "operator/holds.rs"]
mod holds;
#[path = "operator/hub.rs"]
mod hub;
#[path = "operator/keeps.rs"]
mod keeps;
#[path = "operator/local.rs"]
mod local;
#[path = "operator/opt_out.rs"]
mod opt_out;
#[path = "operator/outage.rs"]
mod outage;
#[path = "operator/packs.rs"]
mod packs;
#[path = "operator/pause.rs"]
mod pause;
#[path = "operator/pod.rs"]
mod pod;
#[path = "operator/reports.rs"]
mod reports;
#[path = "operator/requests.rs"]
mod requests;
#[path = "operator/shared.rs"]
mod shared;
#[path = "operator/transfers.rs"]
mod transfers;
#[path = "operator/unrecorded.rs"]
mod unrecorded;
#[path = "operator/world.rs"]
mod world;
