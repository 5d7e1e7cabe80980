//! By when platforms' terms, and laws, ask rows to be gone. Nothing is shortened by it: what erases earlier than somebody wrote
//! takes what nothing brings back. It is told which period loses, and by what.

use kube::ResourceExt;

use super::bound::Bound;
use super::{Laws, Ruling, anchor, period};
use crate::api::{DataPolicy, PolicyRule};
use crate::packs::{EraseDuty, Fact};

/// A time by which rows have to be gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    policy: &'a DataPolicy,
    pub(super) rule: &'a PolicyRule,
    /// The id of the law or the terms.
    law: &'a str,
    fact: &'a Fact<EraseDuty>,
    bound: Bound<'a>,
}

/// What these policies say of the tables that are wanted, and what their laws say to that; by policy, rule and law.
pub(super) fn limits_over<'a>(
    policies: impl Iterator<Item = &'a DataPolicy>,
    laws: &Laws<'a>,
    is_wanted: impl Fn(&PolicyRule) -> bool,
) -> Vec<Limit<'a>> {
    let mut limits = Vec::new();
    for policy in policies {
        for rule in policy.spec.rules.iter().filter(|rule| is_wanted(rule)) {
            let said = laws.limits(policy, rule).into_iter();
            limits.extend(said.filter_map(|(law, fact)| {
                let anchor = anchor(Some(fact.value.from), &policy.spec);
                let bound = Bound::new(&rule.dataset.clock, anchor, fact.value.within.span()?);
                Some(Limit {
                    policy,
                    rule,
                    law,
                    fact,
                    bound,
                })
            }));
        }
    }
    limits.sort_by_cached_key(|limit| {
        let records = limit.fact.value.records.as_str();
        let rule = limit.rule.name.clone();
        (limit.policy.name_any(), rule, limit.law, records)
    });
    limits
}

impl Limit<'_> {
    /// The time, and who asks for it by what.
    fn words(&self) -> String {
        let own = &self.fact.value;
        let within = period(
            &own.within.to_string(),
            self.bound.anchor(),
            &self.rule.dataset.clock,
        );
        let doubt = if self.fact.confirmed {
            ""
        } else {
            " (unconfirmed)"
        };
        format!(
            "{within} by {}{doubt} ({}, for the {} records of rule {} of DataPolicy {})",
            self.fact.source.as_str(),
            self.law,
            own.records,
            self.rule.name,
            self.policy.name_any()
        )
    }
}

impl<'a> Ruling<'a> {
    /// Each limit that the rows may outlast, and which period has them for so long. A contact may make the rule's own end any
    /// day later; what only hides rows has them for good.
    pub(in crate::plan) fn held_too_long(
        &self,
    ) -> impl Iterator<Item = (&'a Fact<EraseDuty>, String)> {
        let span = self.erase.after.parse().unwrap_or_default();
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, span);
        let waits = self.erase.last_contact.is_some() || !self.erase.method.erases();
        self.limits.iter().filter_map(move |limit| {
            let words = limit.words();
            let mut keeps = self.keeps.iter();
            // A law that keeps goes before terms: no contract lets anybody break one.
            if let Some(keep) = keeps.find(|keep| !limit.bound.outlasts(&keep.bound)) {
                let kept = period(
                    &keep.ground.period(),
                    keep.bound.anchor(),
                    &keep.rule.dataset.clock,
                );
                let law = keep.law();
                return Some((limit.fact, format!("{words} gives way to {kept} by {law}")));
            }
            let is_late = waits || !limit.bound.outlasts(&own);
            is_late.then(|| {
                let own = self.own();
                let told = format!("the rule's own {own} may have rows for longer than {words}");
                (limit.fact, told)
            })
        })
    }
}
