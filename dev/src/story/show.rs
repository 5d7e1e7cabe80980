//! What a user would want to see: a webhook delivered, a feed written, a preview approved, rows gone.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::sync::watch;

use super::{Result, Stage, install::TENANT, quickstart, settle};
use crate::{
    choice::Machinery,
    fleet::{Cluster, HUB},
    progress::{Progress, say},
    serve::platform::{Load, Scheme, Sender},
};

const SOON: Duration = Duration::from_secs(120);
/// The region in which the webhook and the feed are shown.
const SHOWN: &str = "eu-west";
/// The port of a connector's Service.
const SERVICE_PORT: u16 = 80;
const CHANNEL: &str = "aurora-instagram";

/// Webhook, feed, retention; then everything at a glance.
pub(super) async fn story(stage: &Stage) -> Result<()> {
    let hub = stage.fleet.cluster(HUB)?;
    let event = webhook(stage).await?;
    let feed = feed(stage, &hub).await?;
    let mut retention = Vec::new();
    for (policy, region) in quickstart::POLICIES {
        retention.push((policy, region, retain(&hub, policy).await?));
    }
    heading("kubectl get tradewind -A");
    say(&hub.kubectl(&["get", "tradewind", "-A"]).await?);
    heading("the event that reached the sink");
    say(&event);
    heading(&format!("the first lines of the feed in {SHOWN}"));
    say(&feed);
    heading("rows, region by region");
    for (policy, region, object) in &retention {
        rows(policy, region, object);
    }
    Ok(())
}

fn heading(text: &str) {
    say(&format!("\n== {text}"));
}

async fn webhook(stage: &Stage) -> Result<String> {
    let step = Progress::start("a signed webhook to the connector");
    let region = stage.fleet.cluster(SHOWN)?;
    let mut targets = settle::until("connector addresses", SOON, || async {
        let found = quickstart::connector_addresses(&region, CHANNEL).await?;
        let found: Vec<SocketAddr> = found
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        Ok(if found.is_empty() {
            Err("no ready endpoint in its EndpointSlices".to_owned())
        } else {
            Ok(found)
        })
    })
    .await?;
    // Existing clusters have no route for this machine to their pods.
    let mut forward = None;
    if let Machinery::Existing(_) = stage.fleet.machinery() {
        let service = format!("service/{CHANNEL}-connector");
        let way = region.forward(TENANT, &service, SERVICE_PORT).await?;
        targets = vec![way.address];
        forward = Some(way);
    }
    let (_keep, targets) = watch::channel(targets);
    let secrets = &stage.info.platform_secrets["aurora-meta"];
    let path = format!("/webhooks/{TENANT}/{CHANNEL}");
    let sender = Sender::new(Scheme::Instagram, &secrets["app_secret"], &path, targets)?;
    sender.handshake(&secrets["verify_token"]).await?;
    let run = format!("up{}", jiff::Timestamp::now().as_second());
    let load = Load {
        count: 1,
        rate: 1,
        subjects: 1,
        repeat_every: 0,
        give_up_after: 60,
        run,
    };
    let sent = sender.send(&load).await;
    drop(forward);
    let Some(acknowledged) = sent.acknowledged.first() else {
        return Err(super::serve::Error::GivenUp {
            given_up: sent.given_up,
            count: 1,
        }
        .into());
    };
    let id = acknowledged.id.clone();
    let record = stage.info.sink_record.clone();
    let line = settle::until("the event at the sink", SOON, || async {
        let text = super::install::read(&record)?;
        Ok(text
            .lines()
            .find(|line| line.contains(&id))
            .map(str::to_owned)
            .ok_or_else(|| "not delivered yet".to_owned()))
    })
    .await?;
    step.done("acknowledged, stored, delivered");
    Ok(line)
}

async fn feed(stage: &Stage, hub: &Cluster) -> Result<String> {
    let step = Progress::start("a feed in every region");
    let asked = quickstart::fresh_request();
    quickstart::run_as(hub, ("socialchannel", Some(TENANT), CHANNEL), &asked).await?;
    settle::until("the feed's report", SOON, || async {
        let Some(object) = settle::get(hub, "socialchannel", Some(TENANT), CHANNEL).await? else {
            return Ok(Err("the channel is not there".to_owned()));
        };
        let regions = object
            .pointer("/status/regions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let waiting: Vec<String> = regions
            .iter()
            .filter(|region| {
                region["lastHandledRunAt"] != asked.as_str()
                    || region["feeds"]
                        .as_array()
                        .is_none_or(|feeds| feeds.iter().any(|feed| feed["lastSuccess"].is_null()))
            })
            .map(|region| format!("{}: {}", region["name"], region["feeds"]))
            .collect();
        Ok(if regions.is_empty() || !waiting.is_empty() {
            Err(waiting.join("; "))
        } else {
            Ok(())
        })
    })
    .await?;
    step.done("written");
    let file = stage
        .info
        .object_store
        .folder
        .join(super::peers::BUCKET)
        .join(format!("{SHOWN}/full/{CHANNEL}.csv"));
    let text = super::install::read(&file)?;
    Ok(text
        .lines()
        .take(3)
        .map(|line| line.chars().take(160).collect::<String>())
        .collect::<Vec<_>>()
        .join("\n"))
}

/// Preview, approval, run.
async fn retain(hub: &Cluster, policy: &str) -> Result<Value> {
    let step = Progress::start(&format!("retention of {policy}: preview"));
    let object = quickstart::retention_run(hub, policy, SOON).await?;
    let previews: BTreeMap<String, String> = quickstart::previews(&object);
    for (region, hash) in &previews {
        step.step(&format!("{region} previews {hash}"));
    }
    quickstart::approve(hub, policy, &previews).await?;
    let object = quickstart::retention_run(hub, policy, SOON).await?;
    step.done("previewed, approved, run");
    Ok(object)
}

fn rows(policy: &str, region: &str, object: &Value) {
    let regions = object.pointer("/status/regions").and_then(Value::as_array);
    let Some(entry) = regions
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == region)
    else {
        return;
    };
    say(&format!(
        "{policy} in {region}: {}",
        entry
            .pointer("/lastRun/reason")
            .and_then(Value::as_str)
            .unwrap_or("-")
    ));
    say("  rule              due   erased  blocked   failed remaining  oldest kept");
    for rule in entry
        .pointer("/lastRun/rules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let number = |name: &str| rule[name].as_i64().unwrap_or_default();
        say(&format!(
            "  {:<12} {:>8} {:>8} {:>8} {:>8} {:>9}  {}",
            rule["name"].as_str().unwrap_or_default(),
            number("due"),
            number("erased"),
            number("blocked"),
            number("failed"),
            number("remaining"),
            rule["oldestKept"].as_str().unwrap_or("-"),
        ));
    }
}

/// How to go on.
pub(super) fn go_on(stage: &Stage) {
    heading("how to go on");
    for cluster in stage.fleet.clusters() {
        say(&format!(
            "{:<8} export KUBECONFIG={}",
            cluster.name(),
            cluster.kubeconfig_admin().display()
        ));
    }
    let name = stage.fleet.name();
    say(&format!(
        "operator http://{}/metrics, its log {}",
        stage.operator.address,
        stage.operator.daemon.log_path().display()
    ));
    say(&format!(
        "try:     dev kubectl --name {name} hub -- describe socialchannel -n {TENANT} {CHANNEL}\n         \
         dev kubectl --name {name} eu-west -- get all -n {TENANT}\n         \
         (dev is `cargo run -q -p tradewind-dev --bin dev --`)\nstop:    make down"
    ));
}
