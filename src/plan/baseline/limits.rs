//! Rows that are there for longer than a platform's terms, or a law, allow: by their own rule's period, or by a keep.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{DataPolicy, Severity};
use crate::packs::Check;
use crate::plan::calculus::{self, Asks, Laws};

/// Looks at each rule that erases, in each region where somebody says what records tables have, or what its controller is.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        let region = &place.facts.region;
        let laws = Laws::new(region, &ground.facts.packs, ground.now);
        unstated(ground, (place, &laws), book);
        let mut rules = place.rules.values().flatten();
        if rules.all(|(policy, rule)| rule.dataset.records.is_empty() && !has_classes(policy)) {
            continue;
        }
        for ruling in calculus::rulings(ground.facts, region, ground.now) {
            let name = &ruling.rule().name;
            for (asks, why) in ruling.held_too_long() {
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
                match asks {
                    Asks::Records(fact) => book.enter_by(fact, Check::HeldTooLong, spot, told),
                    Asks::Inactivity(fact, _) => {
                        book.enter_by(fact, Check::HeldTooLong, spot, told);
                    }
                }
            }
        }
    }
    None
}

fn has_classes(policy: &DataPolicy) -> bool {
    let controller = policy.spec.controller.as_ref();
    controller.is_some_and(|it| !it.classes.is_empty())
}

/// Laws that want data of persons gone who were not heard of, by a kind and size of the controller that the policy does not say.
fn unstated<'a>(ground: &Ground<'a>, (place, laws): (&Place<'a>, &Laws<'a>), book: &mut Book<'_>) {
    let policy = &ground.facts.policy;
    let mut rules = policy.spec.rules.iter();
    if rules.all(|rule| rule.erase.is_none()) {
        return;
    }
    for law in calculus::unstated(policy, laws) {
        for fact in ground.facts.packs.inactivity(law) {
            let own = &fact.value;
            let told = Told {
                parts: BTreeSet::from([format!(
                    "{} from {} registered users ({} without contact)",
                    own.class, own.from_users, own.within
                )]),
                at_most: Severity::Medium,
                ..Told::once(
                    format!(
                        "{law} wants data of persons gone who were not heard of, of some controllers, and the policy does not say what its own is: "
                    ),
                    format!(
                        "say in spec.controller.classes which of them it is and how many registered users it has, or class: none for {law}"
                    ),
                )
            };
            let spot = Spot::here(place.name, format!("spec.controller.classes[{law}]"));
            book.enter_by(fact, Check::InactivityClassUnstated, spot, told);
        }
    }
}
