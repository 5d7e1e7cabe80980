//! What a law keeps and nobody has said of a table. The pack knows kinds of records, not tables: whether a table has such rows is
//! for a person to say, by `dataset.records` or a `keep` of a rule. Until somebody does, a rule that erases earlier is told of.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp};

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{DataPolicy, PolicyRule, RunsFrom, Severity};
use crate::packs::{Check, NO_RECORDS};
use crate::plan::calculus::{self, Duty, Laws, Met};

/// Looks at each rule that erases, in each region.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        let laws = Laws::new(&place.facts.region, &ground.facts.packs, ground.now);
        for rule in &ground.facts.policy.spec.rules {
            of_rule(ground, (place, &laws, rule), book);
        }
    }
    None
}

fn of_rule<'a>(
    ground: &Ground<'a>,
    (place, laws, rule): (&Place<'a>, &Laws<'a>, &PolicyRule),
    book: &mut Book<'_>,
) {
    let erase = calculus::in_force(&ground.facts.policy, rule, laws);
    let Some(erase) = erase.filter(|erase| erase.method.erases()) else {
        return;
    };
    // What is no period is told elsewhere.
    let after = erase.after.as_deref().unwrap_or_default();
    if !after.parse::<Span>().is_ok_and(Span::is_positive) {
        return;
    }
    let spec = &ground.facts.policy.spec;
    let own = laws.of(&ground.facts.policy).into_iter();
    let duties = own.flat_map(|law| {
        let facts = ground.facts.packs.keeps(law).iter();
        facts.map(move |fact| Duty::new(law, fact, spec))
    });
    let early = duties.filter_map(|duty| {
        let met = duty.met((after, erase.from), spec);
        (met != Met::Whole).then_some((duty, met))
    });
    let mut early = early.peekable();
    if early.peek().is_none() {
        return;
    }
    let said = Said::of(place, rule);
    let is_open = |(duty, _): &(Duty<'_>, Met)| !said.settles(duty, laws, &rule.dataset.clock);
    for (duty, met) in early.filter(is_open) {
        let (kind, law, fact) = (duty.records(), duty.law, duty.fact);
        let from = match fact.value.from {
            RunsFrom::EventDate => "",
            RunsFrom::EndOfCalendarYear => " from the end of the calendar year",
            RunsFrom::EndOfFiscalYear => " from the end of the fiscal year",
        };
        // As long: only the last day, of which the law keeps the whole, is missing.
        let (day, at_most) = match met {
            Met::ButTheLastDay => (", its last day whole", Severity::Low),
            Met::Whole | Met::Short => ("", Severity::Medium),
        };
        let told = Told {
            parts: BTreeSet::from([format!("{kind} {}{from}{day} ({law})", fact.value.period)]),
            at_most,
            ..Told::once(
                format!(
                    "the rule erases after {after}, and a law keeps some kinds of records for longer: "
                ),
                format!(
                    "say in spec.rules[{}].dataset.records which of them the table has, so that they are kept, or none; \
                     or state a keep, here or in a rule of another policy",
                    rule.name
                ),
            )
        };
        let spot = Spot::here(place.name, format!("spec.rules[{}].erase.after", rule.name));
        book.enter_by(fact, Check::KeepNotStated, spot, told);
    }
}

/// What all policies of a region say of a rule's table.
struct Said<'a>(Vec<(&'a DataPolicy, &'a PolicyRule)>);

impl<'a> Said<'a> {
    fn of(place: &Place<'a>, rule: &PolicyRule) -> Self {
        let (store, table) = (rule.dataset.store.as_str(), rule.dataset.table.as_str());
        let there = place
            .rules
            .iter()
            .filter(|((own, other), _)| *own == store && calculus::may_be_one(other, table));
        Self(there.flat_map(|(_, rules)| rules.iter().copied()).collect())
    }

    /// Whether nothing is left to say of a law's records: the table has others, or what keeps it ends no earlier, whichever law
    /// that is and whoever wrote it down. A word that no law knows says nothing, and a `keep` over another clock may end
    /// earlier.
    fn settles(&self, duty: &Duty<'_>, laws: &Laws<'a>, clock: &str) -> bool {
        let kinds = self.0.iter().flat_map(|(_, rule)| &rule.dataset.records);
        let kinds = kinds.map(String::as_str);
        let kinds: BTreeSet<&str> = kinds
            .filter(|kind| *kind == NO_RECORDS || laws.know(kind))
            .collect();
        if !kinds.is_empty() && !kinds.contains(duty.records()) {
            return true;
        }
        self.0.iter().any(|(policy, rule)| {
            let keep = rule.keep.as_ref().filter(|_| rule.dataset.clock == clock);
            let stated =
                keep.is_some_and(|keep| duty.is_kept((&keep.period, keep.from), &policy.spec));
            let others = || laws.duties(policy, rule);
            stated || others().iter().any(|other| other.outlasts(duty))
        })
    }
}
