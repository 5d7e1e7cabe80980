//! The machinery that Tradewind is tried and tested on: real local clusters, databases and peers, built from pinned
//! sources. Never shipped. In: nothing but a machine. Out: a [`fleet::Fleet`] with kubeconfigs, and servers to talk to.

pub mod build;
pub mod choice;
pub mod fleet;
pub mod image;
pub mod objectstore;
pub mod paths;
pub mod postgres;
pub mod process;
pub mod progress;
pub mod scratch;
pub mod serve;
pub mod setup;
pub mod shop;
pub mod story;
