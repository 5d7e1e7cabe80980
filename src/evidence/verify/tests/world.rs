//! A fleet that records, signs and countersigns.

use jiff::{SignedDuration, Timestamp};
use std::io::Write as _;

use super::super::super::{
    About, Entry, Kind, Line, Object, Record, Signer, Tip, Trust, Trusted, Value, Witness,
    checkpoint, countersign,
};

/// A checkpoint comes after so many records.
pub(super) const EVERY: u64 = 10;

/// Seconds after the fleet began.
pub(in super::super) fn moment(seconds: i64) -> Timestamp {
    let began: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    began + SignedDuration::from_secs(seconds)
}

pub(super) struct World {
    /// By region.
    pub(super) records: Vec<Vec<Record>>,
    /// The rest, in order.
    pub(super) signatures: Vec<Line>,
}

pub(super) fn region(index: usize) -> String {
    format!("region-{index}")
}

pub(super) fn signer(index: usize) -> Signer {
    Signer::new(&[u8::try_from(index).unwrap() + 1; 32])
}

pub(super) fn entry(sequence: u64, due: i64) -> Entry {
    Entry {
        kind: Kind::Run,
        at: moment(i64::try_from(sequence).unwrap() * 60),
        about: About::cluster("DataPolicy", "customers"),
        source: format!("job-{sequence}"),
        body: Object::from([
            ("due".to_owned(), Value::Integer(due)),
            ("reason".to_owned(), Value::Text("Done".to_owned())),
        ]),
    }
}

impl World {
    pub(super) fn of(regions: usize, records: u64) -> Self {
        Self::signed(regions, records, EVERY)
    }

    /// With a checkpoint after each `every` records.
    pub(super) fn signed(regions: usize, records: u64, every: u64) -> Self {
        let mut world = Self {
            records: vec![Vec::new(); regions],
            signatures: Vec::new(),
        };
        for index in 0..regions {
            let mut tip = Tip::genesis("aurora", &region(index));
            let mut witnessed = None;
            for sequence in 1..=records {
                let due = i64::try_from(sequence).unwrap() * 3;
                let record = entry(sequence, due).append(&region(index), &tip);
                tip = Tip::of(&record);
                world.records[index].push(record);
                if sequence % every == 0 {
                    world.sign(index, tip);
                    for by in (0..regions).filter(|by| *by != index) {
                        world.witness(by, index, (witnessed, tip));
                    }
                    witnessed = Some(tip);
                }
            }
        }
        world
    }

    fn sign(&mut self, index: usize, tip: Tip) {
        let at = moment(90_000);
        let made = checkpoint(&signer(index), &region(index), tip, at).unwrap();
        self.signatures.push(Line::Checkpoint(made));
    }

    fn witness(&mut self, by: usize, index: usize, (previous, tip): (Option<Tip>, Tip)) {
        let witness = Witness {
            by: &region(by),
            region: &region(index),
            previous,
        };
        let made = countersign(&signer(by), witness, tip, moment(90_000)).unwrap();
        self.signatures.push(Line::Countersignature(made));
    }

    pub(super) fn trust(&self) -> Trust {
        let trusted = |index| Trusted {
            keys: vec![signer(index).key()],
            noted: None,
            keep: None,
            ended: None,
        };
        Trust {
            fleet: "aurora".to_owned(),
            regions: (0..self.records.len())
                .map(|index| (region(index), trusted(index)))
                .collect(),
        }
    }

    pub(super) fn tip(&self, index: usize, sequence: u64) -> Tip {
        let at = usize::try_from(sequence).unwrap() - 1;
        Tip::of(&self.records[index][at])
    }

    /// The lines, each with its line feed: records, then signatures.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let records = self.records.iter().flatten().cloned().map(Line::Record);
        let all = records.chain(self.signatures.iter().cloned());
        all.map(|line| line.canonical().unwrap()).collect()
    }

    pub(super) fn text(&self) -> Vec<u8> {
        self.lines().concat()
    }
}

/// Lines of a record.
pub(super) fn line(record: &Record) -> Vec<u8> {
    Line::Record(record.clone()).canonical().unwrap()
}

/// Records that follow one another again, from `at` on.
pub(super) fn chained(records: &[Record], at: usize) -> Vec<Record> {
    let mut records = records.to_vec();
    for index in at.max(1)..records.len() {
        records[index].previous = records[index - 1].hash();
    }
    records
}

/// When what went was sealed, and when it went: a day and some minutes later.
pub(super) const SEALED: i64 = 1300;
pub(super) const WENT: i64 = 88_000;

/// Region 0's chain goes on with the seals of what went, and then with the record that says that it did. Answers its end.
#[allow(
    clippy::needless_pass_by_value,
    reason = "fixtures read best with literals"
)]
pub(super) fn seals(records: &mut Vec<Record>, sealed: &[Object], expired: Object) -> Tip {
    for (n, body) in sealed.iter().enumerate() {
        tell(records, Kind::Seal, (SEALED, &format!("seal-{n}")), body);
    }
    tell(records, Kind::Seal, (WENT, "expired"), &expired)
}

/// Region 0's chain goes on with this. Answers its end.
pub(super) fn tell(
    records: &mut Vec<Record>,
    kind: Kind,
    (seconds, source): (i64, &str),
    body: &Object,
) -> Tip {
    let told = Entry {
        kind,
        at: moment(seconds),
        about: About::cluster("Region", &region(0)),
        source: source.to_owned(),
        body: body.clone(),
    };
    let last = Tip::of(records.last().unwrap());
    records.push(told.append(&region(0), &last));
    Tip::of(records.last().unwrap())
}

/// The region signs its chain up to there.
pub(super) fn signed(tip: Tip, seconds: i64) -> Line {
    Line::Checkpoint(checkpoint(&signer(0), &region(0), tip, moment(seconds)).unwrap())
}

/// Past what runs the tests: it keeps to itself what those that pass print.
pub(super) fn print(tried: &str) {
    writeln!(std::io::stderr(), "{tried}").unwrap();
}
