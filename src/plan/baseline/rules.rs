//! What a policy and its rules say of themselves: method, register, controller, legal basis, category.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Ground;
use super::book::{Book, Spot, Told};
use crate::api::{PolicyRule, Severity};
use crate::packs::{Check, Demand, RegisterField};

/// Looks at the policy and at each of its rules.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let spec = &ground.facts.policy.spec;
    for regime in &ground.regimes {
        if spec.controller.is_none() {
            let told = Told::once(
                "the policy names nobody who is responsible",
                "write name and contact into spec.controller",
            );
            book.enter(
                regime,
                Check::ControllerMissing,
                Spot::spec("spec.controller"),
                told,
            );
        }
        if let Some(fact) = book.demand(regime, Check::RegisterIncomplete)
            && fact.value.fields.contains(&RegisterField::SecurityMeasures)
            && spec.security_measures.is_empty()
        {
            let told = Told::once(
                "nothing is said of how the data is secured",
                "describe it in general words in spec.securityMeasures",
            );
            book.enter(
                regime,
                Check::RegisterIncomplete,
                Spot::spec("spec.securityMeasures"),
                told,
            );
        }
        for rule in &spec.rules {
            method(regime, rule, book);
            register(regime, rule, book);
        }
    }
    for rule in &spec.rules {
        category(ground, rule, book);
    }
    None
}

fn method(regime: &str, rule: &PolicyRule, book: &mut Book<'_>) {
    let (Some(erase), Some(fact)) = (&rule.erase, book.demand(regime, Check::NotErasure)) else {
        return;
    };
    let name = erase.method.name();
    let mut erasing = fact.value.methods.iter().map(|method| method.as_str());
    if erasing.any(|method| method == name) {
        return;
    }
    let known: Vec<&str> = fact
        .value
        .methods
        .iter()
        .map(|method| method.as_str())
        .collect();
    let told = Told {
        parts: BTreeSet::from([format!("{regime} takes {}", known.join(", "))]),
        ..Told::once(
            format!("{name} is no erasure: "),
            format!(
                "choose a method that erases in spec.rules[{}].erase.method",
                rule.name
            ),
        )
    };
    let spot = Spot::spec(format!("spec.rules[{}].erase.method", rule.name));
    book.enter(regime, Check::NotErasure, spot, told);
}

fn register(regime: &str, rule: &PolicyRule, book: &mut Book<'_>) {
    let spot = || Spot::spec(format!("spec.rules[{}]", rule.name));
    if let Some(fact) = book.demand(regime, Check::RegisterIncomplete) {
        let missing = missing(&fact.value, rule);
        if !missing.is_empty() {
            let told = Told {
                parts: missing.iter().map(|field| (*field).to_owned()).collect(),
                ..Told::once(
                    "the register of processing asks for what the rule does not say: ",
                    format!("write it into spec.rules[{}]", rule.name),
                )
            };
            book.enter(regime, Check::RegisterIncomplete, spot(), told);
        }
    }
    if rule.legal_basis.is_none() {
        let told = Told::once(
            "the rule does not say why the data may be processed at all",
            format!("write spec.rules[{}].legalBasis", rule.name),
        );
        book.enter(regime, Check::LegalBasisMissing, spot(), told);
    }
}

fn missing(demand: &Demand, rule: &PolicyRule) -> Vec<&'static str> {
    let lacks = |field: &RegisterField| match field {
        RegisterField::Purposes => rule.purpose.is_none().then_some("purpose"),
        RegisterField::SubjectCategories => rule.subjects.is_empty().then_some("subjects"),
        RegisterField::DataCategories => rule.category.is_none().then_some("category"),
        RegisterField::SecurityMeasures => None, // the policy's
    };
    demand.fields.iter().filter_map(lacks).collect()
}

/// A key of the taxonomy, or one below it.
fn category(ground: &Ground<'_>, rule: &PolicyRule, book: &mut Book<'_>) {
    let taxonomy = ground.facts.packs.regimes.categories.as_ref();
    let (Some(fact), Some(category)) = (taxonomy, &rule.category) else {
        return;
    };
    let holds = |key: &String| {
        let rest = category.strip_prefix(key.as_str());
        // Below `user` alone anything could stand: only what the taxonomy has there.
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && key.contains('.'))
    };
    if fact.value.iter().any(holds) {
        return;
    }
    let told = Told {
        at_most: Severity::Low,
        ..Told::once(
            format!("the taxonomy does not have category {category}"),
            "write a key such as user.contact, or one below it; or add yours to the regime pack's categories",
        )
    };
    book.enter_by(
        fact,
        Check::CategoryUnknown,
        Spot::spec(format!("spec.rules[{}].category", rule.name)),
        told,
    );
}
