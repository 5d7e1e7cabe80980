//! Rows without a clock: they are never due, whatever their age. How many there are the last run told, a few as few.

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::PolicyRule;
use crate::contract::{Count, RetainedRule};
use crate::packs::Check;

/// Looks at the numbers of each region's last run.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let told = ground.facts.policy.status.iter();
    let told: Vec<_> = told.flat_map(|status| &status.regions).collect();
    for place in &ground.places {
        let entry = told.iter().find(|entry| entry.name == place.name);
        let run = entry.and_then(|entry| entry.last_run.as_ref());
        let counted = run.into_iter().flat_map(|run| &run.rules);
        for RetainedRule {
            name, null_clock, ..
        } in counted
        {
            let rules = &ground.facts.policy.spec.rules;
            // A rule that is gone, or only keeps by now, erases nothing that could wait for ever.
            let rule = rules.iter().find(|rule| rule.name == *name);
            if let Some(rule) = rule.filter(|rule| rule.erase.is_some())
                && !null_clock.is_zero()
            {
                enter(place, rule, *null_clock, book);
            }
        }
    }
    None
}

fn enter(place: &Place<'_>, rule: &PolicyRule, rows: Count, book: &mut Book<'_>) {
    let field = format!("spec.rules[{}].dataset.clock", rule.name);
    let dataset = &rule.dataset;
    let message = format!(
        "rows of table {} with nothing in {}, or in another clock that decides: {rows} at the last run. They are never due, \
         and stay whatever their age",
        dataset.table, dataset.clock
    );
    let remedy = format!(
        "fill the column in these rows or erase them yourself, and have whatever writes them fill it; or name a column that all rows have in {field}"
    );
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        let spot = Spot::here(place.name, field.as_str());
        book.enter(regime, Check::RowsWithoutClock, spot, told);
    }
}
