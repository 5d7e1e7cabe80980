//! The regime pack: what the law asks, and where.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;

use super::{Fact, Jurisdiction};

/// All regimes, and the jurisdictions that call for them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Regimes {
    /// When the facts were last gone through.
    #[serde(default)]
    pub as_of: Date,
    /// Texts that facts refer to by alias; nothing else reads them.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What must stand in each kind of register.
    #[serde(default)]
    pub registers: BTreeMap<String, Fact<Vec<String>>>,
    /// By the id that `spec.regimes` uses.
    pub regimes: BTreeMap<String, Regime>,
    /// Where which regimes are called for.
    pub jurisdictions: Vec<Fact<CallsFor>>,
}

/// One privacy regime.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Regime {
    /// Its name, for a person.
    pub name: String,
    /// The provisions that its clocks come from.
    pub law: Fact<String>,
    /// The first day on which it is called for, in the region's time zone. Absent: it is in force.
    #[serde(default)]
    pub in_force: Option<Fact<Date>>,
    /// What must happen within which time.
    #[serde(default)]
    pub clocks: BTreeMap<ClockKind, Fact<Clock>>,
    /// Numbers from or up to which something applies.
    #[serde(default)]
    pub limits: BTreeMap<LimitKind, Fact<u64>>,
    /// What must be kept, and how long, whatever a policy says.
    #[serde(default)]
    pub keep: BTreeMap<String, Fact<Clock>>,
    /// The instruments on which personal data may leave; empty: none is needed.
    pub transfers: Fact<BTreeSet<String>>,
    /// The registers that must be kept.
    pub registers: Fact<BTreeSet<String>>,
    /// Whether personal data must stay in the country.
    #[serde(default)]
    pub localise: Option<Fact<bool>>,
}

/// What must happen within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockKind {
    /// A request is answered.
    Response,
    /// A simple request is answered.
    SimpleResponse,
    /// The answer may take this much longer.
    Extension,
    /// The extension is told.
    ExtensionNotice,
    /// A request is acknowledged.
    Acknowledgement,
    /// A complaint is acknowledged.
    ComplaintAcknowledgement,
    /// An opt-out takes effect.
    OptOut,
    /// The clock stands still while the person must say more.
    Pause,
    /// A breach is reported to the authority.
    Breach,
    /// Details of a breach are reported.
    BreachDetail,
    /// The final report of a breach.
    BreachFinal,
    /// A breach is told to the persons.
    BreachPersons,
    /// Records of requests are kept.
    Records,
    /// Records of incidents are kept.
    IncidentRecords,
    /// A consent manager's records are kept.
    ConsentRecords,
    /// Data of a person who was not heard of goes.
    InactivityErase,
    /// The person is told before data goes.
    ErasureNotice,
}

/// A number from or up to which something applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitKind {
    /// Persons from which a breach must be reported.
    BreachPersons,
    /// Persons exported in a calendar year below which no filing is needed.
    ExportedPersonsPerYear,
}

/// A time as the law counts it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Clock {
    /// ISO 8601: a calendar month is a calendar month, not thirty days.
    Period(String),
    /// Days on which offices work.
    BusinessDays(u32),
    /// The law's own word where it gives no number: `immediate`, `timely`.
    Word(String),
}

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(days) = text.strip_suffix("BD").and_then(|days| days.parse().ok()) {
            return Ok(Self::BusinessDays(days));
        }
        if text.starts_with('P')
            && text
                .parse::<jiff::Span>()
                .is_ok_and(jiff::Span::is_positive)
        {
            return Ok(Self::Period(text));
        }
        let words = [
            "immediate",
            "promptly",
            "timely",
            "asap",
            "without_delay",
            "stop_the_clock",
        ];
        if words.contains(&text.as_str()) {
            return Ok(Self::Word(text));
        }
        Err(format!(
            "'{text}' is no clock; write an ISO 8601 duration (P1M), business days (10BD) or one of {}",
            words.join(", ")
        ))
    }
}

/// Where regimes are called for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallsFor {
    /// Here, and in every part of here. A region that is the whole of a country is called by its parts too.
    pub codes: BTreeSet<Jurisdiction>,
    /// These.
    pub regimes: BTreeSet<String>,
}
