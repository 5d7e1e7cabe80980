//! What crosses a border stops with its instrument and goes on with the next, and whoever the law concerns is woken.

use serde_json::{Value, json};

use crate::given::{self, TENANT};
use crate::world::{World, condition, entry, with_operator};

/// The channel that runs in eu-west alone, with a sink in the United States.
fn partner() -> Value {
    let mut partner = given::partner();
    partner["spec"]["sinks"][0]["country"] = "US".into();
    partner
}

fn eu_west(transfers: Value) -> Value {
    let mut region = given::region("eu-west");
    region["spec"]["transfers"] = transfers;
    region
}

fn transfer(more: Value) -> Value {
    let mut transfer =
        json!({"name": "us", "to": "US", "instrument": "Scc", "reference": "C-2026-118"});
    for (field, value) in more.as_object().unwrap() {
        transfer[field] = value.clone();
    }
    json!([transfer])
}

/// What the connector in eu-west is told of its sinks.
async fn task(world: &World) -> Value {
    let map = world
        .get(
            &world.cluster("eu-west"),
            "configmaps",
            TENANT,
            "partner-connector",
        )
        .await
        .unwrap();
    let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    task["spec"].clone()
}

/// The UID of the connector's Deployment.
async fn deployment(world: &World) -> Value {
    let cluster = world.cluster("eu-west");
    let name = "partner-connector";
    let found = world.get(&cluster, "deployments.apps", TENANT, name).await;
    found.unwrap()["metadata"]["uid"].clone()
}

/// Waits for a word of the condition `TransfersLawful`, and sees that the connector is told the same.
async fn until_told(world: &World, status: &str, word: &str) {
    world
        .until(&format!("{status} {word}"), async || {
            let channel = world.channel("partner").await;
            let (is, reason, message) = condition(&channel, "TransfersLawful");
            if (is.as_str(), reason.as_str()) != (status, word) {
                return Err(format!("{is} {reason}: {message}"));
            }
            let task = task(world).await;
            let held = status == "False";
            let told = task.to_string();
            let is_named = told.contains("erp.aurora.example");
            let waits = task["heldSinks"] == json!(["erp"]);
            if (is_named, waits) == (!held, held) {
                Ok(())
            } else {
                Err(format!("the task says {told}"))
            }
        })
        .await;
}

/// Waits until the policy in eu-west has the crossing among its findings, and its metric counts as many as its status.
async fn until_found(world: &World) {
    let (hub, name) = (world.hub(), "eu-west-customers");
    world
        .until("the policy tells the crossing", async || {
            let policy = world.get(&hub, "datapolicies.tradewind.dev", "", name);
            let policy = policy.await.unwrap();
            let findings = policy["status"]["findings"].as_array();
            let crossing = findings
                .into_iter()
                .flatten()
                .find(|it| it["check"] == "TransferWithoutInstrument");
            let crossing = crossing.ok_or_else(|| policy["status"].to_string())?;
            assert_eq!(crossing["severity"], "High", "{findings:?}");
            let met = condition(&policy, "BaselineMet").1;
            let high = policy["status"]["findingTotals"]["high"].clone();
            let series =
                format!("tradewind_policy_findings{{policy=\"{name}\",severity=\"High\"}} {high}");
            let metrics = world.asks("/metrics").await.map_err(|e| e.to_string())?;
            if met == "SevereFindings" && metrics.contains(&series) {
                Ok(())
            } else {
                Err(format!("{met}; {series} in\n{metrics}"))
            }
        })
        .await;
}

#[test]
fn a_flow_stops_with_its_instrument_and_the_connector_stays() {
    with_operator(|world| async move {
        let mut all = given::all();
        all.push(partner());
        world.apply(&all).await;
        until_told(&world, "False", "NoInstrument").await;
        world.until_converged().await;
        let channel = world.channel("partner").await;
        assert_eq!(entry(&channel, "eu-west")["held"][0]["flow"], "sink erp");
        let uid = deployment(&world).await;

        world
            .apply(&[eu_west(transfer(json!({"validUntil": "2099-12-31"})))])
            .await;
        until_told(&world, "True", "TransferLawful").await;
        let end = task(&world).await["sinks"][0]["until"].clone();
        assert_eq!(end, "2099-12-31T23:00:00Z", "midnight in Berlin");
        world
            .apply(&[eu_west(transfer(json!({"validUntil": "2026-01-31"})))])
            .await;
        until_told(&world, "False", "InstrumentEnded").await;

        // On the law of another Region, which this channel does not choose.
        world
            .apply(&[eu_west(transfer(json!({"to": "us-east"})))])
            .await;
        until_told(&world, "True", "TransferLawful").await;
        let mut brazil = given::region("us-east");
        brazil["spec"]["jurisdictions"] = json!(["BR"]);
        world.apply(&[brazil]).await;
        until_told(&world, "False", "NoInstrument").await;
        assert_eq!(deployment(&world).await, uid, "the connector itself stays");

        // The policy that is for the channel says so too, and its metric counts it.
        until_found(&world).await;
        world.quiet().await;
    });
}
