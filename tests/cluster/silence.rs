//! Whether something stands where nobody may read of a person: objects of every kind and events of API servers, what these keep
//! on disk, their audit logs, metrics of the operator and of connectors, and the logs of the operator, of pods and of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};
use tradewind::contract::ADMIN_PORT;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::Stage;
use tradewind_dev::story::install::{RUNS, TENANT};

/// None of these texts, in large or small letters, is told anywhere. `keeps` are clusters whose own store has one rightly,
/// in a Secret. Answers what API servers, pods, the operator and metrics told.
pub(crate) async fn told_nowhere(stage: &Stage, texts: &[&str], keeps: &[&str]) -> String {
    let told = told(stage, keeps).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    std::fs::write(&file, &told).unwrap();
    // A place, and a word that is in it: whoever finds that looks at the right one.
    let mut places: Vec<(PathBuf, &str)> = vec![(file, "tradewind_")];
    for cluster in stage.fleet.clusters() {
        if cluster.audit_log().exists() {
            places.push((cluster.audit_log(), "tradewind"));
        }
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

async fn told(stage: &Stage, keeps: &[&str]) -> String {
    let mut told = String::new();
    for cluster in stage.fleet.clusters() {
        told += &objects(&cluster, keeps.contains(&cluster.name())).await;
        if cluster.name() != HUB {
            for namespace in [RUNS, TENANT] {
                told += &logs(&cluster, namespace).await;
            }
            told += &connectors(&cluster).await;
        }
    }
    told += &std::fs::read_to_string(stage.fleet.dir().join("operator.log")).unwrap();
    let metrics = reqwest::get(format!("http://{}/metrics", stage.operator.address)).await;
    told + &metrics.unwrap().text().await.unwrap()
}

/// Every object of every kind that an API server lists; of Secrets also what their values say, but where one has a text
/// rightly.
async fn objects(cluster: &Cluster, keeps: bool) -> String {
    let kinds = ["api-resources", "--verbs=list", "-o", "name"];
    let kinds = cluster.kubectl(&kinds).await.unwrap();
    let mut kinds: Vec<&str> = kinds.lines().collect();
    for kind in ["secrets", "events", "pods", "leases.coordination.k8s.io"] {
        assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
    }
    kinds.retain(|kind| !keeps || *kind != "secrets");
    let args = ["get", &kinds.join(","), "-A", "-o", "json"];
    let mut told = cluster.kubectl(&args).await.unwrap();
    let list: Value = serde_json::from_str(&told).unwrap();
    for object in list["items"].as_array().unwrap() {
        let data = object["data"].as_object();
        let is_secret = object["kind"] == "Secret";
        for value in data.filter(|_| is_secret).into_iter().flatten() {
            let value = BASE64_STANDARD.decode(value.1.as_str().unwrap());
            told += &String::from_utf8_lossy(&value.unwrap());
        }
    }
    told
}

/// What the pods of a namespace logged, each under a line with its component, `log of connector`.
async fn logs(region: &Cluster, namespace: &str) -> String {
    let (mut all, mut spoke) = (String::new(), 0);
    for pod in pods(region, namespace).await {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let component = &pod["metadata"]["labels"]["app.kubernetes.io/component"];
        // One that has not begun has none, and one may go meanwhile.
        if let Ok(log) = region.kubectl(&["logs", name, "-n", namespace]).await
            && !log.is_empty()
        {
            spoke += 1;
            let component = component.as_str().unwrap_or_default();
            all.extend(["log of ", component, "\n", &log, "\n"]);
        }
    }
    assert!(spoke > 0, "no pod of {namespace} logged anything");
    all
}

/// What the connectors of a region count.
pub(crate) async fn connectors(region: &Cluster) -> String {
    let client = reqwest::Client::builder().no_proxy();
    let client = client.timeout(Duration::from_secs(5)).build().unwrap();
    let (mut all, mut answered) = (String::new(), 0);
    for pod in pods(region, TENANT).await {
        let is_connector = pod["metadata"]["labels"]["app.kubernetes.io/component"] == "connector";
        let address = pod["status"]["podIP"].as_str().filter(|_| is_connector);
        let Some(address) = address else { continue };
        // One that begins or ends does not answer.
        let metrics = client.get(format!("http://{address}:{ADMIN_PORT}/metrics"));
        if let Ok(answer) = metrics.send().await {
            answered += 1;
            all += &answer.text().await.unwrap();
        }
    }
    assert!(answered > 0, "no connector tells what it counts");
    all
}

async fn pods(region: &Cluster, namespace: &str) -> Vec<Value> {
    let args = ["get", "pods", "-n", namespace, "-o", "json"];
    let mut pods: Value = serde_json::from_str(&region.kubectl(&args).await.unwrap()).unwrap();
    serde_json::from_value(pods["items"].take()).unwrap()
}

/// Reads along what the pods of requests log: they go with their Jobs, as soon as what they did is recorded.
pub(crate) struct Along {
    reading: JoinHandle<()>,
    logs: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Along {
    pub(crate) fn of(stage: &Stage) -> Self {
        let clusters = stage.fleet.clusters();
        let regions: Vec<Cluster> = clusters.filter(|one| one.name() != HUB).collect();
        let logs: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let kept = Arc::clone(&logs);
        let reading = tokio::spawn(async move {
            let (mut follows, mut known) = (JoinSet::new(), BTreeSet::new());
            loop {
                for region in &regions {
                    for name in asked(region).await {
                        if known.insert(name.clone()) {
                            follows.spawn(follow(region.clone(), name, Arc::clone(&kept)));
                        }
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Self { reading, logs }
    }

    /// What they logged, once the requests have ended; at least so many pods, and none of the texts. The last lines of a pod
    /// may come a little after its request's state.
    pub(crate) async fn told_nowhere(self, pods: usize, texts: &[&str]) {
        let spoke = || {
            let logs = self.logs.lock().unwrap();
            logs.values().filter(|log| !log.is_empty()).count()
        };
        for _ in 0..150 {
            if spoke() >= pods {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.reading.abort();
        let spoke = spoke();
        let logs = std::mem::take(&mut *self.logs.lock().unwrap());
        assert!(spoke >= pods, "read along: {:?}", logs.keys());
        for (pod, log) in &logs {
            let log = log.to_lowercase();
            for text in texts {
                assert!(
                    !log.contains(&text.to_lowercase()),
                    "{text} in {pod}: {log}"
                );
            }
        }
    }
}

/// Pods of requests that have begun.
async fn asked(region: &Cluster) -> Vec<String> {
    let mut all = pods(region, RUNS).await;
    all.retain(|pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/component"] == "request"
            && pod["status"]["phase"] != "Pending"
    });
    let names = all.iter().map(|pod| pod["metadata"]["name"].as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

/// To the pod's end.
async fn follow(region: Cluster, name: String, logs: Arc<Mutex<BTreeMap<String, String>>>) {
    let args = ["logs", "-f", &name, "-n", RUNS];
    // A kubelet that is not ready to tell yet is asked again.
    for _ in 0..5 {
        if let Ok(log) = region.kubectl(&args).await {
            logs.lock().unwrap().insert(name, log);
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
