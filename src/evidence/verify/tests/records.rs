//! Every record, order, truncation and fork.

use super::super::given::{Chain, Link};
use super::world::{World, chained, entry, line, region, signer};
use super::*;
use crate::evidence::{Record, checkpoint};

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

    fn add(&mut self, other: Self) {
        for (what, (tried, by_name)) in other.0 {
            let sum = self.0.entry(what).or_default();
            sum.0 += tried;
            for (name, count) in by_name {
                *sum.1.entry(name).or_default() += count;
            }
        }
    }

    fn print(&self) {
        for (what, (tried, by_name)) in &self.0 {
            world::print(&format!(
                "{what}: tried {tried}, found {tried}, named {by_name:?}"
            ));
        }
    }
}

/// A large export of two regions: a signature after each so many of its records.
const RECORDS: usize = 1000;
const SIGNED: usize = 200;

/// All lines of it, read once: an attack changes what came in of the first region. That a line is read as it is written is
/// shown bit by bit elsewhere.
struct Large<'a> {
    read: Verifier<'a>,
    records: Vec<Record>,
}

impl<'a> Large<'a> {
    fn read(world: &World, trust: &'a Trust) -> Self {
        let mut read = Verifier::new(trust);
        read.text(&world.text(), |_| {});
        Self {
            read,
            records: world.records[0].clone(),
        }
    }

    fn links(&self) -> Vec<Link> {
        self.read.chains["region-0"].links.clone()
    }

    /// What is told once the first region has these records, and what `change` makes of its signatures.
    fn told(&self, links: Vec<Link>, change: impl FnOnce(&mut Chain)) -> Report {
        let mut verifier = self.read.clone();
        let chain = verifier.chains.get_mut("region-0").unwrap();
        chain.links = links;
        change(chain);
        verifier.finish(AsOf::Moment(world::moment(100_000)), BOUND)
    }

    /// Its records from a changed one on, each tied to the one before.
    fn anew(&self, at: usize) -> Vec<Record> {
        let mut records = self.records.clone();
        records[at].body = entry(1, 1).body;
        chained(&records, at + 1)
    }
}

fn link(record: &Record) -> Link {
    Link::of(record, record.hash())
}

/// The first region is large; the second one has little, and countersigns.
fn large() -> World {
    let mut world = World::signed(2, RECORDS as u64, SIGNED as u64);
    let small = World::of(2, 10);
    let of = |line: &Line| match line {
        Line::Checkpoint(signed) => signed.region.clone(),
        Line::Countersignature(signed) => signed.region.clone(),
        Line::Record(record) => record.region.clone(),
    };
    world.records[1].clone_from(&small.records[1]);
    world.signatures.retain(|line| of(line) == region(0));
    let others = small.signatures.into_iter();
    world
        .signatures
        .extend(others.filter(|line| of(line) == region(1)));
    world
}

/// Does something at each place of the large export, on both processors.
fn at_each_place(
    attack: impl Fn(&Large<'_>, &mut Tally, usize) + Sync,
    places: impl Iterator<Item = usize>,
) {
    let world = large();
    let trust = world.trust();
    let large = Large::read(&world, &trust);
    assert_eq!(large.told(large.links(), |_| {}).faults, []);
    let places: Vec<usize> = places.collect();
    let tallies = std::thread::scope(|scope| {
        let half = |odd: usize| {
            let (large, attack, places) = (&large, &attack, &places);
            scope.spawn(move || {
                let mut tally = Tally(BTreeMap::new());
                for at in places.iter().skip(odd).step_by(2) {
                    attack(large, &mut tally, *at);
                }
                tally
            })
        };
        [half(0), half(1)].map(|half| half.join().unwrap())
    });
    let mut all = Tally(BTreeMap::new());
    for tally in tallies {
        all.add(tally);
    }
    all.print();
}

#[test]
fn every_record_of_a_large_export_counts() {
    let attack = |large: &Large<'_>, tally: &mut Tally, at: usize| {
        let record = &large.records[at];
        let mut less = large.links();
        less.remove(at);
        let missing: &[Name] = if at + 1 == RECORDS {
            &[Name::TruncatedTail]
        } else {
            &[Name::Missing]
        };
        let told = large.told(less, |_| {});
        tally.attack("a record taken out", &told, missing);

        let mut twice = large.links();
        twice.insert(at + 1, link(record));
        let told = large.told(twice, |_| {});
        tally.attack("a record put in twice", &told, &[Name::Duplicate]);

        if at + 1 < RECORDS {
            let mut swapped = large.links();
            swapped.swap(at, at + 1);
            let told = large.told(swapped, |_| {});
            tally.attack("two neighbours exchanged", &told, &[Name::Reordered]);
        }

        let mut changed = record.clone();
        changed.body = entry(record.sequence, 1).body;
        let mut rewritten = large.links();
        rewritten[at] = link(&changed);
        let told = large.told(rewritten, |_| {});
        tally.attack("a number changed", &told, &[Name::Rewritten]);

        let mut forked = large.links();
        forked.insert(at + 1, link(&changed));
        let told = large.told(forked, |_| {});
        tally.attack("another record beside one", &told, &[Name::Forked]);

        let mut other = record.clone();
        other.previous = Hash([7; 32]);
        let mut unlinked = large.links();
        unlinked[at] = link(&other);
        let told = large.told(unlinked, |_| {});
        tally.attack(
            "another record named as the one before",
            &told,
            &[Name::BrokenLink, Name::Rewritten],
        );
    };
    at_each_place(attack, 0..RECORDS);
    // Whoever can write but not sign makes the rest of the chain anew.
    let attack = |large: &Large<'_>, tally: &mut Tally, at: usize| {
        let anew = large.anew(at).iter().map(link).collect();
        let told = large.told(anew, |_| {});
        tally.attack(
            "a chain made anew from a record on",
            &told,
            &[Name::Rewritten],
        );
    };
    at_each_place(attack, (0..RECORDS).rev().step_by(9));
}

#[test]
fn every_truncation_is_found() {
    let attack = |large: &Large<'_>, tally: &mut Tally, last: usize| {
        let cut = || large.links()[..last].to_vec();
        let told = large.told(cut(), |_| {});
        tally.attack("an end cut off", &told, &[Name::TruncatedTail]);
        // With its own signatures of what is cut off taken away as well: those of the other region still tell.
        let told = large.told(cut(), |chain| {
            chain
                .checkpoints
                .retain(|signed| signed.tip.sequence <= last as u64);
        });
        tally.attack(
            "an end cut off with its checkpoints",
            &told,
            &[Name::TruncatedTail],
        );
        assert!(told.faults.iter().any(|f| f.says.contains("region-1")));
        // With those of the other region as well: what was noted earlier tells. Where nothing was, the silence does.
        let mut noted = large.read.trust.clone();
        let tip = Tip::of(&large.records[RECORDS - 1]);
        noted.regions.get_mut("region-0").unwrap().noted = Some(tip);
        let mut alone = Large {
            read: large.read.clone(),
            records: Vec::new(),
        };
        alone.read.trust = &noted;
        let told = alone.told(cut(), |chain| {
            chain
                .checkpoints
                .retain(|signed| signed.tip.sequence <= last as u64);
            chain.countersignatures.clear();
        });
        tally.attack(
            "an end cut off with all signatures of it",
            &told,
            &[Name::TruncatedTail],
        );
    };
    at_each_place(attack, 1..RECORDS);
}

#[test]
fn every_order_is_found_but_the_right_one() {
    let world = World::of(1, 5);
    let (trust, signed) = (world.trust(), world.tip(0, 5));
    let made = checkpoint(&signer(0), &region(0), signed, world::moment(90_000)).unwrap();
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
    world::print(&format!(
        "orders of 5 records: tried 120, found {reordered}"
    ));
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
    world::print(&format!(
        "pairs of 100 records exchanged: tried {tried}, found {tried}"
    ));
}

#[test]
fn a_region_that_shows_two_chains_is_found() {
    let attack = |large: &Large<'_>, tally: &mut Tally, at: usize| {
        // Its own key signs another chain from some record on, with as many records.
        let other = large.anew(at);
        let signed = |sequence: usize| {
            let tip = Tip::of(&other[sequence - 1]);
            checkpoint(&signer(0), &region(0), tip, world::moment(95_000)).unwrap()
        };
        let links = other.iter().map(link).collect();
        let told = large.told(links, |chain| {
            let places = (1..=RECORDS / SIGNED).map(|n| n * SIGNED);
            chain.checkpoints = places.map(signed).collect();
        });
        tally.attack("another chain for others", &told, &[Name::Forked]);
        // Both of its signatures at hand.
        let told = large.told(large.links(), |chain| {
            chain.checkpoints.push(signed(RECORDS));
        });
        tally.attack("two signed records of one place", &told, &[Name::Forked]);
    };
    at_each_place(attack, (0..RECORDS).step_by(9));
}

#[test]
fn one_fact_is_recorded_once() {
    let world = World::of(1, 10);
    let mut records = world.records[0].clone();
    records[6].source = records[2].source.clone();
    let records = chained(&records, 7);
    let text: Vec<u8> = records.iter().flat_map(line).collect();
    let tip = Tip::of(&records[9]);
    let made = checkpoint(&signer(0), &region(0), tip, world::moment(90_000)).unwrap();
    let last = Line::Checkpoint(made).canonical().unwrap();
    let report = verify(&world.trust(), &[text, last].concat());
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["Duplicate region-0 7: tells of the same fact as record 3: same kind and source"]
    );
}
