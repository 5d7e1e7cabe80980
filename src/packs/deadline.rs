//! Deadlines of a regime: what must be done, for which kind of request, and how its law counts.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use super::{Clock, Fact};

/// What arrived, and started the clock.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A person asks what is held, and for a copy.
    Access,
    /// A person asks for a correction.
    Rectification,
    /// A person asks for erasure.
    Erasure,
    /// A person asks that data be kept but not used.
    Restriction,
    /// A person objects.
    Objection,
    /// A person asks for the data in a form that machines read.
    Portability,
    /// A person wants no sale or sharing.
    #[serde(alias = "opt-out")]
    OptOut,
    /// A person complains.
    Complaint,
    /// Somebody learned of a breach.
    Breach,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Portability => "portability",
            Self::OptOut => "opt-out",
            Self::Complaint => "complaint",
            Self::Breach => "breach",
        })
    }
}

/// What must be done within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// The receipt is confirmed.
    Acknowledgement,
    /// A simple answer is given.
    SimpleResponse,
    /// The answer is given, and what was asked is done.
    Response,
    /// A refusal is told, with its ground.
    RefusalNotice,
    /// An extension is told, with its reasons.
    ExtensionNotice,
    /// The answer is given after an extension.
    Extension,
    /// An opt-out takes effect.
    OptOut,
    /// A breach is reported to the authority.
    Breach,
    /// Details of a breach are reported.
    BreachDetail,
    /// The final report of a breach.
    BreachFinal,
    /// A breach is told to the persons.
    BreachPersons,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledgement => "acknowledgement",
            Self::SimpleResponse => "simple response",
            Self::Response => "response",
            Self::RefusalNotice => "refusal notice",
            Self::ExtensionNotice => "extension notice",
            Self::Extension => "extended response",
            Self::OptOut => "opt-out in effect",
            Self::Breach => "report to the authority",
            Self::BreachDetail => "details to the authority",
            Self::BreachFinal => "final report",
            Self::BreachPersons => "notice to the persons",
        })
    }
}

/// One deadline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deadline {
    /// What must be done.
    pub step: Step,
    /// For these kinds.
    pub kinds: BTreeSet<Kind>,
    /// Within this time from receipt, or from awareness of a breach; an extension's is added to what it extends.
    pub within: Clock,
    /// The step whose time this one adds to; both are counted as one from receipt.
    #[serde(default)]
    pub extends: Option<Step>,
    /// The first day of receipt for which it holds. Absent: it always did.
    #[serde(default)]
    pub since: Option<Date>,
    /// The last day of receipt for which it holds. Absent: nobody knows of an end.
    #[serde(default)]
    pub until: Option<Date>,
    /// What a number cannot say.
    #[serde(default)]
    pub note: Option<String>,
}

impl Deadline {
    /// Whether it holds for what is received on that day.
    #[must_use]
    pub fn holds(&self, day: Date) -> bool {
        self.since.is_none_or(|since| since <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// How a law counts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counting {
    /// Whether the day of receipt is in the period.
    pub first_day: Fact<FirstDay>,
    /// The days of the week on which offices rest, besides holidays.
    pub rest_days: Fact<BTreeSet<RestDay>>,
    /// What happens to a period that ends on a day of rest. Absent: nothing was found, and it ends there.
    #[serde(default)]
    pub roll: Option<Fact<Roll>>,
    /// When the clock stands still. Absent: nothing was found, and it runs on.
    #[serde(default)]
    pub pause: Option<Fact<Pause>>,
}

/// Whether the day of receipt is in the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum FirstDay {
    /// It isn't: the next day is the first.
    Next,
    /// It is the first.
    Same,
}

/// What happens to a period that ends on a day of rest; hours never roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Roll {
    /// Nothing.
    Stay,
    /// It ends with the next working day.
    NextWorkingDay,
}

/// When the clock stands still.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pause {
    /// For these steps; none: the law says that it runs on.
    pub steps: BTreeSet<Step>,
    /// The first day of receipt for which it does.
    #[serde(default)]
    pub since: Option<Date>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[expect(missing_docs, reason = "they are the days of the week")]
pub enum RestDay {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl RestDay {
    /// Whether it is that day.
    #[must_use]
    pub fn is(self, day: Weekday) -> bool {
        let own = match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        };
        own == day
    }
}
