//! Findings while they are being collected: one per check and place, whichever regimes ask for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{PolicyFinding, Severity, names};
use crate::packs::{Check, Demand, Fact, Packs};

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// The Region, when it is about one.
    pub(super) region: Option<String>,
    /// The resource and field.
    pub(super) place: String,
}

impl Spot {
    /// A field of the policy.
    pub(super) fn spec(field: impl Into<String>) -> Self {
        Self {
            region: None,
            place: field.into(),
        }
    }

    /// Something in a region.
    pub(super) fn here(region: &str, place: impl Into<String>) -> Self {
        Self {
            region: Some(region.to_owned()),
            place: place.into(),
        }
    }
}

/// What is told of it.
pub(super) struct Told {
    /// What is so: the parts of all regimes follow, if there are any.
    pub(super) message: String,
    /// What differs from regime to regime.
    pub(super) parts: BTreeSet<String>,
    /// What would mend it.
    pub(super) remedy: String,
    /// How much it matters at most.
    pub(super) at_most: Severity,
}

impl Told {
    /// Told in the same words whoever asks.
    pub(super) fn once(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            parts: BTreeSet::new(),
            remedy: remedy.into(),
            at_most: Severity::High,
        }
    }
}

struct Entry {
    severity: Severity,
    laws: BTreeSet<String>,
    told: Told,
}

/// The findings of one policy.
pub(super) struct Book<'a> {
    packs: &'a Packs,
    entries: BTreeMap<(Check, Spot), Entry>,
}

impl<'a> Book<'a> {
    pub(super) fn new(packs: &'a Packs) -> Self {
        Self {
            packs,
            entries: BTreeMap::new(),
        }
    }

    /// What a regime asks for by this check, or the pack for it.
    pub(super) fn demand(&self, regime: &str, check: Check) -> Option<&'a Fact<Demand>> {
        self.packs.regimes.demand(regime, check)
    }

    /// Enters a finding for a regime that asks for it; for another nothing.
    pub(super) fn enter(&mut self, regime: &str, check: Check, spot: Spot, told: Told) {
        let Some(fact) = self.demand(regime, check) else {
            return;
        };
        let severity = if fact.confirmed {
            fact.value.severity.min(told.at_most)
        } else {
            Severity::Low
        };
        self.add(check, spot, (severity, law(fact)), told);
    }

    /// Enters a finding that no regime asks for: the pack's own fact is its ground, and one that nobody confirmed matters
    /// little.
    pub(super) fn enter_by<T>(&mut self, fact: &Fact<T>, check: Check, spot: Spot, told: Told) {
        let severity = if fact.confirmed {
            told.at_most
        } else {
            Severity::Low
        };
        self.add(check, spot, (severity, law(fact)), told);
    }

    /// Enters a finding whose ground is what a rule itself states, a law and its article in somebody's own words.
    pub(super) fn enter_stated(&mut self, ground: &str, check: Check, spot: Spot, told: Told) {
        self.add(check, spot, (told.at_most, ground.to_owned()), told);
    }

    fn add(&mut self, check: Check, spot: Spot, (severity, law): (Severity, String), told: Told) {
        if let Some(entry) = self.entries.get_mut(&(check, spot.clone())) {
            entry.severity = entry.severity.max(severity);
            entry.laws.insert(law);
            entry.told.parts.extend(told.parts);
            return;
        }
        let entry = Entry {
            severity,
            laws: BTreeSet::from([law]),
            told,
        };
        self.entries.insert((check, spot), entry);
    }

    /// All of them, by check and place.
    pub(super) fn findings(self) -> Vec<PolicyFinding> {
        let entries = self.entries.into_iter();
        entries
            .map(|((check, spot), entry)| finding(check, spot, entry))
            .collect()
    }
}

/// A pack's fact as the ground of a finding.
fn law<T>(fact: &Fact<T>) -> String {
    let doubt = if fact.confirmed { "" } else { " (unconfirmed)" };
    format!("{}{doubt}", fact.source.as_str())
}

fn finding(check: Check, spot: Spot, entry: Entry) -> PolicyFinding {
    let region = spot.region.as_deref().unwrap_or_default();
    let hash = names::short_hash(&[check.as_str(), region, &spot.place], 10);
    let parts: Vec<String> = entry.told.parts.into_iter().collect();
    let laws: Vec<String> = entry.laws.into_iter().collect();
    PolicyFinding {
        id: format!("{}-{hash}", check.as_str()),
        check: check.as_str().to_owned(),
        severity: entry.severity,
        law: laws.join("; "),
        region: spot.region,
        place: spot.place,
        message: format!("{}{}", entry.told.message, parts.join("; ")),
        remedy: entry.told.remedy,
    }
}
