use std::error::Error as _;

use super::*;
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES};

#[test]
fn the_packs_of_this_release_are_sound() {
    let packs = Packs::builtin().unwrap_or_else(|e| panic!("{}", told(&e)));
    println!("{:?}", packs.platforms.platforms.keys());
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    text
}
