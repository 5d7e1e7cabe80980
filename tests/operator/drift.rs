//! What others do to our objects is undone by the watch alone; what others own is left alone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::given::{self, REGIONS, TENANT};
use crate::world::{World, condition, entry, with_operator};

const CONNECTOR: &str = "deployments.apps aurora/instagram-connector";

/// What somebody does with `kubectl` in eu-west.
const DEEDS: [&[&str]; 8] = [
    &["scale", "deployment", "instagram-connector", "--replicas=7"],
    &["delete", "configmap", "instagram-feed-full"],
    &["delete", "deployment", "instagram-connector"],
    &[
        "patch",
        "secret",
        "instagram-credentials",
        "-p",
        r#"{"stringData":{"app_secret":"stolen"}}"#,
    ],
    &[
        "label",
        "serviceaccount",
        "instagram-agent",
        "tradewind.dev/name-",
    ],
    &[
        "label",
        "service",
        "instagram-connector",
        "app.kubernetes.io/managed-by=Helm",
        "--overwrite",
    ],
    &[
        "patch",
        "service",
        "instagram-connector",
        "-p",
        r#"{"spec":{"selector":{"more":"x"}}}"#,
    ],
    &[
        "patch",
        "cronjob",
        "instagram-feed-full",
        "-p",
        r#"{"spec":{"schedule":"* * * * *","suspend":true}}"#,
    ],
];

/// What of an object is ours to say.
fn declared(objects: &std::collections::BTreeMap<String, Value>) -> Value {
    let parts = objects.iter().map(|(name, object)| {
        let mut spec = object["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            // Given anew when the object is made anew.
            for field in ["clusterIP", "clusterIPs"] {
                spec.remove(field);
            }
        }
        (
            name.clone(),
            json!([object["metadata"]["labels"], spec, object["data"]]),
        )
    });
    Value::Object(parts.collect())
}

#[test]
fn what_others_change_is_mended_by_watch() {
    with_operator(|world| async move {
        world.converged().await;
        let before = declared(&world.objects("eu-west").await);
        for deed in DEEDS {
            let args = [deed, &["-n", TENANT]].concat();
            world.cluster("eu-west").kubectl(&args).await.unwrap();
            world
                .until(&format!("{deed:?} is undone"), async || {
                    let now = declared(&world.objects("eu-west").await);
                    if now == before {
                        Ok(())
                    } else {
                        Err(different(&before, &now))
                    }
                })
                .await;
        }
        world.quiet().await;
    });
}

/// Waits until an object is there; answers its UID.
async fn there(world: &World, name: &str, but: &Value) -> Value {
    world
        .until(&format!("{name} is there"), async || {
            let objects = world.objects("eu-west").await;
            match objects.get(name).map(|o| o["metadata"]["uid"].clone()) {
                Some(uid) if uid != *but => Ok(uid),
                _ => Err("it is not".to_owned()),
            }
        })
        .await
}

#[test]
fn what_is_deleted_as_soon_as_it_was_made_comes_back() {
    with_operator(|world| async move {
        world.apply(&given::all()).await;
        let cluster = world.cluster("eu-west");
        for (kind, name, times) in [
            ("cronjobs.batch", "instagram-feed-full", 1),
            ("services", "instagram-connector", 2),
        ] {
            let object = format!("{kind} {TENANT}/{name}");
            let mut uid = there(&world, &object, &Value::Null).await;
            for _ in 0..times {
                tokio::time::sleep(Duration::from_secs(1)).await;
                cluster
                    .kubectl(&["delete", kind, name, "-n", TENANT])
                    .await
                    .unwrap();
                let begun = Instant::now();
                uid = there(&world, &object, &uid).await;
                let took = begun.elapsed();
                assert!(took < Duration::from_secs(60), "{object}: {took:?}");
            }
        }
        world.until_converged().await;
    });
}

fn different(before: &Value, now: &Value) -> String {
    let (before, now) = (before.as_object().unwrap(), now.as_object().unwrap());
    let names = before.keys().chain(now.keys());
    let names: std::collections::BTreeSet<_> =
        names.filter(|n| before.get(*n) != now.get(*n)).collect();
    format!("different: {names:?}")
}

#[test]
fn foreign_containers_ports_and_variables_are_taken_out() {
    with_operator(|world| async move {
        world.converged().await;
        let patch = json!([
            {"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "evil", "image": "evil"}},
            {"op": "add", "path": "/spec/template/spec/initContainers", "value": [{"name": "first", "image": "evil"}]},
            {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "LD_PRELOAD", "value": "x"}]},
            {"op": "add", "path": "/spec/template/spec/containers/0/ports/-", "value": {"containerPort": 22}},
        ]);
        let args = [
            "patch",
            "deployment",
            "instagram-connector",
            "-n",
            TENANT,
            "--type=json",
            "-p",
            &patch.to_string(),
        ];
        world.cluster("eu-west").kubectl(&args).await.unwrap();
        world
            .until("the foreign entries are gone", async || {
                let objects = world.objects("eu-west").await;
                let spec = &objects[CONNECTOR]["spec"]["template"]["spec"];
                let containers = spec["containers"].as_array().unwrap();
                let clean = containers.len() == 1
                    && spec["initContainers"].as_array().is_none_or(Vec::is_empty)
                    && containers[0]["env"].as_array().is_none_or(Vec::is_empty)
                    && containers[0]["ports"].as_array().unwrap().len() == 2;
                if clean { Ok(()) } else { Err(spec.to_string()) }
            })
            .await;
        world.quiet().await;
    });
}

#[test]
fn what_others_add_beside_our_fields_stays() {
    with_operator(|world| async move {
        world.converged().await;
        let cluster = world.cluster("eu-west");
        let annotate = [
            "annotate",
            "deployment",
            "instagram-connector",
            "-n",
            TENANT,
            "team=shop",
        ];
        cluster.kubectl(&annotate).await.unwrap();
        let mark = world.mark();
        cluster
            .kubectl(&[
                "rollout",
                "restart",
                "deployment/instagram-connector",
                "-n",
                TENANT,
            ])
            .await
            .unwrap();
        world.quiet().await;
        let children = mark.writes().into_iter().filter(|r| r.cluster == "eu-west");
        assert_eq!(children.collect::<Vec<_>>(), [], "nothing of ours changed");
        let deployment = world.objects("eu-west").await[CONNECTOR].clone();
        assert_eq!(deployment["metadata"]["annotations"]["team"], "shop");
    });
}

#[test]
fn a_strangers_object_is_named_and_left_alone() {
    with_operator(|world| async move {
        let cluster = world.cluster("eu-west");
        let make = [
            "create",
            "configmap",
            "instagram-connector",
            "-n",
            TENANT,
            "--from-literal=theirs=yes",
        ];
        cluster.kubectl(&make).await.unwrap();
        world.apply(&given::all()).await;
        world
            .until("the conflict is said", async || {
                let channel = world.channel("instagram").await;
                let said = entry(&channel, "eu-west").to_string() + &condition(&channel, "Ready").2;
                let named = said.contains("ConfigMap aurora/instagram-connector");
                if said.contains("Conflict") && named {
                    Ok(())
                } else {
                    Err(said)
                }
            })
            .await;
        world
            .until_children("us-east", &given::children("us-east"))
            .await;
        world.quiet().await;
        let theirs = world
            .get(&cluster, "configmap", TENANT, "instagram-connector")
            .await
            .unwrap();
        assert_eq!(theirs["data"], json!({"theirs": "yes"}), "not taken over");
        assert_eq!(theirs["metadata"]["labels"], Value::Null, "not taken over");
        let there = world.children("eu-west").await;
        assert!(
            !there.contains(&CONNECTOR.to_owned()),
            "no pod starts with a stranger's task"
        );
        assert!(
            there.contains(&"cronjobs.batch aurora/instagram-feed-full".to_owned()),
            "the feeds go on"
        );

        cluster
            .kubectl(&["delete", "configmap", "instagram-connector", "-n", TENANT])
            .await
            .unwrap();
        let now = [
            "annotate",
            "socialchannel",
            "-n",
            TENANT,
            "instagram",
            "tradewind.dev/reconcile-at=now",
        ];
        world.hub().kubectl(&now).await.unwrap();
        world.until_converged().await;
        let channel = world.channel("instagram").await;
        assert_eq!(channel["status"]["lastHandledReconcileAt"], "now");
        assert!(
            !channel["status"].to_string().contains("Conflict"),
            "{channel:#}"
        );
    });
}

#[test]
fn what_was_made_before_is_known_again_without_status() {
    with_operator(|mut world| async move {
        world.converged().await;
        world.stop().await;
        // As after a restore of the hub: same resources, new UIDs, no status.
        let hub = world.hub();
        for (kind, name) in [("socialchannel", "instagram"), ("socialchannel", "partner")] {
            let bare = [
                "patch",
                kind,
                name,
                "-n",
                TENANT,
                "--type=merge",
                "-p",
                r#"{"metadata":{"finalizers":null}}"#,
            ];
            hub.kubectl(&bare).await.unwrap();
            hub.kubectl(&["delete", kind, name, "-n", TENANT])
                .await
                .unwrap();
        }
        let uids = |objects: &std::collections::BTreeMap<String, Value>| -> Vec<Value> {
            objects
                .values()
                .map(|o| o["metadata"]["uid"].clone())
                .collect()
        };
        let mut before = Vec::new();
        for region in REGIONS {
            before.push(uids(&world.objects(region).await));
        }
        world.apply(&[given::instagram(), given::partner()]).await;
        let mark = world.mark();
        world.start().await;
        world.until_converged().await;
        assert_eq!(mark.writes_of_children(), [], "adopted, not written");
        for (region, before) in REGIONS.iter().zip(before) {
            assert_eq!(uids(&world.objects(region).await), before);
        }
        let inventory = entry(&world.channel("partner").await, "eu-west")["inventory"].clone();
        assert_eq!(inventory.as_array().unwrap().len(), 6, "{inventory}");
    });
}
