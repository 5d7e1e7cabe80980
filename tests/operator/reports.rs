//! Findings as OpenReports reports: none where the hub does not know the kind, one for each policy where it does, gone with it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tradewind_dev::story::install;

use crate::given::{self, REGIONS};
use crate::world::{World, with_operator};

const MODULE: &str = "github.com/openreports/reports-api@v0.2.1";
const KIND: &str = "clusterreports.openreports.io";

/// The kind's definition as its makers publish it, from Go's cache of modules.
fn definition() -> String {
    let out = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("dev/controlplane"))
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    let folder = told["Dir"].as_str().unwrap_or_else(|| panic!("{told}"));
    let file = Path::new(folder).join("config/crd/openreports.io_clusterreports.yaml");
    std::fs::read_to_string(file).unwrap()
}

/// The rights that the chart gives when it is asked to.
fn rights() -> String {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/tradewind/rules/hub-reports.yaml");
    let rules: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let meta = json!({"name": "tradewind-hub-reports"});
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": meta, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": meta,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "tradewind-hub-reports"},
        "subjects": [{"kind": "ServiceAccount", "name": install::ACCOUNT, "namespace": install::SYSTEM}],
    });
    format!("---\n{role}\n---\n{binding}\n")
}

async fn report(world: &World, policy: &str) -> Option<Value> {
    let name = format!("tradewind-{policy}");
    world.get(&world.hub(), KIND, "", &name).await
}

/// A policy with its report, once the report says what the policy's status says.
async fn agreeing(world: &World, policy: &str) -> (Value, Value) {
    world
        .until(&format!("the report of {policy}"), async || {
            let hub = world.hub();
            let told = world.get(&hub, "datapolicies.tradewind.dev", "", policy);
            let told = told.await.unwrap_or_default();
            let report = report(world, policy).await.unwrap_or_default();
            let (totals, summary) = (&told["status"]["findingTotals"], &report["summary"]);
            let all = summary["fail"].as_i64().zip(summary["warn"].as_i64());
            let all = all.map(|(fail, warn)| fail + warn);
            if totals["high"] == summary["fail"] && totals["all"].as_i64() == all {
                Ok((told, report))
            } else {
                Err(format!("{totals} in status, {summary} in the report"))
            }
        })
        .await
}

#[test]
fn findings_are_a_report_where_the_hub_knows_the_kind() {
    with_operator(|mut world| async move {
        install::apply(&world.hub(), &definition()).await.unwrap();
        install::apply(&world.hub(), &rights()).await.unwrap();
        world
            .until("the kind is served", async || {
                let listed = world.hub().kubectl(&["get", KIND]).await;
                listed.map(drop).map_err(|error| error.to_string())
            })
            .await;
        // A hub that did not know the kind is asked again after a while, or by a process that begins.
        world.stop().await;
        world.start().await;
        world.converged().await;
        for region in REGIONS {
            let (policy, report) = agreeing(&world, &format!("{region}-customers")).await;
            let first = &policy["status"]["findings"][0];
            let told = &report["results"][0];
            assert_eq!(told["rule"], first["check"]);
            assert_eq!(told["properties"]["law"], first["law"]);
            assert_eq!(
                report["metadata"]["ownerReferences"][0]["uid"],
                policy["metadata"]["uid"]
            );
        }
        // What is mended leaves the report; and then silence.
        let before = report(&world, "eu-west-customers").await.unwrap();
        let mut policy = given::policy("eu-west");
        policy["spec"]["controller"] =
            json!({"name": "Aurora", "contact": "privacy@aurora.example"});
        world.apply(&[policy]).await;
        world
            .until("the finding is gone from the report", async || {
                let now = report(&world, "eu-west-customers").await.unwrap();
                let text = now["results"].to_string();
                if text.contains("ControllerMissing") {
                    Err(text)
                } else {
                    Ok(())
                }
            })
            .await;
        assert!(before["results"].to_string().contains("ControllerMissing"));
        world.quiet().await;
        let hub = world.hub();
        let args = ["delete", "datapolicies.tradewind.dev", "us-east-customers"];
        hub.kubectl(&args).await.unwrap();
        world
            .until("the report goes with its policy", async || {
                let left = report(&world, "us-east-customers").await;
                left.map_or(Ok(()), |left| Err(left["metadata"].to_string()))
            })
            .await;
        world.end().await;
        for gone in [
            ["crd", KIND],
            ["clusterrole", "tradewind-hub-reports"],
            ["clusterrolebinding", "tradewind-hub-reports"],
        ] {
            hub.kubectl(&["delete", gone[0], gone[1]]).await.unwrap();
        }
    });
}
