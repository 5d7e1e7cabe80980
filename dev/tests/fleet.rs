//! The local clusters, for real: pods run, the rules hold, faults can be made, and nothing is left at the end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where its world is not as it should be"
)]

#[path = "fleet/access.rs"]
mod access;
#[path = "fleet/trace.rs"]
mod trace;
#[path = "fleet/workloads.rs"]
mod workloads;

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;
use tradewind_dev::{
    fleet::{Cluster, Fleet, FleetSpec, HUB},
    image,
    process::Daemon,
};

use crate::{
    access::{
        a_service_account_may_only_what_it_was_given, each_cluster_believes_its_own_authority,
    },
    trace::Trace,
    workloads::{
        a_deployment_is_reached_from_the_host, a_job_reads_from_the_host_and_reports,
        a_pod_with_rights_is_refused, answers, namespace,
    },
};

const NAMESPACE: &str = "proof";

/// Says how long a step took: shown with `--nocapture`, never judged.
async fn timed<T>(what: &str, step: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = step.await;
    eprintln!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
    done
}

async fn an_api_server_can_hang_and_stop_and_come_back(cluster: &Cluster) {
    let within = |timeout: &'static str| ["get", "namespace", NAMESPACE, timeout];
    cluster.freeze().unwrap();
    let hung = cluster.kubectl(&within("--request-timeout=2s")).await;
    cluster.thaw().unwrap();
    assert!(hung.is_err());
    // One that comes back has something to catch up with.
    let ask = within("--request-timeout=60s");
    cluster.kubectl(&ask).await.unwrap();
    cluster.stop_apiserver().await.unwrap();
    let refused = cluster.kubectl(&ask).await.unwrap_err().to_string();
    assert!(refused.contains("refused"), "{refused}");
    assert!(
        cluster.state().contains("not running: kube-apiserver"),
        "{}",
        cluster.state()
    );
    cluster.start_apiserver().await.unwrap();
    cluster.kubectl(&ask).await.unwrap();
}

/// Another fleet beside this one, found by name, has other numbers and may go without harm to it.
async fn another_fleet_beside_it_does_not_clash(fleet: &Fleet) {
    let spec = FleetSpec::for_test("beside", &["eu-west"]).without_nodes();
    let beside = timed("start API only beside it", Fleet::start(spec))
        .await
        .unwrap();
    let trace = Trace::of(&beside);
    let found = Fleet::attach(beside.name()).unwrap();
    assert_ne!(
        found.cluster("eu-west").unwrap().server(),
        fleet.cluster("eu-west").unwrap().server()
    );
    beside.stop().await.unwrap();
    trace.assert_gone();
    fleet
        .cluster("eu-west")
        .unwrap()
        .kubectl(&["get", "--raw", "/readyz"])
        .await
        .unwrap();
}

/// Nobody but the clusters' owner can load an image: their nodes' status says when it is there. Their pods are reached
/// through their API servers.
async fn existing_clusters_are_waited_for(fleet: &Fleet, guest: &Fleet) {
    let probe = Path::new(env!("CARGO_BIN_EXE_pod-probe"));
    let loaded_long_ago = timed("known image", guest.load_binary("probe", probe));
    tokio::time::timeout(Duration::from_mins(1), loaded_long_ago)
        .await
        .unwrap()
        .unwrap();
    let late = image::of_binary("probe-late", probe, guest.dir()).unwrap();
    let mut asked = Box::pin(guest.load_image(&late));
    let early = tokio::time::timeout(Duration::from_secs(4), &mut asked).await;
    assert!(early.is_err(), "it was not there, and not waited for");
    fleet.load_image(&late).await.unwrap();
    asked.await.unwrap();

    let region = guest.cluster("eu-west").unwrap();
    let way = region.forward(NAMESPACE, "deployment/serve", 8080).await;
    answers(&way.unwrap().address.to_string());
    let nowhere = region.forward(NAMESPACE, "deployment/nobody", 80).await;
    let said = nowhere.unwrap_err().to_string();
    assert!(said.contains("deployment/nobody"), "{said}");
    assert!(said.contains("not found"), "{said}");
}

/// The clusters of one fleet serve as the existing clusters of another, which must not end them.
async fn existing_clusters_are_used_and_left_alone(fleet: &Fleet) {
    let list: Vec<String> = fleet
        .clusters()
        .map(|cluster| {
            format!(
                "{}={}",
                cluster.name(),
                cluster.kubeconfig_admin().display()
            )
        })
        .collect();
    let name = format!("guest-{}", std::process::id());
    let dev = async |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
        command
            .args(args)
            .env("TRADEWIND_KUBECONFIGS", list.join(","));
        command.output().await.unwrap()
    };
    let started = dev(&["start", "--name", &name, "--regions", "eu-west"]).await;
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(started.status.success(), "{said}");
    assert!(said.contains("existing clusters eu-west, hub"), "{said}");
    let asked = dev(&[
        "kubectl", "--name", &name, "eu-west", "get", "nodes", "-o", "name",
    ])
    .await;
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "node/eu-west\n");
    let guest = Fleet::attach(&name).unwrap();
    timed(
        "images of existing clusters",
        existing_clusters_are_waited_for(fleet, &guest),
    )
    .await;
    let stopped = dev(&["down", "--name", &name]).await;
    assert!(stopped.status.success());
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(said.contains("stays there"), "{said}");
    assert!(fleet.clusters().all(|cluster| cluster.state() == "running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_run_rules_hold_and_nothing_is_left() {
    let spec = FleetSpec::for_test("fleet", &["eu-west"]);
    let fleet = Fleet::start(spec).await.unwrap();
    assert!(fleet.has_nodes(), "this test needs root: pods must run");
    let probe = Path::new(env!("CARGO_BIN_EXE_pod-probe"));
    let image = timed("load image", fleet.load_binary("probe", probe))
        .await
        .unwrap();
    for cluster in fleet.clusters() {
        namespace(&cluster).await;
        timed(
            "job",
            a_job_reads_from_the_host_and_reports(&cluster, &image),
        )
        .await;
    }
    let region = fleet.cluster("eu-west").unwrap();
    timed(
        "deployment",
        a_deployment_is_reached_from_the_host(&region, &image),
    )
    .await;
    a_pod_with_rights_is_refused(&region, &image).await;
    a_service_account_may_only_what_it_was_given(&region).await;
    each_cluster_believes_its_own_authority(&fleet.cluster(HUB).unwrap(), &region).await;
    timed(
        "faults",
        an_api_server_can_hang_and_stop_and_come_back(&region),
    )
    .await;
    tokio::join!(
        another_fleet_beside_it_does_not_clash(&fleet),
        existing_clusters_are_used_and_left_alone(&fleet),
    );

    let trace = Trace::of(&fleet);
    assert!(
        trace.saw_pods(),
        "the check for leftovers must see the pods while they run"
    );
    timed("stop", fleet.stop()).await.unwrap();
    trace.assert_gone();
}

/// Runs a command where no zone database is: a folder of nothing lies over the machine's, for it and its children alone.
const WITHOUT_ZONES: &str = r#"zones=/usr/share/zoneinfo
if [ -d "$zones" ]; then mount -t tmpfs tradewind "$zones" || exit; fi
exec "$@""#;

/// `dev start` of a fleet that ends with it.
fn owner_without_zones(name: &str, assets: &Path) -> tokio::process::Child {
    let dev = env!("CARGO_BIN_EXE_dev");
    Command::new("unshare")
        .args(["--mount", "sh", "-c", WITHOUT_ZONES, "without-zones", dev])
        .args(["start", "--foreground", "--name", name])
        .args(["--regions", "eu-west"])
        .env("KUBEBUILDER_ASSETS", assets)
        .env_remove("ZONEINFO")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A CronJob with a zone is taken, though neither the machine nor the environment of its API server knows any.
async fn every_time_zone_is_known(cluster: &Cluster) {
    let server = Daemon::named("kube-apiserver", cluster.dir());
    let root = format!("/proc/{}/root", server.identity().unwrap().pid);
    let seen = std::fs::read_dir(Path::new(&root).join("usr/share/zoneinfo"));
    assert_eq!(seen.into_iter().flatten().count(), 0, "there are zones");
    let job = |zone: &str| {
        serde_json::json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "zoned", "namespace": NAMESPACE},
            "spec": {"schedule": "0 4 * * *", "timeZone": zone, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}],
            }}}}},
        })
    };
    let file = cluster.dir().join("zoned.json");
    for (zone, known) in [("Asia/Tokyo", true), ("Asia/Nowhere", false)] {
        std::fs::write(&file, job(zone).to_string()).unwrap();
        let apply = ["apply", "--dry-run=server", "-f", file.to_str().unwrap()];
        let said = cluster.kubectl(&apply).await;
        assert_eq!(said.is_ok(), known, "{zone}: {said:?}");
    }
}

/// Our own API server and etcd stand in for those that `setup-envtest` brings.
#[tokio::test(flavor = "multi_thread")]
async fn given_assets_replace_the_api_server_and_a_killed_owner_leaves_nothing() {
    let assets = tempfile::tempdir().unwrap();
    let built = tradewind_dev::build::build(&[tradewind_dev::build::What::ControlPlane]).await;
    for program in ["etcd", "kube-apiserver"] {
        let link = assets.path().join(program);
        std::os::unix::fs::symlink(built.as_ref().unwrap().control_plane(), link).unwrap();
    }
    let name = format!("assets-{}", std::process::id());
    let mut owner = owner_without_zones(&name, assets.path());
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(owner.stdout.take().unwrap()));
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("stop it") {
                return;
            }
        }
        panic!("the fleet did not start");
    };
    tokio::time::timeout(Duration::from_mins(3), ready)
        .await
        .unwrap();
    let fleet = Fleet::attach(&name).unwrap();
    assert!(!fleet.has_nodes());
    let region = fleet.cluster("eu-west").unwrap();
    assert!(
        region
            .state()
            .ends_with("kube-controller-manager, kube-scheduler"),
        "{}",
        region.state()
    );
    region
        .kubectl(&["create", "namespace", NAMESPACE])
        .await
        .unwrap();
    every_time_zone_is_known(&region).await;

    let trace = Trace::of(&fleet);
    owner.kill().await.unwrap();
    let begun = Instant::now();
    while fleet.dir().exists() && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    trace.assert_gone();
}
