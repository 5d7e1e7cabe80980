//! What a pack of regimes must not say.

use super::{REGIMES, broken};

const UNSOUND_REGIMES: &[(&str, &str, &[&str])] = &[
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
];

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
