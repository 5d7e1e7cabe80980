//! `erase`: one person's rows go, as far as no law and no hold keeps them, whatever dies or interferes meanwhile; and no
//! word of the person is found anywhere afterwards.

#[path = "erase/copy.rs"]
mod copy;
#[path = "erase/detached.rs"]
mod detached;
#[path = "erase/drill.rs"]
mod drill;
#[path = "erase/events.rs"]
mod events;
#[path = "erase/expire.rs"]
mod expire;
#[path = "erase/fences.rs"]
mod fences;
#[path = "erase/few.rs"]
mod few;
#[path = "erase/forget.rs"]
mod forget;
#[path = "erase/indexes.rs"]
mod indexes;
#[path = "erase/kill.rs"]
mod kill;
#[path = "erase/letters.rs"]
mod letters;
#[path = "erase/names.rs"]
mod names;
#[path = "erase/partial.rs"]
mod partial;
#[path = "erase/recipients.rs"]
pub(crate) mod recipients;
#[path = "erase/referred.rs"]
mod referred;
#[path = "erase/refusals.rs"]
mod refusals;
#[path = "erase/required.rs"]
mod required;
#[path = "erase/restrict.rs"]
pub(crate) mod restrict;
#[path = "erase/silence.rs"]
mod silence;
#[path = "erase/stores.rs"]
mod stores;
#[path = "erase/story.rs"]
pub(crate) mod story;
#[path = "erase/world.rs"]
mod world;
