//! By when terms want a row gone, and since when nobody tells its person, beside when the policy takes it.

use super::dates::{counted, days, of_run, own, told};
use super::*;
use crate::api::RuleDates;
use crate::contract::RetainedRule;

/// What terms demand is one day, when the policy takes the row is another; the terms lose, and are named.
#[test]
fn terms_say_by_when_a_row_is_to_go_and_take_it_no_earlier() {
    let rule = counted(json!({}));
    let fact = "within: P30D}, source: *youtube, confirmed: ";
    let sound = |text: &str| text.replace(&format!("{fact}false"), &format!("{fact}true"));
    let of = |pack: &str, policies: &[Value]| {
        let mut facts = facts(policies);
        facts.packs = Arc::new(Packs::load(BUILTIN_PLATFORMS, pack).unwrap());
        let region = region();
        let rulings = rulings(&facts, &region, now());
        let terms = DateTerms::of(&rulings, &region).unwrap();
        dates(&terms.rules[0], of_run(&rule), &terms.zone)
    };
    let videos = |after: &str| {
        let rule = has(&["youtubeApiData"], erase("videos", after));
        under(&["eu-gdpr", "youtube-api"], policy("own", &json!([rule])))
    };
    let confirmed = sound(BUILTIN_REGIMES);
    assert_ne!(confirmed, BUILTIN_REGIMES);
    let late = of(&confirmed, &[videos("P90D")]);
    assert_eq!(days(&late), [Some("2020-03-30"), None, Some("2020-05-29")]);
    assert_eq!(late.ground.as_deref(), Some("P90D from at"));
    let loses = late.loses.unwrap();
    assert!(
        loses.ends_with("III.E.4, as public files quote it: P30D from at"),
        "{loses}"
    );
    // A law that keeps goes before them, and both days are told.
    let tax = policy("tax", &json!([keep("k", "orders", "videos", "P8Y")]));
    let kept = of(&confirmed, &[videos("P90D"), tax]);
    assert_eq!(
        days(&kept),
        [Some("2020-03-30"), Some("2029-01-01"), Some("2029-01-01")]
    );
    assert_eq!(kept.ground.as_deref(), Some("AO 147(3)"));
    assert_eq!(kept.loses, Some(loses));
    // In time, over another clock, or unconfirmed: the rule's own day.
    let mut elsewhere = has(&["youtubeApiData"], erase("videos", "P90D"));
    elsewhere["dataset"]["clock"] = json!("fetched_at");
    elsewhere["erase"] = Value::Null;
    let elsewhere = under(&["youtube-api"], policy("terms", &json!([elsewhere])));
    let own = policy("own", &json!([erase("videos", "P90D")]));
    for (pack, policies, day) in [
        (confirmed.as_str(), vec![videos("P14D")], "2020-03-14"),
        (confirmed.as_str(), vec![videos("P30D")], "2020-03-30"),
        (confirmed.as_str(), vec![own, elsewhere], "2020-05-29"),
        (BUILTIN_REGIMES, vec![videos("P90D")], "2020-05-29"),
    ] {
        let dates = of(pack, &policies);
        assert_eq!(days(&dates), [Some(day), None, Some(day)]);
        assert_eq!(dates.loses, None);
    }
}

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
