//! `tradewind clock`: every deadline of one case, with its law and its counting.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::input::{self, Error};
use super::{Output, Printed};
use crate::clock::{Answer, Case, Deadline, Ends, Standing, answer, standing};
use crate::packs::{Clock, Kind, Regime, Step};

/// The case, and how to show it.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The regime's id, as in spec.regimes of a DataPolicy: eu-gdpr, us-ca-ccpa.
    #[arg(long)]
    regime: String,
    /// What arrived.
    #[arg(long, value_enum)]
    kind: Kind,
    /// When it was received (a breach: when somebody became aware), with its offset.
    #[arg(long)]
    received: String,
    /// The IANA time zone in which days are counted: where what must be done is done.
    #[arg(long)]
    zone: String,
    /// A file of holidays: a date a line, then its name; `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
    /// From the day on which the person was asked to the day of the answer; may be given more than once.
    #[arg(long, value_name = "FROM/TO")]
    paused: Vec<String>,
    /// A regime pack that takes the place of the one that this release ships.
    #[arg(long, value_name = "FILE", default_value = "builtin")]
    pack: PathBuf,
    /// How each deadline stood or will stand then; now when absent.
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// How long before its end a deadline is DueSoon, in days or hours.
    #[arg(long, value_name = "DURATION", default_value = "P7D")]
    soon: String,
    /// For a reader or for a program.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The deadlines as a text.
pub fn run(args: &Arguments, now: Timestamp) -> Result<Printed, Error> {
    let pack = input::pack("--pack", &args.pack)?;
    let regime = pack
        .regimes
        .get(&args.regime)
        .ok_or_else(|| input::wrong("--regime", input::no_regime(&args.regime, &[&pack])))?;
    let zone = input::zone("--zone", &args.zone)?;
    let pauses = args
        .paused
        .iter()
        .map(|text| input::pause("--paused", text, &zone));
    let case = Case {
        kind: args.kind,
        received: input::moment("--received", &args.received)?,
        pauses: pauses.collect::<Result<_, _>>()?,
        holidays: input::holidays(args.holidays.as_deref())?,
        zone,
    };
    let now = match &args.at {
        Some(text) => input::moment("--at", text)?,
        // Whole seconds: nobody reads more.
        None => Timestamp::from_second(now.as_second()).unwrap_or(now),
    };
    let soon = input::duration("--soon", &args.soon, "P7D or PT48H")?;
    let answer = answer(regime, pack.as_of, &case).map_err(|source| Error::Clock {
        case: args.regime.clone(),
        source,
    })?;
    let shown = Shown {
        id: &args.regime,
        regime,
        case: &case,
        answer: &answer,
        now,
        soon,
    };
    let text = match args.output {
        Output::Text => shown.text(),
        Output::Json => {
            let mut text = serde_json::to_string_pretty(&shown.json()).map_err(Error::Json)?;
            text.push('\n');
            text
        }
    };
    Ok(Printed {
        text,
        differs: false,
    })
}

struct Shown<'a> {
    id: &'a str,
    regime: &'a Regime,
    case: &'a Case,
    answer: &'a Answer,
    now: Timestamp,
    soon: SignedDuration,
}

impl Shown<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let zone = zone_name(&self.case.zone);
        writeln!(
            out,
            "{} ({}), {}",
            self.id, self.regime.name, self.case.kind
        )?;
        let event = if self.case.kind == Kind::Breach {
            "known since"
        } else {
            "received"
        };
        let received = wall(self.case.received, &self.case.zone);
        writeln!(out, "{event} {received} in {zone}")?;
        for note in &self.answer.notes {
            writeln!(out, "note: {note}")?;
        }
        for deadline in &self.answer.deadlines {
            writeln!(out)?;
            let standing = self
                .standing(deadline)
                .map(|s| format!("  {s:?}"))
                .unwrap_or_default();
            writeln!(
                out,
                "{}: {}{standing}",
                deadline.step,
                ends(&deadline.ends, &self.case.zone)
            )?;
            let confirmed = if deadline.confirmed {
                "confirmed"
            } else {
                "UNCONFIRMED"
            };
            writeln!(
                out,
                "  law       {}: {} ({confirmed}, {})",
                deadline.law, deadline.within, deadline.read
            )?;
            if let Some(note) = &deadline.note {
                writeln!(out, "  note      {note}")?;
            }
            for (index, line) in deadline.counting.iter().enumerate() {
                let head = if index == 0 { "counting" } else { "" };
                writeln!(out, "  {head:<9} {line}")?;
            }
        }
        writeln!(
            out,
            "\nNot legal advice: whoever relies on a date signs it off."
        )
    }

    fn standing(&self, deadline: &Deadline) -> Option<Standing> {
        deadline
            .ends
            .at()
            .map(|ends| standing(ends, self.now, self.soon))
    }

    fn json(&self) -> Json<'_> {
        Json {
            regime: self.id,
            kind: self.case.kind,
            received: wall(self.case.received, &self.case.zone),
            zone: zone_name(&self.case.zone),
            at: wall(self.now, &self.case.zone),
            notes: &self.answer.notes,
            deadlines: self
                .answer
                .deadlines
                .iter()
                .map(|deadline| self.one(deadline))
                .collect(),
        }
    }

    fn one<'b>(&self, deadline: &'b Deadline) -> JsonDeadline<'b> {
        let last_day = match deadline.ends {
            Ends::Day { last, .. } => Some(last.to_string()),
            Ends::Moment(_) | Ends::NoNumber(_) => None,
        };
        JsonDeadline {
            step: deadline.step,
            within: &deadline.within,
            number_in_law: deadline.ends.at().is_some(),
            last_day,
            ends_at: deadline.ends.at().map(|at| wall(at, &self.case.zone)),
            standing: self.standing(deadline),
            law: &deadline.law,
            confirmed: deadline.confirmed,
            read: deadline.read.to_string(),
            note: deadline.note.as_deref(),
            counting: &deadline.counting,
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    regime: &'a str,
    kind: Kind,
    received: String,
    zone: String,
    at: String,
    notes: &'a [String],
    deadlines: Vec<JsonDeadline<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonDeadline<'a> {
    step: Step,
    within: &'a Clock,
    number_in_law: bool,
    last_day: Option<String>,
    ends_at: Option<String>,
    standing: Option<Standing>,
    law: &'a str,
    confirmed: bool,
    read: String,
    note: Option<&'a str>,
    counting: &'a [String],
}

/// When a time ends, for a reader.
pub(super) fn ends(ends: &Ends, zone: &TimeZone) -> String {
    match ends {
        Ends::Day { last, at } => {
            let day = last.strftime("%A");
            format!("by the end of {day}, {last} (before {})", wall(*at, zone))
        }
        Ends::Moment(at) => format!("by {}", wall(*at, zone)),
        Ends::NoNumber(_) => "no number in law".to_owned(),
    }
}

/// A moment as the wall clock there shows it, with its offset.
pub(super) fn wall(moment: Timestamp, zone: &TimeZone) -> String {
    moment
        .display_with_offset(zone.to_offset(moment))
        .to_string()
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}
