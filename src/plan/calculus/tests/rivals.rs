//! Policies that erase from one table.

use super::*;

/// What a rule that erases after a time is told beside other policies: who decides, in words, and how many others are named.
fn beside(after: &str, other: Value, more: &[Value]) -> Option<(Decides, String, usize)> {
    let own = policy("own", &json!([erase("invoices", after)]));
    let mut policies = vec![own, other];
    policies.extend_from_slice(more);
    let (facts, region) = (facts(&policies), region());
    let told = rulings(&facts, &region, now())[0].told();
    told.map(|told| (told.decides, told.message, told.also_erases.len()))
}

/// Another policy that erases from the same table after a year, changed a little.
fn rival(change: &Value) -> Value {
    let mut other = policy("other", &json!([erase("shop.invoices", "P1Y")]));
    json_patch(&mut other, change);
    other
}

/// Who goes first takes the rows; what loses is named with its policy, period and article.
#[test]
fn of_two_policies_the_earliest_period_decides_and_the_other_is_told() {
    let (decides, message, _) = beside("P3Y", rival(&json!({})), &[]).unwrap();
    assert_eq!(decides, Decides::OtherErase);
    assert_eq!(
        message,
        "rule erases of DataPolicy other (GDPR Articles 5(1)(e) and 17), Delete after P1Y from at, takes the rows first: \
         the rule's own P3Y from at gives way"
    );
    // From the other side, and where both are as long.
    let (decides, message, _) = beside("P90D", rival(&json!({})), &[]).unwrap();
    assert_eq!(decides, Decides::Erase);
    assert!(
        message.contains("does not end before the rule's own P90D from at"),
        "{message}"
    );
    let (decides, message, _) = beside("P12M", rival(&json!({})), &[]).unwrap();
    assert_eq!(decides, Decides::Erase);
    assert!(
        message.ends_with("whichever runs first erases"),
        "{message}"
    );
    // One that only counts takes nothing yet; one that is going, or for another region, is none.
    let counts = rival(&json!({"spec": {"mode": "DryRun"}}));
    let (decides, message, _) = beside("P3Y", counts, &[]).unwrap();
    assert_eq!(decides, Decides::Erase);
    assert!(
        message.contains("which only counts so far, would take the rows first"),
        "{message}"
    );
    let goes = rival(&json!({"metadata": {"deletionTimestamp": "2026-11-22T10:00:00Z"}}));
    assert_eq!(beside("P3Y", goes, &[]), None);
    let elsewhere = rival(&json!({"spec": {"selector": {"jurisdictions": ["US"]}}}));
    assert_eq!(beside("P3Y", elsewhere, &[]), None);
    // What leaves the row leaves it to the next; what only hides is no erasure.
    let with = |method: &str| {
        let mut rule = erase("invoices", "P1Y");
        rule["erase"]["method"] = json!(method);
        rule["erase"]["columns"] = json!([{"name": "email"}]);
        policy("other", &json!([rule]))
    };
    let (decides, message, _) = beside("P3Y", with("Nullify"), &[]).unwrap();
    assert_eq!(decides, Decides::Erase);
    assert!(
        message.contains("Nullify after P1Y from at, ends first and leaves the rows"),
        "{message}"
    );
    assert_eq!(beside("P3Y", with("Restrict"), &[]), None);
}

/// What waits for a notice may never go: nobody gives way to it, and it goes first before nobody.
#[test]
fn who_waits_for_a_notice_is_not_surely_first() {
    let notice = json!({"column": "told_at", "hours": 48});
    let mut waits = erase("invoices", "P1Y");
    waits["erase"]["notice"] = notice.clone();
    let waits = |name: &str| policy(name, &json!([waits]));
    let is_unsure = |(decides, message): (Decides, String)| {
        assert_eq!(decides, Decides::Erase, "{message}");
        assert!(message.contains("differs from row to row"), "{message}");
    };
    let (decides, message, _) = beside("P3Y", waits("other"), &[]).unwrap();
    is_unsure((decides, message));
    let policies = [
        waits("own"),
        policy("other", &json!([erase("invoices", "P3Y")])),
    ];
    let (facts, region) = (facts(&policies), region());
    let told = rulings(&facts, &region, now())[0].told().unwrap();
    is_unsure((told.decides, told.message));
}

/// A policy whose runs stand still takes nothing, and is told as what stands still.
#[test]
fn what_is_suspended_or_not_accepted_takes_no_rows() {
    let pause = |until: Value| json!({"by": "dba", "reason": "an audit", "until": until});
    let told = |change: Value| {
        let (decides, message, named) =
            beside("P3Y", rival(&json!({"spec": change})), &[]).unwrap();
        assert_eq!((decides, named), (Decides::Erase, 1), "{message}");
        message
    };
    for until in [Value::Null, json!("2026-12-01T08:00:00Z")] {
        let message = told(json!({"suspend": pause(until)}));
        assert!(
            message.contains("which is suspended, would take the rows first"),
            "{message}"
        );
    }
    let message = told(json!({"retention": {"schedule": "never"}}));
    assert!(
        message.contains("which is not accepted and erases nothing, would take the rows first"),
        "{message}"
    );
    // A pause that has ended stops nobody; one that ends by itself is looked at then.
    let over = rival(&json!({"spec": {"suspend": pause(json!("2026-11-22T09:59:59Z"))}}));
    let (decides, ..) = beside("P3Y", over, &[]).unwrap();
    assert_eq!(decides, Decides::OtherErase);
    let own = policy("own", &json!([erase("invoices", "P3Y")]));
    let ends = rival(&json!({"spec": {"suspend": pause(json!("2026-12-01T08:00:00Z"))}}));
    let wakes = crate::plan::calculus::wake_at(&facts(&[own, ends]), &region(), now());
    assert_eq!(wakes, "2026-12-01T08:00:00Z".parse().ok());
    // Another one that does erase is told before it, and decides.
    let more = policy("zoll", &json!([erase("invoices", "P2Y")]));
    let still = rival(&json!({"spec": {"suspend": pause(Value::Null)}}));
    let (decides, message, named) = beside("P3Y", still, &[more]).unwrap();
    assert_eq!((decides, named), (Decides::OtherErase, 2));
    assert!(
        message.starts_with("rule erases of DataPolicy zoll "),
        "{message}"
    );
}

/// A keep binds both, and of several the earliest is told first.
#[test]
fn of_many_policies_the_first_is_told_within_what_keeps() {
    // Inside a keep nobody is first; behind one that ends before the own period somebody is.
    let tax = policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")]));
    let (decides, message, _) =
        beside("P3Y", rival(&json!({})), std::slice::from_ref(&tax)).unwrap();
    assert_eq!(decides, Decides::Keep);
    assert!(
        message.ends_with("erases too, and is bound by the same"),
        "{message}"
    );
    let (decides, message, _) = beside("P30Y", rival(&json!({})), &[tax]).unwrap();
    assert_eq!(decides, Decides::OtherErase);
    assert!(
        message.ends_with(
            "gives way; and no row goes before P8Y from the end of at's calendar year by AO 147(3) (rule k of DataPolicy tax) is over"
        ),
        "{message}"
    );
    // The earliest of several is told first, four are named, and the rest counted.
    let more: Vec<Value> = (0..5)
        .map(|n| {
            let after = if n == 3 { "P30D" } else { "P2Y" };
            policy(&format!("p{n}"), &json!([erase("invoices", after)]))
        })
        .collect();
    let (decides, message, named) = beside("P3Y", rival(&json!({})), &more).unwrap();
    assert_eq!((decides, named), (Decides::OtherErase, 4));
    assert!(
        message.starts_with("rule erases of DataPolicy p3 ")
            && message.ends_with("5 more rules erase from the table"),
        "{message}"
    );
}
