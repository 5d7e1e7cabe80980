//! A region's Ingress controller gives a channel a host of its own, derived so that no tenant claims another's.

use serde_json::Value;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::TENANT;
use tradewind_dev::story::{Stage, settle};

use crate::SOON;
use crate::world::{difference, dump, settled};

const CHANNEL: &str = "aurora-partner";

async fn patch(hub: &Cluster, kind: &str, name: &str, patch: &str) {
    let mut args = vec!["patch", kind, name, "--type=merge", "-p", patch];
    if kind == "socialchannel" {
        args.extend(["-n", TENANT]);
    }
    hub.kubectl(&args).await.unwrap();
}

/// The Ingress's host, and the callback in status.
async fn hosts(hub: &Cluster, region: &Cluster) -> (Option<String>, Option<String>) {
    let name = format!("{CHANNEL}-connector");
    let ingress = settle::get(region, "ingress", Some(TENANT), &name)
        .await
        .unwrap();
    let channel = settle::get(hub, "socialchannel", Some(TENANT), CHANNEL)
        .await
        .unwrap()
        .unwrap();
    let regions = channel
        .pointer("/status/regions")
        .and_then(Value::as_array)
        .cloned();
    let entry = regions
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == region.name());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    (
        text(
            ingress
                .as_ref()
                .and_then(|i| i.pointer("/spec/rules/0/host")),
        ),
        text(entry.as_ref().and_then(|entry| entry.get("callbackUrl"))),
    )
}

pub(crate) async fn an_ingress_comes_and_goes(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let before = settled(stage).await;
    let ingress = r#"{"spec":{"ingress":{"className":"nginx","domain":"eu.hooks.example"}}}"#;
    patch(&hub, "region", "eu-west", ingress).await;
    let asked = r#"{"spec":{"connector":{"ingress":{}}}}"#;
    patch(&hub, "socialchannel", CHANNEL, asked).await;
    settle::until("an Ingress and its address in status", SOON, || async {
        let (host, callback) = hosts(&hub, &region).await;
        let fits = host
            .as_ref()
            .zip(callback.as_ref())
            .is_some_and(|(host, callback)| {
                host.ends_with(".eu.hooks.example") && callback.contains(host.as_str())
            });
        Ok(if fits {
            Ok(())
        } else {
            Err(format!("host {host:?}, callback {callback:?}"))
        })
    })
    .await
    .unwrap();

    patch(
        &hub,
        "socialchannel",
        CHANNEL,
        r#"{"spec":{"connector":{"ingress":null}}}"#,
    )
    .await;
    patch(&hub, "region", "eu-west", r#"{"spec":{"ingress":null}}"#).await;
    settle::until("the same world", SOON, || async {
        let differs = difference(&before, &dump(stage).await);
        Ok(if differs.is_empty() {
            Ok(())
        } else {
            Err(differs.join("\n"))
        })
    })
    .await
    .unwrap();
}
