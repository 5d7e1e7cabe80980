//! Tables and columns that the last run saw in a catalogue, that look as if they held persons, and that no rule speaks
//! of. The run looked by the words of the pack; by now somebody may have written a rule.

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::tables::add_rule;
use super::{Ground, Place};
use crate::contract::{CatalogueLook, UnruledTable, can_be_ruled, names_table};
use crate::packs::Check;

/// Tables by store that somebody has a rule for, or lists: what a run is told to leave out.
pub(super) fn is_named(place: &Place<'_>, store: &str, found: &str) -> bool {
    let stores = place.facts.region.spec.data_stores.iter();
    let mut listed = stores
        .filter(|it| it.name == store)
        .flat_map(|it| &it.datasets);
    let mut ruled = place.rules.keys().filter(|(of, _)| *of == store);
    listed.any(|told| names_table(told, found)) || ruled.any(|(_, told)| names_table(told, found))
}

/// Looks at what each region's last run told.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let told = ground.facts.policy.status.iter();
    let told: Vec<_> = told.flat_map(|status| &status.regions).collect();
    for place in &ground.places {
        let entry = told.iter().find(|entry| entry.name == place.name);
        let Some(look) = entry.and_then(|entry| entry.catalogue.as_ref()) else {
            continue;
        };
        for table in &look.tables {
            one(ground, place, table, book);
        }
        if look.more > 0 {
            more(place, look, book);
        }
    }
    None
}

fn one(ground: &Ground<'_>, place: &Place<'_>, table: &UnruledTable, book: &mut Book<'_>) {
    let UnruledTable {
        store,
        table: name,
        rule,
        columns,
    } = table;
    let field = format!("Region {}, store {store}, table {name}", place.name);
    let columns = columns.join(", ");
    let (check, message, remedy) = match rule {
        // Its rule was changed, or is gone: the next run tells anew.
        Some(rule)
            if ground
                .facts
                .policy
                .spec
                .rules
                .iter()
                .all(|it| it.name != *rule) =>
        {
            return;
        }
        Some(rule) => (
            Check::PersonalColumnWithoutRule,
            format!(
                "rule {rule} changes columns of table {name}, and leaves some whose names speak of persons: {columns}"
            ),
            add_columns(rule, &table.columns),
        ),
        None if is_named(place, store, name) => return,
        None => {
            let seen = if columns.is_empty() {
                "its name speaks of persons".to_owned()
            } else {
                format!("names of its columns speak of persons: {columns}")
            };
            (
                Check::PersonalTableWithoutRule,
                format!("no Region lists table {name}, no policy has a rule for it, and {seen}"),
                format!(
                    "{}; or, if it holds nobody, take the word out of the regime pack's personalNames or personalColumns",
                    add_rule(store, name)
                ),
            )
        }
    };
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        book.enter(regime, check, Spot::here(place.name, field.as_str()), told);
    }
}

fn add_columns(rule: &str, columns: &[String]) -> String {
    let odd = columns.iter().filter(|column| !can_be_ruled(column));
    let odd: Vec<&str> = odd.map(String::as_str).collect();
    let rename = match odd.as_slice() {
        [] => String::new(),
        odd => format!(
            "; no rule can name {}: have whoever owns the table rename them (English letters, digits, _ and $)",
            odd.join(", ")
        ),
    };
    format!(
        "add them to spec.rules[{rule}].erase.columns, or leave them if they hold no personal data and say so in your records{rename}"
    )
}

fn more(place: &Place<'_>, look: &CatalogueLook, book: &mut Book<'_>) {
    let message = format!(
        "{} more tables look as if they held persons, without a rule: a run's report has no room for their names",
        look.more
    );
    let remedy = "look after those that are named; the next run names others";
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy);
        let spot = Spot::here(place.name, format!("Region {}, other tables", place.name));
        book.enter(regime, Check::PersonalTableWithoutRule, spot, told);
    }
}
