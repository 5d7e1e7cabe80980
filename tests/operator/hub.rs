//! A hub that refuses something for a while, or isn't there yet: what is waited for is said, and nobody has to restart.

use serde_json::{Value, json};
use tradewind_dev::story::install;

use crate::given::{self, TENANT};
use crate::outage::reachable;
use crate::world::{World, condition, with_operator};

async fn kubeconfig(world: &World, region: &str) -> String {
    world
        .cluster(region)
        .service_account_kubeconfig(install::SYSTEM, install::ACCOUNT)
        .await
        .unwrap()
}

/// Waits until a condition has this reason and a message with this in it.
async fn says(object: impl AsyncFn() -> Value, kind: &str, wanted: (&str, &str), world: &World) {
    world
        .until(&format!("{kind} says {wanted:?}"), async || {
            let said = condition(&object().await, kind);
            if said.1 == wanted.0 && said.2.contains(wanted.1) {
                Ok(())
            } else {
                Err(format!("{said:?}"))
            }
        })
        .await;
}

#[test]
fn secrets_that_were_refused_for_a_while_are_read_again() {
    with_operator(|world| async move {
        world.apply(&[given::region("eu-west")]).await;
        reachable(&world, "eu-west").await;
        let mark = world.mark();
        world.take_rights("hub-namespace", "secrets", &[]).await;
        world
            .until("the watch is refused", async || {
                let requests = mark.requests();
                let refused = |r: &&crate::audit::Request| r.resource == "secrets" && r.code == 403;
                let refused = requests.iter().filter(refused).count();
                // Once at the watch's renewal, and once when it begins anew.
                if refused >= 2 {
                    Ok(())
                } else {
                    Err(format!("{refused} refusals"))
                }
            })
            .await;
        let said = condition(&world.region("eu-west").await, "Reachable");
        assert_eq!(said.0, "True", "a connection that works is kept: {said:?}");

        world.give_rights().await;
        let mut hostile: Value =
            serde_yaml::from_str(&kubeconfig(&world, "eu-west").await).unwrap();
        hostile["users"][0]["user"] = json!({"as": "somebody"});
        world.put_kubeconfig("eu-west", &hostile.to_string()).await;
        let eu = async || world.region("eu-west").await;
        says(
            eu,
            "Reachable",
            ("KubeconfigRefused", "users[0].user.as"),
            &world,
        )
        .await;
        world.give_kubeconfig("eu-west").await;
        reachable(&world, "eu-west").await;
    });
}

#[test]
fn a_secret_that_could_not_be_read_is_tried_again() {
    with_operator(|world| async move {
        world.converged().await;
        // What changed may be seen, not read.
        world.take_rights("hub-tenant", "secrets", &["get"]).await;
        let mut rotated = given::credentials();
        rotated["stringData"]["verify_token"] = json!("verify-me-again");
        world.apply(&[rotated]).await;
        let instagram = async || world.channel("instagram").await;
        let refused = format!("may not read Secret {TENANT}/aurora-meta");
        let unread = ("SecretUnreadable", refused.as_str());
        says(instagram, "ReferencesResolved", unread, &world).await;
        world.give_rights().await;
        says(instagram, "ReferencesResolved", ("Resolved", ""), &world).await;

        // A kubeconfig likewise; and what was read from another Secret is not used for it.
        world
            .take_rights("hub-namespace", "secrets", &["get"])
            .await;
        let text = kubeconfig(&world, "eu-west").await;
        let moved = install::secret(install::SYSTEM, "eu-west-moved", &[("value", &text)]);
        install::apply(&world.hub(), &moved).await.unwrap();
        let mut region = given::region("eu-west");
        region["spec"]["cluster"] = json!({"kubeconfigSecretRef": {"name": "eu-west-moved"}});
        world.apply(&[region]).await;
        world.give_kubeconfig("us-east").await;
        let eu = async || world.region("eu-west").await;
        let refused = "may not read Secret tradewind-system/eu-west-moved";
        says(eu, "Reachable", ("KubeconfigMissing", refused), &world).await;
        world.quiet().await;
        let said = condition(&world.region("us-east").await, "Reachable");
        assert_eq!(said.0, "True", "a connection that works is kept: {said:?}");
        world.give_rights().await;
        reachable(&world, "eu-west").await;

        world.apply(&[given::region("eu-west")]).await;
        let args = ["delete", "secret", "eu-west-moved", "-n", install::SYSTEM];
        world.hub().kubectl(&args).await.unwrap();
    });
}

#[test]
fn packs_that_may_not_be_read_are_waited_for() {
    with_operator(|mut world| async move {
        world.stop().await;
        world.take_rights("hub-namespace", "configmaps", &[]).await;
        let waits = async |world: &World| {
            world
                .until("the operator says what it waits for", async || {
                    let answer = world.asks("/readyz").await.map_err(|e| e.to_string())?;
                    let named = answer.contains("503")
                        && answer.contains("the packs ConfigMap tradewind-system/house-packs");
                    if named { Ok(()) } else { Err(answer) }
                })
                .await;
        };
        let args = ["--packs-configmap=house-packs"];
        world.launch(&args).await;
        waits(&world).await;
        // Asked to stop while it waits.
        world.stop().await;

        world.launch(&args).await;
        waits(&world).await;
        world.apply(&[given::region("eu-west")]).await;
        world.give_rights().await;
        let pack = tradewind::packs::BUILTIN_PLATFORMS;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"platforms.yaml": pack},
            "metadata": {"name": "house-packs", "namespace": install::SYSTEM},
        });
        install::apply(&world.hub(), &map.to_string())
            .await
            .unwrap();
        world.until_ready().await;
        reachable(&world, "eu-west").await;
        let args = ["delete", "configmap", "house-packs", "-n", install::SYSTEM];
        world.hub().kubectl(&args).await.unwrap();
    });
}

#[test]
fn a_stop_before_the_hub_is_there_is_no_failure() {
    with_operator(|mut world| async move {
        world.stop().await;
        world.hub().freeze().unwrap();
        world.launch(&[]).await;
        world
            .until("the operator says what it waits for", async || {
                let answer = world.asks("/readyz").await.map_err(|e| e.to_string())?;
                if answer.contains("regions: its CRD") {
                    Ok(())
                } else {
                    Err(answer)
                }
            })
            .await;
        assert!(world.asks("/healthz").await.unwrap().contains("200"));
        world.end().await;
        world.hub().thaw().unwrap();
    });
}

#[test]
fn of_two_regions_of_one_cluster_the_younger_says_so() {
    with_operator(|world| async move {
        world.apply(&[given::region("eu-west")]).await;
        reachable(&world, "eu-west").await;
        let mut twin = given::region("eu-west");
        twin["metadata"]["name"] = json!("zz-twin");
        world.apply(&[twin]).await;
        let younger = async || world.region("zz-twin").await;
        says(younger, "Accepted", ("SharedCluster", "eu-west"), &world).await;
        let said = condition(&world.region("eu-west").await, "Accepted");
        assert_eq!(said.0, "True", "{said:?}");
    });
}
