//! Every field of a SocialChannel.

use serde_json::json;

use crate::case::{Case, Kind, LONG, PATTERN, label, list, map, ruled, text};
use crate::region::suspend;

/// The SocialChannel kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "platform": {"name": "Instagram"}, "regions": {"names": ["eu-west"]},
    });
    let labels = json!({
        "platform": {"name": "Instagram", "settings": [{"name": "catalogId", "value": "1784"}]},
        "credentialsRef": {"name": "aurora-meta", "location": "Hub"},
        "regions": {"selector": {"matchLabels": {"tier": "primary"}}},
        "catalog": {"personalData": true, "source": {"country": "DE", "http": {
            "url": "https://shop.aurora.example/items.json", "format": "Json",
            "bearerRef": {"name": "shop", "key": "token"},
        }}},
        "feeds": [{
            "name": "full", "mode": "Replace", "schedule": "0 3 * * *", "maxShrinkPercent": 20,
            "destination": {"country": "IE", "objectStore": {
                "url": "s3://aurora-feeds", "prefix": "{region}/full", "credentialsRef": {"name": "feeds"},
            }},
        }],
        "connector": {
            "replicas": {"min": 2}, "events": ["Messages"],
            "store": {"secretRef": {"name": "inbox-db", "key": "url"}, "country": "DE", "keepDeliveredDays": 7, "keepUndeliveredDays": 60},
            "ingress": {}, "optOut": {"dataStore": "inbox", "identity": "accountId"},
        },
        "checkout": {"mode": "Redirect", "url": "https://aurora.example/checkout-link/"},
        "sinks": [{"name": "erp", "country": "DE", "saleOrSharing": true, "http": {
            "url": "https://erp.aurora.example/hooks", "secretRef": {"name": "erp-hook", "key": "secret"},
        }}],
        "suspend": {"reason": "sale", "by": "ops", "until": "2026-12-01T08:00:00Z"},
        "deletionPolicy": "Delete",
    });
    let mut names = least.clone();
    names["catalog"] = json!({"source": {"postgres": {
        "secretRef": {"name": "shop-db", "key": "url"}, "table": "shop.items",
    }}});
    Kind {
        name: "SocialChannel",
        plural: "socialchannels",
        namespace: Some("aurora"),
        least,
        specs: vec![labels, names],
        cases: [
            platform(),
            regions(),
            catalog(),
            feeds(),
            connector(),
            sinks(),
            suspend(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        names: vec![
            (LONG, "metadata.name: at most 40 characters"),
            ("aurora.shop", "metadata.name: no dots"),
            ("4you", "metadata.name: begin with a letter"),
        ],
    }
}

fn platform() -> Vec<Case> {
    vec![
        text(
            "platform.name",
            "Facebook",
            format!("A{}", "9".repeat(39)),
            &[("9gag", PATTERN), ("Tik-Tok", PATTERN)],
        )
        .fixed("platform.name cannot be changed: make a new channel"),
        list(
            "platform.settings",
            |i| json!({"name": format!("setting{i}"), "value": "1"}),
        ),
        text(
            "platform.settings[].name",
            "pageId",
            format!("a{}", "9".repeat(62)),
            &[("page_id", PATTERN), ("1a", PATTERN)],
        ),
        text("platform.settings[].value", "17", "v".repeat(253), &[]),
        ruled("credentialsRef", vec![]).kept("credentialsRef: a connector checks webhooks"),
        text(
            "credentialsRef.name",
            "meta",
            label(253),
            &[("Meta", PATTERN), ("a/b", PATTERN)],
        ),
        ruled(
            "checkout",
            vec![(
                json!({"mode": "Redirect"}),
                "checkout.url: Redirect needs the https address",
            )],
        ),
        text(
            "checkout.url",
            "https://aurora.example/c",
            format!("https://{}", "u".repeat(504)),
            &[
                ("http://aurora.example", PATTERN),
                ("https://user@aurora.example", PATTERN),
                ("https://a b.example", PATTERN),
            ],
        )
        .kept("checkout.url: Redirect needs the https address"),
    ]
}

fn regions() -> Vec<Case> {
    let one = "regions: set exactly one of selector and names";
    let both = json!({"selector": {"matchLabels": {"a": "b"}}, "names": ["eu-west"]});
    vec![
        ruled("regions", vec![(json!({}), one), (both, one)]),
        ruled("regions.selector", vec![]).kept(one),
        map("regions.selector.matchLabels", |i| {
            (format!("example.com/label-{i}"), json!("v"))
        }),
        text(
            "regions.selector.matchLabels{}",
            "secondary",
            "v".repeat(63),
            &[],
        ),
        list("regions.names", |i| json!(format!("region-{i}"))).kept(one),
        text("regions.names[]", "us-east", "n".repeat(40), &[]),
    ]
}

fn catalog() -> Vec<Case> {
    let one = "catalog.source: set exactly one of http and postgres";
    let both = json!({
        "http": {"url": "https://a.example", "format": "Csv"},
        "postgres": {"secretRef": {"name": "a", "key": "b"}, "table": "c"},
    });
    vec![
        ruled("catalog", vec![]).kept("catalog: feeds need a source"),
        ruled("catalog.source", vec![(json!({}), one), (both, one)]),
        text(
            "catalog.source.country",
            "US",
            "ZZ",
            &[("us", PATTERN), ("U1", PATTERN)],
        ),
        ruled("catalog.source.http", vec![]).kept(one),
        text(
            "catalog.source.http.url",
            "http://10.0.0.1:8080/items?region={region}",
            format!("http://{}", "u".repeat(505)),
            &[
                ("ftp://aurora.example", PATTERN),
                ("https://user:pw@aurora.example", PATTERN),
                ("file:///etc/passwd", PATTERN),
            ],
        ),
        text(
            "catalog.source.http.bearerRef.name",
            "other",
            label(253),
            &[("A", PATTERN)],
        ),
        text(
            "catalog.source.http.bearerRef.key",
            "bearer",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        ),
        ruled("catalog.source.postgres", vec![]).kept(one),
        text(
            "catalog.source.postgres.secretRef.name",
            "db",
            label(253),
            &[("A", PATTERN)],
        ),
        text(
            "catalog.source.postgres.secretRef.key",
            "uri",
            "k".repeat(253),
            &[("../x", PATTERN)],
        ),
        text(
            "catalog.source.postgres.table",
            "items",
            format!("{}.{}", "s".repeat(63), "t".repeat(63)),
            &[
                ("items; drop table items", PATTERN),
                ("a.b.c", PATTERN),
                ("1items", PATTERN),
                ("\"items\"", PATTERN),
            ],
        ),
    ]
}

fn feeds() -> Vec<Case> {
    let delta = "maxShrinkPercent: only a Replace feed can shrink the catalogue";
    let feed = json!({
        "name": "stock", "mode": "Delta", "schedule": "0 * * * *", "maxShrinkPercent": 5,
        "destination": {"objectStore": {"url": "s3://abc", "prefix": "p", "credentialsRef": {"name": "c"}}},
    });
    vec![
        list("feeds", |i| {
            let store = json!({"url": "s3://abc", "prefix": "p", "credentialsRef": {"name": "c"}});
            json!({"name": format!("feed-{i}"), "mode": "Delta", "schedule": "0 * * * *", "destination": {"objectStore": store}})
        }),
        ruled("feeds[]", vec![(feed, delta)]),
        text(
            "feeds[].name",
            "stock",
            label(20),
            &[("Full", PATTERN), ("a_b", PATTERN)],
        ),
        ruled("feeds[].mode", vec![(json!("Delta"), delta)]),
        text(
            "feeds[].schedule",
            "*/30 * * * *",
            "1".repeat(100),
            &[("* * * *", "should be at least 9")],
        ),
        text(
            "feeds[].destination.objectStore.url",
            "s3://other",
            format!("s3://{}", label(63)),
            &[
                ("https://aurora-feeds", PATTERN),
                ("s3://aurora-feeds/path", PATTERN),
                ("s3://Aurora", PATTERN),
                ("s3://a@bucket", PATTERN),
            ],
        ),
        text(
            "feeds[].destination.country",
            "US",
            "ZZ",
            &[("us", PATTERN), ("U1", PATTERN)],
        ),
        text(
            "feeds[].destination.objectStore.prefix",
            "full/{region}",
            "p".repeat(200),
            &[("/full", PATTERN), ("../full", PATTERN), ("a b", PATTERN)],
        ),
        text(
            "feeds[].destination.objectStore.credentialsRef.name",
            "s3",
            label(253),
            &[("A", PATTERN)],
        ),
    ]
}

fn connector() -> Vec<Case> {
    vec![
        list("connector.events", |i| {
            json!(["Orders", "Messages", "Products", "Privacy", "Orders"][i])
        }),
        ruled("connector.optOut", vec![])
            .kept("connector.optOut: a sink with saleOrSharing needs it"),
        text(
            "connector.optOut.dataStore",
            "events",
            label(40),
            &[("Events", PATTERN), ("a.b", PATTERN)],
        ),
        text(
            "connector.optOut.identity",
            "psid",
            format!("a{}", "9".repeat(31)),
            &[("account_id", PATTERN), ("1a", PATTERN)],
        ),
        text(
            "connector.store.country",
            "US",
            "Region",
            &[("us", PATTERN), ("Regio", PATTERN)],
        ),
        text(
            "connector.store.secretRef.name",
            "db",
            label(253),
            &[("A", PATTERN)],
        ),
        text(
            "connector.store.secretRef.key",
            "uri",
            "k".repeat(253),
            &[("a b", PATTERN)],
        ),
    ]
}

fn sinks() -> Vec<Case> {
    vec![
        list("sinks", |i| {
            let http = json!({"url": "https://a.example", "secretRef": {"name": "a", "key": "b"}});
            json!({"name": format!("sink-{i}"), "http": http})
        })
        .kept("sinks: a connector needs at least one sink"),
        text(
            "sinks[].name",
            "crm",
            label(40),
            &[("ERP", PATTERN), ("a.b", PATTERN)],
        ),
        text(
            "sinks[].country",
            "US",
            "ZZ",
            &[("us", PATTERN), ("U1", PATTERN)],
        ),
        text(
            "sinks[].http.url",
            "http://erp.local:8080/in",
            format!("https://{}", "u".repeat(504)),
            &[
                ("erp.local", PATTERN),
                ("https://user:pw@erp.local", PATTERN),
            ],
        ),
        text(
            "sinks[].http.secretRef.name",
            "hook",
            label(253),
            &[("A", PATTERN)],
        ),
        text(
            "sinks[].http.secretRef.key",
            "key",
            "k".repeat(253),
            &[("a/b", PATTERN)],
        ),
    ]
}
