//! What is behind commitments, for an auditor who was let into the region: `retain --open` and `erase --open`.
//!
//! In: the task's stores with their books. Out: a file with a line for each number that was told as `<5` or `-`, with its
//! salt. It is written here, and never into a report. Reads the books only.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::books;
use super::enforce::stoppable;
use super::error::Error;
use super::settings::Settings;
use super::store::{Purpose, Store};
use crate::agent::{Begun, Stop, error_chain};
use crate::contract::{Outcome, Report, Retain, Task};
use crate::evidence::Opening;

/// Opens what the runs of the task's policy told, as their books have it now.
pub async fn run(task: Task<Retain>, out: &Path, stop: Stop) -> Report<()> {
    let begun = Begun::now("retain");
    match stoppable(&stop, openings(&task)).await {
        Ok(openings) => written(begun, out, &openings),
        Err(error) => begun.ended(error.outcome(), error.reason(), &error_chain(&error), None),
    }
}

async fn openings(task: &Task<Retain>) -> Result<Vec<Opening>, Error> {
    let settings = Settings::parse(&task.spec)?;
    let mut all = Vec::new();
    for (name, rules) in &settings.stores {
        let mut store = Store::open(name, &rules.url, Purpose::Read).await?;
        for run in books::runs(&mut store, &task.spec.policy).await? {
            let blur = books::blur(&mut store, &run).await?;
            let exact = books::totals(&mut store, &run).await?.into_iter();
            all.extend(exact.flat_map(|(_, rule)| rule.blurred(&blur).1));
        }
    }
    Ok(all)
}

/// Writes them into a file that only its owner reads; says how many, and no more.
pub(super) fn written(begun: Begun, out: &Path, openings: &[Opening]) -> Report<()> {
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(out)?;
        for opening in openings {
            serde_json::to_writer(&mut file, opening)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    match write() {
        Ok(()) => {
            let said = format!("opened {} numbers", openings.len());
            begun.ended(Outcome::Done, "Opened", &said, None)
        }
        Err(error) => {
            let said = format!("--open: {error}: name a file that is not there yet");
            begun.ended(Outcome::Refused, "FileUnwritable", &said, None)
        }
    }
}
