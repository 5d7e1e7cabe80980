//! What a pack of regimes must not say.

use super::{REGIMES, broken};
use crate::packs::Packs;

const UNSOUND_REGIMES: &[(&str, &str, &[&str])] = &[
    (
        "records: {value: P24M",
        "inactivityErase: {value: P24M",
        &[
            "regimes.a-law.clocks",
            "line 18",
            "an old word that nothing reads",
            "`inactivity: [{value: {class: ecommerce",
        ],
    ),
    (
        "class: shop",
        "class: none",
        &[
            "regimes.a-law.inactivity[0]",
            "'none' is no word that a policy can write",
        ],
    ),
    (
        "class: shop",
        "class: Shop",
        &["'Shop' is no word that a policy can write"],
    ),
    (
        "exceptRecords: [account]",
        "exceptRecords: [an_account]",
        &["'an_account' is no word"],
    ),
    (
        "within: P4Y",
        "within: PT9H",
        &["'PT9H' is no period", "inactivity[0]"],
    ),
    ("within: P4Y", "within: P1000Y", &["P1000Y is too long"]),
    (
        "fromUsers: 9,",
        "fromUsers: -9,",
        &["inactivity[0].value.fromUsers"],
    ),
    (
        "notice: PT47H",
        "notice: P2D",
        &["P2D is no notice; write hours, as in PT48H"],
    ),
    (
        "    inactivity:\n",
        "    inactivity:\n      - {value: {class: shop, fromUsers: 9, within: P4Y}, source: s, confirmed: true}\n",
        &["inactivity[1]", "'shop' is there twice"],
    ),
    (
        "regimes: [a-law]",
        "regimes: [b-law]",
        &[
            "jurisdictions.regimes",
            "no regime 'b-law' here; there are a-law",
        ],
    ),
    (
        "\"US-CA\"",
        "\"US-XX\"",
        &["'US-XX' is no ISO 3166-1 or 3166-2 code"],
    ),
    (
        "within: P1M",
        "within: P1X",
        &["'P1X' is no clock", "P1M", "10BD"],
    ),
    ("within: P1M", "within: -P1M", &["'-P1M' is no clock"]),
    ("within: P1M", "within: soon", &["'soon' is no clock"]),
    (
        "value: P24M",
        "value: P24X",
        &["'P24X' is no clock", "regimes.a-law.clocks"],
    ),
    (
        "step: extension",
        "step: answer",
        &["unknown variant `answer`", "response", "deadlines[1]"],
    ),
    (
        "kinds: [erasure]",
        "kinds: [erase]",
        &["unknown variant `erase`", "erasure"],
    ),
    (
        "kinds: [erasure]",
        "kinds: []",
        &["deadlines[1]", "name at least one kind"],
    ),
    (
        "kinds: [erasure]",
        "kinds: [optOut]",
        &[
            "deadlines[1]",
            "extends 'response', which is not there for opt-out",
        ],
    ),
    (
        "within: P2M",
        "within: 20BD",
        &["deadlines[1]", "P1M and 20BD do not add up"],
    ),
    (
        "kinds: [breach], within: PT72H",
        "kinds: [breach], within: PT72H, since: 2026-02-01, until: 2026-01-31",
        &[
            "deadlines[2]",
            "it ends on 2026-01-31, before it begins on 2026-02-01",
        ],
    ),
    (
        "    deadlines:\n",
        "    deadlines:\n      - {value: {step: response, kinds: [erasure], within: P9D}, source: s, confirmed: true}\n",
        &[
            "deadlines[1]",
            "'response' is there for the same kind and day on line 14",
        ],
    ),
    (
        "steps: [response]",
        "steps: [breach]",
        &[
            "counting.pause",
            "counted in hours, which never stand still",
        ],
    ),
    (
        "value: [Sunday]",
        "value: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday]",
        &["counting.restDays", "no day is left to work on"],
    ),
    (
        "value: [Sunday]",
        "value: [Sun]",
        &["unknown variant `Sun`", "Sunday"],
    ),
    (
        "value: Next",
        "value: Later",
        &["unknown variant `Later`", "Next", "Same"],
    ),
    ("asOf: 2026-11-22\n", "", &["missing field `asOf`"]),
    (
        "read: 2026-11-21",
        "read: yesterday",
        &["deadlines[0]", ".read"],
    ),
    (
        "value: [log]",
        "value: [book]",
        &["no register 'book'; there are log"],
    ),
    (
        "value: 2027-05-14",
        "value: 2027-02-30",
        &["regimes.a-law.inForce", "1..=28"],
    ),
    ("  a-law:\n", "  A_law:\n", &["no regime 'a-law'"]),
    (
        "registers:\n  log",
        "registers:\n  log: {value: [x], source: s, confirmed: true}\n  log",
        &["duplicate"],
    ),
    (
        "jurisdictions:\n",
        "jurisdictions:\n  - {value: {codes: [\"DE\"], regimes: [a-law]}, source: s, confirmed: true}\n",
        &["'DE' calls for 'a-law' twice"],
    ),
    (
        "regimes: [a-law]",
        "regimes: []",
        &["regimes.a-law", "no jurisdiction calls for it"],
    ),
    ("    name: A law\n", "", &["missing field `name`"]),
    // What may leave
    (
        "value: [scc, adequacy]",
        "value: [s c c, adequacy]",
        &["regimes.a-law.transfers", "'s c c' is no word"],
    ),
    (
        "instrument: adequacy",
        "instrument: adequate",
        &[
            "adequacy.instrument",
            "'adequate' is none of the regime's transfers; there are adequacy, scc",
        ],
    ),
    (
        "[\"CH\", \"NZ\"]",
        "[\"CH\", \"JP\"]",
        &["adequacy.decisions", "'JP' is there twice"],
    ),
    ("[\"CH\", \"NZ\"]", "[]", &["name at least one country"]),
    (
        "[\"CH\", \"NZ\"]",
        "[\"UK\"]",
        &["'UK' is no ISO 3166-1 alpha-2 code"],
    ),
    (
        "reviewBy: 2030-01-01",
        "reviewBy: 2025-12-31",
        &["to be reviewed by 2025-12-31, before it holds from 2026-01-01"],
    ),
    ("scope: firms", "limit: firms", &["unknown field `limit`"]),
    // How long records are kept
    (
        "records: {value: P24M,",
        "records: {value: PT8760H,",
        &[
            "a-law.clocks.records",
            "'PT8760H' is no time by the calendar",
        ],
    ),
    (
        "records: {value: P24M,",
        "incidentRecords: {value: timely,",
        &["clocks.incidentRecords", "'timely'", "P24M or P3Y"],
    ),
    (
        "records: {value: P24M,",
        "consentRecords: {value: 10BD,",
        &["clocks.consentRecords", "'10BD'"],
    ),
    (
        "records: {value: P24M,",
        "erasureNotice: {value: 1BD,",
        &["clocks.erasureNotice", "'1BD' is in business days", "PT48H"],
    ),
    // What is looked for
    (
        "check: NoPeriod",
        "check: NoTerm",
        &["unknown variant `NoTerm`", "NoPeriod", "baseline[0]"],
    ),
    (
        "check: NoPeriod, severity: Medium",
        "check: NoPeriod, severity: Grave",
        &["unknown variant `Grave`", "High"],
    ),
    (
        "check: NoPeriod",
        "check: TransferEnding",
        &["baseline[3]", "'TransferEnding' is there twice"],
    ),
    (
        "check: NoPeriod",
        "check: CategoryUnknown",
        &["baseline[0]", "wherever the pack has categories"],
    ),
    (
        "check: NoPeriod",
        "check: KeepMeetsNothing",
        &["baseline[0]", "wherever a rule only keeps"],
    ),
    (
        "methods: [Delete, Shred]",
        "methods: []",
        &[
            "baseline[1]",
            "NotErasure, and nothing else, lists the methods",
        ],
    ),
    (
        "methods: [Delete, Shred]",
        "methods: [Hash]",
        &["unknown variant `Hash`", "Pseudonymise"],
    ),
    (
        "fields: [purposes]",
        "fields: [purposes], methods: [Delete]",
        &[
            "baseline[2]",
            "NotErasure, and nothing else, lists the methods",
        ],
    ),
    (
        "fields: [purposes]",
        "fields: []",
        &["RegisterIncomplete, and nothing else, lists the fields"],
    ),
    (
        "fields: [purposes]",
        "fields: [hobbies]",
        &["unknown variant `hobbies`", "securityMeasures"],
    ),
    (
        "user.contact]",
        "User.Contact]",
        &["pack.categories", "'User.Contact' is no key"],
    ),
    (
        "records: contract",
        "records: tax record",
        &[
            "regimes.a-law",
            "keep[0]",
            "'tax record' is no word that a rule can write",
        ],
    ),
    (
        "records: contract",
        "records: none",
        &["keep[0]", "'none' is no word"],
    ),
    (
        "records: contract, for: P5Y",
        "records: contract, for: PT5H",
        &["'PT5H' is no period", "P8Y"],
    ),
    (
        "records: contract, for: P5Y",
        "records: contract, for: P1000Y",
        &["keep[0]", "P1000Y is too long"],
    ),
    (
        "    keep:\n      - {value: {records: invoice",
        "    keep:\n      - {value: {records: invoice, for: P1Y}, source: s, confirmed: true}\n      - {value: {records: invoice",
        &["statutes.a-tax", "keep[1]", "'invoice' is there twice"],
    ),
    (
        "from: EndOfCalendarYear",
        "from: NewYear",
        &["unknown variant `NewYear`", "EndOfFiscalYear"],
    ),
    (
        "  a-tax:\n",
        "  a-law:\n",
        &["statutes.a-law", "a regime has this id"],
    ),
    (
        "  a-tax:\n",
        "  A_tax:\n",
        &["statutes.A_tax", "an id is small letters"],
    ),
    (
        "    keep:\n      - {value: {records: invoice, for: P8Y, from: EndOfCalendarYear}, source: s, confirmed: true}\n",
        "    keep: []\n",
        &["statutes.a-tax", "it keeps nothing"],
    ),
    (
        "    keep:\n      - {value: {records: invoice, for: P8Y, from: EndOfCalendarYear}, source: s, confirmed: true}\n",
        "    erase:\n      - {value: {records: none, within: P30D}, source: s, confirmed: true}\n",
        &["statutes.a-tax", "erase[0]", "'none' is no word"],
    ),
    (
        "value: [customer]",
        "value: [customer_1]",
        &["pack.personalNames", "'customer_1' is no word"],
    ),
];

/// A law that asks for no instrument has none that could end.
#[test]
fn a_law_without_instruments_has_no_transfers_to_look_at() {
    let text = REGIMES.replace("value: [scc, adequacy]", "value: []");
    let start = text.find("    adequacy:\n").unwrap();
    let end = text.find("    baseline:\n").unwrap();
    let text = format!("{}{}", &text[..start], &text[end..]);
    let error = Packs::load_regimes(&text).unwrap_err();
    let message = super::told(&error);
    assert!(
        message.contains("'TransferEnding' is for a regime that asks for an instrument"),
        "{message}"
    );
    assert!(
        message.contains("baseline[3]") && message.contains("line "),
        "{message}"
    );
}

#[test]
fn an_unsound_regime_pack_is_refused_with_line_and_remedy() {
    for &(from, to, parts) in UNSOUND_REGIMES {
        let (message, _) = broken(REGIMES, from, to);
        for part in parts {
            assert!(message.contains(part), "{from} -> {to}: {part}: {message}");
        }
        assert!(
            message.contains("regimes.yaml") && message.contains("line "),
            "{message}"
        );
    }
}
