//! What a law keeps and no rule says so. The pack knows kinds of records, not tables: whether a table has such rows is for a
//! person to say, by a `keep` of a rule. Until somebody does, a rule that erases earlier is told of.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{PolicyRule, Severity};
use crate::packs::{Check, Clock};

/// A day to count periods from: in a leap year, before its February.
const FROM: Date = date(2024, 1, 1);

/// Looks at each rule that erases, in each region.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        for rule in &ground.facts.policy.spec.rules {
            of_rule(ground, (place, rule), book);
        }
    }
    None
}

fn of_rule(ground: &Ground<'_>, (place, rule): (&Place<'_>, &PolicyRule), book: &mut Book<'_>) {
    let Some(erase) = rule.erase.as_ref().filter(|erase| erase.method.erases()) else {
        return;
    };
    let Some(goes) = ends(&erase.after) else {
        return;
    };
    let key = (rule.dataset.store.as_str(), rule.dataset.table.as_str());
    let stated = place.rules.get(&key).into_iter().flatten();
    let stated = stated.filter_map(|(_, rule)| ends(&rule.keep.as_ref()?.period));
    let stated = stated.max();
    for id in &place.regimes {
        let Some(regime) = ground.facts.packs.regime(id) else {
            continue;
        };
        for (name, fact) in &regime.keep {
            let Some(stays) = end(&fact.value).filter(|stays| goes < *stays) else {
                continue;
            };
            // A keep that somebody wrote down for the table is taken for this one if it is as long.
            if stated.is_some_and(|stated| stated >= stays) {
                continue;
            }
            let told = Told {
                parts: BTreeSet::from([format!("{name} {} ({id})", fact.value)]),
                at_most: Severity::Medium,
                ..Told::once(
                    format!(
                        "the rule erases after {}, and a law keeps some kinds of records for longer: ",
                        erase.after
                    ),
                    format!(
                        "if the table has such rows, state it in spec.rules[{}].keep, or in a rule of another policy",
                        rule.name
                    ),
                )
            };
            let spot = Spot::here(place.name, format!("spec.rules[{}].erase.after", rule.name));
            book.enter_by(fact, Check::KeepNotStated, spot, told);
        }
    }
}

/// Where a period of a rule ends that began on one day.
fn ends(period: &str) -> Option<Date> {
    end(&Clock::try_from(period.to_owned()).ok()?)
}

/// The same of a pack's. Only what is counted by the calendar is as long as a rule's.
fn end(clock: &Clock) -> Option<Date> {
    let Clock::Period(period) = clock else {
        return None;
    };
    let span = Span::new()
        .try_years(period.years)
        .and_then(|span| span.try_months(period.months))
        .and_then(|span| span.try_days(period.days));
    FROM.checked_add(span.ok()?).ok()
}
