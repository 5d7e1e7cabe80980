//! What a policy's regimes ask for and is missing, by what can be seen in the resources.
//!
//! In: the facts of a policy's plan. Out: its findings, the most severe first. What is asked for, how much it matters and
//! by which article is the regime pack's to say; here is only how each check looks. Another check is one more function of
//! `checks` and one more word of the pack. Tables and columns that no Region lists, what slows or copies where rules erase, stores that may be one database, rows without a clock, and rows whose persons nobody tells, are what the last run told; that
//! evidence grew old, whoever knows the chains adds ([`stale_evidence`]). A finding stops nothing.

mod again;
mod book;
mod catalogue;
mod clocks;
mod erasing;
mod evidence;
mod exports;
mod flows;
mod holds;
mod keeps;
mod limits;
mod notices;
mod rules;
mod tables;
mod twins;
mod unmet;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::placement::{self, earlier};
use super::{PolicyFacts, RegionFacts, gates};
use crate::api::{DataPolicy, PolicyFinding, PolicyRule, Region, Severity};
use book::Book;
pub use evidence::stale_evidence;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// All findings, the most severe first.
    pub findings: Vec<PolicyFinding>,
    /// When one may come or go by itself.
    pub wake_at: Option<Timestamp>,
}

impl Baseline {
    /// The most severe first; the order among equals stays: by check and place.
    fn of(mut findings: Vec<PolicyFinding>, wake_at: Option<Timestamp>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self { findings, wake_at }
    }

    /// How many of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// A region that the policy chooses, with those of its regimes that count there.
struct Place<'a> {
    name: &'a str,
    facts: &'a RegionFacts,
    regimes: BTreeSet<&'a str>,
    /// Every rule there by store and table, of all policies for the region that aren't being deleted.
    rules: Rules<'a>,
}

type Rules<'a> = BTreeMap<(&'a str, &'a str), Vec<(&'a DataPolicy, &'a PolicyRule)>>;

/// What the checks look at.
struct Ground<'a> {
    facts: &'a PolicyFacts,
    places: Vec<Place<'a>>,
    /// Every regime that the policy carries and a pack knows, else the statutes.
    regimes: BTreeSet<&'a str>,
    now: Timestamp,
}

/// Looks for everything that the policy's regimes ask for.
pub(super) fn baseline(facts: &PolicyFacts, chosen: &BTreeSet<&str>, now: Timestamp) -> Baseline {
    let (ground, mut wake_at) = ground(facts, chosen, now);
    let mut book = Book::new(&facts.packs);
    let checks = [
        tables::look,
        catalogue::look,
        erasing::look,
        twins::look,
        rules::look,
        clocks::look,
        notices::look,
        keeps::look,
        unmet::look,
        limits::look,
        flows::look,
        holds::look,
        again::look,
        exports::look,
    ];
    for check in checks {
        wake_at = earlier(wake_at, check(&ground, &mut book));
    }
    Baseline::of(book.findings(), wake_at)
}

/// What the checks look at, and when a regime that is not in force yet joins.
fn ground<'a>(
    facts: &'a PolicyFacts,
    chosen: &BTreeSet<&str>,
    now: Timestamp,
) -> (Ground<'a>, Option<Timestamp>) {
    let carried = carried(facts);
    let mut wake_at = None;
    let chosen = facts
        .regions
        .iter()
        .filter(|(name, _)| chosen.contains(name.as_str()));
    let places: Vec<Place<'_>> = chosen
        .map(|(name, region)| {
            let called = gates::called_for(&region.region, &facts.packs, now);
            wake_at = called
                .iter()
                .fold(wake_at, |wake, called| earlier(wake, called.from));
            Place {
                name,
                facts: region,
                rules: rules(facts, &region.region),
                regimes: gates::counting(&carried, &called),
            }
        })
        .collect();
    let ground = Ground {
        facts,
        places,
        regimes: carried,
        now,
    };
    (ground, wake_at)
}

/// The regimes that the policy carries and a pack knows. Where it carries none of them, the statutes: what is said to erase is
/// looked at all the same.
fn carried(facts: &PolicyFacts) -> BTreeSet<&str> {
    let ids = || facts.policy.spec.regimes.iter().map(String::as_str);
    let regimes: BTreeSet<&str> = ids()
        .filter(|id| facts.packs.regime(id).is_some())
        .collect();
    if !regimes.is_empty() {
        return regimes;
    }
    let statutes = &facts.packs.regimes.statutes;
    ids().filter(|id| statutes.contains_key(*id)).collect()
}

/// A table is looked after by any policy for the region: that one leaves it to another is no fault.
fn rules<'a>(facts: &'a PolicyFacts, region: &Region) -> Rules<'a> {
    let mut rules = Rules::new();
    let policies = facts.policies.values().filter(|policy| {
        policy.metadata.deletion_timestamp.is_none()
            && placement::policy_chooses(policy, region, &facts.channels)
    });
    for policy in policies {
        for rule in &policy.spec.rules {
            let key = (rule.dataset.store.as_str(), rule.dataset.table.as_str());
            rules.entry(key).or_default().push((policy.as_ref(), rule));
        }
    }
    rules
}
