//! Tradewind: keeps connectors, feeds and retention true to three kinds of YAML, in every regional cluster.

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "operator")]
pub mod api;
#[cfg(feature = "operator")]
pub mod apply;
#[cfg(feature = "operator")]
pub mod clusters;
pub mod contract;
#[cfg(feature = "operator")]
pub mod lease;
#[cfg(feature = "operator")]
pub mod metrics;
#[cfg(feature = "operator")]
pub mod packs;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
pub mod resolve;
#[cfg(feature = "operator")]
pub mod serve;
#[cfg(feature = "operator")]
pub mod status;
#[cfg(feature = "operator")]
pub mod telemetry;
