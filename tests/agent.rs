//! Each command of the agent as it is started in a pod: the real binary, real PostgreSQL, peers on loopback.

#[path = "agent/connect.rs"]
mod connect;
