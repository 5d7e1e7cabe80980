//! What a kubelet does for a pod of the agent: its volumes as files, and its container's arguments. No node runs here, so
//! the real agent is given what the operator really made: a Secret, a key or a path that does not meet the task fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;
use tradewind::contract::{Outcome, TASK_PATH};
use tradewind_dev::fleet::Cluster;

use crate::given::RUNS;
use crate::world::World;

/// Most bytes that a kubelet reads of a report.
const MOST: usize = 4096;

/// The pod of a Job or a Deployment, ready to run.
pub(crate) struct Pod {
    folder: TempDir,
    args: Vec<String>,
}

/// What a pod said.
pub(crate) struct Ended {
    pub(crate) report: Value,
    pub(crate) log: String,
}

impl Pod {
    /// With the files that its volumes have in the region.
    pub(crate) async fn of(world: &World, region: &str, owner: &Value) -> Self {
        let cluster = world.cluster(region);
        let namespace = owner["metadata"]["namespace"].as_str().unwrap();
        let pod = &owner["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let folder = tempfile::tempdir().unwrap();
        let mut mounts = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let volumes = list(&pod["volumes"]).iter();
            let mut named = volumes.filter(|volume| volume["name"] == mount["name"]);
            let volume = named.next().expect("a volume for each mount");
            let path = mount["mountPath"].as_str().unwrap();
            let place = inside(folder.path(), path);
            std::fs::create_dir_all(&place).unwrap();
            for (name, bytes) in files(world, (&cluster, namespace), volume).await {
                std::fs::write(place.join(name), bytes).unwrap();
            }
            mounts.push(path.to_owned());
        }
        let moved = |text: &str| {
            let mut mounts = mounts.iter();
            let is_there = mounts.any(|mount| Path::new(text).starts_with(mount));
            is_there.then(|| inside(folder.path(), text).to_str().unwrap().to_owned())
        };
        let task = inside(folder.path(), TASK_PATH);
        let text = std::fs::read_to_string(&task).expect("a task in the pod");
        let mut told: Value = serde_json::from_str(&text).unwrap();
        each_text(&mut told, &moved);
        std::fs::write(&task, told.to_string()).unwrap();
        let args = list(&container["args"]).iter();
        let args = args.map(|arg| arg.as_str().unwrap());
        let mut args: Vec<String> = args
            .map(|arg| moved(arg).unwrap_or_else(|| arg.to_owned()))
            .collect();
        if pod["automountServiceAccountToken"] == true {
            let account = pod["serviceAccountName"].as_str().unwrap();
            let place = folder.path().join("serviceaccount");
            credentials(&cluster, account, &place).await;
            args.extend(["--credentials", place.to_str().unwrap()].map(str::to_owned));
        }
        Self { folder, args }
    }

    /// The agent as the container has it, with more flags.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"));
        command.args(&self.args).args(more).stdin(Stdio::null());
        command.arg("--report-path").arg(self.report());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, more: &[&str]) -> Ended {
        let output = self.command(more).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = std::fs::read_to_string(self.report());
        let text = text.unwrap_or_else(|error| panic!("{error}: {log}"));
        assert!(text.len() <= MOST, "a kubelet would cut off: {text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        let outcome: Outcome = serde_json::from_value(report["outcome"].clone()).unwrap();
        let code = Some(i32::from(outcome.exit_code()));
        assert_eq!(output.status.code(), code, "{log}");
        Ended { report, log }
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }

    /// A place of its own for what the test writes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The files of a ServiceAccount of the runs' namespace, as Kubernetes mounts them.
pub(crate) async fn credentials(cluster: &Cluster, account: &str, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let token = ["create", "token", account, "-n", RUNS];
    std::fs::write(folder.join("token"), cluster.kubectl(&token).await.unwrap()).unwrap();
    std::fs::write(folder.join("namespace"), RUNS).unwrap();
    let root = ["get", "configmap", "kube-root-ca.crt", "-n", RUNS];
    let root = [&root[..], &["-o", "json"]].concat();
    let root: Value = serde_json::from_str(&cluster.kubectl(&root).await.unwrap()).unwrap();
    let root = root["data"]["ca.crt"].as_str().unwrap();
    std::fs::write(folder.join("ca.crt"), root).unwrap();
}

/// An absolute path of the pod, in its folder here.
fn inside(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Each text of a task may be a path.
fn each_text(value: &mut Value, moved: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(path) = moved(text) {
                *text = path;
            }
        }
        Value::Array(members) => members
            .iter_mut()
            .for_each(|member| each_text(member, moved)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| each_text(member, moved)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A volume's files. What must be there and isn't would keep the pod waiting.
async fn files(world: &World, at: (&Cluster, &str), volume: &Value) -> Vec<(String, Vec<u8>)> {
    let (map, secret) = (&volume["configMap"], &volume["secret"]);
    if volume["emptyDir"].is_object() {
        return Vec::new();
    }
    if map.is_object() {
        return keys(world, at, ("configmap", &map["name"]), map).await;
    }
    if secret.is_object() {
        return keys(world, at, ("secret", &secret["secretName"]), secret).await;
    }
    let mut all = Vec::new();
    for source in list(&volume["projected"]["sources"]) {
        let secret = &source["secret"];
        assert!(secret.is_object(), "an unknown source: {source}");
        all.extend(keys(world, at, ("secret", &secret["name"]), secret).await);
    }
    assert!(!all.is_empty(), "an unknown volume: {volume}");
    all
}

async fn keys(
    world: &World,
    (cluster, namespace): (&Cluster, &str),
    (kind, name): (&str, &Value),
    wanted: &Value,
) -> Vec<(String, Vec<u8>)> {
    let name = name.as_str().unwrap();
    let object = world.get(cluster, kind, namespace, name).await;
    let object = object.unwrap_or_default();
    let mut found = Vec::new();
    for item in list(&wanted["items"]) {
        let key = item["key"].as_str().unwrap();
        let text = object["data"][key].as_str();
        if text.is_none() && wanted["optional"] == true {
            continue;
        }
        let text = text.unwrap_or_else(|| panic!("{kind} {namespace}/{name} has no key {key}"));
        let bytes = match kind {
            "secret" => STANDARD.decode(text).unwrap(),
            _ => text.as_bytes().to_vec(),
        };
        found.push((item["path"].as_str().unwrap().to_owned(), bytes));
    }
    found
}
