//! A pause stops what erases and touches nothing else; a run that may no longer erase is ended.

use serde_json::{Value, json};

use crate::deletion::delete;
use crate::given::{self, RUNS};
use crate::world::{World, condition, entry, with_operator};

const POLICY: &str = "eu-west-customers";

/// The retention's CronJob, task and runs in eu-west.
struct Seen {
    suspended: Value,
    task: String,
    /// Names of Jobs that are no read-backs.
    runs: Vec<String>,
}

async fn seen(world: &World) -> Seen {
    let objects = world.objects("eu-west").await;
    let name = format!("{RUNS}/{POLICY}-retention");
    let of = |kind: &str| objects[&format!("{kind} {name}")].clone();
    let jobs = format!("jobs.batch {name}-");
    let runs = objects.keys().filter(|key| key.starts_with(&jobs));
    Seen {
        suspended: of("cronjobs.batch")["spec"]["suspend"].clone(),
        task: of("configmaps")["data"]["task.json"].to_string(),
        runs: runs
            .filter(|job| !job.ends_with("-read-back"))
            .cloned()
            .collect(),
    }
}

/// Asks for a run and waits until it is there. No node of this fleet starts its pod: it is under way for ever.
async fn run_now(world: &World, asked: &str) -> Seen {
    let at = format!("tradewind.dev/run-at={asked}");
    let annotate = ["annotate", "datapolicy", POLICY, &at, "--overwrite"];
    world.hub().kubectl(&annotate).await.unwrap();
    world
        .until("the run is under way", async || {
            let seen = seen(world).await;
            if seen.runs.len() == 1 {
                Ok(seen)
            } else {
                Err(format!("{:?}", seen.runs))
            }
        })
        .await
}

async fn until_stopped(world: &World) -> Seen {
    world
        .until("the run is ended and the schedule stands", async || {
            let seen = seen(world).await;
            if seen.runs.is_empty() && seen.suspended == true {
                Ok(seen)
            } else {
                Err(format!("{:?}, suspended {}", seen.runs, seen.suspended))
            }
        })
        .await
}

/// The Jobs that read ledgers back in eu-west, once there are some.
async fn until_asked(world: &World) -> Vec<String> {
    world
        .until("the ledger is asked", async || {
            let objects = world.objects("eu-west").await;
            let reads = objects
                .into_keys()
                .filter(|key| key.ends_with("-read-back"));
            let reads: Vec<String> = reads.collect();
            if reads.is_empty() {
                Err("no Job asks it".to_owned())
            } else {
                Ok(reads)
            }
        })
        .await
}

async fn until_going(world: &World, than: &str) {
    world
        .until("the schedule goes on by the new task", async || {
            let seen = seen(world).await;
            if seen.suspended == false && seen.task != than {
                Ok(())
            } else {
                Err(format!("suspended {}, {}", seen.suspended, seen.task))
            }
        })
        .await;
}

fn shorter(mut policy: Value) -> Value {
    policy["spec"]["rules"][0]["erase"]["after"] = json!("P9Y");
    policy
}

#[test]
fn a_paused_policy_stops_its_run_and_changes_nothing() {
    with_operator(|world| async move {
        world.converged().await;
        let before = run_now(&world, "first").await;
        // In the same edit the rules become wrong for what runs: a pause waits for nothing, and writes no task.
        let mut paused = shorter(given::policy("eu-west"));
        paused["spec"]["suspend"] = json!({"reason": "the regulator asked", "by": "dpo"});
        world.apply(&[paused]).await;
        let stopped = until_stopped(&world).await;
        assert_eq!(stopped.task, before.task, "nothing else is changed");
        // What the run did that was ended is asked for in the pause too.
        assert_eq!(until_asked(&world).await.len(), 1);
        world.quiet().await;
        let hub = world.hub();
        let policy = world.get(&hub, "datapolicy", "", POLICY).await.unwrap();
        let told = entry(&policy, "eu-west");
        assert_eq!(
            (&told["state"], &told["reason"]),
            (&json!("Hold"), &json!("Suspended"))
        );

        world.apply(&[shorter(given::policy("eu-west"))]).await;
        until_going(&world, &before.task).await;
        world.quiet().await;
    });
}

#[test]
fn a_policy_that_goes_in_the_midst_of_a_run_is_read_back_first() {
    with_operator(|world| async move {
        world.converged().await;
        run_now(&world, "first").await;
        let hub = world.hub();
        world
            .until("the run is seen", async || {
                let policy = world.get(&hub, "datapolicy", "", POLICY).await.unwrap();
                let run = entry(&policy, "eu-west")["lastRun"].clone();
                if run["phase"] == "Running" {
                    Ok(())
                } else {
                    Err(run.to_string())
                }
            })
            .await;
        delete(&world, "datapolicy", POLICY).await;
        until_stopped(&world).await;
        assert_eq!(until_asked(&world).await.len(), 1);
        let policy = world.get(&hub, "datapolicy", "", POLICY).await;
        let waits = condition(&policy.expect("it waits"), "Deleting").2;
        assert!(waits.contains("before anything is taken away"), "{waits}");
        world
            .until("it goes once the ledger has answered", async || {
                world.end_read_backs().await;
                match world.get(&hub, "datapolicy", "", POLICY).await {
                    None => Ok(()),
                    Some(policy) => Err(format!("{:?}", condition(&policy, "Deleting"))),
                }
            })
            .await;
    });
}

#[test]
fn in_a_paused_region_a_run_is_stopped_and_nothing_made() {
    with_operator(|world| async move {
        world.converged().await;
        let before = run_now(&world, "first").await;
        let mut region = given::region("eu-west");
        region["spec"]["suspend"] = json!({"reason": "moving the racks", "by": "platform"});
        world.apply(&[region]).await;
        until_stopped(&world).await;
        world.quiet().await;
        let mark = world.mark();
        world.apply(&[shorter(given::policy("eu-west"))]).await;
        world.quiet().await;
        let writes = mark.writes();
        let here: Vec<_> = writes.iter().filter(|r| r.cluster == "eu-west").collect();
        assert!(here.is_empty(), "written in a paused region: {here:#?}");

        world.apply(&[given::region("eu-west")]).await;
        until_going(&world, &before.task).await;
        world.quiet().await;
    });
}

#[test]
fn a_run_that_may_no_longer_erase_is_ended() {
    with_operator(|world| async move {
        world.converged().await;
        run_now(&world, "first").await;
        let mut counts = given::policy("eu-west");
        counts["spec"]["mode"] = json!("DryRun");
        world.apply(&[counts.clone()]).await;
        world
            .until("the run is ended", async || {
                let seen = seen(&world).await;
                if seen.runs.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{:?}", seen.runs))
                }
            })
            .await;
        let hub = world.hub();
        let enforced = world
            .until("it says that only its ledger can tell", async || {
                let policy = world.get(&hub, "datapolicy", "", POLICY).await.unwrap();
                let run = entry(&policy, "eu-west")["lastRun"].clone();
                if run["reason"] == "ReportLost" && run["mode"] == "Enforce" {
                    Ok(condition(&policy, "Enforced"))
                } else {
                    Err(run.to_string())
                }
            })
            .await;
        assert_eq!(enforced.1, "DryRun");

        // What only counts goes on, whatever it was told to count.
        let counting = run_now(&world, "second").await;
        counts["spec"]["rules"][0]["erase"]["after"] = json!("P9Y");
        world.apply(&[counts]).await;
        until_going(&world, &counting.task).await;
        world.quiet().await;
        assert_eq!(seen(&world).await.runs, counting.runs);
    });
}
