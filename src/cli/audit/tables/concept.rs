//! The register of processing and the deletion concept, from what policies asked for.

use std::collections::BTreeMap;

use super::kept::{from, kept_by_all, limit};
use super::{Column, InForce, Table, text};
use crate::evidence::{Object, Record, Value};

pub(super) const UNSTATED: &str = "not stated";

const REGISTER: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("since", "In force since"),
    text("ended", "Ended"),
    text("runs", "Runs"),
    text("regimes", "Regimes"),
    text("controller", "Controller and contact (a)"),
    text("purposes", "Purposes, and on which ground (b)"),
    text("categories", "Categories of data, and whose (c)"),
    text("recipients", "Recipients (d)"),
    text("transfers", "Transfers (e)"),
    text("limits", "Time limits for erasure (f)"),
    text("measures", "Security measures (g)"),
];

/// GDPR Art. 30(1), a row for each policy and region.
pub(super) fn register(policies: &[InForce<'_>], transfers: &BTreeMap<&str, &Record>) -> Table {
    let row = |one: &InForce<'_>| {
        let spec = &one.policy.spec;
        let rules = rules(spec);
        let limits = rules.iter().map(|rule| limit(one, rule, policies));
        vec![
            one.record.about.name.clone(),
            one.record.region.clone(),
            one.since()
                .map_or_else(|| UNSTATED.to_owned(), |at| at.to_string()),
            one.ended(),
            if one.runs() { "yes" } else { "no" }.to_owned(),
            words(spec, "regimes"),
            controller(spec),
            each(
                rules
                    .iter()
                    .filter_map(|rule| on(purpose(rule), rule.get("legalBasis"))),
            ),
            each(
                rules
                    .iter()
                    .filter_map(|rule| with(rule, "category", "subjects")),
            ),
            each(
                rules
                    .iter()
                    .flat_map(|rule| objects(rule, "recipients"))
                    .chain(objects(spec, "recipients"))
                    .filter_map(|one| with(one, "name", "country")),
            ),
            leaves(transfers.get(one.record.region.as_str()).copied()),
            limits.collect::<Vec<_>>().join("; "),
            words(spec, "securityMeasures"),
        ]
    };
    Table {
        id: "register",
        title: "Register of processing",
        note: "GDPR Art. 30(1): the letters are its own. A row for each policy and region, as it stood at the end of the period; what ended in the period, by a deletion or because it was for the region no more, has its end and stands as it was until then. 'Not stated' is what the policy does not say. Beside each rule's own period stand all keeps of its table, of every policy in the region that is in force; two names of one data store stay apart here, as no record says that they are one.",
        columns: REGISTER,
        rows: policies.iter().map(row).collect(),
    }
}

const DELETION: &[Column] = &[
    text("policy", "Policy"),
    text("region", "Region"),
    text("ended", "Ended"),
    text("rule", "Rule"),
    text("table", "Table"),
    text("clock", "Starts with"),
    text("from", "Counted from"),
    text("period", "Erased after"),
    text("method", "Method"),
    text("columns", "Columns"),
    text("keep", "Kept for"),
    text("statute", "Statute"),
    text("schedule", "Schedule"),
];

/// Table by start, period, statute and method.
pub(super) fn deletion(policies: &[InForce<'_>]) -> Table {
    let mut rows = Vec::new();
    for one in policies {
        for rule in rules(&one.policy.spec) {
            rows.push(row(one, rule, policies));
        }
    }
    Table {
        id: "deletion",
        title: "Deletion concept",
        note: "A row for each rule: from which event, after which period, under which statute and how rows go. A row goes once its own period and every keep have ended: each rule has the keeps of every policy in the region over its table. What ended in the period bound until then, and its keeps stand beside no other rule. Where a keep names columns, a run takes what it lets go of the row before, once the period of the rule that erases is over, and every keep of whole rows or of one of these columns. Two names of one data store stay apart here, as no record says that they are one.",
        columns: DELETION,
        rows,
    }
}

fn row(one: &InForce<'_>, rule: &Object, policies: &[InForce<'_>]) -> Vec<String> {
    let nothing = Object::new();
    let dataset = object(rule, "dataset").unwrap_or(&nothing);
    let keep = object(rule, "keep");
    let erase = object(rule, "erase");
    let from = erase
        .or(keep)
        .and_then(|part| part.get("from"))
        .map_or_else(|| "EventDate".to_owned(), plain);
    let from = match contacts(erase) {
        None => from,
        Some(contacts) => format!("{from}, {contacts}"),
    };
    let columns = match erase.and_then(|erase| erase.get("columns")) {
        Some(Value::List(columns)) => {
            let named = columns.iter().filter_map(|column| match column {
                Value::Object(column) => Some(word(column, "name")),
                _ => None,
            });
            named.collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    let (periods, statutes): (Vec<String>, Vec<String>) =
        kept_by_all(one, rule, policies).into_iter().unzip();
    let of =
        |part: Option<&Object>, key: &str| part.map(|part| word(part, key)).unwrap_or_default();
    vec![
        one.record.about.name.clone(),
        one.record.region.clone(),
        one.ended(),
        word(rule, "name"),
        format!("{}.{}", word(dataset, "store"), word(dataset, "table")),
        word(dataset, "clock"),
        from,
        erase.map_or_else(String::new, after),
        of(erase, "method"),
        columns,
        periods.join(", "),
        statutes.join(", "),
        format!("{} ({})", one.policy.schedule, one.policy.zone),
    ]
}

/// For how long a rule's rows are kept, each with its statute: by its own keep, and by laws of the pack for the records that
/// it says its table has.
pub(super) fn kept(one: &InForce<'_>, rule: &Object) -> Vec<(String, String)> {
    let own = object(rule, "keep").map(|keep| {
        let (period, columns) = (word(keep, "for"), of_columns(rule, keep));
        let period = format!("{period}{}{columns}", from(keep));
        (period, word(keep, "reference"))
    });
    let name = word(rule, "name");
    let laws = one.policy.laws.iter().filter(|law| law.rule == name);
    let laws = laws.map(|law| {
        let from = match law.from.as_str() {
            "EventDate" => String::new(),
            from => format!(" from {from}"),
        };
        let period = format!("{}{from} ({})", law.period, law.records);
        (period, law.reference.clone())
    });
    own.into_iter().chain(laws).collect()
}

/// Of a keep of some columns: which it keeps, which go before, and after which period by the rule's own erasure.
fn of_columns(rule: &Object, keep: &Object) -> String {
    let columns = words(keep, "columns");
    let others = others(rule);
    let erase = object(rule, "erase");
    // What is only hidden goes by no period.
    if others.is_empty() || erase.is_some_and(|erase| word(erase, "method") == "Restrict") {
        return String::new();
    }
    let others = others.iter().map(|other| word(other, "name"));
    let others = others.collect::<Vec<_>>().join(", ");
    let after = match erase {
        Some(erase) => after(erase),
        None => "the period of the rule that erases".to_owned(),
    };
    format!(" ({columns}; {others} go after {after})")
}

/// What a rule's keep of some columns lets go of a row; none where it keeps whole rows.
pub(super) fn others(rule: &Object) -> Vec<&Object> {
    let Some(keep) = object(rule, "keep").filter(|keep| keep.contains_key("columns")) else {
        return Vec::new();
    };
    let own = objects(keep, "others");
    if !own.is_empty() {
        return own;
    }
    let kept = words(keep, "columns");
    let is_kept = |name: &str| kept.split(", ").any(|kept| kept == name);
    let erased = object(rule, "erase").map(|erase| objects(erase, "columns"));
    let erased = erased.into_iter().flatten();
    erased
        .filter(|column| !is_kept(&word(column, "name")))
        .collect()
}

/// The last contact that an erasure counts from beside its own clock, with its bounds.
pub(super) fn contacts(erase: Option<&Object>) -> Option<String> {
    let contact = object(erase?, "lastContact")?;
    let tables = objects(contact, "tables").into_iter();
    let tables = tables.map(|it| format!("{}.{}", word(it, "table"), word(it, "clock")));
    let tables = tables.collect::<Vec<_>>().join(", ");
    let bounds = [("atLeast", "at least"), ("atMost", "at most")];
    let bounds = bounds
        .into_iter()
        .filter(|(key, _)| contact.get(*key).is_some())
        .map(|(key, words)| format!(", {words} {}", word(contact, key)));
    let bounds = bounds.collect::<String>();
    Some(format!("or last contact ({tables}){bounds}"))
}

/// The controller, who stands for it, and who is asked about the protection of data.
pub(super) fn controller(spec: &Object) -> String {
    let Some(controller) = object(spec, "controller") else {
        return UNSTATED.to_owned();
    };
    let reached = |one: &Object| format!("{}, {}", word(one, "name"), word(one, "contact"));
    let others = [
        ("representative", "representative"),
        ("dpo", "data protection officer"),
    ];
    let others = others
        .iter()
        .filter_map(|(key, title)| Some(format!("{title}: {}", reached(object(controller, key)?))));
    let all: Vec<String> = std::iter::once(reached(controller)).chain(others).collect();
    all.join("; ")
}

/// On which grounds data could leave the region.
pub(super) fn leaves(record: Option<&Record>) -> String {
    let Some(record) = record else {
        return UNSTATED.to_owned();
    };
    let told = objects(&record.body, "transfers").into_iter().map(|one| {
        let days = [("validFrom", "from"), ("validUntil", "until")];
        let days: String = days
            .iter()
            .filter_map(|(key, title)| Some(format!(" {title} {}", plain(one.get(*key)?))))
            .collect();
        let (to, instrument) = (word(one, "to"), word(one, "instrument"));
        format!("{to} by {instrument} ({}){days}", word(one, "reference"))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return "none".to_owned();
    }
    told.join("; ")
}

pub(super) fn rules(spec: &Object) -> Vec<&Object> {
    objects(spec, "rules")
}

/// A list's members.
pub(super) fn objects<'a>(of: &'a Object, key: &str) -> Vec<&'a Object> {
    let Some(Value::List(list)) = of.get(key) else {
        return Vec::new();
    };
    let objects = list.iter().filter_map(|one| match one {
        Value::Object(one) => Some(one),
        _ => None,
    });
    objects.collect()
}

pub(super) fn object<'a>(of: &'a Object, key: &str) -> Option<&'a Object> {
    match of.get(key) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// A member as a reader sees it.
pub(super) fn word(of: &Object, key: &str) -> String {
    of.get(key).map_or_else(|| UNSTATED.to_owned(), plain)
}

/// A rule's own period; of one that goes by the law, that it does.
pub(super) fn after(erase: &Object) -> String {
    if erase.get("byLaw").is_some() {
        return "the shortest period that a law of these regimes sets".to_owned();
    }
    word(erase, "after")
}

pub(super) fn words(of: &Object, key: &str) -> String {
    word(of, key)
}

/// A member, with what another says of it: `user.financial (customers)`.
pub(super) fn with(of: &Object, key: &str, more: &str) -> Option<String> {
    on(of.get(key).map(plain), of.get(more))
}

fn on(told: Option<String>, more: Option<&Value>) -> Option<String> {
    match (told, more) {
        (Some(told), Some(more)) => Some(format!("{told} ({})", plain(more))),
        (told, None) => told,
        (None, Some(more)) => Some(format!("{UNSTATED} ({})", plain(more))),
    }
}

/// What a rule's rows are for, in its own words and by the taxonomy: `Sale and delivery of goods [sales]`.
pub(super) fn purpose(rule: &Object) -> Option<String> {
    match (rule.get("purpose").map(plain), rule.get("use").map(plain)) {
        (Some(purpose), Some(by_key)) => Some(format!("{purpose} [{by_key}]")),
        (None, Some(by_key)) => Some(format!("[{by_key}]")),
        (purpose, None) => purpose,
    }
}

/// What rules say, once each.
pub(super) fn each(told: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = told.collect();
    all.sort();
    all.dedup();
    if all.is_empty() {
        return UNSTATED.to_owned();
    }
    all.join("; ")
}

/// A value without the marks of JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::List(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(object) => {
            let members = object
                .iter()
                .map(|(key, value)| format!("{key}: {}", plain(value)));
            members.collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{About, Entry, Kind, Record, Tip, canonical};

    fn record(kind: Kind, body: &serde_json::Value, tip: &Tip) -> Record {
        let entry = Entry {
            kind,
            at: jiff::Timestamp::UNIX_EPOCH,
            about: About::cluster("Region", "eu"),
            source: "s".to_owned(),
            body: canonical::object(body).unwrap(),
        };
        entry.append("eu", tip)
    }

    #[test]
    fn a_rule_that_goes_by_the_law_says_so_in_the_place_of_its_period() {
        let after = |erase| super::after(&canonical::object(&erase).unwrap());
        assert_eq!(after(json!({"after": "P1Y"})), "P1Y");
        let by_law = after(json!({"byLaw": "Shortest"}));
        assert_eq!(
            by_law,
            "the shortest period that a law of these regimes sets"
        );
    }

    /// A policy that states all that the register asks for.
    fn stated() -> serde_json::Value {
        json!({
            "regimes": ["eu-gdpr"],
            "controller": {"name": "Aurora", "contact": "p@aurora.example", "dpo": {"name": "Office", "contact": "d@aurora.example"}},
            "securityMeasures": ["encryption", "logs"],
            "rules": [
                {"name": "a", "category": "user.contact", "subjects": ["customers", "readers"], "purpose": "parcels", "legalBasis": "Contract",
                 "recipients": [{"name": "Parcel Ltd", "country": "GB"}, {"name": "tax adviser"}], "dataset": {"store": "shop", "table": "orders", "clock": "at"}, "erase": {"after": "P1Y", "method": "Delete"}},
                {"name": "b", "category": "user.financial", "keep": {"for": "P8Y", "reference": "own law"}},
                {"name": "d", "keep": {"for": "P6Y", "reference": "HGB 257", "columns": ["no", "total"], "others": [{"name": "email"}, {"name": "note"}]}},
                {"name": "e", "keep": {"for": "P5Y", "reference": "HGB 257", "columns": ["no"]},
                 "erase": {"after": "P2Y", "method": "Anonymise", "columns": [{"name": "no"}, {"name": "phone"}]}},
                {"name": "c", "erase": {"after": "P2Y", "method": "Nullify", "lastContact": {"tables": [{"table": "orders", "clock": "at"}], "atMost": "P9Y"}}},
            ],
            "recipients": [{"name": "erp", "country": "DE", "identities": ["email"]}],
        })
    }

    #[test]
    fn the_register_says_what_policy_and_region_say() {
        let law = |rule: &str, from: &str| json!({"rule": rule, "records": "invoice", "law": "de-tax", "reference": "AO 147(3)", "for": "P9Y", "from": from});
        let body = json!({"generation": 1, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": stated(),
            "laws": [law("a", "EventDate"), law("b", "EndOfCalendarYear")]});
        let genesis = Tip::genesis("f", "eu");
        let change = record(Kind::PolicyChange, &body, &genesis);
        // Another policy only keeps: what may be the same table, and what is another's.
        let keep = |name: &str, store: &str, table: &str| {
            json!({"name": name, "dataset": {"store": store, "table": table, "clock": "at"},
            "keep": {"for": "P8Y", "from": "EndOfCalendarYear", "reference": format!("HGB 257, {name}")}})
        };
        let keeps = json!({"rules": [keep("same", "shop", "public.orders"), keep("other", "shop", "invoices"), keep("apart", "crm", "orders")]});
        let keeps = json!({"generation": 1, "runs": false, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": keeps});
        let keeps = record(Kind::PolicyChange, &keeps, &genesis);
        let one = [&change, &keeps].map(|record| InForce {
            record,
            policy: canonical::read(&record.body).unwrap(),
            ended: None,
        });
        let transfers = json!({"transfers": [
            {"name": "us", "to": "US", "instrument": "Scc", "reference": "contract 7", "validUntil": "2027-06-30"},
        ]});
        let transfers = record(Kind::TransferChange, &transfers, &genesis);
        let none = record(Kind::TransferChange, &json!({"transfers": []}), &genesis);
        let row = |transfers: Option<&Record>| {
            let told = transfers.map(|record| ("eu", record)).into_iter().collect();
            register(&one, &told).rows[0][6..].to_vec()
        };
        assert_eq!(
            row(Some(&transfers)),
            [
                "Aurora, p@aurora.example; data protection officer: Office, d@aurora.example",
                "parcels (Contract)",
                "user.contact (customers, readers); user.financial",
                "Parcel Ltd (GB); erp (DE); tax adviser",
                "US by Scc (contract 7) until 2027-06-30",
                "a: Delete after P1Y, kept for P9Y (invoice; AO 147(3)), P8Y from EndOfCalendarYear (HGB 257, same); b: kept for P8Y (own law), P9Y from EndOfCalendarYear (invoice; AO 147(3)); d: kept for P6Y (no, total; email, note go after the period of the rule that erases; HGB 257); e: Anonymise after P2Y, kept for P5Y (no; phone go after P2Y; HGB 257); c: Nullify after P2Y or last contact (orders.at), at most P9Y",
                "encryption, logs",
            ]
        );
        assert_eq!(row(Some(&none))[4], "none");
        assert_eq!(row(None)[4], UNSTATED);
        let kept = deletion(&one).rows.into_iter().take(6);
        let kept: Vec<String> = kept.map(|row| row[10..12].join(": ")).collect();
        assert_eq!(
            kept,
            [
                "P9Y (invoice), P8Y from EndOfCalendarYear: AO 147(3), HGB 257, same",
                "P8Y, P9Y from EndOfCalendarYear (invoice): own law, AO 147(3)",
                "P6Y (no, total; email, note go after the period of the rule that erases): HGB 257",
                "P5Y (no; phone go after P2Y): HGB 257",
                ": ",
                "P8Y from EndOfCalendarYear, P9Y (invoice): HGB 257, same, AO 147(3)",
            ]
        );
    }
}
