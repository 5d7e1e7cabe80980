//! A region that is cut off costs the others nothing, forgets nothing, and is caught up with when it is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tradewind_dev::story::install;

use crate::given;
use crate::world::{PATIENCE, World, condition, entry, with_operator};

async fn unreachable(world: &World, region: &str) {
    world
        .until("the Region is called unreachable", async || {
            let said = condition(&world.region(region).await, "Reachable");
            if said.0 == "True" {
                Err(format!("{said:?}"))
            } else {
                Ok(())
            }
        })
        .await;
}

pub(crate) async fn reachable(world: &World, region: &str) {
    world
        .until("the Region is reachable", async || {
            let said = condition(&world.region(region).await, "Reachable");
            if said.0 == "True" {
                Ok(())
            } else {
                Err(format!("{said:?}"))
            }
        })
        .await;
}

#[test]
fn a_region_that_is_cut_off_costs_the_others_nothing() {
    with_operator(|world| async move {
        world.converged().await;
        let inventory = entry(&world.channel("instagram").await, "us-east")["inventory"].clone();
        world.cluster("us-east").freeze().unwrap();
        unreachable(&world, "us-east").await;

        let mut more = given::instagram();
        more["spec"]["connector"]["replicas"] = json!({"min": 4});
        let begun = Instant::now();
        world.apply(&[more]).await;
        let replicas = async |region: &str| {
            let objects = world.objects(region).await;
            objects["deployments.apps aurora/instagram-connector"]["spec"]["replicas"].clone()
        };
        world
            .until("the other region goes on", async || {
                let now = replicas("eu-west").await;
                if now == 4 {
                    Ok(())
                } else {
                    Err(now.to_string())
                }
            })
            .await;
        assert!(
            begun.elapsed() < Duration::from_secs(45),
            "{:?}",
            begun.elapsed()
        );
        world
            .until("status says since when", async || {
                let said = entry(&world.channel("instagram").await, "us-east");
                if said["unreachableSince"].is_string() {
                    Ok(())
                } else {
                    Err(said.to_string())
                }
            })
            .await;
        let channel = world.channel("instagram").await;
        assert_eq!(
            entry(&channel, "us-east")["inventory"],
            inventory,
            "what was there is not forgotten"
        );

        world
            .hub()
            .kubectl(&[
                "delete",
                "socialchannel",
                "instagram",
                "-n",
                given::TENANT,
                "--wait=false",
            ])
            .await
            .unwrap();
        world
            .until("the deletion says what it waits for", async || {
                let said = condition(&world.channel("instagram").await, "Deleting");
                if said.2.contains("us-east") {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;

        world.cluster("us-east").thaw().unwrap();
        let mut policies = given::children("us-east");
        policies.retain(|c| given::is_of_no_channel(c));
        world.until_children("us-east", &policies).await;
        world
            .until("the channel goes", async || {
                let left = world.channel("instagram").await;
                if left.is_null() {
                    Ok(())
                } else {
                    Err(format!("{:?}", condition(&left, "Deleting")))
                }
            })
            .await;
        reachable(&world, "us-east").await;
    });
}

#[test]
fn a_rotated_kubeconfig_reconnects_without_a_restart() {
    with_operator(|world| async move {
        world.converged().await;
        let own = world
            .cluster("eu-west")
            .service_account_kubeconfig(install::SYSTEM, install::ACCOUNT)
            .await
            .unwrap();
        let mut hostile: Value = serde_yaml::from_str(&own).unwrap();
        hostile["users"][0]["user"] = json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "/usr/bin/touch", "args": ["/tmp/x"]}});
        world.put_kubeconfig("eu-west", &hostile.to_string()).await;
        world
            .until("the kubeconfig is refused with its reason", async || {
                let said = condition(&world.region("eu-west").await, "Reachable");
                let named = said.1 == "KubeconfigRefused" && said.2.contains("exec");
                if named {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world.give_kubeconfig("eu-west").await;
        reachable(&world, "eu-west").await;
        world.until_converged().await;

        // Another cluster under the same name is refused, not emptied.
        let account = (install::SYSTEM, install::ACCOUNT);
        let other = world
            .cluster("us-east")
            .service_account_kubeconfig(account.0, account.1)
            .await
            .unwrap();
        world.put_kubeconfig("eu-west", &other).await;
        world
            .until("another cluster is refused", async || {
                let said = condition(&world.region("eu-west").await, "Reachable");
                if said.1 == "IdentityChanged" {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world.quiet().await;
        assert_eq!(world.children("eu-west").await, given::children("eu-west"));
        assert_eq!(world.children("us-east").await, given::children("us-east"));
        world.give_kubeconfig("eu-west").await;
        reachable(&world, "eu-west").await;
        assert!(world.is_running());
    });
}

#[test]
fn a_leader_that_cannot_renew_stops() {
    with_operator(|world| async move {
        world.converged().await;
        assert!(world.asks("/readyz").await.unwrap().contains("ok"));
        world.hub().freeze().unwrap();
        let begun = Instant::now();
        while world.is_running() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        world.hub().thaw().unwrap();
        assert!(!world.is_running(), "it goes on without its lease");
        assert!(
            world.log().contains("the lease was lost"),
            "{}",
            world.log()
        );
    });
}
