//! Holds over the table of a rule.

use super::*;
use crate::api::{LegalHold, NoDate};
use crate::contract::RetainedRule;

fn hold(scopes: &Value) -> Value {
    json!({"metadata": {"name": "claim"}, "spec": {"ground": "28 O 117/26", "openedBy": "counsel", "reviewOn": "2027-06-01",
        "selector": {"jurisdictions": ["DE"]}, "scopes": scopes}})
}

fn with(holds: &[Value]) -> PolicyFacts {
    let mut rule = erase("invoices", "P3Y");
    rule["category"] = json!("user.contact");
    let mut facts = facts(&[policy("own", &json!([rule]))]);
    let holds = holds.iter().map(read::<LegalHold>);
    facts.holds = holds.map(|hold| (hold.name_any(), hold)).collect();
    facts
}

/// What is told of them, as the rule's decision has it.
fn told(holds: &[Value]) -> Option<RuleDecision> {
    let (facts, region) = (with(holds), region());
    let rulings = rulings(&facts, &region, now());
    let terms = DateTerms::of(&rulings, &region).unwrap();
    let counted = read::<RetainedRule>(
        &json!({"name": "erases", "rows": 9, "due": 0, "oldestKept": "2025-01-01"}),
    );
    let run = DatesTold {
        as_of: None,
        rule: Some(counted.as_ref()),
        before: None,
        is_stale: false,
    };
    let dates = dates(&terms.rules[0], run, &terms.zone);
    let told = rulings[0].told();
    let is_held = told.as_ref().is_some_and(|told| !told.holds.is_empty());
    assert_eq!(dates.unknown, is_held.then_some(NoDate::Held));
    assert_eq!(dates.goes_from.is_some(), !is_held);
    assert_eq!(dates.erase_by.as_deref(), Some("2028-01-01"));
    // Whoever approved what goes approved it with a hold and without one.
    let hash = crate::plan::retention::bound_hash(&facts.policy, &rulings);
    assert_eq!(hash, crate::plan::spec_hash(&facts.policy.spec));
    told
}

fn scope(of: &Value) -> Value {
    let mut scope = json!({"name": "s"});
    json_patch(&mut scope, of);
    scope
}

#[test]
fn a_hold_is_told_of_each_table_that_it_means() {
    let column =
        json!({"column": "customer_id", "valuesSecretRef": {"name": "claim", "key": "ids"}});
    for (of, every_row) in [
        (json!({"store": "orders"}), Some(true)),
        (
            json!({"store": "orders", "table": "public.invoices"}),
            Some(true),
        ),
        (
            json!({"store": "alias", "table": "shop.invoices"}),
            Some(true),
        ),
        (json!({"category": "user"}), Some(true)),
        (json!({"category": "user.contact", "store": "inbox"}), None),
        (json!({"store": "inbox"}), None),
        (json!({"store": "orders", "table": "public.messages"}), None),
    ] {
        let told = told(&[hold(&json!([scope(&of)]))]);
        let holds = told.iter().flat_map(|told| &told.holds);
        let holds: Vec<_> = holds.map(|hold| hold.every_row).collect();
        assert_eq!(holds.first().copied(), every_row, "{of}");
    }
    let mut some = scope(&json!({"store": "orders", "table": "public.invoices"}));
    json_patch(&mut some, &column);
    let told = told(&[hold(&json!([some]))]).unwrap();
    assert_eq!(
        (told.decides, told.holds[0].every_row),
        (Decides::Erase, false)
    );
    assert_eq!(told.holds[0].review_on, "2027-06-01");
    assert_eq!(
        told.message,
        "1 hold keeps rows until it is released, whatever periods say: claim (some)"
    );
    assert!(!format!("{told:?}").contains("117/26"), "{told:?}");
}

#[test]
fn a_hold_is_told_until_the_database_has_released_it() {
    let open = hold(&json!([scope(&json!({"store": "orders"}))]));
    let mut released = open.clone();
    released["spec"]["release"] = json!({"by": "counsel", "ground": "settled"});
    assert_eq!(told(&[released.clone()]), None);
    let in_force = json!([{"name": "eu", "state": "Run", "reason": "r", "stores": [{"name": "orders", "inForceSince": "2026-01-01T00:00:00Z"}]}]);
    released["status"] = json!({"regions": in_force});
    assert_eq!(told(&[released.clone()]).unwrap().holds.len(), 1);
    released["status"]["regions"][0]["stores"][0]["releasedAt"] = json!("2026-02-01T00:00:00Z");
    assert_eq!(told(&[released]), None);
    let mut elsewhere = open;
    elsewhere["spec"]["selector"] = json!({"regions": ["us"]});
    assert_eq!(told(&[elsewhere]), None);
}

#[test]
fn status_names_four_holds_and_counts_the_rest() {
    let all = (0..6).rev().map(|n| {
        let mut hold = hold(&json!([scope(&json!({"store": "orders"}))]));
        hold["metadata"]["name"] = json!(format!("claim-{n}"));
        hold
    });
    let told = told(&all.collect::<Vec<_>>()).unwrap();
    assert_eq!((told.holds.len(), told.more_holds), (4, Some(2)));
    assert_eq!(told.holds[0].hold, "claim-0");
    assert_eq!(
        told.message,
        "6 holds keep rows until they are released, whatever periods say: claim-0 (every row), claim-1 (every row), \
         claim-2 (every row), claim-3 (every row), 2 more"
    );
}
