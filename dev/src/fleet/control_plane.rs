//! One cluster's etcd, API server, controller manager and scheduler.

use std::{fs, io, path::PathBuf, time::Duration};

use serde_json::json;

use super::{
    Error,
    api::Api,
    cluster::Cluster,
    kubeconfig::{self, Identity},
    pki::Pki,
    slot::Port,
};
use crate::{
    choice::Machinery,
    process::{Daemon, Launch},
};

/// Alone it takes 5 s; beside other clusters and a compiler on two cores, many times that.
const READY_WITHIN: Duration = Duration::from_mins(5);
/// How often what has started is looked at while something else is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The services' network: nothing routes it, as no proxy runs.
const SERVICES: &str = "10.0.0.0/24";

pub(super) const ETCD: &str = "etcd";
pub(super) const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
/// All of it.
pub(super) const COMPONENTS: [&str; 4] = [ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER];

/// Certificates, kubeconfigs and policy: everything that is a file before anything runs.
pub(super) fn prepare(cluster: &Cluster) -> Result<(), Error> {
    let pki = Pki::at(cluster.dir());
    fs::create_dir_all(cluster.dir()).map_err(|source| cluster.file_error(source))?;
    pki.create(&cluster.bind_address(), cluster.name())
        .map_err(|source| Error::Certificates {
            cluster: cluster.name().to_owned(),
            source,
        })?;
    let write = || -> io::Result<()> {
        let ca = fs::read(pki.certificate("ca"))?;
        for user in ["admin", "controller-manager", "scheduler", "kubelet"] {
            let certificate = fs::read(pki.certificate(user))?;
            let key = fs::read(pki.key(user))?;
            let identity = Identity::Certificate {
                certificate: &certificate,
                key: &key,
            };
            let made = kubeconfig::kubeconfig(cluster.name(), &cluster.server(), &ca, &identity);
            kubeconfig::write(&kubeconfig_of(cluster, user), &made)?;
        }
        // Who did what to which object, once it is done: what the tests read.
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "omitManagedFields": true,
            "rules": [
                { "level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"] },
                { "level": "Metadata" },
            ],
        });
        fs::write(cluster.dir().join("audit-policy.json"), policy.to_string())
    };
    write().map_err(|source| cluster.file_error(source))
}

pub(super) fn kubeconfig_of(cluster: &Cluster, user: &str) -> PathBuf {
    cluster.dir().join(format!("{user}.kubeconfig"))
}

/// Starts all of it, and waits until the API server is ready and the controllers have begun.
pub(super) async fn start(cluster: &Cluster) -> Result<(), Error> {
    Daemon::start(&etcd(cluster))?;
    start_api_server(cluster).await?;
    // `setup-envtest` brings only etcd and an API server: then there are no controllers.
    if !controller_manager(cluster).program.is_file() {
        return Ok(());
    }
    let manager = Daemon::start(&controller_manager(cluster))?;
    Daemon::start(&scheduler(cluster))?;
    let api = api(cluster)?;
    let begun = manager.ready(READY_WITHIN, || api.has_default_account());
    tokio::select! {
        begun = begun => Ok(begun?),
        ended = ended(cluster) => Err(ended),
    }
}

/// That all that was started here still runs.
pub(super) fn check(cluster: &Cluster) -> Result<(), Error> {
    COMPONENTS
        .iter()
        .map(|component| cluster.daemon(component))
        .filter(Daemon::was_started)
        .try_for_each(|daemon| Ok(daemon.check()?))
}

/// Returns when something of it has ended: what is waited for would never come.
pub(super) async fn ended(cluster: &Cluster) -> Error {
    loop {
        if let Err(ended) = check(cluster) {
            return ended;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Starts the API server, for the first time or again, and waits until it is ready.
pub(super) async fn start_api_server(cluster: &Cluster) -> Result<(), Error> {
    let api = api(cluster)?;
    let daemon = Daemon::start(&api_server(cluster))?;
    let ready = daemon.ready(READY_WITHIN, || api.is_ready()).await;
    // Without etcd an API server ends or waits: the cause is in etcd's log then.
    if ready.is_err() && cluster.daemon(ETCD).identity().is_none() {
        cluster
            .daemon(ETCD)
            .ready(Duration::ZERO, || async { Err("etcd".into()) })
            .await?;
    }
    Ok(ready?)
}

pub(super) fn api(cluster: &Cluster) -> Result<Api, Error> {
    Api::new(cluster.server(), &Pki::at(cluster.dir())).map_err(|source| cluster.file_error(source))
}

fn launch(cluster: &Cluster, part: &str) -> Launch {
    let record = cluster.record();
    let launch = match &record.machinery {
        Machinery::Assets(dir) => Launch::new(part, dir.join(part), cluster.dir()),
        Machinery::Built | Machinery::Existing(_) => {
            Launch::new(part, record.programs.join("controlplane"), cluster.dir()).args([part])
        }
    };
    // Small heaps that change all the time are collected half as often.
    launch.env(super::MARK, &record.dir).env("GOGC", "200")
}

fn etcd(cluster: &Cluster) -> Launch {
    let client = format!("http://127.0.0.1:{}", cluster.port(Port::Etcd));
    let peer = format!("http://127.0.0.1:{}", cluster.port(Port::EtcdPeer));
    launch(cluster, ETCD).args([
        "--name=etcd".into(),
        "--data-dir=etcd".into(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=etcd={peer}"),
        // The data is thrown away with the cluster: waiting for the disk buys nothing.
        "--unsafe-no-fsync=true".into(),
        "--log-level=warn".into(),
    ])
}

fn api_server(cluster: &Cluster) -> Launch {
    let pki = Pki::at(cluster.dir());
    let address = cluster.bind_address();
    let file = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
    launch(cluster, API_SERVER).args([
        format!(
            "--etcd-servers=http://127.0.0.1:{}",
            cluster.port(Port::Etcd)
        ),
        format!("--bind-address={address}"),
        format!("--advertise-address={address}"),
        format!("--secure-port={}", cluster.port(Port::ApiServer)),
        format!("--service-cluster-ip-range={SERVICES}"),
        file("tls-cert-file", pki.certificate("apiserver")),
        file("tls-private-key-file", pki.key("apiserver")),
        file("client-ca-file", pki.certificate("ca")),
        file(
            "service-account-key-file",
            pki.certificate("service-accounts"),
        ),
        file(
            "service-account-signing-key-file",
            pki.key("service-accounts"),
        ),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        file(
            "kubelet-client-certificate",
            pki.certificate("apiserver-kubelet"),
        ),
        file("kubelet-client-key", pki.key("apiserver-kubelet")),
        file("kubelet-certificate-authority", pki.certificate("ca")),
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        // No proxy runs, so the endpoints of the `kubernetes` service serve nobody.
        "--endpoint-reconciler-type=none".into(),
        file("audit-policy-file", cluster.dir().join("audit-policy.json")),
        file("audit-log-path", cluster.audit_log()),
        "--profiling=false".into(),
    ])
}

fn controller_manager(cluster: &Cluster) -> Launch {
    let pki = Pki::at(cluster.dir());
    let file = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
    launch(cluster, CONTROLLER_MANAGER).args([
        file("kubeconfig", kubeconfig_of(cluster, "controller-manager")),
        file("root-ca-file", pki.certificate("ca")),
        file(
            "service-account-private-key-file",
            pki.key("service-accounts"),
        ),
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        "--profiling=false".into(),
    ])
}

fn scheduler(cluster: &Cluster) -> Launch {
    launch(cluster, SCHEDULER).args([
        format!(
            "--kubeconfig={}",
            kubeconfig_of(cluster, "scheduler").display()
        ),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        "--profiling=false".into(),
    ])
}
