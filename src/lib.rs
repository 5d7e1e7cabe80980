//! Tradewind: keeps connectors, feeds and retention true to three kinds of YAML, in every regional cluster.

pub mod contract;
