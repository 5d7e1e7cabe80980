//! A request over its life: the region's key, nothing before the person is known, a Job, a receipt, and an identity that
//! goes. No pod runs here, so Jobs are ended by hand, with the report of their pods.

use serde_json::{Value, json};
use tradewind_dev::fleet::Cluster;

use crate::given::{self, RUNS};
use crate::holds::ends;
use crate::world::{World, condition, entry, with_operator};

const KIND: &str = "datasubjectrequests.tradewind.dev";
const REGION: &str = "eu-west";
const KEY: &str = "age1qqqqqqqqqqqqqqqqqq";
const AT: &str = "2026-11-20T08:00:00Z";

fn ciphertext() -> String {
    "Q0lQSEVS".repeat(20)
}

/// Received a moment ago: no clock of a law is near its end.
fn request() -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataSubjectRequest", "metadata": {"name": "dsr-7"},
        "spec": {
            "kind": "Erasure", "received": now, "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": [REGION],
            "identity": [{"region": REGION, "recipient": KEY, "ciphertext": ciphertext()}],
        },
    })
}

/// The one Job there with this component label.
async fn job(world: &World, component: &str) -> Value {
    let label = format!("app.kubernetes.io/component={component}");
    world
        .until(&format!("the Job of {component}"), async || {
            let cluster = world.cluster(REGION);
            let args = ["get", "jobs", "-n", RUNS, "-l", &label, "-o", "json"];
            let told = cluster.kubectl(&args).await.map_err(|e| e.to_string())?;
            let told: Value = serde_json::from_str(&told).unwrap();
            match told["items"].as_array().map(Vec::as_slice) {
                Some([job]) => Ok(job.clone()),
                _ => Err(told.to_string()),
            }
        })
        .await
}

async fn until_seen(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    world
        .until(what, async || {
            let seen = world.get(&world.hub(), KIND, "", "dsr-7").await;
            let seen = seen.unwrap_or_default();
            if is_so(&seen) {
                Ok(seen)
            } else {
                Err(seen.to_string())
            }
        })
        .await
}

async fn patch(hub: &Cluster, kind: &str, name: &str, patch: Value) {
    let patch = patch.to_string();
    let args = ["patch", kind, name, "--type=merge", "-p", &patch];
    hub.kubectl(&args).await.unwrap();
}

#[test]
fn a_request_waits_for_its_person_ends_with_a_receipt_and_forgets_who_it_was() {
    with_operator(|world| async move {
        world.converged().await;
        let hub = world.hub();
        let requests = json!({"spec": {"requests": {
            "identities": [{"name": "email", "ignoreCase": true}],
            "suppression": {"secretRef": {"name": "suppression-db", "key": "url"}},
        }}});
        patch(&hub, "region", REGION, requests).await;
        let mut policy = given::policy(REGION);
        policy["spec"]["rules"][0]["dataset"]["subjects"] =
            json!([{"column": "email", "identity": "email"}]);
        world.apply(&[policy]).await;

        // As `kubectl apply` does it: the ciphertext stands in an annotation too.
        hub.kubectl_with(&["apply", "-f", "-"], &request().to_string())
            .await
            .unwrap();
        let seen = until_seen(&world, "it is received", |seen| {
            seen["status"]["state"] == "Received"
        })
        .await;
        assert_eq!(condition(&seen, "Verified").1, "NotVerified");
        assert_eq!(seen["status"]["clock"], "OnTime", "{seen}");
        let done = json!({"by": "privacy@aurora.example", "at": AT});
        patch(&hub, KIND, "dsr-7", json!({"spec": {"verified": done}})).await;
        let seen = until_seen(&world, "it waits for the key", |seen| {
            entry(seen, REGION)["reason"] == "KeyUnknown"
        })
        .await;
        assert_eq!(seen["status"]["state"], "Working");

        // The region's key is made, and told.
        let keeper = job(&world, "requests").await;
        let report = json!({
            "version": 1, "command": "keep-key", "outcome": "Done", "reason": "Done", "message": "made",
            "startedAt": AT, "finishedAt": AT, "body": {"recipient": KEY, "isNew": true},
        });
        ends(&world, REGION, &keeper, &report).await;
        let one = job(&world, "request").await;
        let told = world.region(REGION).await;
        assert_eq!(told["status"]["requests"]["recipient"], KEY);
        let map = one["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"].clone();
        let cluster = world.cluster(REGION);
        let map = world.get(&cluster, "configmaps", RUNS, map.as_str().unwrap());
        let map = map.await.unwrap();
        assert_eq!(map["data"]["identity.age"], ciphertext());
        let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
        assert_eq!(task["spec"]["stores"][0]["tables"][0]["table"], "orders");

        // It is done: a receipt, nothing left in the region, and nobody knows any more who it was.
        let report = json!({
            "version": 1, "command": "erase", "outcome": "Done", "reason": "Verified", "message": "done",
            "startedAt": AT, "finishedAt": AT,
            "body": {"request": "dsr-7", "state": "Verified", "suppressed": 1, "stores": [{"name": "orders", "tables": [
                {"name": "orders", "state": "Verified", "found": 3, "erased": 3}]}]},
        });
        ends(&world, REGION, &one, &report).await;
        let seen = until_seen(&world, "the identity is gone", |seen| {
            seen["spec"].get("identity").is_none() && seen["status"]["state"] == "Done"
        })
        .await;
        assert!(!seen.to_string().contains(&ciphertext()), "{seen}");
        let receipt = &seen["status"]["receipt"];
        assert_eq!(
            (&receipt["found"], &receipt["erased"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(seen["status"]["regionsDone"], "1/1");
        world
            .until("nothing of it is left in the region", async || {
                let objects = world.objects(REGION).await;
                let left: Vec<&String> = objects.keys().filter(|it| it.contains("dsr-7")).collect();
                if left.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            })
            .await;
        patch(
            &hub,
            KIND,
            "dsr-7",
            json!({"spec": {"acknowledged": done, "answered": done}}),
        )
        .await;
        let after = until_seen(&world, "it was answered", |seen| {
            condition(seen, "OnTime").1 == "Answered"
        })
        .await;
        assert_eq!(after["status"]["receipt"], *receipt, "told once");
        hub.kubectl(&["delete", KIND, "dsr-7", "--timeout=60s"])
            .await
            .unwrap();
        a_restriction_is_made_and_lifted(&world, &done).await;
    });
}

/// The same way: rows are hidden, there is a receipt, and later they are shown again without anybody's identity.
async fn a_restriction_is_made_and_lifted(world: &World, done: &Value) {
    let hub = world.hub();
    let mut request = request();
    request["spec"]["kind"] = "Restriction".into();
    request["spec"]["verified"] = done.clone();
    world.apply(&[request]).await;
    let report = |reason: &str, body: Value| {
        json!({
            "version": 1, "command": "erase", "outcome": "Done", "reason": reason, "message": "done",
            "startedAt": AT, "finishedAt": AT, "body": body,
        })
    };
    let one = job(world, "request").await;
    let hidden = json!({"request": "dsr-7", "state": "Verified", "stores": [{"name": "orders", "tables": [
        {"name": "orders", "state": "Verified", "found": 3, "restricted": 3}]}]});
    ends(world, REGION, &one, &report("Verified", hidden)).await;
    let seen = until_seen(
        world,
        "the rows are hidden and the identity is gone",
        |seen| seen["spec"].get("identity").is_none() && seen["status"]["state"] == "Done",
    )
    .await;
    assert_eq!(seen["status"]["receipt"]["restricted"], 3, "{seen}");
    let lifted =
        json!({"by": "privacy@aurora.example", "at": AT, "ground": "the accuracy was verified"});
    patch(&hub, KIND, "dsr-7", json!({"spec": {"lifted": lifted}})).await;
    let two = job(world, "request").await;
    assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
    let args = &two["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(args.to_string().contains("--lift"), "{args}");
    let shown = json!({"request": "dsr-7", "state": "Lifted", "stores": [], "lifted": [
        {"store": "orders", "name": "orders", "rows": 3}]});
    ends(world, REGION, &two, &report("Lifted", shown)).await;
    let seen = until_seen(world, "it was lifted, with a receipt", |seen| {
        seen["status"]["receipt"]["outcome"] == "Lifted"
    })
    .await;
    assert_eq!(seen["status"]["state"], "Lifted");
    assert_eq!(seen["status"]["receipt"]["lifted"], 3, "{seen}");
    hub.kubectl(&["delete", KIND, "dsr-7", "--timeout=60s"])
        .await
        .unwrap();
}
