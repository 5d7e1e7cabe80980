//! What a change of a policy changed: which rules, and of each which periods, method and keeps, before and after.

use std::collections::BTreeMap;

use super::concept::{UNSTATED, objects, plain, word};
use crate::evidence::{Kind, Object, Record, Value, body, canonical};

/// Members that are told with what they were and are. Of all others it is told that they changed: they are long, or may hold
/// anything, such as the constant that a column is set to.
const TOLD: &[&str] = &[
    "dataset.store",
    "dataset.table",
    "dataset.clock",
    "erase.after",
    "erase.byLaw",
    "erase.from",
    "erase.method",
    "keep.for",
    "keep.from",
    "keep.reference",
    "keep.columns",
    "mode",
];

/// What a record of a policy changed of what the one before it said, of all that is known of the region; where none was before,
/// which rules it has.
pub(super) fn changed(record: &Record, records: &[Record]) -> Vec<String> {
    let of_it = |one: &&Record| {
        one.kind == Kind::PolicyChange
            && one.region == record.region
            && one.about == record.about
            && one.sequence < record.sequence
    };
    let before = records.iter().filter(of_it).max_by_key(|one| one.sequence);
    let spec = |record: &Record| {
        let policy = canonical::read::<body::Policy>(&record.body);
        policy.map(|policy| policy.spec).ok()
    };
    let Some(after) = spec(record) else {
        return Vec::new();
    };
    match before.and_then(spec) {
        Some(before) => between(&before, &after),
        None => begun(&after),
    }
}

/// Each rule of a policy of which nothing is known before.
fn begun(spec: &Object) -> Vec<String> {
    let mode = spec
        .get("mode")
        .map(|mode| format!("mode: {}", plain(mode)));
    let rules = objects(spec, "rules").into_iter();
    let rules = rules.map(|rule| format!("rule {}: {}", word(rule, "name"), stated(rule)));
    mode.into_iter().chain(rules).collect()
}

fn between(before: &Object, after: &Object) -> Vec<String> {
    let mut all = Vec::new();
    let own = moved(&members(before), &members(after));
    if !own.is_empty() {
        all.push(format!("policy changed: {own}"));
    }
    let (was, is) = (rules(before), rules(after));
    for rule in objects(after, "rules") {
        let name = word(rule, "name");
        match was.get(&name) {
            None => all.push(format!("rule {name} added: {}", stated(rule))),
            Some(old) => {
                let moved = moved(&members(old), &members(rule));
                if !moved.is_empty() {
                    all.push(format!("rule {name} changed: {moved}"));
                }
            }
        }
    }
    let gone = was.iter().filter(|(name, _)| !is.contains_key(*name));
    all.extend(gone.map(|(name, rule)| format!("rule {name} removed: {}", stated(rule))));
    all
}

fn rules(spec: &Object) -> BTreeMap<String, &Object> {
    let rules = objects(spec, "rules").into_iter();
    rules.map(|rule| (word(rule, "name"), rule)).collect()
}

/// An object's members, each by its path: those of an object in it too, and nothing below.
fn members(of: &Object) -> BTreeMap<String, &Value> {
    let mut all = BTreeMap::new();
    // Rules have their own words.
    for (key, value) in of.iter().filter(|(key, _)| *key != "rules") {
        match value {
            Value::Object(inner) => {
                all.extend(
                    inner
                        .iter()
                        .map(|(more, value)| (format!("{key}.{more}"), value)),
                );
            }
            value => {
                all.insert(key.clone(), value);
            }
        }
    }
    all
}

/// What a rule says: `dataset.store shop, dataset.table notes, erase.after P1Y`.
fn stated(rule: &Object) -> String {
    let members = members(rule);
    let told = TOLD.iter().filter_map(|path| {
        let value = members.get(*path)?;
        Some(format!("{path} {}", plain(value)))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What became another: `erase.after was P1Y, is P2Y, also purpose`.
fn moved(before: &BTreeMap<String, &Value>, after: &BTreeMap<String, &Value>) -> String {
    let is_other = |path: &str| before.get(path) != after.get(path);
    let said = |of: &BTreeMap<String, &Value>, path: &str| {
        of.get(path)
            .map_or_else(|| UNSTATED.to_owned(), |value| plain(value))
    };
    let told = TOLD.iter().filter(|path| is_other(path));
    let told = told.map(|path| {
        format!(
            "{path} was {}, is {}",
            said(before, path),
            said(after, path)
        )
    });
    let mut told: Vec<String> = told.collect();
    let paths = before.keys().chain(after.keys());
    let mut others: Vec<&str> = paths
        .map(String::as_str)
        .filter(|path| !TOLD.contains(path) && is_other(path))
        .collect();
    others.sort_unstable();
    others.dedup();
    if !others.is_empty() {
        let also = if told.is_empty() { "" } else { "also " };
        told.push(format!("{also}{}", others.join(", ")));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::Period;
    use super::super::log::logs;
    use super::*;
    use crate::evidence::{About, Entry, Tip};

    fn rule(name: &str, after: &str, more: &Json) -> Json {
        let mut rule = json!({"name": name, "dataset": {"store": "shop", "table": name, "clock": "at"},
            "erase": {"after": after, "method": "Delete"}});
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule
    }

    /// What the log says of a policy's versions, one after the other, in the period of all but so many of the first.
    fn told(specs: &[Json], earlier: usize) -> Vec<String> {
        let mut tip = Tip::genesis("f", "eu");
        let records = specs.iter().zip(1..).map(|(spec, generation)| {
            let body = json!({"generation": generation, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": spec});
            let entry = Entry {
                kind: Kind::PolicyChange,
                at: jiff::Timestamp::from_second(generation).unwrap(),
                about: About::cluster("DataPolicy", "shop"),
                source: generation.to_string(),
                body: canonical::object(&body).unwrap(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            record
        });
        let records: Vec<Record> = records.collect();
        let period = Period {
            name: String::new(),
            from: records[earlier].at,
            to: jiff::Timestamp::MAX,
        };
        let log = || {
            let all = logs(&records, &period);
            let rows = all
                .into_iter()
                .find(|one| one.id == "changes")
                .unwrap()
                .rows;
            rows.into_iter()
                .map(|row| row[5].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(log(), log(), "the same report each time");
        // What every row says of the record stands before it.
        let own = |said: String| said.split_once("zone: UTC").unwrap().1.to_owned();
        log().into_iter().map(own).collect()
    }

    #[test]
    fn a_change_says_what_held_before_it_and_after() {
        let keep = json!({"keep": {"for": "P8Y", "reference": "AO 147(3)"}});
        let one = json!({"mode": "DryRun", "regimes": ["eu-gdpr"], "rules": [
            rule("messages", "P90D", &json!({"purpose": "support"})), rule("orders", "P1Y", &keep)]});
        let two = json!({"mode": "Enforce", "regimes": ["eu-gdpr"], "rules": [
            rule("messages", "P30D", &json!({"purpose": "advice", "subjects": ["customers"]})), rule("notes", "P2Y", &json!({}))]});
        let begun = "; mode: DryRun; rule messages: dataset.store shop, dataset.table messages, dataset.clock at, erase.after P90D, erase.method Delete; rule orders: dataset.store shop, dataset.table orders, dataset.clock at, erase.after P1Y, erase.method Delete, keep.for P8Y, keep.reference AO 147(3)";
        let changed = "; policy changed: mode was DryRun, is Enforce; rule messages changed: erase.after was P90D, is P30D, also purpose, subjects; rule notes added: dataset.store shop, dataset.table notes, dataset.clock at, erase.after P2Y, erase.method Delete; rule orders removed: dataset.store shop, dataset.table orders, dataset.clock at, erase.after P1Y, erase.method Delete, keep.for P8Y, keep.reference AO 147(3)";
        let specs = [one.clone(), two.clone(), two];
        assert_eq!(told(&specs, 0), [begun, changed, ""]);
        // The one before may be of a quarter before.
        assert_eq!(told(&specs, 1), [changed, ""]);
        let kept = json!({"mode": "DryRun", "regimes": ["eu-gdpr"], "rules": [
            rule("messages", "P90D", &json!({"purpose": "support"})), rule("orders", "P1Y", &json!({}))]});
        assert_eq!(
            told(&[one, kept], 1),
            [
                "; rule orders changed: keep.for was P8Y, is not stated, keep.reference was AO 147(3), is not stated"
            ]
        );
    }

    /// The constant that a column is set to may be anything.
    #[test]
    fn of_what_may_hold_anything_the_change_alone_is_told() {
        let spec = |value: &str| {
            let erase = json!({"erase": {"after": "P1Y", "method": "Anonymise", "columns": [{"name": "note", "set": "Constant", "value": value}]}});
            json!({"rules": [rule("notes", "", &erase)]})
        };
        let [begun, changed] = told(&[spec("first word"), spec("other word")], 0)
            .try_into()
            .unwrap();
        assert_eq!(changed, "; rule notes changed: erase.columns");
        assert!(!begun.contains("word"), "{begun}");
    }
}
