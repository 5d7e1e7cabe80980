//! Lists of words that cannot be met, and checks that no baseline asks for.

use super::{REGIMES, broken};

#[test]
fn a_word_that_no_policy_can_write_is_refused_with_its_line() {
    for (from, to, parts) in [
        (
            "check: NoPeriod",
            "check: UseUnknown",
            ["baseline[0]", "wherever the pack has uses"],
        ),
        (
            "check: NoPeriod",
            "check: SubjectsUnknown",
            ["baseline[0]", "wherever the pack has subjectCategories"],
        ),
        (
            "essential.service]",
            "essential..service]",
            ["pack.uses", "'essential..service' is no key"],
        ),
        (
            "[job_applicant",
            "[Job applicant",
            ["pack.subjectCategories", "'Job applicant' is no word"],
        ),
        (
            "[job_applicant",
            "[user.visitor",
            ["pack.subjectCategories", "'user.visitor' is no word"],
        ),
    ] {
        let (message, line) = broken(REGIMES, from, to);
        let line = format!("line {line},");
        for part in parts.into_iter().chain([line.as_str()]) {
            assert!(message.contains(part), "{from} -> {to}: {part}: {message}");
        }
    }
}
