//! What records say, as the tables that an auditor asks for. The same for every format, and made of records alone.

mod anonymised;
mod cases;
mod changed;
mod concept;
mod findings;
mod holds;
mod in_force;
mod kept;
mod log;
mod opt_outs;
mod own;
mod reapplied;
mod registers;
mod requests;
mod runs;
mod standing;
mod sums;
pub(super) mod superseded;
mod transfers;

pub(super) use cases::{Case, Step};
pub(super) use findings::{Spell, spells};
pub(super) use log::facts;
pub(super) use requests::{Last, is_copy, last};
pub(super) use standing::{covered, told_last};
pub(super) use sums::standing_of;

use super::period::Period;
use crate::contract::Count;
use crate::evidence::Record;
use in_force::InForce;

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// A word for programs and file names.
    pub(super) id: &'static str,
    /// A title for readers.
    pub(super) title: &'static str,
    /// What it is, and what it leaves out.
    pub(super) note: &'static str,
    /// The columns; the first ones name the row.
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// A word for programs.
    pub(super) key: &'static str,
    /// A heading for readers.
    pub(super) title: &'static str,
    /// Whether it holds numbers of rows.
    pub(super) number: bool,
}

pub(super) const fn text(key: &'static str, title: &'static str) -> Column {
    Column {
        key,
        title,
        number: false,
    }
}

const fn number(key: &'static str, title: &'static str) -> Column {
    Column {
        key,
        title,
        number: true,
    }
}

/// A run's numbers within the period, for the charts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) policy: String,
    pub(super) region: String,
    pub(super) day: jiff::civil::Date,
    pub(super) due: Count,
    pub(super) erased: Count,
}

/// A request in a region, for the chart of those that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) region: String,
    pub(super) received: jiff::Timestamp,
    /// When the person had their answer.
    pub(super) ended: Option<jiff::Timestamp>,
    /// Each deadline's end, and when it was met.
    pub(super) clocks: Vec<(jiff::Timestamp, Option<jiff::Timestamp>)>,
}

/// All that a report holds.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) tables: Vec<Table>,
    pub(super) ran: Vec<Ran>,
    pub(super) asked: Vec<Asked>,
    pub(super) cases: Vec<Case>,
}

/// Reads records into tables; of cases at most so many of a kind in a region.
pub(super) fn tables(records: &[Record], period: &Period, most: usize) -> Tables {
    let policies = in_force::policies(records, period);
    let within: Vec<&Record> = records.iter().filter(|r| period.has(r.at)).collect();
    let (runs, ran) = runs::runs(&within);
    let transfers = transfers::at_end(records, period);
    let requests = requests::last(records, period);
    let cases = cases::cases(records, period, most);
    let mut tables = vec![
        concept::register(&policies, &transfers),
        registers::lgpd(&policies, &transfers),
        registers::ccpa(&policies),
        concept::deletion(&policies),
        own::table(records, period),
        anonymised::register(&policies, records, period),
        runs,
    ];
    tables.extend(requests::requests(&requests, records, period));
    tables.extend(log::logs(records, period));
    tables.push(transfers::transfers(records, period));
    tables.push(findings::findings(records, period));
    tables.push(cases::table(&cases));
    Tables {
        tables,
        ran,
        asked: requests::asked(&requests),
        cases,
    }
}
