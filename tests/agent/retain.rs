//! `retain`: exactly what is due goes, every due row is accounted for, whatever dies or interferes meanwhile.

#[path = "retain/story.rs"]
mod story;
#[path = "retain/world.rs"]
mod world;
