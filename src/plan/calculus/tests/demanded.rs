//! Since when nobody tells the person of a row, beside when the policy takes it.

use super::dates::{counted, of_run, own, told};
use super::*;
use crate::api::RuleDates;
use crate::contract::RetainedRule;

/// For how long nobody was told is remembered from run to run, until a row goes or none waits.
#[test]
fn since_when_nobody_tells_persons_is_remembered() {
    let mut noticed = own();
    noticed["spec"]["rules"][0]["erase"]["notice"] = json!({"column": "told_at", "hours": 48});
    let of = |rule: &RetainedRule, before: Option<&RuleDates>, as_of| {
        let run = DatesTold {
            as_of: Some(as_of),
            before,
            ..of_run(rule)
        };
        told(std::slice::from_ref(&noticed), run)
    };
    let waits = counted(json!({"untold": "<5"}));
    let first = of(&waits, None, "2026-11-20T02:00:00Z");
    assert_eq!(first.untold_since.as_deref(), Some("2026-11-20T02:00:00Z"));
    let next = of(&waits, Some(&first), "2026-11-21T02:00:00Z");
    assert_eq!(next.untold_since, first.untold_since);
    for went in [
        json!({}),
        json!({"untold": 7, "due": 1, "erased": 1}),
        json!({"untold": 7, "due": 1, "restricted": "<5"}),
        json!({"untold": 7, "due": 1, "remaining": 1}),
    ] {
        let dates = of(&counted(went.clone()), Some(&next), "2026-11-22T02:00:00Z");
        assert_eq!(dates.untold_since, None, "{went}");
    }
    // What counts the rows by another column begins anew.
    let other = RuleDates {
        of: "orders/invoices.paid_at".to_owned(),
        ..next
    };
    let dates = of(&waits, Some(&other), "2026-11-22T02:00:00Z");
    assert_eq!(dates.untold_since.as_deref(), Some("2026-11-22T02:00:00Z"));
}
