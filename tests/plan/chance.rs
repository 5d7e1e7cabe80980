//! Facts by chance: resources that the API server would let through, clusters in every state, old statuses of any kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use tradewind::plan::{
    ChannelFacts, HoldFacts, PolicyFacts, Reach, RegionFacts, SecretFact, Settings,
};

/// The moment of all that happens by chance.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

const REGIONS: [&str; 4] = ["eu", "us", "br", "gone"];
const NAMESPACES: [&str; 2] = ["aurora", "borealis"];

/// The shipped packs, with one platform more: one that a confirmed fact keeps out of Brazil.
pub(crate) fn packs() -> Arc<Packs> {
    static PACKS: OnceLock<Arc<Packs>> = OnceLock::new();
    let more = r#"
  Walled:
    secrets: []
    settings: []
    webhook: {value: null, source: made up, confirmed: true}
    feed: {value: null, source: made up, confirmed: true}
    markets:
      default: {value: Allowed, source: made up, confirmed: true}
      except: [{value: {countries: ["BR"], market: Blocked}, source: made up, confirmed: true}]
    checkout: {value: [InApp, Redirect], source: made up, confirmed: true}
"#;
    let load = || Packs::load(&format!("{BUILTIN_PLATFORMS}{more}"), BUILTIN_REGIMES).unwrap();
    PACKS.get_or_init(|| Arc::new(load())).clone()
}

pub(crate) fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        fleet: "fleet".into(),
        image: "ghcr.example/tradewind:1".into(),
        image_pull_policy: None,
    })
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}")))
}

/// Absent fields are absent: the API server drops nulls.
pub(crate) fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
        for value in fields.values_mut() {
            *value = without_nulls(value.take());
        }
    }
    value
}

fn suspend() -> impl Strategy<Value = Value> {
    let until = select(vec![
        Value::Null,
        json!("2026-11-22T09:00:00Z"),
        json!("2026-11-23T09:00:00+01:00"),
        json!("2026-02-30T09:00:00Z"),
    ]);
    let pause = until.prop_map(|until| json!({"reason": "r", "by": "b", "until": until}));
    prop_oneof![4 => Just(Value::Null), 1 => pause]
}

pub(crate) fn going() -> impl Strategy<Value = (Value, Value)> {
    let policy = select(vec![Value::Null, json!("Delete"), json!("Orphan")]);
    let at = prop_oneof![5 => Just(Value::Null), 1 => Just(json!("2026-11-22T09:59:00Z"))];
    (at, policy)
}

fn inventory() -> impl Strategy<Value = Value> {
    let entry = json!({"kind": "Deployment.apps", "namespace": "aurora", "name": "x", "uid": "u"});
    select(vec![json!([]), json!([entry])])
}

fn reach() -> impl Strategy<Value = Reach> {
    let silent = select(vec!["2026-11-22T09:00:00Z", "2026-11-22T09:58:00Z"]);
    let silent = silent.prop_map(|since| Reach::Unreachable {
        since: since.parse().unwrap(),
        reason: "Timeout".into(),
        message: "no answer".into(),
    });
    prop_oneof![4 => Just(Reach::Ready), 1 => silent]
}

/// Instruments that lead somewhere, or nowhere, on days before, around and after now.
fn transfers() -> impl Strategy<Value = Value> {
    let transfer = (
        select(vec!["US", "IN", "JP", "us", "gone"]),
        select(vec!["Scc", "BCR", "Adequacy", "AnpdClauses", "Handshake"]),
        select(vec![Value::Null, json!("2026-11-01"), json!("2026-12-01")]),
        select(vec![
            Value::Null,
            json!("2026-11-21"),
            json!("2026-11-22"),
            json!("2027-02-30"),
            json!("2028-01-31"),
        ]),
    );
    vec(transfer, 0..=3).prop_map(|transfers| {
        let transfers = transfers.into_iter().enumerate();
        let transfers = transfers.map(|(number, (to, instrument, from, until))| {
            json!({"name": format!("t-{number}"), "to": to, "instrument": instrument, "reference": "r",
                "validFrom": from, "validUntil": until})
        });
        transfers.collect()
    })
}

fn country() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!("DE"),
        json!("FR"),
        json!("US"),
        json!("IN"),
        json!("JP"),
        json!("BR"),
    ])
}

pub(crate) fn region(name: &'static str) -> impl Strategy<Value = RegionFacts> {
    let law = select(vec!["DE", "BR", "US-CA", "SG", "UK"]);
    let zone = select(vec!["Europe/Berlin", "America/New_York", "Nowhere/Land"]);
    let enforcement = select(vec![
        Value::Null,
        json!({"mode": "Warn"}),
        json!({"mode": "Enforce", "grace": "PT1H"}),
        json!({"grace": "PT"}),
    ]);
    let stores = select(vec![json!([]), stores()]);
    let ingress = select(vec![
        Value::Null,
        json!({"className": "c", "domain": "hooks.example"}),
    ]);
    let known = option::of(subsequence(vec!["aurora", "borealis", "runs"], 0..=3));
    let cluster = select(vec![
        Value::Null,
        json!({"clusterId": "one"}),
        json!({"clusterId": name}),
    ]);
    let spec = (
        law,
        zone,
        enforcement,
        stores,
        ingress,
        (subsequence(NAMESPACES.to_vec(), 0..=2), transfers()),
    );
    let state = (reach(), known, cluster, going(), suspend(), any::<bool>());
    (spec, state).prop_map(move |(spec, state)| {
        let (law, zone, enforcement, stores, ingress, (tenants, transfers)) = spec;
        let (reach, known, status, (going, deletion), suspend, remains) = state;
        let tenants: Vec<Value> = tenants.iter().map(|t| json!({"namespace": t})).collect();
        let value = json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region",
            "metadata": {"name": name, "labels": {"tier": "one"}, "deletionTimestamp": going},
            "spec": {
                "jurisdictions": [law], "cluster": {"local": {}}, "tenants": tenants, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": zone}, "dataStores": stores,
                "transfers": transfers.as_array().unwrap().iter().cloned().map(without_nulls).collect::<Value>(),
                "ingress": ingress, "enforcement": enforcement, "suspend": suspend, "deletionPolicy": deletion,
            },
            "status": status,
        });
        RegionFacts {
            region: read(without_nulls(value)),
            reach,
            namespaces: known.map(|known| known.into_iter().map(str::to_owned).collect()),
            remains,
        }
    })
}

fn stores() -> Value {
    json!([{
        "name": "orders", "namespaces": ["aurora"], "datasets": ["orders", "messages"],
        "postgres": {"secretRef": {"name": "db", "key": "url"}},
    }])
}

pub(crate) fn regions() -> impl Strategy<Value = BTreeMap<String, RegionFacts>> {
    let all = (
        option::weighted(0.9, region("eu")),
        option::weighted(0.9, region("us")),
        option::weighted(0.9, region("br")),
    );
    all.prop_map(|(eu, us, br)| {
        let named = [("eu", eu), ("us", us), ("br", br)];
        named
            .into_iter()
            .filter_map(|(name, region)| Some((name.to_owned(), region?)))
            .collect()
    })
}

fn channel_regions() -> impl Strategy<Value = Value> {
    let names = subsequence(REGIONS.to_vec(), 1..=4).prop_map(|names| json!({"names": names}));
    let labels = select(vec!["one", "two"])
        .prop_map(|tier| json!({"selector": {"matchLabels": {"tier": tier}}}));
    prop_oneof![names, labels]
}

fn feeds() -> impl Strategy<Value = Value> {
    let schedule = select(vec![
        "0 3 * * *",
        "30 * * * *",
        "*/5 * * * *",
        "0 0 31 2 *",
        "soon",
    ]);
    let feed = (schedule, select(vec!["Replace", "Delta"]), any::<bool>());
    vec(feed, 0..=2).prop_map(|feeds| {
        let feeds = feeds.into_iter().zip(["full", "stock"]);
        let feeds = feeds.map(|((schedule, mode, own), name)| {
            let prefix = if own { name } else { "{region}" };
            json!({"name": name, "mode": mode, "schedule": schedule, "destination": {"objectStore": {
                "url": "s3://feeds", "prefix": prefix, "credentialsRef": {"name": "s3"},
            }}})
        });
        feeds.collect()
    })
}

fn connector() -> impl Strategy<Value = Value> {
    let connector = (
        select(vec![json!(["Messages"]), json!(["Orders"])]),
        any::<bool>(),
    );
    let connector = connector.prop_map(|(events, ingress)| {
        json!({
            "events": events, "store": {"secretRef": {"name": "inbox", "key": "url"}},
            "ingress": ingress.then(|| json!({})),
        })
    });
    prop_oneof![1 => Just(Value::Null), 3 => connector]
}

fn old_channel() -> impl Strategy<Value = Value> {
    let uncovered = select(vec![
        Value::Null,
        json!("2026-11-22T09:30:00Z"),
        json!("2026-11-20T00:00:00Z"),
        json!("not a time"),
    ]);
    let entry = (
        inventory(),
        uncovered,
        option::of(any::<bool>()),
        0..500_i64,
    );
    vec(entry, 4).prop_map(|entries| {
        let entries = entries.into_iter().zip(REGIONS);
        let entries: Vec<Value> = entries
            .map(|((inventory, uncovered, ready, items), name)| {
                json!({
                    "name": name, "state": "Run", "reason": "Running", "inventory": inventory, "ready": ready,
                    "uncoveredSince": uncovered, "lastHandledRunAt": "first",
                    "connector": {"desired": 2, "ready": 2},
                    "feeds": [{"name": "full", "items": items, "rejected": 1, "lastRun": "2026-11-22T02:00:00Z",
                        "lastSuccess": "2026-11-22T02:00:00Z", "reason": "Done", "nextRun": "2026-11-22T03:00:00Z"}],
                })
            })
            .collect();
        json!({"observedGeneration": 1, "regions": entries})
    })
}

pub(crate) fn channel() -> impl Strategy<Value = Value> {
    let platform = select(vec![
        "Instagram",
        "Messenger",
        "Generic",
        "Walled",
        "Nothing",
    ]);
    let checkout = select(vec![
        Value::Null,
        json!({"mode": "InApp"}),
        json!({"mode": "Redirect", "url": "https://shop.example/c"}),
    ]);
    let spec = (
        select(NAMESPACES.to_vec()),
        platform,
        channel_regions(),
        feeds(),
        connector(),
        (
            checkout,
            country(),
            country(),
            country(),
            option::of(any::<bool>()),
        ),
    );
    let state = (
        suspend(),
        going(),
        option::of(old_channel()),
        option::of(select(vec!["first", "second"])),
    );
    (spec, state).prop_map(|(spec, state)| {
        let (namespace, platform, regions, mut feeds, connector, more) = spec;
        let (checkout, first, second, destination, personal) = more;
        for feed in feeds.as_array_mut().unwrap() {
            feed["destination"]["country"] = destination.clone();
            *feed = without_nulls(feed.take());
        }
        let sink = |name: &str, country: Value| {
            let http = json!({"url": format!("https://{name}.example"), "secretRef": {"name": name, "key": "k"}});
            without_nulls(json!({"name": name, "country": country, "http": http}))
        };
        let (suspend, (going, deletion), status, run_at) = state;
        without_nulls(json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
            "metadata": {
                "namespace": namespace, "name": "shop", "generation": 2, "deletionTimestamp": going,
                "labels": {"brand": "a"}, "annotations": {"tradewind.dev/run-at": run_at},
            },
            "spec": {
                "platform": {"name": platform}, "credentialsRef": {"name": "keys"}, "regions": regions,
                "feeds": feeds, "connector": connector, "checkout": checkout, "suspend": suspend,
                "deletionPolicy": deletion,
                "catalog": {
                    "source": {"http": {"url": "https://shop.example/{region}", "format": "Json"}},
                    "personalData": personal,
                },
                "sinks": [sink("erp", first), sink("crm", second)],
            },
            "status": status,
        }))
    })
}

fn selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"jurisdictions": ["DE", "BR"]}),
        json!({"jurisdictions": ["US"]}),
        json!({"jurisdictions": ["UK"]}),
        json!({"regions": ["eu", "us", "gone"]}),
        json!({"namespaces": ["aurora"]}),
        json!({"namespaces": ["aurora", "borealis"], "regions": ["br", "eu"]}),
        json!({"channelLabels": {"brand": "a"}}),
        json!({"channelLabels": {"brand": "b"}}),
    ])
}

fn rules() -> impl Strategy<Value = Value> {
    let rule = (
        select(vec!["orders", "elsewhere"]),
        select(vec!["orders", "messages"]),
        select(vec!["P90D", "P8Y", "P0D"]),
    );
    let rule = prop_oneof![4 => (Just("orders"), select(vec!["orders", "messages"]), Just("P90D")), 1 => rule];
    let keep = (
        select(vec!["P8Y", "P30D", "P6M"]),
        select(vec!["EventDate", "EndOfCalendarYear", "EndOfFiscalYear"]),
    );
    let keep = keep
        .prop_map(|(period, from)| json!({"for": period, "from": from, "reference": "AO 147(3)"}));
    let records = select(vec![
        json!(["invoice"]),
        json!(["invoice", "businessLetter"]),
        json!(["none"]),
    ]);
    let rule = (
        rule,
        prop_oneof![3 => Just(Value::Null), 2 => keep],
        any::<bool>(),
        prop_oneof![3 => Just(Value::Null), 1 => records],
    );
    vec(rule, 1..=3).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        let rules = rules.map(
            |(number, ((store, table, after), keep, only_keeps, records))| {
                let erase = json!({"after": after, "method": "Delete"});
                let is_kept = only_keeps && !keep.is_null();
                json!({
                    "name": format!("rule-{number}"),
                    "dataset": {"store": store, "table": table, "clock": "at", "records": records},
                    "erase": if is_kept { Value::Null } else { erase },
                    "keep": keep,
                })
            },
        );
        rules.map(without_nulls).collect()
    })
}

fn old_policy() -> impl Strategy<Value = Value> {
    vec((inventory(), 0..500_i64), 4).prop_map(|entries| {
        let entries = entries.into_iter().zip(REGIONS);
        let entries: Vec<Value> = entries
            .map(|((inventory, due), name)| {
                json!({
                    "name": name, "state": "Run", "reason": "Running", "inventory": inventory, "ready": true,
                    "totals": {"due": due, "erased": due, "blocked": 0, "failed": 0, "remaining": 0},
                    "lastRun": {"job": "j", "phase": "Succeeded", "finishedAt": "2026-11-22T02:00:00Z"},
                    "preview": {"region": name, "asOf": "2026-11-22T02:00:00Z", "specHash": "sha256-x", "rules": []},
                })
            })
            .collect();
        json!({"observedGeneration": 1, "regions": entries})
    })
}

pub(crate) fn policy(name: &'static str) -> impl Strategy<Value = Value> {
    let regimes = subsequence(vec!["eu-gdpr", "br-lgpd", "us-ca-ccpa", "no-such"], 1..=4);
    let regimes = (regimes, any::<bool>()).prop_map(|(mut regimes, taxed)| {
        regimes.extend(taxed.then_some("de-tax"));
        regimes
    });
    let schedule = prop_oneof![5 => Just("0 2 * * *"), 1 => Just("whenever")];
    let window =
        prop_oneof![5 => Just(Value::Null), 1 => select(vec![json!("PT1H"), json!("PT0H")])];
    let spec = (
        regimes,
        selector(),
        rules(),
        (schedule, window),
        select(vec!["DryRun", "Enforce"]),
    );
    let state = (suspend(), going(), option::of(old_policy()), any::<bool>());
    (spec, state).prop_map(move |(spec, state)| {
        let (regimes, selector, rules, (schedule, window), mode) = spec;
        let (suspend, (going, deletion), status, run_now) = state;
        without_nulls(json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy",
            "metadata": {
                "name": name, "generation": 2, "deletionTimestamp": going,
                "annotations": {"tradewind.dev/run-at": run_now.then_some("first")},
            },
            "spec": {
                "regimes": regimes, "selector": selector, "rules": rules, "mode": mode, "suspend": suspend,
                "deletionPolicy": deletion, "fiscalYearEnd": "09-30", "retention": {"schedule": schedule, "window": window},
                "approvals": [{"region": "eu", "previewHash": format!("sha256-{}", "0".repeat(64)), "by": "dpo"}],
            },
            "status": status,
        }))
    })
}

fn credentials() -> impl Strategy<Value = SecretFact> {
    let keys = btree_set(
        select(vec![
            "app_secret",
            "verify_token",
            "signing_secret",
            "other",
        ]),
        0..=4,
    );
    let full = BTreeSet::from(["app_secret", "verify_token", "signing_secret"]);
    let keys = prop_oneof![2 => Just(full), 1 => keys];
    let present = keys.prop_map(|keys: BTreeSet<&str>| {
        let keys = keys.into_iter();
        SecretFact::Present(
            keys.map(|key| (key.to_owned(), "hash".to_owned()))
                .collect(),
        )
    });
    prop_oneof![
        6 => present,
        1 => Just(SecretFact::Absent),
        1 => Just(SecretFact::Unreadable("forbidden".into())),
        1 => Just(SecretFact::InRegion),
    ]
}

pub(crate) fn channel_facts() -> impl Strategy<Value = ChannelFacts> {
    let policies = (option::of(policy("first")), option::of(policy("second")));
    (channel(), regions(), policies, credentials()).prop_map(
        |(channel, regions, (first, second), credentials)| ChannelFacts {
            channel: read(channel),
            regions,
            policies: [("first", first), ("second", second)]
                .into_iter()
                .filter_map(|(name, policy)| Some((name.to_owned(), read(policy?))))
                .collect(),
            credentials,
            holds_seen: Some("2026-11-22T04:05:06Z".parse().unwrap()),
            packs: packs(),
            settings: settings(),
        },
    )
}

pub(crate) fn policy_facts() -> impl Strategy<Value = PolicyFacts> {
    let policies = (policy("first"), option::of(policy("second")));
    let holds = vec(hold(), 0..=2);
    let all = (policies, regions(), vec(channel(), 0..=2), holds);
    all.prop_map(|((policy, other), regions, channels, holds)| {
        let policy = read(policy);
        let other = other.map(|other| ("second".to_owned(), read(other)));
        let own = ("first".to_owned(), Arc::clone(&policy));
        PolicyFacts {
            policy,
            regions,
            // No two resources of a kind have one name.
            channels: channels
                .into_iter()
                .zip(["shop", "store"])
                .map(|(mut channel, name)| {
                    channel["metadata"]["name"] = json!(name);
                    read(channel)
                })
                .collect(),
            policies: other.into_iter().chain([own]).collect(),
            holds: holds
                .into_iter()
                .zip(["hold", "lock"])
                .map(|(hold, name)| {
                    let mut hold = hold;
                    hold["metadata"]["name"] = json!(name);
                    (name.to_owned(), read(hold))
                })
                .collect(),
            packs: packs(),
            settings: settings(),
        }
    })
}

fn scopes() -> impl Strategy<Value = Value> {
    let scope = (
        select(vec!["orders", "orders", "orders", "elsewhere"]),
        select(vec![
            json!({}),
            json!({"table": "public.orders"}),
            json!({"table": "public.orders", "column": "id", "valuesSecretRef": {"name": "who", "key": "ids"}}),
        ]),
    );
    vec(scope, 1..=3).prop_map(|scopes| {
        let scopes = scopes.into_iter().enumerate();
        let scopes = scopes.map(|(number, (store, mut scope))| {
            scope["name"] = json!(format!("scope-{number}"));
            scope["store"] = json!(store);
            scope
        });
        scopes.collect()
    })
}

fn old_hold() -> impl Strategy<Value = Value> {
    let store = select(vec![
        json!([]),
        json!([{"name": "orders", "inForceSince": "2026-11-20T00:00:00Z"}]),
        json!([{"name": "orders", "inForceSince": "2026-11-20T00:00:00Z", "releasedAt": "2026-11-21T00:00:00Z"}]),
        json!([{"name": "orders", "reason": "StoreUnavailable"}]),
    ]);
    vec((inventory(), store), 4).prop_map(|entries| {
        let entries = entries.into_iter().zip(REGIONS);
        let entries: Vec<Value> = entries
            .map(|((inventory, stores), name)| {
                json!({
                    "name": name, "state": "Run", "reason": "InForce", "inventory": inventory, "stores": stores,
                    "task": "hold-hold-0",
                })
            })
            .collect();
        json!({"observedGeneration": 1, "state": "InForce", "regionsInForce": "4/4", "regions": entries})
    })
}

/// A hold that the API server would let through, or that was read from elsewhere.
pub(crate) fn hold() -> impl Strategy<Value = Value> {
    let selector = select(vec![
        json!({"regions": ["eu"]}),
        json!({"regions": ["eu", "us", "gone"]}),
        json!({"jurisdictions": ["DE", "BR"]}),
        json!({"jurisdictions": ["US"], "regions": ["br"]}),
        json!({"jurisdictions": ["UK"]}),
    ]);
    let review = select(vec!["2027-06-01", "2026-11-21", "2026-02-31"]);
    let release = prop_oneof![
        3 => Just(Value::Null),
        1 => Just(json!({"by": "counsel", "ground": "settled"})),
    ];
    let state = (going(), option::of(old_hold()), any::<bool>());
    (selector, scopes(), review, release, state).prop_map(
        |(selector, scopes, review, release, ((going, deletion), status, run))| {
            without_nulls(json!({
                "apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold",
                "metadata": {
                    "name": "hold", "generation": 2, "deletionTimestamp": going,
                    "annotations": {"tradewind.dev/run-at": run.then_some("first")},
                },
                "spec": {
                    "ground": "case 7", "openedBy": "counsel", "reviewOn": review, "selector": selector,
                    "scopes": scopes, "release": release, "deletionPolicy": deletion,
                },
                "status": status,
            }))
        },
    )
}

pub(crate) fn hold_facts() -> impl Strategy<Value = HoldFacts> {
    (hold(), regions()).prop_map(|(hold, regions)| HoldFacts {
        hold: read(hold),
        regions,
        channels: Vec::new(),
        policies: BTreeMap::new(),
        settings: settings(),
    })
}
