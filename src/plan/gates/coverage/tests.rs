use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

static PACKS: LazyLock<Packs> = LazyLock::new(|| Packs::builtin().unwrap());

const NOW: &str = "2026-11-22T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn region(jurisdictions: &[&str]) -> Region {
    serde_json::from_value(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": "here"},
        "spec": {
            "jurisdictions": jurisdictions, "cluster": {"local": {}}, "runNamespace": "runs",
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Asia/Kolkata"},
            "dataStores": [
                {"name": "shop", "namespaces": ["aurora"], "datasets": ["orders", "invoices"],
                 "postgres": {"secretRef": {"name": "db", "key": "url"}}},
                {"name": "other", "namespaces": ["borealis"], "datasets": ["secrets"],
                 "postgres": {"secretRef": {"name": "db", "key": "url"}}},
            ],
        },
    }))
    .unwrap()
}

fn channel() -> SocialChannel {
    serde_json::from_value(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
        "metadata": {"name": "aurora-instagram", "namespace": "aurora", "labels": {"brand": "aurora"}},
        "spec": {
            "platform": {"name": "Instagram"}, "credentialsRef": {"name": "meta"}, "regions": {"names": ["here"]},
        },
    }))
    .unwrap()
}

/// A policy that counts for eu-gdpr, changed by `patch` (RFC 7386).
fn policy(patch: Value) -> DataPolicy {
    let mut value = json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": "eu"},
        "spec": {
            "regimes": ["eu-gdpr"], "mode": "Enforce", "selector": {"jurisdictions": ["DE"]},
            "rules": rules(&["orders", "invoices"]), "retention": {"schedule": "0 2 * * *"},
        },
    });
    merge(&mut value, patch);
    serde_json::from_value(value).unwrap()
}

fn rules(tables: &[&str]) -> Value {
    let rule = |table: &&str| {
        json!({"name": table, "dataset": {"store": "shop", "table": table, "clock": "at"},
               "erase": {"after": "P8Y", "method": "Delete"}})
    };
    tables.iter().map(rule).collect()
}

fn only_keeps(table: &str) -> Value {
    json!({"name": table, "dataset": {"store": "shop", "table": table, "clock": "at"},
           "keep": {"for": "P8Y", "reference": "AO 147(3)"}})
}

fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    for (key, patch) in patch {
        if patch.is_null() {
            value.as_object_mut().unwrap().remove(&key);
        } else {
            merge(&mut value[key], patch);
        }
    }
}

fn ask(region: &Region, policies: &[DataPolicy]) -> Coverage {
    let candidates: Vec<_> = policies
        .iter()
        .map(|policy| Candidate {
            policy,
            refused: None,
        })
        .collect();
    coverage(
        &channel(),
        region,
        &candidates,
        &Packs::builtin().unwrap(),
        now(),
    )
}

#[test]
fn laws_are_called_for_where_they_hold() {
    let packs = Packs::builtin().unwrap();
    for (codes, wanted) in [
        (&["DE"][..], &["eu-gdpr"][..]),
        (&["DE", "FR", "NO", "IS"], &["eu-gdpr"]),
        (&["DE-BY"], &["eu-gdpr"]),
        (&["GB"], &["uk-gdpr"]),
        (&["GB-SCT"], &["uk-gdpr"]),
        (&["US-CA"], &["us-ca-ccpa"]),
        (&["US-OR"], &["us-or-cpa"]),
        (&["US-NY"], &[]),
        (&["US"], &["us-ca-ccpa", "us-or-cpa"]),
        (&["CA"], &["ca-qc-law25"]),
        (&["CA-QC"], &["ca-qc-law25"]),
        (&["CA-ON"], &[]),
        (
            &["BR", "CN", "KR", "JP", "TH", "ZA"],
            &[
                "br-lgpd", "cn-pipl", "jp-appi", "kr-pipa", "th-pdpa", "za-popia",
            ],
        ),
        (&["CH"], &[]),
        (&["UK"], &[]),
    ] {
        let called = called_for(&region(codes), &packs, now());
        let ids: Vec<_> = called.iter().map(|c| c.regime.as_str()).collect();
        assert_eq!(ids, wanted, "{codes:?}");
        assert!(called.iter().all(|c| c.confirmed && c.from.is_none()));
    }
}

#[test]
fn a_law_is_called_for_from_its_day_on_in_the_regions_zone() {
    let here = region(&["IN"]);
    let packs = Packs::builtin().unwrap();
    let dawn: Timestamp = "2027-05-14T00:00:00+05:30".parse().unwrap();
    let ask = |at: Timestamp| coverage(&channel(), &here, &[], &packs, at);
    let today = ask(now());
    assert!(today.is_covered() && today.warnings.is_empty());
    assert_eq!(today.answer().reason.word, "NoRegime");
    assert_eq!(
        today.wake_at,
        Some(dawn - SignedDuration::from_hours(24 * 90))
    );
    let near = ask(dawn - SignedDuration::from_hours(24));
    assert!(near.is_covered());
    assert_eq!(near.warnings[0].word, "RegimeComing");
    assert_eq!(near.wake_at, Some(dawn));
    assert!(ask(dawn - SignedDuration::from_secs(1)).is_covered());
    assert!(!ask(dawn).is_covered());
}

#[test]
fn only_rules_that_erase_cover_and_by_the_name_that_is_listed() {
    let orders = rules(&["orders"])[0].clone();
    for rules in [
        rules(&["orders"]),
        rules(&["orders", "public.invoices"]),
        json!([orders, only_keeps("invoices")]),
    ] {
        let patch = json!({"spec": {"rules": rules}});
        let answer = ask(&region(&["DE"]), &[policy(patch)]);
        let message = answer.answer().reason.message;
        let told = "no rule that erases from shop/invoices";
        assert!(!answer.is_covered() && message.contains(told), "{message}");
    }
}

#[test]
fn only_a_policy_that_counts_covers() {
    let here = region(&["DE"]);
    let far = "2027-01-01T00:00:00Z";
    let suspended =
        |until: Value| json!({"spec": {"suspend": {"reason": "r", "by": "b", "until": until}}});
    for (patch, covered, told) in [
        (json!({}), true, ""),
        (json!({"spec": {"mode": null}}), false, "mode: Enforce"),
        (json!({"spec": {"mode": "DryRun"}}), false, "mode: Enforce"),
        (suspended(Value::Null), false, "remove its suspend"),
        (
            suspended(json!(far)),
            false,
            "suspended until 2027-01-01T00:00:00Z",
        ),
        (suspended(json!(NOW)), true, ""),
        (
            suspended(json!("2026-13-01T00:00:00Z")),
            false,
            "remove its suspend",
        ),
        (
            json!({"spec": {"regimes": ["uk-gdpr"]}}),
            false,
            "no DataPolicy carries it",
        ),
        (
            json!({"spec": {"regimes": ["uk-gdpr", "eu-gdpr"]}}),
            true,
            "",
        ),
        (
            json!({"metadata": {"deletionTimestamp": NOW}}),
            false,
            "being deleted",
        ),
        (
            json!({"spec": {"selector": {"jurisdictions": ["FR"]}}}),
            false,
            "no DataPolicy carries it",
        ),
    ] {
        let answer = ask(&here, &[policy(patch.clone())]);
        assert_eq!(answer.is_covered(), covered, "{patch} {answer:?}");
        let message = answer.answer().reason.message;
        assert!(message.contains(told), "{patch}: {message}");
        if !covered {
            assert!(message.contains("DE calls for eu-gdpr (GDPR"), "{message}");
        }
    }
}

#[test]
fn a_policy_that_is_not_accepted_does_not_count() {
    let (here, policy) = (region(&["DE"]), policy(json!({})));
    let refused = Word::ScheduleInvalid.because("retention.schedule: wrong");
    let candidate = Candidate {
        policy: &policy,
        refused: Some(&refused),
    };
    let answer = coverage(
        &channel(),
        &here,
        &[candidate],
        &Packs::builtin().unwrap(),
        now(),
    );
    assert!(!answer.is_covered());
    assert!(
        answer
            .answer()
            .reason
            .message
            .contains("retention.schedule: wrong")
    );
}

#[test]
fn nothing_at_all_is_told_with_all_that_is_needed() {
    let answer = ask(&region(&["DE", "NO"]), &[]).answer();
    assert_eq!(answer.reason.word, "Uncovered");
    assert_eq!(
        answer.reason.message,
        "DE, NO call for eu-gdpr (GDPR 12(3), 17, 19, 30, 33, 44-49); no DataPolicy carries it for this channel in \
         Region here: create one with regimes: [eu-gdpr], mode: Enforce, a selector that chooses both, and a rule \
         for each of shop/orders, shop/invoices"
    );
}

#[test]
fn each_law_needs_its_policy_and_one_policy_may_carry_several() {
    let here = region(&["DE", "US-CA"]);
    let all = json!({"spec": {"regimes": ["eu-gdpr", "us-ca-ccpa"]}});
    assert!(ask(&here, &[policy(all)]).is_covered());
    let ca = json!({"metadata": {"name": "ca"}, "spec": {"regimes": ["us-ca-ccpa"]}});
    assert!(ask(&here, &[policy(json!({})), policy(ca)]).is_covered());
    let half = ask(&here, &[policy(json!({}))]);
    let missing: Vec<_> = half
        .missing
        .iter()
        .map(|m| m.called.regime.as_str())
        .collect();
    assert_eq!(missing, ["us-ca-ccpa"]);
}

#[test]
fn the_nearest_policy_is_named() {
    let dry = json!({"metadata": {"name": "near"}, "spec": {"mode": "DryRun"}});
    let far =
        json!({"metadata": {"name": "far"}, "spec": {"mode": "DryRun", "rules": rules(&["x"])}});
    let answer = ask(&region(&["DE"]), &[policy(far), policy(dry)]);
    assert!(
        answer.missing[0]
            .message
            .contains("DataPolicy near carries it but"),
        "{answer:?}"
    );
    assert!(answer.missing[0].datasets.is_empty());
}

#[test]
fn the_end_of_a_pause_wakes_us() {
    let until = "2026-12-01T08:00:00Z";
    let patch = json!({"spec": {"suspend": {"reason": "r", "by": "b", "until": until}}});
    assert_eq!(
        ask(&region(&["DE"]), &[policy(patch)]).wake_at,
        Some(until.parse().unwrap())
    );
}

#[test]
fn an_unconfirmed_call_warns_and_never_blocks() {
    // French Guiana: remembered, not read.
    let answer = ask(&region(&["GF"]), &[]);
    assert!(answer.is_covered());
    assert_eq!(answer.warnings[0].word, "Unconfirmed");
    // A confirmed call beside it decides.
    assert!(!ask(&region(&["GF", "FR"]), &[]).is_covered());
}

#[test]
fn selectors_and_their_members_or_their_values() {
    let here = region(&["DE", "US-CA"]);
    for (selector, chosen) in [
        (json!({"jurisdictions": ["DE"]}), true),
        (json!({"jurisdictions": ["US"]}), true),
        (json!({"jurisdictions": ["US-OR"]}), false),
        (json!({"jurisdictions": ["FR", "DE"]}), true),
        (
            json!({"jurisdictions": null, "regions": ["there", "here"]}),
            true,
        ),
        (json!({"regions": ["there"]}), false),
        (
            json!({"jurisdictions": null, "namespaces": ["aurora"]}),
            true,
        ),
        (json!({"namespaces": ["borealis"]}), false),
        (
            json!({"jurisdictions": null, "channelLabels": {"brand": "aurora"}}),
            true,
        ),
        (json!({"channelLabels": {"brand": "borealis"}}), false),
        (
            json!({"channelLabels": {"brand": "aurora", "tier": "one"}}),
            false,
        ),
        (json!({"jurisdictions": null, "channelLabels": {}}), false),
        (json!({"jurisdictions": null}), false),
        (
            json!({"regions": ["here"], "namespaces": ["aurora"], "channelLabels": {"brand": "aurora"}}),
            true,
        ),
    ] {
        let policy = policy(json!({"spec": {"selector": selector.clone()}}));
        assert_eq!(selects(&policy, &channel(), &here), chosen, "{selector}");
    }
}

proptest! {
    /// Taking policies away never covers; the answer and the list of what is missing agree.
    #[test]
    fn fewer_policies_never_cover_more(
        codes in prop::collection::vec(prop::sample::select(vec!["DE", "US", "IN", "GB", "GF", "CH", "??"]), 1..4),
        policies in prop::collection::vec((0..3usize, any::<bool>(), any::<bool>(), any::<bool>()), 0..5),
        second in 0..4_000_000_000i64,
    ) {
        let regimes = ["eu-gdpr", "us-ca-ccpa", "in-dpdp"];
        let here = region(&codes);
        let made: Vec<_> = policies
            .iter()
            .enumerate()
            .map(|(i, (regime, enforce, all, chosen))| policy(json!({
                "metadata": {"name": format!("p{i}")},
                "spec": {
                    "regimes": [regimes[*regime]],
                    "mode": if *enforce { "Enforce" } else { "DryRun" },
                    "rules": rules(if *all { &["orders", "invoices"] } else { &["orders"] }),
                    "selector": {"jurisdictions": null, "regions": [if *chosen { "here" } else { "there" }]},
                },
            })))
            .collect();
        let candidates: Vec<_> = made.iter().map(|policy| Candidate { policy, refused: None }).collect();
        let packs = &*PACKS;
        let at = Timestamp::from_second(second).unwrap();
        let whole = coverage(&channel(), &here, &candidates, packs, at);
        prop_assert_eq!(whole.answer().holds, whole.missing.is_empty());
        prop_assert!(whole.wake_at.is_none_or(|wake| wake > at));
        for gone in 0..candidates.len() {
            let mut fewer = candidates.clone();
            fewer.remove(gone);
            let less = coverage(&channel(), &here, &fewer, packs, at);
            prop_assert!(!less.is_covered() || whole.is_covered());
        }
    }
}
