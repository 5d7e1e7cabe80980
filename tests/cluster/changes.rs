//! Edits by users, by strangers, and by people who should not have.

use std::collections::BTreeMap;

use serde_json::Value;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, RUNS, TENANT};
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::world::{difference, dump, settled};

const CHANNEL: &str = "aurora-instagram";
const CONNECTOR: &str = "aurora-instagram-connector";

async fn patch_channel(hub: &Cluster, patch: &str) {
    hub.kubectl(&[
        "patch",
        "socialchannel",
        "-n",
        TENANT,
        CHANNEL,
        "--type=merge",
        "-p",
        patch,
    ])
    .await
    .unwrap();
}

async fn deployment(region: &Cluster) -> Value {
    settle::get(region, "deployment", Some(TENANT), CONNECTOR)
        .await
        .unwrap()
        .unwrap_or_default()
}

async fn until_deployment(region: &Cluster, what: &str, good: impl Fn(&Value) -> bool) {
    settle::until(what, SOON, || async {
        let object = deployment(region).await;
        Ok(if good(&object) {
            Ok(())
        } else {
            Err(object["spec"].to_string().chars().take(600).collect())
        })
    })
    .await
    .unwrap();
}

/// The world without what feeds have done: those that were removed and came back have forgotten it, and their Jobs went.
fn feedless(mut world: BTreeMap<String, String>) -> BTreeMap<String, String> {
    world.retain(|name, _| !(name.contains(" Job ") && name.contains("-feed-")));
    for (name, text) in &mut world {
        if !name.starts_with("hub SocialChannel ") {
            continue;
        }
        let mut channel: Value = serde_json::from_str(text).unwrap();
        let conditions = channel["status"]["conditions"].as_array_mut();
        conditions
            .unwrap()
            .retain(|condition| condition["type"] != "FeedsCurrent");
        for region in channel["status"]["regions"].as_array_mut().unwrap() {
            region.as_object_mut().unwrap().remove("feeds");
            let inventory = region["inventory"].as_array_mut();
            inventory.unwrap().retain(|entry| entry["kind"] != "Job");
        }
        *text = serde_json::to_string_pretty(&channel).unwrap();
    }
    world
}

/// Change, revert and remove: after the way back the world is what it was.
pub(crate) async fn fields_change_revert_and_go(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let before = feedless(settled(stage).await);
    let mut channel = settle::get(&hub, "socialchannel", Some(TENANT), CHANNEL)
        .await
        .unwrap()
        .unwrap();
    let spec = channel["spec"].take();
    patch_channel(&hub, r#"{"spec":{"connector":{"replicas":{"min":1}}}}"#).await;
    until_deployment(&region, "one replica", |d| {
        d.pointer("/spec/replicas").is_some_and(|r| r == 1)
    })
    .await;
    patch_channel(&hub, r#"{"spec":{"feeds":null}}"#).await;
    settle::until("feeds are gone", SOON, || async {
        let left = region
            .kubectl(&[
                "get",
                "cronjobs,configmaps",
                "-n",
                TENANT,
                "-l",
                "tradewind.dev/feed",
                "-o",
                "name",
            ])
            .await?;
        Ok(if left.trim().is_empty() {
            Ok(())
        } else {
            Err(left)
        })
    })
    .await
    .unwrap();
    patch_channel(&hub, &serde_json::json!({"spec": spec}).to_string()).await;
    settle::until("the same world", SOON, || async {
        let differs = difference(&before, &feedless(dump(stage).await));
        Ok(if differs.is_empty() {
            Ok(())
        } else {
            Err(differs.join("\n"))
        })
    })
    .await
    .unwrap();
}

/// Somebody edits our objects: fields that we declare come back, foreign containers and ports go.
pub(crate) async fn drift_is_repaired_without_a_resync(stage: &mut Stage) {
    let region = stage.fleet.cluster("eu-west").unwrap();
    let image = deployment(&region)
        .await
        .pointer("/spec/template/spec/containers/0/image")
        .cloned()
        .unwrap();
    let vandal = serde_json::json!([
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "tradewind-agent:vandal"},
        {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "EVIL", "value": "1"}]},
    ]);
    let patch = vandal.to_string();
    region
        .kubectl(&[
            "patch",
            "deployment",
            CONNECTOR,
            "-n",
            TENANT,
            "--type=json",
            "-p",
            &patch,
            "--field-manager=vandal",
        ])
        .await
        .unwrap();
    until_deployment(&region, "the image and env are ours again", |d| {
        d.pointer("/spec/template/spec/containers/0/image") == Some(&image)
            && !d
                .pointer("/spec/template/spec/containers/0")
                .is_some_and(|c| c.to_string().contains("EVIL"))
    })
    .await;
    region
        .kubectl(&["delete", "service", CONNECTOR, "-n", TENANT])
        .await
        .unwrap();
    settle::until("the Service is back", SOON, || async {
        let found = settle::get(&region, "service", Some(TENANT), CONNECTOR).await?;
        Ok(found
            .map(|_| ())
            .ok_or_else(|| "it is not there".to_owned()))
    })
    .await
    .unwrap();
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
}

/// A CronJob is deleted and its Jobs are left: it comes back, and the Jobs that nobody asked for any more go.
pub(crate) async fn orphaned_jobs_are_taken_away(stage: &mut Stage) {
    let region = stage.fleet.cluster("eu-west").unwrap();
    // A chapter before took the feeds away, and the Jobs that they had.
    crate::quickstart::run_feeds(stage, "feeds-2").await;
    crate::quickstart::run_feeds(stage, "feeds-3").await;
    for (namespace, schedule) in [
        (TENANT, "aurora-instagram-feed-full"),
        (RUNS, "eu-customers-retention"),
    ] {
        let jobs = jobs_of(&region, namespace, schedule).await;
        assert!(jobs.len() >= 2, "{schedule} has {jobs:?}");
        let orphan = [
            "delete",
            "cronjob",
            schedule,
            "-n",
            namespace,
            "--cascade=orphan",
        ];
        region.kubectl(&orphan).await.unwrap();
        settle::until(
            "the schedule is back, its old Jobs are gone",
            SOON,
            || async {
                let there = settle::get(&region, "cronjob", Some(namespace), schedule).await?;
                let left = jobs_of(&region, namespace, schedule).await;
                // The one that was asked for last is still declared.
                Ok(if there.is_some() && left.len() <= 1 {
                    Ok(())
                } else {
                    Err(format!("{schedule} there: {}, {left:?}", there.is_some()))
                })
            },
        )
        .await
        .unwrap();
    }
}

async fn jobs_of(region: &Cluster, namespace: &str, schedule: &str) -> Vec<String> {
    let names = region
        .kubectl(&["get", "jobs", "-n", namespace, "-o", "name"])
        .await
        .unwrap();
    let prefix = format!("job.batch/{schedule}-");
    let mine = names.lines().filter(|name| name.starts_with(&prefix));
    mine.map(str::to_owned).collect()
}

/// An object of somebody else under a name that we need: named in status, not touched, and taken up once it is gone.
pub(crate) async fn a_strangers_object_is_named_and_left_alone(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let name = "newcomer-connector";
    region
        .kubectl(&[
            "create",
            "configmap",
            name,
            "-n",
            TENANT,
            "--from-literal=owner=somebody",
        ])
        .await
        .unwrap();
    region
        .kubectl(&[
            "create",
            "service",
            "clusterip",
            name,
            "-n",
            TENANT,
            "--tcp=9999",
        ])
        .await
        .unwrap();
    let channel = newcomer(&hub).await;
    install::apply(&hub, &channel).await.unwrap();
    settle::until("the conflict in status", SOON, || async {
        let object = settle::get(&hub, "socialchannel", Some(TENANT), "newcomer")
            .await?
            .unwrap_or_default();
        let text = object["status"].to_string();
        Ok(if text.contains("Conflict") && text.contains(name) {
            Ok(())
        } else {
            Err(text)
        })
    })
    .await
    .unwrap();
    let service = settle::get(&region, "service", Some(TENANT), name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        service.pointer("/spec/ports/0/port").unwrap(),
        9999,
        "the stranger's Service was changed"
    );
    let theirs = settle::get(&region, "configmap", Some(TENANT), name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(theirs["data"], serde_json::json!({"owner": "somebody"}));
    region
        .kubectl(&["delete", "service,configmap", name, "-n", TENANT])
        .await
        .unwrap();
    settle::condition_true(
        &hub,
        ("socialchannel", Some(TENANT), "newcomer"),
        "Ready",
        SOON,
    )
    .await
    .unwrap();
    hub.kubectl(&[
        "delete",
        "socialchannel",
        "-n",
        TENANT,
        "newcomer",
        "--timeout=300s",
    ])
    .await
    .unwrap();
    let left = region
        .kubectl(&[
            "get",
            "all,configmaps,serviceaccounts,secrets",
            "-n",
            TENANT,
            "-l",
            "tradewind.dev/name=newcomer",
            "-o",
            "name",
        ])
        .await
        .unwrap();
    assert_eq!(
        left.lines()
            .filter(|line| !line.starts_with("pod/"))
            .count(),
        0,
        "{left}"
    );
}

/// A copy of the partner's channel under another name.
async fn newcomer(hub: &Cluster) -> String {
    let mut channel = settle::get(hub, "socialchannel", Some(TENANT), "aurora-partner")
        .await
        .unwrap()
        .unwrap();
    let spec = channel["spec"].take();
    serde_json::json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "SocialChannel",
        "metadata": {"name": "newcomer", "namespace": TENANT}, "spec": spec,
    })
    .to_string()
}
