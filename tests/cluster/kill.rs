//! SIGKILL at any write: the world is the same as if nothing had happened.

use std::time::Duration;

use nix::sys::signal::Signal;
use tradewind_dev::fleet::HUB;
use tradewind_dev::story::install::TENANT;
use tradewind_dev::story::{Stage, programs, quickstart, settle};

use crate::audit::{Offsets, writes_since};
use crate::world::{difference, dump, settled};
use crate::{SOON, quickstart as chapter};

/// Rounds of the story, and kills in each: 20 values of k in all.
const ROUNDS: usize = 5;
const KILLS: usize = 4;

/// The shop as it was before anything was erased, so that each round finds the same rows.
async fn restore_shops(stage: &Stage) {
    for region in ["eu-west", "us-east"] {
        let access = &stage.info.databases[region].access;
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

async fn remove_everything(stage: &Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    hub.kubectl(&[
        "delete",
        "socialchannel",
        "-n",
        TENANT,
        "--all",
        "--timeout=90s",
    ])
    .await
    .unwrap();
    hub.kubectl(&["delete", "datapolicy", "--all", "--timeout=90s"])
        .await
        .unwrap();
    hub.kubectl(&["delete", "region", "--all", "--timeout=90s"])
        .await
        .unwrap();
}

/// The story that every round tells: apply, run feeds, preview, approve, erase.
async fn story(stage: &Stage) {
    stage.apply_quickstart().await.unwrap();
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
    restore_shops(stage).await;
    let offsets = Offsets::now(stage);
    story(stage).await;
    let total = writes_since(stage, &offsets).len();
    let reference = settled(stage).await;
    assert!(
        total > 2 * ROUNDS * KILLS,
        "the story has only {total} writes"
    );
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        remove_everything(stage).await;
        restore_shops(stage).await;
        // 20 values of k over the first nine tenths of the story (a kill may spare later writes); each round takes every fifth.
        let values: Vec<usize> = (0..KILLS)
            .map(|kill| 1 + (kill * ROUNDS + round) * (total * 9 / 10 - 1) / (ROUNDS * KILLS))
            .collect();
        let killed = tell_with_kills(stage, &values).await;
        assert!(
            killed > 0,
            "round {round}: the story ended before its first kill"
        );
        seen.extend(values.into_iter().take(killed));
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
    }
    eprintln!("{total} writes in the story; killed after write {seen:?}: the same world each time");
}

/// Tells the story while the operator is killed after each of these writes and started again at once.
async fn tell_with_kills(stage: &mut Stage, values: &[usize]) -> usize {
    let offsets = Offsets::now(stage);
    let mut operator = stage.operator.clone();
    let mut killed = 0;
    {
        let telling = story(stage);
        tokio::pin!(telling);
        loop {
            let next = values.get(killed).copied();
            tokio::select! {
                () = &mut telling => break,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            if next.is_some_and(|k| writes_since(stage, &offsets).len() >= k) {
                operator.daemon.signal(Signal::SIGKILL).unwrap();
                operator.daemon.stop(Duration::ZERO).await.unwrap();
                operator = programs::launch_operator(&stage.fleet, &stage.spec).unwrap();
                killed += 1;
            }
        }
    }
    stage.operator = operator;
    killed
}
