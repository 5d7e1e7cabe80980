//! A request over its life: the region's key, nothing before the person is known, a Job, a receipt, and an identity that
//! goes. No pod runs here, so Jobs are ended by hand, with the report of their pods.

use serde_json::{Value, json};
use tradewind::evidence::Kind;
use tradewind_dev::fleet::Cluster;

use crate::again;
use crate::given::{self, RUNS};
use crate::holds::ends;
use crate::world::{World, condition, entry, with_operator};

const KIND: &str = "datasubjectrequests.tradewind.dev";
pub(crate) const REGION: &str = "eu-west";
const KEY: &str = "age1qqqqqqqqqqqqqqqqqq";
pub(crate) const AT: &str = "2026-11-20T08:00:00Z";

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
pub(crate) async fn job(world: &World, component: &str) -> Value {
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

/// The request of that name, once it is so.
pub(crate) async fn until_seen(
    world: &World,
    name: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    world
        .until(what, async || {
            let seen = world.get(&world.hub(), KIND, "", name).await;
            let seen = seen.unwrap_or_default();
            if is_so(&seen) {
                Ok(seen)
            } else {
                Err(seen.to_string())
            }
        })
        .await
}

/// The records of the request, each with its state here and the last step that somebody had recorded.
async fn recorded(world: &World, last: &str) -> Vec<Value> {
    let told = |all: &[Value]| -> Vec<String> {
        let step = |body: &Value| {
            let steps = body["steps"].as_array().and_then(|steps| steps.last());
            let step = steps.map_or("", |step| step["step"].as_str().unwrap());
            let more = ["outcome", "receipt", "deleted"];
            let mut words = vec![body["state"].as_str().unwrap(), step];
            words.extend(more.iter().filter(|key| !body[**key].is_null()));
            words.join(" ")
        };
        all.iter().map(step).collect()
    };
    world
        .until(&format!("the record of {last:?}"), async || {
            let all = crate::evidence::chain(world, REGION).await;
            let own = all.iter().filter(|object| {
                object.spec.kind == Kind::Request && object.spec.about.name == "dsr-7"
            });
            let own: Vec<Value> = own
                .map(|object| serde_json::from_str(&object.spec.body).unwrap())
                .collect();
            let told = told(&own);
            if told.last().is_some_and(|told| told == last) {
                Ok(own)
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await
}

pub(crate) async fn patch(hub: &Cluster, kind: &str, name: &str, patch: Value) {
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
        policy["spec"]["recipients"] = json!([{"name": "erp", "country": "DE", "identities": ["email"],
            "http": {"url": "https://erp.aurora.example/privacy", "secretRef": {"name": "erp-privacy", "key": "secret"}}}]);
        world.apply(&[policy]).await;

        // As `kubectl apply` does it: the ciphertext stands in an annotation too.
        hub.kubectl_with(&["apply", "-f", "-"], &request().to_string())
            .await
            .unwrap();
        let seen = until_seen(&world, "dsr-7", "it is received", |seen| {
            seen["status"]["state"] == "Received"
        })
        .await;
        assert_eq!(condition(&seen, "Verified").1, "NotVerified");
        assert_eq!(seen["status"]["clock"], "OnTime", "{seen}");
        let received = recorded(&world, "Received ").await;
        assert_eq!(received[0]["deadlines"][0]["regime"], "eu-gdpr");
        // After it was received, by the operator's clock as by ours.
        let at = jiff::Timestamp::now().to_string();
        let done = json!({"by": "privacy@aurora.example", "at": at});
        patch(&hub, KIND, "dsr-7", json!({"spec": {"verified": done}})).await;
        let seen = until_seen(&world, "dsr-7", "it waits for the key", |seen| {
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
        let recipient = &task["spec"]["recipients"][0];
        assert_eq!(recipient["name"], "eu-west-customers/erp", "{task}");
        assert_eq!(recipient["identityForm"], "KeyedHash");

        // It is done: a receipt, nothing left in the region, and nobody knows any more who it was.
        let report = json!({
            "version": 1, "command": "erase", "outcome": "Done", "reason": "Verified", "message": "done",
            "startedAt": AT, "finishedAt": AT,
            "body": {"request": "dsr-7", "state": "Verified", "suppressed": 1, "stores": [{"name": "orders", "tables": [
                {"name": "orders", "state": "Verified", "found": 3, "erased": 3}]}],
                "recipients": [{"name": "eu-west-customers/erp", "state": "Refused", "ground": "LegalClaims", "attempts": 2,
                    "answer": "200", "at": AT}]},
        });
        ends(&world, REGION, &one, &report).await;
        let seen = until_seen(&world, "dsr-7", "the identity is gone", |seen| {
            seen["spec"].get("identity").is_none() && seen["status"]["state"] == "Done"
        })
        .await;
        assert!(!seen.to_string().contains(&ciphertext()), "{seen}");
        let receipt = &seen["status"]["receipt"];
        assert_eq!(
            (&receipt["found"], &receipt["erased"]),
            (&json!(3), &json!(3))
        );
        let refused = json!([{"region": REGION, "name": "eu-west-customers/erp", "state": "Refused", "ground": "LegalClaims"}]);
        assert_eq!(receipt["recipients"], refused);
        assert_eq!(seen["status"]["regionsDone"], "1/1");
        // Each step is in the region's chain once, and nobody's identity.
        let records = recorded(&world, "Done Verified outcome receipt").await;
        let states: Vec<&str> = records
            .iter()
            .map(|it| it["state"].as_str().unwrap())
            .collect();
        assert_eq!(
            states,
            ["Received", "Working", "Done", "Done"],
            "{records:?}"
        );
        let last = &records[3];
        assert_eq!(last["outcome"]["stores"][0]["tables"][0]["erased"], 3);
        assert_eq!(last["receipt"]["hash"], receipt["hash"], "{last}");
        let refused = json!([{"recipient": "eu-west-customers/erp", "state": "Refused", "ground": "LegalClaims"}]);
        assert_eq!(last["outcome"]["recipients"], refused);
        assert!(!json!(records).to_string().contains("Q0lQSEVS"));
        again::until_gone(&world, "dsr-7").await;
        // Another with the same ciphertexts does nothing, and keeps none either: what it is the same as has ended.
        let mut twin = request();
        twin["metadata"]["name"] = "dsr-8".into();
        twin["spec"]["verified"] = done.clone();
        world.apply(&[twin]).await;
        world
            .until("the twin's identity is gone", async || {
                let seen = world.get(&hub, KIND, "", "dsr-8").await.unwrap_or_default();
                let is_gone = seen["spec"].get("identity").is_none();
                if is_gone && entry(&seen, REGION)["reason"] == "Duplicate" {
                    Ok(())
                } else {
                    Err(seen.to_string())
                }
            })
            .await;
        hub.kubectl(&["delete", KIND, "dsr-8", "--timeout=60s"])
            .await
            .unwrap();
        patch(
            &hub,
            KIND,
            "dsr-7",
            json!({"spec": {"acknowledged": done, "answered": done}}),
        )
        .await;
        let after = until_seen(&world, "dsr-7", "it was answered", |seen| {
            condition(seen, "OnTime").1 == "Answered"
        })
        .await;
        assert_eq!(after["status"]["receipt"], *receipt, "told once");
        let records = recorded(&world, "Done Answered outcome receipt").await;
        assert_eq!(records.len(), 5, "{records:?}");
        again::asked_by_hand(&world).await;
        again::due_by_the_schedule(&world).await;
        hub.kubectl(&["delete", KIND, "dsr-7", "--timeout=60s"])
            .await
            .unwrap();
        let records = recorded(&world, "Done Answered outcome receipt deleted").await;
        assert_eq!(records.len(), 6, "{records:?}");
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
        "dsr-7",
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
    let seen = until_seen(world, "dsr-7", "it was lifted, with a receipt", |seen| {
        seen["status"]["receipt"]["outcome"] == "Lifted"
    })
    .await;
    assert_eq!(seen["status"]["state"], "Lifted");
    assert_eq!(seen["status"]["receipt"]["lifted"], 3, "{seen}");
    hub.kubectl(&["delete", KIND, "dsr-7", "--timeout=60s"])
        .await
        .unwrap();
}

/// Under a law that asks for a notice: no Job is there before it was sent, seen and its time is over; then one is. The hours do
/// not pass here: a notice of yesterday is corrected to one of three days ago.
pub(crate) async fn nobody_is_erased_before_the_notice(world: &World) {
    let hub = world.hub();
    let requests = json!({"spec": {"requests": {"identities": [{"name": "email", "ignoreCase": true}],
        "suppression": {"secretRef": {"name": "suppression-db", "key": "url"}}}}});
    patch(&hub, "region", REGION, requests).await;
    let keeper = job(world, "requests").await;
    let report = json!({
        "version": 1, "command": "keep-key", "outcome": "Done", "reason": "Done", "message": "made",
        "startedAt": AT, "finishedAt": AT, "body": {"recipient": KEY, "isNew": true},
    });
    ends(world, REGION, &keeper, &report).await;
    let ago = |hours| {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        at.to_string()
    };
    let seen_at = |hours| json!({"by": "privacy@aurora.example", "at": ago(hours)});
    let mut asked = request();
    asked["metadata"]["name"] = "dsr-9".into();
    asked["spec"]["received"] = ago(96).into();
    asked["spec"]["jurisdictions"] = json!(["IN"]);
    asked["spec"]["verified"] = seen_at(95);
    world.apply(&[asked]).await;
    let waits = async |why: &str| {
        until_seen(world, "dsr-9", why, |seen| {
            let here = entry(seen, REGION);
            let message = here["message"].as_str().unwrap_or_default();
            here["reason"] == "AwaitingNotice" && message.contains(why)
        })
        .await;
        let label = "app.kubernetes.io/component=request";
        let args = ["get", "jobs", "-n", RUNS, "-l", label, "-o", "name"];
        let jobs = world.cluster(REGION).kubectl(&args).await.unwrap();
        assert_eq!(jobs.trim(), "", "{why}");
    };
    let notice = async |notice: Value| {
        patch(&hub, KIND, "dsr-9", json!({"spec": {"notice": notice}})).await;
    };
    waits("asks that the person is told PT48H before").await;
    notice(json!({"sentAt": ago(72)})).await;
    waits("nobody has recorded that the notice").await;
    notice(json!({"sentAt": ago(24), "acknowledged": seen_at(23)})).await;
    waits("after the notice is over at").await;
    notice(json!({"sentAt": ago(72), "acknowledged": seen_at(71)})).await;
    let one = job(world, "request").await;
    let args = &one["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(args.to_string().contains("erase"), "{args}");
    let report = json!({"version": 1, "command": "erase", "outcome": "Done", "reason": "Verified", "message": "done",
        "startedAt": AT, "finishedAt": AT, "body": {"request": "dsr-9", "state": "Verified", "suppressed": 1,
        "stores": [{"name": "orders", "tables": [{"name": "orders", "state": "Verified", "found": 3, "erased": 3}]}]}});
    ends(world, REGION, &one, &report).await;
    until_seen(world, "dsr-9", "it is done", |seen| {
        seen["status"]["state"] == "Done"
    })
    .await;
    hub.kubectl(&["delete", KIND, "dsr-9", "--timeout=60s"])
        .await
        .unwrap();
    again::until_gone(world, "dsr-9").await;
}
