mod builtin;
mod regimes;
mod words;

use std::error::Error as _;

use super::*;
use crate::packs::{Clock, ClockKind, Kind, Step};

/// A whole platform pack with one small platform; each fact on a line of its own.
const PLATFORMS: &str = r#"asOf: 2026-11-22
platforms:
  Shop:
    secrets:
      - {value: {key: signing, role: SigningSecret, required: true, about: a}, source: s, confirmed: true}
    settings:
      - {value: {name: shopId, required: true, form: Digits, about: a}, source: s, confirmed: true}
    webhook:
      value:
        scheme: {value: StandardWebhooks, source: s, confirmed: true}
        rules:
          - {value: {each: "/a/*", kind: Orders, id: [/id]}, source: s, confirmed: true}
      source: s
      confirmed: true
    feed:
      value:
        modes:
          - {value: {mode: Replace, floor: PT1H}, source: s, confirmed: true}
        columns:
          - {value: {name: id, field: id, kind: Id}, source: s, confirmed: true}
          - {value: {name: state, field: condition, kind: Choice, values: {new: new}}, source: s, confirmed: true}
          - {value: {name: title, field: title, kind: Text, maxChars: 9, truncate: true}, source: s, confirmed: true}
      source: s
      confirmed: true
    markets:
      default: {value: Allowed, source: s, confirmed: true}
      except:
        - {value: {countries: ["RU"], market: Blocked}, source: s, confirmed: true}
    checkout: {value: [Redirect], source: s, confirmed: true}
"#;

const REGIMES: &str = r#"asOf: 2026-11-22
registers:
  log: {value: [date], source: s, confirmed: true}
regimes:
  a-law:
    name: A law
    law: {value: "1", source: s, confirmed: true}
    inForce: {value: 2027-05-14, source: s, confirmed: true}
    counting:
      firstDay: {value: Next, source: s, confirmed: true}
      restDays: {value: [Sunday], source: s, confirmed: true}
      pause: {value: {steps: [response]}, source: s, confirmed: true}
    deadlines:
      - {value: {step: response, kinds: [access, erasure], within: P1M}, source: s, confirmed: true, read: 2026-11-21}
      - {value: {step: extension, kinds: [erasure], within: P2M, extends: response}, source: s, confirmed: true}
      - {value: {step: breach, kinds: [breach], within: PT72H}, source: s, confirmed: true}
    clocks:
      records: {value: P24M, source: s, confirmed: true}
    transfers: {value: [scc, adequacy], source: s, confirmed: true}
    adequacy:
      instrument: adequacy
      decisions:
        - {value: {countries: ["JP"], scope: firms, validFrom: 2026-01-01, reviewBy: 2030-01-01}, source: s, confirmed: true}
        - {value: {countries: ["CH", "NZ"]}, source: s, confirmed: true}
    baseline:
      - {value: {check: NoPeriod, severity: Medium}, source: s, confirmed: true}
      - {value: {check: NotErasure, severity: High, methods: [Delete, Shred]}, source: s, confirmed: true}
      - {value: {check: RegisterIncomplete, severity: Low, fields: [purposes]}, source: s, confirmed: true}
      - {value: {check: TransferEnding, severity: Medium}, source: s, confirmed: true}
    keep:
      - {value: {records: contract, for: P5Y}, source: s, confirmed: true}
    inactivity:
      - {value: {class: shop, fromUsers: 9, within: P4Y, notice: PT47H, exceptRecords: [account]}, source: s, confirmed: true}
    registers: {value: [log], source: s, confirmed: true}
statutes:
  a-tax:
    name: A tax
    law: {value: "2", source: s, confirmed: true}
    keep:
      - {value: {records: invoice, for: P8Y, from: EndOfCalendarYear}, source: s, confirmed: true}
jurisdictions:
  - {value: {codes: ["DE", "US-CA"], regimes: [a-law]}, source: s, confirmed: true}
categories: {value: [user, user.contact], source: s, confirmed: true}
uses: {value: [sales, essential.service], source: s, confirmed: true}
subjectCategories: {value: [job_applicant, visitor], source: s, confirmed: true}
personalNames: {value: [customer], source: s, confirmed: true}
"#;

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    text
}

/// Loads with one text replaced, and gives the message with the line on which the replacement stands.
fn broken(pack: &str, from: &str, to: &str) -> (String, usize) {
    assert_eq!(pack.matches(from).count(), 1, "{from} must be there once");
    let at = pack.find(from).unwrap();
    let line = pack[..at].lines().count().max(1);
    let text = pack.replace(from, to);
    let error = if pack == PLATFORMS {
        Packs::load(&text, REGIMES)
    } else {
        Packs::load(PLATFORMS, &text)
    };
    let error = error.expect_err(&format!("{from} -> {to} must be refused"));
    (told(&error), line)
}

#[test]
fn sound_packs_load() {
    let packs = Packs::load(PLATFORMS, REGIMES).unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(packs.platform("Shop").unwrap().secrets[0].place.line, 5);
    let law = packs.regime("a-law").unwrap();
    let kept = |id: &str| {
        packs
            .keeps(id)
            .iter()
            .map(|fact| fact.value.records.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (kept("a-law"), kept("a-tax"), kept("no-law")),
        (vec!["contract"], vec!["invoice"], vec![])
    );
    assert!(packs.knows("a-law") && packs.knows("a-tax") && !packs.knows("no-law"));
    let clock = |text: &str| Clock::try_from(text.to_owned()).unwrap();
    assert_eq!(law.clocks[&ClockKind::Records].value, clock("P24M"));
    assert_eq!(law.deadlines[0].value.step, Step::Response);
    assert_eq!(law.deadlines[0].value.within, clock("P1M"));
    assert_eq!(law.deadlines[0].read, Some(jiff::civil::date(2026, 11, 21)));
    assert!(law.deadlines[1].value.kinds.iter().eq([&Kind::Erasure]));
}

const UNSOUND_PLATFORMS: &[(&str, &str, &[&str])] = &[
    // What the form of the pack refuses
    (
        "source: s, confirmed: true}\n    settings",
        "confirmed: true}\n    settings",
        &["missing field `source`"],
    ),
    (
        "form: Digits, about: a}, source: s, confirmed: true}",
        "form: Digits, about: a}, source: s}",
        &["missing field `confirmed`"],
    ),
    (
        "form: Digits, about: a}, source: s,",
        "form: Digits, about: a}, source: ' ',",
        &["a source must not be empty"],
    ),
    (
        "form: Digits",
        "form: Numbers",
        &[
            "unknown variant `Numbers`",
            "Digits",
            "platforms.Shop.settings[0].value.form",
        ],
    ),
    (
        "kind: Choice,",
        "kind: Enum,",
        &["unknown variant `Enum`", "Choice"],
    ),
    (
        "kind: Orders",
        "kind: Order",
        &["unknown variant `Order`", "Orders"],
    ),
    (
        "required: true, form",
        "mandatory: true, form",
        &["unknown field `mandatory`"],
    ),
    (
        "countries: [\"RU\"]",
        "countries: [\"UK\"]",
        &["'UK' is no ISO 3166-1 alpha-2 code"],
    ),
    (
        "floor: PT1H",
        "floor: hourly",
        &["'hourly' is no duration; write one such as PT1H"],
    ),
    ("asOf: 2026-11-22", "asOf: 2026-13-22", &["asOf", "1..=12"]),
    (
        "role: SigningSecret",
        "role: Password",
        &["unknown variant `Password`"],
    ),
    // What facts say against each other
    (
        "role: SigningSecret",
        "role: AppSecret",
        &[
            "platforms.Shop.webhook.scheme",
            "StandardWebhooks needs a required secret with the role SigningSecret",
        ],
    ),
    (
        "role: SigningSecret, required: true",
        "role: SigningSecret, required: false",
        &["needs a required secret"],
    ),
    (
        "key: signing",
        "key: sign/ing",
        &["'sign/ing' is no key of a Kubernetes Secret"],
    ),
    (
        "name: shopId",
        "name: shop-id",
        &["platforms.Shop.settings", "letters and digits"],
    ),
    (
        "    settings:\n",
        "    settings:\n      - {value: {name: shopId, required: true, form: Text, about: a}, source: s, confirmed: true}\n",
        &["'shopId' is there twice"],
    ),
    (
        "each: \"/a/*\"",
        "each: \"a/*\"",
        &["'a/*' is no JSON pointer"],
    ),
    ("id: [/id]", "id: [id]", &["'id' is no JSON pointer"]),
    (
        "        rules:\n          - {value: {each: \"/a/*\", kind: Orders, id: [/id]}, source: s, confirmed: true}\n",
        "        rules: []\n",
        &["add one or write null"],
    ),
    (
        "floor: PT1H",
        "floor: PT30S",
        &["a floor is a minute (PT1M) at least"],
    ),
    (
        "        modes:\n",
        "        modes:\n          - {value: {mode: Replace, floor: PT2H}, source: s, confirmed: true}\n",
        &["Replace is there twice"],
    ),
    (
        "name: state",
        "name: id",
        &["platforms.Shop.feed.columns", "'id' is there twice"],
    ),
    (
        "kind: Choice, values: {new: new}",
        "kind: Choice",
        &["a Choice, and nothing else, lists its values"],
    ),
    (
        "kind: Id",
        "kind: Text",
        &["one column of kind Id", "there are 0"],
    ),
    (
        "name: title, field: title",
        "name: '', field: title",
        &["a column needs a name and a field"],
    ),
    (
        "name: title, field: title",
        "name: title, field: ''",
        &["a column needs a name and a field"],
    ),
    ("maxChars: 9", "maxChars: 0", &["a limit of 0"]),
    (
        "maxChars: 9, truncate: true",
        "truncate: true",
        &["only a Text with maxChars can be truncated"],
    ),
    (
        "maxChars: 9, truncate: true",
        "maxValues: 9",
        &["make the kind Urls"],
    ),
    (
        "name: id, field: id, kind: Id",
        "name: id, field: id, kind: Id, maxChars: 9, truncate: true",
        &["only a Text with maxChars can be truncated"],
    ),
    (
        "key: signing",
        "key: 'sign/ing'",
        &["is no key of a Kubernetes Secret"],
    ),
    (
        "key: signing",
        "key: ''",
        &["is no key of a Kubernetes Secret"],
    ),
    (
        "  Shop:\n",
        "  1Shop:\n",
        &["a platform's name is letters and digits"],
    ),
    (
        "      except:\n",
        "      except:\n        - {value: {countries: [\"RU\"], market: Allowed}, source: s, confirmed: true}\n",
        &["'RU' is there twice"],
    ),
    (
        "value: [Redirect]",
        "value: []",
        &["name at least one way to pay"],
    ),
    (
        "  Shop:\n",
        "  Shop-1:\n",
        &["a platform's name is letters and digits"],
    ),
];

#[test]
fn an_unsound_platform_pack_is_refused_with_line_and_remedy() {
    for &(from, to, parts) in UNSOUND_PLATFORMS {
        let (message, line) = broken(PLATFORMS, from, to);
        for part in parts {
            assert!(message.contains(part), "{from} -> {to}: {part}: {message}");
        }
        assert!(
            message.contains("platforms.yaml") && message.contains("line "),
            "{message}"
        );
        // Where a fact alone is at fault, the line is its own.
        if !to.contains('\n') && from.contains("name: s") {
            assert!(
                message.contains(&format!("line {line}")),
                "line {line}: {message}"
            );
        }
    }
}

#[test]
fn a_name_and_a_key_are_as_long_as_kubernetes_lets_them_be() {
    let with = |from: &str, to: &str| Packs::load(&PLATFORMS.replace(from, to), REGIMES).is_ok();
    let key = |length: usize| format!("key: {}", "k".repeat(length));
    assert!(with("key: signing", &key(253)));
    assert!(!with("key: signing", &key(254)));
    let name = |length: usize| format!("  {}:\n", "S".repeat(length));
    assert!(with("  Shop:\n", &name(40)));
    assert!(!with("  Shop:\n", &name(41)));
}

#[test]
fn duplicate_names_are_refused() {
    let text = format!("{PLATFORMS}  Shop: null\n");
    let error = Packs::load(&text, REGIMES).unwrap_err();
    assert!(told(&error).contains("duplicate"), "{}", told(&error));
}

#[test]
fn nothing_is_no_pack() {
    for (platforms, regimes) in [
        ("", REGIMES),
        (PLATFORMS, ""),
        ("[]", REGIMES),
        (PLATFORMS, "a: &b *b"),
    ] {
        assert!(Packs::load(platforms, regimes).is_err());
    }
}

#[test]
fn a_message_is_one_line() {
    let (message, _) = broken(PLATFORMS, "form: Digits", "form: Numbers");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn an_id_of_a_law_is_small_letters_digits_and_hyphens() {
    let told = |id: &str| {
        let text = REGIMES.replace("a-law", id);
        Packs::load(PLATFORMS, &text)
            .err()
            .map(|error| error.to_string())
    };
    let longest = "a".repeat(40);
    assert_eq!((told("b-2"), told(&longest)), (None, None));
    for wrong in ["''", "A-law", "a_law", &format!("{longest}a")] {
        let told = told(wrong).unwrap_or_default();
        assert!(told.contains("an id is small letters"), "{wrong}: {told}");
    }
}

/// A file that ends too early has no place to be named: all of it is.
#[test]
fn an_empty_pack_is_refused_as_a_whole() {
    let error = Packs::load("", REGIMES).unwrap_err().to_string();
    assert!(error.contains("the whole"), "{error}");
}
