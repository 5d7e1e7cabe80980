//! Every field of a DataPolicy.

use serde_json::{Value, json};

use crate::case::{Case, Kind, PATTERN, label, list, map, ruled, text};
use crate::region::suspend;

fn rule(i: usize) -> Value {
    json!({
        "name": format!("rule-{i}"), "dataset": {"store": "orders", "table": "orders", "clock": "placed_at"},
        "erase": {"after": "P8Y", "method": "Delete"},
    })
}

/// A rule with every field.
fn both(i: usize) -> Value {
    let mut rule = rule(i);
    rule["keep"] = json!({"for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)"});
    rule["erase"]["from"] = json!("EndOfFiscalYear");
    rule
}

fn approval(i: usize) -> Value {
    json!({"region": format!("region-{i}"), "previewHash": format!("sha256-{}", "0".repeat(64)), "by": "dpo"})
}

/// The DataPolicy kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "regimes": ["eu-gdpr"], "selector": {"jurisdictions": ["DE"]}, "rules": [rule(0)],
        "retention": {"schedule": "0 2 * * *"},
    });
    let whole = json!({
        "regimes": ["eu-gdpr", "uk-gdpr"],
        "selector": {
            "jurisdictions": ["DE", "GB"], "regions": ["eu-west"], "namespaces": ["aurora"],
            "channelLabels": {"brand": "aurora"},
        },
        "mode": "Enforce",
        "approvals": [approval(0)],
        "rules": [both(0), rule(1)],
        "fiscalYearEnd": "09-30",
        "retention": {"schedule": "0 2 * * *", "window": "PT4H", "batchRows": 5000, "maxPercent": 5},
        "suspend": {"reason": "audit", "by": "dpo", "until": "2026-12-01T08:00:00Z"},
        "deletionPolicy": "Delete",
    });
    Kind {
        name: "DataPolicy",
        plural: "datapolicies",
        namespace: None,
        least,
        specs: vec![whole],
        cases: [selector(), approvals(), rules(), retention(), suspend()]
            .into_iter()
            .flatten()
            .collect(),
        long_name: "metadata.name: at most 40 characters",
    }
}

fn selector() -> Vec<Case> {
    let none = "selector: set at least one of jurisdictions, regions, namespaces, channelLabels";
    vec![
        list("regimes", |i| json!(format!("regime-{i}"))),
        text(
            "regimes[]",
            "br-lgpd",
            label(40),
            &[
                ("EU-GDPR", PATTERN),
                ("eu--gdpr", PATTERN),
                ("eu_gdpr", PATTERN),
            ],
        ),
        ruled("selector", vec![(json!({}), none)]),
        list("selector.jurisdictions", |i| json!(format!("US-{i:03}"))),
        text(
            "selector.jurisdictions[]",
            "FR",
            "US-CAL",
            &[("fr", PATTERN), ("FRA", PATTERN)],
        ),
        list("selector.regions", |i| json!(format!("region-{i}"))),
        text("selector.regions[]", "us-east", "n".repeat(40), &[]),
        list("selector.namespaces", |i| json!(format!("brand-{i}"))),
        text("selector.namespaces[]", "borealis", "n".repeat(63), &[]),
        map("selector.channelLabels", |i| {
            (format!("example.com/label-{i}"), json!("v"))
        }),
        text("selector.channelLabels{}", "borealis", "v".repeat(63), &[]),
    ]
}

fn approvals() -> Vec<Case> {
    let longest = format!("sha256-{}", "f".repeat(64));
    vec![
        list("approvals", approval),
        text("approvals[].region", "us-east", "r".repeat(40), &[]),
        text(
            "approvals[].previewHash",
            "sha256-1111111111111111111111111111111111111111111111111111111111111111",
            longest,
            &[
                ("sha256-1", "should be at least 71"),
                (
                    "sha256-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
                    PATTERN,
                ),
            ],
        ),
        text(
            "approvals[].by",
            "counsel@aurora.example",
            "b".repeat(128),
            &[],
        ),
    ]
}

fn rules() -> Vec<Case> {
    let mut neither = rule(0);
    neither.as_object_mut().unwrap().remove("erase");
    let longest = "P999Y9999M9999W9999D";
    let periods = [
        ("18Y", PATTERN),
        ("P8y", PATTERN),
        ("P1DT1H", PATTERN),
        ("P-1D", PATTERN),
        ("P1.5Y", PATTERN),
    ];
    vec![
        list("rules", rule),
        ruled(
            "rules[]",
            vec![(neither, "a rule needs erase, keep or both")],
        ),
        text(
            "rules[].name",
            "invoices",
            label(32),
            &[("Invoices", PATTERN), ("a_b", PATTERN)],
        ),
        text(
            "rules[].dataset.store",
            "inbox",
            label(40),
            &[("Orders", PATTERN)],
        ),
        text(
            "rules[].dataset.table",
            "shop.orders",
            format!("{}.{}", "s".repeat(63), "t".repeat(63)),
            &[
                ("orders; delete from orders", PATTERN),
                ("a.b.c", PATTERN),
                ("\"Orders\"", PATTERN),
                ("1orders", PATTERN),
            ],
        ),
        text(
            "rules[].dataset.clock",
            "created_at",
            "c".repeat(63),
            &[
                ("created at", PATTERN),
                ("a.b", PATTERN),
                ("now()", PATTERN),
            ],
        ),
        text("rules[].erase.after", "P90D", longest, &periods),
        text("rules[].keep.for", "P6Y", longest, &periods),
        text(
            "rules[].keep.reference",
            "HGB 257(4)",
            "r".repeat(120),
            &[(" ", PATTERN), (" AO 147", PATTERN), ("AO 147 ", PATTERN)],
        ),
        text(
            "fiscalYearEnd",
            "04-05",
            "02-31",
            &[("13-01", PATTERN), ("04-32", PATTERN), ("4-005", PATTERN)],
        )
        .kept("spec.fiscalYearEnd: a rule counts from EndOfFiscalYear"),
    ]
}

fn retention() -> Vec<Case> {
    vec![
        text(
            "retention.schedule",
            "30 1 * * SUN",
            "1".repeat(100),
            &[("* * * *", "should be at least 9")],
        ),
        text(
            "retention.window",
            "PT30M",
            "PT999H9999M",
            &[("4h", PATTERN), ("P1D", PATTERN), ("PT1S", PATTERN)],
        ),
    ]
}
