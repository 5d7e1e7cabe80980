//! Makes a connection: the client, who answers there, and whether it is the cluster that it was.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::probe::Failure;
use super::transport::Line;
use super::{Cause, Limits, Target, kubeconfig};

/// A connection whose other end is known.
pub(super) struct Connected {
    pub(super) line: Line,
    /// Dropping it ends every call of the connection.
    pub(super) alive: watch::Sender<()>,
    pub(super) probes: Client,
    pub(super) cluster_id: String,
    pub(super) version: String,
}

/// Connects. `proofs`: how often the cluster must answer in a row before it is believed.
pub(super) async fn connect(
    target: &Target,
    expected_id: Option<&str>,
    proofs: u32,
    limits: &Limits,
) -> Result<Connected, Failure> {
    let client = match target {
        Target::Local(client) => client.clone(),
        Target::Kubeconfig { bytes, .. } => remote(bytes)?,
        Target::Unusable(message) => {
            return Err(Failure::new(Cause::KubeconfigMissing, message.clone()));
        }
    };
    let (sender, alive) = watch::channel(());
    let line = Line {
        client,
        signals: Arc::default(),
        alive,
    };
    // Signals of their own: who probes knows already that a probe failed.
    let probes = Line {
        signals: Arc::default(),
        ..line.clone()
    }
    .probes(limits);
    let mut cluster_id = identify(&probes).await?;
    for _ in 1..proofs {
        sleep(limits.recheck_every).await;
        cluster_id = identify(&probes).await?;
    }
    check_identity(&cluster_id, expected_id)?;
    let version = probes
        .apiserver_version()
        .await
        .map_err(|error| Failure::of(&error))?;
    Ok(Connected {
        line,
        alive: sender,
        probes,
        cluster_id,
        version: version.git_version,
    })
}

fn remote(bytes: &[u8]) -> Result<Client, Failure> {
    let config = kubeconfig::parse(bytes)
        .map_err(|refused| Failure::new(Cause::KubeconfigRefused, refused.to_string()))?;
    // Everything in it was checked; what is left is the TLS library's opinion of it.
    Client::try_from(config).map_err(|_| {
        Failure::new(
            Cause::KubeconfigRefused,
            "the kubeconfig's certificates make no TLS connection: make them anew",
        )
    })
}

/// Reads the UID of `kube-system`. It is the probe too: the answer proves that the server is there, has its storage,
/// and knows and admits us.
pub(super) async fn identify(client: &Client) -> Result<String, Failure> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let kube_system = namespaces
        .get("kube-system")
        .await
        .map_err(|error| Failure::of(&error))?;
    kube_system.uid().ok_or_else(|| {
        Failure::new(
            Cause::ServerError,
            "the API server's kube-system namespace has no UID",
        )
    })
}

/// Refuses another cluster than before.
pub(super) fn check_identity(found: &str, expected: Option<&str>) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::new(
            Cause::IdentityChanged,
            format!(
                "this is another cluster: its kube-system namespace has the UID {found}, and it was {expected}. \
                 Point the kubeconfig at the former cluster, or delete the Region (deletionPolicy: Orphan if that \
                 cluster is gone) and make a new one"
            ),
        )),
        _ => Ok(()),
    }
}
