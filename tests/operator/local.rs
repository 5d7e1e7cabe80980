//! The hub is a region itself: `cluster: {local: {}}`, with the rights that the chart's `localRegion` gives.

use std::path::Path;

use serde_json::{Value, json};
use tradewind_dev::story::install;

use crate::given::{self, RUNS, TENANT};
use crate::world::{World, condition, with_operator};

const HOME: &str = "home";

fn region() -> Value {
    let mut region = given::region("eu-west");
    region["metadata"] = json!({"name": HOME});
    region["spec"]["cluster"] = json!({"local": {}});
    // No pack knows a regime there, so nothing needs to be covered.
    region["spec"]["jurisdictions"] = json!(["AR"]);
    region["spec"]["locale"] = json!({"default": "es-AR", "currency": "ARS", "timeZone": "America/Argentina/Buenos_Aires"});
    region
}

fn channel() -> Value {
    let mut channel = given::partner();
    channel["metadata"]["name"] = json!("corner-shop");
    channel["spec"]["regions"] = json!({"names": [HOME]});
    channel
}

/// Children on the hub, as `kind/name`.
async fn children(world: &World) -> Vec<String> {
    let kinds = crate::world::KINDS.join(",");
    let mut names = Vec::new();
    for namespace in [TENANT, RUNS] {
        let mine = "app.kubernetes.io/managed-by=tradewind";
        let args = ["get", &kinds, "-n", namespace, "-l", mine, "-o", "name"];
        let found = world.hub().kubectl(&args).await.unwrap();
        names.extend(found.lines().map(str::to_owned));
    }
    names
}

#[test]
fn the_hub_is_a_region() {
    with_operator(|world| async move {
        let rights = install::region_rights(Path::new(env!("CARGO_MANIFEST_DIR")), &[TENANT]);
        install::apply(&world.hub(), &rights.unwrap())
            .await
            .unwrap();
        world.apply(&[region(), channel()]).await;
        world
            .until("the channel's children on the hub", async || {
                let there = children(&world).await;
                let wanted = "deployment.apps/corner-shop-connector";
                if there.iter().any(|child| child == wanted)
                    && there.len() == 6 + given::signing().len()
                {
                    Ok(())
                } else {
                    let said = condition(&world.channel("corner-shop").await, "Ready");
                    Err(format!("{there:?}, {said:?}"))
                }
            })
            .await;
        let reachable = condition(&world.region(HOME).await, "Reachable");
        assert_eq!(reachable.0, "True", "{reachable:?}");

        let hub = world.hub();
        hub.kubectl(&["delete", "region", HOME, "--wait=false"])
            .await
            .unwrap();
        world
            .until("the Region takes its children with it", async || {
                let there = children(&world).await;
                let region = world.region(HOME).await;
                if there.is_empty() && region.is_null() {
                    Ok(())
                } else {
                    Err(format!("{there:?}, {:?}", condition(&region, "Deleting")))
                }
            })
            .await;
    });
}
