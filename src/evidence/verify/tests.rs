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
use super::super::{Entry, Line};
use super::*;
use world::World;

/// Records may wait a day for a signature.
pub(super) const BOUND: SignedDuration = SignedDuration::from_hours(24);

/// What verification says an hour after the last record.
pub(super) fn verify(trust: &Trust, text: &[u8]) -> Report {
    let mut verifier = Verifier::new(trust);
    verifier.text(text, |_| {});
    verifier.finish(AsOf::Moment(world::moment(100_000)), BOUND)
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
        verifier
            .finish(AsOf::Moment(world::moment(seconds)), BOUND)
            .faults
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

/// Whoever writes records can go on where the last signature ends: as of the last record, too, that is named once it is more than a
/// day's records. What the region wrote since its last signature is none, and how far other regions came says nothing.
#[test]
fn an_end_that_nobody_signed_is_named_whenever_it_is_asked_for() {
    let told = |hours: i64, other: i64| {
        let world = World::of(2, 10);
        let mut records: Vec<Line> = world
            .records
            .iter()
            .flatten()
            .cloned()
            .map(Line::Record)
            .collect();
        for (index, hours) in [hours, other].into_iter().enumerate() {
            let mut tip = world.tip(index, 10);
            for more in 0..=hours {
                let at = world::moment(90_000 + more * 3600);
                let sequence = tip.sequence + 1;
                let made = Entry {
                    at,
                    ..world::entry(sequence, 3)
                }
                .append(&world::region(index), &tip);
                tip = Tip::of(&made);
                records.push(Line::Record(made));
            }
        }
        let lines = records.into_iter().chain(world.signatures.iter().cloned());
        let text: Vec<u8> = lines.flat_map(|line| line.canonical().unwrap()).collect();
        let trust = world.trust();
        let mut verifier = Verifier::new(&trust);
        verifier.text(&text, |_| {});
        let faults = verifier
            .finish(
                AsOf::Latest(world::moment(90_000 + hours.max(other) * 3600)),
                BOUND,
            )
            .faults;
        let told = faults.into_iter().map(|it| (it.name, it.region));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(24, 0), []);
    let named = |name| (name, "region-0".to_owned());
    assert!(told(25, 0).contains(&named(Name::UnsignedTail)));
    assert!(told(24 * 90, 0).contains(&named(Name::UnsignedTail)));
    assert_eq!(told(0, 24 * 90).len(), 2, "the other's, and its silence");
}

/// Whoever goes on with the chain writes the dates: a last one that is early, and all of them long before the last signature.
#[test]
fn no_date_hides_an_end_that_nobody_signed() {
    let dated = |seconds: &[i64]| {
        let world = World::of(1, 10);
        let mut tip = world.tip(0, 10);
        let mut text = world.text();
        for at in seconds {
            let made = Entry {
                at: world::moment(*at),
                ..world::entry(tip.sequence + 1, 3)
            };
            let made = made.append(&world::region(0), &tip);
            tip = Tip::of(&made);
            text.extend(Line::Record(made).canonical().unwrap());
        }
        let trust = world.trust();
        let mut verifier = Verifier::new(&trust);
        verifier.text(&text, |_| {});
        let latest = AsOf::Latest(world::moment(90_000));
        names(&verifier.finish(latest, BOUND))
    };
    let unsigned = BTreeSet::from([Name::UnsignedTail]);
    assert!(dated(&[700, 90 * 86_400, 700]).is_superset(&unsigned));
    assert_eq!(dated(&[700, 760, 820]), unsigned);
    assert_eq!(dated(&[60_000, 60_060]), BTreeSet::new());
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
