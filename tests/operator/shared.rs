//! Two Regions of one cluster: the younger touches nothing, says so, and can be deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tradewind_dev::story::install;

use crate::given::{self, TENANT};
use crate::world::{World, condition, with_operator};

/// Every child's identity and version in a region.
async fn marks(world: &World, region: &str) -> BTreeMap<String, (Value, Value)> {
    let objects = world.objects(region).await;
    let mark = |object: &Value| {
        let of = |field: &str| object["metadata"][field].clone();
        (of("uid"), of("generation"))
    };
    objects
        .iter()
        .map(|(name, object)| (name.clone(), mark(object)))
        .collect()
}

/// A Region for eu-west's cluster under another name.
async fn twin(world: &World, name: &str, labels: Value) -> Value {
    let kubeconfig = world
        .cluster("eu-west")
        .service_account_kubeconfig(install::SYSTEM, install::ACCOUNT)
        .await
        .unwrap();
    world.put_kubeconfig(name, &kubeconfig).await;
    let mut region = given::region("eu-west");
    region["metadata"] = json!({"name": name, "labels": labels});
    region["spec"]["cluster"]["kubeconfigSecretRef"]["name"] =
        install::kubeconfig_secret(name).into();
    region["spec"]["locale"]["currency"] = "SEK".into();
    region
}

#[test]
fn a_second_region_of_one_cluster_touches_nothing_and_can_go() {
    with_operator(|world| async move {
        world.converged().await;
        let before = marks(&world, "eu-west").await;
        // One that nobody chooses and one that the channels choose; the moment of connection is the dangerous one.
        for (name, labels) in [
            ("twin-a", json!({})),
            ("twin-b", json!({"tier": "primary"})),
        ] {
            let region = twin(&world, name, labels).await;
            world.apply(&[region]).await;
            for n in 0..20 {
                let look = format!("tradewind.dev/reconcile-at={name}-{n}");
                let args = [
                    "annotate",
                    "--overwrite",
                    "socialchannel",
                    "--all",
                    "-n",
                    TENANT,
                    &look,
                ];
                world.hub().kubectl(&args).await.unwrap();
            }
            world
                .until("the younger Region is refused", async || {
                    let said = condition(&world.region(name).await, "Accepted");
                    if said.1 == "SharedCluster" {
                        Ok(())
                    } else {
                        Err(format!("{said:?}"))
                    }
                })
                .await;
            world.quiet().await;
            assert_eq!(marks(&world, "eu-west").await, before, "through {name}");
            world
                .hub()
                .kubectl(&["delete", "region", name, "--timeout=60s"])
                .await
                .unwrap();
            world.quiet().await;
            assert_eq!(marks(&world, "eu-west").await, before, "after {name}");
        }
    });
}
