use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contract::cutoff::{ClockKind, due_from};
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use crate::plan::Settings;

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}")))
}

fn region() -> Region {
    let store = |name: &str, secret: &str| json!({"name": name, "datasets": ["invoices"], "postgres": {"secretRef": {"name": secret, "key": "url"}}});
    let stores = [
        store("orders", "db"),
        store("alias", "db"),
        store("inbox", "other"),
    ];
    let region = read::<Region>(&json!({
        "metadata": {"name": "eu"},
        "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "dataStores": stores,
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
    }));
    (*region).clone()
}

fn policy(name: &str, rules: &Value) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"regimes": ["eu-gdpr"], "selector": {"jurisdictions": ["DE"]}, "rules": rules,
            "fiscalYearEnd": "09-30", "mode": "Enforce", "retention": {"schedule": "0 2 * * *"}},
    })
}

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

/// The same under other laws, with records that its rules' tables have.
fn under(laws: &[&str], mut policy: Value) -> Value {
    policy["spec"]["regimes"] = json!(laws);
    policy
}

fn has(records: &[&str], mut rule: Value) -> Value {
    rule["dataset"]["records"] = json!(records);
    rule
}

fn packs() -> Arc<Packs> {
    static PACKS: OnceLock<Arc<Packs>> = OnceLock::new();
    let load = || Arc::new(Packs::load(BUILTIN_PLATFORMS, BUILTIN_REGIMES).unwrap());
    PACKS.get_or_init(load).clone()
}

fn facts(policies: &[Value]) -> PolicyFacts {
    let all: Vec<Arc<DataPolicy>> = policies.iter().map(read).collect();
    let by_name = all.iter().map(|policy| (policy.name_any(), policy.clone()));
    PolicyFacts {
        policy: all[0].clone(),
        regions: BTreeMap::new(),
        channels: Vec::new(),
        policies: by_name.collect(),
        holds: BTreeMap::new(),
        packs: packs(),
        settings: Arc::new(Settings {
            fleet: "f".into(),
            image: "i".into(),
            image_pull_policy: None,
        }),
    }
}

fn erase(table: &str, after: &str) -> Value {
    json!({"name": "erases", "dataset": {"store": "orders", "table": table, "clock": "at"},
        "erase": {"after": after, "method": "Delete"}})
}

fn keep(name: &str, store: &str, table: &str, period: &str) -> Value {
    json!({"name": name, "dataset": {"store": store, "table": table, "clock": "at"},
        "keep": {"for": period, "from": "EndOfCalendarYear", "reference": "AO 147(3)"}})
}

/// Who binds the first policy's rule.
fn binding(policies: &[Value]) -> Vec<String> {
    let (facts, region) = (facts(policies), region());
    let rulings = rulings(&facts, &region, now());
    let keeps = rulings[0].keeps.iter();
    keeps
        .map(|claim| format!("{}/{}", claim.policy.name_any(), claim.rule.name))
        .collect()
}

#[test]
fn a_keep_binds_whatever_may_be_its_table() {
    for (store, table, binds) in [
        ("orders", "invoices", true),
        ("orders", "shop.invoices", true),
        ("alias", "invoices", true), // the same Secret: the same database
        ("inbox", "invoices", false),
        ("nowhere", "invoices", false),
        ("orders", "Invoices", false), // case counts
        ("orders", "messages", false),
    ] {
        let tax = policy("tax", &json!([keep("k", store, table, "P8Y")]));
        let own = policy("own", &json!([erase("invoices", "P3Y")]));
        assert_eq!(binding(&[own, tax]) == ["tax/k"], binds, "{store} {table}");
    }
    let shop = policy("own", &json!([erase("shop.invoices", "P3Y")]));
    let tax = policy(
        "tax",
        &json!([
            keep("a", "orders", "invoices", "P8Y"),
            keep("b", "orders", "old.invoices", "P8Y")
        ]),
    );
    assert_eq!(
        binding(&[shop, tax]),
        ["tax/a"],
        "a bare name may be in any schema, a whole one is where it says"
    );
}

#[test]
fn a_keep_ends_when_it_is_taken_away_and_by_nothing_else() {
    let own = policy("own", &json!([erase("invoices", "P3Y")]));
    let with = |change: Value| {
        let mut tax = policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")]));
        json_patch(&mut tax, &change);
        !binding(&[own.clone(), tax]).is_empty()
    };
    assert!(with(json!({"spec": {"mode": "DryRun"}})));
    assert!(with(
        json!({"spec": {"suspend": {"reason": "r", "by": "b"}}})
    ));
    assert!(
        with(json!({"spec": {"regimes": ["no-such"]}})),
        "not accepted, and in force"
    );
    assert!(!with(
        json!({"metadata": {"deletionTimestamp": "2026-11-22T10:00:00Z"}})
    ));
    assert!(!with(
        json!({"spec": {"selector": {"jurisdictions": ["US"]}}})
    ));
}

fn json_patch(value: &mut Value, patch: &Value) {
    for (key, change) in patch.as_object().unwrap() {
        if value[key].is_object() && key != "selector" {
            json_patch(&mut value[key], change);
        } else {
            value[key] = change.clone();
        }
    }
}

#[test]
fn who_decides_is_told_with_its_article_and_what_loses() {
    let told = |after: &str, from: &str, more: &[Value]| {
        let mut own = erase("invoices", after);
        own["erase"]["from"] = json!(from);
        let mut policies = vec![
            policy("own", &json!([own])),
            policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")])),
        ];
        policies.extend_from_slice(more);
        let (facts, region) = (facts(&policies), region());
        let told = rulings(&facts, &region, now())[0].told().unwrap();
        (told.decides, told.message, told.keeps.len())
    };
    let (decides, message, _) = told("P3Y", "EventDate", &[]);
    assert_eq!(decides, Decides::Keep);
    assert_eq!(
        message,
        "AO 147(3) (rule k of DataPolicy tax) decides: no row goes before P8Y from the end of at's calendar year is \
         over; the rule's own P3Y from at gives way"
    );
    // Equal: the rule's own period is no shorter, so nothing gives way.
    let (decides, message, _) = told("P8Y", "EndOfCalendarYear", &[]);
    assert_eq!(decides, Decides::Erase);
    assert_eq!(
        message,
        "the rule's own P8Y from the end of at's calendar year decides; AO 147(3) (rule k of DataPolicy tax), P8Y from \
         the end of at's calendar year, ends no later"
    );
    let (decides, message, _) = told("P8Y", "EndOfFiscalYear", &[]);
    assert_eq!(decides, Decides::LatestOfAll);
    assert!(
        message.contains("fiscal year (09-30)") && message.contains("differs from row to row"),
        "{message}"
    );
    let mut other = keep("other", "orders", "invoices", "P1Y");
    other["dataset"]["clock"] = json!("paid_at");
    let (decides, message, keeps) = told("P3Y", "EventDate", &[policy("zoll", &json!([other]))]);
    assert_eq!((decides, keeps), (Decides::LatestOfAll, 2));
    assert!(message.contains("and 1 other keep are over"), "{message}");
}

/// A contact may make the rule's own period end any day later: then no keep is the last for every row.
#[test]
fn a_keep_never_decides_over_what_contacts_may_prolong() {
    let told = |after: &str| {
        let mut own = erase("invoices", after);
        own["erase"]["lastContact"] = json!({"tables": [{"table": "orders", "clock": "at"}, {"table": "letters", "clock": "at"}]});
        let policies = [
            policy("own", &json!([own])),
            policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")])),
        ];
        let (facts, region) = (facts(&policies), region());
        let told = rulings(&facts, &region, now())[0].told().unwrap();
        (told.decides, told.message)
    };
    let (decides, message) = told("P3Y");
    assert_eq!(decides, Decides::LatestOfAll);
    assert!(
        message.starts_with("a row goes once the rule's own P3Y from at and the newest contact in orders, letters, and P8Y"),
        "{message}"
    );
    assert_eq!(told("P30Y").0, Decides::Erase);
}

#[test]
fn status_names_four_keeps_the_deciding_one_first() {
    let rules: Vec<Value> = (0..7)
        .map(|n| {
            keep(
                &format!("k{n}"),
                "orders",
                "invoices",
                if n == 5 { "P9Y" } else { "P8Y" },
            )
        })
        .collect();
    let facts = facts(&[
        policy("own", &json!([erase("invoices", "P3Y")])),
        policy("tax", &json!(rules)),
    ]);
    let region = region();
    let told = rulings(&facts, &region, now())[0].told().unwrap();
    assert_eq!((told.decides, told.more_keeps), (Decides::Keep, Some(3)));
    let names: Vec<&str> = told.keeps.iter().map(|keep| keep.rule.as_str()).collect();
    assert_eq!(names, ["k5", "k0", "k1", "k2"]);
}

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
    assert!(!is_over(Anchor::EventDate, "P999Y", born, &utc, then));
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

fn any_rule(name: &'static str) -> impl Strategy<Value = Value> {
    let period = prop::sample::select(vec![
        "P1D", "P28D", "P1M", "P90D", "P1Y", "P11M29D", "P3Y", "P8Y", "P8Y1D",
    ]);
    let from = prop::sample::select(vec!["EventDate", "EndOfCalendarYear", "EndOfFiscalYear"]);
    let table = prop::sample::select(vec!["invoices", "shop.invoices", "messages"]);
    let clock = prop::sample::select(vec!["at", "at", "paid"]);
    let records = prop::sample::subsequence(
        vec!["invoice", "accountingBook", "businessLetter", "contract"],
        0..=2,
    );
    (period.clone(), from.clone(), period, from, table, (clock, records), 0..3).prop_map(
        move |(after, from, length, kept_from, table, (clock, records), what)| {
            let mut rule = json!({"name": name, "dataset": {"store": "orders", "table": table, "clock": clock, "records": records}});
            if what != 1 {
                rule["erase"] = json!({"after": after, "from": from, "method": "Delete"});
            }
            if what != 0 {
                rule["keep"] = json!({"for": length, "from": kept_from, "reference": format!("law of {name}")});
            }
            rule
        },
    )
}

fn any_laws() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["de-tax", "eu-gdpr", "fr-commerce", "kr-pipa"], 1..=4)
}

/// What the packs' laws keep of a rule's table in a German region, by hand: the law, the period, and on which day that is over of a
/// row of a day.
fn by_law(
    rule: &Value,
    laws: &[&str],
    day: jiff::civil::Date,
) -> Vec<(&'static str, &'static str, jiff::civil::Date)> {
    let next = |month: i8, date: i8| {
        let this = jiff::civil::date(day.year(), month, date);
        if day < this {
            this
        } else {
            jiff::civil::date(day.year() + 1, month, date)
        }
    };
    let (calendar, fiscal) = (next(1, 1), next(10, 1));
    let all = [
        ("de-tax", "accountingBook", "P10Y", calendar + 10.years()),
        ("de-tax", "businessLetter", "P6Y", calendar + 6.years()),
        ("de-tax", "invoice", "P8Y", calendar + 8.years()),
        ("fr-commerce", "accountingBook", "P10Y", fiscal + 10.years()),
        ("fr-commerce", "invoice", "P10Y", fiscal + 10.years()),
        ("kr-pipa", "contract", "P5Y", day + 5.years()),
    ];
    let said = |kind: &str| {
        rule["dataset"]["records"]
            .as_array()
            .unwrap()
            .iter()
            .any(|own| own == kind)
    };
    let counts =
        |law: &&str| laws.contains(law) && (*law != "kr-pipa" || !laws.contains(&"eu-gdpr"));
    let counting = all
        .into_iter()
        .filter(|(law, kind, ..)| counts(law) && said(kind));
    counting
        .map(|(law, _, period, over)| (law, period, over))
        .collect()
}

/// Whether a rule says of its table what none of these laws knows.
fn is_unread(rule: &Value, laws: &[&str]) -> bool {
    let known = |kind: &str| match kind {
        "invoice" | "accountingBook" => laws.contains(&"de-tax") || laws.contains(&"fr-commerce"),
        "businessLetter" => laws.contains(&"de-tax"),
        _ => laws.contains(&"kr-pipa"),
    };
    let mut said = rule["dataset"]["records"].as_array().unwrap().iter();
    said.any(|kind| !known(kind.as_str().unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_depends_on_the_order_of_policies_or_rules(
        own in any_rule("a"), more in any_rule("b"), one in any_rule("c"), two in any_rule("d"), three in any_rule("e"),
        laws in any_laws(),
    ) {
        let back = |rule: &Value| {
            let mut rule = rule.clone();
            rule["dataset"]["records"].as_array_mut().unwrap().reverse();
            rule
        };
        let sal: Vec<&str> = laws.iter().rev().copied().collect();
        let all = [
            policy("own", &json!([own, more])), under(&laws, policy("tax", &json!([one, two]))), under(&laws, policy("zoll", &json!([three]))),
        ];
        let turned = [
            policy("own", &json!([own, more])), under(&sal, policy("zoll", &json!([back(&three)]))), under(&sal, policy("tax", &json!([back(&two), back(&one)]))),
        ];
        let tell = |policies: &[Value]| {
            let (facts, region) = (facts(policies), region());
            let rulings = rulings(&facts, &region, now());
            let told: Vec<_> = rulings.iter().map(|ruling| (ruling.keeps(), ruling.told())).collect();
            (format!("{told:?}"), crate::plan::retention::bound_hash(&facts.policy, &rulings))
        };
        prop_assert_eq!(tell(&all), tell(&turned));
    }

    /// What the agent is told is what each law says, row by row: a row that any law still keeps is not due, one that is
    /// due is kept by none, and each keep has its ground.
    #[test]
    fn nothing_goes_inside_a_keep_and_nothing_is_kept_without_a_ground(
        own in any_rule("a"), one in any_rule("c"), two in any_rule("d"), day in 0_i64..5000, later in 0_i64..5000,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]), laws in prop::collection::vec(any_laws(), 3),
    ) {
        let with = |name: &str, rule: &Value, place: usize| under(&laws[place], policy(name, &json!([rule])));
        let policies = [with("own", &own, 0), with("tax", &one, 1), with("zoll", &two, 2)];
        let (facts, region) = (facts(&policies), region());
        let zone = TimeZone::get(zone).unwrap();
        let clock = jiff::civil::date(2008, 2, 28) + day.days();
        let now = (clock + later.days()).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
        let is_over = |anchor, period: &str| is_over(anchor, period, clock, &zone, now);
        for ruling in rulings(&facts, &region, now) {
            let rule = ruling.rule();
            let keeps = ruling.keeps();
            prop_assert!(keeps.iter().all(|keep| !keep.reference.trim().is_empty()));
            // By hand: every rule of every policy that keeps a table that may be this one.
            let same = [("own", &own, &laws[0]), ("tax", &one, &laws[1]), ("zoll", &two, &laws[2])].into_iter().filter(|(_, other, _)| {
                let table = other["dataset"]["table"].as_str().unwrap();
                let mine = rule.dataset.table.as_str();
                table == mine || table.ends_with(&format!(".{mine}")) || mine.ends_with(&format!(".{table}"))
            });
            let (mut wanted, mut free) = (Vec::new(), Vec::new());
            for (policy, other, laws) in same {
                let stated = other["keep"]["for"].as_str();
                wanted.extend(stated.map(|period| (policy.to_owned(), period.to_owned())));
                if is_unread(other, laws) {
                    wanted.push((policy.to_owned(), "P999Y".to_owned()));
                    free.push(jiff::civil::Date::MAX);
                }
                for (_, period, over) in by_law(other, laws, clock) {
                    wanted.push((policy.to_owned(), period.to_owned()));
                    free.push(over);
                }
            }
            let told_keeps = keeps.iter().map(|keep| (keep.policy.clone(), keep.period.clone()));
            prop_assert_eq!(told_keeps.collect::<Vec<_>>(), wanted);
            // Inside a law's time no row is free, whatever the calendar of its region.
            let today = now.to_zoned(zone.clone()).date();
            if free.iter().any(|over| today < *over) {
                prop_assert!(!keeps.iter().all(|keep| is_over(keep.from, &keep.period)), "{today}: {keeps:?}");
            }
            // All clocks of the row say the same day here: who decides must be right for it.
            let Some(told) = ruling.told() else { continue };
            let own_over = is_over(ruling.anchor, &ruling.erase().after);
            let all_over = keeps.iter().all(|keep| is_over(keep.from, &keep.period));
            match told.decides {
                Decides::Erase => prop_assert!(!own_over || all_over, "{}", told.message),
                Decides::Keep => {
                    // A law may keep two kinds of records for two periods.
                    let first = &told.keeps[0];
                    let is_first = |keep: &&RetentionKeep| keep.reference == first.reference && keep.period == first.period;
                    let law = keeps.iter().find(is_first).unwrap();
                    prop_assert!(!is_over(law.from, &law.period) || all_over && own_over, "{}", told.message);
                }
                Decides::LatestOfAll => {}
                // Whoever goes first has gone by then, and no keep was in the way.
                Decides::OtherErase => {
                    let first = &told.also_erases[0];
                    let end = super::anchor(Some(first.from), &facts.policy.spec);
                    prop_assert!(!own_over || is_over(end, &first.after), "{}", told.message);
                    prop_assert!(!own_over || all_over, "{}", told.message);
                }
            }
        }
    }

    /// Each of two policies is told of the other, and never do both give way.
    #[test]
    fn of_two_policies_that_erase_at_most_one_gives_way(
        one in any_rule("a"), two in any_rule("b"), modes in prop::array::uniform2(prop::sample::select(vec!["Enforce", "DryRun"])),
        methods in prop::array::uniform2(prop::sample::select(vec!["Delete", "Delete", "Restrict", "Nullify"])), contact in any::<bool>(),
    ) {
        let with = |place: usize, rule: &Value| {
            let mut rule = rule.clone();
            if rule.get("erase").is_some() {
                rule["erase"]["method"] = json!(methods[place]);
                if place == 0 && contact {
                    rule["erase"]["lastContact"] = json!({"tables": [{"table": "letters", "clock": "at"}]});
                }
            }
            let mut policy = policy(["own", "zoll"][place], &json!([rule]));
            policy["spec"]["mode"] = json!(modes[place]);
            policy
        };
        let (first, second) = (with(0, &one), with(1, &two));
        let region = region();
        let tell = |policies: [&Value; 2]| {
            let facts = facts(&policies.map(Clone::clone));
            let rulings = rulings(&facts, &region, now());
            rulings.first().and_then(Ruling::told)
        };
        let told = [tell([&first, &second]), tell([&second, &first])];
        let erases = |rule: &Value, place: usize| rule.get("erase").is_some() && methods[place] != "Restrict";
        let table = |rule: &Value| rule["dataset"]["table"].as_str().unwrap().replace("shop.", "");
        let is_same = table(&one) == table(&two);
        for (place, (own, other)) in [(&one, &two), (&two, &one)].into_iter().enumerate() {
            let wanted = is_same && own.get("erase").is_some() && erases(other, 1 - place);
            let named = told[place].iter().flat_map(|told| &told.also_erases);
            prop_assert_eq!(named.count(), usize::from(wanted), "{:?}", told[place]);
        }
        let gives_way = told.iter().enumerate().filter(|(place, told)| {
            let loses = told.as_ref().is_some_and(|told| told.decides == Decides::OtherErase);
            // Who only counts, or leaves the rows, takes none before anybody.
            assert!(!loses || modes[1 - place] == "Enforce" && methods[1 - place] == "Delete", "{told:?}");
            loses
        });
        prop_assert!(gives_way.count() < 2, "{told:?}");
    }
}

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

/// Whether a period that began with a day's row is over, by the calendar that the agent goes by.
fn is_over(
    anchor: Anchor,
    period: &str,
    clock: jiff::civil::Date,
    zone: &TimeZone,
    now: Timestamp,
) -> bool {
    let due = due_from(anchor, ClockKind::Date, period.parse().unwrap(), zone, now).unwrap();
    let day = clock.to_string();
    day <= due.latest && !due.gaps.iter().any(|(from, to)| *from <= day && day <= *to)
}
