//! The quarter after: nothing became another in it, and its report says what stood all the same.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::audit::{audit, export};
use super::oscal::{findings, misfits};
use super::world::{Folder, lines};

/// The export of another period than that of the evidence.
fn of(folder: &Folder, period: &str, format: &str) -> String {
    let mut args = export(format, &[]);
    args[4] = period;
    let told = audit(folder, &args);
    let text = told.strip_suffix("exit 0\n");
    assert!(text.is_some(), "{told}");
    text.unwrap().to_owned()
}

fn json(folder: &Folder, period: &str, format: &str) -> Json {
    serde_json::from_str(&of(folder, period, format)).unwrap()
}

#[test]
fn what_stood_through_a_period_without_a_change_is_in_its_report() {
    let folder = Folder::of(&lines(&[]));
    let told = json(&folder, "2027-Q1", "json");
    let rows = |table: &str, keys: [&str; 4]| {
        let rows = told["tables"][table].as_array().unwrap().iter();
        let row = |row: &Json| {
            keys.map(|key| row[key].as_str().unwrap().to_owned())
                .join(" ")
        };
        rows.map(row).collect::<Vec<_>>()
    };
    // The other region's was released before.
    assert_eq!(
        rows("holds", ["hold", "region", "state", "at"]),
        ["claim-117 eu-west InForce 2026-10-27T07:00:00Z"]
    );
    let facts = "rules: 2; uncovered: reason: no rule; store: shop; table: <notes>";
    assert_eq!(
        rows("coverage", ["region", "record", "at", "facts"]),
        [
            format!("eu-west 9 2026-10-27T07:00:00Z {facts}"),
            format!("us-east 9 2026-10-27T12:00:00Z {facts}")
        ]
    );
    assert_eq!(
        rows("cases", ["case", "drawn", "what", "step"]),
        ["Hold 10 of eu-west 1 of 1 InForce 1 of 1"]
    );
    for table in ["runs", "approvals", "changes", "chain"] {
        assert_eq!(
            told["tables"][table].as_array().unwrap().len(),
            0,
            "{table}"
        );
    }
    let page = of(&folder, "2027-Q1", "html");
    let section = |id: &str| {
        let from = page.find(&format!("<h2 id=\"{id}\">")).unwrap();
        page[from..].split("</section>").next().unwrap()
    };
    for (id, says) in [("holds", "claim-117"), ("coverage", "&lt;notes&gt;")] {
        assert!(section(id).contains(says), "{}", section(id));
        assert!(!section(id).contains("None was recorded."), "{id}");
    }
}

#[test]
fn an_objective_goes_by_what_stood_and_says_nothing_of_what_nobody_looked_at() {
    let folder = Folder::of(&lines(&[]));
    let next = json(&folder, "2027-Q1", "oscal");
    assert_eq!(misfits(&next), [""; 0]);
    let told = findings(&next);
    assert!(
        told.contains(&"tables-covered not-satisfied".to_owned()),
        "{told:?}"
    );
    // Each record that a finding rests on is observed, also one of before the period.
    let result = &next["assessment-results"]["results"][0];
    let all = |of: &str| result[of].as_array().unwrap().clone();
    let uuid = |one: &Json, key: &str| one[key].as_str().unwrap().to_owned();
    let observed: BTreeSet<String> = all("observations")
        .iter()
        .map(|one| uuid(one, "uuid"))
        .collect();
    let rests: Vec<String> = all("findings")
        .iter()
        .filter_map(|one| one["related-observations"].as_array().cloned())
        .flatten()
        .map(|one| uuid(&one, "observation-uuid"))
        .collect();
    assert!(rests.len() >= 2, "{rests:?}");
    assert!(rests.iter().all(|one| observed.contains(one)), "{rests:?}");
    // No coverage was recorded by then.
    let before = json(&folder, "2026-Q3", "oscal");
    assert_eq!(misfits(&before), [""; 0]);
    let told = findings(&before).join(" ");
    assert!(!told.contains("tables-covered"), "{told}");
}
