//! Tradewind: keeps connectors, feeds and retention true to three kinds of YAML, in every regional cluster.

#[cfg(feature = "agent")]
pub mod agent;
pub mod contract;
