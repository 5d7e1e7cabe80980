//! `connect`: what was acknowledged reaches every sink, once remembered, in order, whatever dies meanwhile.

#[path = "connect/delivery.rs"]
mod delivery;
#[path = "connect/door.rs"]
mod door;
#[path = "connect/held.rs"]
mod held;
#[path = "connect/load.rs"]
mod load;
#[path = "connect/opt_out.rs"]
mod opt_out;
#[path = "connect/start.rs"]
mod start;
#[path = "connect/subject.rs"]
mod subject;
#[path = "connect/told.rs"]
mod told;
#[path = "connect/untaken.rs"]
mod untaken;
#[path = "connect/world.rs"]
pub(crate) mod world;
