//! Clocks: a key that signs no more, and records that are dated later than what signed them.

use super::world::{World, moment, region, signer};
use super::*;
use crate::evidence::checkpoint;

/// What is told of these at a moment.
fn told(trust: &Trust, lines: &[Vec<u8>], seconds: i64) -> Vec<(Name, Option<u64>)> {
    let mut verifier = Verifier::new(trust);
    verifier.text(&lines.concat(), |_| {});
    let faults = verifier.finish(AsOf::Moment(moment(seconds)), BOUND).faults;
    faults.iter().map(|one| (one.name, one.sequence)).collect()
}

/// The lines of a world whose second half of a minute each signature is of.
fn signed_each_minute(world: &mut World) {
    for made in &mut world.signatures {
        if let Line::Checkpoint(old) = made {
            let of = usize::from(old.region != region(0));
            let at = moment(i64::try_from(old.tip.sequence).unwrap() * 60 + 30);
            *old = checkpoint(&signer(of), &old.region, old.tip, at).unwrap();
        }
    }
}

#[test]
fn a_key_that_signs_no_more_is_told() {
    let mut world = World::of(1, 20);
    signed_each_minute(&mut world);
    let (trust, lines) = (world.trust(), world.lines());
    let last = 20 * 60 + 30;
    assert_eq!(told(&trust, &lines, last + 86_400), []);
    let silent = [(Name::Silent, Some(20))];
    assert_eq!(told(&trust, &lines, last + 86_401), silent);
    // Whoever verifies knows that the region was given up then.
    let mut ended = trust;
    let trusted = ended.regions.get_mut("region-0").unwrap();
    trusted.ended = Some(moment(last + 86_400));
    assert_eq!(told(&ended, &lines, 10_000_000), []);
    trusted_until(&mut ended, last + 86_401);
    assert_eq!(told(&ended, &lines, 10_000_000), silent);
}

fn trusted_until(trust: &mut Trust, seconds: i64) {
    trust.regions.get_mut("region-0").unwrap().ended = Some(moment(seconds));
}

/// Nobody noted anything, nobody else countersigned, and the end went with every signature over it.
#[test]
fn an_end_that_went_with_all_its_signatures_is_told_by_the_silence() {
    let mut world = World::of(1, 60);
    signed_each_minute(&mut world);
    let latest = world.signatures.pop().unwrap();
    let Line::Checkpoint(latest) = latest else {
        panic!("{latest:?}");
    };
    let now = 100_000;
    let again = checkpoint(&signer(0), &region(0), latest.tip, moment(now - 60)).unwrap();
    world.signatures.push(Line::Checkpoint(again));
    let (trust, lines) = (world.trust(), world.lines());
    assert_eq!(told(&trust, &lines, now), []);
    let reaches = |line: &[u8]| match Line::parse(&line[..line.len() - 1]) {
        Ok(Line::Record(record)) => record.sequence,
        Ok(Line::Checkpoint(signed)) => signed.tip.sequence,
        other => panic!("{other:?}"),
    };
    let mut tried = 0;
    for last in 1..60 {
        let cut = lines.iter().filter(|line| reaches(line) <= last);
        let cut: Vec<Vec<u8>> = cut.cloned().collect();
        let names: BTreeSet<Name> = told(&trust, &cut, now).iter().map(|one| one.0).collect();
        let found = [Name::Silent, Name::UnsignedTail];
        assert!(
            found.iter().any(|name| names.contains(name)),
            "{last}: {names:?}"
        );
        assert_eq!(
            names.contains(&Name::Silent),
            last >= 10,
            "{last}: {names:?}"
        );
        tried += 1;
    }
    world::print(&format!(
        "an end cut off with all its signatures, noted by nobody: tried {tried}, found {tried}"
    ));
}

#[test]
fn no_record_is_dated_after_the_signature_that_reaches_it() {
    let world = World::of(1, 20);
    let (trust, records) = (world.trust(), &world.records[0]);
    let with = |signatures: &[(u64, i64)]| {
        let mut lines: Vec<Vec<u8>> = records.iter().map(world::line).collect();
        for (place, seconds) in signatures {
            let made = world::signed(world.tip(0, *place), *seconds);
            lines.push(made.canonical().unwrap());
        }
        told(&trust, &lines, 90_000)
    };
    // A record a minute, and clocks may differ by five.
    assert_eq!(with(&[(20, 15 * 60), (20, 80_000)]), []);
    let late = [(Name::LaterThanSigned, Some(20))];
    assert_eq!(with(&[(20, 15 * 60 - 1), (20, 80_000)]), late);
    // The first of all signatures that reach it counts.
    let late = [(Name::LaterThanSigned, Some(8))];
    assert_eq!(with(&[(10, 179), (20, 80_000)]), late);
    assert_eq!(with(&[(10, 80_000), (20, 15 * 60)]), []);
    let late = [(Name::LaterThanSigned, Some(11))];
    assert_eq!(with(&[(10, 80_000), (15, 359), (20, 80_000)]), late);
}
