//! Builds and runs the local clusters, databases and peers that Tradewind is tried and tested on. Never shipped.

pub mod postgres;
pub mod serve;
pub mod shop;
