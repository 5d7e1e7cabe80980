//! Pure: by when must what be done. A regime's facts and one case in, deadlines with their law and their counting out.
//!
//! In: a [`Regime`] and a [`Case`]. Out: [`Deadline`]s, and their [`Standing`] at a given time. It must never know the
//! time by itself, and never turn an unconfirmed fact into more time.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod calendar;
mod compare;
mod count;

pub use calendar::Calendar;
pub use compare::{Change, Move, OpenCase, changes, moves};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::packs::{Clock, Fact, Kind, Regime, Step, Word};

/// What arrived where, and when.
#[derive(Clone, Debug)]
pub struct Case {
    /// What arrived.
    pub kind: Kind,
    /// When it was received, or when somebody became aware of the breach.
    pub received: Timestamp,
    /// Where what must be done is done: its days are counted, and its holidays.
    pub zone: TimeZone,
    /// Days on which offices rest there, besides the weekly ones.
    pub holidays: Calendar,
    /// When the person had to say more: each from a day to a day.
    pub pauses: Vec<Pause>,
}

/// From the day on which the person was asked to the day on which the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pause {
    /// The day of the question.
    pub from: Date,
    /// The day of the answer.
    pub to: Date,
}

/// What a regime asks for in a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What must be done, in the order of the pack.
    pub deadlines: Vec<Deadline>,
    /// What a reader must know besides.
    pub notes: Vec<String>,
}

/// One thing that must be done, and by when.
#[derive(Clone, Debug, PartialEq)]
pub struct Deadline {
    /// What must be done.
    pub step: Step,
    /// The whole time from receipt.
    pub within: Clock,
    /// When it ends.
    pub ends: Ends,
    /// The law that says so.
    pub law: String,
    /// Whether somebody confirmed it.
    pub confirmed: bool,
    /// When it was read.
    pub read: Date,
    /// What a number cannot say.
    pub note: Option<String>,
    /// How the end was found, step by step.
    pub counting: Vec<String>,
}

/// When a time ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With the last hour of a day.
    Day {
        /// The last day.
        last: Date,
        /// The first moment after it.
        at: Timestamp,
    },
    /// At a moment.
    Moment(Timestamp),
    /// The law has no number.
    NoNumber(Word),
}

impl Ends {
    /// The first moment that is too late. None where the law has no number.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Day { at, .. } | Self::Moment(at) => Some(*at),
            Self::NoNumber(_) => None,
        }
    }
}

/// How a deadline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Standing {
    /// There is time.
    OnTime,
    /// It ends soon.
    DueSoon,
    /// It has ended.
    Overdue,
}

/// How what ends at a moment stands now, when `soon` before it is soon.
#[must_use]
pub fn standing(ends: Timestamp, now: Timestamp, soon: SignedDuration) -> Standing {
    let left = now.duration_until(ends);
    if left <= SignedDuration::ZERO {
        Standing::Overdue
    } else if left <= soon {
        Standing::DueSoon
    } else {
        Standing::OnTime
    }
}

/// Why there are no deadlines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pack knows nothing of that kind.
    #[error("kind: the pack says nothing of {kind} here; it knows {there}")]
    Kind {
        /// What was asked for.
        kind: Kind,
        /// What there is.
        there: String,
    },
    /// A pause ends before it begins.
    #[error("paused: {from}/{to} ends before it begins; write FROM/TO, the earlier day first")]
    Backwards {
        /// Its first day.
        from: Date,
        /// Its last day.
        to: Date,
    },
    /// A pause begins before the receipt.
    #[error(
        "paused: {from} is before the day of receipt, {received}; a clock that doesn't run cannot pause"
    )]
    BeforeReceipt {
        /// Its first day.
        from: Date,
        /// The day of receipt.
        received: Date,
    },
    /// The calendar ends first.
    #[error(
        "received: from {received} on, {within} leads out of the calendar; write a year below 9000"
    )]
    Calendar {
        /// The day of receipt.
        received: Date,
        /// The time.
        within: Clock,
    },
}

/// All that a regime asks for in a case. `as_of` is the pack's date.
pub fn answer(regime: &Regime, as_of: Date, case: &Case) -> Result<Answer, Error> {
    let received = case.zone.to_datetime(case.received).date();
    let pauses = joined(&case.pauses, received)?;
    let of_kind = |fact: &&Fact<_>| is_of(fact, case.kind);
    if !regime.deadlines.iter().any(|fact| of_kind(&fact)) {
        return Err(Error::Kind {
            kind: case.kind,
            there: kinds(regime),
        });
    }
    let counter = count::Counter {
        regime,
        case,
        received,
        pauses: &pauses,
    };
    let mut answer = Answer {
        deadlines: Vec::new(),
        notes: Vec::new(),
    };
    if let Some(first) = &regime.in_force
        && received < first.value
    {
        let (day, source) = (first.value, first.source.as_str());
        answer.notes.push(format!(
            "not in force on {received}: it will be from {day} on ({source})"
        ));
    }
    for fact in regime.deadlines.iter().filter(of_kind) {
        if !fact.value.holds(received) {
            answer.notes.push(elsewhen(fact));
            continue;
        }
        let Some(Whole {
            within,
            confirmed,
            parts,
        }) = whole(regime, fact, case.kind, received)
        else {
            let step = fact.value.step;
            answer.notes.push(format!(
                "{step}: what it extends does not hold on {received}"
            ));
            continue;
        };
        let (ends, mut counting) = counter.end(fact.value.step, &within)?;
        if let Some(parts) = parts {
            counting.insert(0, parts);
        }
        answer.deadlines.push(Deadline {
            step: fact.value.step,
            within,
            ends,
            law: fact.source.as_str().to_owned(),
            confirmed,
            read: fact.read.unwrap_or(as_of),
            note: fact.value.note.clone(),
            counting,
        });
    }
    Ok(answer)
}

/// That a deadline holds for other days of receipt.
fn elsewhen(fact: &Fact<crate::packs::Deadline>) -> String {
    let own = &fact.value;
    let since = own
        .since
        .map(|day| format!(" from {day}"))
        .unwrap_or_default();
    let until = own
        .until
        .map(|day| format!(" until {day}"))
        .unwrap_or_default();
    let source = fact.source.as_str();
    format!(
        "{} ({}): only for what is received{since}{until} ({source})",
        own.step, own.within
    )
}

/// The kinds that a regime knows, for a message.
fn kinds(regime: &Regime) -> String {
    let kinds: std::collections::BTreeSet<Kind> = regime
        .deadlines
        .iter()
        .flat_map(|fact| fact.value.kinds.iter().copied())
        .collect();
    let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn is_of(fact: &Fact<crate::packs::Deadline>, kind: Kind) -> bool {
    fact.value.kinds.contains(&kind)
}

/// A time from receipt; sure only when all its parts are.
struct Whole {
    within: Clock,
    confirmed: bool,
    parts: Option<String>,
}

/// The whole time from receipt: an extension's and that of what it extends, counted as one, which is said.
fn whole(
    regime: &Regime,
    fact: &Fact<crate::packs::Deadline>,
    kind: Kind,
    received: Date,
) -> Option<Whole> {
    let own = &fact.value;
    let Some(extended) = own.extends else {
        return Some(Whole {
            within: own.within.clone(),
            confirmed: fact.confirmed,
            parts: None,
        });
    };
    let base = regime.deadlines.iter().find(|base| {
        base.value.step == extended && is_of(base, kind) && base.value.holds(received)
    })?;
    let first = &base.value.within;
    Some(Whole {
        within: first.and(&own.within)?,
        confirmed: fact.confirmed && base.confirmed,
        parts: Some(format!(
            "{first} and {} run from receipt as one, not one after the other",
            own.within
        )),
    })
}

/// Pauses in order, those that touch made one.
fn joined(pauses: &[Pause], received: Date) -> Result<Vec<Pause>, Error> {
    let mut sorted = pauses.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<Pause> = Vec::new();
    for Pause { from, to } in sorted {
        if to < from {
            return Err(Error::Backwards { from, to });
        }
        if from < received {
            return Err(Error::BeforeReceipt { from, received });
        }
        match joined.last_mut() {
            Some(last) if from <= last.to => last.to = last.to.max(to),
            _ => joined.push(Pause { from, to }),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests;
