//! The operator on real API servers: a hub and two regions without nodes, the real binary, and nothing but `kubectl` to
//! see and to meddle with. One fleet serves all tests, one after the other.
#![cfg(feature = "operator")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its world is not as it should be"
)]

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
#[path = "operator/given.rs"]
mod given;
#[path = "operator/outage.rs"]
mod outage;
#[path = "operator/world.rs"]
mod world;
