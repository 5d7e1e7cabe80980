//! What is known of a region, and with which rights.

use std::fs;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tradewind::clusters::{Identity, NotKnown, OwnerKind, RegionClient, Wake};
use tradewind_dev::fleet::{Cluster, HUB};

use crate::world::{ACCOUNT, EU, FLEET_ID, RUNS, SYSTEM, TENANT, US, World, binding};

fn labels(name: &str) -> String {
    format!(
        "labels: {{app.kubernetes.io/managed-by: tradewind, tradewind.dev/fleet: {FLEET_ID}, tradewind.dev/kind: SocialChannel, \
         tradewind.dev/namespace: {TENANT}, tradewind.dev/name: {name}}}"
    )
}

fn task(name: &str, channel: &str) -> String {
    let labels = labels(channel);
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {TENANT}, {labels}}}\ndata: {{task.json: \"{{}}\"}}\n"
    )
}

fn owner(name: &str) -> Identity {
    Identity {
        kind: OwnerKind::SocialChannel,
        namespace: Some(TENANT.into()),
        name: name.into(),
    }
}

/// Makes a child as `apply` would, from outside.
pub(crate) async fn put_task(cluster: &Cluster, name: &str, channel: &str) {
    let manifest = task(name, channel);
    cluster
        .kubectl_with(&["apply", "-f", "-"], &manifest)
        .await
        .unwrap();
}

/// Waits until a region's cache holds a task; answers how long it took.
pub(crate) async fn sees_task(region: &RegionClient, name: &str) -> Duration {
    let begun = Instant::now();
    while !matches!(region.cached::<ConfigMap>(TENANT, name), Ok(Some(_))) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{name} is not seen"
        );
        sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

pub(crate) async fn a_region_is_known_with_no_more_rights_than_the_chart_gives(world: &mut World) {
    let eu = world.cluster(EU).clone();
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: keys, namespace: {TENANT}, {}}}\nstringData: {{token: canary}}\n",
        labels("insta")
    );
    let stranger = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: stranger, namespace: {TENANT}}}\n"
    );
    let manifest = task("before", "insta") + &secret + &stranger;
    eu.kubectl_with(&["apply", "-f", "-"], &manifest)
        .await
        .unwrap();

    for region in [EU, US, HUB] {
        world.ensure(region, None).await;
    }
    let region = world.ready(EU).await;
    world.ready(US).await;
    world.ready(HUB).await;
    let woken = world.woken().await;
    for name in [EU, US, HUB] {
        assert!(woken.contains(&Wake::Region(name.into())), "{woken:?}");
    }

    assert!(region.version().starts_with('v'), "{}", region.version());
    let id = eu
        .kubectl(&[
            "get",
            "namespace",
            "kube-system",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .await
        .unwrap();
    assert_eq!(region.cluster_id(), id);
    let before = region
        .cached::<ConfigMap>(TENANT, "before")
        .unwrap()
        .unwrap();
    assert!(before.data.is_some() && before.managed_fields().is_empty());
    assert_eq!(
        region.cached::<ConfigMap>(TENANT, "stranger").unwrap(),
        None
    );
    let keys = region
        .cached::<PartialObjectMeta<Secret>>(TENANT, "keys")
        .unwrap()
        .unwrap();
    assert!(
        !format!("{keys:?}").contains("Y2FuYXJ5"),
        "a value was read"
    );
    assert_eq!(region.all::<Deployment>(TENANT).unwrap().len(), 0);
    assert_eq!(region.all::<CronJob>(RUNS).unwrap().len(), 0);
    let secrets = region.all::<PartialObjectMeta<Secret>>(RUNS).unwrap_err();
    assert!(matches!(secrets, NotKnown::NotFollowed { .. }));
    assert!(region.namespaces().unwrap().contains(TENANT));

    put_task(&eu, "after", "insta").await;
    sees_task(&region, "after").await;
    let wake = Wake::Object {
        region: EU.into(),
        identity: owner("insta"),
    };
    assert_eq!(world.woken().await, std::slice::from_ref(&wake));
    eu.kubectl(&["delete", "configmap", "after", "-n", TENANT])
        .await
        .unwrap();
    assert_eq!(world.woken().await, [wake]);
    assert_eq!(region.cached::<ConfigMap>(TENANT, "after").unwrap(), None);
    let text = world.metrics.encode().unwrap();
    assert!(
        text.contains(r#"tradewind_region_connected{region="eu-west"} 1"#),
        "{text}"
    );
}

pub(crate) async fn a_missing_right_is_told_and_its_return_noticed(world: &mut World) {
    let us = world.cluster(US).clone();
    us.kubectl(&["create", "namespace", "boreas"])
        .await
        .unwrap();
    let mut more = crate::world::desired(crate::world::target(&us).await, None);
    more.namespaces.tenants.insert("boreas".into());
    world.clusters.ensure(US, more);
    world.ready(US).await;
    world.until(US, 60, |state| state.is_none()).await;
    let begun = Instant::now();
    loop {
        // The kubeconfig is a new one: the region connects anew meanwhile.
        let known = world
            .clusters
            .get(US)
            .ok()
            .map(|region| region.all::<ConfigMap>("boreas"));
        if let Some(Err(NotKnown::Forbidden { message, .. })) = &known {
            assert!(message.contains("boreas"), "{message}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{known:?}");
        sleep(Duration::from_millis(100)).await;
    }
    world.woken().await;
    let grant = binding("region-tenant", Some("boreas"));
    us.kubectl_with(&["apply", "-f", "-"], &grant)
        .await
        .unwrap();
    let begun = Instant::now();
    let region = world.ready(US).await;
    while region.all::<ConfigMap>("boreas").is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "the right is not noticed"
        );
        sleep(Duration::from_millis(100)).await;
    }
    assert!(world.woken().await.contains(&Wake::Region(US.into())));
    world.ensure(US, None).await;
    world.ready(US).await;
    world.woken().await;
}

/// All that was asked of the API servers was a right of the chart's, but for what the tests themselves took away.
pub(crate) fn the_audit_logs_show_nothing_but_what_was_allowed(world: &World) {
    let user = format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}");
    for cluster in world.members() {
        let mut seen = 0;
        let audit = fs::read_to_string(cluster.audit_log()).unwrap();
        for line in audit.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["user"]["username"] != user.as_str() {
                continue;
            }
            seen += 1;
            let object = &event["objectRef"];
            let agent = event["userAgent"].as_str().unwrap_or_default();
            assert!(agent.starts_with("tradewind/"), "{event}");
            let is_read = ["get", "list", "watch"].contains(&event["verb"].as_str().unwrap());
            assert!(is_read, "{event}");
            let is_forbidden = event["responseStatus"]["code"] == 403;
            assert!(!is_forbidden || object["namespace"] == "boreas", "{event}");
            let of_secrets = object["resource"] == "secrets";
            assert!(!of_secrets || object["namespace"] != RUNS, "{event}");
        }
        assert!(seen > 10, "{} saw nobody", cluster.name());
    }
}
