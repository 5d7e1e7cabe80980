//! Rules whose period runs from the last contact: bounds that say nothing, and contacts that are forgotten too soon.

use jiff::Span;

use crate::api::{ContactTable, DataPolicySpec, Erase, LastContact, PolicyRule};
use crate::plan::Reason;
use crate::plan::calculus::{Ruling, falls_short, lasts_as_long, may_be_one};
use crate::plan::reason::Word;

/// What somebody must mend.
pub(super) fn problems(spec: &DataPolicySpec) -> Vec<Reason> {
    let rules = spec.rules.iter().filter_map(|rule| {
        let erase = rule.erase.as_ref()?;
        Some((rule, erase, erase.last_contact.as_ref()?))
    });
    let problems = rules.flat_map(|(rule, erase, contact)| {
        let path = format!("spec.rules[{}].erase.lastContact", rule.name);
        let mut problems = bounds(&path, erase, contact);
        let tables = contact.tables.iter();
        problems.extend(tables.filter_map(|it| forgotten(&path, spec, (rule, erase), it)));
        problems
    });
    problems.collect()
}

/// The same with the periods that the law set in a region; nothing where no rule goes by it.
pub(super) fn problems_by_law(spec: &DataPolicySpec, rulings: &[Ruling<'_>]) -> Vec<Reason> {
    if rulings.iter().all(|ruling| ruling.by_law().is_none()) {
        return Vec::new();
    }
    let mut spec = spec.clone();
    for rule in &mut spec.rules {
        let mut own = rulings.iter().filter(|it| it.rule().name == rule.name);
        if let Some(ruling) = own.next() {
            rule.erase = Some(ruling.erase().clone());
        }
    }
    problems(&spec)
}

fn bounds(path: &str, erase: &Erase, contact: &LastContact) -> Vec<Reason> {
    let is_period = |text: &str| text.parse::<Span>().is_ok_and(Span::is_positive);
    let given = [("atLeast", &contact.at_least), ("atMost", &contact.at_most)];
    let given = given
        .into_iter()
        .filter_map(|(field, period)| Some((field, period.as_ref()?)));
    let wrong = given.filter(|(_, period)| !is_period(period));
    let mut problems: Vec<Reason> = wrong
        .map(|(field, period)| {
            Word::PeriodInvalid.because(format!(
                "{path}.{field}: {period} is no period longer than nothing; write one such as P3Y or P10Y"
            ))
        })
        .collect();
    let Some(most) = contact.at_most.as_ref().filter(|most| is_period(most)) else {
        return problems;
    };
    let least = [
        ("after", erase.after.as_ref()),
        ("atLeast", contact.at_least.as_ref()),
    ];
    problems.extend(least.into_iter().filter_map(|(field, period)| {
        let period = period.filter(|period| !lasts_as_long(most, period))?;
        Some(Word::PeriodInvalid.because(format!(
            "{path}.atMost: {most} is not surely as long as {field}, {period}; write a longer one, or none"
        )))
    }));
    problems
}

/// Contacts that another rule erases before they are as old as this one asks: whoever is in touch would seem not to be.
fn forgotten(
    path: &str,
    spec: &DataPolicySpec,
    (rule, erase): (&PolicyRule, &Erase),
    contacts: &ContactTable,
) -> Option<Reason> {
    // By the law it differs from region to region.
    let is_known = |rule: &PolicyRule| rule.erase.as_ref().is_some_and(|it| it.after.is_some());
    if !is_known(rule) {
        return None;
    }
    let others = spec.rules.iter().filter(|it| is_known(it)).filter(|other| {
        other.name != rule.name
            && other.dataset.store == rule.dataset.store
            && may_be_one(&other.dataset.table, &contacts.table)
    });
    let mut sooner = others.filter_map(|other| {
        let own = other.erase.as_ref().filter(|it| it.method.erases())?;
        let (own, asked) = ((&*other.dataset.clock, own), (&*contacts.clock, erase));
        Some((other, falls_short(spec, own, asked)?))
    });
    let (other, [own, asked]) = sooner.next()?;
    Some(Word::PeriodInvalid.because(format!(
        "{path}.tables[{}]: rule {} erases these contacts {own}, which does not surely end as late as {asked}; give them a \
         period that does, or take them out",
        contacts.table, other.name
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(people: &Value, orders: &Value) -> Vec<String> {
        let rule = |name: &str, erase: &Value| json!({"name": name, "dataset": {"store": "shop", "table": format!("public.{name}"), "clock": "at"}, "erase": erase});
        let spec = json!({
            "regimes": ["eu-gdpr"], "selector": {"jurisdictions": ["DE"]}, "retention": {"schedule": "0 2 * * *"},
            "rules": [rule("people", people), rule("orders", orders)],
        });
        let spec: DataPolicySpec = serde_json::from_value(spec).unwrap();
        let problems = problems(&spec).into_iter();
        problems.map(|problem| problem.message).collect()
    }

    fn people(more: &Value) -> Value {
        let mut erase = json!({"after": "P2Y", "method": "Delete", "lastContact": {"tables": [{"table": "orders", "clock": "at"}]}});
        for (field, value) in more.as_object().unwrap() {
            let erase = match field.as_str() {
                "from" => &mut erase,
                _ => &mut erase["lastContact"],
            };
            erase[field] = value.clone();
        }
        erase
    }

    #[test]
    fn contacts_must_outlive_the_period_that_asks_for_them() {
        let people = people(&json!({}));
        for (after, method, is_fine) in [
            ("P90D", "Delete", false),
            ("P23M", "Delete", false),
            ("P2Y", "Delete", true),
            ("P24M", "Delete", true),
            ("P8Y", "Delete", true),
            ("P90D", "Restrict", true),
        ] {
            let told = told(&people, &json!({"after": after, "method": method}));
            assert_eq!(told.is_empty(), is_fine, "{after} {method}: {told:?}");
        }
        assert_eq!(
            told(&people, &json!({"after": "P90D", "method": "Delete"})),
            [
                "spec.rules[people].erase.lastContact.tables[orders]: rule orders erases these contacts P90D from at, which \
                 does not surely end as late as P2Y from at; give them a period that does, or take them out"
            ]
        );
    }

    /// Two years from the end of the year are later than two years from the event, and another column may say anything.
    #[test]
    fn contacts_must_outlive_it_from_where_each_period_runs() {
        for (people_from, orders, is_fine) in [
            ("EndOfCalendarYear", json!({"after": "P2Y"}), false),
            ("EndOfCalendarYear", json!({"after": "P4Y"}), true),
            (
                "EndOfCalendarYear",
                json!({"after": "P2Y", "from": "EndOfCalendarYear"}),
                true,
            ),
            (
                "EventDate",
                json!({"after": "P2Y", "from": "EndOfCalendarYear"}),
                true,
            ),
        ] {
            let mut orders = orders;
            orders["method"] = "Delete".into();
            let people = people(&json!({"from": people_from}));
            let told = told(&people, &orders);
            assert_eq!(
                told.is_empty(),
                is_fine,
                "{people_from}, {orders}: {told:?}"
            );
        }
        let mut seen = people(&json!({}));
        seen["lastContact"]["tables"][0]["clock"] = "seen_at".into();
        let told = told(&seen, &json!({"after": "P8Y", "method": "Delete"}));
        assert!(told[0].contains("P8Y from at, which does not"), "{told:?}");
        assert!(told[0].contains("as late as P2Y from seen_at"), "{told:?}");
    }

    #[test]
    fn bounds_are_periods_and_the_most_is_no_less_than_the_least() {
        let orders = json!({"after": "P8Y", "method": "Delete"});
        let told = |bounds: Value| told(&people(&bounds), &orders).join("\n");
        assert_eq!(told(json!({"atLeast": "P3Y", "atMost": "P10Y"})), "");
        assert_eq!(told(json!({"atLeast": "P30Y"})), "");
        let zero = told(json!({"atLeast": "P0D"}));
        assert!(
            zero.starts_with("spec.rules[people].erase.lastContact.atLeast: P0D is no period"),
            "{zero}"
        );
        let short = told(json!({"atMost": "P23M"}));
        assert!(
            short.contains("atMost: P23M is not surely as long as after, P2Y"),
            "{short}"
        );
        let crossed = told(json!({"atLeast": "P11Y", "atMost": "P10Y"}));
        assert!(crossed.contains("as long as atLeast, P11Y"), "{crossed}");
    }
}
