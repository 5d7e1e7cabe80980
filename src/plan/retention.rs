//! What erases a policy's due rows in a region: facts in, Kubernetes objects out.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::calculus::{Part, Ruling};
use super::cron::{self, Schedule};
use super::meta::{self, Role};
use super::pod::{Agent, Mount, Size};
use super::{Permit, PolicyFacts, PolicyWorkloads, hold_list, legal_hold, placement, suppression};
use crate::api::{
    DataPolicy, DataPolicySpec, DataStore, ErasedColumn, Region, RetentionThrottle, names,
};
use crate::contract::{
    Approval, Catalogue, ColumnChange, ContactTable, LastContact, Method, Notice, RequiredHold,
    Retain, RetentionKeep, RetentionRule, Throttle,
};
use crate::packs::{Check, Fact};

/// The command, and the component label.
const COMMAND: &str = "retain";
const COMPONENT: &str = "retention";
/// Batches are keys and counts: the rows stay in the database.
const SIZE: Size = Size {
    cpu: "50m",
    memory: "64Mi",
    memory_limit: "256Mi",
    scratch: "16Mi",
};
/// Seconds to finish the batch under way.
const GRACE: i64 = 60;
/// What a Job may take beyond its window, over all attempts: to start, to count, to report. In seconds.
const MARGIN: i64 = 900;
/// Most rows in one transaction.
const BATCH_ROWS: u32 = 10_000;
/// The share of a table that goes without an approval.
const MAX_PERCENT: u32 = 5;
/// Minutes for which a vacuum at work is waited for, or a quarter of a short window: it must not take a run's whole time night
/// after night. Dead rows are waited for where a policy says so only: a server need not count them, its own vacuum may begin at
/// more than any bound, and a thousand are many of a small table, where they are no burden.
const VACUUM_MINUTES: u32 = 10;

/// A policy in one region, all of whose stores are there.
pub(super) struct Ground<'a> {
    pub(super) facts: &'a PolicyFacts,
    pub(super) region: &'a str,
    pub(super) at: &'a Region,
    /// Each rule that erases, with what binds it.
    pub(super) rulings: &'a [Ruling<'a>],
    /// What a preview here is of.
    pub(super) hash: &'a str,
    pub(super) window: SignedDuration,
    pub(super) approval: Option<Approval>,
    pub(super) run_at: Option<&'a str>,
    /// The Jobs of runs that left no report.
    pub(super) lost: &'a [String],
}

/// The policy's objects.
pub(super) fn workloads(ground: &Ground<'_>) -> PolicyWorkloads {
    let policy = &ground.facts.policy;
    let policy_name = policy.metadata.name.as_deref().unwrap_or_default();
    let role = Role::of_cluster(
        &ground.facts.settings.fleet,
        ("DataPolicy", policy_name),
        COMPONENT,
    );
    let name = names::retention(policy_name);
    let namespace = ground.at.spec.run_namespace.as_str();
    let task = meta::task(COMMAND, ground.region, task(ground, policy_name));
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &name,
        hash: meta::config_hash(&task, &BTreeMap::new()),
        service_account: name.clone(),
        mounts: mounts(ground),
        size: SIZE,
        grace: GRACE,
    };
    let mut template = agent.template(&ground.facts.settings, &ground.at.spec);
    hold_list::mount(&mut template, names::HOLD_LIST);
    cron::tell_job(&mut template);
    let permit = Permit {
        mode: policy.spec.mode(),
        spec_hash: ground.hash.to_owned(),
        approved: ground.approval.as_ref().map(|it| it.hash.clone()),
    };
    let schedule = Schedule {
        role: role.clone(),
        namespace,
        name: name.clone(),
        cron: &policy.spec.retention.schedule,
        time_zone: &ground.at.spec.locale.time_zone,
        deadline: ground.window.as_secs().saturating_add(MARGIN),
        history: history::of(&policy.spec.retention.schedule, &ground.at.spec),
        marks: permit.marks(),
    };
    let cron_job = schedule.cron_job(&template);
    let lost = ground.lost.iter();
    PolicyWorkloads {
        service_account: meta::service_account(&role, namespace, &name),
        config_map: meta::config_map(&role, namespace, &name, task),
        run_now: ground
            .run_at
            .map(|requested| schedule.run_now(&template, requested)),
        read_back: lost
            .filter_map(|lost| cron::read_back(&cron_job, lost))
            .collect(),
        cron_job,
        permit,
    }
}

fn task(ground: &Ground<'_>, policy: &str) -> Retain {
    let spec = &ground.facts.policy.spec;
    let bounded = |value: Option<i32>, default| {
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(default)
    };
    Retain {
        policy: policy.to_owned(),
        mode: spec.mode(),
        spec_hash: ground.hash.to_owned(),
        time_zone: ground.at.spec.locale.time_zone.clone(),
        window: spec.retention.window().to_owned(),
        batch_rows: bounded(spec.retention.batch_rows, BATCH_ROWS),
        max_percent: bounded(spec.retention.max_percent, MAX_PERCENT),
        throttle: throttle(spec.retention.throttle.as_ref(), ground.window),
        small_counts: ground.at.spec.small_counts(),
        approval: ground.approval.clone(),
        holds: holds(ground),
        catalogue: catalogue(ground),
        hold_list: Some(hold_list::bound(&ground.at.spec.hold_list())),
        rules: stores(ground)
            .flat_map(|(ruling, store)| with_parts(ruling, store))
            .collect(),
        suppression: suppression::url(&ground.at.spec),
    }
}

fn throttle(spec: Option<&RetentionThrottle>, window: SignedDuration) -> Throttle {
    let quarter = u32::try_from(window.as_mins() / 4).unwrap_or(VACUUM_MINUTES);
    let usual = Throttle {
        vacuum_minutes: quarter.min(VACUUM_MINUTES),
        ..Throttle::default()
    };
    let Some(spec) = spec else { return usual };
    let number = |value: Option<i32>, usual| {
        let value = value.and_then(|value| u32::try_from(value).ok());
        value.unwrap_or(usual)
    };
    Throttle {
        replica_lag_seconds: number(spec.replica_lag_seconds, usual.replica_lag_seconds),
        slot_mebibytes: number(spec.slot_mebibytes, usual.slot_mebibytes),
        transaction_minutes: number(spec.transaction_minutes, usual.transaction_minutes),
        vacuum_minutes: number(spec.vacuum_minutes, usual.vacuum_minutes),
        dead_rows_percent: number(spec.dead_rows_percent, usual.dead_rows_percent),
    }
}

/// The holds that must be in force in the rules' stores.
fn holds(ground: &Ground<'_>) -> Vec<RequiredHold> {
    let names = stores(ground).map(|(_, store)| store.name.as_str());
    let known = (ground.facts.settings.fleet.as_str(), &ground.facts.holds);
    let said = legal_hold::Said {
        policies: &ground.facts.policies,
        channels: &ground.facts.channels,
    };
    legal_hold::required(known, said, ground.at, &names.collect())
}

/// What a run is to look for in the catalogues: what slows or copies where its own rules erase, and by the words of the pack
/// what looks personal beside them; where one of the policy's regimes asks for it.
fn catalogue(ground: &Ground<'_>) -> Option<Catalogue> {
    let regimes = &ground.facts.packs.regimes;
    let spec = &ground.facts.policy.spec;
    let asks = |asked: &[Check]| {
        let mut own = spec.regimes.iter();
        own.any(|id| {
            let demand = |check| regimes.demand(id, check);
            asked.iter().any(|check| demand(*check).is_some())
        })
    };
    let of_rules = asks(&[
        Check::IndexMissing,
        Check::TriggerOnErasure,
        Check::StoresMayBeOne,
    ]);
    if !asks(&[
        Check::PersonalTableWithoutRule,
        Check::PersonalColumnWithoutRule,
    ]) {
        return of_rules.then(Catalogue::default);
    }
    let words = |list: &Option<Fact<BTreeSet<String>>>| {
        list.as_ref()
            .map(|fact| fact.value.clone())
            .unwrap_or_default()
    };
    let catalogue = Catalogue {
        table_words: words(&regimes.personal_names),
        column_words: words(&regimes.personal_columns),
        named: named(ground),
    };
    let is_blind = catalogue.table_words.is_empty() && catalogue.column_words.is_empty();
    (!is_blind || of_rules).then_some(catalogue)
}

/// By store of the rules, every table that a policy for the region has a rule for, or that the Region lists: those are
/// told without a run.
fn named(ground: &Ground<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let policies = ground.facts.policies.values().filter(|policy| {
        policy.metadata.deletion_timestamp.is_none()
            && placement::policy_chooses(policy, ground.at, &ground.facts.channels)
    });
    let ruled = policies.flat_map(|policy| &policy.spec.rules);
    let ruled = ruled.map(|rule| (&rule.dataset.store, &rule.dataset.table));
    let listed = ground.at.spec.data_stores.iter();
    let listed = listed.flat_map(|store| store.datasets.iter().map(|table| (&store.name, table)));
    let own: BTreeSet<&str> = stores(ground)
        .map(|(_, store)| store.name.as_str())
        .collect();
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (store, table) in ruled
        .chain(listed)
        .filter(|(store, _)| own.contains(store.as_str()))
    {
        named
            .entry(store.clone())
            .or_default()
            .insert(table.clone());
    }
    named
}

/// Each rule with its store.
fn stores<'a>(ground: &'a Ground<'_>) -> impl Iterator<Item = (&'a Ruling<'a>, &'a DataStore)> {
    ground.rulings.iter().filter_map(|ruling| {
        let mut stores = ground.at.spec.data_stores.iter();
        let store = stores.find(|store| store.name == ruling.rule().dataset.store)?;
        Some((ruling, store))
    })
}

/// A rule, and what goes before of the rows that it has to keep: by the same clock, contacts and notice.
pub(super) fn with_parts(ruling: &Ruling<'_>, store: &DataStore) -> Vec<RetentionRule> {
    let whole = one(ruling, store);
    let part = |part: Part| RetentionRule {
        keeps: ruling.keeps_of(&part),
        name: part.name,
        method: Method::Anonymise,
        columns: part.columns,
        ..whole.clone()
    };
    let parts: Vec<RetentionRule> = ruling.parts().map(part).collect();
    std::iter::once(whole).chain(parts).collect()
}

fn one(ruling: &Ruling<'_>, store: &DataStore) -> RetentionRule {
    let rule = ruling.rule();
    RetentionRule {
        name: rule.name.clone(),
        store: store.name.clone(),
        url: meta::secret_file(&mount(store), &store.postgres.secret_ref.key),
        table: rule.dataset.table.clone(),
        clock: rule.dataset.clock.clone(),
        after: ruling.erase().after.clone().unwrap_or_default(),
        from: ruling.anchor,
        last_contact: ruling.erase().last_contact.as_ref().map(contact),
        notice: ruling.erase().notice.as_ref().map(notice),
        keeps: ruling.keeps(),
        method: ruling.erase().method,
        columns: ruling.erase().columns.iter().map(change).collect(),
    }
}

/// Contacts as the agent takes them.
fn contact(contact: &crate::api::LastContact) -> LastContact {
    let table = |it: &crate::api::ContactTable| ContactTable {
        table: it.table.clone(),
        clock: it.clock.clone(),
    };
    LastContact {
        tables: contact.tables.iter().map(table).collect(),
        at_least: contact.at_least.clone(),
        at_most: contact.at_most.clone(),
    }
}

/// A notice as the agent takes it; without a number of hours that can be, none is old enough.
fn notice(notice: &crate::api::Notice) -> Notice {
    Notice {
        column: notice.column.clone(),
        hours: u32::try_from(notice.hours).unwrap_or(u32::MAX),
    }
}

/// A column as the agent takes it; that its parameters fit, the schema's rules say.
pub(super) fn change(column: &ErasedColumn) -> ColumnChange {
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    ColumnChange {
        name: column.name.clone(),
        set: column.set,
        value: column.value.clone(),
        length: number(column.length),
        to: column.to,
        step: number(column.step),
    }
}

pub(super) fn mount(store: &DataStore) -> String {
    format!("store-{}", store.name)
}

/// One per store, in the stores' order: a store's URL is mounted once, however many rules read it.
fn mounts(ground: &Ground<'_>) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mut mounts: Vec<Mount> = stores(ground)
        .filter(|(_, store)| seen.insert(store.name.as_str()))
        .map(|(_, store)| {
            let secret = &store.postgres.secret_ref;
            Mount::key(mount(store), &secret.name, &secret.key)
        })
        .collect();
    mounts.sort_by(|a, b| a.name.cmp(&b.name));
    mounts.extend(suppression::mount(&ground.at.spec));
    mounts
}

/// `sha256-<hex>` over the canonical JSON of the spec without `approvals`, `mode` and `suspend`: what a preview
/// was of where no other policy's keep binds. Going from `DryRun` to `Enforce`, or approving, changes nothing of it.
#[must_use]
pub fn spec_hash(spec: &DataPolicySpec) -> String {
    hash(&told(spec))
}

/// The same where keeps of other policies or of the packs bind, or a law sets a rule's period: when one of them changes, what was
/// approved is void.
pub(super) fn bound_hash(policy: &DataPolicy, rulings: &[Ruling<'_>]) -> String {
    let foreign = |ruling: &Ruling<'_>| {
        let keeps = ruling.foreign(policy);
        (!keeps.is_empty()).then(|| (ruling.rule().name.clone(), keeps))
    };
    let foreign: BTreeMap<String, Vec<RetentionKeep>> =
        rulings.iter().filter_map(foreign).collect();
    let by_law = |ruling: &Ruling<'_>| Some((ruling.rule().name.clone(), ruling.by_law()?));
    let by_law: BTreeMap<String, Value> = rulings.iter().filter_map(by_law).collect();
    if foreign.is_empty() && by_law.is_empty() {
        return spec_hash(&policy.spec);
    }
    let keeps = serde_json::to_value(foreign).unwrap_or_default();
    let mut parts = vec![told(&policy.spec), keeps];
    if !by_law.is_empty() {
        parts.push(Value::from_iter(by_law));
    }
    hash(&Value::Array(parts))
}

fn told(spec: &DataPolicySpec) -> Value {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        for outside in ["approvals", "mode", "suspend"] {
            fields.remove(outside);
        }
    }
    value
}

/// `sha256-<hex>` of JSON with sorted keys and no white space.
#[must_use]
pub fn hash(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    format!("sha256-{}", hex::encode(Sha256::digest(text)))
}

/// JSON with sorted keys and no white space, whatever order the map type keeps.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            out.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_nobody_set_is_the_contracts_and_a_vacuum_gets_its_time() {
        let window = SignedDuration::from_hours(4);
        let usual = Throttle {
            vacuum_minutes: 10,
            ..Throttle::default()
        };
        assert_eq!(throttle(None, window), usual);
        // A short run has more to do than wait.
        for (minutes, vacuum_minutes) in [(41, 10), (39, 9), (3, 0)] {
            let short = throttle(None, SignedDuration::from_mins(minutes));
            assert_eq!(short.vacuum_minutes, vacuum_minutes, "{minutes}");
        }
        let set = RetentionThrottle {
            slot_mebibytes: Some(64),
            dead_rows_percent: Some(30),
            ..RetentionThrottle::default()
        };
        let (slot_mebibytes, dead_rows_percent) = (64, 30);
        assert_eq!(
            throttle(Some(&set), window),
            Throttle {
                slot_mebibytes,
                dead_rows_percent,
                ..usual
            }
        );
        let vacuum_minutes = Some(30);
        let set = RetentionThrottle {
            vacuum_minutes,
            ..set
        };
        let short = SignedDuration::from_mins(3);
        assert_eq!(throttle(Some(&set), short).vacuum_minutes, 30);
    }

    #[test]
    fn canonical_json_does_not_depend_on_order() {
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        let mut out = String::new();
        canonical(
            &read(r#"{"b": [1, {"d": "x\"", "c": null}], "a": true}"#),
            &mut out,
        );
        assert_eq!(out, r#"{"a":true,"b":[1,{"c":null,"d":"x\""}]}"#);
    }
}
