//! Every field of a LegalHold. What would narrow it cannot be changed once it stands.

use serde_json::{Value, json};

use crate::case::{Case, Kind, LONG, PATTERN, label, list, ruled, text};

const SCOPE: &str =
    "scopes[]: a scope cannot be changed, as that could narrow the hold; add another scope";
const SCOPES: &str = "scopes: a scope may be added, never removed";
const REGIONS: &str = "selector.regions: a region may be added, never removed";
const JURISDICTIONS: &str = "selector.jurisdictions: one may be added, never removed";
const RELEASE: &str = "a release is recorded once and stays";
const STORE: &str = "scopes[]: say what is held; set store, category or subject";
const SUBJECT: &str = "scopes[].subject: rules of policies say which tables and columns have it";
const PERSON: &str = "looks as if an e-mail address or a telephone number were in it";
const CATEGORY: &str = "scopes[].category: rules of policies say which tables have it";
const TOGETHER: &str = "scopes[]: column and valuesSecretRef go together";

fn scope(i: usize) -> Value {
    json!({
        "name": format!("scope-{i}"), "store": "orders", "table": "public.customers", "column": "id",
        "valuesSecretRef": {"name": "case-7", "key": "customers"},
    })
}

fn subject() -> Value {
    json!({"identity": "customerId", "valuesSecretRef": {"name": "case-7", "key": "customers"}})
}

/// The LegalHold kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "ground": "case 7", "openedBy": "counsel@aurora.example", "reviewOn": "2027-06-01",
        "selector": {"regions": ["eu-west"]}, "scopes": [{"name": "all", "store": "orders"}],
    });
    let whole = json!({
        "ground": "case 7", "openedBy": "counsel@aurora.example", "reviewOn": "2027-06-01",
        "selector": {"regions": ["eu-west", "eu-north"], "jurisdictions": ["DE", "FR"]},
        "scopes": [scope(8), scope(9)],
        "release": {"by": "counsel@aurora.example", "ground": "settled"},
        "deletionPolicy": "Delete",
    });
    let mut by_category = least.clone();
    by_category["scopes"] = json!([{"name": "contact", "category": "user.contact"}]);
    let mut by_subject = least.clone();
    by_subject["scopes"] = json!([{"name": "plaintiffs", "subject": subject()}]);
    Kind {
        name: "LegalHold",
        plural: "legalholds",
        namespace: None,
        least,
        specs: vec![whole, by_category, by_subject],
        cases: [head(), selector(), scopes(), release()]
            .into_iter()
            .flatten()
            .collect(),
        names: vec![
            (LONG, "metadata.name: at most 40 characters"),
            (
                "claim-491512345678",
                "metadata.name: it is kept as evidence",
            ),
        ],
    }
}

fn head() -> Vec<Case> {
    let blank = [(" ", PATTERN), (" a", PATTERN), ("a ", PATTERN)];
    let ground = [
        (" ", PATTERN),
        ("ann@mail.example asked", PERSON),
        ("call +49 221 1234567", PERSON),
        ("0221/1234567", PERSON),
        ("(555) 123-4567", PERSON),
        ("psid 1234567890123456", PERSON),
    ];
    let file = "TJSP, processo 1000088-00.2026.8.26.0100, since 2026-11-22, 28 O 117/26";
    vec![
        text("ground", file, "g".repeat(256), &ground).fixed("ground cannot be changed"),
        text("openedBy", "bob", "b".repeat(128), &blank).fixed("openedBy cannot be changed"),
        text(
            "reviewOn",
            "2028-02-29",
            "9999-12-31",
            &[
                ("2027-02-29", "must be of type date"),
                ("2027-6-100", "must be of type date"),
            ],
        ),
    ]
}

fn selector() -> Vec<Case> {
    let none = "selector: set regions, jurisdictions or both";
    vec![
        ruled("selector", vec![(json!({}), none)]),
        list("selector.regions", |i| json!(format!("region-{i}"))).fixed(REGIONS),
        text("selector.regions[]", "us-east", "n".repeat(40), &[]).fixed(REGIONS),
        list("selector.jurisdictions", |i| json!(format!("US-{i:03}"))).fixed(JURISDICTIONS),
        text(
            "selector.jurisdictions[]",
            "GB",
            "US-CAL",
            &[("fr", PATTERN), ("FRA", PATTERN)],
        )
        .fixed(JURISDICTIONS),
    ]
}

fn scopes() -> Vec<Case> {
    let table = |column: &str, more: Value| {
        let mut scope = json!({"name": "a", "store": "orders", "table": "public.t"});
        scope[column] = more;
        scope
    };
    let values = json!({"name": "s", "key": "k"});
    vec![
        list("scopes", scope).fixed(SCOPES),
        ruled(
            "scopes[]",
            vec![
                (table("column", json!("id")), TOGETHER),
                (table("valuesSecretRef", values.clone()), TOGETHER),
                (
                    json!({"name": "a", "store": "orders", "column": "id", "valuesSecretRef": values}),
                    "scopes[].column: name its table too",
                ),
                (json!({"name": "a"}), STORE),
                (table("category", json!("user.contact")), CATEGORY),
                (table("subject", subject()), SUBJECT),
                (
                    json!({"name": "a", "category": "user", "subject": subject()}),
                    SUBJECT,
                ),
            ],
        ),
        text(
            "scopes[].name",
            "other",
            label(32),
            &[("Other", PATTERN), ("a_b", PATTERN)],
        )
        .fixed(SCOPES),
        text("scopes[].store", "inbox", label(40), &[("Orders", PATTERN)])
            .kept(STORE)
            .fixed(SCOPE),
        text(
            "scopes[].category",
            "user.financial",
            format!("user.{}", "c".repeat(115)),
            &[
                ("User", PATTERN),
                ("user..contact", PATTERN),
                ("user.", PATTERN),
            ],
        )
        .kept(STORE)
        .fixed(SCOPE),
        ruled("scopes[].subject", vec![]).kept(STORE),
        text(
            "scopes[].subject.identity",
            "email",
            format!("e{}", "c".repeat(31)),
            &[("Email", PATTERN), ("e-mail", PATTERN)],
        )
        .fixed(SCOPE),
        text(
            "scopes[].subject.valuesSecretRef.name",
            "case-8",
            "n".repeat(253),
            &[("Case", PATTERN), ("-a", PATTERN)],
        )
        .fixed(SCOPE),
        text(
            "scopes[].subject.valuesSecretRef.key",
            "ids.txt",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        )
        .fixed(SCOPE),
        text(
            "scopes[].table",
            "shop.orders",
            format!("{}.{}", "s".repeat(63), "t".repeat(63)),
            &[
                ("orders", PATTERN),
                ("a.b.c", PATTERN),
                ("a.b; drop table c", PATTERN),
                ("\"a\".\"b\"", PATTERN),
            ],
        )
        .kept("scopes[].column: name its table too")
        .fixed(SCOPE),
        text(
            "scopes[].column",
            "mail",
            "c".repeat(63),
            &[("e mail", PATTERN), ("a.b", PATTERN), ("lower(a)", PATTERN)],
        )
        .kept(TOGETHER)
        .fixed(SCOPE),
        ruled("scopes[].valuesSecretRef", vec![]).kept(TOGETHER),
        text(
            "scopes[].valuesSecretRef.name",
            "case-8",
            "n".repeat(253),
            &[("Case", PATTERN), ("-a", PATTERN)],
        )
        .fixed(SCOPE),
        text(
            "scopes[].valuesSecretRef.key",
            "ids.txt",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        )
        .fixed(SCOPE),
    ]
}

fn release() -> Vec<Case> {
    let blank = [(" ", PATTERN), (" a", PATTERN)];
    vec![
        ruled("release", vec![]).stays(RELEASE),
        text("release.by", "bob", "b".repeat(128), &blank).fixed(RELEASE),
        text(
            "release.ground",
            "settled on 02.03.2027",
            "g".repeat(256),
            &[(" ", PATTERN), ("by ann@mail.example", PERSON)],
        )
        .fixed(RELEASE),
    ]
}

/// A status with every field.
pub(crate) fn status(condition: Value, inventory: Value) -> Value {
    json!({
        "observedGeneration": 1, "conditions": [condition], "state": "PartlyInForce", "regionsInForce": "1/2",
        "regions": [{
            "name": "eu-west", "state": "Run", "reason": "InForce", "message": "in force", "ready": true,
            "unreachableSince": "2026-11-22T12:00:00Z", "task": "case-7-hold-0123456789",
            "stores": [{
                "name": "orders", "inForceSince": "2026-11-22T12:00:00Z", "widenedAt": "2026-11-22T13:00:00Z", "releasedAt": "2026-11-23T12:00:00Z",
                "reason": "StoreUnavailable",
            }],
            "tables": [{"scope": "contact", "store": "orders", "table": "customers", "column": "id"}],
            "lastHandledRunAt": "1", "inventory": inventory,
        }],
        "lastHandledReconcileAt": "1",
    })
}
