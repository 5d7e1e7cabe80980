//! Killed after the k-th write, started again: the same world.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audit::Mark;
use crate::given::{self, REGIONS, TENANT};
use crate::world::{World, condition, with_operator};

/// Kills, spread over all writes of the story.
const KILLS: usize = 20;

/// Everything that may not depend on when the operator was killed: no UIDs, times, versions.
async fn dump(world: &World) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for region in REGIONS {
        for (name, object) in world.objects(region).await {
            let mut spec = object["spec"].clone();
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
            let said = json!([
                object["metadata"]["labels"],
                object["metadata"]["annotations"],
                spec,
                object["data"]
            ]);
            all.insert(format!("{region} {name}"), said);
        }
    }
    for (kind, namespace) in [
        ("socialchannels", TENANT),
        ("datapolicies", ""),
        ("regions", ""),
    ] {
        let args = if namespace.is_empty() {
            vec![]
        } else {
            vec!["-n", namespace]
        };
        let args = [&["get", kind, "-o", "json"][..], &args].concat();
        let list: Value = serde_json::from_str(&world.hub().kubectl(&args).await.unwrap()).unwrap();
        for object in list["items"].as_array().unwrap() {
            let name = format!("{kind} {}", object["metadata"]["name"]);
            all.insert(name, said(object));
        }
    }
    all
}

/// What a resource says, but for what differs between two undisturbed runs.
fn said(object: &Value) -> Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let kinds = conditions
        .iter()
        .map(|c| c["type"].as_str().unwrap_or_default());
    let conditions: Vec<_> = kinds.map(|kind| (kind, condition(object, kind))).collect();
    let regions = object["status"]["regions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let regions: Vec<Value> = regions
        .iter()
        .map(|region| {
            let inventory = region["inventory"].as_array().cloned().unwrap_or_default();
            let inventory: Vec<_> = inventory
                .iter()
                .map(|e| json!([e["kind"], e["namespace"], e["name"]]))
                .collect();
            json!([region["name"], region["state"], region["reason"], inventory])
        })
        .collect();
    json!([
        object["metadata"]["finalizers"],
        object["spec"],
        conditions,
        regions
    ])
}

/// Waits for the `k`-th write since the mark, then kills. False when there were fewer and the world came to rest.
async fn kill_after(world: &mut World, mark: &Mark, k: usize) -> bool {
    let begun = Instant::now();
    let mut count = 0;
    let mut last = Instant::now();
    loop {
        let writes = mark.writes().len();
        if writes >= k {
            world.kill().await;
            return true;
        }
        if writes != count {
            (count, last) = (writes, Instant::now());
        }
        let rests =
            begun.elapsed() > Duration::from_secs(8) && last.elapsed() > Duration::from_secs(6);
        if rests {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn remove_all(world: &World) {
    let kinds = "socialchannels.tradewind.dev,datapolicies.tradewind.dev,regions.tradewind.dev";
    world
        .hub()
        .kubectl(&["delete", kinds, "--all", "-A", "--wait=false"])
        .await
        .unwrap();
}

#[test]
fn a_kill_after_any_write_ends_in_the_same_world() {
    with_operator(|mut world| async move {
        let mark = world.mark();
        world.converged().await;
        let made = mark.writes().len();
        let wanted = dump(&world).await;
        let mark = world.mark();
        remove_all(&world).await;
        world
            .until("everything goes", async || empty(&world).await)
            .await;
        let removed = mark.writes().len();
        eprintln!("the story has {made} writes to make everything and {removed} to take it away");

        let total = made + removed;
        for n in 0..KILLS {
            let k = 1 + n * (total - 1) / (KILLS - 1);
            if k <= made {
                killed_while_making(&mut world, k, &wanted).await;
            } else {
                killed_while_removing(&mut world, k - made).await;
            }
            remove_all(&world).await;
            world
                .until("everything goes", async || empty(&world).await)
                .await;
        }
    });
}

async fn empty(world: &World) -> Result<(), String> {
    let left = world.left().await;
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join(", "))
    }
}

async fn killed_while_making(world: &mut World, k: usize, wanted: &BTreeMap<String, Value>) {
    world.stop().await;
    world.apply(&given::all()).await;
    let mark = world.mark();
    world.launch().await;
    let killed = kill_after(world, &mark, k).await;
    eprintln!("killed after write {k} of making: {killed}");
    world.start().await;
    world.until_converged().await;
    let there = dump(world).await;
    for (name, object) in wanted {
        assert_eq!(
            there.get(name),
            Some(object),
            "after a kill at write {k}: {name}"
        );
    }
    assert_eq!(there.len(), wanted.len(), "after a kill at write {k}");
}

async fn killed_while_removing(world: &mut World, k: usize) {
    world.converged().await;
    let mark = world.mark();
    remove_all(world).await;
    let killed = kill_after(world, &mark, k).await;
    eprintln!("killed after write {k} of removing: {killed}");
    world.start().await;
    world
        .until("everything goes, after a kill", async || empty(world).await)
        .await;
}
