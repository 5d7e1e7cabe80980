//! What is behind commitments: numbers that a region told as `<5` or `-`, opened for an auditor who was let in there.

use std::collections::BTreeMap;
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

/// Openings by what they open, and what they opened so far.
#[derive(Debug, Default)]
pub(super) struct Openings {
    known: BTreeMap<Commitment, Opening>,
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
        if self.known.is_empty() {
            return;
        }
        for one in blurred(record) {
            for (number, told, commitment) in one.untold {
                let Some(value) = self.known.get(&commitment).map(|it| it.value) else {
                    continue;
                };
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

    /// Into what was found.
    pub(super) fn end(mut self, found: &mut Found) {
        let order = |one: &Opened| (one.region.clone(), one.sequence);
        self.opened.sort_by_key(order);
        found.opened = self.opened;
        found.report.faults.extend(self.faults);
    }
}
