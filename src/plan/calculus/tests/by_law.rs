//! Rules that go by the law, and what a law asks of persons who were not heard of.

use super::*;

const CLASS: &str = "within: P3Y, notice: PT48H, exceptRecords: [accountAccess, storedValue]";

/// The shipped pack with other words: Indian law in force, its notice left out, and terms that somebody confirmed.
fn pack(changes: &[(&str, &str)]) -> Arc<Packs> {
    let law = [
        ("inForce: {value: 2027-05-14", "inForce: {value: 2026-01-01"),
        (
            CLASS,
            "within: P3Y, exceptRecords: [accountAccess, storedValue]",
        ),
    ];
    let mut text = BUILTIN_REGIMES.to_owned();
    for (from, to) in law.iter().chain(changes) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Arc::new(Packs::load(BUILTIN_PLATFORMS, &text).unwrap())
}

const TERMS: (&str, &str) = (
    "{records: youtubeApiData, within: P30D}, source: *youtube, confirmed: false}",
    "{records: youtubeApiData, within: P30D}, source: *youtube, confirmed: true}",
);

fn india() -> Region {
    let mut region = region();
    region.spec.jurisdictions = vec!["IN".into()];
    region
}

fn with_pack(policies: &[Value], packs: Arc<Packs>) -> PolicyFacts {
    PolicyFacts {
        packs,
        ..facts(policies)
    }
}

fn class(class: &str, users: u32) -> Value {
    json!([{"regime": "in-dpdp", "class": class, "registeredUsers": users, "countedOn": "2026-10-01"}])
}

/// A policy of an Indian shop with one rule about customers.
fn shop(classes: &Value, erase: &Value, records: &[&str]) -> Value {
    let rule = json!({"name": "customers", "dataset": {"store": "orders", "table": "customers", "clock": "at"}, "erase": erase});
    let mut policy = under(
        &["in-dpdp", "youtube-api"],
        policy("shop", &json!([has(records, rule)])),
    );
    policy["spec"]["selector"] = json!({"jurisdictions": ["IN"]});
    policy["spec"]["controller"] = json!({"name": "n", "contact": "c", "classes": classes});
    policy
}

fn by_law() -> Value {
    json!({"byLaw": "Shortest", "method": "Delete", "lastContact": {"tables": [{"table": "visits", "clock": "at"}]}})
}

/// The period, or the word and the message of why there is none.
fn period_of(policy: &Value, packs: &Arc<Packs>) -> Result<(String, String), (String, String)> {
    let (facts, region) = (
        with_pack(std::slice::from_ref(policy), packs.clone()),
        india(),
    );
    let missing = without_period(&facts.policy, (&region, &facts.packs), now());
    let rulings = rulings(&facts, &region, now());
    assert_eq!(rulings.is_empty(), !missing.is_empty(), "no period, no run");
    match missing.into_iter().next() {
        Some(reason) => Err((reason.word, reason.message)),
        None => Ok((
            after(rulings[0].erase()).to_owned(),
            rulings[0].told().unwrap().message,
        )),
    }
}

#[test]
fn a_law_sets_the_period_of_who_is_subject_to_it() {
    let (packs, sure) = (pack(&[]), pack(&[TERMS]));
    let (period, told) = period_of(
        &shop(&class("ecommerce", 20_000_000), &by_law(), &[]),
        &packs,
    )
    .unwrap();
    assert_eq!(period, "P3Y");
    assert_eq!(
        told,
        "the rule goes by the law: P3Y from the last contact by DPDP Act 2023; DPDP Rules 2025, rules 7 and 8, Third Schedule (in-dpdp, \
         for ecommerce from 20000000 registered users, of which there were 20000000 on 2026-10-01; rule customers of DataPolicy shop)"
    );
    assert!(period_of(&shop(&class("gaming", 5_000_000), &by_law(), &[]), &packs).is_ok());
    // Terms that somebody confirmed set one too; the shorter counts.
    let both = shop(
        &class("ecommerce", 20_000_000),
        &by_law(),
        &["youtubeApiData"],
    );
    assert_eq!(period_of(&both, &sure).unwrap().0, "P30D");
    let mut plain = by_law();
    plain.as_object_mut().unwrap().remove("lastContact");
    assert_eq!(
        period_of(&shop(&json!([]), &plain, &["youtubeApiData"]), &sure)
            .unwrap()
            .0,
        "P30D"
    );
}

#[test]
fn without_a_period_nothing_goes_and_what_is_missing_is_told() {
    let packs = pack(&[]);
    let big = class("ecommerce", 25_000_000);
    let mut plain = by_law();
    plain.as_object_mut().unwrap().remove("lastContact");
    let none = json!([{"regime": "in-dpdp", "class": "none"}]);
    for (policy, word, parts) in [
        (
            shop(&json!([]), &by_law(), &[]),
            "NoPeriodByLaw",
            &[
                "spec.rules[customers].erase.byLaw",
                "spec.controller.classes",
            ][..],
        ),
        (
            shop(&class("ecommerce", 19_999_999), &by_law(), &[]),
            "NoPeriodByLaw",
            &["from 20000000 registered users on", "says 19999999"],
        ),
        (
            shop(&none, &by_law(), &[]),
            "NoPeriodByLaw",
            &["say in dataset.records"],
        ),
        (
            shop(&none, &by_law(), &["none"]),
            "NoPeriodByLaw",
            &["say in dataset.records"],
        ),
        (
            shop(&big, &plain, &[]),
            "NoPeriodByLaw",
            &["say in erase.lastContact"],
        ),
        (
            shop(&big, &by_law(), &["accountAccess"]),
            "NoPeriodByLaw",
            &["leaves out accountAccess records"],
        ),
        (
            shop(&none, &by_law(), &["youtubeApiData"]),
            "NoPeriodByLaw",
            &["P30D from at by YouTube", "is unconfirmed"],
        ),
    ] {
        let (found, message) = period_of(&policy, &packs).unwrap_err();
        assert_eq!(found, word);
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn a_law_that_is_not_in_force_or_that_nobody_confirmed_sets_no_period() {
    let big = class("ecommerce", 25_000_000);
    for (from, to) in [
        ("inForce: {value: 2026-01-01", "inForce: {value: 2027-05-14"),
        (
            "storedValue]}, source: *dpdp, confirmed: true",
            "storedValue]}, source: *dpdp, confirmed: false",
        ),
    ] {
        let (word, message) =
            period_of(&shop(&big, &by_law(), &[]), &pack(&[(from, to)])).unwrap_err();
        assert_eq!(word, "NoPeriodByLaw", "{message}");
    }
}

#[test]
fn whoever_the_law_wants_told_does_not_go_untold() {
    let notice = pack(&[(
        "within: P3Y, exceptRecords",
        "within: P3Y, notice: PT48H, exceptRecords",
    )]);
    let told = |hours: Option<i32>| {
        let mut erase = by_law();
        if let Some(hours) = hours {
            erase["notice"] = json!({"column": "notified_at", "hours": hours});
        }
        period_of(&shop(&class("ecommerce", 20_000_000), &erase, &[]), &notice)
    };
    for hours in [None, Some(47)] {
        let (word, message) = told(hours).unwrap_err();
        assert_eq!(word, "NoticeUnstated");
        assert!(
            message.contains("wants persons told 48 hours before"),
            "{message}"
        );
    }
    assert_eq!(told(Some(48)).unwrap().0, "P3Y");
}

#[test]
fn which_of_a_month_and_thirty_days_is_shorter_nobody_guesses() {
    let months = ("within: P3Y, exceptRecords", "within: P1M, exceptRecords");
    let policy = shop(
        &class("ecommerce", 20_000_000),
        &by_law(),
        &["youtubeApiData"],
    );
    let (word, message) = period_of(&policy, &pack(&[TERMS, months])).unwrap_err();
    assert_eq!(word, "NoPeriodByLaw");
    assert!(message.contains("differs from row to row"), "{message}");
}

/// An approval is of a period that a law set: when the pack or the controller is another, it is void.
#[test]
fn an_approval_is_bound_to_the_fact_and_to_what_was_said_of_the_controller() {
    let hash = |classes: &Value, packs: Arc<Packs>| {
        let (facts, region) = (with_pack(&[shop(classes, &by_law(), &[])], packs), india());
        let rulings = rulings(&facts, &region, now());
        assert_eq!(rulings.len(), 1);
        crate::plan::retention::bound_hash(&facts.policy, &rulings)
    };
    let own = hash(&class("ecommerce", 20_000_000), pack(&[]));
    assert_eq!(own, hash(&class("ecommerce", 20_000_000), pack(&[])));
    let shorter = pack(&[("within: P3Y, exceptRecords", "within: P2Y, exceptRecords")]);
    let text = pack(&[("Third Schedule", "Fourth Schedule")]);
    for other in [
        hash(&class("ecommerce", 20_000_001), pack(&[])),
        hash(&class("socialMedia", 20_000_000), pack(&[])),
        hash(&class("ecommerce", 20_000_000), shorter),
        hash(&class("ecommerce", 20_000_000), text),
    ] {
        assert_ne!(own, other);
    }
}

/// What keeps goes before the law's period, and both are told with their articles.
#[test]
fn a_keep_wins_over_the_period_of_a_law() {
    let mut tax = policy("tax", &json!([keep("k", "orders", "customers", "P8Y")]));
    tax["spec"]["selector"] = json!({"jurisdictions": ["IN"]});
    let shop = shop(&class("ecommerce", 20_000_000), &by_law(), &[]);
    let (facts, region) = (with_pack(&[shop, tax], pack(&[])), india());
    let ruling = &rulings(&facts, &region, now())[0];
    let told = ruling.told().unwrap();
    assert_eq!((ruling.keeps().len(), told.keeps.len()), (1, 1));
    for part in [
        "the rule goes by the law: P3Y",
        "in-dpdp",
        "P8Y from the end of at's calendar year by AO 147(3)",
        "gives way",
    ] {
        assert!(told.message.contains(part), "{part}: {}", told.message);
    }
}

#[test]
fn a_longer_period_of_ones_own_is_told_where_the_law_applies_alone() {
    let told = |classes: &Value, erase: Value, records: &[&str]| {
        let (facts, region) = (
            with_pack(&[shop(classes, &erase, records)], pack(&[])),
            india(),
        );
        rulings(&facts, &region, now())[0].held_too_long().count()
    };
    let erase = |after: &str| json!({"after": after, "method": "Delete"});
    let big = class("ecommerce", 20_000_000);
    assert_eq!(told(&big, erase("P4Y"), &[]), 1);
    assert_eq!(told(&big, erase("P3Y"), &[]), 0);
    assert_eq!(told(&big, erase("P4Y"), &["storedValue"]), 0);
    assert_eq!(told(&class("ecommerce", 7), erase("P4Y"), &[]), 0);
    assert_eq!(told(&json!([]), erase("P4Y"), &[]), 0);
    assert_eq!(
        told(&big, json!({"after": "P1Y", "method": "Restrict"}), &[]),
        1
    );
    // Contacts prolong what the law counts from the last contact itself; a minimum does not.
    let mut contact = by_law();
    contact.as_object_mut().unwrap().remove("byLaw");
    contact["after"] = json!("P3Y");
    assert_eq!(told(&big, contact.clone(), &[]), 0);
    contact["lastContact"]["atLeast"] = json!("P4Y");
    assert_eq!(told(&big, contact, &[]), 1);
}

static PACK: OnceLock<Arc<Packs>> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A rule goes by the law only where somebody said a kind of controller that is big enough, and then by the law's own period.
    #[test]
    fn no_period_without_a_word_of_a_person(
        kind in prop::sample::select(vec!["ecommerce", "socialMedia", "gaming", "none"]), users in 0_u32..40_000_000,
        says in any::<bool>(), exempt in any::<bool>(), contact in any::<bool>(),
    ) {
        let classes = if says { class(kind, users) } else { json!([]) };
        let mut erase = by_law();
        if !contact {
            erase.as_object_mut().unwrap().remove("lastContact");
        }
        let records: &[&str] = if exempt { &["storedValue"] } else { &[] };
        let packs = PACK.get_or_init(|| pack(&[]));
        let from = match kind { "gaming" => 5_000_000, "none" => u32::MAX, _ => 20_000_000 };
        let is_due = says && contact && !exempt && users >= from;
        let period = period_of(&shop(&classes, &erase, records), packs);
        prop_assert_eq!(period.as_ref().ok().map(|it| it.0.as_str()), is_due.then_some("P3Y"), "{:?}", period);
    }
}
