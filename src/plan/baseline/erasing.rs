//! What the last run saw of the tables that rules erase from: foreign keys without an index, which make erasing slow, and
//! triggers, which may copy what goes. By now somebody may have made the index; the next run tells.

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::contract::{CatalogueLook, FiringTrigger, MissingIndex, rule_of};
use crate::packs::Check;

/// Looks at what each region's last run told.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let told = ground.facts.policy.status.iter();
    let told: Vec<_> = told.flat_map(|status| &status.regions).collect();
    // A rule that is gone, or only keeps by now, erases nothing any more.
    let erases = |rule: &str| {
        let mut rules = ground.facts.policy.spec.rules.iter();
        rules.any(|it| it.name == rule_of(rule) && it.erase.is_some())
    };
    for place in &ground.places {
        let entry = told.iter().find(|entry| entry.name == place.name);
        let Some(look) = entry.and_then(|entry| entry.catalogue.as_ref()) else {
            continue;
        };
        for index in look.indexes.iter().filter(|it| erases(&it.rule)) {
            missing(place, index, book);
        }
        for trigger in look.triggers.iter().filter(|it| erases(&it.rule)) {
            fires(place, trigger, book);
        }
        if look.more_of_rules > 0 {
            more(place, look, book);
        }
    }
    None
}

fn missing(place: &Place<'_>, index: &MissingIndex, book: &mut Book<'_>) {
    let (store, rule, table) = (&index.store, &index.rule, &index.table);
    let columns = index.columns.join(", ");
    let field = format!(
        "Region {}, store {store}, table {table} ({columns})",
        place.name
    );
    let message = format!(
        "table {table} refers to rows that rule {rule} erases, and has no index for ({columns}): each batch reads the whole of it, and rows may stay longer than their period"
    );
    let remedy = format!(
        "whoever owns the table runs in store {store}: CREATE INDEX CONCURRENTLY ON {table} ({columns});"
    );
    enter(place, Check::IndexMissing, (field, message, remedy), book);
}

fn fires(place: &Place<'_>, fired: &FiringTrigger, book: &mut Book<'_>) {
    let (store, rule, table, trigger) = (&fired.store, &fired.rule, &fired.table, &fired.trigger);
    let field = format!(
        "Region {}, store {store}, table {table}, trigger {trigger}",
        place.name
    );
    let message = format!(
        "trigger {trigger} on table {table} fires on each row that rule {rule} erases: it may copy what is to go to where no rule looks"
    );
    let remedy = format!(
        "have somebody read what {trigger} does; if it copies, drop it, or give the table that it writes to a rule of its own; if it copies nothing, say so in your records"
    );
    enter(
        place,
        Check::TriggerOnErasure,
        (field, message, remedy),
        book,
    );
}

fn more(place: &Place<'_>, look: &CatalogueLook, book: &mut Book<'_>) {
    let field = format!("Region {}, other indexes and triggers", place.name);
    let message = format!(
        "{} more indexes that are missing, triggers that erasing fires, or tables that are not there: a run's report has no room for their names",
        look.more_of_rules
    );
    let remedy = "the pods' logs name all of them (IndexMissing, TriggerOnDelete, TriggerOnUpdate, TableAbsent)";
    let told = (field, message, remedy.to_owned());
    enter(place, Check::TriggerOnErasure, told, book);
}

fn enter(
    place: &Place<'_>,
    check: Check,
    (field, message, remedy): (String, String, String),
    book: &mut Book<'_>,
) {
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        book.enter(regime, check, Spot::here(place.name, field.as_str()), told);
    }
}
