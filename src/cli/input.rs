//! Arguments and files, read once. Each error names the field, what is wrong, and what would be right.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;

use crate::clock::{self, Calendar, Case, OpenCase, Pause};
use crate::packs::{self, BUILTIN_REGIMES, Kind, Packs, Regimes};

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{field}: reading '{}'", file.display())]
    File {
        /// The argument.
        field: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An argument, or a line of a file, says nothing that can be used.
    #[error("{field}: {problem}")]
    Value {
        /// The argument or field.
        field: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A regime pack is not sound.
    #[error("{field}: the regime pack '{name}'")]
    Pack {
        /// The argument.
        field: &'static str,
        /// The file, or `builtin`.
        name: String,
        /// Where and why.
        #[source]
        source: packs::Error,
    },
    /// A file of cases has not the right form.
    #[error("--cases '{}', {field}: write cases as a list of name, regime, kind, received and zone each, or give what kubectl get datasubjectrequests -A -o json prints", file.display())]
    Cases {
        /// The file.
        file: PathBuf,
        /// Where in it: `cases[1].kind`.
        field: String,
        /// Where and why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A trust file has not the right form.
    #[error("--trust '{}': write fleet, and regions with their keys", file.display())]
    Trust {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A kubeconfig holds what is refused.
    #[error("--live '{}'", file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// What.
        #[source]
        source: crate::clusters::kubeconfig::Refused,
    },
    /// The hub does not answer, or not that.
    #[error("--live: listing the hub's evidencerecords")]
    Hub(#[source] Box<kube::Error>),
    /// A file or folder cannot be written.
    #[error("--out: writing '{}'", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There are no deadlines for a case.
    #[error("{case}")]
    Clock {
        /// The regime or the case.
        case: String,
        /// Why.
        #[source]
        source: clock::Error,
    },
    /// The text could not be made.
    #[error("writing JSON")]
    Json(#[source] serde_json::Error),
}

pub(super) fn wrong(field: impl Into<String>, problem: String) -> Error {
    Error::Value {
        field: field.into(),
        problem,
    }
}

pub(super) fn read(field: &'static str, file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::File {
        field,
        file: file.to_owned(),
        source,
    })
}

/// A file, or for `-` standard input.
pub(super) fn read_or_stdin(field: &'static str, file: &Path) -> Result<String, Error> {
    if file.as_os_str() != "-" {
        return read(field, file);
    }
    std::io::read_to_string(std::io::stdin()).map_err(|source| Error::File {
        field,
        file: file.to_owned(),
        source,
    })
}

/// A regime pack from a file, or the one that this release ships.
pub(super) fn pack(field: &'static str, file: &Path) -> Result<Regimes, Error> {
    let builtin = file.as_os_str() == "builtin";
    let text = if builtin {
        BUILTIN_REGIMES.to_owned()
    } else {
        read(field, file)?
    };
    Packs::load_regimes(&text).map_err(|source| Error::Pack {
        field,
        name: file.display().to_string(),
        source,
    })
}

pub(super) fn holidays(file: Option<&Path>) -> Result<Calendar, Error> {
    let Some(file) = file else {
        return Ok(Calendar::default());
    };
    let text = read("--holidays", file)?;
    Calendar::parse(&text)
        .map_err(|problem| wrong(format!("--holidays '{}'", file.display()), problem))
}

/// A moment with its offset; without one nobody knows when it was.
pub(super) fn moment(field: &str, text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| {
        let problem = format!(
            "'{text}' is no moment; write date, time and offset, as 2026-03-31T23:30:00+02:00 or 2026-03-31T21:30:00Z"
        );
        wrong(field, problem)
    })
}

/// Days or hours, none of them negative.
pub(super) fn duration(field: &str, text: &str, such: &str) -> Result<SignedDuration, Error> {
    let span: Option<Span> = text.parse().ok();
    let days = SpanRelativeTo::days_are_24_hours();
    let duration = span.and_then(|span| span.to_duration(days).ok());
    duration.filter(|d| !d.is_negative()).ok_or_else(|| {
        let problem = format!("'{text}' is no time; write days or hours, as {such}");
        wrong(field, problem)
    })
}

pub(super) fn zone(field: &str, name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        wrong(
            field,
            format!("no time zone '{name}'; write one of the IANA names, as Europe/Berlin"),
        )
    })
}

/// `FROM/TO`, each a day or a moment.
pub(super) fn pause(field: &str, text: &str, zone: &TimeZone) -> Result<Pause, Error> {
    let problem = |part: &str| {
        wrong(
            field,
            format!(
                "'{part}' of '{text}' is no day; write FROM/TO, as 2026-04-10/2026-04-20 (a pause that lasts ends today)"
            ),
        )
    };
    let (from, to) = text.split_once('/').ok_or_else(|| problem(text))?;
    let day = |part: &str| -> Result<Date, Error> {
        if part.contains(['T', 't', ' ']) {
            return Ok(zone.to_datetime(moment(field, part)?).date());
        }
        part.parse().map_err(|_| problem(part))
    };
    Ok(Pause {
        from: day(from)?,
        to: day(to)?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    cases: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    regime: String,
    kind: Kind,
    received: String,
    zone: String,
    #[serde(default)]
    holidays: Vec<Date>,
    #[serde(default)]
    paused: Vec<String>,
}

/// Open cases from a file's text; each names a regime that one of the packs knows.
pub(super) fn cases(file: &Path, text: &str, packs: &[&Regimes]) -> Result<Vec<OpenCase>, Error> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut field = String::new();
    let written: Cases =
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                field = error.path().to_string();
                error.into_inner()
            })
        })
        .map_err(|source| Error::Cases {
            file: file.to_owned(),
            // The root is a dot, and an end that came too early has no path at all.
            field: if field.len() < 2 {
                "cases".to_owned()
            } else {
                field
            },
            source: Box::new(source),
        })?;
    let mut open: Vec<OpenCase> = Vec::new();
    for one in written.cases {
        let field =
            |name: &str| format!("--cases '{}', case '{}', {name}", file.display(), one.name);
        if open.iter().any(|other| other.name == one.name) {
            return Err(wrong(
                field("name"),
                "it is there twice; give each case a name of its own".to_owned(),
            ));
        }
        if !packs
            .iter()
            .any(|pack| pack.regimes.contains_key(&one.regime))
        {
            return Err(wrong(field("regime"), no_regime(&one.regime, packs)));
        }
        let zone = zone(&field("zone"), &one.zone)?;
        let pauses = one
            .paused
            .iter()
            .map(|text| pause(&field("paused"), text, &zone));
        let pauses = pauses.collect::<Result<_, _>>()?;
        let received = moment(&field("received"), &one.received)?;
        let case = Case {
            kind: one.kind,
            received,
            zone,
            holidays: Calendar::of(one.holidays),
            pauses,
        };
        open.push(OpenCase {
            name: one.name,
            regime: one.regime,
            case,
        });
    }
    Ok(open)
}

pub(super) fn no_regime(id: &str, packs: &[&Regimes]) -> String {
    let known: std::collections::BTreeSet<&str> = packs
        .iter()
        .flat_map(|pack| pack.regimes.keys().map(String::as_str))
        .collect();
    let known: Vec<&str> = known.into_iter().collect();
    format!("no regime '{id}'; there are {}", known.join(", "))
}
