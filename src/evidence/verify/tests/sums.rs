//! Sums that are told in every number.

use super::world::{World, entry, region, signed};
use super::*;
use crate::evidence::{About, Entry, Kind};

/// What is told of the sums of a record.
fn told(kind: Kind, body: &serde_json::Value) -> Vec<String> {
    let world = World::of(1, 0);
    let made = Entry {
        kind,
        about: About::cluster("Any", "one"),
        body: canonical::object(body).unwrap(),
        ..entry(1, 0)
    };
    let record = made.append(&region(0), &Tip::genesis("aurora", &region(0)));
    let last = signed(Tip::of(&record), 90_000).canonical().unwrap();
    let report = verify(&world.trust(), &[world::line(&record), last].concat());
    report.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_run_that_erased_tells_what_became_of_every_row() {
    let rule = serde_json::json!({"name": "letters", "rows": 900, "due": 30, "erased": 20, "held": 5, "blocked": 2, "remaining": 3});
    let with = |field: &str, rows: &serde_json::Value, mode: &str| {
        let mut rule = rule.clone();
        rule[field] = rows.clone();
        let body = serde_json::json!({"job": "j", "mode": mode, "reason": "Done", "rules": [rule]});
        told(Kind::Run, &body)
    };
    assert_eq!(with("erased", &20.into(), "Enforce"), [""; 0]);
    let off = "SumBroken region-0 1: rule letters: 30 rows, and what became of them is told of 31";
    assert_eq!(with("erased", &21.into(), "Enforce"), [off]);
    // A preview only counts.
    assert_eq!(with("erased", &21.into(), "DryRun"), [""; 0]);
    for field in ["due", "erased", "held", "blocked", "remaining"] {
        let found = with(field, &1.into(), "Enforce");
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        // One that is no number of rows, or that nothing stands for, is read as well.
        let found = with(field, &(-1).into(), "Enforce");
        assert_eq!(found.len(), 1, "{field}: {found:?}");
    }
    let alone = serde_json::json!({"name": "letters", "rows": 900, "due": "<5", "erased": 0, "blocked": 0, "remaining": 0});
    let body =
        serde_json::json!({"job": "j", "mode": "Enforce", "reason": "Done", "rules": [alone]});
    assert_eq!(
        told(Kind::Run, &body).len(),
        1,
        "few are due, and nothing became of them"
    );
}

#[test]
fn a_request_that_took_rows_away_tells_what_became_of_each() {
    let with = |kind: &str, erased: i64| {
        let table = serde_json::json!({"name": "letters", "state": "Verified", "found": 9, "erased": erased, "kept": 4});
        let stores = serde_json::json!([{"name": "shop", "tables": [table]}]);
        let mut body = serde_json::json!({"outcome": {"progress": "Verified", "stores": stores}});
        if !kind.is_empty() {
            body["kind"] = kind.into();
        }
        told(Kind::Request, &body)
    };
    let off = "SumBroken region-0 1: table letters of store shop: 9 rows, and what became of them is told of 8";
    // The last one is of everybody who was erased again after a restore.
    for kind in ["Erasure", "Restriction", "Objection", ""] {
        assert_eq!(with(kind, 5), [""; 0], "{kind}");
        assert_eq!(with(kind, 4), [off], "{kind}");
    }
    for kind in ["Access", "Portability"] {
        assert_eq!(with(kind, 0), [""; 0], "{kind}");
    }
}
