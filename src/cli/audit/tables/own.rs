//! The tables of the agent itself, which go by rules that are built into it: those of the release that was in force, as each
//! region's records say, and not those of the program that makes the report.

use std::collections::BTreeMap;

use super::super::period::Period;
use super::concept::{objects, word};
use super::{Column, Table, text};
use crate::evidence::{Kind, Record, body};

const COLUMNS: &[Column] = &[
    text("regions", "Regions"),
    text("database", "Database"),
    text("tables", "Tables"),
    text("holds", "What they say of a person"),
    text("period", "That goes"),
    text("ground", "Because"),
];

/// Of a region in which an earlier release was in force, or nothing says which.
const NOT_RECORDED: &str = "not recorded";

/// The table. Where regions say the same it stands once.
pub(super) fn table(records: &[Record], period: &Period) -> Table {
    let mut told: Vec<(Vec<&str>, Vec<Vec<String>>)> = Vec::new();
    for (region, record) in last(records, period) {
        let rules = rules(record);
        match told.iter_mut().find(|(_, same)| *same == rules) {
            Some((regions, _)) => regions.push(region),
            None => told.push((vec![region], rules)),
        }
    }
    let rows = told.into_iter().flat_map(|(regions, rules)| {
        let regions = regions.join(", ");
        let row = move |rule: Vec<String>| std::iter::once(regions.clone()).chain(rule).collect();
        rules.into_iter().map(row)
    });
    Table {
        id: "deletion-own",
        title: "Deletion concept: Tradewind's own tables",
        note: "What the agent itself keeps in the regions, by rules that are built into it and that no policy states: those of the release that was in force when the period ended, as records say. 'Not recorded': the release in force then recorded none. Days are those of a channel that says nothing else.",
        columns: COLUMNS,
        rows: rows.collect(),
    }
}

/// The last word on it in each region before the period ended.
fn last<'a>(records: &'a [Record], period: &Period) -> BTreeMap<&'a str, Option<&'a Record>> {
    let mut last: BTreeMap<&str, Option<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.at < period.to) {
        let before = last.entry(record.region.as_str()).or_default();
        let is_later = before.is_none_or(|before| before.sequence < record.sequence);
        if record.kind == Kind::PackChange && is_later {
            *before = Some(record);
        }
    }
    last
}

fn rules(record: Option<&Record>) -> Vec<Vec<String>> {
    let told = record.filter(|record| record.body.contains_key(body::OWN_RULES));
    let Some(record) = told else {
        let mut row = vec![NOT_RECORDED.to_owned()];
        row.resize(COLUMNS.len().saturating_sub(1), String::new());
        return vec![row];
    };
    let rules = objects(&record.body, body::OWN_RULES).into_iter();
    let keys = COLUMNS.iter().skip(1).map(|column| column.key);
    rules
        .map(|rule| keys.clone().map(|key| word(rule, key)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip, canonical};

    fn chain(region: &str, told: &[(&str, Value)]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", region);
        let mut all = Vec::new();
        for (at, body) in told {
            let entry = Entry {
                kind: Kind::PackChange,
                at: at.parse().unwrap(),
                about: About::cluster("Packs", "packs"),
                source: (*at).to_owned(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append(region, &tip);
            tip = Tip::of(&record);
            all.push(record);
        }
        all
    }

    #[test]
    fn each_region_has_the_rules_that_were_in_force_there_when_the_period_ended() {
        let rule = |period: &str| {
            json!({"regimes": {"asOf": "2026-11-22", "hash": "h"}, "ownTables": [{"database": "each data store",
                "tables": ["tradewind.run", "tradewind.rule"], "holds": "nothing", "period": period, "ground": "a verifier asks"}]})
        };
        let none = json!({"regimes": {"asOf": "2026-11-22", "hash": "h"}});
        let [october, november, january] = [
            "2026-10-01T10:00:00Z",
            "2026-11-01T10:00:00Z",
            "2027-01-01T00:00:00Z",
        ];
        let all = [
            // Upgraded within the period, and once more after it.
            chain(
                "a",
                &[
                    (october, none.clone()),
                    (november, rule("for ever")),
                    (january, rule("never")),
                ],
            ),
            chain("b", &[(october, none)]),
            chain(
                "c",
                &[(october, rule("for a day")), (november, rule("for ever"))],
            ),
            // Of a region that recorded nothing by then nothing is said.
            chain("d", &[(january, rule("for ever"))]),
        ];
        let table = table(&all.concat(), &Period::parse("2026-Q4").unwrap());
        let rows: Vec<String> = table.rows.iter().map(|row| row.join("|")).collect();
        assert_eq!(
            rows,
            [
                "a, c|each data store|tradewind.run, tradewind.rule|nothing|for ever|a verifier asks",
                "b|not recorded||||",
            ]
        );
    }
}
