//! Keeps that meet nothing: over a table that nobody else names, or that its database does not have, but as a view or a partition. A keep binds by the table's
//! name alone, so one that is misspelt keeps nothing, and the rows that it was written for go. So do those of the agent's own tables, which it clears itself,
//! by rules that read no keep.

use std::sync::Arc;

use jiff::Timestamp;

use super::book::{Book, Spot, Told};
use super::{Ground, Place, tables};
use crate::api::{DataPolicy, PolicyRule, Severity};
use crate::contract::OwnDatabase;
use crate::packs::Check;
use crate::plan::calculus::Laws;
use crate::plan::placement::secret_of;

/// Looks at each rule that only keeps, or that keeps what no rule of a policy takes, in each region.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let policy = &ground.facts.policy;
    for place in &ground.places {
        let laws = Laws::new(&place.facts.region, &ground.facts.packs, ground.now);
        // One that erases too does so from the same table: its own run refuses one that is not there.
        let rules = policy.spec.rules.iter();
        for rule in rules.filter(|it| it.erase.is_none() || whose(&it.dataset.table).is_some()) {
            let Some((message, remedy)) = told(ground, place, rule) else {
                continue;
            };
            let spot = || {
                let field = format!("spec.rules[{}].dataset.table", rule.name);
                Spot::here(place.name, field)
            };
            let told = || Told {
                at_most: Severity::Medium,
                ..Told::once(message.as_str(), remedy.as_str())
            };
            if let Some(keep) = &rule.keep {
                book.enter_stated(&keep.reference, Check::KeepMeetsNothing, spot(), told());
            }
            for duty in laws.duties(policy, rule) {
                book.enter_by(duty.fact, Check::KeepMeetsNothing, spot(), told());
            }
        }
    }
    None
}

/// What is so of a rule whose keep meets nothing, and what would mend it.
fn told(ground: &Ground<'_>, place: &Place<'_>, rule: &PolicyRule) -> Option<(String, String)> {
    let data = &rule.dataset;
    // A store that the Region lacks stops the policy.
    secret_of(&place.facts.region.spec, &data.store)?;
    let (store, table, region) = (&data.store, &data.table, place.name);
    if let Some(own) = whose(table) {
        return Some(own_told(own, rule));
    }
    if is_absent(ground, place, rule) {
        return Some((
            format!(
                "the rule keeps rows of table {table}, and the database of store {store} had no table of that name that rows can be \
                 erased from at the last run that looked (nothing, a view, or a partition of another): so it keeps nothing, and what a law \
                 keeps goes from the table that is meant"
            ),
            format!(
                "write the table itself into spec.rules[{}].dataset.table, as the rule that erases names it, case counts; or take the rule \
                 out until the table is there",
                rule.name
            ),
        ));
    }
    if is_met(place, rule) {
        return None;
    }
    Some((
        format!(
            "the rule keeps rows of table {table} of store {store}, and nothing else names that table: the Region does not list it, and no \
             rule erases from it. So it keeps nothing, and if the name is misspelt, what a law keeps goes"
        ),
        format!(
            "correct the name in spec.rules[{}].dataset.table, case counts; or list the table in spec.dataStores[{store}].datasets of Region \
             {region}, or add a rule with an erase for it",
            rule.name
        ),
    ))
}

/// Of the agent's own databases the one that a table is of, by its schema.
fn whose(table: &str) -> Option<OwnDatabase> {
    let all = [OwnDatabase::DataStore, OwnDatabase::Connector];
    let (schema, _) = table.split_once('.')?;
    all.into_iter().find(|own| own.schema() == schema)
}

/// The same of a rule whose keep is over a table of the agent's own.
fn own_told(own: OwnDatabase, rule: &PolicyRule) -> (String, String) {
    let (name, table) = (&rule.name, &rule.dataset.table);
    let field = format!("spec.rules[{name}].keep, and of its dataset.records what a law keeps");
    if own != OwnDatabase::Connector {
        return (
            format!(
                "the rule keeps rows of table {table}, which is Tradewind's own: its rows go by rules that are built in, and that read no \
                 keep. So it keeps nothing"
            ),
            format!("take out {field}"),
        );
    }
    (
        format!(
            "the rule keeps rows of table {table}, which is a connector's own: it purges events by the periods of its SocialChannel, and \
             they go with a person's erasure, and neither reads a keep. So it keeps nothing of what goes by them, and what a law keeps goes"
        ),
        format!(
            "take out {field}, and write in spec.connector.store of the SocialChannel how long events stay (keepDeliveredDays, 7 when \
             absent, and keepUndeliveredDays, 90); where that is not long enough, or no erasure may take them, open a LegalHold on table \
             tradewind_connect.event, or keep what the law asks for in a table of your own"
        ),
    )
}

/// Whether a run of any policy looked for the table in the region, and did not find it. By now somebody may have made it; the next
/// run tells.
fn is_absent(ground: &Ground<'_>, place: &Place<'_>, rule: &PolicyRule) -> bool {
    let (spec, data) = (&place.facts.region.spec, &rule.dataset);
    let others = ground.facts.policies.values();
    let secret = secret_of(spec, &data.store);
    // Whose runs open the database.
    let erases = |policy: &&Arc<DataPolicy>| {
        let mut rules = policy.spec.rules.iter();
        rules.any(|own| own.erase.is_some() && secret_of(spec, &own.dataset.store) == secret)
    };
    let all = others.chain([&ground.facts.policy]).filter(erases);
    let statuses = all.filter_map(|policy| policy.status.as_ref());
    let entries = statuses.flat_map(|status| &status.regions);
    let looked = entries.filter(|entry| entry.name == place.name && entry.catalogue.is_some());
    // The last look counts: somebody may have made the table since another.
    let last = looked.max_by_key(|entry| super::twins::ended(entry));
    let mut absent = last
        .and_then(|entry| entry.catalogue.as_ref())
        .into_iter()
        .flat_map(|look| &look.absent);
    absent.any(|it| it.table == data.table && tables::is_its(spec, (&it.store, &it.table), rule))
}

/// Whether the Region lists the table, or a rule of any policy erases from it, or a request may.
fn is_met(place: &Place<'_>, rule: &PolicyRule) -> bool {
    let spec = &place.facts.region.spec;
    let is_its = |store: &str, table: &str| tables::is_its(spec, (store, table), rule);
    let mut listed = spec.data_stores.iter().flat_map(|store| {
        let tables = store.datasets.iter();
        tables.map(move |table| (&store.name, table))
    });
    let goes = |rule: &PolicyRule| {
        rule.erase.is_some() || spec.requests.is_some() && !rule.dataset.subjects.is_empty()
    };
    let mut ruled = place.rules.iter();
    listed.any(|(store, table)| is_its(store, table))
        || ruled.any(|((store, table), rules)| {
            is_its(store, table) && rules.iter().any(|(_, rule)| goes(rule))
        })
}
