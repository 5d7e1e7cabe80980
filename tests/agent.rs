//! Each command of the agent as it is started in a pod: the real binary, real PostgreSQL, peers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests are tests as well"
)]

#[path = "agent/connect.rs"]
mod connect;
#[path = "agent/retain.rs"]
mod retain;
#[path = "agent/feed.rs"]
mod feed;
