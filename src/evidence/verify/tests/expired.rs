//! Records that went by the rule on how long evidence is kept.

use super::super::super::{About, Entry, Kind, Object, Record, Value, canonical};
use super::world::{SEALED, WENT, World, chained, line, moment, region, seals, signed, tell};
use super::*;

/// Twenty records, the seals of five and of five more, and a record that says up to which they went.
struct Gone {
    world: World,
    records: Vec<Record>,
}

/// What is said of a segment of the first records.
fn seal(first: u64, last: u64) -> body::Seal {
    let world = World::of(1, 20);
    let all = world.records[0].iter();
    let here = all.filter(|record| (first..=last).contains(&record.sequence));
    body::Seal {
        archive: "s3://evidence".to_owned(),
        segment: super::super::super::segment(&region(0), first, last),
        first,
        last,
        head: world.tip(0, last).head,
        root: super::super::super::root(here.map(Record::hash)),
        sources: String::new(),
    }
}

fn expiry(tip: Tip) -> body::Expiry {
    body::Expiry {
        expired: tip,
        segment: super::super::super::segment(&region(0), 6, 10),
        kept: "P1D".to_owned(),
        regimes: Vec::new(),
    }
}

impl Gone {
    fn up_to(tip: Tip) -> Self {
        let world = World::of(1, 20);
        let mut records = world.records[0].clone();
        let sealed = [seal(1, 5), seal(6, 10)].map(|seal| canonical::object(&seal).unwrap());
        let expired = canonical::object(&expiry(tip)).unwrap();
        seals(&mut records, &sealed, expired);
        Self { world, records }
    }

    /// Ten went.
    fn ten() -> Self {
        Self::up_to(World::of(1, 20).tip(0, 10))
    }

    /// What is said of these records, signed up to a place.
    fn verify(&self, records: &[Record], last: usize) -> Report {
        let mut text: Vec<u8> = records.iter().flat_map(line).collect();
        for made in &self.world.signatures {
            text.extend(made.canonical().unwrap());
        }
        let sealed = (Tip::of(&self.records[21]), SEALED + 100);
        let last = (Tip::of(&self.records[last - 1]), 90_000);
        for (tip, at) in [sealed, last] {
            text.extend(signed(tip, at).canonical().unwrap());
        }
        verify(&self.world.trust(), &text)
    }

    fn names(&self, records: &[Record]) -> BTreeSet<Name> {
        names(&self.verify(records, 23))
    }
}

#[test]
fn what_went_by_rule_is_not_missing_and_whoever_kept_it_can_verify_it() {
    let gone = Gone::ten();
    let all = &gone.records;
    for (from, expired, segments) in [
        (10, Some(10), 0),
        (7, Some(10), 0),
        (1, Some(10), 1),
        (0, None, 2),
    ] {
        let report = gone.verify(&all[from..], 23);
        assert_eq!(report.faults, [], "from record {}", from + 1);
        let checked = &report.regions["region-0"];
        assert_eq!(
            (checked.expired, checked.records),
            (expired, 23 - from as u64)
        );
        assert_eq!(checked.segments, segments);
    }
    // One that is left over hangs together with nothing, and counts for nothing.
    let mut left = all[2].clone();
    left.body = all[3].body.clone();
    let some = [&[left], &all[10..]].concat();
    let report = gone.verify(&some, 23);
    let checked = &report.regions["region-0"];
    assert_eq!(
        (report.faults.len(), checked.records, checked.begins),
        (0, 13, 11)
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

/// What whoever has the hub may write, and what the trust file says: all in order, until something of it is changed.
struct Story {
    seal: Option<body::Seal>,
    sealed_at: i64,
    /// Whether the region signed before it was said that they went.
    is_signed: bool,
    /// How a legal hold stands before, and after.
    holds: [Option<&'static str>; 2],
    expiry: body::Expiry,
    went_at: i64,
    keep: Option<&'static str>,
    noted: Option<Tip>,
}

fn story() -> Story {
    Story {
        seal: Some(seal(6, 10)),
        sealed_at: SEALED,
        is_signed: true,
        holds: [None, None],
        expiry: expiry(World::of(1, 20).tip(0, 10)),
        went_at: WENT,
        keep: None,
        noted: None,
    }
}

fn held(records: &mut Vec<Record>, state: Option<&str>, seconds: i64) {
    let Some(state) = state else { return };
    let hold = Entry {
        kind: Kind::Hold,
        at: moment(seconds),
        about: About::cluster("LegalHold", "claim"),
        source: format!("hold-{seconds}"),
        body: Object::from([("state".to_owned(), Value::Text(state.to_owned()))]),
    };
    let last = Tip::of(records.last().unwrap());
    records.push(hold.append(&region(0), &last));
}

impl Story {
    /// What is said of it by who has nothing of what went.
    fn told(&self) -> (Vec<String>, Checked) {
        let world = World::of(1, 20);
        let mut records = world.records[0].clone();
        let mut signatures = world.signatures.clone();
        if let Some(seal) = &self.seal {
            let body = canonical::object(seal).unwrap();
            tell(&mut records, Kind::Seal, (self.sealed_at, "seal"), &body);
        }
        held(&mut records, self.holds[0], SEALED + 1);
        if self.is_signed {
            signatures.push(signed(Tip::of(records.last().unwrap()), SEALED + 100));
        }
        let body = canonical::object(&self.expiry).unwrap();
        tell(&mut records, Kind::Seal, (self.went_at, "expired"), &body);
        held(&mut records, self.holds[1], WENT + 1);
        signatures.push(signed(Tip::of(records.last().unwrap()), 90_000));
        let mut text: Vec<u8> = records[10..].iter().flat_map(line).collect();
        for made in &signatures {
            text.extend(made.canonical().unwrap());
        }
        let mut trust = world.trust();
        let trusted = trust.regions.get_mut(&region(0)).unwrap();
        trusted.keep = self.keep.map(|keep| keep.parse().unwrap());
        trusted.noted = self.noted;
        let report = verify(&trust, &text);
        let told = report.faults.iter().map(ToString::to_string).collect();
        (told, report.regions[&region(0)].clone())
    }

    /// It is the one fault, and it says so.
    fn is_broken(&self, says: &str) {
        let (told, _) = self.told();
        assert_eq!(told.len(), 1, "{says}: {told:?}");
        let (begins, found) = ("SealBroken region-0 2", told[0].contains(says));
        assert!(told[0].starts_with(begins) && found, "{says}: {told:?}");
    }

    /// It is in order. Answers for how long they were kept, and whether the region shows that.
    fn kept(&self) -> (String, bool) {
        let (told, checked) = self.told();
        assert_eq!(told, [""; 0]);
        let kept = checked.kept.unwrap();
        (kept.period, kept.by_region)
    }
}

/// The hub alone says that records went by rule, and the region signs what it does not see. So what it says must have
/// stood there before: their seal, signed, and as long ago as they were to be kept.
#[test]
fn what_went_without_its_seal_before_its_time_or_while_held_is_no_rule() {
    assert_eq!(story().kept(), ("P1D".to_owned(), true));
    let none = Story {
        seal: None,
        ..story()
    };
    none.is_broken("no record before it tells that segment");
    let others = [
        seal(6, 9),
        seal(7, 10),
        body::Seal {
            segment: "another".to_owned(),
            ..seal(6, 10)
        },
    ];
    for other in others {
        let seal = Some(other);
        Story { seal, ..story() }.is_broken("no record before it tells that segment");
    }
    let early = Story {
        went_at: SEALED + 86_399,
        ..story()
    };
    early.is_broken("they were to be kept for P1D after they were sealed");
    let mut endless = story();
    endless.expiry.kept = "for ever".to_owned();
    endless.is_broken("'for ever' is no time to keep evidence for");
    // The seal is dated before what the region had signed two days and more before.
    let mut dated = Story {
        sealed_at: -200_000,
        ..story()
    };
    dated.expiry.kept = "P2D".to_owned();
    dated.is_broken("they were to be kept for P2D");
    let at_once = Story {
        is_signed: false,
        ..story()
    };
    at_once.is_broken("the region had not signed record 21 before");
}

#[test]
fn nothing_goes_while_a_legal_hold_holds() {
    let with = |before, after| Story {
        holds: [before, after],
        ..story()
    };
    with(Some("InForce"), None).is_broken("LegalHold claim held then");
    with(Some("Releasing"), Some("Released")).is_broken("LegalHold claim held then");
    let _ = with(Some("Released"), Some("InForce")).kept();
}

/// Whoever verifies may say for how long evidence is to be kept; else it is told by whose word it was.
#[test]
fn who_verifies_says_for_how_long_evidence_is_kept() {
    let with = |keep| Story {
        keep: Some(keep),
        ..story()
    };
    assert_eq!(with("P1D").kept(), ("P1D".to_owned(), true));
    with("P2D").is_broken("the trust file has evidence kept for P2D");
    let mut hub = Story {
        went_at: SEALED,
        ..story()
    };
    hub.expiry.kept = "P0D".to_owned();
    assert_eq!(hub.kept(), ("P0D".to_owned(), false));
    hub.keep = Some("PT1H");
    hub.is_broken("the trust file has evidence kept for PT1H");
}

#[test]
fn a_note_of_what_went_is_told() {
    let world = World::of(1, 20);
    let with = |noted: Tip| {
        let (told, checked) = Story {
            noted: Some(noted),
            ..story()
        }
        .told();
        (told, checked.noted_gone)
    };
    assert_eq!(with(world.tip(0, 8)), (vec![], Some(8)));
    assert_eq!(with(world.tip(0, 10)), (vec![], Some(10)));
    assert_eq!(with(world.tip(0, 11)), (vec![], None));
    let other = Tip {
        sequence: 10,
        ..world.tip(0, 9)
    };
    let says = "Rewritten region-0 10: the trust file notes another record as the last that went";
    assert_eq!(with(other), (vec![says.to_owned()], Some(10)));
}
