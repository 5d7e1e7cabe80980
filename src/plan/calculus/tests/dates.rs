//! On which days the oldest row of a rule may go.

use super::*;
use crate::api::{NoDate, RuleDates};
use crate::contract::RetainedRule;
use crate::contract::cutoff::kept_from;

#[allow(
    clippy::needless_pass_by_value,
    reason = "fixtures read best with literals"
)]
pub(super) fn counted(numbers: Value) -> RetainedRule {
    let mut rule = json!({"name": "erases", "rows": 100, "due": 0, "oldestKept": "2020-02-29"});
    json_patch(&mut rule, &numbers);
    rule.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    (*read::<RetainedRule>(&rule)).clone()
}

/// What is told of the first policy's first rule.
pub(super) fn told(policies: &[Value], told: DatesTold<'_>) -> RuleDates {
    let (facts, region) = (facts(policies), region());
    let rulings = rulings(&facts, &region, now());
    let terms = DateTerms::of(&rulings, &region).unwrap();
    dates(&terms.rules[0], told, &terms.zone)
}

pub(super) fn of_run(rule: &RetainedRule) -> DatesTold<'_> {
    DatesTold {
        as_of: Some("2026-11-22T02:00:00Z"),
        rule: Some(rule),
        before: None,
        is_stale: false,
    }
}

pub(super) fn days(dates: &RuleDates) -> [Option<&str>; 3] {
    [&dates.erase_by, &dates.keep_until, &dates.goes_from].map(Option::as_deref)
}

pub(super) fn own() -> Value {
    policy("own", &json!([erase("invoices", "P3Y")]))
}

#[test]
fn the_later_day_is_told_with_its_ground_and_what_gives_way() {
    let rule = counted(json!({}));
    let alone = told(&[own()], of_run(&rule));
    assert_eq!(days(&alone), [Some("2023-02-28"), None, Some("2023-02-28")]);
    let grounds = |dates: &RuleDates| (dates.ground.clone(), dates.loses.clone());
    assert_eq!(grounds(&alone), (Some("P3Y from at".into()), None));
    assert_eq!(alone.of, "orders/invoices.at");
    assert_eq!(alone.as_of.as_deref(), Some("2026-11-22T02:00:00Z"));
    let tax = |period: &str| policy("tax", &json!([keep("k", "orders", "invoices", period)]));
    let kept = told(&[own(), tax("P8Y")], of_run(&rule));
    assert_eq!(
        days(&kept),
        [Some("2023-02-28"), Some("2029-01-01"), Some("2029-01-01")]
    );
    assert_eq!(
        grounds(&kept),
        (Some("AO 147(3)".into()), Some("P3Y from at".into()))
    );
    let short = told(&[own(), tax("P1Y")], of_run(&rule));
    assert_eq!(days(&short)[2], Some("2023-02-28"));
    let loses = "AO 147(3): P1Y from the end of at's calendar year";
    assert_eq!(
        grounds(&short),
        (Some("P3Y from at".into()), Some(loses.into()))
    );
    // Which of two is the last differs from row to row: of this row it is known.
    let mut fiscal = keep("k", "orders", "invoices", "P3Y");
    fiscal["keep"]["from"] = json!("EndOfFiscalYear");
    let fiscal = told(&[own(), policy("tax", &json!([fiscal]))], of_run(&rule));
    assert_eq!(days(&fiscal)[2], Some("2023-10-01"));
    // A keep from the event keeps its last day whole; a rule's own period ends with it.
    let mut event = keep("k", "orders", "invoices", "P3Y");
    event["keep"]["from"] = json!("EventDate");
    let event = told(&[own(), policy("tax", &json!([event]))], of_run(&rule));
    assert_eq!(
        days(&event),
        [Some("2023-02-28"), Some("2023-03-01"), Some("2023-03-01")]
    );
}

/// From when on the row is hidden is told beside when it goes, of the rule that hides and of the one that deletes.
#[test]
fn the_day_on_which_a_row_is_hidden_waits_for_no_keep() {
    let rule = counted(json!({}));
    let hides = |change: Value| {
        let mut rule = erase("shop.invoices", "P2Y");
        rule["erase"]["method"] = json!("Restrict");
        json_patch(&mut rule, &change);
        policy("hides", &json!([rule]))
    };
    let tax = policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")]));
    let all = [own(), hides(json!({})), tax.clone()];
    let dates = told(&all, of_run(&rule));
    assert_eq!(dates.restrict_from.as_deref(), Some("2022-02-28"));
    assert_eq!(days(&dates)[2], Some("2029-01-01"));
    let dates = told(&[hides(json!({})), tax, own()], of_run(&rule));
    assert_eq!(dates.restrict_from.as_deref(), Some("2022-02-28"));
    assert_eq!(days(&dates), [Some("2022-02-28"), None, Some("2022-02-28")]);
    // None, where it is by another clock, waits for somebody, or is for another table.
    let notice = json!({"notice": {"column": "told_at", "hours": 48}});
    for change in [
        json!({"dataset": {"clock": "paid"}}),
        json!({"dataset": {"table": "messages"}}),
        json!({"erase": notice}),
    ] {
        let dates = told(&[own(), hides(change.clone())], of_run(&rule));
        assert_eq!(dates.restrict_from, None, "{change}");
    }
    assert_eq!(told(&[own()], of_run(&rule)).restrict_from, None);
}

#[test]
fn where_no_day_can_be_told_a_word_says_why() {
    let of = |numbers: Value| told(&[own()], of_run(&counted(numbers)));
    for (numbers, why) in [
        (json!({"rows": "<5"}), NoDate::FewRows),
        (json!({"rows": "-"}), NoDate::FewRows),
        (json!({"rows": 0, "oldestKept": null}), NoDate::NothingLeft),
        (
            json!({"due": 100, "erased": 100, "oldestKept": null}),
            NoDate::NothingLeft,
        ),
        (
            json!({"nullClock": 3, "oldestKept": null}),
            NoDate::NullClock,
        ),
        (json!({"oldestKept": null}), NoDate::NotTold),
        (json!({"oldestKept": "2018"}), NoDate::NotTold),
    ] {
        let dates = of(numbers.clone());
        assert_eq!(dates.unknown, Some(why), "{numbers}");
        assert_eq!((dates.oldest.as_ref(), days(&dates)), (None, [None; 3]));
    }
    let beyond = of(json!({"oldestKept": "9998-01-01"}));
    assert_eq!(
        (days(&beyond), beyond.unknown),
        ([None; 3], Some(NoDate::BeyondCalendar))
    );
    let none = told(
        &[own()],
        DatesTold {
            rule: None,
            ..of_run(&counted(json!({})))
        },
    );
    assert_eq!(none.unknown, Some(NoDate::NoRun));
    let mut unread = own();
    unread["spec"]["rules"][0]["erase"]["after"] = json!("P0D");
    let unread = told(&[unread], of_run(&counted(json!({}))));
    assert_eq!(unread.unknown, Some(NoDate::NoPeriod));
}

#[test]
fn what_is_known_is_told_beside_what_is_not() {
    let rule = counted(json!({}));
    let mut elsewhere = keep("k", "orders", "invoices", "P8Y");
    elsewhere["dataset"]["clock"] = json!("paid_at");
    let elsewhere = told(&[own(), policy("tax", &json!([elsewhere]))], of_run(&rule));
    assert_eq!(days(&elsewhere), [Some("2023-02-28"), None, None]);
    assert_eq!(elsewhere.unknown, Some(NoDate::ClockElsewhere));
    assert_eq!(elsewhere.ground, None);
    let unread = under(
        &["eu-gdpr"],
        policy(
            "tax",
            &json!([has(&["invoice"], erase("invoices", "P30Y"))]),
        ),
    );
    let unread = told(&[own(), unread], of_run(&rule));
    assert_eq!(
        (days(&unread)[1], unread.unknown),
        (None, Some(NoDate::LawUnread))
    );
    let mut waits = own();
    waits["spec"]["rules"][0]["erase"]["lastContact"] =
        json!({"tables": [{"table": "letters", "clock": "at"}]});
    let least = |at_least: &str| {
        let mut least = waits.clone();
        least["spec"]["rules"][0]["erase"]["lastContact"]["atLeast"] = json!(at_least);
        days(&told(&[least], of_run(&rule)))[0].map(str::to_owned)
    };
    assert_eq!(least("P2Y").as_deref(), Some("2023-02-28"));
    assert_eq!(least("P3Y").as_deref(), Some("2023-03-01"));
    let waits = told(std::slice::from_ref(&waits), of_run(&rule));
    assert_eq!(days(&waits), [Some("2023-02-28"), None, None]);
    assert_eq!(waits.unknown, Some(NoDate::LastContact));
    let mut noticed = own();
    noticed["spec"]["rules"][0]["erase"]["notice"] = json!({"column": "told_at", "hours": 48});
    let noticed = told(&[noticed], of_run(&rule));
    assert_eq!(days(&noticed), [Some("2023-02-28"), None, None]);
    assert_eq!(noticed.unknown, Some(NoDate::Notice));
    let ground = "P3Y from at and a notice of 48 hours";
    assert_eq!(noticed.ground.as_deref(), Some(ground));
    let silent = DatesTold {
        is_stale: true,
        ..of_run(&rule)
    };
    let silent = told(&[own()], silent);
    assert_eq!(days(&silent), [Some("2023-02-28"), None, None]);
    assert_eq!(silent.unknown, Some(NoDate::Stale));
}

/// Of a keep of some columns: until when it keeps them, and from when on the others go.
#[test]
fn the_others_of_a_kept_row_have_a_day_of_their_own() {
    let rule = counted(json!({}));
    let some = |period: &str| {
        let mut some = keep("k", "orders", "invoices", period);
        let columns =
            json!({"columns": ["total"], "others": [{"name": "email"}, {"name": "note"}]});
        json_patch(&mut some["keep"], &columns);
        some
    };
    let of = |keeps: Value| {
        let mut dates = told(&[own(), policy("tax", &keeps)], of_run(&rule));
        let columns = dates.columns.remove(0);
        (columns.keep_until, columns.others, columns.others_go_from)
    };
    let day = |day: &str| Some(day.to_owned());
    let others = || vec!["email".to_owned(), "note".to_owned()];
    let until = || "2029-01-01".to_owned();
    assert_eq!(
        of(json!([some("P8Y")])),
        (until(), others(), day("2023-02-28"))
    );
    // A law of whole rows in between; one over a column of which no day is known.
    let mut whole = keep("l", "orders", "invoices", "P5Y");
    assert_eq!(
        of(json!([some("P8Y"), whole])),
        (until(), others(), day("2026-01-01"))
    );
    whole["dataset"]["clock"] = json!("paid_at");
    assert_eq!(of(json!([some("P8Y"), whole])), (until(), others(), None));
    // Nothing goes before the row.
    assert_eq!(
        of(json!([some("P1Y")])),
        ("2022-01-01".to_owned(), vec![], None)
    );
}

/// The day that a run saw is of the column that it counted by: under another it would be wrong, until the next run.
#[test]
fn a_run_s_day_is_no_day_of_another_column() {
    let rule = counted(json!({}));
    let before = told(&[own()], of_run(&rule));
    let mut changed = own();
    changed["spec"]["rules"][0]["dataset"]["clock"] = json!("paid_at");
    let again = |before: &RuleDates, as_of| {
        let run = DatesTold {
            as_of: Some(as_of),
            before: Some(before),
            ..of_run(&rule)
        };
        told(&[changed.clone()], run)
    };
    let stale = again(&before, "2026-11-22T02:00:00Z");
    assert_eq!(
        (days(&stale), stale.unknown),
        ([None; 3], Some(NoDate::Stale))
    );
    // It stays so for as long as no other run has told anything.
    assert_eq!(again(&stale, "2026-11-22T02:00:00Z"), stale);
    let next = again(&stale, "2026-11-23T02:00:00Z");
    assert_eq!(
        (next.of.as_str(), next.unknown),
        ("orders/invoices.paid_at", None)
    );
}

#[test]
fn a_keep_of_columns_says_until_when_it_keeps_which() {
    let mut total = keep("k", "orders", "invoices", "P8Y");
    total["keep"]["columns"] = json!(["number", "total"]);
    let whole = keep("w", "orders", "invoices", "P9Y");
    let rule = counted(json!({}));
    let dates = told(
        &[own(), policy("tax", &json!([total, whole]))],
        of_run(&rule),
    );
    assert_eq!(days(&dates)[1], Some("2030-01-01"));
    let [columns] = dates.columns.as_slice() else {
        panic!("{dates:?}")
    };
    assert_eq!(columns.names, ["number", "total"]);
    assert_eq!(
        (columns.keep_until.as_str(), columns.ground.as_str()),
        ("2029-01-01", "AO 147(3)")
    );
}

#[test]
fn a_ground_has_no_more_characters_than_it_may() {
    let mut long = keep("k", "orders", "invoices", "P1Y");
    long["keep"]["reference"] = json!("§".repeat(120));
    let rule = counted(json!({}));
    let dates = told(&[own(), policy("tax", &json!([long]))], of_run(&rule));
    let loses = dates.loses.unwrap();
    assert_eq!(loses.chars().count(), 120);
    assert!(loses.ends_with("§…"), "{loses}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The agent lets the row go with the first moment of that day, and not a moment before.
    #[test]
    fn on_that_day_all_periods_are_over_and_not_before(
        own in properties::any_rule("a"), one in properties::any_rule("c"), two in properties::any_rule("d"), day in 0_i64..5000,
    ) {
        let mut own = own;
        let said = |field: &str, otherwise: &str| own["erase"][field].as_str().unwrap_or(otherwise).to_owned();
        let erase = json!({"after": said("after", "P2Y"), "from": said("from", "EventDate"), "method": "Delete"});
        own["erase"] = erase;
        let all = [&own, &one, &two].map(|rule| { let mut rule = rule.clone(); rule["dataset"]["records"] = json!([]); rule });
        let policies = [policy("own", &json!([all[0]])), policy("tax", &json!([all[1]])), policy("zoll", &json!([all[2]]))];
        let (facts, region) = (facts(&policies), region());
        let rulings = rulings(&facts, &region, now());
        let ruling = &rulings[0];
        let terms = DateTerms::of(&rulings, &region).unwrap();
        let clock = jiff::civil::date(2008, 2, 28) + day.days();
        let told = counted(json!({"oldestKept": clock.to_string()}));
        let dates = dates(&terms.rules[0], of_run(&told), &terms.zone);
        let keeps = ruling.keeps();
        let elsewhere = keeps.iter().any(|keep| keep.clock != ruling.rule().dataset.clock);
        prop_assert_eq!(dates.unknown, elsewhere.then_some(NoDate::ClockElsewhere));
        prop_assert_eq!(dates.keep_until.is_some(), !keeps.is_empty() && !elsewhere);
        let Some(goes_from) = dates.goes_from.as_ref() else { return Ok(()) };
        prop_assert!(dates.ground.as_ref().is_some_and(|ground| !ground.is_empty()));
        prop_assert_eq!(dates.loses.is_some(), !keeps.is_empty());
        let first: jiff::civil::Date = goes_from.parse().unwrap();
        let first = first.to_zoned(terms.zone.clone()).unwrap().timestamp();
        let before = first - jiff::SignedDuration::from_micros(1);
        let ended = |keep: &RetentionKeep, now| {
            let ended = kept_from(keep.from, ClockKind::Date, keep.period.parse().unwrap(), &terms.zone, now).unwrap();
            clock.to_string() <= ended.latest
        };
        let goes = |now| is_over(ruling.anchor, after(ruling.erase()), clock, &terms.zone, now) && keeps.iter().all(|keep| ended(keep, now));
        prop_assert!(goes(first), "{dates:?}");
        prop_assert!(!goes(before), "{dates:?}");
    }
}
