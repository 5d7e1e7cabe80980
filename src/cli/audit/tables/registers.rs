//! The registers of other laws beside GDPR Art. 30: Brazil's record of operations, and what California asks a business to
//! tell. From what policies state; a row for each rule, of policies that carry the regime.

use std::collections::BTreeMap;

use super::concept::{
    UNSTATED, controller, each, leaves, objects, purpose, rules, with, word, words,
};
use super::kept::ends;
use super::{Column, InForce, Table, text};
use crate::evidence::{Object, Record};

const LGPD: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("ended", "Ended"),
    text("rule", "Operation"),
    text("controller", "Controller, and the encarregado (Art. 41)"),
    text("purpose", "Purpose (Art. 6, I)"),
    text("basis", "Legal basis (Art. 7)"),
    text("categories", "Categories of data, and whose"),
    text("shared", "Shared with"),
    text("transfers", "International transfers (Art. 33)"),
    text(
        "ends",
        "When processing ends (Art. 15), and what stays (Art. 16)",
    ),
    text("measures", "Security measures (Art. 46)"),
];

/// LGPD Art. 37: a record of operations, a row for each rule.
pub(super) fn lgpd(policies: &[InForce<'_>], transfers: &BTreeMap<&str, &Record>) -> Table {
    let row = |one: &InForce<'_>, rule: &Object| {
        let spec = &one.policy.spec;
        vec![
            one.record.about.name.clone(),
            one.record.region.clone(),
            one.ended(),
            word(rule, "name"),
            controller(spec),
            purpose(rule).unwrap_or_else(|| UNSTATED.to_owned()),
            word(rule, "legalBasis"),
            each(with(rule, "category", "subjects").into_iter()),
            recipients(spec, rule),
            leaves(transfers.get(one.record.region.as_str()).copied()),
            ends(one, rule, policies),
            words(spec, "securityMeasures"),
        ]
    };
    Table {
        id: "register-lgpd",
        title: "Record of operations (LGPD)",
        note: "LGPD Art. 37. A row for each rule of a policy under br-lgpd, as it stood at the end of the period; of one that ended in it, with its end, as it stood until then. 'Not stated' is what the policy does not say. What stays is told of all keeps of the rule's table, of every policy in the region that is in force; two names of one data store stay apart here, as no record says that they are one. The law leaves the form to the authority; which articles the columns answer to stands in their headings.",
        columns: LGPD,
        rows: rows(policies, "br-lgpd", row),
    }
}

const CCPA: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("ended", "Ended"),
    text("rule", "Rule"),
    text("business", "Business"),
    text("category", "Category of personal information"),
    text("subjects", "Of whom"),
    text("purpose", "Purpose of collecting and using it"),
    text("disclosed", "Disclosed to"),
    text("retention", "How long it is kept (1798.100(a)(3))"),
];

/// California has no register of processing: it asks what a business tells, category by category.
pub(super) fn ccpa(policies: &[InForce<'_>]) -> Table {
    let row = |one: &InForce<'_>, rule: &Object| {
        vec![
            one.record.about.name.clone(),
            one.record.region.clone(),
            one.ended(),
            word(rule, "name"),
            controller(&one.policy.spec),
            word(rule, "category"),
            words(rule, "subjects"),
            purpose(rule).unwrap_or_else(|| UNSTATED.to_owned()),
            recipients(&one.policy.spec, rule),
            ends(one, rule, policies),
        ]
    };
    Table {
        id: "register-ccpa",
        title: "What is collected, and how long it is kept (CCPA)",
        note: "Civil Code 1798.100 and 1798.130(a)(5), which ask for a notice and no register. A row for each rule of a policy under us-ca-ccpa, with the end of one that ended in the period. Sources of collection, and whether anything is sold or shared, no policy states: they are yours to add. How long has all keeps of the rule's table, of every policy in the region that is in force; two names of one data store stay apart here, as no record says that they are one. The log of requests that 11 CCR 7101 asks for is the table Requests.",
        columns: CCPA,
        rows: rows(policies, "us-ca-ccpa", row),
    }
}

fn rows(
    policies: &[InForce<'_>],
    regime: &str,
    row: impl Fn(&InForce<'_>, &Object) -> Vec<String>,
) -> Vec<Vec<String>> {
    let carries = |one: &&InForce<'_>| {
        let told = words(&one.policy.spec, "regimes");
        told.split(", ").any(|id| id == regime)
    };
    let policies = policies.iter().filter(carries);
    policies
        .flat_map(|one| {
            let rules = rules(&one.policy.spec).into_iter();
            rules.map(|rule| row(one, rule)).collect::<Vec<_>>()
        })
        .collect()
}

/// Those that the rule names, and those of the policy, who may have data of every rule.
fn recipients(spec: &Object, rule: &Object) -> String {
    let all = [rule, spec].map(|of| objects(of, "recipients"));
    let all = all.into_iter().flatten();
    each(all.filter_map(|one| with(one, "name", "country")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{About, Entry, Kind, Tip, canonical};

    #[test]
    fn each_law_has_the_rules_of_its_own_policies() {
        let spec = json!({
            "regimes": ["br-lgpd", "us-ca-ccpa"],
            "controller": {"name": "Aurora", "contact": "p@aurora.example", "dpo": {"name": "Encarregado", "contact": "e@aurora.example"}},
            "securityMeasures": ["encryption"],
            "rules": [
                {"name": "a", "category": "user.contact", "subjects": ["customers"], "purpose": "parcels", "legalBasis": "Contract",
                 "recipients": [{"name": "Parcel Ltd", "country": "PT"}], "dataset": {"store": "shop", "table": "people", "clock": "at"}, "erase": {"after": "P1Y", "method": "Delete"},
                 "keep": {"for": "P5Y", "from": "EndOfCalendarYear", "reference": "CTN 173"}},
                {"name": "b", "erase": {"after": "P2Y", "method": "Delete", "lastContact": {"tables": [{"table": "orders", "clock": "at"}], "atMost": "P9Y"}}},
            ],
            "recipients": [{"name": "erp", "country": "DE", "identities": ["email"]}],
        });
        let genesis = Tip::genesis("f", "br");
        let change = |spec: &serde_json::Value| {
            let laws = json!([{"rule": "b", "records": "invoice", "law": "br-tax", "reference": "CTN 195", "for": "P6Y", "from": "EventDate"}]);
            let body = json!({"generation": 1, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": spec, "laws": laws});
            let entry = Entry {
                kind: Kind::PolicyChange,
                at: jiff::Timestamp::UNIX_EPOCH,
                about: About::cluster("DataPolicy", "shop"),
                source: "s".to_owned(),
                body: canonical::object(&body).unwrap(),
            };
            entry.append("br", &genesis)
        };
        // What another policy keeps of the same table stays, whatever law that is for.
        let other = json!({"regimes": ["eu-gdpr"], "rules": [{"name": "c", "dataset": {"store": "shop", "table": "people", "clock": "at"},
            "keep": {"for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)"}}]});
        let (both, other) = (change(&spec), change(&other));
        let in_force = [&both, &other].map(|record| InForce {
            record,
            policy: canonical::read(&record.body).unwrap(),
            ended: None,
        });
        let brazil = lgpd(&in_force, &BTreeMap::new());
        assert_eq!(
            brazil.rows[0][3..],
            [
                "a",
                "Aurora, p@aurora.example; data protection officer: Encarregado, e@aurora.example",
                "parcels",
                "Contract",
                "user.contact (customers)",
                "Parcel Ltd (PT); erp (DE)",
                UNSTATED,
                "Delete after P1Y; kept for P5Y from EndOfCalendarYear (CTN 173); kept for P8Y from EndOfCalendarYear (AO 147(3))",
                "encryption",
            ]
        );
        assert_eq!(brazil.rows[1][5..7], [UNSTATED, UNSTATED]);
        let california = ccpa(&in_force);
        assert_eq!(california.rows[0][5], "user.contact");
        let disclosed = [0, 1].map(|rule| california.rows[rule][8].as_str());
        assert_eq!(disclosed, ["Parcel Ltd (PT); erp (DE)", "erp (DE)"]);
        assert_eq!(
            california.rows[1][9],
            "Delete after P2Y or last contact (orders.at), at most P9Y; kept for P6Y (invoice; CTN 195)"
        );
        assert_eq!(california.rows[0][9], brazil.rows[0][10]);
        let all = [brazil, california].map(|t| [t.rows.len(), t.columns.len(), t.rows[0].len()]);
        assert_eq!(all, [[2, 12, 12], [2, 10, 10]]);
    }
}
