//! 5,000 webhooks at 200 a second while connector pods die: the sink has all that was acknowledged, in order.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::sync::watch;
use tradewind_dev::fleet::Cluster;
use tradewind_dev::serve::platform::{Acknowledged, Load, Scheme, Sender};
use tradewind_dev::serve::sink::Taken;
use tradewind_dev::story::install::TENANT;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::silence::told_nowhere;
use crate::world::agents;

const CHANNEL: &str = "aurora-instagram";
const WEBHOOKS: u32 = 5_000;
const REPLICAS: usize = 2;
/// A replica has at most so many deliveries in flight: what may come twice when it dies.
const IN_FLIGHT: usize = 16;

pub(crate) async fn nothing_acknowledged_is_lost_when_connector_pods_die(stage: &mut Stage) {
    let region = stage.fleet.cluster("eu-west").unwrap();
    let (update, targets) = watch::channel(endpoints(&region).await);
    let secrets = &stage.info.platform_secrets["aurora-meta"];
    let path = format!("/webhooks/{TENANT}/{CHANNEL}");
    let sender = Sender::new(Scheme::Instagram, &secrets["app_secret"], &path, targets).unwrap();
    let load = Load {
        count: WEBHOOKS,
        rate: 200,
        subjects: 100,
        repeat_every: 7,
        give_up_after: 120,
        run: "load".into(),
    };
    let sending = tokio::spawn(async move { sender.send(&load).await });
    let following = {
        let region = region.clone();
        tokio::spawn(async move {
            loop {
                let found = endpoints(&region).await;
                update.send_if_modified(|known| {
                    let changed = !found.is_empty() && *known != found;
                    if changed {
                        known.clone_from(&found);
                    }
                    changed
                });
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        })
    };
    let before = pods(&region).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    // One dies in its pod, and the kubelet starts it again at the same address.
    let (victim, gone) = (&before[0], &before[1]);
    kill(&region, victim);
    settle::until("two connectors again", SOON, || async {
        let ready = endpoints(&region).await.len();
        Ok((ready == REPLICAS)
            .then_some(())
            .ok_or(format!("{ready} ready")))
    })
    .await
    .unwrap();
    // The other is taken away without a word to it, and its successor has another address.
    kill(&region, gone);
    let delete = [
        "delete",
        "pod",
        "-n",
        TENANT,
        &gone.name,
        "--grace-period=0",
        "--force",
    ];
    region.kubectl(&delete).await.unwrap();
    let sent = sending.await.unwrap();
    following.abort();
    assert_eq!((sent.acknowledged.len(), sent.given_up), (5_000, 0));
    assert!(
        sent.requests > u64::from(WEBHOOKS),
        "the platform repeated some"
    );

    let record = stage.info.sink_record.clone();
    let first = settle::until("all acknowledged webhooks at the sink", SOON, || async {
        let taken = taken(&std::fs::read_to_string(&record).unwrap());
        let missing = sent
            .acknowledged
            .iter()
            .filter(|one| !taken.contains_key(&one.id));
        Ok(match missing.count() {
            0 => Ok(taken),
            missing => Err(format!("{missing} of {WEBHOOKS} are missing")),
        })
    })
    .await
    .unwrap();
    in_order(&sent.acknowledged, &first);
    let repeated: usize = sent
        .acknowledged
        .iter()
        .map(|one| first[&one.id].times - 1)
        .sum();
    assert!(repeated <= 2 * IN_FLIGHT, "{repeated} came more than once");
    let after = pods(&region).await;
    let restarts = |pod: &Pod| {
        after
            .iter()
            .find(|one| one.uid == pod.uid)
            .map(|one| one.restarts)
    };
    assert_eq!(restarts(victim), Some(victim.restarts + 1), "{after:?}");
    assert_eq!(restarts(gone), None, "{after:?}");
    // Who wrote, and what, is for the sink alone.
    let persons = sent.acknowledged.iter().map(|one| one.person.as_str());
    let mut texts: Vec<&str> = persons.take(3).collect();
    texts.extend(["caf\u{e9} ", r"caf\u00e9 "]);
    told_nowhere(stage, &texts, &[]).await;
}

/// Where webhooks go now.
async fn endpoints(region: &Cluster) -> Vec<SocketAddr> {
    let found = quickstart::connector_addresses(region, CHANNEL)
        .await
        .unwrap();
    found
        .iter()
        .map(|address| address.parse().unwrap())
        .collect()
}

#[derive(Debug)]
struct Pod {
    name: String,
    uid: String,
    restarts: u64,
}

/// The channel's connector pods.
async fn pods(region: &Cluster) -> Vec<Pod> {
    let selector = format!("tradewind.dev/name={CHANNEL},app.kubernetes.io/component=connector");
    let list = ["get", "pods", "-n", TENANT, "-l", &selector, "-o", "json"];
    let list: Value = serde_json::from_str(&region.kubectl(&list).await.unwrap()).unwrap();
    let text = |pod: &Value, path: &str| pod.pointer(path).unwrap().as_str().unwrap().to_owned();
    let pods = list["items"].as_array().unwrap().iter().map(|pod| Pod {
        name: text(pod, "/metadata/name"),
        uid: text(pod, "/metadata/uid"),
        restarts: pod
            .pointer("/status/containerStatuses/0/restartCount")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
    });
    pods.collect()
}

/// SIGKILL to the pod's connector.
fn kill(region: &Cluster, pod: &Pod) {
    let of_pod = |pid: &i32| {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.contains(&pod.uid)
    };
    let pids: Vec<i32> = agents(region, "connect")
        .into_iter()
        .filter(of_pod)
        .collect();
    assert_eq!(pids.len(), 1, "connectors in {}: {pids:?}", pod.name);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pids[0]), Signal::SIGKILL).unwrap();
}

/// When the sink first took an event, and how often.
struct Arrival {
    first: usize,
    times: usize,
}

/// What the sink wrote down, by the platform's id of the event.
fn taken(record: &str) -> HashMap<String, Arrival> {
    let mut arrivals = HashMap::new();
    // The last line may be in the writing.
    for (place, line) in record
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .enumerate()
    {
        let taken: Taken = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(&taken.body).unwrap();
        let Some(id) = body
            .pointer("/data/event/message/mid")
            .and_then(Value::as_str)
        else {
            continue;
        };
        let arrival = Arrival {
            first: place,
            times: 0,
        };
        arrivals.entry(id.to_owned()).or_insert(arrival).times += 1;
    }
    arrivals
}

/// Each person's webhooks arrived in the order in which they were sent.
fn in_order(acknowledged: &[Acknowledged], arrivals: &HashMap<String, Arrival>) {
    let mut sorted = acknowledged.to_vec();
    sorted.sort();
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for one in &sorted {
        places
            .entry(&one.person)
            .or_default()
            .push(arrivals[&one.id].first);
    }
    for (person, places) in places {
        assert!(places.is_sorted(), "{person}: {places:?}");
    }
}
