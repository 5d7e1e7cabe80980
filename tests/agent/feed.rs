//! `feed`: the file is whole or untouched, the same for the same items, and never costs more memory.

#[path = "feed/crash.rs"]
mod crash;
#[path = "feed/destination.rs"]
mod destination;
#[path = "feed/memory.rs"]
mod memory;
#[path = "feed/proxy.rs"]
mod proxy;
#[path = "feed/source.rs"]
mod source;
#[path = "feed/table.rs"]
mod table;
#[path = "feed/world.rs"]
pub(crate) mod world;
