//! Every field of a Region.

use serde_json::json;

use crate::case::{Kind, LONG, PATTERN, label, list, ruled, text};

/// The Region kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
        "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
    });
    let local = json!({
        "jurisdictions": ["DE", "FR", "NO"],
        "cluster": {"local": {}},
        "tenants": [{"namespace": "aurora"}],
        "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
        "tax": {"display": "Inclusive", "rates": [{"country": "DE", "class": "Standard", "percent": "19"}]},
        "ingress": {"className": "nginx", "domain": "eu.hooks.example", "tlsSecretName": "hooks"},
        "dataStores": [{
            "name": "orders", "namespaces": ["aurora"], "datasets": ["orders", "shop.invoices"],
            "country": "DE", "backups": {"keep": "P35D"},
            "postgres": {"secretRef": {"name": "orders-db", "key": "url"}},
        }],
        "transfers": [{
            "name": "us-scc", "to": "us-east", "instrument": "Scc", "reference": "2021/914 module 2",
            "validFrom": "2026-01-01", "validUntil": "2027-06-30",
            "exportedPersons": {"persons": 1200, "countedOn": "2026-11-01", "by": "dpo@aurora.example"},
        }],
        "runNamespace": "tradewind-runs",
        "workloads": {
            "registry": "registry.eu.aurora.example", "imagePullSecrets": ["pull"],
            "tolerations": [{"key": "dedicated", "value": "shop", "effect": "NoSchedule"}],
        },
        "enforcement": {"mode": "Enforce", "grace": "PT24H"},
        "requests": {
            "identities": [{"name": "email", "ignoreCase": true}, {"name": "customerId"}], "maxRows": 500,
            "reapply": "15 3 * * *",
            "suppression": {"secretRef": {"name": "suppression-db", "key": "url"}},
        },
        "holds": {"maxAge": "PT6H"},
        "evidence": {"schedule": "7 * * * *", "apiServer": "https://10.0.0.1:6443", "keep": "P6Y", "smallCounts": 10},
        "suspend": {"reason": "moving", "by": "ops", "until": "2026-12-01T08:00:00Z"},
        "deletionPolicy": "Delete",
    });
    let mut remote = least.clone();
    remote["cluster"] = json!({"kubeconfigSecretRef": {"name": "eu-west", "key": "value"}});
    Kind {
        name: "Region",
        plural: "regions",
        namespace: None,
        least,
        specs: vec![local, remote],
        cases: [
            place(),
            locale(),
            ingress(),
            stores(),
            transfers(),
            workloads(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        names: vec![(LONG, "metadata.name: at most 40 characters")],
    }
}

fn place() -> Vec<crate::case::Case> {
    let one = "cluster: set exactly one of local";
    let both = json!({"local": {}, "kubeconfigSecretRef": {"name": "a"}});
    vec![
        list("jurisdictions", |i| json!(format!("US-{i:03}"))),
        text(
            "jurisdictions[]",
            "US-CA",
            "US-CAL",
            &[
                ("de", PATTERN),
                ("DEU", PATTERN),
                ("DE-", PATTERN),
                ("-CA", PATTERN),
            ],
        ),
        ruled("cluster", vec![(json!({}), one), (both, one)]),
        // Without its one member the union is empty.
        ruled("cluster.local", vec![]).kept(one),
        ruled("cluster.kubeconfigSecretRef", vec![]).kept(one),
        text(
            "cluster.kubeconfigSecretRef.name",
            "us-east",
            label(253),
            &[("Upper", PATTERN), ("-a", PATTERN), ("a_b", PATTERN)],
        ),
        text(
            "cluster.kubeconfigSecretRef.key",
            "kubeconfig",
            "k".repeat(253),
            &[("a b", PATTERN), ("a/b", PATTERN)],
        ),
        list("tenants", |i| json!({"namespace": format!("brand-{i}")})),
        text(
            "tenants[].namespace",
            "borealis",
            label(63),
            &[
                ("kube-system", "kube-* namespaces belong to Kubernetes"),
                ("Aurora", PATTERN),
                ("a.b", PATTERN),
                ("a-", PATTERN),
            ],
        ),
        text(
            "runNamespace",
            "runs",
            label(63),
            &[
                ("default", "use a namespace of its own"),
                ("kube-public", "use a namespace of its own"),
                ("a_b", PATTERN),
            ],
        )
        .fixed("runNamespace cannot be changed"),
    ]
}

fn locale() -> Vec<crate::case::Case> {
    vec![
        text(
            "locale.default",
            "fr-FR",
            "zho-Hant-TW",
            &[("german", PATTERN), ("de_DE", PATTERN), ("de-de", PATTERN)],
        ),
        text(
            "locale.currency",
            "USD",
            "XOF",
            &[("eur", PATTERN), ("E1R", PATTERN)],
        ),
        text(
            "locale.timeZone",
            "America/Argentina/Buenos_Aires",
            format!("A{}", "/b".repeat(31)),
            &[
                ("Europe Berlin", PATTERN),
                ("/Berlin", PATTERN),
                ("Europe/", PATTERN),
                ("../etc", PATTERN),
            ],
        ),
        list(
            "tax.rates",
            |i| json!({"country": "DE", "class": format!("Class{i}"), "percent": "7"}),
        ),
        text(
            "tax.rates[].country",
            "FR",
            "ZZ",
            &[("de", PATTERN), ("D1", PATTERN)],
        ),
        text(
            "tax.rates[].class",
            "Reduced",
            format!("A{}", "9".repeat(31)),
            &[("9a", PATTERN), ("a-b", PATTERN)],
        ),
        text(
            "tax.rates[].percent",
            "7.7",
            "100.1234",
            &[
                ("19%", PATTERN),
                ("-1", PATTERN),
                ("1,5", PATTERN),
                ("1e2", PATTERN),
            ],
        ),
    ]
}

/// One of 64 characters, which no DNS name has.
/// Why what persons are known by stays.
const KIND: &str = "identities: a kind stays, and its ignoreCase with it";

const LONG_LABEL: &str = "a123456789012345678901234567890123456789012345678901234567890123.example";

fn ingress() -> Vec<crate::case::Case> {
    vec![
        text(
            "ingress.className",
            "traefik",
            "c".repeat(253),
            &[("Nginx", PATTERN), ("a..b", PATTERN), ("a/b", PATTERN)],
        ),
        text(
            "ingress.domain",
            "hooks.example",
            format!("{}.{}.{}", label(63), label(63), label(52)),
            &[
                ("localhost", PATTERN),
                ("Hooks.example", PATTERN),
                ("a..b", PATTERN),
                ("-a.example", PATTERN),
                ("a.example/x", PATTERN),
                (LONG_LABEL, PATTERN),
            ],
        ),
        text("ingress.tlsSecretName", "wildcard", "t".repeat(253), &[]),
    ]
}

fn stores() -> Vec<crate::case::Case> {
    vec![
        list(
            "dataStores",
            |i| json!({"name": format!("store-{i}"), "datasets": ["orders"], "postgres": {"secretRef": {"name": "db", "key": "url"}}}),
        ),
        text(
            "dataStores[].name",
            "inbox",
            label(40),
            &[("Orders", PATTERN), ("a.b", PATTERN)],
        )
        .fixed("spec.dataStores: a store keeps its name while its postgres.secretRef stays"),
        list("dataStores[].namespaces", |i| json!(format!("brand-{i}"))),
        text("dataStores[].namespaces[]", "borealis", label(63), &[]),
        list("dataStores[].datasets", |i| json!(format!("table_{i}"))),
        text("dataStores[].datasets[]", "messages", "t".repeat(127), &[]),
        text(
            "dataStores[].country",
            "CH",
            "ZZ",
            &[("ch", PATTERN), ("C1", PATTERN)],
        ),
        text(
            "dataStores[].backups.keep",
            "P90D",
            "P999Y9999M9999W9999D",
            &[("90D", PATTERN), ("P1DT1H", PATTERN), ("P-1D", PATTERN)],
        ),
        text(
            "dataStores[].postgres.secretRef.name",
            "db",
            label(253),
            &[("a/b", PATTERN)],
        ),
        ruled("requests", vec![]).stays("spec.requests: it stays once it is there"),
        list(
            "requests.identities",
            |i| json!({"name": format!("kind{i}")}),
        )
        .fixed(KIND),
        text(
            "requests.identities[].name",
            "phone",
            format!("a{}", "b".repeat(31)),
            &[("Email", PATTERN), ("e-mail", PATTERN)],
        )
        .fixed(KIND),
        ruled("requests.identities[].ignoreCase", vec![]).fixed(KIND),
        text("requests.reapply", "0 4 * * *", "0".repeat(100), &[]),
        text(
            "requests.suppression.secretRef.name",
            "db",
            label(253),
            &[("a/b", PATTERN)],
        ),
        text(
            "requests.suppression.secretRef.key",
            "uri",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        ),
        text(
            "dataStores[].postgres.secretRef.key",
            "uri",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        ),
    ]
}

fn transfers() -> Vec<crate::case::Case> {
    let early = "transfers[]: validUntil is before validFrom";
    let day = [
        ("2026-13-01", PATTERN),
        ("2026-01-32", PATTERN),
        ("01.01.2026", PATTERN),
        ("2026-1-011", PATTERN),
    ];
    let between = |from: &str, until: &str| json!({"name": "a", "to": "US", "instrument": "Scc", "reference": "r", "validFrom": from, "validUntil": until});
    vec![
        list(
            "transfers",
            |i| json!({"name": format!("transfer-{i}"), "to": "US", "instrument": "Scc", "reference": "r"}),
        ),
        ruled(
            "transfers[]",
            vec![(between("2026-01-02", "2026-01-01"), early)],
        ),
        text(
            "transfers[].name",
            "us-bcr",
            label(40),
            &[("US", PATTERN), ("a.b", PATTERN)],
        ),
        text(
            "transfers[].to",
            "US",
            label(40),
            &[("USA", PATTERN), ("Us", PATTERN), ("us_east", PATTERN)],
        ),
        text(
            "transfers[].instrument",
            "Bcr",
            format!("A{}", "9".repeat(39)),
            &[("standard clauses", PATTERN), ("9a", PATTERN)],
        ),
        text(
            "transfers[].reference",
            "C-2026-118",
            "r".repeat(200),
            &[(" ", PATTERN), (" a", PATTERN)],
        ),
        text("transfers[].validFrom", "2026-02-01", "2026-02-31", &day),
        text("transfers[].validUntil", "2028-01-01", "9999-12-31", &day),
        text(
            "transfers[].exportedPersons.countedOn",
            "2026-12-01",
            "9999-12-31",
            &day,
        ),
        text(
            "transfers[].exportedPersons.by",
            "counsel",
            "b".repeat(200),
            &[(" ", PATTERN), ("a ", PATTERN)],
        ),
    ]
}

fn workloads() -> Vec<crate::case::Case> {
    let mut cases = vec![
        text(
            "workloads.registry",
            "localhost:5000/mirror",
            "r".repeat(253),
            &[
                ("https://registry.example", PATTERN),
                ("registry.example/", PATTERN),
                ("Registry.example", PATTERN),
                ("registry.example:port", PATTERN),
            ],
        ),
        list("workloads.imagePullSecrets", |i| json!(format!("pull-{i}"))),
        text(
            "workloads.imagePullSecrets[]",
            "other",
            "p".repeat(253),
            &[],
        ),
        list(
            "workloads.tolerations",
            |i| json!({"key": format!("key-{i}")}),
        ),
        text("workloads.tolerations[].key", "tier", "k".repeat(317), &[]),
        text(
            "workloads.tolerations[].value",
            "feeds",
            "v".repeat(63),
            &[],
        ),
        text(
            "workloads.tolerations[].effect",
            "NoExecute",
            "PreferNoSchedule",
            &[("Never", PATTERN)],
        ),
        text(
            "enforcement.grace",
            "P2DT30M",
            "P999DT9999H99999M",
            &[("24h", PATTERN), ("P1Y", PATTERN), ("PT1.5H", PATTERN)],
        ),
    ];
    cases.extend(suspend());
    cases.extend([
        text(
            "holds.maxAge",
            "P2D",
            "PT9999M",
            &[
                ("PT29M", PATTERN),
                ("PT0H", PATTERN),
                ("P1M", PATTERN),
                ("P1DT1H", PATTERN),
                ("6hours", PATTERN),
            ],
        ),
        text("evidence.schedule", "*/30 * * * *", "0".repeat(100), &[]),
        ruled(
            "evidence.smallCounts",
            vec![(json!(2), "write 1 to tell every number, or 3 and more")],
        ),
        text(
            "evidence.keep",
            "P1Y",
            "P999Y9999M9999W9999D",
            &[("PT24H", PATTERN), ("6Y0", PATTERN), ("P-1Y", PATTERN)],
        ),
        text(
            "evidence.apiServer",
            "https://[fd00::1]:6443",
            format!("https://{}", label(245)),
            &[
                ("http://10.0.0.1:6443", PATTERN),
                ("https://10.0.0.1/path", PATTERN),
                ("https://user@10.0.0.1", PATTERN),
            ],
        ),
    ]);
    cases
}

/// The pause that every kind has.
pub(crate) fn suspend() -> Vec<crate::case::Case> {
    vec![
        text("suspend.reason", "INC-7", "r".repeat(256), &[]),
        text("suspend.by", "dpo@aurora.example", "b".repeat(128), &[]),
        text(
            "suspend.until",
            "2027-01-01T00:00:00+01:00",
            "2027-01-01T00:00:00.12345678901234+01:00",
            &[
                ("tomorrow", PATTERN),
                ("2026-12-01", PATTERN),
                ("2026-12-01T08:00:00", PATTERN),
            ],
        ),
    ]
}
