//! Stores of a region that the last runs found to lead to one database, as far as its server tells: a rule, a keep or a hold
//! that names one of them does not count for the other. A copy of a server's files says the same as the server, so that it
//! is so is never certain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::PolicyRegionStatus;
use crate::contract::StoreDatabase;
use crate::packs::Check;
use crate::plan::placement::secret_of;

/// Looks at what the last runs of all policies told of each region's stores.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let rules = ground.facts.policy.spec.rules.iter();
    let own: BTreeSet<&str> = rules.map(|rule| rule.dataset.store.as_str()).collect();
    for place in &ground.places {
        let mut by_database: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (store, (_, database)) in databases(ground, place) {
            by_database.entry(database).or_default().push(store);
        }
        let twins = by_database.into_values();
        let spec = &place.facts.region.spec;
        for mut stores in twins {
            // Two names with one Secret are known to be one database, and count as one.
            let mut secrets = Vec::new();
            stores.retain(|store| {
                let secret = secret_of(spec, store);
                let is_new = !secrets.contains(&secret);
                secrets.push(secret);
                is_new
            });
            if stores.len() > 1 && stores.iter().any(|store| own.contains(store)) {
                enter(place, &stores, book);
            }
        }
    }
    None
}

/// For each store that the Region lists, which database it leads to, by the run that looked last.
fn databases<'a>(
    ground: &'a Ground<'_>,
    place: &Place<'_>,
) -> BTreeMap<&'a str, (Option<Timestamp>, &'a str)> {
    let listed = place.facts.region.spec.data_stores.iter();
    let listed: BTreeSet<&str> = listed.map(|store| store.name.as_str()).collect();
    let own = std::iter::once(&ground.facts.policy);
    let policies = ground.facts.policies.values().chain(own);
    let statuses = policies.filter_map(|policy| policy.status.as_ref());
    let entries = statuses.flat_map(|status| &status.regions);
    let entries = entries.filter(|entry| entry.name == place.name);
    let told = entries.flat_map(|entry| {
        let at = ended(entry);
        let look = entry.catalogue.iter();
        let all = look.flat_map(|look| &look.databases);
        all.map(move |one| (at, one))
    });
    newest(told.filter(|(_, one)| listed.contains(one.store.as_str())))
}

/// Of each store what was told last.
fn newest<'a>(
    told: impl Iterator<Item = (Option<Timestamp>, &'a StoreDatabase)>,
) -> BTreeMap<&'a str, (Option<Timestamp>, &'a str)> {
    let mut newest = BTreeMap::new();
    for (at, one) in told {
        let told = (at, one.database.as_str());
        let said = newest.entry(one.store.as_str()).or_insert(told);
        if said.0 <= at {
            *said = told;
        }
    }
    newest
}

pub(super) fn ended(entry: &PolicyRegionStatus) -> Option<Timestamp> {
    let run = entry.last_run.as_ref()?;
    let at = run.finished_at.as_ref().or(run.started_at.as_ref())?;
    at.parse().ok()
}

fn enter(place: &Place<'_>, stores: &[&str], book: &mut Book<'_>) {
    let names = stores.join(" and ");
    let field = format!("Region {}, stores {names}", place.name);
    let message = format!(
        "stores {names} may be one database, by two Secrets: their servers say the same of themselves. Then no rule, keep or hold that names one of them counts for the other, and rows are counted and erased by each"
    );
    let remedy = format!(
        "if they are one, name it by one of them in all rules and holds, and take the other out of spec.dataStores of Region {}; if one is a copy of the other's files that was never recovered or promoted, say so in your records",
        place.name
    );
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        let spot = Spot::here(place.name, field.as_str());
        book.enter(regime, Check::StoresMayBeOne, spot, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Secret may lead to another database by now: an older run's word does not accuse it.
    #[test]
    fn of_two_words_for_a_store_the_later_counts() {
        let told = |at: Option<&str>, database: &str| {
            let one = StoreDatabase {
                store: "chat".to_owned(),
                database: database.to_owned(),
            };
            (at.map(|at| at.parse::<Timestamp>().unwrap()), one)
        };
        let mut all = [
            told(None, "oldest"),
            told(Some("2027-08-01T04:00:00Z"), "latest"),
            told(Some("2027-07-31T04:00:00Z"), "before"),
        ];
        for _ in 0..3 {
            let found = newest(all.iter().map(|(at, one)| (*at, one)));
            assert_eq!(found["chat"].1, "latest");
            all.rotate_left(1);
        }
    }
}
