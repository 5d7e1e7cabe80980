//! Rows that are there for longer than a platform's terms, or a law, allow: by their own rule's period, or by a keep.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Ground;
use super::book::{Book, Spot, Told};
use crate::packs::Check;
use crate::plan::calculus;

/// Looks at each rule that erases, in each region where somebody says what records tables have.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        let mut rules = place.rules.values().flatten();
        if rules.all(|(_, rule)| rule.dataset.records.is_empty()) {
            continue;
        }
        let region = &place.facts.region;
        for ruling in calculus::rulings(ground.facts, region, ground.now) {
            let name = &ruling.rule().name;
            for (fact, why) in ruling.held_too_long() {
                let told = Told {
                    parts: BTreeSet::from([why]),
                    ..Told::once(
                        "rows are there for longer than is allowed: ",
                        format!(
                            "shorten spec.rules[{name}].erase.after; where a law keeps rows, move those that it does not \
                             keep into a table of their own"
                        ),
                    )
                };
                let spot = Spot::here(place.name, format!("spec.rules[{name}].erase.after"));
                book.enter_by(fact, Check::HeldTooLong, spot, told);
            }
        }
    }
    None
}
