//! Regions against servers that misbehave as no real one can be made to. Time is moved by hand.

mod calls;
mod held;
mod server;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::server::{Fault, NAMESPACES, Server, collection};
use super::transport::Ended;
use super::*;
use crate::api::names::{
    LABEL_FLEET, LABEL_KIND, LABEL_MANAGED_BY, LABEL_NAME, LABEL_NAMESPACE, MANAGED_BY,
};

fn deployments() -> String {
    collection("/apis/apps/v1", "aurora", "deployments")
}

fn config_maps() -> String {
    collection("/api/v1", "aurora", "configmaps")
}

fn object(kind: &str, api_version: &str, name: &str, channel: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {
            "name": name, "namespace": "aurora", "uid": name,
            "managedFields": [{"manager": "tradewind", "operation": "Apply"}],
            "labels": {
                LABEL_MANAGED_BY: MANAGED_BY, LABEL_FLEET: "test", LABEL_KIND: "SocialChannel",
                LABEL_NAMESPACE: "aurora", LABEL_NAME: channel,
            },
        },
    })
}

fn deployment(name: &str, channel: &str) -> Value {
    object("Deployment", "apps/v1", name, channel)
}

fn channel(name: &str) -> Identity {
    Identity {
        kind: OwnerKind::SocialChannel,
        namespace: Some("aurora".into()),
        name: name.into(),
    }
}

fn desired(server: &Server) -> Desired {
    Desired {
        target: Target::Local(server.client()),
        namespaces: Namespaces {
            run: "runs".into(),
            tenants: ["aurora".to_owned()].into(),
        },
        expected_id: None,
    }
}

fn clusters() -> (Clusters, Wakes) {
    Clusters::new("test", Limits::default(), Metrics::new())
}

/// Waits, at most so long, until something holds; answers how long it took.
async fn until(most: u64, holds: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(most),
            "not within {most} s"
        );
        sleep(Duration::from_millis(100)).await;
    }
    begun.elapsed()
}

async fn ready(clusters: &Clusters, region: &str) -> RegionClient {
    until(40, || clusters.get(region).is_ok()).await;
    clusters.get(region).unwrap()
}

fn cause(clusters: &Clusters, region: &str) -> Option<Cause> {
    clusters
        .get(region)
        .err()
        .map(|unreachable| unreachable.cause)
}

async fn drain(wakes: &mut Wakes) -> Vec<Wake> {
    let mut all = Vec::new();
    while let Ok(wake) = tokio::time::timeout(Duration::from_millis(50), wakes.next()).await {
        all.push(wake);
    }
    all
}
