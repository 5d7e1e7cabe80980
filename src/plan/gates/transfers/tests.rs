#![allow(
    clippy::needless_pass_by_value,
    reason = "fixtures read best with literals"
)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES};
use crate::plan::Reach;

fn region(name: &str, law: &[&str], transfers: Value) -> RegionFacts {
    let region = json!({
        "metadata": {"name": name},
        "spec": {"jurisdictions": law, "cluster": {"local": {}}, "runNamespace": "runs", "transfers": transfers,
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
    });
    RegionFacts {
        region: Arc::new(serde_json::from_value(region).unwrap()),
        reach: Reach::Ready,
        namespaces: None,
        remains: false,
    }
}

fn packs(from: &str, to: &str) -> Packs {
    assert!(
        from.is_empty() || BUILTIN_REGIMES.matches(from).count() == 1,
        "{from}"
    );
    let regimes = if from.is_empty() {
        BUILTIN_REGIMES.to_owned()
    } else {
        BUILTIN_REGIMES.replace(from, to)
    };
    Packs::load(BUILTIN_PLATFORMS, &regimes).unwrap()
}

fn asked_at(now: &str, law: &[&str], transfers: Value, to: &str, packs: &Packs) -> Judgement {
    let regions = BTreeMap::from([
        ("here".to_owned(), region("here", law, transfers)),
        ("there".to_owned(), region("there", &["US-CA"], json!([]))),
    ]);
    let border = Border {
        region: &regions["here"].region,
        regions: &regions,
        packs,
        now: now.parse().unwrap(),
    };
    transfer(&border, &Country::parse(to).unwrap())
}

fn asked(law: &[&str], transfers: Value, to: &str) -> Judgement {
    asked_at("2026-11-22T10:00:00Z", law, transfers, to, &packs("", ""))
}

fn word(judgement: &Judgement) -> String {
    judgement
        .refusal()
        .map_or_else(|| "open".to_owned(), |why| why.word)
}

fn scc(more: Value) -> Value {
    let mut transfer =
        json!({"name": "us", "to": "US", "instrument": "Scc", "reference": "2021/914 module 2"});
    for (field, value) in more.as_object().unwrap() {
        transfer[field] = value.clone();
    }
    json!([transfer])
}

#[test]
fn what_one_law_covers_has_no_border() {
    for (law, to) in [
        (&["DE"][..], "DE"),
        (&["DE"], "NL"),
        (&["DE"], "NO"),
        (&["DE", "US-CA"], "DE"),
        (&["DE", "US-CA"], "FR"),
        (&["CA-QC"], "CA"),
        (&["MQ"], "MQ"),
        (&["US-CA"], "CN"),
        (&["SG"], "CN"),
    ] {
        assert_eq!(
            asked(law, json!([]), to),
            Judgement::default(),
            "{law:?} to {to}"
        );
    }
}

#[test]
fn a_region_under_two_laws_obeys_both() {
    // What is no border for one of them is one for the other.
    for (law, to, closed_by) in [
        (&["DE", "US-CA"][..], "US", &["eu-gdpr"][..]),
        (&["DE", "CN"], "CN", &["eu-gdpr"]),
        (&["DE", "CN"], "DE", &["cn-pipl"]),
        (&["DE", "CN"], "IN", &["cn-pipl", "eu-gdpr"]),
        (&["DE", "BR"], "DE", &[]), // Brazil's decision for the Union
    ] {
        let judgement = asked(law, json!([]), to);
        let closed: Vec<&str> = judgement.closed.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(closed, closed_by, "{law:?} to {to}");
    }
    assert_eq!(word(&asked(&["DE", "US-CA"], scc(json!({})), "US")), "open");
}

#[test]
fn a_country_of_which_nobody_confirmed_the_law_is_doubted() {
    let judgement = asked(&["DE"], json!([]), "MQ");
    assert!(judgement.is_open(), "{judgement:?}");
    let (regime, doubt) = &judgement.doubts[0];
    assert_eq!(
        (regime.as_str(), doubt.word.as_str()),
        ("eu-gdpr", "Unconfirmed")
    );
    assert!(
        doubt
            .message
            .contains("applies in MQ itself nobody confirmed (TFEU Article 355, remembered)"),
        "{}",
        doubt.message
    );
    // Whoever has an instrument needs nobody's word.
    let held = asked(&["DE"], scc(json!({"to": "MQ"})), "MQ");
    assert!(held.doubts.is_empty() && held.grounds.len() == 1);
    let line = "regimes: [eu-gdpr]}\n    source: *tfeu\n    confirmed: false";
    let sure = packs(line, &line.replace("false", "true"));
    let judgement = asked_at("2026-11-22T10:00:00Z", &["DE"], json!([]), "MQ", &sure);
    assert_eq!(judgement, Judgement::default());
}

#[test]
fn an_instrument_is_judged_by_law_country_word_and_day() {
    let day = |field: &str, day: &str| scc(json!({field: day}));
    for (law, transfers, to, wanted) in [
        ("DE", json!([]), "US", "NoInstrument"),
        ("DE", json!([]), "IN", "NoInstrument"),
        ("DE", json!([]), "JP", "open"),
        ("DE", scc(json!({})), "US", "open"),
        ("DE", scc(json!({"instrument": "SCC"})), "US", "open"),
        ("DE", scc(json!({"to": "there"})), "US", "open"),
        ("DE", scc(json!({"to": "gone"})), "US", "InstrumentUnfit"),
        ("DE", scc(json!({})), "IN", "NoInstrument"),
        (
            "DE",
            scc(json!({"instrument": "Idta"})),
            "US",
            "InstrumentUnfit",
        ),
        ("DE", scc(json!({"instrument": "Adequacy"})), "US", "open"),
        (
            "DE",
            scc(json!({"instrument": "Adequacy", "to": "IN"})),
            "IN",
            "InstrumentUnfit",
        ),
        ("DE", day("validUntil", "2026-11-22"), "US", "open"),
        (
            "DE",
            day("validUntil", "2026-11-21"),
            "US",
            "InstrumentEnded",
        ),
        ("DE", day("validFrom", "2026-11-22"), "US", "open"),
        (
            "DE",
            day("validFrom", "2026-11-23"),
            "US",
            "InstrumentNotBegun",
        ),
        (
            "DE",
            day("validUntil", "2027-02-30"),
            "US",
            "InstrumentUnfit",
        ),
        ("BR", json!([]), "DE", "open"),
        ("BR", scc(json!({})), "US", "InstrumentUnfit"),
        (
            "BR",
            scc(json!({"instrument": "AnpdClauses"})),
            "US",
            "open",
        ),
        ("CN", json!([]), "DE", "NoInstrument"),
    ] {
        let judgement = asked(&[law], transfers.clone(), to);
        assert_eq!(
            word(&judgement),
            wanted,
            "{law} to {to}: {transfers}: {judgement:?}"
        );
    }
}

#[test]
fn a_day_is_the_regions_own() {
    // Midnight of 23 November in Berlin is 23:00 of the 22nd in UTC.
    let until = scc(json!({"validUntil": "2026-11-22"}));
    for (now, wanted) in [
        ("2026-11-22T22:59:59Z", "open"),
        ("2026-11-22T23:00:00Z", "InstrumentEnded"),
    ] {
        let judgement = asked_at(now, &["DE"], until.clone(), "US", &packs("", ""));
        assert_eq!(word(&judgement), wanted, "{now}");
    }
    let judgement = asked(&["DE"], until, "US");
    let end: Timestamp = "2026-11-22T23:00:00Z".parse().unwrap();
    assert_eq!((judgement.until, judgement.wake_at), (Some(end), Some(end)));
    assert_eq!(judgement.ending.len(), 1, "{judgement:?}");
}

#[test]
fn the_next_change_is_known_ahead() {
    let far = scc(json!({"validUntil": "2027-12-31"}));
    let judgement = asked(&["DE"], far, "US");
    assert_eq!(
        judgement.until,
        Some("2027-12-31T23:00:00Z".parse().unwrap())
    );
    assert_eq!(
        judgement.wake_at,
        Some("2027-10-02T23:00:00Z".parse().unwrap()),
        "90 days before"
    );
    assert!(judgement.ending.is_empty());
    let coming = asked(&["DE"], scc(json!({"validFrom": "2026-12-01"})), "US");
    assert_eq!(
        coming.wake_at,
        Some("2026-11-30T23:00:00Z".parse().unwrap())
    );
    // Brazil's decision is to be reviewed, which ends nothing.
    let at = |now: &str| asked_at(now, &["DE"], json!([]), "BR", &packs("", ""));
    let before = at("2026-11-22T10:00:00Z");
    assert!(before.is_open() && before.ending.is_empty() && before.until.is_none());
    assert!(
        before.wake_at > Some("2029-10-01T00:00:00Z".parse().unwrap()),
        "{before:?}"
    );
    let after = at("2030-06-01T00:00:00Z");
    assert!(
        after.is_open() && after.ending.len() == 1 && after.wake_at.is_none(),
        "{after:?}"
    );
    assert_eq!(word(&at("2026-01-26T12:00:00Z")), "InstrumentNotBegun");
}

#[test]
fn renewals_follow_each_other_without_a_gap() {
    let mut transfers = scc(json!({"validUntil": "2026-12-31"}));
    let next = |from: &str| json!({"name": "next", "to": "US", "instrument": "Bcr", "reference": "r", "validFrom": from, "validUntil": "2028-12-31"});
    transfers.as_array_mut().unwrap().push(next("2027-01-01"));
    let joined = asked(&["DE"], transfers.clone(), "US");
    assert_eq!(joined.until, Some("2028-12-31T23:00:00Z".parse().unwrap()));
    assert!(joined.ending.is_empty(), "{joined:?}");
    transfers[1] = next("2027-01-02");
    let gap = asked(&["DE"], transfers, "US");
    assert_eq!(gap.until, Some("2026-12-31T23:00:00Z".parse().unwrap()));
    assert_eq!(gap.ending.len(), 1);
}

#[test]
fn what_nobody_confirmed_warns_and_never_closes_nor_opens() {
    // The United Kingdom's list of instruments is remembered.
    let judgement = asked(&["GB"], json!([]), "US");
    assert!(judgement.is_open(), "{judgement:?}");
    assert_eq!(judgement.doubts[0].1.word, "Unconfirmed");
    let line = "source: *gdpr45br, confirmed: true";
    let doubtful = packs(line, "source: *gdpr45br, confirmed: false");
    let ask = |transfers| asked_at("2026-11-22T10:00:00Z", &["DE"], transfers, "BR", &doubtful);
    assert_eq!(
        word(&ask(json!([]))),
        "NoInstrument",
        "a decision that nobody confirmed opens nothing"
    );
    let named = ask(scc(json!({"to": "BR", "instrument": "Adequacy"})));
    assert!(named.is_open() && named.doubts.len() == 1, "{named:?}");
}

#[test]
fn a_law_that_is_coming_is_waited_for() {
    let judgement = asked(&["IN"], json!([]), "US");
    assert!(judgement.is_open() && judgement.doubts.is_empty());
    assert_eq!(
        judgement.wake_at,
        Some("2027-05-13T22:00:00Z".parse().unwrap())
    );
}

#[test]
fn the_order_of_transfers_changes_nothing() {
    let one = json!({"name": "a", "to": "US", "instrument": "Scc", "reference": "r", "validUntil": "2027-12-31"});
    let two = json!({"name": "b", "to": "there", "instrument": "Bcr", "reference": "r", "validUntil": "2027-12-31"});
    let three = json!({"name": "c", "to": "US", "instrument": "Idta", "reference": "r"});
    let forth = asked(&["DE"], json!([one, two, three]), "US");
    let back = asked(&["DE"], json!([three, two, one]), "US");
    assert_eq!(forth, back);
}

/// Silence opens nothing: a place that nobody named may be abroad.
#[test]
fn a_country_that_nobody_named_is_closed_by_each_law_that_asks_for_an_instrument() {
    let packs = packs("", "");
    let regions =
        |law: &[&str]| BTreeMap::from([("here".to_owned(), region("here", law, scc(json!({}))))]);
    let nowhere = |law: &[&str]| {
        let regions = regions(law);
        let border = Border {
            region: &regions["here"].region,
            regions: &regions,
            packs: &packs,
            now: "2026-11-22T10:00:00Z".parse().unwrap(),
        };
        transfer_anywhere(&border)
    };
    let german = nowhere(&["DE"]);
    assert_eq!(word(&german), "CountryUnknown");
    let told = german.refusal().unwrap().message;
    assert!(
        told.contains("eu-gdpr") && told.contains("nobody said where"),
        "{told}"
    );
    // California asks for none, whatever the place; Japan's fact nobody confirmed: it warns and closes nothing.
    assert_eq!(nowhere(&["US-CA"]), Judgement::default());
    let japanese = nowhere(&["JP"]);
    assert!(japanese.is_open(), "{japanese:?}");
    assert_eq!(japanese.doubts[0].1.word, "Unconfirmed");
    // One law that asks suffices.
    assert_eq!(word(&nowhere(&["US-CA", "DE"])), "CountryUnknown");
}

#[test]
fn an_exemption_for_few_persons_ends_when_they_are_no_longer_few() {
    let exempt = |counted: Option<(i64, &str)>| {
        let count = counted
            .map(|(persons, day)| json!({"persons": persons, "countedOn": day, "by": "counsel"}));
        json!([{"name": "few", "to": "DE", "instrument": "ExemptVolume", "reference": "r", "exportedPersons": count}])
    };
    let ask = |now: &str, counted| {
        let judgement = asked_at(now, &["CN"], exempt(counted), "DE", &packs("", ""));
        let wake = judgement.wake_at.map(|at| at.to_string());
        (word(&judgement), wake.unwrap_or_default())
    };
    let (now, year) = ("2026-11-22T10:00:00Z", "2026-12-31T23:00:00Z");
    // A count of few ends on 1 April of the next year, which is told ninety days before.
    let (ahead, april) = ("2026-12-31T22:00:00Z", "2027-03-31T22:00:00Z");
    let open = |wake: &str| ("open".to_owned(), wake.to_owned());
    // That there were few somebody has to say.
    let unfit = |wake: &str| ("InstrumentUnfit".to_owned(), wake.to_owned());
    assert_eq!(ask(now, None), unfit(""));
    let uncounted = asked_at(now, &["CN"], exempt(None), "DE", &packs("", ""));
    let told = uncounted.refusal().unwrap().message;
    assert!(
        told.contains("transfer few is on exemptVolume, for fewer than 100000 persons")
            && told.contains("write that into its exportedPersons"),
        "{told}"
    );
    assert_eq!(ask(now, Some((99_999, "2026-11-01"))), open(ahead));
    assert_eq!(
        ask(now, Some((99_999, "2026-08-22"))),
        open(ahead),
        "three months old"
    );
    // In a year they only become more: an old count of too many is believed.
    for day in ["2026-11-01", "2026-02-01"] {
        assert_eq!(ask(now, Some((100_000, day))), unfit(year));
    }
    assert_eq!(ask(year, Some((100_000, "2026-11-01"))), unfit(""));
    // Of the year before few are believed until April, and none of a year before that.
    assert_eq!(ask(year, Some((99_999, "2026-11-01"))), open(april));
    assert_eq!(ask(april, Some((99_999, "2026-11-01"))), unfit(""));
    for day in ["2025-11-22", "2024-11-22"] {
        assert_eq!(ask(now, Some((5, day))), unfit(""), "{day}");
    }
    // A day that no calendar has, and one that has not come.
    assert_eq!(ask(now, Some((100_000, "2026-02-30"))), unfit(""));
    assert_eq!(ask(now, Some((5, "2026-02-30"))), unfit(""));
    let ahead = ask(now, Some((5, "2062-11-01")));
    assert_eq!(ahead, unfit("2062-10-31T23:00:00Z"));
    let today = ask("2026-11-22T23:30:00Z", Some((5, "2026-11-23")));
    assert_eq!(today.0, "open", "it is the 23rd in the region");
    // Nobody confirmed the number: it closes nothing.
    let line = "exportedPersonsPerYear: {value: 100000, source: *pipl, confirmed: true}";
    let doubtful = packs(line, &line.replace("true", "false"));
    for counted in [Some((100_000, "2026-11-01")), None] {
        let transfers = exempt(counted);
        assert!(asked_at(now, &["CN"], transfers, "DE", &doubtful).is_open());
    }
}
