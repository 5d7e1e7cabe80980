//! What is behind commitments: numbers that a region told as `<5` or `-`, opened for an auditor who was let in there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::verify::Found;
use crate::cli::input::{self, Error};
use crate::contract::Count;
use crate::evidence::{Commitment, Fault, Name, Opening, Record, blurred};

/// A number of a record that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    region: String,
    sequence: u64,
    /// `rule messages`.
    of: String,
    /// `held`.
    number: &'static str,
    /// How the record tells it.
    told: Count,
    /// What it is.
    value: i64,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            region,
            sequence,
            of,
            number,
            told,
            value,
        } = self;
        write!(f, "{region} {sequence}, {of}: {number} {told} is {value}")
    }
}

/// How many numbers a file opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    /// Numbers that the evidence commits to.
    of: u64,
    /// Of these, how many were opened.
    opened: u64,
    /// And how many stay closed.
    closed: u64,
    /// Lines of the file that open none of them.
    unused: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            of,
            opened,
            closed,
            unused,
        } = self;
        write!(f, "opened {opened} of {of}; {closed} stay closed")?;
        match unused {
            0 => Ok(()),
            _ => write!(f, "; lines that belong to no record here: {unused}"),
        }
    }
}

/// Openings by what they open, and what they opened so far.
#[derive(Debug, Default)]
pub(super) struct Openings {
    known: BTreeMap<Commitment, Opening>,
    used: BTreeSet<Commitment>,
    of: u64,
    opened: Vec<Opened>,
    faults: Vec<Fault>,
}

impl Openings {
    /// From a file with one a line.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let text = input::read("--opening", file)?;
        let mut openings = Self::default();
        for (place, line) in (1_u64..).zip(text.lines()) {
            let read = serde_json::from_str::<Opening>(line);
            let opening = read.map_err(|error| {
                let problem = format!(
                    "line {place} is no opening ({error}): give the file as the agent wrote it"
                );
                input::wrong("--opening", problem)
            })?;
            if opening.fits() {
                openings.known.insert(opening.commitment, opening);
            } else {
                let says = format!(
                    "line {place} of the openings: {} is no commitment to {} with that salt",
                    opening.commitment, opening.value
                );
                openings.fault("", None, says);
            }
        }
        Ok(openings)
    }

    fn fault(&mut self, region: &str, sequence: Option<u64>, says: String) {
        self.faults.push(Fault {
            name: Name::OpeningWrong,
            region: region.to_owned(),
            sequence,
            says,
        });
    }

    /// Opens what a record does not tell.
    pub(super) fn note(&mut self, record: &Record) {
        for one in blurred(record) {
            for (number, told, commitment) in one.untold {
                self.of += 1;
                let Some(value) = self.known.get(&commitment).map(|it| it.value) else {
                    continue;
                };
                self.used.insert(commitment);
                if !told.can_be(value) {
                    let says = format!("{}: {number} is told as {told}, and is {value}", one.of);
                    self.fault(&record.region, Some(record.sequence), says);
                }
                self.opened.push(Opened {
                    region: record.region.clone(),
                    sequence: record.sequence,
                    of: one.of.clone(),
                    number,
                    told,
                    value,
                });
            }
        }
    }

    /// Into what was found. A file that opens nothing is another one than was meant.
    pub(super) fn end(mut self, found: &mut Found) {
        let opened = self.opened.len() as u64;
        let tally = Tally {
            of: self.of,
            opened,
            closed: self.of - opened,
            unused: (self.known.len() - self.used.len()) as u64,
        };
        if opened == 0 && self.faults.is_empty() && tally != Tally::default() {
            let says = format!(
                "{tally}: give a file that the agent wrote in the region of these records, of a policy or request of theirs"
            );
            self.fault("", None, says);
        }
        found.openings = Some(tally);
        let order = |one: &Opened| (one.region.clone(), one.sequence);
        self.opened.sort_by_key(order);
        found.opened = self.opened;
        found.report.faults.extend(self.faults);
    }
}
