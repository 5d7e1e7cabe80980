//! Tradewind: keeps connectors, feeds and retention true to three kinds of YAML, in every regional cluster.

#[cfg(feature = "operator")]
pub mod api;
#[cfg(feature = "agent")]
pub mod agent;
pub mod contract;
#[cfg(feature = "operator")]
pub mod packs;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
pub mod status;
