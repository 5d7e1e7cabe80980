//! SIGKILL at any write: the world is the same as if nothing had happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::sync::watch;
use tradewind_dev::fleet::HUB;
use tradewind_dev::serve::platform::{Load, Scheme, Sender};
use tradewind_dev::story::install::{RUNS, TENANT};
use tradewind_dev::story::{Stage, programs, quickstart, settle};

use crate::audit::{Offsets, writes_since};
use crate::world::{agents, difference, dump, settled, sql_of, tables};
use crate::{SOON, evidence, quickstart as chapter};

const REGIONS: [&str; 2] = ["eu-west", "us-east"];
/// The channel that a webhook is sent to.
const CHANNEL: &str = "aurora-instagram";

/// Rounds of the story, and kills in each: 20 values of k in all.
const ROUNDS: usize = 5;
const KILLS: usize = 4;

/// Shops as they were before anything was erased, so that each round finds the same rows.
pub(crate) async fn restore_shops(stage: &Stage, regions: &[&str]) {
    for region in regions {
        let access = &stage.info.databases[*region].access;
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ('orders', 'orders_seed')";
        access.query("postgres", end).await.unwrap();
        access
            .query("postgres", "DROP DATABASE IF EXISTS orders WITH (FORCE)")
            .await
            .unwrap();
        access
            .query("postgres", "CREATE DATABASE orders TEMPLATE orders_seed")
            .await
            .unwrap();
    }
}

/// Takes everything away, also what connectors kept: each round's webhook is the first.
async fn remove_everything(stage: &Stage) {
    take_away(stage).await;
    for region in REGIONS {
        let access = &stage.info.databases[region].access;
        let drop = "DROP SCHEMA IF EXISTS tradewind_connect CASCADE";
        access.query("inbox", drop).await.unwrap();
    }
}

async fn take_away(stage: &Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    hub.kubectl(&[
        "delete",
        "socialchannel",
        "-n",
        TENANT,
        "--all",
        "--timeout=300s",
    ])
    .await
    .unwrap();
    hub.kubectl(&["delete", "datapolicy", "--all", "--timeout=300s"])
        .await
        .unwrap();
    hub.kubectl(&["delete", "region", "--all", "--timeout=300s"])
        .await
        .unwrap();
}

/// One signed webhook in each region; it reaches the sink, whatever becomes of the operator.
async fn webhook(stage: &Stage, round: &str) {
    let secrets = &stage.info.platform_secrets["aurora-meta"];
    let path = format!("/webhooks/{TENANT}/{CHANNEL}");
    for region in REGIONS {
        let cluster = stage.fleet.cluster(region).unwrap();
        let targets: Vec<SocketAddr> = settle::until("a ready connector", SOON, || async {
            let found = quickstart::connector_addresses(&cluster, CHANNEL).await?;
            let found: Vec<SocketAddr> = found.iter().filter_map(|it| it.parse().ok()).collect();
            Ok(if found.is_empty() {
                Err("none is ready".to_owned())
            } else {
                Ok(found)
            })
        })
        .await
        .unwrap();
        let (_keep, targets) = watch::channel(targets);
        let sender = Sender::new(Scheme::Instagram, &secrets["app_secret"], &path, targets);
        let load = Load {
            count: 1,
            rate: 1,
            subjects: 1,
            repeat_every: 0,
            give_up_after: 60,
            run: format!("{round}-{region}"),
        };
        let sent = sender.unwrap().send(&load).await;
        assert_eq!((sent.acknowledged.len(), sent.given_up), (1, 0));
        settle::until("the webhook at the sink", SOON, || async {
            let record = std::fs::read_to_string(&stage.info.sink_record).unwrap();
            let there = record.contains(&sent.acknowledged[0].id);
            Ok(there.then_some(()).ok_or("it is not there".to_owned()))
        })
        .await
        .unwrap();
    }
}

/// The story that every round tells: apply, take a webhook, run feeds, preview, approve, erase.
async fn story(stage: &Stage, round: &str) {
    stage.apply_quickstart().await.unwrap();
    webhook(stage, round).await;
    chapter::run_feeds(stage, "feeds-kill").await;
    let hub = stage.fleet.cluster(HUB).unwrap();
    for (policy, _) in quickstart::POLICIES {
        let preview = quickstart::retention_run_as(&hub, policy, "preview", SOON)
            .await
            .unwrap();
        quickstart::approve(&hub, policy, &quickstart::previews(&preview))
            .await
            .unwrap();
        let done = quickstart::retention_run_as(&hub, policy, "erase", SOON)
            .await
            .unwrap();
        chapter::adds_up(&done);
    }
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
}

pub(crate) async fn killed_after_any_write_the_world_is_the_same(stage: &mut Stage) {
    remove_everything(stage).await;
    restore_shops(stage, &REGIONS).await;
    let offsets = Offsets::now(stage);
    story(stage, "undisturbed").await;
    let total = writes_since(stage, &offsets).len();
    let reference = settled(stage).await;
    assert!(
        total > 2 * ROUNDS * KILLS,
        "the story has only {total} writes"
    );
    let mut seen: Vec<usize> = Vec::new();
    for round in 0..ROUNDS {
        remove_everything(stage).await;
        restore_shops(stage, &REGIONS).await;
        // 20 values of k from the first write to the last; each round takes every fifth.
        let values: Vec<usize> = (0..KILLS)
            .map(|kill| 1 + (kill * ROUNDS + round) * (total - 1) / (ROUNDS * KILLS - 1))
            .collect();
        let name = format!("round-{round}");
        seen.extend(tell_with_kills(stage, &name, &values).await);
        settle::until(&format!("round {round}: the same world"), SOON, || async {
            let differs = difference(&reference, &dump(stage).await);
            Ok(if differs.is_empty() {
                Ok(())
            } else {
                Err(differs.join("\n"))
            })
        })
        .await
        .unwrap();
        evidence::each_chain_is_whole(stage).await;
    }
    assert_eq!(
        seen.len(),
        ROUNDS * KILLS,
        "the operator was killed after {seen:?} only"
    );
    eprintln!("{total} writes in the story; killed after write {seen:?}: the same world each time");
}

/// Tells the story while the operator is killed after each of these writes, or one soon after it, and started again at
/// once. A kill may spare later writes: what the story no longer reaches is killed at its end. After which they were in fact.
async fn tell_with_kills(stage: &mut Stage, round: &str, values: &[usize]) -> Vec<usize> {
    let mut offsets = Offsets::now(stage);
    let mut writes = 0;
    let mut operator = stage.operator.clone();
    let mut killed = Vec::new();
    {
        let telling = story(stage, round);
        tokio::pin!(telling);
        let mut told = false;
        while !told || killed.len() < values.len() {
            let next = values.get(killed.len()).copied();
            tokio::select! {
                () = &mut telling, if !told => told = true,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            writes += offsets.more_writes(stage);
            if next.is_some_and(|k| told || writes >= k) {
                operator.daemon.signal(Signal::SIGKILL).unwrap();
                operator.daemon.stop(Duration::ZERO).await.unwrap();
                writes += offsets.more_writes(stage);
                killed.push(writes);
                operator = programs::launch_operator(&stage.fleet, &stage.spec).unwrap();
            }
        }
    }
    stage.operator = operator;
    killed
}

/// The policies are new, and so are the rows; nothing of them was erased yet. What a preview of eu-customers found.
async fn previewed(stage: &Stage) -> BTreeMap<String, String> {
    let hub = stage.fleet.cluster(HUB).unwrap();
    hub.kubectl(&["delete", "datapolicy", "--all", "--timeout=300s"])
        .await
        .unwrap();
    restore_shops(stage, &REGIONS).await;
    stage.apply_quickstart().await.unwrap();
    let preview = quickstart::retention_run_as(&hub, "eu-customers", "preview-pod", SOON);
    quickstart::previews(&preview.await.unwrap())
}

/// A retention pod dies mid-run: the next one goes on with the same cut-off, the numbers add up, and the world is that of an
/// undisturbed run, in all clusters.
pub(crate) async fn a_killed_retention_pod_loses_nothing(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    let preview = previewed(stage).await;
    quickstart::approve(&hub, "eu-customers", &preview)
        .await
        .unwrap();
    let run = quickstart::retention_run_as(&hub, "eu-customers", "erase-pod", SOON);
    chapter::adds_up(&run.await.unwrap());
    let reference = settled(stage).await;
    let preview = previewed(stage).await;
    // Each delete waits a little, so that there is a middle to die in.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END$$; \
                CREATE TRIGGER slow AFTER DELETE ON messages FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    let access = stage.info.databases["eu-west"].access.clone();
    access.query("orders", slow).await.unwrap();
    quickstart::approve(&hub, "eu-customers", &preview)
        .await
        .unwrap();
    let before = messages(stage).await;
    let run = quickstart::retention_run_as(&hub, "eu-customers", "erase-pod", SOON);
    let kill = async {
        settle::until("rows are going", SOON, || async {
            let now = messages(stage).await;
            Ok(if now < before {
                Ok(())
            } else {
                Err(format!("{now} messages"))
            })
        })
        .await
        .unwrap();
        let pids = agents(&region, "retain");
        assert!(!pids.is_empty(), "no retention process is running");
        for pid in pids {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        access
            .query("orders", "DROP TRIGGER slow ON messages")
            .await
            .unwrap();
        messages(stage).await
    };
    let (done, left) = tokio::join!(run, kill);
    assert!(left > 0, "nothing was left to go on with");
    chapter::adds_up(&done.unwrap());
    settle::until("the same world", SOON, || async {
        let differs = difference(&reference, &dump(stage).await);
        Ok(differs.is_empty().then_some(()).ok_or(differs.join("\n")))
    })
    .await
    .unwrap();
    let pods = ["get", "pods", "-n", RUNS, "-o", "json"];
    let pods: Value = serde_json::from_str(&region.kubectl(&pods).await.unwrap()).unwrap();
    let killed = pods["items"].as_array().unwrap().iter().filter(|pod| {
        let code = "/status/containerStatuses/0/state/terminated/exitCode";
        pod.pointer(code).is_some_and(|code| code == 137)
    });
    assert_eq!(killed.count(), 1, "one pod was killed: {pods}");
}

async fn messages(stage: &Stage) -> i64 {
    let count = sql_of(stage, "eu-west", "SELECT count(*) FROM messages").await;
    count.trim().parse().unwrap()
}

/// A run's Job ends while nobody looks, and its pod is gone before its report was read: the ledger tells.
pub(crate) async fn a_report_lost_with_its_pod_is_read_back(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster("eu-west").unwrap();
    // The chapter before has erased.
    let reference = tables(stage, "eu-west").await;
    restore_shops(stage, &REGIONS).await;
    let entry = |policy: &Value| policy.pointer("/status/regions/0").unwrap().clone();
    let before = settle::get(&hub, "datapolicy", None, "eu-customers")
        .await
        .unwrap();
    let jobs = ["get", "jobs", "-n", RUNS, "-o", "json"];
    let known = names(&region.kubectl(&jobs).await.unwrap());
    stage.operator.daemon.signal(Signal::SIGKILL).unwrap();
    stage.operator.daemon.stop(Duration::ZERO).await.unwrap();
    // The schedule's own run, as it comes while the operator is away.
    let from = "--from=cronjob/eu-customers-retention";
    let create = ["create", "job", "-n", RUNS, "unseen", from];
    region.kubectl(&create).await.unwrap();
    let wait = [
        "wait",
        "job/unseen",
        "-n",
        RUNS,
        "--for=condition=complete",
        "--timeout=300s",
    ];
    region.kubectl(&wait).await.unwrap();
    let pods = ["delete", "pods", "-n", RUNS, "-l", "job-name=unseen"];
    region.kubectl(&pods).await.unwrap();
    stage.operator = programs::launch_operator(&stage.fleet, &stage.spec).unwrap();
    let told = settle::until("the ledger was read back", SOON, || async {
        let policy = settle::get(&hub, "datapolicy", None, "eu-customers")
            .await?
            .unwrap();
        let run = entry(&policy)["lastRun"].clone();
        let is_read = run["job"]
            .as_str()
            .is_some_and(|job| job.ends_with("-read-back"));
        Ok((is_read && run["reason"] == "Done")
            .then_some(policy)
            .ok_or(run.to_string()))
    })
    .await
    .unwrap();
    chapter::adds_up(&told);
    let (before, after) = (entry(&before.unwrap()), entry(&told));
    assert_eq!(
        after["totals"], before["totals"],
        "the same rows were due, and went: {after}"
    );
    let left = tables(stage, "eu-west").await;
    assert_eq!(reference, left, "the rows that are left");
    let now = names(&region.kubectl(&jobs).await.unwrap());
    let new: Vec<&String> = now.iter().filter(|name| !known.contains(name)).collect();
    assert_eq!(
        new.len(),
        2,
        "the unseen run and one that reads it back: {new:?}"
    );
}

fn names(list: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(list).unwrap();
    let name = |item: &Value| {
        item.pointer("/metadata/name")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    list["items"].as_array().unwrap().iter().map(name).collect()
}
