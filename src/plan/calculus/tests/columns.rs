//! Keeps that name columns.

use super::*;

#[allow(
    clippy::needless_pass_by_value,
    reason = "fixtures read best with literals"
)]
fn told(keep: &Value, own: Value) -> RuleDecision {
    let mut rule = self::keep("k", "orders", "invoices", "P8Y");
    json_patch(&mut rule["keep"], keep);
    let facts = facts(&[policy("own", &json!([own])), policy("tax", &json!([rule]))]);
    rulings(&facts, &region(), now())[0].told().unwrap()
}

#[test]
fn what_a_law_does_not_name_is_told_as_kept_on_no_ground_of_its_own() {
    let own = || erase("invoices", "P3Y");
    let columns = |told: &RuleDecision| told.keeps[0].columns.clone();
    let whole = told(&json!({}), own());
    assert!(
        columns(&whole).is_empty() && !whole.message.contains("of a row"),
        "{}",
        whole.message
    );
    let some = json!({"columns": ["number", "total"]});
    let some = told(&some, own());
    assert_eq!(columns(&some), ["number", "total"]);
    let end = "of a row AO 147(3) keeps number, total: the other columns stay with that on no ground of their own, also in a \
        request, for which keep.others says what goes";
    assert!(some.message.ends_with(end), "{}", some.message);
    let others = json!({"columns": ["a", "b", "c", "d", "e", "f"], "others": [{"name": "email"}, {"name": "phone"}]});
    let others = told(&others, own());
    assert_eq!(columns(&others).len(), 6);
    let end = "of a row AO 147(3) keeps a, b, c, d, 2 more: email, phone stay with that in a run on no ground of their own, \
        and go by a request before";
    assert!(others.message.ends_with(end), "{}", others.message);
    // The law's own columns never stand among what has no ground.
    assert!(!others.message.contains("email, phone, a"));
}
