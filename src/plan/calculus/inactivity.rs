//! Whether a law that wants data of persons gone who were not heard of asks it of a policy's controller, and of a rule.

use crate::api::{ControllerClass, DataPolicy, DataPolicySpec, PolicyRule};
use crate::packs::{Fact, InactivityDuty, NO_CLASS, Packs};

/// What a law's inactivity is to a rule.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) enum Standing<'p> {
    /// The policy does not say of what kind its controller is: nobody takes it for one.
    Unstated,
    /// The controller is of another kind, or too small.
    NotSubject(Option<&'p ControllerClass>),
    /// The law leaves such records out.
    Exempt(&'p str),
    /// The law asks it of the controller.
    Applies(&'p ControllerClass),
}

/// What a policy says of its controller under a law.
fn stated<'p>(
    spec: &'p DataPolicySpec,
    law: &str,
) -> impl Iterator<Item = &'p ControllerClass> + use<'p> {
    let law = law.to_owned();
    let classes = spec.controller.iter().flat_map(|it| &it.classes);
    classes.filter(move |one| one.regime == law)
}

/// Whether a policy says anything of it.
pub(in crate::plan) fn is_stated(policy: &DataPolicy, law: &str) -> bool {
    stated(&policy.spec, law).next().is_some()
}

/// What a law's inactivity is to a rule of a policy. Who says one kind has said that the controller is of no other.
pub(in crate::plan) fn standing<'p>(
    policy: &'p DataPolicy,
    rule: &'p PolicyRule,
    (law, fact): (&str, &Fact<InactivityDuty>),
) -> Standing<'p> {
    let own = &fact.value;
    let mut classes = stated(&policy.spec, law).peekable();
    if classes.peek().is_none() {
        return Standing::Unstated;
    }
    let Some(class) = classes.find(|one| one.class == own.class) else {
        return Standing::NotSubject(None);
    };
    let users = class.registered_users.and_then(|it| u64::try_from(it).ok());
    if users.is_none_or(|users| users < own.from_users) {
        return Standing::NotSubject(Some(class));
    }
    let mut records = rule.dataset.records.iter();
    match records.find(|kind| own.except_records.contains(*kind)) {
        Some(kind) => Standing::Exempt(kind),
        None => Standing::Applies(class),
    }
}

/// What is said of the controller and no law of the policy knows.
pub(in crate::plan) fn unread(spec: &DataPolicySpec, packs: &Packs) -> Vec<String> {
    let classes = spec.controller.iter().flat_map(|it| &it.classes);
    let wrong = classes.filter_map(|one| {
        let (regime, class) = (&one.regime, &one.class);
        let field = format!("spec.controller.classes[{regime}/{class}]");
        let known: Vec<&str> = packs
            .inactivity(regime)
            .iter()
            .map(|fact| fact.value.class.as_str())
            .collect();
        if !spec.regimes.contains(regime) {
            return Some(format!("{field}.regime: {regime} is not in spec.regimes; add it there, or take the class out"));
        }
        if known.is_empty() {
            return Some(format!("{field}.regime: the pack has no kinds of controllers for {regime}; take the class out"));
        }
        if class != NO_CLASS && !known.contains(&class.as_str()) {
            let known = known.join(", ");
            return Some(format!("{field}.class: {regime} knows no {class}; it has {known}, and {NO_CLASS}"));
        }
        let day = one.counted_on.as_deref()?;
        let is_day = day.parse::<jiff::civil::Date>().is_ok();
        (!is_day).then(|| format!("{field}.countedOn: {day} is no date; write one such as 2027-04-01"))
    });
    wrong.collect()
}
