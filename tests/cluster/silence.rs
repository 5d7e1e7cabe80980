//! Whether something stands where nobody may read of a person: objects and events of API servers, what these keep on disk,
//! metrics, and the logs of the operator, of pods and of PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::Stage;
use tradewind_dev::story::install::{RUNS, TENANT};

/// What may be read with `kubectl get`: Secrets are for values, and are left out.
const OURS: &str = "regions.tradewind.dev,socialchannels.tradewind.dev,datapolicies.tradewind.dev,\
legalholds.tradewind.dev,datasubjectrequests.tradewind.dev,evidencerecords.tradewind.dev";
const THEIRS: &str = "namespaces,pods,jobs,cronjobs,deployments,configmaps,services,events,leases";

/// None of these texts, in large or small letters, is told anywhere. `keeps` are clusters whose own store has one rightly,
/// in a Secret. Answers what API servers, pods, the operator and its metrics told.
pub(crate) async fn told_nowhere(stage: &Stage, texts: &[&str], keeps: &[&str]) -> String {
    let told = told(stage).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    std::fs::write(&file, &told).unwrap();
    // A place, and a word that is in it: whoever finds that looks at the right one.
    let mut places: Vec<(PathBuf, &str)> = vec![(file, "tradewind_")];
    for cluster in stage.fleet.clusters() {
        let store = cluster.dir().join("etcd");
        if !keeps.contains(&cluster.name()) && store.exists() {
            places.push((store, "tradewind"));
        }
    }
    for database in stage.info.databases.values() {
        let data = database.access.query("postgres", "SHOW data_directory");
        let data = PathBuf::from(data.await.unwrap().trim());
        places.push((data.with_file_name("log"), "database system is ready"));
    }
    for (place, word) in &places {
        let at = place.display();
        assert!(!found(place, &[word]).is_empty(), "{at} has no {word}");
        let found = found(place, texts);
        assert!(found.is_empty(), "told in {at}: {found}");
    }
    told
}

/// Which of the texts stand in a file, or in any file of a folder: each with its file.
pub(crate) fn found(place: &Path, texts: &[&str]) -> String {
    let mut grep = Command::new("grep");
    grep.env("LC_ALL", "C").args(["-rHaoiF", "-m", "1"]);
    for text in texts {
        grep.args(["-e", text]);
    }
    let ran = grep.arg(place).output().unwrap();
    // 0: found; 1: not found. A file of a store may go while it is looked for.
    let code = ran.status.code();
    let said = String::from_utf8_lossy(&ran.stderr);
    let is_gone = said
        .lines()
        .all(|line| line.ends_with("No such file or directory"));
    assert!(matches!(code, Some(0 | 1)) || is_gone, "{code:?} {said}");
    let all = String::from_utf8_lossy(&ran.stdout);
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join("\n")
}

async fn told(stage: &Stage) -> String {
    let mut told = String::new();
    for cluster in stage.fleet.clusters() {
        let mut kinds = vec![THEIRS];
        kinds.extend((cluster.name() == HUB).then_some(OURS));
        let args = ["get", &kinds.join(","), "-A", "-o", "json"];
        told += &cluster.kubectl(&args).await.unwrap();
        if cluster.name() != HUB {
            for namespace in [RUNS, TENANT] {
                told += &logs(&cluster, namespace).await;
            }
        }
    }
    told += &std::fs::read_to_string(stage.fleet.dir().join("operator.log")).unwrap();
    let metrics = reqwest::get(format!("http://{}/metrics", stage.operator.address)).await;
    told + &metrics.unwrap().text().await.unwrap()
}

/// What the pods of a namespace logged.
async fn logs(region: &Cluster, namespace: &str) -> String {
    let args = ["get", "pods", "-n", namespace, "-o", "json"];
    let pods: Value = serde_json::from_str(&region.kubectl(&args).await.unwrap()).unwrap();
    let (mut all, mut spoke) = (String::new(), 0);
    for pod in pods["items"].as_array().unwrap() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        // One that has not begun has none, and one may go meanwhile.
        if let Ok(log) = region.kubectl(&["logs", name, "-n", namespace]).await {
            spoke += usize::from(!log.is_empty());
            all += &log;
        }
    }
    assert!(spoke > 0, "no pod of {namespace} logged anything");
    all
}
