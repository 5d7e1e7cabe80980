//! What a policy and its rules say of themselves: method, register, controller, legal basis, words of the taxonomy.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Ground;
use super::book::{Book, Spot, Told};
use crate::api::{PolicyRule, Severity};
use crate::packs::{Check, Demand, Fact, RegisterField};

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
        taxonomy(ground, rule, book);
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

/// What a rule says in words of the taxonomy, as far as it says it.
fn taxonomy(ground: &Ground<'_>, rule: &PolicyRule, book: &mut Book<'_>) {
    let lists = &ground.facts.packs.regimes;
    let mut unknown =
        |fact: &Fact<BTreeSet<String>>, check: Check, field: &str, what: &str, remedy: &str| {
            let told = Told {
                at_most: Severity::Low,
                ..Told::once(format!("the taxonomy does not have {what}"), remedy)
            };
            let place = format!("spec.rules[{}].{field}", rule.name);
            book.enter_by(fact, check, Spot::spec(place), told);
        };
    if let (Some(fact), Some(category)) = (&lists.categories, &rule.category)
        && !is_below(&fact.value, category)
    {
        unknown(
            fact,
            Check::CategoryUnknown,
            "category",
            &format!("category {category}"),
            "write a key such as user.contact, or one below it; or add yours to the regime pack's categories",
        );
    }
    if let (Some(fact), Some(data_use)) = (&lists.uses, &rule.data_use)
        && !is_below(&fact.value, data_use)
    {
        unknown(
            fact,
            Check::UseUnknown,
            "use",
            &format!("use {data_use}"),
            "write a key such as essential.service, or one below it; or add yours to the regime pack's uses",
        );
    }
    let Some(fact) = &lists.subject_categories else {
        return;
    };
    let named = rule.subjects.iter().map(String::as_str);
    let strange: Vec<&str> = named.filter(|one| !names(&fact.value, one)).collect();
    if !strange.is_empty() {
        unknown(
            fact,
            Check::SubjectsUnknown,
            "subjects",
            &format!("subjects {}", strange.join(", ")),
            "write whom it is about in a word such as customers; or add yours to the regime pack's subjectCategories",
        );
    }
}

/// A key of the taxonomy, or one below it.
fn is_below(keys: &BTreeSet<String>, told: &str) -> bool {
    keys.iter().any(|key| {
        let rest = told.strip_prefix(key.as_str());
        // Below `user` alone anything could stand: only what the taxonomy has there.
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && key.contains('.'))
    })
}

/// A word for persons as a register has it: `Job applicants` is `job_applicant`.
fn names(words: &BTreeSet<String>, told: &str) -> bool {
    let word = told.trim().to_lowercase().replace([' ', '-'], "_");
    let one = word.strip_suffix('s');
    words.contains(&word) || one.is_some_and(|one| words.contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_named_in_any_case_in_the_singular_or_plural_and_in_words() {
        let words = ["customer", "job_applicant", "people_who_ask", "business"];
        let words: BTreeSet<String> = words.into_iter().map(str::to_owned).collect();
        for (told, is_one) in [
            ("customer", true),
            ("Customers", true),
            (" job applicants ", true),
            ("job-applicant", true),
            ("People who ask", true),
            ("business", true),
            ("s", false),
            ("", false),
            ("customers of ours", false),
            ("custom", false),
        ] {
            assert_eq!(names(&words, told), is_one, "{told}");
        }
    }

    #[test]
    fn below_a_key_of_one_word_stands_only_what_the_taxonomy_has_there() {
        let keys = ["sales", "essential", "essential.service"];
        let keys: BTreeSet<String> = keys.into_iter().map(str::to_owned).collect();
        for (told, is_one) in [
            ("sales", true),
            ("essential.service.payment_processing", true),
            ("essential.services", false),
            ("sales.shoes", false),
            ("sale", false),
        ] {
            assert_eq!(is_below(&keys, told), is_one, "{told}");
        }
    }
}
