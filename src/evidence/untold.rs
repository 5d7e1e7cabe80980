//! What a record does not tell of its sums, and whether they hold all the same.
//!
//! Of a million records most tell every number: these are passed over without being read.

use super::canonical::{self, Object, Value};
use super::commitment::{Commitment, Standing, standing};
use super::record::{Kind, Record};
use crate::contract::{Count, ErasedTable, RetainedRule, Sum};

/// What the numbers of a sum are called, in the order of their commitments.
#[derive(Clone, Copy)]
struct Names {
    whole: &'static str,
    parts: &'static [&'static str],
}

const OF_RULE: Names = Names {
    whole: "due",
    parts: &RetainedRule::PARTS,
};

const OF_TABLE: Names = Names {
    whole: "found",
    parts: &ErasedTable::TERMS,
};

impl Names {
    fn all(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.whole).chain(self.parts.iter().copied())
    }
}

/// A sum of a record with numbers that are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blurred {
    /// `rule messages`, `table orders of store shop`.
    pub of: String,
    /// Whether it adds up.
    pub standing: Standing,
    /// Each number that something stands for: its name, how it is told, and what stands for it.
    pub untold: Vec<(&'static str, Count, Commitment)>,
}

/// The sums of a record of which not every number is told, or which something stands for. One that cannot be read does not
/// hold.
#[must_use]
pub fn blurred(record: &Record) -> Vec<Blurred> {
    match record.kind {
        Kind::Run => objects(record.body.get("rules"))
            .filter(|rule| is_blurred(rule, OF_RULE))
            .map(rule)
            .collect(),
        Kind::Request => objects(outcome(&record.body).and_then(|it| it.get("stores")))
            .flat_map(|store| {
                let tables = objects(store.get("tables"));
                let tables = tables.filter(|table| is_blurred(table, OF_TABLE));
                tables.map(|one| table(text(store, "name"), one))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether each sum of a record says what became of every row: of a run that erased, and of a request that took rows away.
/// A preview only counts, and a copy leaves what it is of.
#[must_use]
pub(super) fn must_add_up(record: &Record) -> bool {
    let body = &record.body;
    match record.kind {
        Kind::Run => text(body, "mode") == "Enforce",
        Kind::Request => {
            let action = outcome(body).map_or("", |outcome| text(outcome, "action"));
            !matches!(text(body, "kind"), "Access" | "Portability") && action != "Copy"
        }
        _ => false,
    }
}

/// The sums that must add up, are told in every number, and do not: of what, the whole, and its parts together.
#[must_use]
pub(super) fn astray(record: &Record) -> Vec<(String, i64, i128)> {
    if !must_add_up(record) {
        return Vec::new();
    }
    match record.kind {
        Kind::Run => {
            let rules = objects(record.body.get("rules")).filter_map(|rule| off(rule, OF_RULE));
            let of =
                |(object, whole, parts)| (format!("rule {}", text(object, "name")), whole, parts);
            rules.map(of).collect()
        }
        _ => objects(outcome(&record.body).and_then(|it| it.get("stores")))
            .flat_map(|store| {
                let tables = objects(store.get("tables"));
                let tables = tables.filter_map(|table| off(table, OF_TABLE));
                tables.map(|(object, whole, parts)| {
                    let (name, store) = (text(object, "name"), text(store, "name"));
                    (format!("table {name} of store {store}"), whole, parts)
                })
            })
            .collect(),
    }
}

/// A sum that is told in every number and does not add up. What is not there is none.
fn off(object: &Object, names: Names) -> Option<(&Object, i64, i128)> {
    if is_blurred(object, names) {
        return None;
    }
    let number = |name: &str| match object.get(name) {
        Some(Value::Integer(rows)) => *rows,
        _ => 0,
    };
    let whole = number(names.whole);
    let is_counted = names.all().all(|name| number(name) >= 0);
    let parts: i128 = names
        .parts
        .iter()
        .map(|name| i128::from(number(name)))
        .sum();
    (!is_counted || i128::from(whole) != parts).then_some((object, whole, parts))
}

fn outcome(body: &Object) -> Option<&Object> {
    match body.get("outcome") {
        Some(Value::Object(outcome)) => Some(outcome),
        _ => None,
    }
}

fn objects(list: Option<&Value>) -> impl Iterator<Item = &Object> {
    let list = match list {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|value| match value {
        Value::Object(object) => Some(object),
        _ => None,
    })
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    match object.get(key) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn is_blurred(object: &Object, names: Names) -> bool {
    let is_text = |name: &str| matches!(object.get(name), Some(Value::Text(_)));
    object.contains_key("commitments") || names.all().any(is_text)
}

fn rule(object: &Object) -> Blurred {
    let of = format!("rule {}", text(object, "name"));
    match canonical::read::<RetainedRule>(object) {
        Ok(rule) => told(of, &rule.sum(), (OF_RULE, &rule.commitments)),
        Err(_) => unreadable(of),
    }
}

fn table(store: &str, object: &Object) -> Blurred {
    let of = format!("table {} of store {store}", text(object, "name"));
    match canonical::read::<ErasedTable>(object) {
        Ok(table) => told(of, &table.sum(), (OF_TABLE, &table.commitments)),
        Err(_) => unreadable(of),
    }
}

fn unreadable(of: String) -> Blurred {
    Blurred {
        of,
        standing: Standing::Broken,
        untold: Vec::new(),
    }
}

fn told(of: String, sum: &Sum, (names, commitments): (Names, &[Commitment])) -> Blurred {
    let all = std::iter::once(&sum.whole).chain(&sum.parts);
    let untold = names
        .all()
        .zip(all)
        .filter(|(_, count)| count.told().is_none());
    let untold = untold.zip(commitments);
    Blurred {
        of,
        standing: standing(sum, commitments),
        untold: untold
            .map(|((name, count), commitment)| (name, *count, *commitment))
            .collect(),
    }
}
