//! One cluster's node: a containerd and a kubelet, in a mount namespace of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokio::{net::UnixStream, process::Command};

use super::{Error, cluster::Cluster, control_plane, pki::Pki, slot::Port};
use crate::{
    image::{self, Image},
    paths,
    process::{Daemon, Launch},
};

const CONTAINERD: &str = "containerd";
const KUBELET: &str = "kubelet";
/// Both.
pub(super) const COMPONENTS: [&str; 2] = [CONTAINERD, KUBELET];
const CONTAINERD_WITHIN: Duration = Duration::from_mins(3);
const NODE_WITHIN: Duration = Duration::from_mins(5);
/// What `statfs` says of an overlay: another cannot be put on top of it.
const OVERLAY: i64 = 0x794c_7630;

/// Starts containerd and gives it the image that every pod's sandbox runs.
pub(super) async fn start_containerd(cluster: &Cluster) -> Result<(), Error> {
    let node = dir(cluster);
    let programs = &cluster.record().programs;
    let pause = image::of_binary("tradewind-pause", &programs.join("pause"), cluster.dir())?;
    let config = cluster.dir().join("containerd.toml");
    let write = || -> io::Result<()> {
        for folder in ["lib/kubelet", "log", "cni"] {
            fs::create_dir_all(node.join(folder))?;
        }
        fs::write(
            node.join("resolv.conf"),
            "# no name server runs in a local cluster\n",
        )?;
        fs::write(node.join("cni/10-ptp.conflist"), network(cluster))?;
        fs::write(&config, containerd_config(cluster, &pause))
    };
    write().map_err(|source| cluster.file_error(source))?;
    let path = std::env::join_paths([programs.clone()].into_iter().chain(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    )))
    .map_err(|source| cluster.file_error(io::Error::other(source)))?;
    let launch = Launch::new(CONTAINERD, "unshare", cluster.dir())
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            include_str!("node.sh"),
            "node",
        ])
        .args([node.as_os_str(), programs.join("containerd").as_os_str()])
        .args(["--config".as_ref(), config.as_os_str()])
        .env("PATH", path)
        .env(super::MARK, &cluster.record().dir);
    let daemon = Daemon::start(&launch)?;
    daemon
        .ready(CONTAINERD_WITHIN, || async {
            let answer = UnixStream::connect(socket(cluster)).await;
            answer
                .map(drop)
                .map_err(|_| "its socket does not answer".to_owned())
        })
        .await?;
    load(cluster, &pause).await
}

/// Starts the kubelet and waits until its node takes pods.
pub(super) async fn start_kubelet(cluster: &Cluster) -> Result<(), Error> {
    let config = cluster.dir().join("kubelet-config.json");
    fs::write(&config, kubelet_config(cluster).to_string())
        .and_then(|()| make_cgroup(cluster))
        .map_err(|source| cluster.file_error(source))?;
    let Some(containerd) = cluster.daemon(CONTAINERD).identity() else {
        return Err(Error::NotRunning {
            cluster: cluster.name().to_owned(),
            component: CONTAINERD,
        });
    };
    let launch = Launch::new(KUBELET, "nsenter", cluster.dir())
        .args([format!("--mount=/proc/{}/ns/mnt", containerd.pid)])
        .args([
            cluster.record().programs.join("controlplane").as_os_str(),
            KUBELET.as_ref(),
        ])
        .args([
            format!("--config={}", config.display()),
            format!(
                "--kubeconfig={}",
                control_plane::kubeconfig_of(cluster, "kubelet").display()
            ),
            format!("--hostname-override={}", cluster.name()),
            format!("--node-ip={}", cluster.bind_address()),
            "--root-dir=/var/lib/kubelet".into(),
        ])
        .env(super::MARK, &cluster.record().dir);
    let api = control_plane::api(cluster)?;
    let daemon = Daemon::start(&launch)?;
    let ready = daemon.ready(NODE_WITHIN, || api.node_is_ready(cluster.name()));
    // The controllers take the new node's taint away.
    tokio::select! {
        ready = ready => Ok(ready?),
        ended = control_plane::ended(cluster) => Err(ended),
    }
}

/// Loads an image into the node.
pub(super) async fn load(cluster: &Cluster, image: &Image) -> Result<(), Error> {
    let output = Command::new(cluster.record().programs.join("ctr"))
        .arg("--address")
        .arg(socket(cluster))
        .args(["--namespace", "k8s.io", "image", "import"])
        .arg(&image.archive)
        .output()
        .await
        .map_err(|source| cluster.file_error(source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Load {
        cluster: cluster.name().to_owned(),
        image: image.name.clone(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn dir(cluster: &Cluster) -> PathBuf {
    cluster.dir().join("node")
}

fn socket(cluster: &Cluster) -> PathBuf {
    cluster.dir().join("containerd.sock")
}

pub(super) fn cgroup(cluster: &Cluster) -> String {
    format!("/{}/{}", cluster.record().slot.cgroup(), cluster.name())
}

/// The kubelet does not make its root cgroup: one in every hierarchy of version 1, or the one of version 2.
fn make_cgroup(cluster: &Cluster) -> io::Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let path = cgroup(cluster);
    let within =
        |hierarchy: &Path| fs::create_dir_all(hierarchy.join(path.trim_start_matches('/')));
    if root.join("cgroup.controllers").is_file() {
        return within(root);
    }
    for hierarchy in fs::read_dir(root)? {
        within(&hierarchy?.path())?;
    }
    Ok(())
}

/// overlayfs, except on top of another overlay (a container's own file system).
fn snapshotter(dir: &Path) -> &'static str {
    let kind = nix::sys::statfs::statfs(dir).map(|stat| stat.filesystem_type().0);
    if kind == Ok(OVERLAY) {
        "native"
    } else {
        "overlayfs"
    }
}

fn containerd_config(cluster: &Cluster, pause: &Image) -> String {
    let runc = paths::program("runc").unwrap_or_else(|| "runc".into());
    format!(
        r#"version = 3
# It would make a folder in /opt.
disabled_plugins = ["io.containerd.internal.v1.opt"]
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "{snapshotter}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "docker.io/library/{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  # Lowering a score needs a capability that not every machine gives its root.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{programs}"]
  conf_dir = "{node}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"#,
        socket = socket(cluster).display(),
        snapshotter = snapshotter(cluster.dir()),
        pause = pause.name,
        programs = cluster.record().programs.display(),
        node = dir(cluster).display(),
        runc = runc.display(),
    )
}

/// Without the route a pod reaches nothing.
fn network(cluster: &Cluster) -> String {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": cluster.pod_network() }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
    .to_string()
}

fn kubelet_config(cluster: &Cluster) -> serde_json::Value {
    let pki = Pki::at(cluster.dir());
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": cluster.bind_address(),
        "port": cluster.port(Port::Kubelet),
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": pki.certificate("ca") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki.certificate("kubelet-server"),
        "tlsPrivateKeyFile": pki.key("kubelet-server"),
        "containerRuntimeEndpoint": format!("unix://{}", socket(cluster).display()),
        "resolvConf": dir(cluster).join("resolv.conf"),
        // All pods of the fleet under one cgroup, where its end finds them: the kubelet sets the parent of its
        // pods' cgroups only when it keeps one per class of service.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup(cluster),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        "oomScoreAdj": 0,
        "maxPods": 220,
        // A full disk of the developer's machine is not the node's business.
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
    })
}
