//! Attacks on evidence: what was tried and what was found is printed.

mod bits;
mod expired;
mod keys;
mod late;
mod mixed;
mod records;
mod sums;
mod told;
mod world;

use jiff::SignedDuration;

use super::super::body;
use super::super::record::Kind;
use super::*;
use world::World;

/// Records may wait a day for a signature.
pub(super) const BOUND: SignedDuration = SignedDuration::from_hours(24);

/// What verification says an hour after the last record.
pub(super) fn verify(trust: &Trust, text: &[u8]) -> Report {
    let mut verifier = Verifier::new(trust);
    verifier.text(text, |_| {});
    verifier.finish(world::moment(100_000), BOUND)
}

pub(super) fn names(report: &Report) -> BTreeSet<Name> {
    report.faults.iter().map(|fault| fault.name).collect()
}

#[test]
fn what_nobody_touched_is_whole() {
    let world = World::of(2, 40);
    let report = verify(&world.trust(), &world.text());
    assert_eq!(report.faults, []);
    let checked = &report.regions["region-0"];
    assert_eq!(checked.records, 40);
    assert_eq!(checked.signed, 40);
    assert_eq!(checked.unsigned, 0);
    assert_eq!(checked.checkpoints, 4);
    assert_eq!(checked.witnesses["region-1"], 40);
    assert_eq!(checked.tip, Some(world.tip(0, 40)));
    // A record a minute.
    assert_eq!(checked.first, Some(world::moment(60)));
    assert_eq!(checked.last, Some(world::moment(2400)));
}

/// What cannot be read is told by its line, and by the record that it wants to be.
#[test]
fn a_line_that_cannot_be_read_is_told_by_its_number() {
    let world = World::of(1, 10);
    let mut lines = world.lines();
    let spaced = String::from_utf8(lines[4].clone()).unwrap();
    lines[4] = spaced.replacen('{', "{ ", 1).into_bytes();
    lines.insert(7, b"neither a record nor a signature\n".to_vec());
    let mut text = lines.concat();
    text.extend_from_slice(b"{\"half\":");
    let report = verify(&world.trust(), &text);
    let told = |fault: &&Fault| fault.name == Name::NonCanonical;
    let told: Vec<String> = report
        .faults
        .iter()
        .filter(told)
        .map(ToString::to_string)
        .collect();
    let begins = [
        "NonCanonical: line 8: ",
        "NonCanonical: line 13 is not ended",
        "NonCanonical region-0 5: line 5: ",
    ];
    assert_eq!(told.len(), begins.len(), "{told:?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
}

#[test]
fn what_is_dated_after_now_is_named_once() {
    let world = World::of(2, 10);
    let (trust, text) = (world.trust(), world.text());
    let told = |seconds: i64| {
        let mut verifier = Verifier::new(&trust);
        verifier.text(&text, |_| {});
        verifier.finish(world::moment(seconds), BOUND).faults
    };
    // A record a minute, and clocks may differ by five.
    let later = told(60);
    assert_eq!(later.len(), 2, "{later:?}");
    for fault in later {
        assert_eq!((fault.name, fault.sequence), (Name::LaterThanNow, Some(7)));
        assert!(
            fault.says.ends_with("records that are: 4"),
            "{}",
            fault.says
        );
    }
    assert_eq!(told(300), []);
}

#[test]
fn a_text_that_was_cut_is_not_read_as_a_shorter_one() {
    let world = World::of(1, 10);
    let text = world.text();
    let (trust, len) = (world.trust(), text.len());
    let cut = |at: usize| names(&verify(&trust, &text[..at]));
    assert_eq!(
        cut(len - 1),
        BTreeSet::from([Name::NonCanonical, Name::UnsignedTail])
    );
    assert_eq!(
        cut(0),
        BTreeSet::from([Name::Missing]),
        "the trust file names the region"
    );
    for at in 0..len {
        assert!(!cut(at).is_empty(), "cut at {at}");
    }
}
