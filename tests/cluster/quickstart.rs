//! The quickstart as a user lives it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::sync::watch;
use tradewind::contract::{Count, RetainedRule, Sum};
use tradewind::evidence::{Standing, standing};
use tradewind_dev::fleet::HUB;
use tradewind_dev::serve::platform::{Load, Scheme, Sender};
use tradewind_dev::story::install::TENANT;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::audit::{Offsets, writes_since};
use crate::world::sql_of;

pub(crate) async fn everything_becomes_ready(stage: &mut Stage) {
    stage.apply_quickstart().await.unwrap();
    let hub = stage.fleet.cluster(HUB).unwrap();
    let table = hub.kubectl(&["get", "tradewind", "-A"]).await.unwrap();
    for name in [
        "eu-west",
        "us-east",
        "aurora-instagram",
        "aurora-partner",
        "eu-customers",
        "us-customers",
    ] {
        assert!(
            table.contains(name),
            "`kubectl get tradewind -A` does not show {name}:\n{table}"
        );
    }
    let channel = settle::get(&hub, "socialchannel", Some(TENANT), "aurora-instagram")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(channel.pointer("/status/regionsReady").unwrap(), "2/2");
    for region in ["eu-west", "us-east"] {
        let cluster = stage.fleet.cluster(region).unwrap();
        let ready = cluster
            .kubectl(&[
                "get",
                "deployment",
                "aurora-instagram-connector",
                "-n",
                TENANT,
                "-o",
                "jsonpath={.status.readyReplicas}",
            ])
            .await
            .unwrap();
        assert_eq!(ready, "2", "connector pods in {region}");
    }
}

pub(crate) async fn a_webhook_reaches_the_sink(stage: &mut Stage) {
    let region = stage.fleet.cluster("eu-west").unwrap();
    let found = quickstart::connector_addresses(&region, "aurora-instagram")
        .await
        .unwrap();
    let targets: Vec<SocketAddr> = found
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
    assert_eq!(targets.len(), 2, "two ready endpoints: {found:?}");
    let secrets = &stage.info.platform_secrets["aurora-meta"];
    let (_keep, targets) = watch::channel(targets);
    let path = format!("/webhooks/{TENANT}/aurora-instagram");
    let sender = Sender::new(Scheme::Instagram, &secrets["app_secret"], &path, targets).unwrap();
    sender.handshake(&secrets["verify_token"]).await.unwrap();
    let load = Load {
        count: 50,
        rate: 50,
        subjects: 5,
        repeat_every: 5,
        give_up_after: 60,
        run: "e2e".into(),
    };
    let sent = sender.send(&load).await;
    assert_eq!((sent.acknowledged.len(), sent.given_up), (50, 0));
    let record = stage.info.sink_record.clone();
    settle::until("all events at the sink", SOON, || async {
        let text = std::fs::read_to_string(&record).unwrap();
        let missing = sent
            .acknowledged
            .iter()
            .filter(|event| !text.contains(&event.id))
            .count();
        Ok(if missing == 0 {
            Ok(())
        } else {
            Err(format!("{missing} not delivered"))
        })
    })
    .await
    .unwrap();
}

pub(crate) async fn feeds_are_written(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    run_feeds(stage, "feeds-1").await;
    let channel = settle::get(&hub, "socialchannel", Some(TENANT), "aurora-instagram")
        .await
        .unwrap()
        .unwrap();
    for region in channel
        .pointer("/status/regions")
        .unwrap()
        .as_array()
        .unwrap()
    {
        let feeds: BTreeSet<&str> = region["feeds"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|f| f["name"].as_str())
            .collect();
        assert_eq!(feeds, BTreeSet::from(["full", "stock"]));
        for feed in region["feeds"].as_array().unwrap() {
            assert!(feed["items"].as_i64().unwrap() > 900, "{feed}");
        }
    }
    let bucket = stage.info.object_store.folder.join("aurora-feeds");
    let german = std::fs::read_to_string(bucket.join("eu-west/full/aurora-instagram.csv")).unwrap();
    let american =
        std::fs::read_to_string(bucket.join("us-east/full/aurora-instagram.csv")).unwrap();
    assert!(german.contains(" EUR") && !german.contains(" USD"));
    assert!(american.contains(" USD") && !american.contains(" EUR"));
    assert!(
        bucket
            .join("eu-west/full/aurora-instagram.csv.manifest.json")
            .is_file()
    );
}

/// Runs every feed of the Instagram channel now and waits for the reports.
pub(crate) async fn run_feeds(stage: &Stage, asked: &str) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let annotation = format!("tradewind.dev/run-at={asked}");
    hub.kubectl(&[
        "annotate",
        "--overwrite",
        "socialchannel",
        "-n",
        TENANT,
        "aurora-instagram",
        &annotation,
    ])
    .await
    .unwrap();
    settle::until("feed reports", SOON, || async {
        let object = settle::get(&hub, "socialchannel", Some(TENANT), "aurora-instagram")
            .await?
            .unwrap();
        let regions = object
            .pointer("/status/regions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let waiting: Vec<String> = regions
            .iter()
            .filter(|region| {
                region["lastHandledRunAt"] != asked
                    || region["feeds"]
                        .as_array()
                        .is_none_or(|feeds| feeds.iter().any(|feed| feed["lastSuccess"].is_null()))
            })
            .map(|region| format!("{} {}", region["name"], region["feeds"]))
            .collect();
        Ok(if regions.len() == 2 && waiting.is_empty() {
            Ok(())
        } else {
            Err(format!("{waiting:?}"))
        })
    })
    .await
    .unwrap();
}

pub(crate) async fn a_preview_is_approved_and_rows_go(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    for (policy, region) in quickstart::POLICIES {
        let before = sql_of(stage, region, "SELECT count(*) FROM orders").await;
        let preview = quickstart::retention_run(&hub, policy, SOON).await.unwrap();
        let hashes = quickstart::previews(&preview);
        assert_eq!(
            hashes.keys().collect::<Vec<_>>(),
            [region],
            "a preview per region of {policy}"
        );
        let unchanged = sql_of(stage, region, "SELECT count(*) FROM orders").await;
        assert_eq!(before, unchanged, "a run without approval erased rows");
        quickstart::approve(&hub, policy, &hashes).await.unwrap();
        let done = quickstart::retention_run(&hub, policy, SOON).await.unwrap();
        adds_up(&done);
        let totals = done.pointer("/status/totals").unwrap();
        // What is erased may be told as `-`, beside a small number that would follow from it.
        assert!(count(totals, "due").least() > 10_000, "{totals}");
        assert!(!count(totals, "erased").is_zero(), "{totals}");
        assert_ne!(
            before,
            sql_of(stage, region, "SELECT count(*) FROM orders").await
        );
    }
}

/// `due = erased + held + restricted + gone + blocked + failed + remaining`, for every rule in every region.
pub(crate) fn adds_up(policy: &Value) {
    let mut rules = 0;
    for region in policy
        .pointer("/status/regions")
        .unwrap()
        .as_array()
        .unwrap()
    {
        if let Some(totals) = region.get("totals") {
            let parts = RetainedRule::PARTS.map(|name| count(totals, name));
            let sum = Sum {
                whole: count(totals, "due"),
                parts: parts.to_vec(),
            };
            assert!(sum.may_hold(), "{totals}");
        }
        for rule in region
            .pointer("/lastRun/rules")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            rule_adds_up(rule);
            rules += 1;
        }
    }
    assert!(rules > 0, "no rule was reported: {}", policy["status"]);
}

/// By its numbers, or where small ones are not told by the commitments to these.
pub(crate) fn rule_adds_up(rule: &Value) {
    let told: RetainedRule = serde_json::from_value(rule.clone()).unwrap();
    let standing = standing(&told.sum(), &told.commitments);
    assert!(
        matches!(standing, Standing::Told | Standing::Committed),
        "{standing:?}: {rule}"
    );
}

/// A number of rows; one that is left out is none.
pub(crate) fn count(numbers: &Value, name: &str) -> Count {
    match &numbers[name] {
        Value::Null => Count::ZERO,
        told => serde_json::from_value(told.clone()).unwrap(),
    }
}

/// Nothing changes, so nothing is written and nothing is read, but for the lease and the watches' renewals.
pub(crate) async fn a_converged_fleet_is_left_alone(stage: &mut Stage) {
    // A feed of the quickstart comes by its schedule at a quarter past, and what it did is told; the age of the list of holds is
    // told by the hour.
    let minute = || {
        jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .minute()
    };
    while matches!(minute(), 0 | 11..=16 | 59) {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    }
    settle::until("quiet", SOON, || async {
        let offsets = Offsets::now(stage);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let writes = writes_since(stage, &offsets);
        Ok(if writes.is_empty() {
            Ok(())
        } else {
            Err(format!("{writes:?}"))
        })
    })
    .await
    .unwrap();
    let offsets = Offsets::now(stage);
    let hub = stage.fleet.cluster(HUB).unwrap();
    hub.kubectl(&[
        "annotate",
        "--overwrite",
        "socialchannel",
        "-n",
        TENANT,
        "aurora-instagram",
        "tradewind.dev/reconcile-at=quiet",
    ])
    .await
    .unwrap();
    settle::until("the acknowledgement", SOON, || async {
        let object = settle::get(&hub, "socialchannel", Some(TENANT), "aurora-instagram")
            .await?
            .unwrap();
        let told = object
            .pointer("/status/lastHandledReconcileAt")
            .cloned()
            .unwrap_or_default();
        Ok(if told == "quiet" {
            Ok(())
        } else {
            Err(format!("still {told}"))
        })
    })
    .await
    .unwrap();
    let writes = writes_since(stage, &offsets);
    assert_eq!(
        writes.len(),
        1,
        "a reconcile of a converged channel writes its acknowledgement only: {writes:?}"
    );
}
