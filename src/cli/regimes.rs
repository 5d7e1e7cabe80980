//! `tradewind regimes diff`: what another pack would change, and which deadlines of open cases it would move.

mod requests;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::{ends, wall};
use super::input::{self, Error};
use super::{Output, Printed};
use crate::clock::{Change, Deadline, Move, OpenCase, changes, moves};
use crate::packs::Regimes;

/// The packs, and the cases.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The regime pack in force: a file, or `builtin`.
    old: PathBuf,
    /// The regime pack that would take its place: a file, or `builtin`.
    new: PathBuf,
    /// Open cases, `-` for standard input: what `kubectl get datasubjectrequests -A -o json` prints, or YAML with
    /// `cases: [{name, regime, kind, received, zone, holidays, paused}]`.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// For a reader or for a program.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The cases, of either form.
enum Cases {
    None,
    Written(Vec<OpenCase>),
    Requests(Vec<crate::api::DataSubjectRequest>),
}

/// The differences as a text.
pub fn diff(args: &Arguments, now: Timestamp) -> Result<Printed, Error> {
    let (old, new) = (
        input::pack("OLD", &args.old)?,
        input::pack("NEW", &args.new)?,
    );
    let changes = changes(&old, &new);
    match cases(args, &[&old, &new])? {
        Cases::None => written(args, &changes, (&old, &new), &[]),
        Cases::Written(cases) => written(args, &changes, (&old, &new), &cases),
        Cases::Requests(all) => {
            let compared = requests::compare((&old, &new), &all, now);
            of_requests(args, &changes, &compared)
        }
    }
}

fn cases(args: &Arguments, packs: &[&Regimes]) -> Result<Cases, Error> {
    let Some(file) = &args.cases else {
        return Ok(Cases::None);
    };
    let text = input::read_or_stdin("--cases", file)?;
    match requests::read(&file.display().to_string(), &text)? {
        Some(all) => Ok(Cases::Requests(all)),
        None => input::cases(file, &text, packs).map(Cases::Written),
    }
}

/// What differs, and what it does to requests.
fn of_requests(
    args: &Arguments,
    changes: &[Change],
    compared: &requests::Compared,
) -> Result<Printed, Error> {
    let text = match args.output {
        Output::Text => text(changes, &[], &[], false) + &requests::text(compared),
        Output::Json => {
            let (moves, uncounted) = requests::as_json(compared);
            pretty(&json!({
                "changes": told(changes), "cases": compared.open, "moves": moves, "uncounted": uncounted,
            }))?
        }
    };
    let differs = !changes.is_empty() || !compared.moved.is_empty();
    Ok(Printed { text, differs })
}

fn written(
    args: &Arguments,
    changes: &[Change],
    (old, new): (&Regimes, &Regimes),
    cases: &[OpenCase],
) -> Result<Printed, Error> {
    let moves = moves(old, new, cases).map_err(|(name, source)| Error::Clock {
        case: format!("case '{name}'"),
        source,
    })?;
    let differs = !changes.is_empty() || !moves.is_empty();
    let text = match args.output {
        Output::Text => text(changes, &moves, cases, args.cases.is_some()),
        Output::Json => pretty(&json!({
            "changes": told(changes),
            "cases": cases.len(),
            "moves": moves.iter().map(|one| as_json(one, cases)).collect::<Vec<_>>(),
        }))?,
    };
    Ok(Printed { text, differs })
}

fn told(changes: &[Change]) -> Value {
    let change = |c: &Change| json!({"fact": c.fact, "old": c.old, "new": c.new});
    changes.iter().map(change).collect()
}

fn pretty(value: &Value) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(value).map_err(Error::Json)?;
    text.push('\n');
    Ok(text)
}

fn text(changes: &[Change], moves: &[Move], cases: &[OpenCase], asked: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, changes, moves, cases, asked);
    out
}

fn write(
    out: &mut String,
    changes: &[Change],
    moves: &[Move],
    cases: &[OpenCase],
    asked: bool,
) -> std::fmt::Result {
    if changes.is_empty() {
        writeln!(out, "no fact differs")?;
    }
    for change in changes {
        writeln!(out, "{}", change.fact)?;
        for (sign, side) in [('-', &change.old), ('+', &change.new)] {
            if let Some(side) = side {
                writeln!(out, "  {sign} {side}")?;
            }
        }
    }
    if !asked {
        return Ok(());
    }
    let touched: std::collections::BTreeSet<&str> =
        moves.iter().map(|one| one.case.as_str()).collect();
    writeln!(
        out,
        "\n{} of {} open cases would move",
        touched.len(),
        cases.len()
    )?;
    for one in moves {
        let Some(step) = one.new.as_ref().or(one.old.as_ref()).map(|d| d.step) else {
            continue;
        };
        writeln!(out, "{}: {step}", one.case)?;
        for (sign, side) in [('-', &one.old), ('+', &one.new)] {
            let line = side
                .as_ref()
                .map_or_else(|| "none".to_owned(), |side| shown(side, &one.case, cases));
            writeln!(out, "  {sign} {line}")?;
        }
    }
    Ok(())
}

fn shown(deadline: &Deadline, case: &str, cases: &[OpenCase]) -> String {
    let Some(open) = cases.iter().find(|open| open.name == case) else {
        return String::new();
    };
    let doubt = if deadline.confirmed {
        ""
    } else {
        ", UNCONFIRMED"
    };
    let ends = ends(&deadline.ends, &open.case.zone);
    format!("{ends} [{}{doubt}]", deadline.law)
}

fn as_json(one: &Move, cases: &[OpenCase]) -> serde_json::Value {
    let zone = cases
        .iter()
        .find(|open| open.name == one.case)
        .map(|open| &open.case.zone);
    let side = |side: &Option<Deadline>| {
        side.as_ref().map(|d| {
            let at = d.ends.at().zip(zone).map(|(at, zone)| wall(at, zone));
            json!({"endsAt": at, "within": d.within, "law": d.law, "confirmed": d.confirmed})
        })
    };
    let step = one.new.as_ref().or(one.old.as_ref()).map(|d| d.step);
    json!({"case": one.case, "step": step, "old": side(&one.old), "new": side(&one.new)})
}
