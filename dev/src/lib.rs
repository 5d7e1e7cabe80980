//! The machinery that Tradewind is tried and tested on: real local clusters, built from pinned sources.
//! Never shipped. In: nothing but a machine. Out: a [`fleet::Fleet`] with kubeconfigs.

pub mod build;
pub mod choice;
pub mod fleet;
pub mod image;
pub mod paths;
pub mod process;
pub mod progress;
pub mod setup;
