//! Rules that hide rows and erase none.

use super::*;

fn hides(after: &str) -> Value {
    let mut rule = erase("invoices", after);
    rule["name"] = json!("hides");
    rule["erase"]["method"] = json!("Restrict");
    rule
}

fn tax(period: &str) -> Value {
    policy("tax", &json!([keep("k", "orders", "invoices", period)]))
}

/// How the first policy's rule is bound and told, and the hash that an approval of it is of.
fn first(policies: &[Value]) -> (usize, Option<(Decides, String)>, String) {
    let (facts, region) = (facts(policies), region());
    let rulings = rulings(&facts, &region, now());
    let told = rulings[0].told().map(|told| (told.decides, told.message));
    let hash = crate::plan::retention::bound_hash(&facts.policy, &rulings);
    (rulings[0].keeps().len(), told, hash)
}

/// What a law wants kept is kept, in sight or not: the agent is told of no keep, and status says that there is one.
#[test]
fn a_keep_does_not_postpone_hiding() {
    let own = policy("own", &json!([hides("P3Y")]));
    let alone = first(std::slice::from_ref(&own));
    assert_eq!((alone.0, &alone.1), (0, &None));
    let (keeps, told, hash) = first(&[own.clone(), tax("P8Y")]);
    let message = "the rule hides rows once its own P3Y from at is over, and erases none: AO 147(3) (rule k of DataPolicy tax), \
        P8Y from the end of at's calendar year, keeps them, hidden or not";
    assert_eq!((keeps, told), (0, Some((Decides::Erase, message.into()))));
    assert_eq!(
        hash, alone.2,
        "no keep binds it, so none voids its approval"
    );
    // One that surely ends before is not worth a word.
    assert_eq!(first(&[own, tax("P1Y")]).1, None);
    // A keep of its own, and of a law of the pack.
    let mut both = has(&["invoice"], hides("P3Y"));
    both["keep"] = json!({"for": "P8Y", "reference": "AO 147(3)"});
    let both = under(&["eu-gdpr", "de-tax"], policy("own", &json!([both])));
    let (keeps, told, _) = first(&[both]);
    let (_, message) = told.unwrap();
    assert_eq!(keeps, 0, "{message}");
    assert!(message.contains(" and 1 other keep keep them"), "{message}");
    // Whoever erases is bound as ever.
    let erases = policy("own", &json!([erase("invoices", "P3Y")]));
    assert_eq!(first(&[erases, tax("P8Y")]).0, 1);
}

/// Beside a policy that deletes, which waits for the keep: nobody's rows are said to go before.
#[test]
fn who_deletes_under_a_keep_does_not_come_before_who_hides() {
    let own = policy("own", &json!([hides("P3Y")]));
    let other = policy("other", &json!([erase("invoices", "P1Y")]));
    let (_, told, _) = first(&[own.clone(), other.clone()]);
    assert_eq!(told.unwrap().0, Decides::OtherErase);
    let (_, told, _) = first(&[own, other, tax("P8Y")]);
    let (decides, message) = told.unwrap();
    assert_eq!(decides, Decides::Erase, "{message}");
    let end = "erases too, once what keeps the rows has ended";
    assert!(message.contains(end), "{message}");
}
