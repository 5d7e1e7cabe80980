mod by_law;
mod columns;
mod dates;
mod demanded;
mod hides;
mod holds;
mod laws;
mod limits;
mod parts;
mod properties;
mod rivals;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contract::cutoff::{ClockKind, due_from, kept_from};
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use crate::plan::{Reach, RegionFacts, Settings};

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
        ("nowhere", "invoices", true), // which store is meant, nobody can know
        ("nowhere", "messages", false),
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

/// A store that was renamed, or misspelt: other policies must not erase meanwhile what it keeps.
#[test]
fn a_keep_in_a_store_that_is_not_there_binds_each_and_says_so() {
    let tax = policy("tax", &json!([keep("k", "nowhere", "invoices", "P8Y")]));
    let own = policy("own", &json!([erase("invoices", "P3Y")]));
    let (facts, region) = (facts(&[own, tax]), region());
    let rulings = rulings(&facts, &region, now());
    let told = rulings[0].told().unwrap();
    assert_eq!(told.decides, Decides::Keep);
    let begin = "AO 147(3) (rule k of DataPolicy tax, in store nowhere, which this Region does not have) decides: ";
    assert!(told.message.starts_with(begin), "{}", told.message);
    // An approval that was given without it is void.
    assert_eq!(rulings[0].foreign(&facts.policy).len(), 1);
    // A request leaves the row, too.
    let laws = Laws::new(&region, &facts.packs, now());
    let policies: Vec<&DataPolicy> = facts.policies.values().map(AsRef::as_ref).collect();
    let rule = &facts.policy.spec.rules[0];
    let bound = keeps_on(&claims(&policies, &laws), rule, &region.spec);
    assert_eq!(bound.len(), 1, "{bound:?}");
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

/// A channel is closed, and what a law wants kept stays.
#[test]
fn a_keep_outlives_the_last_channel_that_its_policy_selects_by() {
    let own = policy("own", &json!([erase("invoices", "P3Y")]));
    let binds = |selector: Value, channels: &[(&str, &str)]| {
        let mut tax = policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")]));
        tax["spec"]["selector"] = selector;
        let mut facts = facts(&[own.clone(), tax]);
        let channel = |(brand, region): &(&str, &str)| {
            read(&json!({
                "metadata": {"name": "shop", "namespace": "aurora", "labels": {"brand": brand}},
                "spec": {"platform": {"name": "Generic"}, "credentialsRef": {"name": "keys"}, "regions": {"names": [region]}},
            }))
        };
        facts.channels = channels.iter().map(channel).collect();
        let region = region();
        let at = |name: &str| {
            let mut region = region.clone();
            region.metadata.name = Some(name.to_owned());
            let known = RegionFacts {
                region: Arc::new(region),
                reach: Reach::Ready,
                namespaces: None,
                remains: false,
            };
            (name.to_owned(), known)
        };
        facts.regions = ["eu", "us"].map(at).into();
        !rulings(&facts, &region, now())[0].keeps.is_empty()
    };
    let by = |more: Value| {
        let mut selector = json!({"channelLabels": {"brand": "a"}});
        json_patch(&mut selector, &more);
        selector
    };
    let here = json!({"jurisdictions": ["DE"]});
    assert!(binds(by(json!({})), &[("a", "eu")]));
    assert!(
        binds(by(json!({})), &[]),
        "nobody knows any more where it was"
    );
    assert!(binds(by(json!({})), &[("b", "eu")]));
    assert!(!binds(by(json!({})), &[("a", "us")]), "it is there");
    // A channel that is there and is nowhere is as good as none, also beside one that is somewhere.
    assert!(binds(by(json!({})), &[("a", "gone")]));
    assert!(binds(by(json!({})), &[("a", "us"), ("a", "gone")]));
    assert!(!binds(by(json!({})), &[("a", "us"), ("b", "gone")]));
    // The other members say where, whatever became of the channels.
    assert!(binds(by(here.clone()), &[]));
    assert!(binds(by(here), &[("a", "us")]));
    assert!(!binds(by(json!({"jurisdictions": ["US"]})), &[]));
    assert!(!binds(
        by(json!({"jurisdictions": ["US"]})),
        &[("a", "gone")]
    ));
    assert!(!binds(
        by(json!({"regions": ["us"], "jurisdictions": ["DE"]})),
        &[]
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

/// A contact or a notice may make the rule's own period end any day later: then no keep is the last for every row.
#[test]
fn a_keep_never_decides_over_what_contacts_and_notices_may_prolong() {
    let of = |after: &str, field: &str, waits: &Value| {
        let mut own = erase("invoices", after);
        own["erase"][field] = waits.clone();
        let policies = [
            policy("own", &json!([own])),
            policy("tax", &json!([keep("k", "orders", "invoices", "P8Y")])),
        ];
        let (facts, region) = (facts(&policies), region());
        let told = rulings(&facts, &region, now())[0].told().unwrap();
        (told.decides, told.message)
    };
    let contacts = json!({"tables": [{"table": "orders", "clock": "at"}, {"table": "letters", "clock": "at"}]});
    let notice = json!({"column": "told_at", "hours": 48});
    for (field, waits, words) in [
        (
            "lastContact",
            contacts,
            "the newest contact in orders, letters",
        ),
        ("notice", notice, "a notice of 48 hours"),
    ] {
        let (decides, message) = of("P3Y", field, &waits);
        assert_eq!(decides, Decides::LatestOfAll);
        let wanted = format!("a row goes once the rule's own P3Y from at and {words}, and P8Y");
        assert!(message.starts_with(&wanted), "{message}");
        assert_eq!(of("P30Y", field, &waits).0, Decides::Erase);
    }
}

/// A keep from an event has the whole of its last day, which a rule of the same length has not: the keep decides, and says so.
#[test]
fn a_rule_as_long_as_a_keep_gives_way_for_the_last_day() {
    let told = |after: &str| {
        let mut tax = keep("k", "orders", "invoices", "P8Y");
        tax["keep"]["from"] = json!("EventDate");
        let policies = [
            policy("own", &json!([erase("invoices", after)])),
            policy("tax", &json!([tax])),
        ];
        let (facts, region) = (facts(&policies), region());
        let told = rulings(&facts, &region, now())[0].told().unwrap();
        (told.decides, told.message)
    };
    let (decides, message) = told("P8Y");
    assert_eq!(decides, Decides::Keep);
    assert_eq!(
        message,
        "AO 147(3) (rule k of DataPolicy tax) decides: no row goes before the last day of P8Y from at is over; the rule's \
         own P8Y from at ends within that day, and gives way"
    );
    assert_eq!(told("P8Y1D").0, Decides::Erase);
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

/// Whether what keeps a day's row is over, by the calendar that the agent goes by.
fn is_kept_over(
    anchor: Anchor,
    period: &str,
    clock: jiff::civil::Date,
    zone: &TimeZone,
    now: Timestamp,
) -> bool {
    let kept = kept_from(anchor, ClockKind::Date, period.parse().unwrap(), zone, now);
    clock.to_string() <= kept.unwrap().latest
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
