//! The resources that the tests begin with: a brand with two channels in two regions, and a policy for each region.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

pub(crate) const TENANT: &str = "aurora";
pub(crate) const RUNS: &str = "tradewind-runs";
pub(crate) const REGIONS: [&str; 2] = ["eu-west", "us-east"];

/// Once a year, half a year from now: the controller manager is real, and a run that a clock starts in the midst of a
/// test would be one Job more than was asked for.
pub(crate) static SCHEDULE: LazyLock<String> = LazyLock::new(|| {
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    format!("15 3 1 {} *", (now.month() + 5) % 12 + 1)
});

pub(crate) fn region(name: &str) -> Value {
    let (jurisdictions, locale) = match name {
        "eu-west" => (
            json!(["DE", "FR"]),
            json!({"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}),
        ),
        _ => (
            json!(["US-CA"]),
            json!({"default": "en-US", "currency": "USD", "timeZone": "America/New_York"}),
        ),
    };
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region",
        "metadata": {"name": name, "labels": {"tier": "primary"}},
        "spec": {
            "jurisdictions": jurisdictions,
            "cluster": {"kubeconfigSecretRef": {"name": format!("{name}-kubeconfig")}},
            "tenants": [{"namespace": TENANT}],
            "locale": locale,
            "dataStores": [{
                "name": "orders", "namespaces": [TENANT], "datasets": ["orders"],
                "postgres": {"secretRef": {"name": "orders-db", "key": "url"}},
            }],
            "runNamespace": RUNS,
            "evidence": {"schedule": SCHEDULE.as_str()},
        },
    })
}

pub(crate) fn policy(region: &str) -> Value {
    let (regime, jurisdictions) = match region {
        "eu-west" => ("eu-gdpr", json!(["DE", "FR"])),
        _ => ("us-ca-ccpa", json!(["US-CA"])),
    };
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy",
        "metadata": {"name": format!("{region}-customers")},
        "spec": {
            "regimes": [regime],
            "selector": {"jurisdictions": jurisdictions},
            "mode": "Enforce",
            "rules": [{
                "name": "orders",
                "dataset": {"store": "orders", "table": "orders", "clock": "placed_at"},
                "erase": {"after": "P8Y", "method": "Delete"},
            }],
            "retention": {"schedule": SCHEDULE.as_str()},
        },
    })
}

/// Webhooks and two feeds in both regions.
pub(crate) fn instagram() -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
        "metadata": {"name": "instagram", "namespace": TENANT},
        "spec": {
            "platform": {"name": "Instagram", "settings": [{"name": "catalogId", "value": "1784000000000001"}]},
            "credentialsRef": {"name": "aurora-meta"},
            "regions": {"selector": {"matchLabels": {"tier": "primary"}}},
            "catalog": {"source": {"http": {"url": "https://shop.aurora.example/catalogue.json", "format": "Json"}}},
            "feeds": [feed("full", "Replace"), feed("stock", "Delta")],
            "connector": {
                "events": ["Messages"],
                "store": {"secretRef": {"name": "inbox-db", "key": "url"}},
            },
            "checkout": {"mode": "Redirect", "url": "https://shop.aurora.example/checkout-link/"},
            "sinks": [{"name": "erp", "http": {
                "url": "https://erp.aurora.example/hooks", "secretRef": {"name": "erp-hook", "key": "secret"}}}],
        },
    })
}

pub(crate) fn feed(name: &str, mode: &str) -> Value {
    json!({
        "name": name, "mode": mode, "schedule": SCHEDULE.as_str(),
        "destination": {"objectStore": {
            "url": "s3://aurora-feeds", "prefix": format!("{{region}}/{name}"), "credentialsRef": {"name": "feeds"}}},
    })
}

/// Webhooks in one region, with credentials that are there already.
pub(crate) fn partner() -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
        "metadata": {"name": "partner", "namespace": TENANT},
        "spec": {
            "platform": {"name": "Generic"},
            "credentialsRef": {"name": "partner", "location": "Region"},
            "regions": {"names": ["eu-west"]},
            "connector": {
                "replicas": {"min": 1},
                "events": ["Orders"],
                "store": {"secretRef": {"name": "inbox-db", "key": "url"}},
            },
            "sinks": [{"name": "erp", "http": {
                "url": "https://erp.aurora.example/hooks", "secretRef": {"name": "erp-hook", "key": "secret"}}}],
        },
    })
}

/// The platform's credentials on the hub, with a key more than the platform needs.
pub(crate) fn credentials() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aurora-meta", "namespace": TENANT},
        "stringData": {
            "app_secret": "0123456789abcdef0123456789abcdef", "verify_token": "verify-me-please", "unrelated": "keep out",
        },
    })
}

/// All of it.
pub(crate) fn all() -> Vec<Value> {
    let mut all = vec![credentials()];
    all.extend(REGIONS.map(region));
    all.extend(REGIONS.map(policy));
    all.extend([instagram(), partner()]);
    all
}

/// What every region has: what signs its evidence, and what says how old its list of holds is.
pub(crate) fn signing() -> Vec<String> {
    let names = [
        ("configmaps", "tradewind-evidence"),
        ("configmaps", "tradewind-holds"),
        ("cronjobs.batch", "tradewind-evidence"),
    ];
    names
        .map(|(kind, name)| format!("{kind} {RUNS}/{name}"))
        .to_vec()
}

/// Children that no channel has: of policies, and what every region has.
pub(crate) fn is_of_no_channel(child: &str) -> bool {
    child.contains("retention") || signing().iter().any(|of| of == child)
}

/// The children that all of it has in a region, as `kind namespace/name`.
pub(crate) fn children(region: &str) -> Vec<String> {
    let mut names = vec![
        ("configmaps", TENANT, "instagram-connector"),
        ("configmaps", TENANT, "instagram-connector-holds"),
        ("configmaps", TENANT, "instagram-feed-full"),
        ("configmaps", TENANT, "instagram-feed-stock"),
        ("cronjobs.batch", TENANT, "instagram-feed-full"),
        ("cronjobs.batch", TENANT, "instagram-feed-stock"),
        ("deployments.apps", TENANT, "instagram-connector"),
        ("poddisruptionbudgets.policy", TENANT, "instagram-connector"),
        ("secrets", TENANT, "instagram-credentials"),
        ("serviceaccounts", TENANT, "instagram-agent"),
        ("services", TENANT, "instagram-connector"),
    ];
    if region == "eu-west" {
        names.extend([
            ("configmaps", TENANT, "partner-connector"),
            ("configmaps", TENANT, "partner-connector-holds"),
            ("deployments.apps", TENANT, "partner-connector"),
            ("poddisruptionbudgets.policy", TENANT, "partner-connector"),
            ("serviceaccounts", TENANT, "partner-agent"),
            ("services", TENANT, "partner-connector"),
        ]);
    }
    let retention = format!("{region}-customers-retention");
    names.extend([
        ("configmaps", RUNS, retention.as_str()),
        ("cronjobs.batch", RUNS, retention.as_str()),
        ("serviceaccounts", RUNS, retention.as_str()),
    ]);
    let mut names: Vec<String> = names
        .iter()
        .map(|(k, ns, n)| format!("{k} {ns}/{n}"))
        .chain(signing())
        .collect();
    names.sort();
    names
}
