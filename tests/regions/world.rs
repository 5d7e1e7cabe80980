//! A fleet whose regions Tradewind reaches as a ServiceAccount with the chart's rules.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use sha2::{Digest as _, Sha256};
use tokio::time::{sleep, timeout};
use tradewind::clusters::{
    Cause, Clusters, Desired, Limits, Namespaces, RegionClient, Target, Wake, Wakes, kubeconfig,
};
use tradewind::metrics::Metrics;
use tradewind_dev::fleet::{Cluster, Fleet, HUB};

pub(crate) const SYSTEM: &str = "tradewind-system";
pub(crate) const ACCOUNT: &str = "tradewind";
pub(crate) const TENANT: &str = "aurora";
pub(crate) const RUNS: &str = "tradewind-runs";
pub(crate) const FLEET_ID: &str = "proof";
/// A region by kubeconfig; so is the next; the third is the hub itself.
pub(crate) const EU: &str = "eu-west";
pub(crate) const US: &str = "us-east";

pub(crate) struct World {
    members: BTreeMap<String, Cluster>,
    pub(crate) clusters: Clusters,
    pub(crate) wakes: Wakes,
    pub(crate) metrics: Metrics,
}

impl World {
    pub(crate) async fn new(fleet: &Fleet) -> Self {
        let mut members = BTreeMap::new();
        for cluster in fleet.clusters() {
            prepare(&cluster).await;
            members.insert(cluster.name().to_owned(), cluster);
        }
        let metrics = Metrics::new();
        let (clusters, wakes) = Clusters::new(FLEET_ID, Limits::default(), metrics.clone());
        Self {
            members,
            clusters,
            wakes,
            metrics,
        }
    }

    pub(crate) fn cluster(&self, name: &str) -> &Cluster {
        &self.members[name]
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Cluster> {
        self.members.values()
    }

    pub(crate) async fn ensure(&self, region: &str, expected_id: Option<&str>) {
        let target = target(self.cluster(region)).await;
        self.clusters.ensure(region, desired(target, expected_id));
    }

    pub(crate) async fn ready(&self, region: &str) -> RegionClient {
        self.until(region, 90, |state| state.is_none()).await;
        self.clusters.get(region).unwrap()
    }

    /// Waits until a region's cause (none: it is Ready) is as asked for; answers how long it took.
    pub(crate) async fn until(
        &self,
        region: &str,
        most: u64,
        is: impl Fn(Option<Cause>) -> bool,
    ) -> Duration {
        let begun = Instant::now();
        loop {
            let state = self.clusters.get(region);
            if is(state.as_ref().err().map(|unreachable| unreachable.cause)) {
                return begun.elapsed();
            }
            let state = state.err().map(|unreachable| unreachable.to_string());
            assert!(
                begun.elapsed() < Duration::from_secs(most),
                "{region} is {state:?} after {most} s"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything that is woken until nothing was for a second.
    pub(crate) async fn woken(&mut self) -> Vec<Wake> {
        let mut all = Vec::new();
        while let Ok(wake) = timeout(Duration::from_secs(1), self.wakes.next()).await {
            all.push(wake);
        }
        all
    }
}

pub(crate) fn desired(target: Target, expected_id: Option<&str>) -> Desired {
    Desired {
        target,
        namespaces: Namespaces {
            run: RUNS.into(),
            tenants: [TENANT.to_owned()].into(),
        },
        expected_id: expected_id.map(str::to_owned),
    }
}

/// The hub is reached as the cluster that Tradewind runs in, the others by kubeconfig.
pub(crate) async fn target(cluster: &Cluster) -> Target {
    if cluster.name() == HUB {
        return Target::Local(client(cluster).await);
    }
    let text = cluster
        .service_account_kubeconfig(SYSTEM, ACCOUNT)
        .await
        .unwrap();
    Target::Kubeconfig {
        hash: hex::encode(Sha256::digest(text.as_bytes())),
        bytes: Arc::from(text.into_bytes()),
    }
}

pub(crate) async fn client(cluster: &Cluster) -> Client {
    let text = cluster
        .service_account_kubeconfig(SYSTEM, ACCOUNT)
        .await
        .unwrap();
    let config = kubeconfig::parse(text.as_bytes()).unwrap();
    Client::try_from(config).unwrap()
}

async fn prepare(cluster: &Cluster) {
    for namespace in [SYSTEM, TENANT, RUNS] {
        cluster
            .kubectl(&["create", "namespace", namespace])
            .await
            .unwrap();
    }
    let bindings = [
        ("region", None),
        ("region-tenant", Some(TENANT)),
        ("region-runs", Some(RUNS)),
        ("hub-namespace", Some(SYSTEM)),
    ];
    let mut manifest = account();
    for (rules, namespace) in bindings {
        manifest.push_str(&role(rules));
        manifest.push_str(&binding(rules, namespace));
    }
    cluster
        .kubectl_with(&["apply", "-f", "-"], &manifest)
        .await
        .unwrap();
}

pub(crate) fn account() -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {ACCOUNT}, namespace: {SYSTEM}}}\n"
    )
}

/// The chart's own file, word for word.
fn role(rules: &str) -> String {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("charts/tradewind/rules/{rules}.yaml"));
    let text = std::fs::read_to_string(file).unwrap();
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: tradewind-{rules}}}\nrules:\n{text}"
    )
}

pub(crate) fn binding(rules: &str, namespace: Option<&str>) -> String {
    let (kind, place) = match namespace {
        Some(namespace) => ("RoleBinding", format!(", namespace: {namespace}")),
        None => ("ClusterRoleBinding", String::new()),
    };
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: tradewind-{rules}{place}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tradewind-{rules}}}\n\
         subjects: [{{kind: ServiceAccount, name: {ACCOUNT}, namespace: {SYSTEM}}}]\n"
    )
}
