//! A law that one policy states binds what another erases, from the moment that it is written until it is taken away.

use serde_json::{Value, json};

use crate::given::{self, RUNS};
use crate::world::{World, condition, entry, with_operator};

fn tax(period: &str) -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": "tax"},
        "spec": {
            "regimes": ["eu-gdpr"], "selector": {"regions": ["eu-west"]},
            "rules": [{
                "name": "orders", "dataset": {"store": "orders", "table": "shop.orders", "clock": "billed_at"},
                "keep": {"for": period, "from": "EndOfCalendarYear", "reference": "AO 147(3)"},
            }],
            "retention": {"schedule": given::SCHEDULE.as_str()},
        },
    })
}

/// A law of the pack keeps what the rule only says that the table has.
fn tax_by_law() -> Value {
    let mut tax = tax("P8Y");
    tax["spec"]["regimes"] = json!(["eu-gdpr", "de-tax"]);
    let rule = &mut tax["spec"]["rules"][0];
    rule.as_object_mut().unwrap().remove("keep");
    rule["dataset"]["records"] = json!(["businessLetter"]);
    tax
}

/// What the agent of a region is told to keep, by the task in its ConfigMap.
async fn told(world: &World, region: &str) -> Vec<String> {
    let name = format!("{region}-customers-retention");
    let cluster = world.cluster(region);
    let map = world
        .get(&cluster, "configmaps", RUNS, &name)
        .await
        .unwrap();
    let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    let keeps = task["spec"]["rules"][0]["keeps"].as_array();
    let keeps = keeps.into_iter().flatten();
    keeps
        .map(|keep| format!("{} {} {}", keep["policy"], keep["for"], keep["clock"]))
        .collect()
}

async fn until_told(world: &World, wanted: &[&str]) {
    world
        .until(&format!("eu-west is told to keep {wanted:?}"), async || {
            let told = told(world, "eu-west").await;
            if told == wanted {
                Ok(())
            } else {
                Err(format!("told {told:?}"))
            }
        })
        .await;
}

async fn policy(world: &World, name: &str) -> Value {
    let (hub, kind) = (world.hub(), "datapolicies.tradewind.dev");
    world.get(&hub, kind, "", name).await.unwrap_or_default()
}

#[test]
fn a_keep_reaches_whoever_erases_and_ends_with_its_policy() {
    with_operator(|world| async move {
        world.converged().await;
        assert!(told(&world, "eu-west").await.is_empty());
        world.apply(&[tax("P8Y")]).await;
        until_told(&world, &[r#""tax" "P8Y" "billed_at""#]).await;
        world.apply(&[tax_by_law()]).await;
        until_told(&world, &[r#""tax" "P6Y" "billed_at""#]).await;
        world.apply(&[tax("P10Y")]).await;
        until_told(&world, &[r#""tax" "P10Y" "billed_at""#]).await;
        assert!(told(&world, "us-east").await.is_empty(), "another region");
        world.quiet().await;
        // It has nothing in the region, and says why; who erases says what decides.
        for region in given::REGIONS {
            world.until_children(region, &given::children(region)).await;
        }
        let tax = policy(&world, "tax").await;
        for kind in ["Ready", "Enforced"] {
            let (status, reason, message) = condition(&tax, kind);
            assert_eq!(status, "True", "{kind}: {reason}: {message}");
        }
        let decisions =
            entry(&policy(&world, "eu-west-customers").await, "eu-west")["decisions"].clone();
        assert_eq!(decisions[0]["decides"], "LatestOfAll", "{decisions}");
        assert_eq!(
            decisions[0]["keeps"][0]["reference"], "AO 147(3)",
            "{decisions}"
        );
        world
            .hub()
            .kubectl(&["delete", "datapolicy", "tax"])
            .await
            .unwrap();
        until_told(&world, &[]).await;
        world.quiet().await;
    });
}
