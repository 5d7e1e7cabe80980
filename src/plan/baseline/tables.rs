//! Data sets without a rule, or of which no rule says whose rows they have, and databases whose backups nobody spoke of.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp};

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{DataPolicy, DataStore, PolicyRule, RegionSpec};
use crate::contract::{can_be_ruled, personal_word};
use crate::packs::Check;
use crate::plan::calculus::may_be_one;
use crate::plan::placement::secret_of;

/// A table that a Region lists as one with personal data.
struct Table<'a> {
    store: &'a str,
    name: &'a str,
}

/// Looks at every data set and store of the chosen regions.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        for store in &place.facts.region.spec.data_stores {
            for name in &store.datasets {
                let store = &store.name;
                table(ground, place, &Table { store, name }, book);
            }
            backups(place, store, book);
        }
        kept(ground, place, book);
        if place.facts.region.spec.requests.is_some() {
            subjects(ground, place, book);
        }
    }
    None
}

/// Whose rows a table has must be said for a request to find them: by any policy's rule. Connectors' tables are told by channel.
fn subjects(ground: &Ground<'_>, place: &Place<'_>, book: &mut Book<'_>) {
    let region = &place.facts.region.spec;
    let listed = region.data_stores.iter().flat_map(|store| {
        let tables = store.datasets.iter();
        tables.map(move |table| (store.name.as_str(), table.as_str()))
    });
    let rules = ground.facts.policy.spec.rules.iter();
    let named = rules.map(|rule| (rule.dataset.store.as_str(), rule.dataset.table.as_str()));
    let all: BTreeSet<(&str, &str)> = listed.chain(named).collect();
    for (store, table) in all {
        let rules = place.rules.get(&(store, table));
        let mut rules = rules.into_iter().flatten();
        if table.starts_with("tradewind_connect.")
            || rules.any(|(_, rule)| !rule.dataset.subjects.is_empty())
        {
            continue;
        }
        let place_of = format!("Region {}, store {store}, table {table}", place.name);
        for regime in &place.regimes {
            let message = format!(
                "no rule says whose the rows of table {table} are: a person's request finds none of theirs there, and its receipt says so"
            );
            let remedy = format!(
                "write dataset.subjects in a rule for store {store} and table {table}, or take the table out of datasets if it holds no personal data"
            );
            book.enter(
                regime,
                Check::PersonalTableWithoutSubjects,
                Spot::here(place.name, place_of.clone()),
                Told::once(message, remedy),
            );
        }
    }
}

/// A table is looked after by any policy for the region: that this one leaves it to another is no fault.
fn table(ground: &Ground<'_>, place: &Place<'_>, table: &Table<'_>, book: &mut Book<'_>) {
    let spot = || {
        let field = format!(
            "Region {}, spec.dataStores[{}].datasets[{}]",
            place.name, table.store, table.name
        );
        Spot::here(place.name, field)
    };
    let rules = place.rules.get(&(table.store, table.name));
    let rules = rules.map_or(&[][..], Vec::as_slice);
    let is_named = !rules.is_empty();
    let words = ground.facts.packs.regimes.personal_names.as_ref();
    let word = words.and_then(|fact| personal_word(table.name, &fact.value));
    for regime in &place.regimes {
        if rules.iter().any(|rule| erases(rule, regime)) {
            continue;
        }
        let looks = word.filter(|_| {
            !is_named
                && book
                    .demand(regime, Check::PersonalTableWithoutRule)
                    .is_some()
        });
        let (check, message) = match looks {
            Some(word) => (
                Check::PersonalTableWithoutRule,
                format!(
                    "no policy has a rule for table {}, and its name speaks of persons ({word})",
                    table.name
                ),
            ),
            None => (
                Check::NoPeriod,
                format!(
                    "no policy under this law says when rows of table {} go",
                    table.name
                ),
            ),
        };
        let remedy = format!(
            "{}, or take the table out of datasets if it holds no personal data",
            add_rule(table.store, table.name)
        );
        book.enter(regime, check, spot(), Told::once(message, remedy));
    }
}

/// Whether a rule erases under a law.
fn erases((policy, rule): &(&DataPolicy, &PolicyRule), regime: &str) -> bool {
    rule.erase.is_some() && policy.spec.regimes.iter().any(|id| id == regime)
}

/// Tables of the Region's stores that it does not list, and that a rule of the policy names: somebody knows of them, and if
/// they are only kept, nobody says when their rows go. Connectors' tables have periods of their own.
fn kept(ground: &Ground<'_>, place: &Place<'_>, book: &mut Book<'_>) {
    let spec = &place.facts.region.spec;
    let mut seen = BTreeSet::new();
    for rule in &ground.facts.policy.spec.rules {
        let data = &rule.dataset;
        let mut listed = spec.data_stores.iter().flat_map(|store| {
            let tables = store.datasets.iter();
            tables.map(move |table| (&store.name, table))
        });
        if secret_of(spec, &data.store).is_none()
            || data.table.starts_with("tradewind_connect.")
            || listed.any(|(store, table)| is_its(spec, (store, table), rule))
            || !seen.insert((&data.store, &data.table))
        {
            continue;
        }
        let all = place.rules.iter();
        let there = all.filter(|((store, table), _)| is_its(spec, (store, table), rule));
        let there: Vec<_> = there.flat_map(|(_, rules)| rules).collect();
        let field = format!("spec.rules[{}].dataset.table", rule.name);
        for regime in &place.regimes {
            if there.iter().any(|rule| erases(rule, regime)) {
                continue;
            }
            let told = Told::once(
                format!(
                    "no policy under this law says when rows of table {} go",
                    data.table
                ),
                format!(
                    "add a rule with an erase for store {} and table {}",
                    data.store, data.table
                ),
            );
            let spot = Spot::here(place.name, field.clone());
            book.enter(regime, Check::NoPeriod, spot, told);
        }
    }
}

/// What mends a table of which no rule says when its rows go.
pub(super) fn add_rule(store: &str, table: &str) -> String {
    if can_be_ruled(table) {
        return format!("add a rule with an erase for store {store} and table {table}");
    }
    format!(
        "no rule can name table {table} of store {store}: a name in a rule has English letters, digits, _ and $. Have whoever owns it rename \
         it (ALTER TABLE ... RENAME TO ..., with a view of the old name for what reads it), and add a rule with an erase for it"
    )
}

/// Whether a table of a store may be the one that a rule is for: two stores with one Secret are one.
pub(super) fn is_its(spec: &RegionSpec, (store, table): (&str, &str), rule: &PolicyRule) -> bool {
    let (data, secret) = (&rule.dataset, secret_of(spec, store));
    secret.is_some() && secret == secret_of(spec, &data.store) && may_be_one(table, &data.table)
}

fn backups(place: &Place<'_>, store: &DataStore, book: &mut Book<'_>) {
    let keep = store.backups.as_ref().map(|backups| backups.keep.as_str());
    let message = match keep {
        None => format!(
            "how long backups of store {} stay is unknown, and so when what was erased is gone from them",
            store.name
        ),
        Some(keep) if keep.parse::<Span>().is_ok_and(Span::is_positive) => return,
        Some(keep) => format!(
            "backups of store {} are said to stay for {keep}, which is no time",
            store.name
        ),
    };
    let field = format!(
        "Region {}, spec.dataStores[{}].backups.keep",
        place.name, store.name
    );
    for regime in &place.regimes {
        let remedy = "write how long the oldest backup stays, such as P35D";
        let told = Told::once(message.clone(), remedy);
        book.enter(
            regime,
            Check::BackupHorizonUnknown,
            Spot::here(place.name, field.clone()),
            told,
        );
    }
}
