//! Every field of a DataPolicy.

use serde_json::{Value, json};

use crate::case::{Case, Kind, LONG, PATTERN, label, list, map, ruled, text};
use crate::kept_columns;
use crate::region::suspend;

fn rule(i: usize) -> Value {
    json!({
        "name": format!("rule-{i}"), "dataset": {"store": "orders", "table": "orders", "clock": "placed_at"},
        "erase": {"after": "P8Y", "method": "Delete"},
    })
}

/// A rule with every field.
fn both(i: usize) -> Value {
    let mut rule = rule(i);
    rule["keep"] = json!({"for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)"});
    rule["erase"]["from"] = json!("EndOfFiscalYear");
    rule["erase"]["lastContact"] =
        json!({"tables": [contacts(0)], "atLeast": "P9Y", "atMost": "P12Y"});
    rule["category"] = json!("user.financial");
    rule["purpose"] = json!("Tax records");
    rule["use"] = json!("essential.legal_obligation");
    rule["legalBasis"] = json!("LegalObligation");
    rule["dataset"]["subjects"] = json!([
        {"column": "id", "identity": "customerId", "foundBy": "kind0"}, subject(0),
    ]);
    rule["dataset"]["portable"] = json!(true);
    rule["dataset"]["records"] = json!(["invoice"]);
    rule["subjects"] = json!(["customers"]);
    rule["recipients"] = json!([{"name": "tax adviser", "country": "DE"}]);
    rule
}

/// A rule that goes by the law.
fn by_law() -> Value {
    let mut rule = rule(0);
    rule["erase"] = json!({"byLaw": "Shortest", "method": "Delete", "lastContact": {"tables": [contacts(0)]}, "notice": {"column": "notified_at", "hours": 48}});
    rule
}

const PERIOD: &str = "erase.after: say after which period rows go, or byLaw: Shortest";

fn class(i: usize) -> Value {
    json!({"regime": "in-dpdp", "class": format!("class{i}"), "registeredUsers": 25_000_000, "countedOn": "2027-04-01"})
}

fn contacts(i: usize) -> Value {
    json!({"table": format!("orders_{i}"), "clock": "placed_at"})
}

fn subject(i: usize) -> Value {
    json!({"column": format!("column_{i}"), "identity": format!("kind{i}")})
}

/// A rule that keeps its rows.
fn changing(method: &str, column: Value) -> Value {
    let mut rule = rule(0);
    rule["erase"]["method"] = method.into();
    rule["erase"]["columns"] = json!([column]);
    rule
}

fn column(i: usize) -> Value {
    json!({"name": format!("column_{i}"), "set": "Constant", "value": "x"})
}

fn recipient(i: usize) -> Value {
    json!({
        "name": format!("recipient-{i}"), "country": "DE", "identities": ["email"], "identityForm": "KeyedHash",
        "http": {"url": "https://erp.aurora.example/privacy", "secretRef": {"name": "erp-privacy", "key": "secret"}},
    })
}

/// Who is told of requests.
fn recipients() -> Vec<Case> {
    let mut plain = recipient(0);
    plain["identityForm"] = "Value".into();
    plain["http"]["url"] = "http://erp.local:8080/in".into();
    vec![
        list("recipients", recipient),
        ruled(
            "recipients[]",
            vec![(
                plain,
                "recipients: with identityForm Value the url must begin with https://",
            )],
        ),
        text(
            "recipients[].name",
            "erp",
            label(40),
            &[("ERP", PATTERN), ("-erp", PATTERN)],
        ),
        text("recipients[].country", "NO", "ZZ", &[("de", PATTERN)]),
        list("recipients[].identities", |i| json!(format!("kind{i}"))),
        text(
            "recipients[].identities[]",
            "customerId",
            format!("a{}", "B".repeat(31)),
            &[("Email", PATTERN), ("e-mail", PATTERN)],
        ),
        text(
            "recipients[].http.url",
            "http://erp.local:8080/in",
            format!("https://{}", "u".repeat(504)),
            &[
                ("erp.local", PATTERN),
                ("https://user:pw@erp.local", PATTERN),
            ],
        ),
        text(
            "recipients[].http.secretRef.name",
            "hook",
            label(253),
            &[("A", PATTERN)],
        ),
        text(
            "recipients[].http.secretRef.key",
            "key",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        ),
    ]
}

fn approval(i: usize) -> Value {
    json!({"region": format!("region-{i}"), "previewHash": format!("sha256-{}", "0".repeat(64)), "by": "dpo"})
}

/// The DataPolicy kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "regimes": ["eu-gdpr"], "selector": {"jurisdictions": ["DE"]}, "rules": [rule(0)],
        "retention": {"schedule": "0 2 * * *"},
    });
    let whole = json!({
        "regimes": ["eu-gdpr", "uk-gdpr"],
        "controller": {
            "name": "Aurora GmbH", "contact": "privacy@aurora.example",
            "representative": {"name": "Aurora Ltd", "contact": "uk@aurora.example"},
            "dpo": {"name": "DPO", "contact": "dpo@aurora.example"},
            "classes": [class(0)],
        },
        "securityMeasures": ["encrypted at rest"],
        "recipients": [recipient(0)],
        "selector": {
            "jurisdictions": ["DE", "GB"], "regions": ["eu-west"], "namespaces": ["aurora"],
            "channelLabels": {"brand": "aurora"},
        },
        "mode": "Enforce",
        "approvals": [approval(0)],
        "rules": [both(0), rule(1)],
        "fiscalYearEnd": "09-30",
        "retention": {"schedule": "0 2 * * *", "window": "PT4H", "batchRows": 5000, "maxPercent": 5,
            "throttle": {"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 60, "vacuumMinutes": 30, "deadRowsPercent": 30}},
        "suspend": {"reason": "audit", "by": "dpo", "until": "2026-12-01T08:00:00Z"},
        "deletionPolicy": "Delete",
    });
    // A column has the parameters of one `set` only.
    let with = |rule: Value| {
        let mut spec = least.clone();
        spec["rules"] = json!([rule]);
        spec
    };
    let specs = vec![
        whole,
        with(changing("Anonymise", column(0))),
        with(changing(
            "Anonymise",
            json!({"name": "mail", "set": "Truncate", "length": 3}),
        )),
        with(changing(
            "Anonymise",
            json!({"name": "born", "set": "Generalise", "to": "Year"}),
        )),
        with(changing(
            "Anonymise",
            json!({"name": "age", "set": "Generalise", "step": 10}),
        )),
        with(changing("Nullify", json!({"name": "mail"}))),
        with(by_law()),
    ];
    let keeping = kept_columns::rules().into_iter().map(with);
    let specs = specs.into_iter().chain(keeping).collect();
    Kind {
        name: "DataPolicy",
        plural: "datapolicies",
        namespace: None,
        least,
        specs,
        cases: [
            kept_columns::cases(),
            selector(),
            approvals(),
            rules(),
            register(),
            recipients(),
            columns(),
            retention(),
            suspend(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        names: vec![(LONG, "metadata.name: at most 40 characters")],
    }
}

fn selector() -> Vec<Case> {
    let none = "selector: set at least one of jurisdictions, regions, namespaces, channelLabels";
    vec![
        list("regimes", |i| json!(format!("regime-{i}"))),
        text(
            "regimes[]",
            "br-lgpd",
            label(40),
            &[
                ("EU-GDPR", PATTERN),
                ("eu--gdpr", PATTERN),
                ("eu_gdpr", PATTERN),
            ],
        ),
        ruled("selector", vec![(json!({}), none)]),
        list("selector.jurisdictions", |i| json!(format!("US-{i:03}"))),
        text(
            "selector.jurisdictions[]",
            "FR",
            "US-CAL",
            &[("fr", PATTERN), ("FRA", PATTERN)],
        ),
        list("selector.regions", |i| json!(format!("region-{i}"))),
        text("selector.regions[]", "us-east", "n".repeat(40), &[]),
        list("selector.namespaces", |i| json!(format!("brand-{i}"))),
        text("selector.namespaces[]", "borealis", "n".repeat(63), &[]),
        map("selector.channelLabels", |i| {
            (format!("example.com/label-{i}"), json!("v"))
        }),
        text("selector.channelLabels{}", "borealis", "v".repeat(63), &[]),
    ]
}

fn approvals() -> Vec<Case> {
    let longest = format!("sha256-{}", "f".repeat(64));
    vec![
        list("approvals", approval),
        text("approvals[].region", "us-east", "r".repeat(40), &[]),
        text(
            "approvals[].previewHash",
            "sha256-1111111111111111111111111111111111111111111111111111111111111111",
            longest,
            &[
                ("sha256-1", "should be at least 71"),
                (
                    "sha256-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
                    PATTERN,
                ),
            ],
        ),
        text(
            "approvals[].by",
            "counsel@aurora.example",
            // A ServiceAccount's name is as long as that.
            "b".repeat(340),
            &[],
        ),
    ]
}

fn rules() -> Vec<Case> {
    let mut neither = rule(0);
    neither.as_object_mut().unwrap().remove("erase");
    let longest = "P999Y9999M9999W9999D";
    let periods = [
        ("18Y", PATTERN),
        ("P8y", PATTERN),
        ("P1DT1H", PATTERN),
        ("P-1D", PATTERN),
        ("P1.5Y", PATTERN),
    ];
    vec![
        list("rules", rule),
        ruled(
            "rules[]",
            [(neither, "a rule needs erase, keep or dataset.records")]
                .into_iter()
                .chain(kept_columns::refused())
                .collect(),
        ),
        text(
            "rules[].name",
            "invoices",
            label(32),
            &[("Invoices", PATTERN), ("a_b", PATTERN)],
        ),
        text(
            "rules[].dataset.store",
            "inbox",
            label(40),
            &[("Orders", PATTERN)],
        ),
        text(
            "rules[].dataset.table",
            "shop.orders",
            format!("{}.{}", "s".repeat(63), "t".repeat(63)),
            &[
                ("orders; delete from orders", PATTERN),
                ("a.b.c", PATTERN),
                ("\"Orders\"", PATTERN),
                ("1orders", PATTERN),
            ],
        ),
        text(
            "rules[].dataset.clock",
            "created_at",
            "c".repeat(63),
            &[
                ("created at", PATTERN),
                ("a.b", PATTERN),
                ("now()", PATTERN),
            ],
        ),
        ruled(
            "rules[].dataset",
            vec![(
                json!({"store": "orders", "table": "orders", "clock": "placed_at", "portable": true}),
                "dataset.portable: say in subjects whose the rows are",
            )],
        ),
        list("rules[].dataset.records", |i| json!(format!("kind{i}"))),
        text(
            "rules[].dataset.records[]",
            "businessLetter",
            format!("a{}", "B".repeat(31)),
            &[("Invoice", PATTERN), ("tax record", PATTERN)],
        ),
        list("rules[].dataset.subjects", subject)
            .kept("dataset.portable: say in subjects whose the rows are"),
        text(
            "rules[].dataset.subjects[].column",
            "mail",
            "c".repeat(63),
            &[("e mail", PATTERN), ("lower(a)", PATTERN)],
        ),
        text(
            "rules[].dataset.subjects[].identity",
            "phone",
            format!("a{}", "b".repeat(31)),
            &[("Email", PATTERN), ("e-mail", PATTERN)],
        ),
        text(
            "rules[].dataset.subjects[].foundBy",
            "kind0",
            "kind0",
            &[
                ("Email", PATTERN),
                ("nobody", "foundBy: name the identity of another subject"),
            ],
        ),
        text("rules[].erase.after", "P90D", longest, &periods).kept(PERIOD),
        ruled("rules[].erase.byLaw", vec![]).kept(PERIOD),
        text(
            "rules[].erase.notice.column",
            "told_at",
            "c".repeat(63),
            &[("a.b", PATTERN), ("now()", PATTERN)],
        ),
        list("rules[].erase.lastContact.tables", contacts),
        text(
            "rules[].erase.lastContact.tables[].table",
            "shop.orders",
            format!("{}.{}", "s".repeat(63), "t".repeat(63)),
            &[("a.b.c", PATTERN), ("\"Orders\"", PATTERN)],
        ),
        text(
            "rules[].erase.lastContact.tables[].clock",
            "created_at",
            "c".repeat(63),
            &[("a.b", PATTERN), ("now()", PATTERN)],
        ),
        text(
            "rules[].erase.lastContact.atLeast",
            "P3Y",
            longest,
            &periods,
        ),
        text(
            "rules[].erase.lastContact.atMost",
            "P20Y",
            longest,
            &periods,
        ),
        text("rules[].keep.for", "P6Y", longest, &periods),
        text(
            "rules[].keep.reference",
            "HGB 257(4)",
            "r".repeat(120),
            &[(" ", PATTERN), (" AO 147", PATTERN), ("AO 147 ", PATTERN)],
        ),
        text(
            "fiscalYearEnd",
            "04-05",
            "02-31",
            &[("13-01", PATTERN), ("04-32", PATTERN), ("4-005", PATTERN)],
        )
        .kept("spec.fiscalYearEnd: a rule counts from EndOfFiscalYear"),
    ]
}

fn register() -> Vec<Case> {
    let person = |path| text(path, "Borealis", "n".repeat(200), &[]);
    vec![
        person("controller.name"),
        person("controller.contact"),
        person("controller.representative.name"),
        person("controller.representative.contact"),
        person("controller.dpo.name"),
        person("controller.dpo.contact"),
        list("controller.classes", class),
        ruled(
            "controller.classes[]",
            vec![
                (
                    json!({"regime": "in-dpdp", "class": "gaming", "countedOn": "2027-04-01"}),
                    UNCOUNTED,
                ),
                (
                    json!({"regime": "in-dpdp", "class": "gaming", "registeredUsers": 1}),
                    UNCOUNTED,
                ),
            ],
        ),
        text(
            "controller.classes[].regime",
            "br-lgpd",
            label(40),
            &[("IN-DPDP", PATTERN), ("in_dpdp", PATTERN)],
        ),
        text(
            "controller.classes[].class",
            "socialMedia",
            format!("a{}", "B".repeat(31)),
            &[("Gaming", PATTERN), ("e-commerce", PATTERN)],
        ),
        ruled("controller.classes[].registeredUsers", vec![]).kept(UNCOUNTED),
        text(
            "controller.classes[].countedOn",
            "2026-12-31",
            "9999-02-31",
            &[("2026-13-01", PATTERN), ("01.04.2027", PATTERN)],
        )
        .kept(UNCOUNTED),
        list("securityMeasures", |i| json!(format!("measure {i}"))),
        text("securityMeasures[]", "access by role", "m".repeat(200), &[]),
        text(
            "rules[].category",
            "user.contact.email",
            format!("u{}", ".a9".repeat(39)),
            &[
                ("User", PATTERN),
                ("user.", PATTERN),
                ("user contact", PATTERN),
            ],
        ),
        text("rules[].purpose", "Support", "p".repeat(200), &[]),
        text(
            "rules[].use",
            "sales",
            format!("u{}", ".a9".repeat(39)),
            &[
                ("Sales", PATTERN),
                ("sales.", PATTERN),
                ("legal obligation", PATTERN),
            ],
        ),
        list("rules[].subjects", |i| json!(format!("subjects {i}"))),
        text("rules[].subjects[]", "visitors", "s".repeat(80), &[]),
        list(
            "rules[].recipients",
            |i| json!({"name": format!("recipient {i}")}),
        ),
        text(
            "rules[].recipients[].name",
            "Parcel Ltd",
            "r".repeat(80),
            &[(" ", PATTERN)],
        ),
        text(
            "rules[].recipients[].country",
            "CH",
            "ZZ",
            &[("ch", PATTERN), ("C1", PATTERN)],
        ),
    ]
}

const UNCOUNTED: &str =
    "controller.classes[].registeredUsers: say how many registered users there are";

/// What keeps a parameter beside its `set`, and a `set` beside its parameters.
const VALUE: &str = "columns[].value: set: Constant needs it";
const LENGTH: &str = "columns[].length: set: Truncate needs it";
const GENERALISE: &str = "columns[].to, columns[].step: set: Generalise needs one of them";
const NONE: &str = "erase.columns: Nullify, Anonymise and Shred change columns; name at least one";
const ONE_KEY: &str = "erase.columns: Shred destroys one key";

fn columns() -> Vec<Case> {
    let erase = |method: &str, columns: Value| json!({"after": "P1Y", "method": method, "columns": columns});
    vec![
        ruled(
            "rules[].erase",
            vec![
                (json!({"method": "Delete"}), PERIOD),
                (
                    json!({"after": "P1Y", "byLaw": "Shortest", "method": "Delete"}),
                    PERIOD,
                ),
                (
                    json!({"byLaw": "Shortest", "from": "EndOfCalendarYear", "method": "Delete"}),
                    "erase.from: the law that sets the period says from when it runs",
                ),
                (
                    erase("Delete", json!([column(0)])),
                    "erase.columns: Delete and Restrict take whole rows",
                ),
                (
                    erase("Restrict", json!([column(0)])),
                    "erase.columns: Delete and Restrict take whole rows",
                ),
                (erase("Shred", json!([])), NONE),
                (
                    erase("Shred", json!([{"name": "a"}, {"name": "b"}])),
                    ONE_KEY,
                ),
                (
                    erase("Shred", json!([{"name": "a", "set": "Null"}])),
                    ONE_KEY,
                ),
                (erase("Nullify", json!([])), NONE),
                (
                    erase("Nullify", json!([column(0)])),
                    "erase.columns[].set: Nullify makes every column null",
                ),
                (
                    erase("Pseudonymise", json!([column(0)])),
                    "erase.method: Pseudonymise is no erasure",
                ),
                (erase("Hash", json!([column(0)])), "Unsupported value"),
            ],
        ),
        ruled(
            "rules[].erase.method",
            vec![
                (json!("Nullify"), NONE),
                (json!("Anonymise"), NONE),
                (json!("Shred"), NONE),
                (json!("Pseudonymise"), "Pseudonymise is no erasure"),
            ],
        ),
        list("rules[].erase.columns", column).kept(NONE),
        ruled(
            "rules[].erase.columns[]",
            vec![
                (json!({"name": "a", "set": "Null", "value": ""}), VALUE),
                (json!({"name": "a", "set": "Null", "length": 1}), LENGTH),
                (
                    json!({"name": "a", "set": "Null", "to": "Year"}),
                    GENERALISE,
                ),
                (
                    json!({"name": "a", "set": "Generalise", "to": "Year", "step": 1}),
                    GENERALISE,
                ),
            ],
        ),
        text(
            "rules[].erase.columns[].name",
            "mail",
            "m".repeat(63),
            &[
                ("e mail", PATTERN),
                ("a.b", PATTERN),
                ("lower(mail)", PATTERN),
            ],
        ),
        ruled(
            "rules[].erase.columns[].set",
            vec![
                (json!("Null"), VALUE),
                (json!("Truncate"), LENGTH),
                (json!("Generalise"), GENERALISE),
            ],
        )
        .kept(VALUE),
        text("rules[].erase.columns[].value", "", "'; --".repeat(51), &[]).kept(VALUE),
        ruled("rules[].erase.columns[].length", vec![]).kept(LENGTH),
        ruled("rules[].erase.columns[].to", vec![]).kept(GENERALISE),
        ruled("rules[].erase.columns[].step", vec![]).kept(GENERALISE),
    ]
}

fn retention() -> Vec<Case> {
    vec![
        text(
            "retention.schedule",
            "30 1 * * SUN",
            "1".repeat(100),
            &[("* * * *", "should be at least 9")],
        ),
        text(
            "retention.window",
            "PT30M",
            "PT999H9999M",
            &[("4h", PATTERN), ("P1D", PATTERN), ("PT1S", PATTERN)],
        ),
    ]
}
