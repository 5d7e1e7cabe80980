//! What a user would want to see: a webhook delivered, a feed written, a preview approved, rows gone.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::sync::watch;

use super::{DEFAULT_FLEET, Result, Stage, install::TENANT, officers, quickstart, settle};
use crate::{
    choice::Machinery,
    fleet::{Cluster, HUB},
    progress::{Progress, say},
    serve::platform::{Load, Scheme, Sender},
};

const SOON: Duration = Duration::from_mins(10);
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
    let channel = || settle::get(hub, "socialchannel", Some(TENANT), CHANNEL);
    // An earlier run has left its success: what is waited for is another.
    let before = successes(&channel().await?.unwrap_or_default());
    let asked = quickstart::fresh_request();
    quickstart::run_as(hub, ("socialchannel", Some(TENANT), CHANNEL), &asked).await?;
    settle::until("the feed's report", SOON, || async {
        let Some(object) = channel().await? else {
            return Ok(Err("the channel is not there".to_owned()));
        };
        Ok(written(&object, &asked, &before))
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

fn regions(object: &Value) -> impl Iterator<Item = &Value> {
    let regions = object.pointer("/status/regions").and_then(Value::as_array);
    regions.into_iter().flatten()
}

/// When each feed in each region last succeeded.
fn successes(channel: &Value) -> BTreeMap<(String, String), Value> {
    let name = |of: &Value| of["name"].as_str().unwrap_or_default().to_owned();
    regions(channel)
        .flat_map(|region| {
            let feeds = region["feeds"].as_array().into_iter().flatten();
            feeds.map(move |feed| ((name(region), name(feed)), feed["lastSuccess"].clone()))
        })
        .collect()
}

/// Whether every region has made the Jobs that were asked for, and each feed has succeeded since `before`.
fn written(
    channel: &Value,
    asked: &str,
    before: &BTreeMap<(String, String), Value>,
) -> std::result::Result<(), String> {
    let now = successes(channel);
    let mut waiting: Vec<String> = regions(channel)
        .filter(|region| {
            region["lastHandledRunAt"] != asked
                || region["feeds"].as_array().is_none_or(Vec::is_empty)
        })
        .map(|region| format!("{}: not begun", region["name"]))
        .collect();
    let old = now
        .iter()
        .filter(|(feed, success)| success.is_null() || before.get(feed) == Some(success));
    waiting.extend(old.map(|((region, feed), _)| format!("{region}: {feed} is not written")));
    if now.is_empty() {
        Err("no region in status".into())
    } else if waiting.is_empty() {
        Ok(())
    } else {
        Err(waiting.join("; "))
    }
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
        // A small one is a text.
        let number = |name: &str| match &rule[name] {
            Value::String(text) => text.clone(),
            number => number.as_i64().unwrap_or_default().to_string(),
        };
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
    say(&format!(
        "officer  export KUBECONFIG={}  ({} on the hub: requests, approvals, holds, evidence)",
        officers::kubeconfig(&stage.fleet).display(),
        officers::NAME
    ));
    if let Some(path) = officers::path(&stage.fleet) {
        say(&format!("kubectl  export PATH={}:$PATH", path.display()));
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
         (dev is `cargo run -q -p tradewind-dev --bin dev --`)\nstop:    {}",
        ending(name)
    ));
}

/// What ends a fleet.
fn ending(name: &str) -> String {
    if name == DEFAULT_FLEET {
        "make down".to_owned()
    } else {
        format!("make down NAME={name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel(handled: &str, success: &Value) -> Value {
        json!({"status": {"regions": [{
            "name": "eu-west", "lastHandledRunAt": handled,
            "feeds": [{"name": "full", "lastSuccess": success}],
        }]}})
    }

    #[test]
    fn what_ends_a_fleet_names_it_unless_it_is_the_one_that_is_meant() {
        assert_eq!(ending("tradewind"), "make down");
        assert_eq!(ending("try"), "make down NAME=try");
    }

    #[test]
    fn a_feed_is_written_when_the_run_that_was_asked_for_has_succeeded() {
        let earlier = json!("2026-01-01T00:00:00Z");
        let later = json!("2026-01-01T00:01:00Z");
        let before = successes(&channel("1", &earlier));
        let written = |handled, success: &Value| written(&channel(handled, success), "2", &before);
        assert!(written("1", &earlier).is_err());
        assert_eq!(
            written("2", &earlier),
            Err("eu-west: full is not written".into())
        );
        assert!(written("1", &later).is_err());
        assert_eq!(written("2", &later), Ok(()));
        assert!(super::written(&Value::Null, "2", &before).is_err());
        let first = BTreeMap::new();
        assert!(super::written(&channel("2", &Value::Null), "2", &first).is_err());
        assert_eq!(super::written(&channel("2", &earlier), "2", &first), Ok(()));
    }
}
