//! The register of anonymisation that Quebec asks for (P-39.1 s. 23, Decree 783-2024), as far as policies and runs state it.

use std::collections::BTreeSet;

use super::concept::{UNSTATED, object, objects, others, plain, rules, with, word, words};
use super::superseded::superseded;
use super::{Column, InForce, Table, text};
use crate::cli::audit::period::Period;
use crate::contract::{Count, Method, RetainMode};
use crate::evidence::{About, Kind, Object, Record, body, canonical};

const REGISTER: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("rule", "Rule"),
    text("ended", "Policy ended"),
    text("table", "Table"),
    text("information", "Which information"),
    text("purpose", "For which purpose it is anonymised"),
    text("techniques", "Techniques"),
    text("measures", "Protection and security measures"),
    text("rows", "Rows in the period"),
    text("first", "First run"),
    text("last", "Last run"),
    text("tests", "Dates of the analyses of re-identification"),
];

/// A row for each rule that anonymises, of whatever regime: whoever falls under Quebec's law need not name it for the rule. And
/// for each that did in the period: that took columns of rows which a law keeps, or stands in no policy any more.
pub(super) fn register(policies: &[InForce<'_>], records: &[Record], period: &Period) -> Table {
    let runs = runs(records, period);
    let mut rows = Vec::new();
    let mut told = BTreeSet::new();
    for one in policies {
        for rule in rules(&one.policy.spec) {
            let erase = object(rule, "erase");
            let is_asked = |erase: &&Object| {
                ["Anonymise", "Nullify"].contains(&word(erase, "method").as_str())
            };
            if let Some(erase) = erase.filter(is_asked) {
                let (record, name) = (one.record, word(rule, "name"));
                let done = done((&record.region, &record.about, &name), &runs);
                let columns = objects(erase, "columns");
                rows.push(row(one, (&name, rule, &columns), &done));
                told.insert([record.about.name.clone(), record.region.clone(), name]);
            }
        }
    }
    for (record, run) in &runs {
        for rule in &run.rules {
            let (about, region) = (&record.about, &record.region);
            let place = [about.name.clone(), region.clone(), rule.name.clone()];
            if told.contains(&place) {
                continue;
            }
            let done = done((region, about, &rule.name), &runs);
            rows.push(match part(policies, (region, about), &rule.name) {
                Some((one, of, columns)) => row(one, (&rule.name, of, &columns), &done),
                None => unstated(&place, &done),
            });
            told.insert(place);
        }
    }
    Table {
        id: "anonymisation",
        title: "Register of anonymisation (Quebec)",
        note: "P-39.1 s. 23 and Decree 783-2024: a row for each rule that changes rows instead of deleting them, as it stood at the end of the period, or until its policy ended in it, with what its runs recorded in it; for what a rule took of rows of which a law keeps some columns (invoices/others), where its runs recorded any; of a rule that stands in no policy any more, what its runs recorded. Whether what is left is anonymous nobody here has judged; the analyses of the risk of re-identification and their dates are kept elsewhere.",
        columns: REGISTER,
        rows,
    }
}

/// Runs in the period that erased, with what each rule anonymised. A rule that deleted before, under the same name, anonymised
/// nothing then.
fn runs<'a>(records: &'a [Record], period: &Period) -> Vec<(&'a Record, body::Run)> {
    let runs = records
        .iter()
        .filter(|record| record.kind == Kind::Run && period.has(record.at));
    let told_again = superseded(runs.clone());
    let counted =
        |record: &&Record| !told_again.contains_key(&(record.region.as_str(), record.sequence));
    let read = runs.filter(counted).filter_map(|record| {
        let mut run = canonical::read::<body::Run>(&record.body).ok()?;
        run.rules.retain(|told| {
            matches!(told.method, Method::Anonymise | Method::Nullify) && !told.erased.is_zero()
        });
        (run.mode == Some(RetainMode::Enforce)).then_some((record, run))
    });
    read.collect()
}

/// Rows that a rule's runs changed, and when the first and the last of these ended.
fn done(
    (region, about, name): (&str, &About, &str),
    runs: &[(&Record, body::Run)],
) -> (Count, Vec<String>) {
    let of_it = runs
        .iter()
        .filter(|(record, _)| record.region == region && record.about == *about);
    let (mut rows, mut ends) = (Count::ZERO, Vec::new());
    for (record, run) in of_it {
        for told in run.rules.iter().filter(|told| told.name == name) {
            rows = rows.plus(told.erased);
            ends.push(
                run.finished_at
                    .clone()
                    .unwrap_or_else(|| record.at.to_string()),
            );
        }
    }
    ends.sort();
    (rows, ends)
}

/// What a part of a rule takes of rows that a keep of some columns keeps: the rule, and the columns that this keep lets go, its own
/// or that of the policy and the rule behind the part's name.
fn part<'a>(
    policies: &'a [InForce<'a>],
    (region, about): (&str, &About),
    name: &str,
) -> Option<(&'a InForce<'a>, &'a Object, Vec<&'a Object>)> {
    let of = |wanted: &str| {
        let mut all = policies.iter();
        all.find(|one| one.record.region == region && one.record.about.name == wanted)
    };
    let find = |one: &'a InForce<'a>, wanted: &str| {
        let mut all = rules(&one.policy.spec).into_iter();
        all.find(|rule| word(rule, "name") == wanted)
    };
    let mut words = name.split('/');
    let (own, mark) = (words.next()?, words.next()?);
    let one = of(&about.name).filter(|_| mark == "others")?;
    let rule = find(one, own)?;
    let keeping = match (words.next(), words.next()) {
        (Some(policy), Some(wanted)) => find(of(policy)?, wanted)?,
        _ => rule,
    };
    let others = self::others(keeping);
    (!others.is_empty()).then_some((one, rule, others))
}

/// A rule that no policy names any more: what its runs did is all that there is of it.
fn unstated(place: &[String; 3], (rows, ends): &(Count, Vec<String>)) -> Vec<String> {
    let mut row = place.to_vec();
    row.extend(std::iter::repeat_n(UNSTATED.to_owned(), 6));
    row.extend(counted(*rows, ends));
    row
}

/// The columns of what was done.
fn counted(rows: Count, ends: &[String]) -> [String; 4] {
    [
        rows.to_string(),
        ends.first().cloned().unwrap_or_default(),
        ends.last().cloned().unwrap_or_default(),
        UNSTATED.to_owned(),
    ]
}

fn row(
    one: &InForce<'_>,
    (name, rule, columns): (&str, &Object, &[&Object]),
    (rows, ends): &(Count, Vec<String>),
) -> Vec<String> {
    let nothing = Object::new();
    let dataset = object(rule, "dataset").unwrap_or(&nothing);
    let columns = columns.iter().map(|column| technique(column));
    let mut row = vec![
        one.record.about.name.clone(),
        one.record.region.clone(),
        name.to_owned(),
        one.ended(),
        format!("{}.{}", word(dataset, "store"), word(dataset, "table")),
        with(rule, "category", "subjects").unwrap_or_else(|| UNSTATED.to_owned()),
        word(rule, "purpose"),
        columns.collect::<Vec<_>>().join("; "),
        words(&one.policy.spec, "securityMeasures"),
    ];
    row.extend(counted(*rows, ends));
    row
}

/// What becomes of a column: `postcode: Truncate (length: 3)`.
fn technique(column: &Object) -> String {
    let set = column.get("set").map_or_else(|| "Null".to_owned(), plain);
    // The constant itself is no technique, and may be anything.
    let how = ["length", "to", "step"].into_iter();
    let how = how.filter_map(|key| Some(format!("{key}: {}", plain(column.get(key)?))));
    let how = how.collect::<Vec<_>>().join(", ");
    let name = word(column, "name");
    if how.is_empty() {
        return format!("{name}: {set}");
    }
    format!("{name}: {set} ({how})")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{Entry, Tip};

    fn spec() -> serde_json::Value {
        json!({"regimes": ["ca-qc-law25"], "securityMeasures": ["encryption"], "rules": [
            {"name": "people", "category": "user.contact", "subjects": ["customers"], "purpose": "statistics of sales",
             "dataset": {"store": "shop", "table": "people", "clock": "at"},
             "erase": {"after": "P1Y", "method": "Anonymise", "columns": [
                {"name": "email"}, {"name": "postcode", "set": "Truncate", "length": 3},
                {"name": "born", "set": "Generalise", "to": "Year"}, {"name": "name", "set": "Constant", "value": "x"}]}},
            {"name": "orders", "dataset": {"store": "shop", "table": "orders", "clock": "at"}, "erase": {"after": "P1Y", "method": "Delete"}},
        ]})
    }

    /// A run that was stopped and gone on with stands in two records, and its rows are counted once.
    #[test]
    fn rows_of_a_run_that_is_told_again_are_counted_once() {
        let mut tip = Tip::genesis("f", "qc");
        let run = |rows: i64| {
            json!({"job": "j", "run": "r", "mode": "Enforce", "reason": "Done", "rules": [
                {"name": "people", "method": "Anonymise", "rows": 90, "due": 30, "erased": rows}]})
        };
        let records = [12, 30].map(|rows| record(&mut tip, Kind::Run, "shop", &run(rows)));
        let table = register(&[], &records, &Period::parse("2026").unwrap());
        let told: Vec<&str> = table.rows.iter().map(|row| row[9].as_str()).collect();
        assert_eq!(told, ["30"]);
    }

    /// A policy, and what its runs did.
    fn records() -> Vec<Record> {
        let mut tip = Tip::genesis("f", "qc");
        let mut records = Vec::new();
        let mut add = |kind, at: &str, body: &serde_json::Value| {
            let entry = Entry {
                kind,
                at: at.parse().unwrap(),
                about: About::cluster("DataPolicy", "shop"),
                source: at.to_owned(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append("qc", &tip);
            tip = Tip::of(&record);
            records.push(record);
        };
        let spec = spec();
        add(
            Kind::PolicyChange,
            "2026-01-01T00:00:00Z",
            &json!({"generation": 1, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": spec}),
        );
        let run = |mode: &str, at: &str, method: &str, rows: i64| {
            json!({"job": "j", "mode": mode, "reason": "Done", "finishedAt": at, "rules": [
                {"name": "people", "method": method, "rows": 9, "due": rows, "erased": rows}, {"name": "orders", "rows": 9, "due": 9, "erased": 9}]})
        };
        for (at, mode, method, rows) in [
            ("2025-12-01T00:00:00Z", "Enforce", "Anonymise", 1000),
            ("2026-02-01T00:00:00Z", "Enforce", "Delete", 100),
            ("2026-03-01T00:00:00Z", "Enforce", "Anonymise", 7),
            ("2026-04-01T00:00:00Z", "DryRun", "Anonymise", 50),
            ("2026-05-01T00:00:00Z", "Enforce", "Nullify", 3),
            ("2026-06-01T00:00:00Z", "Enforce", "Anonymise", 0),
        ] {
            add(Kind::Run, at, &run(mode, at, method, rows));
        }
        records
    }

    fn record(tip: &mut Tip, kind: Kind, policy: &str, body: &serde_json::Value) -> Record {
        let entry = Entry {
            kind,
            at: "2026-02-01T00:00:00Z".parse().unwrap(),
            about: About::cluster("DataPolicy", policy),
            source: policy.to_owned(),
            body: canonical::object(body).unwrap(),
        };
        let record = entry.append("qc", tip);
        *tip = Tip::of(&record);
        record
    }

    /// Of rows of which a law keeps some columns the others are anonymised, also by a rule that deletes rows.
    #[test]
    fn what_a_rule_took_of_kept_rows_stands_there_with_its_columns() {
        let mut tip = Tip::genesis("f", "qc");
        let policy = |rules: serde_json::Value| json!({"generation": 1, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": {"rules": rules}});
        let dataset = json!({"store": "shop", "table": "invoices", "clock": "at"});
        let shop = policy(
            json!([{"name": "invoices", "purpose": "sales", "dataset": dataset, "erase": {"after": "P1Y", "method": "Delete"},
            "keep": {"for": "P3Y", "reference": "law", "columns": ["total"], "others": [{"name": "email"}]}}]),
        );
        let tax = policy(
            json!([{"name": "books", "dataset": dataset, "erase": {"after": "P1Y", "method": "Anonymise",
            "columns": [{"name": "total"}, {"name": "note", "set": "Constant", "value": "x"}]}, "keep": {"for": "P9Y", "reference": "law", "columns": ["total"]}}]),
        );
        let [shop, tax] = [("shop", shop), ("tax", tax)]
            .map(|(name, body)| record(&mut tip, Kind::PolicyChange, name, &body));
        let rule = |name: &str| json!({"name": name, "method": "Anonymise", "rows": 90, "due": 10, "erased": 10});
        let names = [
            "invoices/others",
            "invoices/others/tax/books",
            "gone/others",
        ]
        .map(rule);
        let body = json!({"job": "j", "mode": "Enforce", "reason": "Done", "rules": names});
        let run = record(&mut tip, Kind::Run, "shop", &body);
        let in_force = [&shop, &tax].map(|record| InForce {
            record,
            policy: canonical::read(&record.body).unwrap(),
            ended: None,
        });
        let table = register(&in_force, &[run], &Period::parse("2026").unwrap());
        let told = table
            .rows
            .iter()
            .map(|row| [&*row[2], &*row[4], &*row[6], &*row[7], &*row[9]]);
        let all = "total: Null; note: Constant";
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ["books", "shop.invoices", UNSTATED, all, "0"],
                [
                    "invoices/others",
                    "shop.invoices",
                    "sales",
                    "email: Null",
                    "10"
                ],
                [
                    "invoices/others/tax/books",
                    "shop.invoices",
                    "sales",
                    "note: Constant",
                    "10"
                ],
                ["gone/others", UNSTATED, UNSTATED, UNSTATED, "10"],
            ]
        );
    }

    #[test]
    fn the_register_has_what_is_anonymised_how_and_how_much() {
        let records = records();
        let in_force = [InForce {
            record: &records[0],
            policy: canonical::read(&records[0].body).unwrap(),
            ended: None,
        }];
        let table = register(&in_force, &records, &Period::parse("2026").unwrap());
        assert_eq!(
            table.rows,
            [[
                "shop",
                "qc",
                "people",
                "",
                "shop.people",
                "user.contact (customers)",
                "statistics of sales",
                "email: Null; postcode: Truncate (length: 3); born: Generalise (to: Year); name: Constant",
                "encryption",
                "10",
                "2026-03-01T00:00:00Z",
                "2026-05-01T00:00:00Z",
                UNSTATED,
            ]]
        );
        assert_eq!(table.columns.len(), table.rows[0].len());
    }

    #[test]
    fn what_was_done_under_a_policy_that_is_deleted_was_done() {
        let table = register(&[], &records(), &Period::parse("2026").unwrap());
        let done = ["10", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"];
        let [row] = table.rows.as_slice() else {
            panic!("{:?}", table.rows);
        };
        assert_eq!(row[..3], ["shop", "qc", "people"]);
        assert!(row[3..9].iter().all(|cell| cell == UNSTATED), "{row:?}");
        assert_eq!(row[9..12], done);
        assert_eq!(table.columns.len(), row.len());
    }
}
