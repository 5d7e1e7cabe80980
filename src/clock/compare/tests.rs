//! Whatever of a pack is another, is told.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::changes;
use crate::packs::{BUILTIN_REGIMES, Packs, Regimes};

/// What is no fact: when somebody read, and aliases that nothing reads.
const NO_FACTS: [&str; 3] = ["asOf", "sources", "read"];
/// A way into a pack: keys and numbers.
type Way = Vec<Value>;

/// Every value that has no parts, and every optional part, by its field; what a field's key is one of many stands as `*`.
fn walk(value: &Value, way: &mut Way, field: &str, out: &mut BTreeMap<String, Vec<Way>>) {
    out.entry(field.to_owned()).or_default().push(way.clone());
    match value {
        Value::Mapping(fields) => {
            for (key, inner) in fields {
                let name = key.as_str().unwrap_or_default();
                if NO_FACTS.contains(&name) {
                    continue;
                }
                let is_many = ["regimes", "statutes", "registers", "clocks", "limits"]
                    .iter()
                    .any(|many| field.rsplit('.').next() == Some(many));
                let name = if is_many && !["value", "source", "confirmed"].contains(&name) {
                    "*"
                } else {
                    name
                };
                way.push(key.clone());
                walk(inner, way, &format!("{field}.{name}"), out);
                way.pop();
            }
        }
        Value::Sequence(items) => {
            for (at, inner) in items.iter().enumerate() {
                way.push(Value::from(at as u64));
                walk(inner, way, &format!("{field}[]"), out);
                way.pop();
            }
        }
        _ => {}
    }
}

fn at<'a>(pack: &'a mut Value, way: &[Value]) -> Option<&'a mut Value> {
    way.iter()
        .try_fold(pack, |value, step| match step.as_u64() {
            Some(place) if value.is_sequence() => value.get_mut(usize::try_from(place).ok()?),
            _ => value.get_mut(step),
        })
}

/// The pack with one part changed, in each way that may be legal: another value, one of the field's others, none.
fn mutants(pack: &Value, way: &[Value], others: &BTreeSet<String>) -> Vec<Value> {
    let mut made = Vec::new();
    let Some((last, before)) = way.split_last() else {
        return made;
    };
    let mut values: Vec<Value> = Vec::new();
    let mut own = pack.clone();
    let old = at(&mut own, way).cloned().unwrap_or_default();
    match &old {
        Value::Bool(is_so) => values.push((!is_so).into()),
        Value::Number(number) => values.push(number.as_u64().map_or(1, |n| n + 1).into()),
        Value::String(text) => {
            let near = others.iter().filter(|other| *other != text).take(2);
            values.extend(near.map(|other| other.as_str().into()));
            // A period that the field has once has no other to become.
            if text.starts_with('P') && text.contains('3') {
                values.push(text.replace('3', "4").into());
            }
            values.push(format!("{text}x").into());
        }
        _ => {}
    }
    for value in values {
        let mut one = pack.clone();
        if let Some(place) = at(&mut one, way) {
            *place = value;
            made.push(one);
        }
    }
    let mut without = pack.clone();
    match at(&mut without, before) {
        Some(Value::Mapping(fields)) => {
            fields.remove(last);
        }
        Some(Value::Sequence(items)) => {
            let place = last.as_u64().and_then(|at| usize::try_from(at).ok());
            items.remove(place.unwrap_or_default());
        }
        _ => {}
    }
    made.push(without);
    made
}

fn load(pack: &Value) -> Option<Regimes> {
    Packs::load_regimes(&serde_yaml::to_string(pack).ok()?).ok()
}

#[test]
fn nothing_of_a_pack_changes_unseen() {
    let pack: Value = serde_yaml::from_str(BUILTIN_REGIMES).unwrap();
    let old = load(&pack).unwrap();
    assert!(changes(&old, &old).is_empty());
    let mut fields = BTreeMap::new();
    walk(&pack, &mut Way::new(), "pack", &mut fields);
    let (mut tried, mut unseen) = (BTreeSet::new(), BTreeSet::new());
    for (field, ways) in &fields {
        let mut own = pack.clone();
        let words = ways.iter().filter_map(|way| {
            let text = at(&mut own, way)?.as_str()?;
            Some(text.to_owned())
        });
        let others: BTreeSet<String> = words.collect();
        // The facts of one field are alike: the first change that is legal stands for all of them.
        let ends = [ways.first(), ways.last()].into_iter().flatten();
        let mut made = ends.flat_map(|way| mutants(&pack, way, &others));
        let changed = made.find_map(|mutant| load(&mutant).filter(|new| *new != old));
        let Some(new) = changed else { continue };
        tried.insert(field.as_str());
        if changes(&old, &new).is_empty() {
            unseen.insert(field.as_str());
        }
    }
    assert!(
        unseen.is_empty(),
        "changes that nobody is told of: {unseen:?}"
    );
    for wanted in [
        "pack.regimes.*.adequacy.decisions[].value.reviewBy",
        "pack.regimes.*.baseline[].value.severity",
        "pack.regimes.*.baseline[].value.fields[]",
        "pack.personalNames.value[]",
        "pack.personalColumns.value[]",
        "pack.categories.value[]",
        "pack.uses.value[]",
        "pack.subjectCategories.value[]",
        "pack.regimes.*.keep[].value.for",
        "pack.regimes.*.inactivity[].value.within",
        "pack.regimes.*.inactivity[].value.fromUsers",
        "pack.regimes.*.inactivity[].value.notice",
        "pack.regimes.*.inactivity[].value.class",
        "pack.regimes.*.inactivity[].value.exceptRecords[]",
        "pack.statutes.*.law.value",
        "pack.statutes.*.keep[].value.from",
        "pack.statutes.*.keep[].value.records",
        "pack.statutes.*.erase[].value.records",
        "pack.statutes.*.erase[].value.within",
        "pack.regimes.*.deadlines[].value.within",
        "pack.jurisdictions[].value.regimes[]",
    ] {
        assert!(
            tried.contains(wanted),
            "{wanted} was never changed: {tried:?}"
        );
    }
    println!("fields that were changed: {}", tried.len());
}
