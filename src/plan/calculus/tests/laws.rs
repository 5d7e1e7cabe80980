//! What laws of the packs keep.

use super::*;

/// A rule that says what its table has, and neither erases nor keeps anything itself.
fn says(records: &[&str]) -> Value {
    let rule = json!({"name": "r", "dataset": {"store": "orders", "table": "shop.invoices", "clock": "at"}});
    has(records, rule)
}

#[test]
fn a_law_of_the_pack_keeps_the_records_that_somebody_says_a_table_has() {
    let own = policy("own", &json!([erase("invoices", "P3Y")]));
    let told = |laws: &[&str], records: &[&str]| {
        let policies = [
            own.clone(),
            under(laws, policy("tax", &json!([says(records)]))),
        ];
        let (facts, region) = (facts(&policies), region());
        let rulings = rulings(&facts, &region, now());
        let hash = crate::plan::retention::bound_hash(&facts.policy, &rulings);
        let is_bound = hash != crate::plan::spec_hash(&facts.policy.spec);
        let told = rulings[0].told();
        assert_eq!(
            is_bound,
            told.is_some(),
            "what was approved is void when the pack changes"
        );
        told
    };
    let by_law = told(&["de-tax"], &["invoice"]).unwrap();
    assert_eq!(by_law.decides, Decides::Keep);
    assert_eq!(
        by_law.message,
        "AO 147(3), HGB 257(4), UStG 14b (de-tax, for the invoice records of rule r of DataPolicy tax) decides: no row \
         goes before P8Y from the end of at's calendar year is over; the rule's own P3Y from at gives way"
    );
    let [keep] = by_law.keeps.as_slice() else {
        panic!("{:?}", by_law.keeps)
    };
    let whence = (keep.law.as_deref(), keep.records.as_deref());
    assert_eq!(whence, (Some("de-tax"), Some("invoice")));
    // Without the word nothing is kept.
    assert_eq!(told(&["de-tax"], &[]), None);
    assert_eq!(told(&["de-tax"], &["none"]), None);
    assert_eq!(told(&[], &["none"]), None);
    // Every law and every kind counts, in an order of their own.
    let all = told(&["fr-commerce", "de-tax"], &["invoice", "accountingBook"]).unwrap();
    let laws = all.keeps.iter().map(|keep| {
        format!(
            "{} {}",
            keep.law.as_deref().unwrap(),
            keep.records.as_deref().unwrap()
        )
    });
    let mut laws: Vec<String> = laws.collect();
    laws.sort();
    assert_eq!(
        laws,
        [
            "de-tax accountingBook",
            "de-tax invoice",
            "fr-commerce accountingBook",
            "fr-commerce invoice"
        ]
    );
}

/// A word or a law that nobody can look up, misspelt or taken out by an update, keeps everything until it is mended: its own
/// policy is refused and goes on with what it was told, and others must not take the rows meanwhile.
#[test]
fn what_cannot_be_looked_up_keeps_everything() {
    let keeps = |laws: &[&str], records: &[&str]| {
        let rule = json!({"name": "says", "dataset": {"store": "orders", "table": "invoices", "clock": "at"}});
        let tax = under(laws, policy("tax", &json!([has(records, rule)])));
        let own = policy("own", &json!([erase("invoices", "P3Y")]));
        let (facts, region) = (facts(&[own, tax]), region());
        let keeps = rulings(&facts, &region, now())[0].keeps();
        let told = keeps.into_iter().map(|keep| (keep.period, keep.reference));
        told.collect::<Vec<_>>()
    };
    let mended = "until that is mended";
    for (laws, records) in [
        (&["de-tax"][..], &["invioce"][..]),
        (&["eu-gdpr"], &["invoice"]),
        (&["no-law"], &["invoice"]),
    ] {
        let told = keeps(laws, records);
        let [(period, reference)] = told.as_slice() else {
            panic!("{laws:?}, {records:?}: {told:?}")
        };
        assert_eq!(period, "P999Y");
        assert!(
            reference.contains(records[0]) && reference.ends_with(mended),
            "{reference}"
        );
    }
    // What can be looked up is told beside it.
    let told = keeps(&["de-tax", "no-law"], &["invoice"]);
    let periods: Vec<&str> = told.iter().map(|(period, _)| period.as_str()).collect();
    assert_eq!(periods, ["P999Y", "P8Y"]);
    assert!(told[0].1.contains("no-law"), "{told:?}");
    // Such a region's rows are due for nobody.
    let (utc, then) = (TimeZone::UTC, now());
    let born = jiff::civil::date(1900, 1, 1);
    assert!(!is_kept_over(Anchor::EventDate, "P999Y", born, &utc, then));
    assert_eq!(keeps(&["no-law"], &["none"]), []);
}

/// Nobody erases too early because a policy does not say when its fiscal year ends.
#[test]
fn a_fiscal_year_that_nobody_told_costs_a_year_more() {
    let told = |end: Option<&str>| {
        let mut own = policy("own", &json!([has(&["invoice"], erase("invoices", "P3Y"))]));
        own["spec"]["fiscalYearEnd"] = json!(end);
        let (facts, region) = (facts(&[under(&["fr-commerce"], own)]), region());
        let keeps = rulings(&facts, &region, now())[0].keeps();
        let [keep] = keeps.as_slice() else {
            panic!("{keeps:?}")
        };
        (
            keep.period.clone(),
            format!("{:?}", keep.from),
            keep.reference.clone(),
        )
    };
    let (period, from, reference) = told(Some("09-30"));
    assert_eq!(
        (period.as_str(), reference.as_str()),
        ("P10Y", "Code de commerce L123-22")
    );
    assert!(from.starts_with("EndOfFiscalYear"), "{from}");
    let (period, from, reference) = told(None);
    assert_eq!(
        (period.as_str(), from.as_str()),
        ("P11Y", "EndOfCalendarYear")
    );
    assert!(
        reference.ends_with("a year more while fiscalYearEnd is not said"),
        "{reference}"
    );
}

/// A fact that nobody confirmed keeps all the same, and says so: what went too early does not come back.
#[test]
fn what_nobody_confirmed_keeps_and_is_told_so() {
    let own = policy(
        "own",
        &json!([has(&["contract"], erase("invoices", "P3Y"))]),
    );
    let told = |laws: &[&str]| {
        let (facts, region) = (facts(&[under(laws, own.clone())]), region());
        let keeps = rulings(&facts, &region, now())[0].keeps();
        keeps
            .into_iter()
            .map(|keep| keep.reference)
            .collect::<Vec<_>>()
    };
    let korean = "Korean E-Commerce Act, as company notices quote it (unconfirmed)";
    assert_eq!(told(&["kr-pipa"]), [korean]);
    assert_eq!(told(&["kr-pipa", "de-tax"]), [korean]);
    // In a German region the Korean law counts only for a policy that carries none that Germany calls for.
    assert_eq!(told(&["kr-pipa", "eu-gdpr"]), [""; 0]);
}

#[test]
fn a_law_that_is_to_come_keeps_from_its_first_day() {
    let to_come = BUILTIN_REGIMES.replace(
        "name: Korean Personal Information Protection Act",
        "name: Korean Act\n    inForce: {value: 2027-01-01, source: made up, confirmed: true}",
    );
    let both = under(
        &["kr-pipa", "eu-gdpr"],
        policy("tax", &json!([says(&["contract"])])),
    );
    let mut facts = facts(&[policy("own", &json!([erase("invoices", "P3Y")])), both]);
    facts.packs = Arc::new(Packs::load(BUILTIN_PLATFORMS, &to_come).unwrap());
    let mut region = region();
    region.spec.jurisdictions = vec!["DE".to_owned(), "KR".to_owned()];
    let first: Timestamp = "2027-01-01T00:00:00+01:00".parse().unwrap();
    assert!(rulings(&facts, &region, now())[0].keeps.is_empty());
    assert_eq!(wake_at(&facts, &region, now()), Some(first));
    assert_eq!(rulings(&facts, &region, first)[0].keeps.len(), 1);
    assert_eq!(wake_at(&facts, &region, first), None);
}

/// India asks everybody for a year, whatever a policy would have: from the day on which its law begins.
#[test]
fn india_keeps_personal_data_and_logs_for_a_year() {
    for kind in ["personalData", "trafficLog"] {
        let rule = has(&[kind], erase("invoices", "P90D"));
        let own = under(&["in-dpdp"], policy("own", &json!([rule])));
        let mut region = region();
        region.spec.jurisdictions = vec!["IN".to_owned()];
        let facts = facts(&[own]);
        let begins: Timestamp = "2027-05-14T00:00:00+02:00".parse().unwrap();
        let keeps = rulings(&facts, &region, begins)[0].keeps();
        let [keep] = keeps.as_slice() else {
            panic!("{keeps:?}")
        };
        assert_eq!(
            (keep.period.as_str(), keep.reference.as_str()),
            ("P1Y", "DPDP Rules 2025, rule 8")
        );
        let told = rulings(&facts, &region, begins)[0].told().unwrap();
        assert_eq!(told.decides, Decides::Keep, "{}", told.message);
    }
}
