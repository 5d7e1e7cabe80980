//! How fast evidence is verified, against hashing the same bytes once, in one run on one machine: `make bench`.
//!
//! A chain of a million records with a checkpoint after every thousandth. It is made in parts whose making is not
//! measured; what is compared takes turns, part by part.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "a measurement prints its figures and ends at the first thing that is wrong"
)]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tradewind::evidence::{
    About, AsOf, Entry, Kind, Line, Object, Signer, Tip, Trust, Trusted, Value, Verifier,
    checkpoint,
};

const RECORDS: u64 = 1_000_000;
const PART: u64 = 10_000;
const EVERY: u64 = 1_000;

fn entry(sequence: u64, at: Timestamp) -> Entry {
    let number = |n: u64| Value::Integer(n as i64);
    let rule = Object::from([
        ("name".to_owned(), Value::Text("messages".to_owned())),
        ("due".to_owned(), number(sequence % 977)),
        ("erased".to_owned(), number(sequence % 977)),
        ("remaining".to_owned(), number(0)),
        ("rows".to_owned(), number(1_000_000 + sequence)),
    ]);
    let text = |text: &str| Value::Text(text.to_owned());
    Entry {
        kind: Kind::Run,
        at,
        about: About::cluster("DataPolicy", "customers"),
        source: format!("7f6f0d1e-0000-4000-8000-{sequence:012}"),
        body: Object::from([
            ("job".to_owned(), text("customers-retention-29412345")),
            ("mode".to_owned(), text("Enforce")),
            ("reason".to_owned(), text("Done")),
            ("finishedAt".to_owned(), Value::Text(at.to_string())),
            ("rules".to_owned(), Value::List(vec![Value::Object(rule)])),
        ]),
    }
}

fn main() {
    let began: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let signer = Signer::new(&[7; 32]);
    let trusted = Trusted {
        keys: vec![signer.key()],
        noted: None,
        keep: None,
        ended: None,
    };
    let trust = Trust {
        fleet: "aurora".to_owned(),
        regions: [("eu-west".to_owned(), trusted)].into(),
    };
    let mut verifier = Verifier::new(&trust);
    let mut tip = Tip::genesis("aurora", "eu-west");
    let (mut verifying, mut hashing) = (Duration::ZERO, Duration::ZERO);
    let (mut bytes, mut seen, mut at) = (0, 0_u64, began);
    for part in 0..RECORDS / PART {
        let mut text = Vec::new();
        for sequence in part * PART + 1..=(part + 1) * PART {
            at = began + SignedDuration::from_secs(sequence as i64);
            let record = entry(sequence, at).append("eu-west", &tip);
            tip = Tip::of(&record);
            text.extend(Line::Record(record).canonical().unwrap());
            if sequence % EVERY == 0 {
                let signed = checkpoint(&signer, "eu-west", tip, at).unwrap();
                text.extend(Line::Checkpoint(signed).canonical().unwrap());
            }
        }
        bytes += text.len();
        let start = Instant::now();
        std::hint::black_box(Sha256::digest(&text));
        hashing += start.elapsed();
        let start = Instant::now();
        verifier.text(&text, |_| seen += 1);
        verifying += start.elapsed();
    }
    let start = Instant::now();
    let report = verifier.finish(AsOf::Moment(at), SignedDuration::from_hours(1));
    verifying += start.elapsed();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!((seen, report.regions["eu-west"].signed), (RECORDS, RECORDS));
    println!(
        "verify {RECORDS} records ({:.0} MB, a checkpoint each {EVERY}): {:.1} s; hashing the same bytes once: {:.1} s; {:.1} times",
        bytes as f64 / 1e6,
        verifying.as_secs_f64(),
        hashing.as_secs_f64(),
        verifying.as_secs_f64() / hashing.as_secs_f64()
    );
}
