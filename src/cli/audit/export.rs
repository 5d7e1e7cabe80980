//! `tradewind audit export`: the tables that an auditor asks for, of a period, from records alone. The same evidence
//! makes the same bytes: nothing here knows the time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::period::Period;
use super::tables::{Table, Tables, tables};
use super::verify::{Found, look};
use super::{Audited, extent, html, oscal, source};
use crate::cli::input::{self, Error};
use crate::evidence::{AsOf, Line, Record, unexpired};

/// What of which evidence, and how.
#[derive(Args, Debug)]
pub struct Export {
    /// A file of evidence, or a folder with such files (*.jsonl).
    #[arg(long, value_name = "DIR|FILE")]
    from: PathBuf,
    /// A year, quarter, month, or a first and last day, in UTC: 2026, 2026-Q4, 2026-10, 2026-10-05/2026-10-18. Needed
    /// but for lines: a chain is not cut into periods.
    #[arg(long)]
    period: Option<String>,
    /// How it looks.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write, for csv a folder; standard output when absent.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Of runs, requests and holds at most so many samples each in each region; which, the evidence itself says.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    cases: u16,
    /// Verifies the evidence and puts the result into the report: a file with the fleet's id and each region's key.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// With --trust: the moment that it is verified for, as of `audit verify`. Absent: that of the last record, so that the
    /// same evidence makes the same report whenever it is made.
    #[arg(long, value_name = "MOMENT", requires = "trust")]
    at: Option<String>,
    /// With --trust: how long a record may wait for a signature, in days or hours.
    #[arg(
        long,
        value_name = "DURATION",
        requires = "trust",
        default_value = "P2D"
    )]
    unsigned: String,
}

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One page to read, print or listen to.
    Html,
    /// One document for a program.
    Json,
    /// A file for each table.
    Csv,
    /// OSCAL assessment results, for programs that take in evidence of controls.
    Oscal,
    /// The evidence itself: what `audit verify` reads.
    Lines,
}

/// A report, ready to be shown.
pub(super) struct Book {
    pub(super) period: Period,
    pub(super) tables: Tables,
    pub(super) found: Option<Found>,
    pub(super) records: usize,
    /// Every record, of whatever time.
    pub(super) all: Vec<Record>,
    /// Each region of whose period a part is not in the evidence, and what is said of that.
    pub(super) open: Vec<String>,
}

/// Writes the export, or makes it a text.
pub fn export(args: &Export) -> Result<Audited, Error> {
    if args.format == Format::Lines {
        return raw(args);
    }
    let book = book(args)?;
    let clean = book.found.as_ref().is_none_or(|f| f.faults().is_empty());
    let mut text = match (args.format, &args.out) {
        (Format::Csv, Some(folder)) => {
            for table in &book.tables.tables {
                write(&folder.join(format!("{}.csv", table.id)), csv(table))?;
            }
            String::new()
        }
        (Format::Csv, None) => {
            let one = |table: &Table| format!("# {}\r\n{}", table.id, csv(table));
            let all: Vec<String> = book.tables.tables.iter().map(one).collect();
            all.join("\r\n")
        }
        (Format::Json, _) => json_text(&book)?,
        (Format::Oscal, _) => oscal::text(&book)?,
        (Format::Html | Format::Lines, _) => html::page(&book),
    };
    if let (Format::Json | Format::Html | Format::Oscal, Some(file)) = (args.format, &args.out) {
        write(file, &text)?;
        text = String::new();
    }
    Ok(Audited { text, clean })
}

/// All lines as they are: records by region and place, then signatures, then what is neither.
fn raw(args: &Export) -> Result<Audited, Error> {
    let evidence = source::evidence(&args.from)?;
    // Put behind it, the next one would no longer be a line of its own.
    let is_cut = |text: &&Vec<u8>| text.last().is_some_and(|last| *last != b'\n');
    if evidence.iter().any(|text| is_cut(&text)) {
        let problem = "a file does not end with a line feed: it was cut off; fetch it again";
        return Err(input::wrong("--from", problem.to_owned()));
    }
    let mut clean = true;
    if let Some(file) = &args.trust {
        let trust = source::trust(file)?;
        let when = when(args, Timestamp::default())?;
        clean = look(&evidence, &trust, |_| {}, when).faults().is_empty();
    }
    let lines = evidence
        .iter()
        .flat_map(|text| text.split_inclusive(|byte| *byte == b'\n'));
    let mut lines: Vec<&[u8]> = lines.collect();
    lines.sort_by_cached_key(|line| {
        let inner = line.strip_suffix(b"\n").unwrap_or(line);
        match Line::parse(inner) {
            Ok(Line::Record(record)) => (0, record.region, record.sequence),
            Ok(_) => (1, String::new(), 0),
            Err(_) => (2, String::new(), 0),
        }
    });
    let bytes = lines.concat();
    let text = match &args.out {
        Some(file) => {
            write(file, &bytes)?;
            String::new()
        }
        None => String::from_utf8(bytes).map_err(|_| {
            let problem = "it has bytes that are no UTF-8, which a terminal would change; write them as they are with --out";
            input::wrong("--from", problem.to_owned())
        })?,
    };
    Ok(Audited { text, clean })
}

fn book(args: &Export) -> Result<Book, Error> {
    let period = args.period.as_deref().ok_or_else(|| {
        let problem = "is needed for a report: a year, quarter or month, as 2026-Q4";
        input::wrong("--period", problem.to_owned())
    })?;
    let period = Period::parse(period)?;
    let evidence = source::evidence(&args.from)?;
    let mut records: Vec<Record> = Vec::new();
    let mut found = None;
    let mut ended = BTreeMap::new();
    if let Some(file) = &args.trust {
        let trust = source::trust(file)?;
        let when = when(args, period.to)?;
        let regions = trust.regions.iter();
        ended.extend(regions.filter_map(|(region, one)| Some((region.clone(), one.ended?))));
        found = Some(look(&evidence, &trust, |record| records.push(record), when));
    } else {
        for text in &evidence {
            let lines = text.split(|byte| *byte == b'\n');
            records.extend(lines.filter_map(|line| match Line::parse(line) {
                Ok(Line::Record(record)) => Some(record),
                _ => None,
            }));
        }
    }
    if records.is_empty() && found.is_none() {
        let problem = format!(
            "'{}' has no record of evidence: name what was exported, such as by `kubectl get evidencerecords -o json`",
            args.from.display()
        );
        return Err(input::wrong("--from", problem));
    }
    records.sort_by(|a, b| (&a.region, a.sequence).cmp(&(&b.region, b.sequence)));
    let records = unexpired(records);
    let ends = found
        .as_ref()
        .map_or_else(|| extent::ends(&evidence), Found::ends);
    let mut tables = tables(&records, &period, usize::from(args.cases));
    let asked = extent::Asked::of(&period, ended);
    tables.tables.push(extent::table(&records, &ends, &asked));
    Ok(Book {
        tables,
        open: extent::open(&ends, &asked),
        period,
        found,
        records: records.len(),
        all: records,
    })
}

/// As of the last thing recorded, unless somebody names the moment: the same evidence, the same answer. What no signature reaches
/// within the bound is a fault in both.
fn when(
    args: &Export,
    empty: Timestamp,
) -> Result<impl FnOnce(Option<Timestamp>) -> (AsOf, SignedDuration), Error> {
    let at = args.at.as_deref().map(|at| input::moment("--at", at));
    let at = at.transpose()?;
    let bound = input::duration("--unsigned", &args.unsigned, "P2D or PT48H")?;
    Ok(move |latest: Option<Timestamp>| match at {
        Some(at) => (AsOf::Moment(at), bound),
        None => (AsOf::Latest(latest.unwrap_or(empty)), bound),
    })
}

fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<(), Error> {
    let failed = |source| Error::Write {
        file: file.to_owned(),
        source,
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(file, text).map_err(failed)
}

/// RFC 4180.
fn csv(table: &Table) -> String {
    let keys = table.columns.iter().map(|column| column.key.to_owned());
    let mut text = String::new();
    for row in std::iter::once(keys.collect()).chain(table.rows.iter().cloned()) {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell of CSV. A spreadsheet would run what begins like a formula, so that stands behind a mark.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell
}

fn json_text(book: &Book) -> Result<String, Error> {
    let mut tables = Map::new();
    for table in &book.tables.tables {
        let rows: Vec<Json> = table.rows.iter().map(|row| json_row(table, row)).collect();
        tables.insert(table.id.to_owned(), Json::Array(rows));
    }
    let value = json!({
        "period": {"name": book.period.name, "from": book.period.from, "to": book.period.to},
        "records": book.records,
        "notKnown": book.open,
        "verification": book.found,
        "tables": tables,
    });
    let mut text = serde_json::to_string_pretty(&value).map_err(Error::Json)?;
    text.push('\n');
    Ok(text)
}

fn json_row(table: &Table, row: &[String]) -> Json {
    let mut object = Map::new();
    for (column, cell) in table.columns.iter().zip(row) {
        let number = column.number.then(|| cell.parse::<i64>().ok()).flatten();
        let cell = number.map_or_else(|| Json::from(cell.as_str()), Json::from);
        object.insert(column.key.to_owned(), cell);
    }
    Json::Object(object)
}
