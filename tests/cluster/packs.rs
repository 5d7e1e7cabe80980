//! The platforms' facts are data: a ConfigMap replaces them, an unsound one changes nothing and is named with its line.

use serde_json::Value;
use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, PLATFORMS_KEY, Packs};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, SYSTEM, TENANT};
use tradewind_dev::story::{Stage, settle};

use crate::{PACKS, SOON};

async fn put(hub: &Cluster, platforms: &str) {
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PACKS, "namespace": SYSTEM},
        "data": {PLATFORMS_KEY: platforms},
    });
    install::apply(hub, &map.to_string()).await.unwrap();
}

/// The release's own, before the operator begins: without the ConfigMap that it names nothing would be planned.
pub(crate) async fn the_releases_own(hub: &Cluster) {
    let namespace =
        serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}});
    install::apply(hub, &namespace.to_string()).await.unwrap();
    put(hub, BUILTIN_PLATFORMS).await;
}

async fn accepted(hub: &Cluster, wanted: &str) {
    settle::until(&format!("Accepted={wanted}"), SOON, || async {
        let object = settle::get(hub, "socialchannel", Some(TENANT), "aurora-partner")
            .await?
            .unwrap_or_default();
        let said = settle::condition(&object, "Accepted")
            .map(|(truth, reason, message)| format!("{truth} {reason}: {message}"))
            .unwrap_or_default();
        Ok(if said.starts_with(wanted) {
            Ok(())
        } else {
            Err(said)
        })
    })
    .await
    .unwrap();
}

pub(crate) async fn packs_are_replaced_by_a_config_map(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let without = BUILTIN_PLATFORMS.replace("\n  Generic:\n", "\n  Homegrown:\n");
    assert_ne!(without, BUILTIN_PLATFORMS);

    put(&hub, &without).await;
    accepted(&hub, "False UnknownPlatform").await;
    let connector = ("deployment", Some(TENANT), "aurora-partner-connector");
    let runs = settle::get(&region, connector.0, connector.1, connector.2).await;
    assert!(runs.unwrap().is_some(), "what runs stays as it is");

    let unsound = "platforms:\n  Generic: [";
    // What is wrong in which line, in the words of whoever reads the pack.
    let error = Packs::load(unsound, BUILTIN_REGIMES).unwrap_err();
    let wrong = std::error::Error::source(&error).unwrap().to_string();
    assert!(wrong.contains("line "), "{wrong}");
    put(&hub, unsound).await;
    settle::until("the refused pack's Event", SOON, || async {
        let events = hub
            .kubectl(&["get", "events.events.k8s.io", "-n", SYSTEM, "-o", "json"])
            .await?;
        let list: Value = serde_json::from_str(&events).unwrap_or_default();
        let named = list["items"].as_array().into_iter().flatten().any(|event| {
            let note = event["note"].as_str().unwrap_or_default();
            event["reason"] == "PacksRefused" && note.contains(&wrong)
        });
        Ok(if named { Ok(()) } else { Err(events) })
    })
    .await
    .unwrap();
    accepted(&hub, "False UnknownPlatform").await;

    // Deleted, it leaves in force what it said; the release's own is in force again once it says that.
    hub.kubectl(&["delete", "configmap", PACKS, "-n", SYSTEM])
        .await
        .unwrap();
    accepted(&hub, "False UnknownPlatform").await;
    put(&hub, BUILTIN_PLATFORMS).await;
    accepted(&hub, "True").await;
}
