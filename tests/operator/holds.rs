//! A legal hold over its life: its Job in every region that it is for, what policies are told, what deletion does not do,
//! and a region that cannot be reached. No pod runs here, so Jobs are ended by hand, with the report of their pods.

use serde_json::{Value, json};
use tradewind::contract::Outcome;
use tradewind::evidence::Kind;

use crate::given::{self, RUNS};
use crate::outage::reachable;
use crate::world::{World, condition, entry, with_operator};

const KIND: &str = "legalholds.tradewind.dev";
const SINCE: &str = "2026-11-20T08:00:00.000001Z";

fn hold(scopes: Value) -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold", "metadata": {"name": "case-7"},
        "spec": {
            "ground": "case 7", "openedBy": "counsel@aurora.example", "reviewOn": "2999-01-01",
            "selector": {"regions": ["eu-west"], "jurisdictions": ["US"]}, "scopes": scopes,
        },
    })
}

fn one() -> Value {
    json!([{
        "name": "orders", "store": "orders", "table": "public.orders", "column": "id",
        "valuesSecretRef": {"name": "case-7", "key": "ids"},
    }])
}

async fn seen(world: &World) -> Value {
    world
        .get(&world.hub(), KIND, "", "case-7")
        .await
        .unwrap_or_default()
}

/// The hold's Job in a region, with its name.
async fn job(world: &World, region: &str) -> Result<(String, Value), String> {
    let objects = world.objects(region).await;
    let jobs = objects
        .into_iter()
        .filter(|(name, _)| name.starts_with("jobs.batch"));
    let mut jobs: Vec<(String, Value)> = jobs
        .map(|(_, job)| (job["metadata"]["name"].as_str().unwrap().to_owned(), job))
        .collect();
    match (jobs.pop(), jobs.is_empty()) {
        (Some(job), true) => Ok(job),
        (job, _) => Err(format!("Jobs in {region}: {job:?} {jobs:?}")),
    }
}

/// What the agent of a region is told, by the task that the Job mounts.
async fn task(world: &World, region: &str, job: &Value) -> Value {
    task_of(world, region, job).await.unwrap()
}

/// The same while it is there.
async fn task_of(world: &World, region: &str, job: &Value) -> Option<Value> {
    let map = job
        .pointer("/spec/template/spec/volumes/0/configMap/name")
        .and_then(Value::as_str)
        .unwrap();
    let cluster = world.cluster(region);
    let map = world.get(&cluster, "configmaps", RUNS, map).await?;
    Some(serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap())
}

/// The ids that a policy's runs must find in force.
async fn required(world: &World, region: &str) -> Vec<String> {
    let name = format!("{region}-customers-retention");
    let cluster = world.cluster(region);
    let map = world
        .get(&cluster, "configmaps", RUNS, &name)
        .await
        .unwrap();
    let task: Value = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    let holds = task["spec"]["holds"].as_array();
    let holds = holds.into_iter().flatten();
    holds
        .map(|hold| format!("{} {}", hold["id"], hold["scopes"]))
        .collect()
}

async fn until_required(world: &World, region: &str, count: usize) -> Vec<String> {
    world
        .until(&format!("{region} must find {count} holds"), async || {
            let told = required(world, region).await;
            if told.len() == count {
                Ok(told)
            } else {
                Err(format!("told {told:?}"))
            }
        })
        .await
}

/// Ends a Job's pod as its agent would. No node has it: its status is written here.
async fn reports(world: &World, region: &str, job: &Value, released_at: Option<&str>) {
    let report = json!({
        "version": 1, "command": "hold", "outcome": "Done", "reason": "Done", "message": "done",
        "startedAt": SINCE, "finishedAt": SINCE,
        "body": {"stores": [{"store": "orders", "inForceSince": SINCE, "releasedAt": released_at}]},
    });
    ends(world, region, job, &report).await;
}

/// The same with any report.
/// Ends the pod of a Job that has not run yet, as a node would: well, or with the exit code of what it says.
pub(crate) async fn ends(world: &World, region: &str, job: &Value, report: &Value) {
    let cluster = world.cluster(region);
    let label = format!(
        "batch.kubernetes.io/job-name={}",
        job["metadata"]["name"].as_str().unwrap()
    );
    let waits = "--field-selector=status.phase=Pending";
    let pod = world
        .until("the Job's pod", async || {
            let args = ["get", "pods", "-n", RUNS, "-l", &label, waits, "-o", "name"];
            let names = cluster.kubectl(&args).await.map_err(|e| e.to_string())?;
            names
                .lines()
                .next()
                .map(str::to_owned)
                .ok_or_else(|| "none".to_owned())
        })
        .await;
    let outcome: Outcome = serde_json::from_value(report["outcome"].clone()).unwrap();
    let phase = match outcome {
        Outcome::Done => "Succeeded",
        Outcome::Retry | Outcome::Refused => "Failed",
    };
    let status = json!({"status": {"phase": phase, "containerStatuses": [{
        "name": "agent", "image": "x", "imageID": "x", "ready": false, "restartCount": 0,
        "state": {"terminated": {
            "exitCode": outcome.exit_code(), "startedAt": report["startedAt"], "finishedAt": report["finishedAt"],
            "message": report.to_string(),
        }},
    }]}});
    let patch = status.to_string();
    let args = [
        "patch",
        &pod,
        "-n",
        RUNS,
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ];
    cluster.kubectl(&args).await.unwrap();
}

/// How the hold stands by the records of a region, in their order, from a place on.
async fn recorded(world: &World, region: &str, since: usize) -> Vec<String> {
    let all = crate::evidence::chain(world, region).await;
    let of = all
        .iter()
        .skip(since)
        .filter(|record| record.spec.kind == Kind::Hold);
    let told = of.map(|record| {
        assert_eq!(record.spec.about.name, "case-7");
        let body: Value = serde_json::from_str(&record.spec.body).unwrap();
        let deleted = if body["deleted"] == true {
            " deleted"
        } else {
            ""
        };
        let since = body["stores"][0]["inForceSince"].as_str().unwrap_or("-");
        format!("{} {since}{deleted}", body["state"].as_str().unwrap())
    });
    told.collect()
}

async fn until_state(world: &World, wanted: (&str, &str)) -> Value {
    world
        .until(&format!("the hold is {wanted:?}"), async || {
            let hold = seen(world).await;
            let told = (&hold["status"]["state"], &hold["status"]["regionsInForce"]);
            if told == (&json!(wanted.0), &json!(wanted.1)) {
                Ok(hold)
            } else {
                Err(hold["status"].to_string())
            }
        })
        .await
}

/// A Region that bounds the age of its list is told when the hub last saw all holds, and its runs where to read it.
async fn a_bounded_list_is_told_of(world: &World) {
    let set = |holds: Value| json!({"spec": {"holds": holds}}).to_string();
    let patch = async |holds: Value| {
        let set = set(holds);
        let args = [
            "patch",
            "regions.tradewind.dev",
            "eu-west",
            "--type=merge",
            "-p",
            &set,
        ];
        world.hub().kubectl(&args).await.unwrap();
    };
    patch(json!({"maxAge": "PT30M"})).await;
    let cluster = world.cluster("eu-west");
    // Every region is told of a list; one with so short a bound more often.
    world
        .until("the age of the list", async || {
            let map = world
                .get(&cluster, "configmaps", RUNS, "tradewind-holds")
                .await
                .unwrap_or_default();
            let seen = map["data"]["seen-at"].as_str().unwrap_or_default();
            let seen: jiff::Timestamp = seen.parse().map_err(|_| "not told".to_owned())?;
            let age = jiff::Timestamp::now().duration_since(seen);
            let is_young = age.as_mins() < 10 && !age.is_negative();
            is_young.then_some(()).ok_or_else(|| seen.to_string())
        })
        .await;
    let beside = "instagram-connector-holds";
    let beside = world
        .get(&cluster, "configmaps", given::TENANT, beside)
        .await;
    let told = beside.unwrap_or_default();
    assert!(told["data"]["seen-at"].is_string(), "{told:#}");
    let schedule = world
        .until("the runs read it", async || {
            let name = "eu-west-customers-retention";
            let map = world
                .get(&cluster, "configmaps", RUNS, name)
                .await
                .unwrap_or_default();
            let task = map["data"]["task.json"].as_str().unwrap_or("{}");
            let task: Value = serde_json::from_str(task).unwrap();
            if task["spec"]["holdList"]["maxAge"] != "PT30M" {
                return Err(task["spec"]["holdList"].to_string());
            }
            let schedule = world.get(&cluster, "cronjobs.batch", RUNS, name).await;
            let schedule = schedule.unwrap_or_default().to_string();
            if schedule.contains("tradewind-holds") {
                Ok(schedule)
            } else {
                Err("not mounted".to_owned())
            }
        })
        .await;
    assert!(schedule.contains("/var/run/tradewind/holds"), "{schedule}");
    patch(Value::Null).await;
    world.until_converged().await;
}

#[test]
fn a_hold_is_told_at_once_in_force_when_reported_and_outlives_its_object() {
    with_operator(|world| async move {
        world.converged().await;
        assert!(required(&world, "eu-west").await.is_empty());
        a_bounded_list_is_told_of(&world).await;
        let before = crate::evidence::chain(&world, "eu-west").await.len();
        world.apply(&[hold(one())]).await;
        // Before any Job has run no policy erases.
        for region in given::REGIONS {
            let told = until_required(&world, region, 1).await;
            assert!(told[0].contains("/case-7"), "{told:?}");
        }
        until_state(&world, ("Opening", "0/2")).await;
        let (name, eu) = world
            .until("the Job", async || job(&world, "eu-west").await)
            .await;
        let told = task(&world, "eu-west", &eu).await;
        assert_eq!(
            told["spec"]["stores"][0]["scopes"][0]["table"], "public.orders",
            "{told}"
        );
        assert!(told["spec"].get("release").is_none());
        reports(&world, "eu-west", &eu, None).await;
        let half = until_state(&world, ("PartlyInForce", "1/2")).await;
        assert_eq!(entry(&half, "eu-west")["stores"][0]["inForceSince"], SINCE);
        assert_eq!(condition(&half, "InForce").0, "False");
        let (_, us) = world
            .until("the Job", async || job(&world, "us-east").await)
            .await;
        reports(&world, "us-east", &us, None).await;
        let whole = until_state(&world, ("InForce", "2/2")).await;
        assert_eq!(condition(&whole, "Ready").1, "InForce");
        assert_eq!(condition(&whole, "ReviewCurrent").1, "ReviewAhead");
        world.quiet().await;

        // Wider: another Job by another name; what was in force stays told.
        let mut scopes = one();
        scopes
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "all", "store": "orders"}));
        world.apply(&[hold(scopes.clone())]).await;
        let (wider, eu) = world
            .until("the wider Job", async || {
                match job(&world, "eu-west").await? {
                    (other, job) if other != name => Ok((other, job)),
                    (same, _) => Err(format!("still {same}")),
                }
            })
            .await;
        let told = until_state(&world, ("PartlyInForce", "0/2")).await;
        let why = condition(&told, "InForce").2;
        assert!(why.contains("not all of it is in force there"), "{why}");
        reports(&world, "eu-west", &eu, None).await;
        until_state(&world, ("PartlyInForce", "1/2")).await;
        // Narrower: refused.
        let narrower = hold(one());
        let refused =
            tradewind_dev::story::install::apply(&world.hub(), &narrower.to_string()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("never removed"), "{refused}");

        // The object goes, and with it every object in the regions. No task ever said release.
        let last = task(&world, "eu-west", &eu).await;
        world
            .hub()
            .kubectl(&["delete", "legalhold", "case-7", "--timeout=60s"])
            .await
            .unwrap();
        for region in given::REGIONS {
            world.until_children(region, &given::children(region)).await;
        }
        world
            .until("an Event says that it is in force still", async || {
                let events = ["get", "events", "-A", "-o", "json"];
                let events = world.hub().kubectl(&events).await.unwrap();
                let events: Value = serde_json::from_str(&events).unwrap();
                let told = events["items"].as_array().unwrap().iter().any(|event| {
                    let said = event["message"].as_str().unwrap_or_default();
                    event["reason"] == "StillInForce" && said.contains("releases nothing")
                });
                told.then_some(()).ok_or_else(|| "none does".to_owned())
            })
            .await;
        // The same hold again, as after a restore of the hub: the same id, the same Job.
        world.apply(&[hold(scopes)]).await;
        let (again, eu) = world
            .until("the Job again", async || job(&world, "eu-west").await)
            .await;
        assert_eq!((again, task(&world, "eu-west", &eu).await), (wider, last));
        reports(&world, "eu-west", &eu, None).await;
        let told = until_state(&world, ("PartlyInForce", "1/2")).await;
        assert_eq!(entry(&told, "eu-west")["stores"][0]["inForceSince"], SINCE);
        world.quiet().await;
        // Each change once, and no identifier: the Secret of them is not even named.
        let of = |word: &str| format!("{word} {SINCE}");
        let wanted = [
            "Opening -".to_owned(),
            of("InForce"),
            of("PartlyInForce"),
            of("InForce"),
            of("InForce") + " deleted",
            "Opening -".to_owned(),
            of("InForce"),
        ];
        assert_eq!(recorded(&world, "eu-west", before).await, wanted);
        let text = format!("{:?}", crate::evidence::chain(&world, "eu-west").await);
        assert!(!text.contains("valuesSecretRef") && !text.contains("\"ids\""));
    });
}

#[test]
fn a_region_that_does_not_answer_holds_nothing_until_it_has_reported_and_is_released_last() {
    with_operator(|world| async move {
        world.converged().await;
        let us = world.cluster("us-east");
        us.freeze().unwrap();
        world
            .until("us-east is lost", async || {
                let said = condition(&world.region("us-east").await, "Reachable");
                if said.0 == "False" {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world.apply(&[hold(one())]).await;
        let (_, eu) = world
            .until("the Job", async || job(&world, "eu-west").await)
            .await;
        reports(&world, "eu-west", &eu, None).await;
        let half = until_state(&world, ("PartlyInForce", "1/2")).await;
        let (status, reason, why) = condition(&half, "InForce");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "NotInForce"));
        assert!(why.contains("us-east: not in force there"), "{why}");

        us.thaw().unwrap();
        reachable(&world, "us-east").await;
        let (_, first) = world
            .until("the Job", async || job(&world, "us-east").await)
            .await;
        reports(&world, "us-east", &first, None).await;
        until_state(&world, ("InForce", "2/2")).await;

        let release = r#"{"spec": {"release": {"by": "counsel", "ground": "settled"}}}"#;
        let args = [
            "patch",
            "legalhold",
            "case-7",
            "--type=merge",
            "-p",
            release,
        ];
        world.hub().kubectl(&args).await.unwrap();
        for region in given::REGIONS {
            until_required(&world, region, 0).await;
            let (_, job) = world
                .until("the Job that releases", async || {
                    let (name, job) = job(&world, region).await?;
                    // The one before goes, and its task with it.
                    let told = task_of(&world, region, &job).await;
                    let told = told.ok_or_else(|| format!("{name} has no task"))?;
                    if told["spec"].get("release").is_some() {
                        Ok((name, job))
                    } else {
                        Err(name)
                    }
                })
                .await;
            reports(&world, region, &job, Some("2026-11-21T08:00:00Z")).await;
        }
        let over = until_state(&world, ("Released", "0/2")).await;
        assert_eq!(
            entry(&over, "us-east")["stores"][0]["releasedAt"],
            "2026-11-21T08:00:00Z"
        );
        assert_eq!(condition(&over, "Ready").0, "True");
        // Nothing is left to do, and nothing is left there.
        for region in given::REGIONS {
            world.until_children(region, &given::children(region)).await;
        }
        world.quiet().await;
    });
}
