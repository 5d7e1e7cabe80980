//! Legal holds: how each stood in each region when the period began, and whenever that became another in it.

use super::{Column, Table, text};
use crate::evidence::{Record, body, canonical};

const HOLDS: &[Column] = &[
    text("hold", "Hold"),
    text("region", "Region"),
    text("record", "Record"),
    text("at", "When"),
    text("state", "State"),
    text("ground", "Ground"),
    text("by", "Opened by"),
    text("review", "Review on"),
    text("scopes", "What is held"),
    text("stores", "In force, by each database"),
    text("release", "Released"),
];

pub(super) fn holds(mut of: Vec<&Record>) -> Table {
    let order = |one: &&Record| (one.about.name.clone(), one.region.clone(), one.sequence);
    of.sort_by_key(order);
    Table {
        id: "holds",
        title: "Holds",
        note: "How each legal hold stood: by a record of before the period where it was not released when that began, and a row for each change in it. It is in force since the moment that a database names, and ends by a release alone: an object that was deleted on the hub holds on.",
        columns: HOLDS,
        rows: of.into_iter().map(row).collect(),
    }
}

fn row(record: &Record) -> Vec<String> {
    let mut row = vec![
        record.about.name.clone(),
        record.region.clone(),
        record.sequence.to_string(),
        record.at.to_string(),
    ];
    let Ok(hold) = canonical::read::<body::Hold>(&record.body) else {
        row.push("unreadable".to_owned());
        row.resize(HOLDS.len(), String::new());
        return row;
    };
    let deleted = if hold.deleted {
        ", its object deleted"
    } else {
        ""
    };
    let release = hold.release.as_ref();
    let release = release.map(|release| format!("by {}: {}", release.by, release.ground));
    row.extend([
        format!("{}{deleted}", hold.state),
        hold.ground,
        hold.opened_by,
        hold.review_on,
        each(&hold.scopes, scope),
        each(&hold.stores, store),
        release.unwrap_or_default(),
    ]);
    row
}

fn each<T>(all: &[T], told: fn(&T) -> String) -> String {
    let told: Vec<String> = all.iter().map(told).collect();
    told.join("; ")
}

fn scope(scope: &body::HeldScope) -> String {
    let store = scope.store.as_deref().unwrap_or("no store");
    let by_rules = scope.category.as_ref().or(scope.subject.as_ref());
    let told = match (scope.table.as_deref(), &scope.column, by_rules) {
        (Some(table), Some(column), _) => format!("{store}: {table}, rows by {column}"),
        (Some(table), None, _) => format!("{store}: {table}"),
        (None, _, Some(_)) => format!("{store}: no table"),
        (None, _, None) => format!("{store}: everything"),
    };
    match by_rules {
        Some(what) => format!("{told} ({what})"),
        None => told,
    }
}

fn store(store: &body::HeldStore) -> String {
    let name = &store.name;
    match (&store.in_force_since, &store.released_at) {
        (Some(since), Some(until)) => format!("{name}: {since} to {until}"),
        (Some(since), None) => format!("{name}: since {since}"),
        (None, _) => format!("{name}: not in force"),
    }
}
