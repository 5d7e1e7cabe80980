//! Each command of the agent as it is started in a pod: the real binary, real PostgreSQL, peers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "agent/connect.rs"]
mod connect;
#[path = "agent/erase.rs"]
mod erase;
#[path = "agent/feed.rs"]
mod feed;
#[path = "agent/retain.rs"]
mod retain;
