//! Records that went by the rule on how long evidence is kept.

use super::super::super::{Line, Record, canonical, checkpoint};
use super::world::{World, chained, line, moment, region, seals, signer};
use super::*;

/// Twenty records, a `Seal` of the first five, and one that says up to which they went.
struct Gone {
    world: World,
    records: Vec<Record>,
}

impl Gone {
    fn up_to(tip: Tip) -> Self {
        let world = World::of(1, 20);
        let mut records = world.records[0].clone();
        let expiry = body::Expiry {
            expired: tip,
            segment: "region-0-0000000006-0000000010.jsonl.gz".to_owned(),
            kept: "P6Y".to_owned(),
            regimes: Vec::new(),
        };
        let seal = body::Seal {
            archive: "s3://evidence".to_owned(),
            segment: "region-0-0000000001-0000000005.jsonl.gz".to_owned(),
            first: 1,
            last: 5,
            head: world.tip(0, 5).head,
            root: super::super::super::root(records[..5].iter().map(Record::hash)),
            sources: String::new(),
        };
        let sealed = canonical::object(&seal).unwrap();
        let expired = canonical::object(&expiry).unwrap();
        seals(&mut records, [sealed, expired]);
        Self { world, records }
    }

    /// Ten went.
    fn ten() -> Self {
        Self::up_to(World::of(1, 20).tip(0, 10))
    }

    /// What is said of these records, signed up to a place.
    fn verify(&self, records: &[Record], signed: usize) -> Report {
        let mut text: Vec<u8> = records.iter().flat_map(line).collect();
        for signed in &self.world.signatures {
            text.extend(signed.canonical().unwrap());
        }
        let tip = Tip::of(&self.records[signed - 1]);
        let made = checkpoint(&signer(0), &region(0), tip, moment(1400)).unwrap();
        text.extend(Line::Checkpoint(made).canonical().unwrap());
        verify(&self.world.trust(), &text)
    }

    fn names(&self, records: &[Record]) -> BTreeSet<Name> {
        names(&self.verify(records, 22))
    }
}

#[test]
fn what_went_by_rule_is_not_missing_and_whoever_kept_it_can_verify_it() {
    let gone = Gone::ten();
    let all = &gone.records;
    for (from, expired) in [(10, Some(10)), (7, Some(10)), (1, Some(10)), (0, None)] {
        let report = gone.verify(&all[from..], 22);
        assert_eq!(report.faults, [], "from record {}", from + 1);
        let checked = &report.regions["region-0"];
        assert_eq!(
            (checked.expired, checked.records),
            (expired, 22 - from as u64)
        );
        assert_eq!(checked.segments, u64::from(from == 0));
    }
    // One that is left over hangs together with nothing, and counts for nothing.
    let mut left = all[2].clone();
    left.body = all[3].body.clone();
    let some = [&[left], &all[10..]].concat();
    let report = gone.verify(&some, 22);
    let checked = &report.regions["region-0"];
    assert_eq!(
        (report.faults.len(), checked.records, checked.begins),
        (0, 12, 11)
    );
    assert_eq!(super::super::super::unexpired(some), all[10..]);
    // What still holds is said anew, and that is no second time.
    let mut again = all.clone();
    again[15].source = all[3].source.clone();
    let again = chained(&again, 16);
    let report = verify(
        &gone.world.trust(),
        &again.iter().flat_map(line).collect::<Vec<u8>>(),
    );
    assert!(!names(&report).contains(&Name::Duplicate), "{report:?}");
}

#[test]
fn nothing_else_may_be_missing_and_nobody_else_may_say_so() {
    let gone = Gone::ten();
    let all = &gone.records;
    let is_told = |records: &[Record], name: Name| {
        let told = gone.names(records);
        assert!(told.contains(&name), "{name:?}: {told:?}");
    };
    is_told(&all[11..], Name::Missing);
    is_told(&[&all[10..13], &all[14..]].concat(), Name::Missing);
    is_told(&[&all[3..8], &all[11..]].concat(), Name::Missing);
    // Another one than the last that went.
    let mut other = all.clone();
    other[10].previous = Hash([0; 32]);
    assert!(!gone.names(&other[10..]).is_empty());
    let mut other = all.clone();
    other[8].body = all[3].body.clone();
    assert!(
        !gone.names(&other[7..]).is_empty(),
        "an older copy that was changed"
    );
    // No signature is over what says so.
    let told = names(&gone.verify(&all[10..], 20));
    assert!(told.contains(&Name::Missing), "{told:?}");
    // It says that another record was the last, or one that comes later.
    let world = World::of(1, 20);
    let other = Gone::up_to(Tip {
        sequence: 9,
        ..world.tip(0, 10)
    });
    assert!(!other.names(&other.records[9..]).is_empty());
    assert!(other.names(&other.records).contains(&Name::SealBroken));
    let later = Gone::up_to(Tip {
        sequence: 30,
        ..world.tip(0, 10)
    });
    let told = later.names(&later.records[10..]);
    assert!(
        told.contains(&Name::Missing) && told.contains(&Name::SealBroken),
        "{told:?}"
    );
}
