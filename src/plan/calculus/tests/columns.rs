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

fn sentence(keep: &Value, own: Value) -> String {
    let told = told(keep, own);
    let at = told.message.find("of a row").unwrap_or(told.message.len());
    told.message[at..].to_owned()
}

#[test]
fn what_a_law_keeps_of_a_row_and_when_the_others_go_is_told() {
    let own = || erase("invoices", "P3Y");
    let whole = told(&json!({}), own());
    assert!(whole.keeps[0].columns.is_empty());
    assert_eq!(sentence(&json!({}), own()), "");
    let some = json!({"columns": ["number", "total"]});
    assert_eq!(told(&some, own()).keeps[0].columns, ["number", "total"]);
    assert_eq!(
        sentence(&some, own()),
        "of a row AO 147(3) keeps number, total: the other columns stay with that on no ground of their own, also in a \
         request: keep.others says what goes"
    );
    let others = || json!({"columns": ["a", "b", "c", "d", "e", "f"], "others": [{"name": "email"}, {"name": "phone"}]});
    assert_eq!(told(&others(), own()).keeps[0].columns.len(), 6);
    let kept = "of a row AO 147(3) keeps a, b, c, d, 2 more: ";
    assert_eq!(
        sentence(&others(), own()),
        format!(
            "{kept}email, phone go before, once the rule's own P3Y from at is over (counted as erases/others/tax/k)"
        )
    );
    assert_eq!(
        sentence(&others(), erase("invoices", "P20Y")),
        format!(
            "{kept}email, phone go with that in a run, the rule's own P20Y from at ends no earlier; a request takes them before"
        )
    );
}

#[test]
fn what_another_law_has_to_say_of_the_others_is_told() {
    let of = |period: &str| {
        let mut some = self::keep("k", "orders", "invoices", "P8Y");
        let columns = json!({"columns": ["total"], "others": [{"name": "email"}]});
        json_patch(&mut some["keep"], &columns);
        let mut whole = self::keep("letters", "orders", "invoices", period);
        whole["keep"]["reference"] = json!("HGB 257");
        let all = [
            policy("own", &json!([erase("invoices", "P3Y")])),
            policy("tax", &json!([some, whole])),
        ];
        let facts = facts(&all);
        rulings(&facts, &region(), now())[0].told().unwrap().message
    };
    let end = "of a row AO 147(3) keeps total: email go before, once the rule's own P3Y from at, and HGB 257, are over \
        (counted as erases/others/tax/k)";
    assert!(of("P6Y").ends_with(end), "{}", of("P6Y"));
    let end = "of a row AO 147(3) keeps total: what becomes of email is for HGB 257 (rule letters of DataPolicy tax) to say, \
        which lasts as long";
    assert!(of("P8Y").ends_with(end), "{}", of("P8Y"));
}
