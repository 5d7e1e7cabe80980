//! Personal data of a region that a request does not look at: tables that the Region lists or a policy names and of which no
//! rule says whose rows they are, channels whose events nobody can find by a person, and connectors' databases of no channel
//! any more. A receipt that is silent about them would say too much.

use std::collections::BTreeSet;

use super::opt_out::own_name;
use super::{events, people};
use crate::api::{Region, RequestAction};
use crate::contract::{SEVERAL, events_of};
use crate::plan::{RequestFacts, Unasked, placement};

/// The schema of connectors: what waits there is told by channel.
const CONNECTORS: &str = "tradewind_connect.";
/// Most tables and channels that are told by name; where there are more the last one is `...`.
const MOST: usize = 100;

/// Of what is to be done in a region; none of what needs no person to be found.
pub(super) fn of(
    facts: &RequestFacts,
    at: (&str, &Region),
    action: RequestAction,
) -> Option<Unasked> {
    if !matches!(
        action,
        RequestAction::Erase | RequestAction::Copy | RequestAction::Restrict
    ) {
        return None;
    }
    let mut all = tables(facts, at.1);
    all.extend(left(facts, at, action));
    let mut events = Vec::new();
    for (channel, is_asked) in events::channels(&facts.channels, at.0) {
        let name = events_of(&own_name(channel));
        if is_asked && action == RequestAction::Erase {
            events.push(name);
        } else {
            all.push(name);
        }
    }
    if all.len() > MOST {
        all.truncate(MOST.saturating_sub(1));
        all.push(SEVERAL.to_owned());
    }
    Some(Unasked { all, events })
}

/// `STORE/TABLE` of connectors' tables in stores that no channel calls its own: those of one that is gone, perhaps.
fn left(
    facts: &RequestFacts,
    (name, region): (&str, &Region),
    action: RequestAction,
) -> Vec<String> {
    let stores = region.spec.data_stores.iter();
    let stores = stores.filter(|store| {
        let at = (name, region);
        !events::is_of_a_channel(&facts.channels, at, (&store.name, action))
    });
    let tables = stores.flat_map(|store| {
        let tables = store.datasets.iter();
        let own = tables.filter(|table| table.starts_with(CONNECTORS));
        own.map(|table| format!("{}/{table}", store.name))
    });
    tables.collect()
}

/// `STORE/TABLE` of each table that no rule gives subjects.
fn tables(facts: &RequestFacts, region: &Region) -> Vec<String> {
    let policies = people::chosen((&facts.policies, &facts.channels), region);
    let rules = policies.iter().flat_map(|policy| &policy.spec.rules);
    let (asked, silent): (Vec<_>, Vec<_>) =
        rules.partition(|rule| !rule.dataset.subjects.is_empty());
    // Two stores with one Secret are one database.
    let database = |store: &str| placement::secret_of(&region.spec, store);
    let is_asked = |store: &str, table: &str| {
        let mut asked = asked.iter();
        asked.any(|rule| {
            rule.dataset.table == table && database(&rule.dataset.store) == database(store)
        })
    };
    let listed = region.spec.data_stores.iter().flat_map(|store| {
        let tables = store.datasets.iter();
        tables.map(move |table| (store.name.as_str(), table.as_str()))
    });
    let named = silent.iter().map(|rule| {
        let dataset = &rule.dataset;
        (dataset.store.as_str(), dataset.table.as_str())
    });
    let all = listed.chain(named).filter(|(store, table)| {
        database(store).is_some() && !table.starts_with(CONNECTORS) && !is_asked(store, table)
    });
    let all: BTreeSet<String> = all
        .map(|(store, table)| format!("{store}/{table}"))
        .collect();
    all.into_iter().collect()
}
