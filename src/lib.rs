//! Tradewind: keeps connectors, feeds and retention true to three kinds of YAML, in every regional cluster.

#[cfg(feature = "operator")]
pub mod api;
pub mod contract;
#[cfg(feature = "operator")]
pub mod packs;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
pub mod status;
#[cfg(feature = "operator")]
pub mod watch;
