//! Deleting everything, in an order that nobody would choose, leaves nothing; what waits says for what.

use tradewind_dev::fleet::HUB;
use tradewind_dev::story::install::{self, RUNS, SYSTEM, TENANT};
use tradewind_dev::story::{Stage, settle};

use crate::SOON;

pub(crate) async fn nothing_is_left_behind(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let saved = hub
        .kubectl(&[
            "get",
            "secret",
            "-n",
            SYSTEM,
            &install::kubeconfig_secret("us-east"),
            "-o",
            "json",
        ])
        .await
        .unwrap();
    // The kubeconfig first: what it led to cannot be cleaned, and that is said.
    hub.kubectl(&[
        "delete",
        "secret",
        "-n",
        SYSTEM,
        &install::kubeconfig_secret("us-east"),
    ])
    .await
    .unwrap();
    hub.kubectl(&["delete", "region", "--all", "--wait=false"])
        .await
        .unwrap();
    hub.kubectl(&[
        "delete",
        "socialchannel",
        "-n",
        TENANT,
        "aurora-partner",
        "--wait=false",
    ])
    .await
    .unwrap();
    settle::until("us-east says what it waits for", SOON, || async {
        let object = settle::get(&hub, "region", None, "us-east")
            .await?
            .unwrap_or_default();
        let text = settle::condition(&object, "Deleting")
            .map(|(s, r, m)| format!("{s} {r} {m}"))
            .unwrap_or_default();
        Ok(if text.starts_with("True") && text.contains("kubeconfig") {
            Ok(())
        } else {
            Err(object["status"].to_string())
        })
    })
    .await
    .unwrap();
    let mut secret: serde_json::Value = serde_json::from_str(&saved).unwrap();
    secret["metadata"] =
        serde_json::json!({"name": install::kubeconfig_secret("us-east"), "namespace": SYSTEM});
    install::apply(&hub, &secret.to_string()).await.unwrap();
    hub.kubectl(&["delete", "namespace", TENANT, "--wait=false"])
        .await
        .unwrap();
    hub.kubectl(&["delete", "datapolicy", "--all", "--wait=false"])
        .await
        .unwrap();
    settle::until("the hub is empty", SOON, || async {
        let left = hub.kubectl(&["get", "tradewind", "-A", "-o", "name"]).await?;
        let namespace = hub.kubectl(&["get", "namespace", TENANT, "--ignore-not-found", "-o", "name"]).await?;
        Ok(if left.trim().is_empty() && namespace.trim().is_empty() {
            Ok(())
        } else {
            let why = hub.kubectl(&["get", "tradewind", "-A", "-o", "jsonpath={range .items[*]}{.metadata.name}: {.status.conditions[?(@.type=='Deleting')].message}{'\\n'}{end}"]).await?;
            Err(format!("{left}{namespace}{why}"))
        })
    })
    .await
    .unwrap();
    for region in stage
        .fleet
        .clusters()
        .filter(|cluster| cluster.name() != HUB)
    {
        settle::until(&format!("{} is empty", region.name()), SOON, || async {
            let kinds = "deployments,services,configmaps,serviceaccounts,secrets,cronjobs,jobs,poddisruptionbudgets,ingresses,pods";
            let mut left = String::new();
            for namespace in [TENANT, RUNS] {
                left += &region.kubectl(&["get", kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=tradewind", "-o", "name"]).await?;
            }
            Ok(if left.trim().is_empty() { Ok(()) } else { Err(left) })
        })
        .await
        .unwrap();
    }
}
