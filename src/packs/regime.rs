//! The regime pack: what the law asks, and where.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;

use super::{
    Adequacy, Check, Clock, Counting, Deadline, Demand, EraseDuty, Fact, InactivityDuty,
    Jurisdiction, KeepDuty, Statute,
};

/// All regimes, and the jurisdictions that call for them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Regimes {
    /// When the facts were last gone through: the date of each that has none of its own.
    pub as_of: Date,
    /// Texts that facts refer to by alias; nothing else reads them.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What must stand in each kind of register.
    #[serde(default)]
    pub registers: BTreeMap<String, Fact<Vec<String>>>,
    /// Keys of the taxonomy that `rules[].category` is from; one below such a key is known too. Absent: none is checked.
    #[serde(default)]
    pub categories: Option<Fact<BTreeSet<String>>>,
    /// The same for `rules[].use`.
    #[serde(default)]
    pub uses: Option<Fact<BTreeSet<String>>>,
    /// Whom data is about: words that `rules[].subjects` are from, in the singular. Absent: none is checked.
    #[serde(default)]
    pub subject_categories: Option<Fact<BTreeSet<String>>>,
    /// Words in a table's name that speak of persons, in the singular.
    #[serde(default)]
    pub personal_names: Option<Fact<BTreeSet<String>>>,
    /// The same for a column's name.
    #[serde(default)]
    pub personal_columns: Option<Fact<BTreeSet<String>>>,
    /// What is looked for under every regime whose own baseline does not have it: nobody read an article for it.
    #[serde(default)]
    pub baseline: Vec<Fact<Demand>>,
    /// By the id that `spec.regimes` uses.
    pub regimes: BTreeMap<String, Regime>,
    /// Laws that oblige to keep and terms by which data has to go, which ask nothing else, by ids that `spec.regimes` uses too.
    #[serde(default)]
    pub statutes: BTreeMap<String, Statute>,
    /// Where which regimes are called for.
    pub jurisdictions: Vec<Fact<CallsFor>>,
}

impl Regimes {
    /// What is looked for under a regime by this check: by its own law, or by the pack's own question. What is about transfers
    /// is nobody's question where the law asks for no instrument. A statute asks nothing itself, and the pack only whether what
    /// is said to go does.
    #[must_use]
    pub fn demand(&self, regime: &str, check: Check) -> Option<&Fact<Demand>> {
        let is_it = |fact: &&Fact<Demand>| fact.value.check == check;
        let Some(regime) = self.regimes.get(regime) else {
            let asks = self.statutes.contains_key(regime) && check.is_of_erasing();
            return self.baseline.iter().find(is_it).filter(|_| asks);
        };
        let house = || {
            let asks = !check.is_of_transfers() || !regime.transfers.value.is_empty();
            self.baseline.iter().find(is_it).filter(|_| asks)
        };
        regime.baseline.iter().find(is_it).or_else(house)
    }
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
    /// How periods are counted.
    pub counting: Counting,
    /// What must be done within which time, per kind of request.
    #[serde(default)]
    pub deadlines: Vec<Fact<Deadline>>,
    /// Times that aren't counted from a request.
    #[serde(default)]
    pub clocks: BTreeMap<ClockKind, Fact<Clock>>,
    /// Numbers from or up to which something applies.
    #[serde(default)]
    pub limits: BTreeMap<LimitKind, Fact<u64>>,
    /// Records that it obliges to keep.
    #[serde(default)]
    pub keep: Vec<Fact<KeepDuty>>,
    /// Records that it asks to be gone by a time, whatever their purpose.
    #[serde(default)]
    pub erase: Vec<Fact<EraseDuty>>,
    /// Which controllers it asks that data of persons goes who were not heard of; a class each.
    #[serde(default)]
    pub inactivity: Vec<Fact<InactivityDuty>>,
    /// The instruments on which personal data may leave; empty: none is needed.
    pub transfers: Fact<BTreeSet<String>>,
    /// Countries to which nothing else is needed, or less.
    #[serde(default)]
    pub adequacy: Option<Adequacy>,
    /// What policies and regions are looked at for.
    #[serde(default)]
    pub baseline: Vec<Fact<Demand>>,
    /// The registers that must be kept.
    pub registers: Fact<BTreeSet<String>>,
    /// Whether personal data must stay in the country.
    #[serde(default)]
    pub localise: Option<Fact<bool>>,
}

/// A time that isn't counted from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockKind {
    /// Records of requests are kept.
    Records,
    /// Records of incidents are kept.
    IncidentRecords,
    /// A consent manager's records are kept.
    ConsentRecords,
    /// Data of a person who was not heard of goes: an old word, refused with what stands in its place.
    InactivityErase,
    /// The person is told before a request erases.
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

/// Where regimes are called for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallsFor {
    /// Here, and in every part of here. A region that is the whole of a country is called by its parts too.
    pub codes: BTreeSet<Jurisdiction>,
    /// These.
    pub regimes: BTreeSet<String>,
}
