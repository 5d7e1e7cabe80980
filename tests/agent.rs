//! Each command of the agent as it is started in a pod: the real binary, real PostgreSQL, peers on loopback.

#[path = "agent/connect.rs"]
mod connect;
#[path = "agent/retain.rs"]
mod retain;
#[path = "agent/feed.rs"]
mod feed;
