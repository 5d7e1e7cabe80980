//! The run population: every run of the period, rule by rule, with its sum checked.

use super::sums::word;
use super::superseded::superseded;
use super::{Column, Ran, Table, number, text};
use crate::contract::RetainedRule;
use crate::evidence::{Kind, Record, body, canonical, standing};

const RUNS: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("record", "Record"),
    text("job", "Job"),
    text("rule", "Rule"),
    text("scheduled", "Scheduled for"),
    text("ended", "Ended"),
    text("goneBy", "Gone from backups by"),
    text("mode", "Mode"),
    text("reason", "Outcome"),
    number("rows", "Rows"),
    number("due", "Due"),
    number("erased", "Erased"),
    number("held", "Held"),
    number("restricted", "Restricted"),
    number("gone", "Gone"),
    number("blocked", "Blocked"),
    number("failed", "Failed"),
    number("remaining", "Remaining"),
    number("late", "Late"),
    text("sum", "Adds up"),
];

/// The table, and the numbers of each run for the charts.
pub(super) fn runs(records: &[&Record]) -> (Table, Vec<Ran>) {
    let mut rows = Vec::new();
    let mut ran = Vec::new();
    let told_again = superseded(records.iter().copied());
    for record in records.iter().filter(|record| record.kind == Kind::Run) {
        let Ok(run) = canonical::read::<body::Run>(&record.body) else {
            let mut row = vec![String::new(); RUNS.len()];
            row[0].clone_from(&record.about.name);
            row[1].clone_from(&record.region);
            row[2] = record.sequence.to_string();
            "unreadable".clone_into(&mut row[9]);
            rows.push(row);
            continue;
        };
        if let Some(by) = told_again.get(&(record.region.as_str(), record.sequence)) {
            let mut row = row(record, &run, None, true);
            row[RUNS.len() - 1] = format!("superseded by record {by}");
            rows.push(row);
            continue;
        }
        let enforced = run.mode == Some(crate::contract::RetainMode::Enforce);
        ran.push(Ran {
            policy: record.about.name.clone(),
            region: record.region.clone(),
            day: record.at.to_zoned(jiff::tz::TimeZone::UTC).date(),
            due: run.rules.iter().map(|rule| rule.due).sum(),
            erased: run.rules.iter().map(|rule| rule.erased).sum(),
        });
        if run.rules.is_empty() {
            rows.push(row(record, &run, None, enforced));
        }
        for rule in &run.rules {
            rows.push(row(record, &run, Some(rule), enforced));
        }
    }
    rows.sort_by(|a, b| (&a[0], &a[1]).cmp(&(&b[0], &b[1])));
    let table = Table {
        id: "runs",
        title: "Run population",
        note: "Every run that was recorded in the period, a row for each rule, in rows of the table. A run that erases adds up when due = erased + held + restricted + gone + blocked + failed + remaining; each number was counted for itself. Small numbers (<5), and those that would give one away (-), are not told: then the sum holds by commitments, whose salts the region keeps. A run that was stopped in the midst and gone on with by a later Job is told by both records: the later one has all of its numbers, the earlier one has none here, says which superseded it, and is in no chart. What a run erased is gone from backups by its end and the longest backups.keep of the stores that it erased from; an empty field says that it erased nothing, or that nobody told of one of them.",
        columns: RUNS,
        rows,
    };
    (table, ran)
}

fn row(
    record: &Record,
    run: &body::Run,
    rule: Option<&RetainedRule>,
    enforced: bool,
) -> Vec<String> {
    let moment = |text: &Option<String>| text.clone().unwrap_or_default();
    let mode = run
        .mode
        .map_or_else(String::new, |mode| format!("{mode:?}"));
    let mut row = vec![
        record.about.name.clone(),
        record.region.clone(),
        record.sequence.to_string(),
        run.job.clone(),
        rule.map_or_else(String::new, |rule| rule.name.clone()),
        moment(&run.scheduled),
        moment(&run.finished_at),
        moment(&run.gone_by),
        mode,
        run.reason.clone(),
    ];
    let Some(rule) = rule else {
        row.resize(RUNS.len(), String::new());
        return row;
    };
    let numbers = [&[rule.rows, rule.due][..], &rule.parts(), &[rule.late]].concat();
    row.extend(numbers.iter().map(ToString::to_string));
    let standing = standing(&rule.sum(), &rule.commitments);
    // A preview only counts what is due.
    let alone = (!enforced).then_some("preview");
    row.push(word(standing, &rule.parts(), alone));
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    /// A pause stopped it, its ledger was read back, and the next Job went on with it: 30 rows were erased, not 42.
    #[test]
    fn a_run_that_two_records_tell_is_counted_once() {
        let mut tip = Tip::genesis("f", "eu");
        let told = [
            ("shop", Some("r1"), 12),
            ("shop", Some("r2"), 5),
            ("shop", Some("r1"), 30),
            ("other", Some("r1"), 7),
            // What an earlier release recorded.
            ("shop", None, 8),
            ("shop", None, 8),
        ];
        let records = told.map(|(policy, run, erased)| {
            let mut body = json!({"job": "j", "mode": "Enforce", "reason": "Done", "rules": [
                {"name": "orders", "rows": 100, "due": erased, "erased": erased}]});
            if let Some(run) = run {
                body["run"] = run.into();
            }
            let entry = Entry {
                kind: Kind::Run,
                at: "2026-11-22T12:00:00Z".parse().unwrap(),
                about: About::cluster("DataPolicy", policy),
                source: "uid".to_owned(),
                body: canonical::object(&body).unwrap(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            record
        });
        let (table, ran) = runs(&records.iter().collect::<Vec<_>>());
        let erased: Vec<String> = ran.iter().map(|one| one.erased.to_string()).collect();
        assert_eq!(erased, ["5", "30", "7", "8", "8"]);
        let said = |row: &Vec<String>| [row[0].clone(), row[12].clone(), row[20].clone()];
        let by = format!("superseded by record {}", records[2].sequence);
        let rows: Vec<[String; 3]> = table.rows.iter().map(said).collect();
        assert_eq!(rows.len(), 6);
        let earlier = rows.iter().find(|row| row[2] == by);
        assert_eq!(earlier.map(|row| row[1].as_str()), Some(""));
        let sums = rows.iter().filter(|row| row[2].starts_with("superseded"));
        assert_eq!(sums.count(), 1);
    }
}
