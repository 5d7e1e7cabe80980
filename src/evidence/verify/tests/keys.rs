//! Whose signature counts.

use super::world::{World, entry, line, region, signer};
use super::*;
use crate::evidence::{Entry, Signer, Tip, checkpoint};

fn signed(signer: &Signer, tip: Tip) -> Vec<u8> {
    let made = checkpoint(signer, &region(0), tip, world::moment(90_000)).unwrap();
    Line::Checkpoint(made).canonical().unwrap()
}

fn told(report: &Report) -> Vec<(Name, Option<u64>)> {
    let faults = report.faults.iter();
    faults.map(|fault| (fault.name, fault.sequence)).collect()
}

/// Six records, of which the fourth names a key.
fn rotating(key: KeyId) -> (World, Vec<u8>, Vec<Tip>) {
    rotated(&crate::evidence::name(&signer(0), &region(0), key))
}

fn rotated(rotation: &body::KeyRotation) -> (World, Vec<u8>, Vec<Tip>) {
    let mut world = World::of(1, 0);
    let mut tip = Tip::genesis("aurora", &region(0));
    let mut tips = vec![tip];
    for sequence in 1..=6 {
        let mut made = entry(sequence, 0);
        if sequence == 4 {
            made = Entry {
                kind: Kind::KeyRotation,
                body: canonical::object(rotation).unwrap(),
                ..made
            };
        }
        let record = made.append(&region(0), &tip);
        tip = Tip::of(&record);
        tips.push(tip);
        world.records[0].push(record);
    }
    let text = world.records[0].iter().flat_map(line).collect();
    (world, text, tips)
}

#[test]
fn a_new_key_counts_once_the_old_one_signed_its_rotation() {
    let (old, new) = (signer(0), signer(8));
    let (world, text, tips) = rotating(new.key());
    let trust = world.trust();
    let with = |signatures: &[Vec<u8>]| {
        verify(
            &trust,
            &[std::slice::from_ref(&text), signatures].concat().concat(),
        )
    };
    let good = with(&[signed(&old, tips[4]), signed(&new, tips[6])]);
    assert_eq!(good.faults, []);
    assert_eq!(good.regions["region-0"].rotations, 1);
    assert_eq!(good.regions["region-0"].signed, 6);
    // At one place the old key is asked first, whatever the order of the lines.
    assert_eq!(
        with(&[signed(&new, tips[6]), signed(&old, tips[6])]).faults,
        []
    );

    let never = with(&[signed(&old, tips[3]), signed(&new, tips[6])]);
    assert_eq!(
        names(&never),
        BTreeSet::from([Name::UntrustedKey, Name::UnsignedTail])
    );
    let retired = with(&[signed(&old, tips[4]), signed(&old, tips[6])]);
    assert_eq!(
        told(&retired),
        [(Name::UnsignedTail, Some(5)), (Name::UntrustedKey, Some(6))]
    );
    assert!(retired.faults[1].says.contains("another key had replaced"));
    let before = with(&[signed(&new, tips[3]), signed(&old, tips[6])]);
    assert_eq!(told(&before), [(Name::UntrustedKey, Some(3))]);
}

#[test]
fn what_the_key_before_signed_is_no_fault_where_the_trusted_one_signed_it_too() {
    let (old, new) = (signer(0), signer(8));
    let (world, text, tips) = rotating(new.key());
    let mut trust = world.trust();
    trust.regions.get_mut("region-0").unwrap().keys = vec![new.key()];
    let with = |signatures: &[Vec<u8>]| {
        verify(
            &trust,
            &[std::slice::from_ref(&text), signatures].concat().concat(),
        )
    };
    for before in [tips[3], tips[4], tips[5], tips[6]] {
        let good = with(&[signed(&old, before), signed(&new, tips[6])]);
        assert_eq!(good.faults, []);
        let seen = &good.regions["region-0"];
        assert_eq!((seen.rotations, seen.signed, seen.checkpoints), (0, 6, 1));
    }
    // It vouches for nothing: not for what comes after, not for another record, and not for a key.
    let after = with(&[signed(&new, tips[5]), signed(&old, tips[6])]);
    assert_eq!(
        told(&after),
        [(Name::UntrustedKey, Some(6)), (Name::UnsignedTail, Some(6))]
    );
    let strange = rotating(signer(7).key()).2;
    let changed = with(&[signed(&old, strange[5]), signed(&new, tips[6])]);
    assert_eq!(told(&changed), [(Name::UntrustedKey, Some(5))]);
    let stranger = with(&[signed(&signer(9), tips[3]), signed(&new, tips[6])]);
    assert_eq!(told(&stranger), [(Name::UntrustedKey, Some(3))]);
}

/// Whoever writes records writes that a key of theirs named the trusted one, and the region, which sees hashes, signs it.
#[test]
fn a_key_that_says_it_was_the_one_before_signs_nothing() {
    let (own, theirs, next) = (signer(0), signer(9), signer(7));
    let named = |by: &Signer, key| crate::evidence::name(by, &region(0), key);
    let (world, records, tips) = rotated(&named(&theirs, own.key()));
    let forged = |signatures: &[Vec<u8>]| {
        let text = [std::slice::from_ref(&records), signatures].concat();
        told(&verify(&world.trust(), &text.concat()))
    };
    // The end that they made.
    assert_eq!(
        forged(&[signed(&own, tips[4]), signed(&theirs, tips[6])]),
        [(Name::UnsignedTail, Some(5)), (Name::UntrustedKey, Some(6))]
    );
    // One more key, which theirs named before.
    let (world, _, tips) = rotated(&named(&theirs, next.key()));
    let mut chain = world.records[0].clone();
    let tip = Tip::of(&chain[4]);
    let made = Entry {
        kind: Kind::KeyRotation,
        body: canonical::object(&named(&theirs, own.key())).unwrap(),
        ..entry(6, 0)
    };
    chain[5] = made.append(&region(0), &tip);
    let last = Tip::of(&chain[5]);
    let more = entry(7, 0).append(&region(0), &last);
    let end = Tip::of(&more);
    let text: Vec<u8> = chain.iter().chain([&more]).flat_map(line).collect();
    let signatures = [
        signed(&theirs, tips[4]),
        signed(&own, last),
        signed(&next, end),
    ];
    let report = verify(&world.trust(), &[text, signatures.concat()].concat());
    assert_eq!(
        told(&report),
        [(Name::UntrustedKey, Some(7)), (Name::UnsignedTail, Some(7))]
    );
}

#[test]
fn a_key_that_the_old_one_has_not_named_is_trusted_by_nobody() {
    let (old, new, other) = (signer(0), signer(8), signer(9));
    let here = crate::evidence::name(&other, &region(0), new.key());
    let elsewhere = crate::evidence::name(&old, &region(1), new.key());
    let unnamed = body::KeyRotation {
        key: new.key(),
        named: None,
    };
    for rotation in [here, elsewhere, unnamed] {
        // The old key signs hashes: it cannot see that such a record is among them.
        let (world, text, tips) = rotated(&rotation);
        let text = [text, signed(&old, tips[4]), signed(&new, tips[6])].concat();
        let report = verify(&world.trust(), &text);
        assert_eq!(
            told(&report),
            [(Name::UnsignedTail, Some(5)), (Name::UntrustedKey, Some(6))]
        );
    }
}

#[test]
fn a_record_that_names_the_key_in_use_changes_nothing() {
    let old = signer(0);
    let (world, text, tips) = rotating(old.key());
    let text = [text, signed(&old, tips[4]), signed(&old, tips[6])].concat();
    let report = verify(&world.trust(), &text);
    assert_eq!(report.faults, []);
    assert_eq!(report.regions["region-0"].rotations, 0);
}

#[test]
fn a_rotation_that_somebody_else_wrote_gives_their_key_nothing() {
    let (old, theirs) = (signer(0), signer(9));
    let (world, honest, tips) = rotating(signer(8).key());
    let (_, forged, others) = rotating(theirs.key());
    let text = [forged, signed(&old, tips[4]), signed(&theirs, others[6])].concat();
    let report = verify(&world.trust(), &text);
    assert!(
        names(&report).contains(&Name::UntrustedKey),
        "{:?}",
        report.faults
    );
    assert!(
        names(&report).contains(&Name::Rewritten),
        "{:?}",
        report.faults
    );
    assert_eq!(report.regions["region-0"].checkpoints, 0);
    // Theirs alone, and nothing in the export vouches for it.
    let report = verify(&world.trust(), &[honest, signed(&theirs, tips[6])].concat());
    assert_eq!(
        names(&report),
        BTreeSet::from([Name::UntrustedKey, Name::UnsignedTail])
    );
}

#[test]
fn a_region_that_nobody_trusts_is_told() {
    let world = World::of(2, 20);
    let mut trust = world.trust();
    trust.regions.remove("region-1");
    let report = verify(&trust, &world.text());
    assert_eq!(
        names(&report),
        BTreeSet::from([Name::UntrustedKey, Name::UnsignedTail])
    );
    let own = report
        .faults
        .iter()
        .filter(|fault| fault.region == "region-1");
    assert!(own.count() > 2, "{:?}", report.faults);
    let mut other = world.trust();
    other.fleet = "boreal".to_owned();
    let report = verify(&other, &world.text());
    assert_eq!(
        told(&report),
        [(Name::BrokenLink, Some(1)), (Name::BrokenLink, Some(1))]
    );
}

#[test]
fn records_may_wait_for_a_signature_for_so_long() {
    let world = World::of(1, 15);
    let trust = world.trust();
    let after = |hours: i64| {
        let mut verifier = Verifier::new(&trust);
        verifier.text(&world.text(), |_| {});
        verifier.finish(AsOf::Moment(world::moment(11 * 60 + hours * 3600)), BOUND)
    };
    assert_eq!(after(24).faults, []);
    assert_eq!(after(24).regions["region-0"].unsigned, 5);
    assert_eq!(told(&after(25)), [(Name::UnsignedTail, Some(11))]);
}
