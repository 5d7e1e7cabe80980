//! Every record, order, truncation and fork.

use super::world::{EVERY, World, chained, entry, line, region, signer};
use super::*;
use crate::evidence::{Tip, checkpoint};

/// What was done to a text, and the names of which one at least must be told.
struct Tally(BTreeMap<&'static str, (u64, BTreeMap<Name, u64>)>);

impl Tally {
    fn attack(&mut self, what: &'static str, report: &Report, any: &[Name]) {
        let names = names(report);
        assert!(
            any.iter().any(|name| names.contains(name)),
            "{what}: {:?}",
            report.faults
        );
        assert!(
            report.faults.iter().all(|f| f.region == "region-0"),
            "{what}: {:?}",
            report.faults
        );
        let (tried, by_name) = self.0.entry(what).or_default();
        *tried += 1;
        for name in names {
            *by_name.entry(name).or_default() += 1;
        }
    }

    fn print(&self) {
        for (what, (tried, by_name)) in &self.0 {
            println!("{what}: tried {tried}, found {tried}, named {by_name:?}");
        }
    }
}

#[test]
fn every_record_of_a_large_export_counts() {
    const RECORDS: usize = 60;
    let world = World::of(2, RECORDS as u64);
    let (trust, lines) = (world.trust(), world.lines());
    let mut tally = Tally(BTreeMap::new());
    let told = |lines: &[Vec<u8>]| verify(&trust, &lines.concat());
    assert_eq!(told(&lines).faults, []);
    for at in 0..RECORDS {
        let mut less = lines.clone();
        less.remove(at);
        let missing: &[Name] = if at + 1 == RECORDS {
            &[Name::TruncatedTail]
        } else {
            &[Name::Missing]
        };
        tally.attack("a record taken out", &told(&less), missing);

        let mut twice = lines.clone();
        twice.insert(at + 1, lines[at].clone());
        tally.attack("a record put in twice", &told(&twice), &[Name::Duplicate]);

        let record = &world.records[0][at];
        let mut changed = record.clone();
        changed.body = entry(record.sequence, 1).body;
        let mut rewritten = lines.clone();
        rewritten[at] = line(&changed);
        tally.attack("a number changed", &told(&rewritten), &[Name::Rewritten]);

        let mut forked = lines.clone();
        forked.insert(at + 1, line(&changed));
        tally.attack("another record beside one", &told(&forked), &[Name::Forked]);

        // Whoever can write but not sign makes the rest of the chain anew.
        let mut records = world.records[0].clone();
        records[at] = changed;
        let mut anew = lines.clone();
        for (index, record) in chained(&records, at + 1).iter().enumerate().skip(at) {
            anew[index] = line(record);
        }
        tally.attack(
            "a chain made anew from a record on",
            &told(&anew),
            &[Name::Rewritten],
        );

        let mut other = world.records[0][at].clone();
        other.previous = world.records[1][at].hash();
        let mut unlinked = lines.clone();
        unlinked[at] = line(&other);
        tally.attack(
            "another record named as the one before",
            &told(&unlinked),
            &[Name::BrokenLink, Name::Rewritten],
        );
    }
    tally.print();
}

#[test]
fn every_truncation_is_found() {
    const RECORDS: usize = 60;
    let world = World::of(2, RECORDS as u64);
    let (trust, lines) = (world.trust(), world.lines());
    let mut tally = Tally(BTreeMap::new());
    // With its own signatures of what is cut off taken away as well: those of the other region still tell.
    let own_beyond = |line: &[u8], last: usize| match Line::parse(&line[..line.len() - 1]) {
        Ok(Line::Checkpoint(signed)) => {
            signed.region == "region-0" && signed.tip.sequence > last as u64
        }
        _ => false,
    };
    for last in 1..RECORDS {
        let cut: Vec<_> = [&lines[..last], &lines[RECORDS..]].concat();
        let report = verify(&trust, &cut.concat());
        tally.attack("an end cut off", &report, &[Name::TruncatedTail]);
        let cut: Vec<_> = cut
            .into_iter()
            .filter(|line| !own_beyond(line, last))
            .collect();
        let report = verify(&trust, &cut.concat());
        tally.attack(
            "an end cut off with its checkpoints",
            &report,
            &[Name::TruncatedTail],
        );
        assert!(report.faults.iter().any(|f| f.says.contains("region-1")));
        // With those of the other region as well: only what was noted earlier tells.
        let alone: Vec<_> = cut
            .into_iter()
            .filter(|line| {
                let parsed = Line::parse(&line[..line.len() - 1]).unwrap();
                !matches!(parsed, Line::Countersignature(c) if c.region == "region-0")
            })
            .collect();
        let mut noted = trust.clone();
        noted.regions.get_mut("region-0").unwrap().noted = Some(world.tip(0, RECORDS as u64));
        let report = verify(&noted, &alone.concat());
        tally.attack(
            "an end cut off with all signatures of it",
            &report,
            &[Name::TruncatedTail],
        );
    }
    tally.print();
}

#[test]
fn every_order_is_found_but_the_right_one() {
    let world = World::of(1, 5);
    let (trust, signed) = (world.trust(), world.tip(0, 5));
    let made = checkpoint(&signer(0), &region(0), signed, world::moment(900)).unwrap();
    let last = Line::Checkpoint(made).canonical().unwrap();
    let lines = world.lines();
    let mut orders = vec![vec![]];
    for _ in 0..5 {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                let more = (0..5).filter(|next| !order.contains(next));
                more.map(|next| [&order[..], &[next]].concat())
            })
            .collect();
    }
    assert_eq!(orders.len(), 120);
    let mut reordered = 0;
    for order in &orders {
        let text: Vec<u8> = order.iter().flat_map(|i| lines[*i].clone()).collect();
        let names = names(&verify(&trust, &[text, last.clone()].concat()));
        let right = order.is_sorted();
        assert_eq!(names.is_empty(), right, "{order:?}");
        assert_eq!(names.contains(&Name::Reordered), !right, "{order:?}");
        reordered += u32::from(!right);
    }
    println!("orders of 5 records: tried 120, found {reordered}");
    // In a large one: every pair of places, a step apart.
    let world = World::of(1, 100);
    let (trust, lines) = (world.trust(), world.lines());
    let mut tried = 0;
    for one in (0..100).step_by(3) {
        for other in (one + 1..100).step_by(7) {
            let mut lines = lines.clone();
            lines.swap(one, other);
            let names = names(&verify(&trust, &lines.concat()));
            assert_eq!(names, BTreeSet::from([Name::Reordered]), "{one} {other}");
            tried += 1;
        }
    }
    println!("pairs of 100 records exchanged: tried {tried}, found {tried}");
}

#[test]
fn a_region_that_shows_two_chains_is_found() {
    let world = World::of(2, 100);
    let (trust, text) = (world.trust(), world.text());
    let mut tally = Tally(BTreeMap::new());
    for at in (0..100).step_by(9) {
        // Its own key signs another chain from some record on, with as many records.
        let mut records = world.records[0].clone();
        records[at].body = entry(1, 1).body;
        let other = chained(&records, at + 1);
        let signed = |sequence: usize| {
            let tip = Tip::of(&other[sequence - 1]);
            let made = checkpoint(&signer(0), &region(0), tip, world::moment(95_000)).unwrap();
            Line::Checkpoint(made).canonical().unwrap()
        };
        let mut forked = World::of(2, 0);
        forked.records = vec![other.clone(), world.records[1].clone()];
        forked.signatures = world
            .signatures
            .iter()
            .filter(|line| !matches!(line, Line::Checkpoint(c) if c.region == "region-0"))
            .cloned()
            .collect();
        let every = usize::try_from(EVERY).unwrap();
        let mine: Vec<u8> = (1..=100 / every).flat_map(|n| signed(n * every)).collect();
        let report = verify(&trust, &[forked.text(), mine].concat());
        tally.attack("another chain for others", &report, &[Name::Forked]);
        // Both of its signatures at hand.
        let report = verify(&trust, &[text.clone(), signed(100)].concat());
        tally.attack("two signed records of one place", &report, &[Name::Forked]);
    }
    tally.print();
}

#[test]
fn one_fact_is_recorded_once() {
    let world = World::of(1, 10);
    let mut records = world.records[0].clone();
    records[6].source = records[2].source.clone();
    let records = chained(&records, 7);
    let text: Vec<u8> = records.iter().flat_map(line).collect();
    let tip = Tip::of(&records[9]);
    let made = checkpoint(&signer(0), &region(0), tip, world::moment(900)).unwrap();
    let last = Line::Checkpoint(made).canonical().unwrap();
    let report = verify(&world.trust(), &[text, last].concat());
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["Duplicate region-0 7: tells of the same fact as record 3: same kind and source"]
    );
}
