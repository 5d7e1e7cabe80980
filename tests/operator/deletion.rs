//! Deleting anything in any order leaves nothing behind, or waits and says for what.

use std::time::Duration;

use serde_json::json;
use tradewind_dev::story::install;

use crate::given::{self, REGIONS, RUNS, TENANT};
use crate::world::{World, condition, entry, with_operator};

pub(crate) async fn delete(world: &World, kind: &str, name: &str) {
    on_hub(world, &["delete", kind, name, "--wait=false"]).await;
}

/// From now on its deletion leaves what runs.
async fn orphan(world: &World, kind: &str, name: &str) {
    let spec = r#"{"spec":{"deletionPolicy":"Orphan"}}"#;
    on_hub(world, &["patch", kind, name, "--type=merge", "-p", spec]).await;
}

async fn on_hub(world: &World, args: &[&str]) {
    let place: &[&str] = match args[1] {
        "socialchannel" => &["-n", TENANT],
        _ => &[],
    };
    let args = [args, place].concat();
    world.hub().kubectl(&args).await.unwrap();
}

pub(crate) async fn nothing_left(world: &World) {
    world
        .until("nothing is left", async || {
            let left = world.left().await;
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.join(", "))
            }
        })
        .await;
}

#[test]
fn every_order_of_deletion_leaves_nothing() {
    with_operator(|world| async move {
        let kinds = ["socialchannel", "datapolicy", "region"];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            world.converged().await;
            for kind in order {
                let names = match kinds[kind] {
                    "socialchannel" => vec!["instagram".to_owned(), "partner".to_owned()],
                    "datapolicy" => REGIONS.map(|r| format!("{r}-customers")).to_vec(),
                    _ => REGIONS.map(str::to_owned).to_vec(),
                };
                for name in names {
                    delete(&world, kinds[kind], &name).await;
                }
            }
            nothing_left(&world).await;
        }
    });
}

#[test]
fn a_region_waits_for_what_is_in_it_and_says_so() {
    with_operator(|world| async move {
        world.converged().await;
        let hub = world.hub();
        let secret = install::kubeconfig_secret("eu-west");
        hub.kubectl(&["delete", "secret", &secret, "-n", install::SYSTEM])
            .await
            .unwrap();
        world
            .until("the Region says that its kubeconfig is gone", async || {
                let said = condition(&world.region("eu-west").await, "Reachable");
                if said.1 == "KubeconfigMissing" {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        delete(&world, "region", "eu-west").await;
        world
            .until("the Region says what it can no longer clean", async || {
                let said = condition(&world.region("eu-west").await, "Deleting");
                let all =
                    said.2.contains("aurora/instagram") && said.2.contains("eu-west-customers");
                if said.0 == "True" && all {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world.quiet().await;
        assert_eq!(
            world.children("eu-west").await,
            given::children("eu-west"),
            "nothing is touched meanwhile"
        );

        world.give_kubeconfig("eu-west").await;
        world
            .until("the Region goes", async || {
                let region = world.region("eu-west").await;
                if region.is_null() {
                    Ok(())
                } else {
                    Err(format!("{:?}", condition(&region, "Deleting")))
                }
            })
            .await;
        assert_eq!(world.children("eu-west").await, Vec::<String>::new());
        world
            .until_children("us-east", &given::children("us-east"))
            .await;
    });
}

#[test]
fn orphans_are_left_and_forgotten() {
    with_operator(|world| async move {
        world.converged().await;
        let hub = world.hub();
        orphan(&world, "socialchannel", "partner").await;
        world.quiet().await;
        delete(&world, "socialchannel", "partner").await;
        world
            .until("the channel goes", async || {
                let left = world.channel("partner").await;
                if left.is_null() {
                    Ok(())
                } else {
                    Err(left["status"].to_string())
                }
            })
            .await;
        assert_eq!(
            world.children("eu-west").await,
            given::children("eu-west"),
            "what ran stays"
        );
        assert!(world.is_running());
        let ours = "involvedObject.name=partner,reason=Orphaned";
        let args = [
            "get",
            "events",
            "-n",
            TENANT,
            "-o",
            "json",
            "--field-selector",
            ours,
        ];
        let said = world
            .until("an Event says what is left", async || {
                let text = hub.kubectl(&args).await.unwrap();
                let list: serde_json::Value = serde_json::from_str(&text).unwrap();
                match list["items"].as_array().unwrap().as_slice() {
                    [one] => Ok(one["message"].to_string()),
                    other => Err(format!("{} Events", other.len())),
                }
            })
            .await;
        let named = "eu-west: ConfigMap aurora/partner-connector, ConfigMap aurora/partner-connector-holds,";
        assert!(said.contains(named), "{said}");
        let log = world.log();
        let lines = log.lines().filter(|line| line.contains("orphaned"));
        let lines: Vec<_> = lines
            .filter(|line| line.contains("aurora/partner"))
            .collect();
        assert_eq!(lines.len(), 1, "{lines:?}");

        // The same resource again is the same identity: what is there is its own.
        let mark = world.mark();
        world.apply(&[given::partner()]).await;
        world.until_converged().await;
        assert_eq!(mark.writes_of_children(), []);
    });
}

#[test]
fn an_orphaned_policys_schedule_is_left_and_known_again() {
    with_operator(|world| async move {
        world.converged().await;
        let hub = world.hub();
        let name = "us-east-customers";
        orphan(&world, "datapolicy", name).await;
        world.quiet().await;
        delete(&world, "datapolicy", name).await;
        world
            .until("the policy goes", async || {
                let left = world.get(&hub, "datapolicy", "", name).await;
                left.map_or(Ok(()), |left| Err(left["status"].to_string()))
            })
            .await;
        world.quiet().await;
        let children = given::children("us-east");
        assert_eq!(world.children("us-east").await, children, "what ran stays");
        world.apply(&[given::policy("us-east")]).await;
        world.until_converged().await;
        world.until_children("us-east", &children).await;
    });
}

#[test]
fn a_run_namespace_that_went_is_told_and_filled_again() {
    with_operator(|world| async move {
        world.converged().await;
        let cluster = world.cluster("us-east");
        let gone = ["delete", "namespace", RUNS];
        cluster.kubectl(&gone).await.unwrap();
        let state = async || {
            let policy = world
                .get(&world.hub(), "datapolicy", "", "us-east-customers")
                .await;
            entry(&policy.unwrap_or_default(), "us-east").to_string()
        };
        world
            .until("the policy says what is the matter", async || {
                let said = state().await;
                let is_told = said.contains(RUNS) && said.contains("Namespace");
                is_told.then_some(()).ok_or(said)
            })
            .await;
        assert_eq!(
            entry(&world.channel("instagram").await, "us-east")["state"],
            "Run",
            "what is elsewhere goes on"
        );
        give_rights(&world, "us-east").await;
        world.until_converged().await;
        world
            .until_children("us-east", &given::children("us-east"))
            .await;
        // Gone for good, it holds no deletion up.
        cluster.kubectl(&gone).await.unwrap();
        for region in REGIONS {
            delete(&world, "datapolicy", &format!("{region}-customers")).await;
        }
        world
            .until("the policies go", async || {
                let args = ["get", "datapolicy", "-o", "name"];
                let left = world.hub().kubectl(&args).await.unwrap();
                left.is_empty().then_some(()).ok_or(left)
            })
            .await;
        give_rights(&world, "us-east").await;
    });
}

#[test]
fn a_region_that_is_orphaned_needs_no_answer_of_its_cluster() {
    with_operator(|world| async move {
        world.converged().await;
        let hub = world.hub();
        let secret = install::kubeconfig_secret("us-east");
        hub.kubectl(&["delete", "secret", &secret, "-n", install::SYSTEM])
            .await
            .unwrap();
        orphan(&world, "region", "us-east").await;
        delete(&world, "region", "us-east").await;
        world
            .until("the Region goes", async || {
                let region = world.region("us-east").await;
                if region.is_null() {
                    Ok(())
                } else {
                    Err(format!("{:?}", condition(&region, "Deleting")))
                }
            })
            .await;
        assert_eq!(
            world.children("us-east").await,
            given::children("us-east"),
            "what ran stays"
        );
        let inventory = entry(&world.channel("instagram").await, "us-east")["inventory"].clone();
        assert!(
            inventory.as_array().is_none_or(Vec::is_empty),
            "{inventory}"
        );
        // For the next test: the Region comes back and everything in it is taken away properly.
        world.give_kubeconfig("us-east").await;
        world.apply(&[given::region("us-east")]).await;
        world.until_converged().await;
    });
}

#[test]
fn a_namespace_that_is_going_gets_nothing_new() {
    with_operator(|world| async move {
        world.converged().await;
        let cluster = world.cluster("us-east");
        // A finalizer of somebody else's keeps the namespace in its last state.
        let keep = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "keeper", "namespace": TENANT, "finalizers": ["example.org/keep"]},
        });
        install::apply(&cluster, &keep.to_string()).await.unwrap();
        cluster
            .kubectl(&["delete", "namespace", TENANT, "--wait=false"])
            .await
            .unwrap();
        world
            .until("the channel says what is the matter", async || {
                let said = entry(&world.channel("instagram").await, "us-east").to_string();
                if said.contains("Namespace") {
                    Ok(())
                } else {
                    Err(said)
                }
            })
            .await;
        world.quiet().await;
        let mark = world.mark();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let writes = mark.writes_of_children().into_iter();
        let creates = writes.filter(|r| r.cluster == "us-east");
        assert_eq!(creates.collect::<Vec<_>>(), [], "nothing is tried in it");
        assert_eq!(
            entry(&world.channel("instagram").await, "eu-west")["state"],
            "Run"
        );

        let free = [
            "patch",
            "configmap",
            "keeper",
            "-n",
            TENANT,
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
        ];
        cluster.kubectl(&free).await.unwrap();
        world
            .until("the namespace is gone", async || {
                let there = world.get(&cluster, "namespace", "", TENANT).await;
                if there.is_none() {
                    Ok(())
                } else {
                    Err("it is there".into())
                }
            })
            .await;
        let rights =
            install::region_rights(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), &[TENANT])
                .unwrap();
        install::apply(&cluster, &rights).await.unwrap();
        world.until_converged().await;
    });
}

async fn give_rights(world: &World, region: &str) {
    let checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let rights = install::region_rights(checkout, &[TENANT]).unwrap();
    install::apply(&world.cluster(region), &rights)
        .await
        .unwrap();
}

pub(crate) async fn channel_goes(world: &World, name: &str) {
    world
        .until("the channel goes", async || {
            let left = world.channel(name).await;
            if left.is_null() {
                Ok(())
            } else {
                Err(format!("{:?}", condition(&left, "Deleting")))
            }
        })
        .await;
}

#[test]
fn a_namespace_that_went_first_holds_no_deletion_up() {
    with_operator(|world| async move {
        world.converged().await;
        // With it go the rights to look into it.
        let gone = ["delete", "namespace", TENANT];
        world.cluster("us-east").kubectl(&gone).await.unwrap();
        delete(&world, "socialchannel", "instagram").await;
        channel_goes(&world, "instagram").await;
        give_rights(&world, "us-east").await;
    });
}

#[test]
fn what_cannot_be_seen_is_not_called_gone() {
    with_operator(|mut world| async move {
        world.converged().await;
        world.stop().await;
        let rights = "tradewind-region-tenant";
        world
            .cluster("us-east")
            .kubectl(&["delete", "rolebinding", rights, "-n", TENANT])
            .await
            .unwrap();
        delete(&world, "socialchannel", "instagram").await;
        world.start().await;
        world
            .until("the channel says what it cannot see", async || {
                let channel = world.channel("instagram").await;
                let said = condition(&channel, "Deleting");
                let stalled = condition(&channel, "Stalled");
                let named = said.2.contains("us-east") && said.2.contains("may not be read");
                if named && stalled.1 == "Unreadable" {
                    Ok(())
                } else {
                    Err(format!("{said:?} {stalled:?}"))
                }
            })
            .await;
        world.quiet().await;
        let channel = world.channel("instagram").await;
        assert!(!channel["status"].to_string().contains("being removed"));
        let mut left = world.children("us-east").await;
        left.retain(|child| child.contains("instagram"));
        assert_eq!(left.len(), 11, "nothing is touched meanwhile: {left:?}");

        give_rights(&world, "us-east").await;
        channel_goes(&world, "instagram").await;
        let mut left = world.children("us-east").await;
        left.retain(|child| child.contains("instagram"));
        assert_eq!(left, Vec::<String>::new());
    });
}

#[test]
fn a_hub_namespace_that_goes_takes_its_channels_children_with_it() {
    with_operator(|world| async move {
        world.converged().await;
        world
            .hub()
            .kubectl(&["delete", "namespace", TENANT, "--wait=false"])
            .await
            .unwrap();
        let mut policies: Vec<String> = given::children("eu-west");
        policies.retain(|c| given::is_of_no_channel(c));
        world.until_children("eu-west", &policies).await;
        world
            .until("the namespace is gone", async || {
                let there = world.get(&world.hub(), "namespace", "", TENANT).await;
                there.map_or(Ok(()), |n| Err(n["status"].to_string()))
            })
            .await;
        let rights =
            install::hub_rights(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), &[TENANT])
                .unwrap();
        install::apply(&world.hub(), &rights).await.unwrap();
    });
}
