//! Images in existing clusters, whose nodes are not ours: kind and k3d have programs that load them; elsewhere
//! somebody else does it, and the nodes' own status says when it is done.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::process::Command;

use super::{Error, cluster::Cluster};
use crate::{image::Image, paths, progress::say};

/// Set to anything: the images are loaded, whatever the nodes' status says (it lists only the largest ones).
const LOADED: &str = "TRADEWIND_IMAGE_LOADED";
/// How long somebody may take to load it.
const WITHIN: Duration = Duration::from_mins(5);
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Has the image on every node that takes pods.
pub(super) async fn load(cluster: &Cluster, image: &Image) -> Result<(), Error> {
    if std::env::var_os(LOADED).is_some_and(|value| !value.is_empty()) {
        return Ok(());
    }
    let mut missing = lacking(cluster, image).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let context = cluster.kubectl(&["config", "current-context"]).await;
    let loader = Loader::of(context.unwrap_or_default().trim(), &image.archive);
    if let Some(loader) = &loader
        && let Some(program) = paths::program(loader.program)
        && loader.knows_cluster(&program).await
    {
        return loader.load(&program).await.map_err(|output| Error::Load {
            cluster: cluster.name().to_owned(),
            image: image.name.clone(),
            output,
        });
    }
    let how = loader.map_or_else(
        || "load it there, such as by `ctr --namespace k8s.io images import`".to_owned(),
        |loader| format!("run `{}`", loader.command()),
    );
    say(&format!(
        "cluster {}: the image {} is not on {}\n  its file is {}\n  {how}\n  \
         this goes on once the nodes' status lists it, which takes up to a minute; or run it again with `{LOADED}=1`",
        cluster.name(),
        image.name,
        missing.join(", "),
        image.archive.display()
    ));
    let end = Instant::now() + WITHIN;
    while !missing.is_empty() {
        if Instant::now() > end {
            return Err(Error::LoadYourself {
                cluster: cluster.name().to_owned(),
                image: image.name.clone(),
                archive: image.archive.clone(),
                how: format!("{how}, then run this again with `{LOADED}=1`"),
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        missing = lacking(cluster, image).await?;
    }
    Ok(())
}

/// The nodes that take pods and do not list the image.
async fn lacking(cluster: &Cluster, image: &Image) -> Result<Vec<String>, Error> {
    let text = cluster.kubectl(&["get", "nodes", "-o", "json"]).await?;
    let nodes: Value = serde_json::from_str(&text)
        .map_err(std::io::Error::from)
        .map_err(|source| cluster.file_error(source))?;
    without(&nodes, &image.name).ok_or_else(|| Error::NoNode {
        cluster: cluster.name().to_owned(),
    })
}

/// Of a list of nodes, those that take pods and lack an image; none when there is no node.
fn without(nodes: &Value, image: &str) -> Option<Vec<String>> {
    let nodes = nodes["items"]
        .as_array()
        .filter(|nodes| !nodes.is_empty())?;
    let list = |node: &Value, pointer: &str| {
        let found = node.pointer(pointer).and_then(Value::as_array);
        found.cloned().unwrap_or_default()
    };
    let takes_pods = |node: &&Value| {
        node.pointer("/spec/unschedulable") != Some(&Value::Bool(true))
            && !list(node, "/spec/taints")
                .iter()
                .any(|taint| taint["effect"] == "NoSchedule" || taint["effect"] == "NoExecute")
    };
    let has = |node: &&Value| {
        list(node, "/status/images")
            .iter()
            .flat_map(|one| list(one, "/names"))
            .any(|name| name.as_str().is_some_and(|name| short(name) == image))
    };
    let lacking = nodes.iter().filter(takes_pods).filter(|node| !has(node));
    Some(
        lacking
            .map(|node| node["metadata"]["name"].as_str().unwrap_or("?").to_owned())
            .collect(),
    )
}

/// A runtime gives a name without a registry one of these.
fn short(name: &str) -> &str {
    ["docker.io/library/", "localhost/"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

/// The program that made a cluster and loads images into it.
struct Loader {
    program: &'static str,
    cluster: String,
    /// Lists the clusters, one a line.
    list: &'static [&'static str],
    load: Vec<String>,
}

impl Loader {
    /// Known by the context's name, which the program has chosen.
    fn of(context: &str, archive: &Path) -> Option<Self> {
        let archive = archive.display().to_string();
        let (program, cluster) = context.split_once('-')?;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match program {
            "kind" => Some(Self {
                program: "kind",
                cluster: cluster.to_owned(),
                list: &["get", "clusters"],
                load: words(&["load", "image-archive", &archive, "--name", cluster]),
            }),
            "k3d" => Some(Self {
                program: "k3d",
                cluster: cluster.to_owned(),
                list: &["cluster", "list", "--no-headers"],
                load: words(&["image", "import", &archive, "--cluster", cluster]),
            }),
            _ => None,
        }
    }

    fn command(&self) -> String {
        format!("{} {}", self.program, self.load.join(" "))
    }

    /// A cluster of this name may be on another machine.
    async fn knows_cluster(&self, program: &Path) -> bool {
        let Ok(listed) = Command::new(program).args(self.list).output().await else {
            return false;
        };
        String::from_utf8_lossy(&listed.stdout)
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&self.cluster))
    }

    /// The error is what it said.
    async fn load(&self, program: &Path) -> Result<(), String> {
        let done = Command::new(program).args(&self.load).output().await;
        match done {
            Ok(done) if done.status.success() => {
                say(&format!("loaded by `{}`", self.command()));
                Ok(())
            }
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use serde_json::json;

    use super::*;

    fn node(name: &str, images: &[&str], taint: Option<&str>) -> Value {
        let taints: Vec<Value> = taint
            .iter()
            .map(|effect| json!({"key": "k", "effect": effect}))
            .collect();
        json!({
            "metadata": {"name": name},
            "spec": {"taints": taints},
            "status": {"images": [{"names": images, "sizeBytes": 1}]},
        })
    }

    #[test]
    fn only_nodes_that_take_pods_need_the_image() {
        let nodes = json!({"items": [
            node("bare", &["agent:dev-1"], None),
            node("containerd", &["docker.io/library/agent@sha256:0", "docker.io/library/agent:dev-1"], None),
            node("podman", &["localhost/agent:dev-1"], Some("PreferNoSchedule")),
            node("control-plane", &[], Some("NoSchedule")),
            node("older", &["docker.io/library/agent:dev-0"], None),
            node("others", &["docker.io/other/agent:dev-1"], None),
        ]});
        assert_eq!(without(&nodes, "agent:dev-1").unwrap(), ["older", "others"]);
        assert_eq!(without(&json!({"items": []}), "agent:dev-1"), None);
    }

    #[test]
    fn the_context_names_the_program_and_the_cluster() {
        let command =
            |context| Loader::of(context, Path::new("/a.tar")).map(|loader| loader.command());
        assert_eq!(
            command("kind-eu-west").unwrap(),
            "kind load image-archive /a.tar --name eu-west"
        );
        assert_eq!(
            command("k3d-hub").unwrap(),
            "k3d image import /a.tar --cluster hub"
        );
        assert_eq!(command("eu-west"), None);
        assert_eq!(command(""), None);
    }

    /// A stand-in: neither kind nor k3d is on the machines that run this.
    #[tokio::test]
    async fn a_program_loads_into_its_own_clusters_only() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("kind");
        let script = "#!/bin/sh\ncase $1 in get) echo hub; echo eu-west ;;\n\
                      load) [ \"$*\" = 'load image-archive /a.tar --name eu-west' ] || { echo no such image >&2; exit 1; } ;; esac\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let of = |context, archive| Loader::of(context, Path::new(archive)).unwrap();
        assert!(of("kind-eu-west", "/a.tar").knows_cluster(&program).await);
        assert!(!of("kind-west", "/a.tar").knows_cluster(&program).await);
        of("kind-eu-west", "/a.tar").load(&program).await.unwrap();
        let refused = of("kind-eu-west", "/b.tar").load(&program).await;
        assert_eq!(refused, Err("no such image".into()));
    }
}
