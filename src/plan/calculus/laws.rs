//! Which laws of the packs count for a policy in a region, and what they oblige to keep.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::ground::{Duty, Unread};
use crate::api::{DataPolicy, PolicyRule, Region};
use crate::packs::{Check, EraseDuty, Fact, InactivityDuty, NO_RECORDS, Packs};
use crate::plan::gates::{self, Called};
use crate::plan::placement;

/// The laws of a region, found out when somebody asks.
pub(in crate::plan) struct Laws<'a> {
    region: &'a Region,
    packs: &'a Packs,
    now: Timestamp,
    called: OnceCell<Vec<Called>>,
}

impl<'a> Laws<'a> {
    pub(in crate::plan) fn new(region: &'a Region, packs: &'a Packs, now: Timestamp) -> Self {
        Self {
            region,
            packs,
            now,
            called: OnceCell::new(),
        }
    }

    /// Whether their region has no data store of that name.
    pub(super) fn lacks(&self, store: &str) -> bool {
        placement::secret_of(&self.region.spec, store).is_none()
    }

    fn called(&self) -> &[Called] {
        let find = || gates::called_for(self.region, self.packs, self.now);
        self.called.get_or_init(find)
    }

    /// The laws that count for a policy here. A law that only obliges to keep binds whoever carries it, wherever the
    /// data is. Of the regimes those count that the region's law calls for today; where it calls for none of them, today
    /// or later, all do. So no regime's first day ends what another keeps.
    pub(in crate::plan) fn of<'p>(&self, policy: &'p DataPolicy) -> BTreeSet<&'p str> {
        let carried = policy.spec.regimes.iter().map(String::as_str);
        let (regimes, others): (BTreeSet<&str>, BTreeSet<&str>) =
            carried.partition(|id| self.packs.regime(id).is_some());
        let statutes = &self.packs.regimes.statutes;
        let comes = |called: &Called| called.from.is_some() && regimes.contains(&*called.regime);
        let is_to_come = self.called().iter().any(comes);
        let mut laws = gates::counting(&regimes, self.called());
        if is_to_come {
            let today = |id: &&str| {
                let mut called = self.called().iter();
                called.any(|called| called.regime == **id && called.from.is_none())
            };
            laws.retain(today);
        }
        laws.extend(others.into_iter().filter(|id| statutes.contains_key(*id)));
        laws
    }

    /// Whether a law or terms of the packs say something of such records.
    pub(in crate::plan) fn know(&self, records: &str) -> bool {
        let mut laws = self.packs.laws();
        laws.any(|law| self.packs.speaks_of(law, records))
    }

    /// What a rule says of its table and nobody can look up: a kind of records that none of the policy's laws knows, or
    /// a law that no pack has. By name the first: it is told, and each keeps everything.
    pub(super) fn unread(
        &self,
        policy: &'a DataPolicy,
        rule: &'a PolicyRule,
    ) -> Option<Unread<'a>> {
        let regimes = &policy.spec.regimes;
        let kinds = rule.dataset.records.iter().map(String::as_str);
        let kinds: BTreeSet<&str> = kinds.filter(|kind| *kind != NO_RECORDS).collect();
        let is_read = |kind: &&&str| regimes.iter().any(|law| self.packs.speaks_of(law, kind));
        if let Some(kind) = kinds.iter().find(|kind| !is_read(kind)) {
            return Some(Unread::Records(kind));
        }
        let laws: BTreeSet<&str> = regimes.iter().map(String::as_str).collect();
        let stranger = laws
            .into_iter()
            .find(|id| self.packs.laws().all(|law| law != *id));
        stranger.filter(|_| !kinds.is_empty()).map(Unread::Law)
    }

    /// What they oblige to keep of the records that a rule says its table has, by law and kind.
    pub(in crate::plan) fn duties(
        &self,
        policy: &'a DataPolicy,
        rule: &PolicyRule,
    ) -> Vec<Duty<'a>> {
        let records = &rule.dataset.records;
        if records.is_empty() {
            return Vec::new();
        }
        let laws = self.of(policy).into_iter();
        let facts = laws.flat_map(|law| self.packs.keeps(law).iter().map(move |fact| (law, fact)));
        let said = facts.filter(|(_, fact)| records.contains(&fact.value.records));
        let mut duties: Vec<Duty<'a>> = said
            .map(|(law, fact)| Duty::new(law, fact, &policy.spec))
            .collect();
        duties.sort_by_key(|duty| (duty.law, duty.records()));
        duties
    }

    /// What they ask to be gone by a time of the records that a rule says its table has, by law and kind.
    pub(super) fn limits(
        &self,
        policy: &DataPolicy,
        rule: &PolicyRule,
    ) -> Vec<(&'a str, &'a Fact<EraseDuty>)> {
        let records = &rule.dataset.records;
        if records.is_empty() {
            return Vec::new();
        }
        let own = self.of(policy);
        // The pack's own text, which outlives the policy.
        let laws = self.packs.laws().filter(|law| own.contains(law));
        let facts = laws.flat_map(|law| self.packs.erases(law).iter().map(move |fact| (law, fact)));
        let mut said: Vec<_> = facts
            .filter(|(_, fact)| records.contains(&fact.value.records))
            .collect();
        said.sort_by_key(|(law, fact)| (*law, fact.value.records.as_str()));
        said
    }

    /// What they ask of persons who were not heard of, of whichever controllers; by law.
    pub(in crate::plan) fn inactivity(
        &self,
        policy: &DataPolicy,
    ) -> Vec<(&'a str, &'a Fact<InactivityDuty>)> {
        let own = self.of(policy);
        let laws = self.packs.laws().filter(|law| own.contains(law));
        laws.flat_map(|law| {
            self.packs
                .inactivity(law)
                .iter()
                .map(move |fact| (law, fact))
        })
        .collect()
    }

    /// By which articles a policy has to say when rows go, of each of its regimes that asks for it here.
    pub(super) fn erasing(&self, policy: &DataPolicy) -> String {
        let regimes = self.of(policy).into_iter();
        let demands = regimes.filter_map(|id| {
            let mut baseline = self.packs.regime(id)?.baseline.iter();
            baseline.find(|fact| fact.value.check == Check::NoPeriod)
        });
        let articles: BTreeSet<String> = demands
            .map(|fact| {
                let doubt = if fact.confirmed { "" } else { " (unconfirmed)" };
                format!("{}{doubt}", fact.source.as_str())
            })
            .collect();
        articles.into_iter().collect::<Vec<_>>().join("; ")
    }

    /// When a law that is not in force yet begins to keep records of one of these policies, or to want some gone.
    pub(super) fn wake_at(
        &self,
        policies: impl Iterator<Item = &'a DataPolicy>,
    ) -> Option<Timestamp> {
        let says = |policy: &&DataPolicy| {
            let mut rules = policy.spec.rules.iter();
            let is_by_law =
                |rule: &PolicyRule| rule.erase.as_ref().is_some_and(|it| it.by_law.is_some());
            let has_classes = policy
                .spec
                .controller
                .iter()
                .any(|it| !it.classes.is_empty());
            has_classes || rules.any(|rule| !rule.dataset.records.is_empty() || is_by_law(rule))
        };
        let starts = policies.filter(says).filter_map(|policy| {
            let comes = |called: &&Called| {
                let id = &called.regime;
                let says = !self.packs.keeps(id).is_empty()
                    || !self.packs.erases(id).is_empty()
                    || !self.packs.inactivity(id).is_empty();
                policy.spec.regimes.contains(id) && says
            };
            let coming = self.called().iter().filter(comes);
            coming.filter_map(|called| called.from).min()
        });
        starts.min()
    }
}
