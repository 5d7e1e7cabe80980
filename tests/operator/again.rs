//! All erasures over again: an officer asks after a restore, or the Region's schedule does. No pod runs here, so Jobs are ended by
//! hand, with the report of their pods.

use serde_json::{Value, json};
use tradewind::evidence::Kind;

use crate::given::RUNS;
use crate::holds::ends;
use crate::requests::{AT, REGION, job, patch};
use crate::world::World;

const LATER: &str = "2026-11-20T08:10:00Z";

/// How erasing again stands in the Region's status, once that is so.
async fn until_again(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    world
        .until(what, async || {
            let told = world.region(REGION).await["status"]["requests"].clone();
            if is_so(&told) {
                Ok(told)
            } else {
                Err(told.to_string())
            }
        })
        .await
}

/// Nothing whose name has the word is left in the region.
pub(crate) async fn until_gone(world: &World, word: &str) {
    world
        .until("nothing of it is left in the region", async || {
            let objects = world.objects(REGION).await;
            let left: Vec<&String> = objects.keys().filter(|it| it.contains(word)).collect();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
}

/// After a restore: an officer asks for it, one Job does it to its end, its numbers are told and recorded once.
pub(crate) async fn asked_by_hand(world: &World) {
    let hub = world.hub();
    let ask = async |value: Value| {
        let asked = json!({"metadata": {"annotations": {"tradewind.dev/reapply": value}}});
        patch(&hub, "region", REGION, asked).await;
    };
    ask(json!("ticket-17")).await;
    let one = job(world, "reapply").await;
    let pod = &one["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].as_array().unwrap();
    assert!(args.contains(&json!("--reapply")), "{args:?}");
    let map = one["metadata"]["name"].as_str().unwrap();
    let cluster = world.cluster(REGION);
    let map = world.get(&cluster, "configmaps", RUNS, map).await.unwrap();
    let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    assert!(task["spec"].get("request").is_none(), "{task}");
    assert_eq!(task["spec"]["stores"][0]["tables"][0]["table"], "orders");

    // An attempt that waits is told, and is not the end of it.
    let said = |outcome: &str, reason: &str, at: &str, body: Value| {
        json!({"version": 1, "command": "erase", "outcome": outcome, "reason": reason, "message": "told",
            "startedAt": AT, "finishedAt": at, "body": body})
    };
    let waits = said("Retry", "HoldNotInForce", AT, Value::Null);
    ends(world, REGION, &one, &waits).await;
    let told = until_again(world, "it waits", |told| {
        told["reapplied"]["reason"] == "HoldNotInForce"
    })
    .await;
    assert!(told.get("lastHandledReapply").is_none(), "{told}");

    let done = json!({"request": "reapply", "state": "Verified", "suppressed": 1, "stores": [{"name": "orders", "tables": [
        {"name": "orders", "state": "Verified", "found": 2, "erased": 2}]}]});
    let done = said("Done", "Verified", LATER, done);
    ends(world, REGION, &one, &done).await;
    let told = until_again(world, "it is done", |told| {
        told["lastHandledReapply"] == "ticket-17"
    })
    .await;
    let table = &told["reapplied"]["stores"][0]["tables"][0];
    assert_eq!(table["erased"], 2, "{told}");
    until_gone(world, "reapply").await;
    let chain = crate::evidence::chain(world, REGION).await;
    let own = chain
        .iter()
        .filter(|object| object.spec.kind == Kind::Request && object.spec.about.kind == "Region");
    let own: Vec<Value> = own
        .map(|object| serde_json::from_str(&object.spec.body).unwrap())
        .collect();
    let [record] = own.as_slice() else {
        panic!("{own:?}");
    };
    assert_eq!(record["asked"], "ticket-17");
    assert_eq!(record["outcome"]["stores"][0]["tables"][0]["erased"], 2);

    // Another value asks once more; whoever takes it back takes the Job away, and what was done stays told.
    ask(json!("ticket-18")).await;
    let asked = |told: &Value| told["reapplied"]["asked"] == "ticket-18";
    until_again(world, "it is asked for again", asked).await;
    let other = job(world, "reapply").await;
    assert_ne!(other["metadata"]["uid"], one["metadata"]["uid"]);
    ask(Value::Null).await;
    until_gone(world, "reapply").await;
    let told = world.region(REGION).await["status"]["requests"].clone();
    assert_eq!(told["lastHandledReapply"], "ticket-17", "{told}");
}

/// After an import: what was due by the schedule is done by the same Job, and the next moment is told.
pub(crate) async fn due_by_the_schedule(world: &World) {
    let hub = world.hub();
    let scheduled = |schedule: Value| json!({"spec": {"requests": {"reapply": schedule}}});
    patch(&hub, "region", REGION, scheduled(json!("0 4 * * *"))).await;
    let told = until_again(world, "the schedule is told", |told| {
        told["reapplySchedule"]["nextAt"].is_string()
    })
    .await;
    let next = told["reapplySchedule"]["nextAt"].clone();
    let due: jiff::Timestamp = next.as_str().unwrap().parse().unwrap();
    let zone = world.region(REGION).await["spec"]["locale"]["timeZone"].clone();
    let due = due.in_tz(zone.as_str().unwrap()).unwrap();
    let before = due.checked_sub(jiff::Span::new().days(1)).unwrap();
    let before = before.timestamp().to_string();
    let word = format!("schedule {before}");
    // As if it had been told yesterday. A look that has begun may tell the next moment once more.
    world
        .until("it is due", async || {
            let told = world.region(REGION).await["status"]["requests"].clone();
            if told["reapplied"]["asked"] == word.as_str() {
                return Ok(());
            }
            let status = json!({"status": {"requests": {"reapplySchedule": {"nextAt": before}}}})
                .to_string();
            let args = [
                "patch",
                "region",
                REGION,
                "--subresource=status",
                "--type=merge",
                "-p",
                &status,
            ];
            hub.kubectl(&args).await.map_err(|e| e.to_string())?;
            Err(told.to_string())
        })
        .await;
    let one = job(world, "reapply").await;
    let map = one["metadata"]["name"].as_str().unwrap();
    let cluster = world.cluster(REGION);
    let map = world.get(&cluster, "configmaps", RUNS, map).await.unwrap();
    let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    assert_eq!(task["spec"]["bySchedule"], true, "{task}");
    let done = json!({"version": 1, "command": "erase", "outcome": "Done", "reason": "Verified", "message": "told",
        "startedAt": AT, "finishedAt": LATER, "body": {"request": "reapply", "state": "Verified", "suppressed": 1,
            "stores": [{"name": "orders", "tables": [
                {"name": "orders", "state": "Verified", "found": 7, "erased": 7}]}]}});
    ends(world, REGION, &one, &done).await;
    let told = until_again(world, "it is done", |told| {
        told["reapplySchedule"]["lastEndedAt"] == LATER
    })
    .await;
    assert_eq!(told["reapplySchedule"]["lastErased"], 7, "{told}");
    assert_eq!(told["reapplySchedule"]["nextAt"], next, "{told}");
    assert_eq!(told["lastHandledReapply"], "ticket-17", "{told}");
    until_gone(world, "reapply").await;
    patch(&hub, "region", REGION, scheduled(Value::Null)).await;
    until_again(world, "no schedule is told", |told| {
        told.get("reapplySchedule").is_none()
    })
    .await;
}
