//! What exactly is told of an export with one thing wrong: no fault too many, and each where it is.

use super::world::{SEALED, World, chained, entry, line, moment, region, seals, signed, signer};
use super::*;
use crate::evidence::{About, Entry, Record, Witness, canonical, checkpoint, countersign, root};

/// The faults of these lines, each as it is printed.
fn told(world: &World, lines: &[Vec<u8>]) -> Vec<String> {
    let report = verify(&world.trust(), &lines.concat());
    report.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn records_that_are_missing_are_told_once_with_their_places() {
    let world = World::of(1, 30);
    let without = |from: usize, to: usize| {
        let mut lines = world.lines();
        lines.drain(from - 1..to);
        told(&world, &lines)
    };
    assert_eq!(without(5, 5), ["Missing region-0 5: is not there"]);
    assert_eq!(
        without(5, 6),
        ["Missing region-0 5: records 5 to 6 are not there"]
    );
    assert_eq!(
        without(5, 8),
        ["Missing region-0 5: records 5 to 8 are not there"]
    );
}

/// Of two records of one place the one counts that is signed or that the next one follows, whichever comes first.
#[test]
fn of_two_records_of_a_place_the_one_that_hangs_together_counts() {
    let world = World::of(1, 30);
    // In the midst, with a signature over it, and the last one.
    for place in [5, 10, 30] {
        let at = place - 1;
        let mut changed = world.records[0][at].clone();
        changed.body = entry(place as u64, 1).body;
        for first in [at, at + 1] {
            let mut lines = world.lines();
            lines.insert(first, line(&changed));
            let forked =
                format!("Forked region-0 {place}: there are 2 different records of this place");
            assert_eq!(told(&world, &lines), [forked]);
        }
        let mut lines = world.lines();
        lines.insert(at, lines[at].clone());
        let twice = format!("Duplicate region-0 {place}: is there 2 times");
        assert_eq!(told(&world, &lines), [twice]);
    }
}

#[test]
fn what_somebody_noted_must_still_be_there() {
    let world = World::of(1, 30);
    let noted = |tip: Tip| {
        let mut trust = world.trust();
        trust.regions.get_mut("region-0").unwrap().noted = Some(tip);
        let faults = verify(&trust, &world.text()).faults;
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    for place in [1, 29, 30] {
        assert_eq!(noted(world.tip(0, place)), none, "{place}");
    }
    let other = Tip {
        sequence: 29,
        ..world.tip(0, 30)
    };
    assert_eq!(
        noted(other),
        ["Rewritten region-0 29: the trust file notes another record here"]
    );
    let later = Tip {
        sequence: 31,
        ..world.tip(0, 30)
    };
    assert_eq!(
        noted(later),
        ["TruncatedTail region-0 31: the trust file notes record 31; the records end at 30"]
    );
}

/// What is told of the first region, and how far the second vouches for it, once this is the only word on it: by whom, with
/// which key, over what, after what.
fn vouched(
    world: &World,
    (by, key): (usize, usize),
    tip: Tip,
    previous: Option<Tip>,
) -> (Vec<Name>, Option<u64>) {
    let is_word = |line: &&Vec<u8>| {
        let parsed = Line::parse(&line[..line.len() - 1]).unwrap();
        matches!(parsed, Line::Countersignature(made) if made.region == "region-0")
    };
    let all = world.lines();
    let mut lines: Vec<&Vec<u8>> = all.iter().filter(|line| !is_word(line)).collect();
    let (by, region) = (region(by), region(0));
    let witness = Witness {
        by: &by,
        region: &region,
        previous,
    };
    let made = countersign(&signer(key), witness, tip, moment(90_000)).unwrap();
    let made = Line::Countersignature(made).canonical().unwrap();
    lines.push(&made);
    let text: Vec<u8> = lines.into_iter().flatten().copied().collect();
    let report = verify(&world.trust(), &text);
    let names = report.faults.iter().map(|fault| fault.name).collect();
    let reached = &report.regions["region-0"].witnesses;
    (names, reached.get("region-1").copied())
}

#[test]
fn another_region_vouches_by_its_own_key_for_what_is_here() {
    let world = World::of(2, 20);
    let (tip, before) = (world.tip(0, 20), world.tip(0, 10));
    let with = |who, tip, previous| vouched(&world, who, tip, previous);
    let genesis = Tip::genesis("aurora", &region(0));
    assert_eq!(with((1, 1), tip, Some(before)), (vec![], Some(20)));
    assert_eq!(with((1, 1), tip, Some(genesis)), (vec![], Some(20)));
    let untrusted = (vec![Name::UntrustedKey], None);
    assert_eq!(with((1, 5), tip, None), untrusted, "a stranger's key");
    assert_eq!(with((1, 0), tip, None), untrusted, "another region's key");
    assert_eq!(with((0, 0), tip, None), untrusted, "the region itself");
    let other = Tip {
        sequence: 15,
        ..before
    };
    let forked = (vec![Name::Forked], None);
    assert_eq!(with((1, 1), other, None), forked, "another record");
    assert_eq!(
        with((1, 1), tip, Some(other)),
        forked,
        "after another record"
    );
}

/// A region's next key vouches for others as its first one did.
#[test]
fn a_key_that_was_named_vouches_for_other_regions() {
    let mut world = World::of(2, 10);
    let next = crate::evidence::name(&signer(1), &region(1), signer(8).key());
    let named = Entry {
        kind: Kind::KeyRotation,
        body: canonical::object(&next).unwrap(),
        ..entry(11, 0)
    };
    let record = named.append(&region(1), &world.tip(1, 10));
    let own = checkpoint(&signer(1), &region(1), Tip::of(&record), moment(90_000)).unwrap();
    let witness = Witness {
        by: "region-1",
        region: "region-0",
        previous: None,
    };
    let made = countersign(&signer(8), witness, world.tip(0, 10), moment(90_000)).unwrap();
    world.records[1].push(record);
    world
        .signatures
        .retain(|line| matches!(line, Line::Checkpoint(_)));
    world
        .signatures
        .extend([Line::Checkpoint(own), Line::Countersignature(made)]);
    let report = verify(&world.trust(), &world.text());
    assert_eq!(report.faults, []);
    assert_eq!(report.regions["region-0"].witnesses["region-1"], 10);
    assert_eq!(report.regions["region-1"].rotations, 1);
}

/// Twenty records of two regions, and a record of the first that tells of old ones.
fn telling(body: canonical::Object) -> (World, Vec<Record>) {
    let mut world = World::of(2, 20);
    let told = Entry {
        kind: Kind::Seal,
        at: moment(1300),
        about: About::cluster("Region", &region(0)),
        source: "told".to_owned(),
        body,
    };
    let record = told.append(&region(0), &world.tip(0, 20));
    let made = checkpoint(&signer(0), &region(0), Tip::of(&record), moment(90_000)).unwrap();
    world.records[0].push(record);
    world.signatures.push(Line::Checkpoint(made));
    let records = world.records[0].clone();
    (world, records)
}

fn seal(first: u64, last: u64) -> body::Seal {
    let world = World::of(1, 20);
    let records = &world.records[0];
    let hashes = records
        .iter()
        .filter(|one| (first..=last).contains(&one.sequence));
    body::Seal {
        archive: "s3://evidence".to_owned(),
        segment: "the segment".to_owned(),
        first,
        last,
        head: world.tip(0, last.clamp(1, 20)).head,
        root: root(hashes.map(Record::hash)),
        sources: String::new(),
    }
}

#[test]
fn what_was_sealed_is_compared_with_what_is_here() {
    let shown = |seal: &body::Seal, without: Option<usize>| {
        let (world, _) = telling(canonical::object(seal).unwrap());
        let mut lines = world.lines();
        without.map(|place| lines.remove(place - 1));
        let report = verify(&world.trust(), &lines.concat());
        let names: Vec<Name> = report.faults.iter().map(|fault| fault.name).collect();
        (names, report.regions["region-0"].segments)
    };
    assert_eq!(shown(&seal(1, 20), None), (vec![], 1));
    assert_eq!(shown(&seal(6, 10), None), (vec![], 1));
    assert_eq!(shown(&seal(6, 6), None), (vec![], 1));
    let broken = (vec![Name::SealBroken], 0);
    for (first, last) in [(0, 5), (9, 8), (6, 21), (6, 22)] {
        assert_eq!(shown(&seal(first, last), None), broken, "{first} to {last}");
    }
    let (mut root, mut head) = (seal(6, 10), seal(6, 10));
    (root.root, head.head) = (Hash([1; 32]), Hash([1; 32]));
    assert_eq!(shown(&root, None), broken, "another root");
    assert_eq!(shown(&head, None), broken, "another end");
    // The gap is told, and that the archive has what is missing.
    let missing = (vec![Name::Missing, Name::SegmentMissing], 0);
    for place in [6, 10] {
        let (names, segments) = shown(&seal(6, 10), Some(place));
        assert_eq!(
            (names.into_iter().collect::<BTreeSet<_>>(), segments),
            (missing.0.iter().copied().collect(), 0)
        );
    }
}

/// Of records that went by rule the segment may be kept whole, in part or not at all; what others signed of what is left
/// still counts.
#[test]
fn what_went_by_rule_may_be_kept_in_part() {
    let expiry = body::Expiry {
        expired: World::of(1, 20).tip(0, 10),
        segment: "the segment".to_owned(),
        kept: "P1D".to_owned(),
        regimes: Vec::new(),
    };
    // The seal of what went stands before the record that says that it did.
    let mut world = World::of(2, 20);
    let sealed = canonical::object(&seal(6, 10)).unwrap();
    let expired = canonical::object(&expiry).unwrap();
    let tip = seals(&mut world.records[0], &[sealed], expired);
    let sealed = world.tip(0, 21);
    world
        .signatures
        .extend([signed(sealed, SEALED + 100), signed(tip, 90_000)]);
    for (from, segments) in [(1, 1), (6, 1), (8, 0), (11, 0)] {
        let lines = world.lines();
        let report = verify(&world.trust(), &lines[from - 1..].concat());
        assert_eq!(report.faults, [], "from record {from}");
        let checked = &report.regions["region-0"];
        assert_eq!(checked.segments, segments, "from record {from}");
        assert_eq!(checked.witnesses["region-1"], 20, "from record {from}");
    }
    // A fact of the last record that went is said anew, and that is no second time.
    let mut again = world.records[0].clone();
    again[15].source = again[9].source.clone();
    let again = chained(&again, 16);
    let text: Vec<u8> = again[9..].iter().flat_map(line).collect();
    let names = names(&verify(&world.trust(), &text));
    assert!(!names.contains(&Name::Duplicate), "{names:?}");
}
