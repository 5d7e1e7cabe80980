//! A region that is cut off costs the others nothing, forgets nothing, and returns; a rotated kubeconfig is taken up.

use std::time::Instant;

use serde_json::Value;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, ACCOUNT, SYSTEM, TENANT};
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::world::{difference, dump, settled};

async fn region_condition(hub: &Cluster, name: &str, wanted: &str, status: &str) {
    settle::until(&format!("{name} {wanted}={status}"), SOON, || async {
        let object = settle::get(hub, "region", None, name)
            .await?
            .unwrap_or_default();
        let found = settle::condition(&object, wanted)
            .map(|(s, r, m)| format!("{s} {r} {m}"))
            .unwrap_or_default();
        Ok(if found.starts_with(status) {
            Ok(())
        } else {
            Err(found)
        })
    })
    .await
    .unwrap();
}

async fn replicas(cluster: &Cluster) -> Option<i64> {
    let object = settle::get(
        cluster,
        "deployment",
        Some(TENANT),
        "aurora-instagram-connector",
    )
    .await
    .unwrap()?;
    object.pointer("/spec/replicas").and_then(Value::as_i64)
}

/// The API server of us-east answers nothing, as behind a broken line.
pub(crate) async fn a_region_is_cut_off_and_comes_back(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let (near, far) = (
        stage.fleet.cluster("eu-west").unwrap(),
        stage.fleet.cluster("us-east").unwrap(),
    );
    let before = settled(stage).await;
    far.freeze().unwrap();
    region_condition(&hub, "us-east", "Reachable", "False").await;
    let channel = settle::get(&hub, "socialchannel", Some(TENANT), "aurora-instagram")
        .await
        .unwrap()
        .unwrap();
    let entry = channel
        .pointer("/status/regions")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "us-east")
        .unwrap();
    assert!(
        entry["feeds"]
            .as_array()
            .is_some_and(|feeds| !feeds.is_empty()),
        "last values are kept: {entry}"
    );
    assert!(
        entry["inventory"]
            .as_array()
            .is_some_and(|inventory| !inventory.is_empty()),
        "the inventory is kept: {entry}"
    );
    // The other region goes on at once.
    let begun = Instant::now();
    let scale =
        |count: u8| format!(r#"{{"spec":{{"connector":{{"replicas":{{"min":{count}}}}}}}}}"#);
    hub.kubectl(&[
        "patch",
        "socialchannel",
        "-n",
        TENANT,
        "aurora-instagram",
        "--type=merge",
        "-p",
        &scale(3),
    ])
    .await
    .unwrap();
    settle::until("three replicas in eu-west", SOON, || async {
        Ok(if replicas(&near).await == Some(3) {
            Ok(())
        } else {
            Err("not yet".to_owned())
        })
    })
    .await
    .unwrap();
    assert!(
        begun.elapsed().as_secs() < 45,
        "the healthy region waited {:?}",
        begun.elapsed()
    );
    far.thaw().unwrap();
    region_condition(&hub, "us-east", "Reachable", "True").await;
    settle::until("three replicas in us-east", SOON, || async {
        Ok(if replicas(&far).await == Some(3) {
            Ok(())
        } else {
            Err("not yet".to_owned())
        })
    })
    .await
    .unwrap();
    hub.kubectl(&[
        "patch",
        "socialchannel",
        "-n",
        TENANT,
        "aurora-instagram",
        "--type=merge",
        "-p",
        &scale(2),
    ])
    .await
    .unwrap();
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
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

/// The ServiceAccount is made anew, so the old token is dead: 401 until the Secret has the new one. No restart.
pub(crate) async fn a_rotated_kubeconfig_reconnects(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let process = stage.operator.daemon.identity().unwrap();
    region
        .kubectl(&["delete", "serviceaccount", ACCOUNT, "-n", SYSTEM])
        .await
        .unwrap();
    region
        .kubectl(&["create", "serviceaccount", ACCOUNT, "-n", SYSTEM])
        .await
        .unwrap();
    region_condition(&hub, "eu-west", "Reachable", "False").await;
    let kubeconfig = region
        .service_account_kubeconfig(SYSTEM, ACCOUNT)
        .await
        .unwrap();
    let secret = install::secret(
        SYSTEM,
        &install::kubeconfig_secret("eu-west"),
        &[("value", &kubeconfig)],
    );
    install::apply(&hub, &secret).await.unwrap();
    region_condition(&hub, "eu-west", "Reachable", "True").await;
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
    assert_eq!(
        stage.operator.daemon.identity(),
        Some(process),
        "the operator was restarted"
    );
}
