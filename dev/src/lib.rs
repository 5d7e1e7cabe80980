//! The machinery that Tradewind is tried and tested on: real local clusters, built from pinned sources, real
//! databases and peers. Never shipped.

pub mod build;
pub mod choice;
pub mod fleet;
pub mod image;
pub mod objectstore;
pub mod paths;
pub mod postgres;
pub mod process;
pub mod progress;
pub mod serve;
pub mod setup;
pub mod shop;
